// Fence callbacks, counted and timed, and the raw side's waiter: a thread in epoll_wait on all sync_files.
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench.h"

enum { BATCH = 64, PATIENCE_S = 20 };

static _Atomic uint64_t count, watched, watched_at;

void retired(void)
{
    uint64_t n = atomic_fetch_add_explicit(&count, 1, memory_order_relaxed) + 1;

    if (n == atomic_load_explicit(&watched, memory_order_relaxed))
        atomic_store_explicit(&watched_at, now_ns(), memory_order_release);
}

static void pause_until(_Atomic uint64_t *value, uint64_t least)
{
    uint64_t start = now_ns();

    while (atomic_load_explicit(value, memory_order_acquire) < least) {
        if (now_ns() - start > PATIENCE_S * 1000000000ull)
            die("fences did not retire within %d s", PATIENCE_S);
        nap_us(50);
    }
}

void retired_wait(uint64_t n) { pause_until(&count, n); }

void retired_watch(uint64_t n)
{
    atomic_store(&watched_at, 0);
    atomic_store(&watched, n);
}

uint64_t retired_wait_watched(void)
{
    pause_until(&watched_at, 1);
    return atomic_load(&watched_at);
}

static int epoll = -1, stop_fd = -1;
static pthread_t thread;

static void *wait_for_gpu(void *unused)
{
    struct epoll_event events[BATCH];

    (void)unused;
    for (;;) {
        int n = epoll_wait(epoll, events, BATCH, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == stop_fd)
                return NULL;
            retired();
            close(events[i].data.fd);
        }
    }
}

// Once only: a copy of a signalled file may live on elsewhere and would be reported again.
void raw_waiter_add(int sync_file)
{
    struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT, .data.fd = sync_file };

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, sync_file, &ev))
        die("epoll_ctl failed: %s", strerror(errno));
}

void raw_waiter_start(void)
{
    epoll = epoll_create1(EPOLL_CLOEXEC);
    stop_fd = eventfd(0, EFD_CLOEXEC);
    raw_waiter_add(stop_fd);
    if (pthread_create(&thread, NULL, wait_for_gpu, NULL))
        die("cannot start the raw side's waiter");
}

void raw_waiter_stop(void)
{
    eventfd_write(stop_fd, 1);
    pthread_join(thread, NULL);
    close(stop_fd);
    close(epoll);
}
