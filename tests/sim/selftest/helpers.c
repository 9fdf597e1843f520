// What the selftest's cases share.
#define _GNU_SOURCE
#include "selftest.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

int failures;
int (*control)(const char *);
void (*counters)(struct drmsim_counters *);
const char *(*kind_name)(unsigned);

void equal_at(const char *file, int line, const char *text, int64_t got, int64_t want)
{
    if (got == want)
        return;
    failures++;
    printf("  %s:%d: %s is %lld, not %lld\n", file, line, text, (long long)got, (long long)want);
}

int dev(void)
{
    int fd = open("/dev/dri/renderD128", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        perror("cannot open /dev/dri/renderD128");
        exit(2);
    }
    return fd;
}

int io(int fd, unsigned long request, void *arg)
{
    return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

int64_t now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

uint32_t bo(int fd, uint64_t size)
{
    struct gem_new a = { size, WC, 0 };
    EQ(io(fd, GEM_NEW, &a), 0);
    return a.handle;
}

int info(int fd, uint32_t handle, uint32_t what, uint64_t value, uint32_t len)
{
    struct gem_info a = { handle, what, value, len, 0 };
    return io(fd, GEM_INFO, &a);
}

int prep(int fd, uint32_t handle, uint32_t op, int64_t deadline)
{
    struct cpu_prep a = { handle, op, deadline / 1000000000, deadline % 1000000000 };
    return io(fd, CPU_PREP, &a);
}

int wait_seqno(int fd, uint32_t queue_id, uint32_t seqno, int64_t deadline)
{
    struct wait_fence a = { seqno, 0, deadline / 1000000000, deadline % 1000000000, queue_id, 0 };
    return io(fd, WAIT_FENCE, &a);
}

int queue(int fd, uint32_t prio)
{
    struct submitqueue a = { 0, prio, 0 };
    int ret = io(fd, QUEUE_NEW, &a);
    return ret ? ret : (int)a.id;
}

int export_bo(int fd, uint32_t handle)
{
    struct drm_prime a = { handle, O_CLOEXEC | O_RDWR, -1 };
    int ret = io(fd, HANDLE_TO_FD, &a);
    return ret ? ret : a.fd;
}

int job(int fd, uint32_t queue_id, uint32_t seqno, uint32_t handle, int in_fence)
{
    struct submit_bo b = { 3, handle, 0 };
    struct submit a = { .flags = PIPE | SN_IN | FD_OUT | (in_fence >= 0 ? FD_IN : 0),
                        .fence = seqno, .nr_bos = handle ? 1 : 0, .bos = (uintptr_t)&b,
                        .fence_fd = in_fence, .queueid = queue_id };
    int ret = io(fd, SUBMIT, &a);
    return ret ? ret : a.fence_fd;
}

int fence_status(int fd)
{
    struct sync_file_info a = { 0 };
    int ret = io(fd, FILE_INFO, &a);
    return ret ? ret * 10000 : a.status; // errors of the ioctl stand out
}

int merge(int fd, int fd2)
{
    struct sync_merge a = { .name = "test", .fd2 = fd2 };
    int ret = io(fd, MERGE, &a);
    return ret ? ret : a.fence;
}

bool readable(int fd, int timeout_ms)
{
    struct pollfd p = { fd, POLLIN, 0 };
    return poll(&p, 1, timeout_ms) == 1 && p.revents & POLLIN;
}

int open_fds(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n - 3; // ".", ".." and the directory itself
}
