// The waiters. One thread is started with the first GPU fence: it sleeps in epoll
// on the heads of the timelines and delivers what signals. A second joins it on
// the same epoll once two contexts have jobs at the same time: then a VMM that
// is slow with one must not hold up the other.
#include "hub.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>

#define STOP UINT64_MAX // key of the eventfd that ends the waiters

static void *wait_for_gpu(void *arg)
{
    struct vd_waiter *w = arg;
    struct vd_hub *hub = w->hub;
    struct epoll_event events[64];

    if (w != &hub->waiters[0])
        vd_timeline_again(hub, 0); // events the first has taken and not come to
    while (!__atomic_load_n(&hub->stop, __ATOMIC_ACQUIRE)) {
        // One event at a time for two waiters: what the other could deliver
        // must not wait behind a slow callback here.
        int max = __atomic_load_n(&hub->running, __ATOMIC_RELAXED) > 1 ? 1 : 64;
        int n = epoll_wait(hub->epoll, events, max, -1);

        // The sleep began before the second was there: it shall have the rest again.
        if (n > 1 && __atomic_load_n(&hub->running, __ATOMIC_RELAXED) > 1)
            vd_timeline_again(hub, 0);
        for (int i = 0; i < n; i++)
            if (events[i].data.u64 != STOP)
                vd_timeline_event(hub, events[i].data.u64);
    }
    vd_hub_put(hub);
    return NULL;
}

// All signals are the host's other threads' to handle, but for those that a fault
// in the VMM's callback raises: blocked, they would kill the process unheard.
static void block_signals(sigset_t *old)
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };
    sigset_t set;

    sigfillset(&set);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigdelset(&set, faults[i]);
    pthread_sigmask(SIG_SETMASK, &set, old);
}

// With the lock held.
int vd_waiter_start(struct vd_hub *hub)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.u64 = STOP };
    struct vd_waiter *w = &hub->waiters[hub->running];
    pthread_attr_t attr;
    sigset_t old;
    int r;

    if (hub->epoll < 0 && (hub->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
        return -errno;
    if (hub->stopper < 0) {
        if ((hub->stopper = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
            return -errno;
        if (epoll_ctl(hub->epoll, EPOLL_CTL_ADD, hub->stopper, &ev)) {
            r = -errno;
            close(hub->stopper);
            hub->stopper = -1; // or the next try would start a waiter that cannot be stopped
            return r;
        }
    }
    w->hub = hub;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 512 * 1024); // the VMM's callbacks run on it
    block_signals(&old);
    r = pthread_create(&w->thread, &attr, wait_for_gpu, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (r)
        return -r;
    pthread_setname_np(w->thread, "virgldrm-fence");
    __atomic_store_n(&hub->running, hub->running + 1, __ATOMIC_RELAXED);
    hub->refs++; // the thread's
    return 0;
}

void vd_waiter_stop(struct vd_hub *hub)
{
    uint32_t running;

    pthread_mutex_lock(&hub->lock);
    __atomic_store_n(&hub->stop, true, __ATOMIC_RELEASE);
    running = hub->running;
    if (running)
        eventfd_write(hub->stopper, 1); // stays readable: all waiters see it
    pthread_mutex_unlock(&hub->lock);
    for (uint32_t i = 0; i < running; i++) {
        struct vd_waiter *w = &hub->waiters[i];

        if (pthread_equal(w->thread, pthread_self())) {
            // Called from a callback: the thread cannot wait for itself.
            pthread_detach(w->thread);
        } else {
            pthread_join(w->thread, NULL);
        }
    }
}

// Watches fd for its timeline, once; again re-arms one that is registered.
int vd_waiter_arm(struct vd_hub *hub, uint64_t key, int fd, bool again)
{
    struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT, .data.u64 = key };

    return epoll_ctl(hub->epoll, again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

void vd_waiter_disarm(struct vd_hub *hub, int fd)
{
    epoll_ctl(hub->epoll, EPOLL_CTL_DEL, fd, NULL);
}
