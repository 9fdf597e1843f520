// The waiter: one thread for all contexts, started with the first GPU fence. It
// sleeps in epoll on the heads of the timelines and delivers what signals.
#include "hub.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>

#define WAKE UINT64_MAX // the wake fd's key

static void *wait_for_gpu(void *arg)
{
    struct vd_hub *hub = arg;
    struct epoll_event events[64];
    uint64_t checked = vd_now();
    bool pending = true;

    while (!__atomic_load_n(&hub->stop, __ATOMIC_ACQUIRE)) {
        int n = epoll_wait(hub->epoll, events, 64, pending ? (int)(VD_CHECK_NS / 1000000) : -1);
        uint64_t now;

        for (int i = 0; i < n; i++) {
            if (events[i].data.u64 == WAKE) {
                eventfd_t count;

                eventfd_read(hub->wake, &count);
            } else {
                vd_timeline_event(hub, events[i].data.u64);
            }
        }
        now = vd_now();
        if (n == 0 || now - checked >= VD_CHECK_NS) {
            checked = now;
            pending = vd_timeline_check(hub, now);
        } else {
            pending = true;
        }
    }
    if (hub->abandoned)
        vd_hub_release(hub);
    return NULL;
}

int vd_waiter_start(struct vd_hub *hub)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.u64 = WAKE };
    pthread_attr_t attr;
    sigset_t all, old;
    int r;

    if (hub->epoll < 0 && (hub->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
        return -errno;
    if (hub->wake < 0) {
        if ((hub->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
            return -errno;
        if (epoll_ctl(hub->epoll, EPOLL_CTL_ADD, hub->wake, &ev))
            return -errno;
    }
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 512 * 1024); // the VMM's callbacks run on it
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(&hub->waiter, &attr, wait_for_gpu, hub);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (r)
        return -r;
    pthread_setname_np(hub->waiter, "virgldrm-fence");
    hub->waiting = true;
    return 0;
}

void vd_waiter_stop(struct vd_hub *hub)
{
    if (!hub->waiting)
        return;
    __atomic_store_n(&hub->stop, true, __ATOMIC_RELEASE);
    if (pthread_equal(hub->waiter, pthread_self())) {
        // Called from a callback: the thread cannot wait for itself.
        hub->abandoned = true;
        pthread_detach(hub->waiter);
        return;
    }
    eventfd_write(hub->wake, 1);
    pthread_join(hub->waiter, NULL);
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

void vd_waiter_wake(struct vd_hub *hub) { eventfd_write(hub->wake, 1); }
