// Replacements of the C library's file calls: ours are answered, the rest passes through.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"

// X(type of the result, name, parameters)
#define REAL_CALLS(X) \
    X(int, openat, (int, const char *, int, ...)) \
    X(int, ioctl, (int, unsigned long, ...)) \
    X(void *, mmap, (void *, size_t, int, int, int, off_t)) \
    X(int, close, (int)) \
    X(int, dup, (int)) \
    X(int, dup2, (int, int)) \
    X(int, dup3, (int, int, int)) \
    X(int, fcntl, (int, int, ...)) \
    X(int, epoll_ctl, (int, int, int, struct epoll_event *))

#define DECLARE(type, name, params) static type (*real_##name) params;
REAL_CALLS(DECLARE)
static atomic_int resolved; // 1: in progress, 2: done

// Other libraries' constructors call us before ours ran. dlsym itself may come
// back here (tools that allocate with mmap); those calls go to the kernel.
static bool real(void)
{
    if (SIM_LIKELY(atomic_load_explicit(&resolved, memory_order_acquire) == 2))
        return true;
    static _Thread_local bool inside;
    if (inside)
        return false;
    inside = true;
#define RESOLVE(type, name, params) *(void **)&real_##name = dlsym(RTLD_NEXT, #name);
    REAL_CALLS(RESOLVE)
    atomic_store_explicit(&resolved, 2, memory_order_release);
    inside = false;
    return true;
}

int sys_close(int fd)
{
    return real() ? real_close(fd) : (int)syscall(SYS_close, fd);
}

int sys_dup(int fd)
{
    int copy = real() ? real_fcntl(fd, F_DUPFD_CLOEXEC, 0)
                      : (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
    return copy < 0 ? -errno : copy;
}

int sys_ioctl(int fd, unsigned long request, void *arg)
{
    return real() ? real_ioctl(fd, request, arg) : (int)syscall(SYS_ioctl, fd, request, arg);
}

void *sys_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
    return real() ? real_mmap(addr, len, prot, flags, fd, offset)
                  : (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
}

int64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void log_line(const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int n = snprintf(line, sizeof(line), "drmsim: ");
    n += vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
    va_end(args);
    if (n > (int)sizeof(line) - 2)
        n = (int)sizeof(line) - 2;
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        return; // nowhere left to complain
}

// -errno to the C library's convention.
static int result(int ret)
{
    if (SIM_LIKELY(ret >= 0))
        return ret;
    errno = -ret;
    return -1;
}

static int open_any(int dir, const char *path, int flags, mode_t mode)
{
    if (path && path[0] == '/') {
        const struct device *device = device_by_path(path);
        if (device)
            return result(file_open(device, flags));
    }
    if (!real())
        return (int)syscall(SYS_openat, dir, path, flags, mode);
    return real_openat(dir, path, flags, mode);
}

#define OPEN_MODE(last) ({ \
    mode_t mode_ = 0; \
    if (flags & (O_CREAT | __O_TMPFILE)) { \
        va_list args_; \
        va_start(args_, last); \
        mode_ = va_arg(args_, mode_t); \
        va_end(args_); \
    } \
    mode_; })

SIM_EXPORT int open(const char *path, int flags, ...)
{
    return open_any(AT_FDCWD, path, flags, OPEN_MODE(flags));
}

SIM_EXPORT int open64(const char *path, int flags, ...)
{
    return open_any(AT_FDCWD, path, flags | O_LARGEFILE, OPEN_MODE(flags));
}

SIM_EXPORT int openat(int dir, const char *path, int flags, ...)
{
    return open_any(dir, path, flags, OPEN_MODE(flags));
}

SIM_EXPORT int openat64(int dir, const char *path, int flags, ...)
{
    return open_any(dir, path, flags | O_LARGEFILE, OPEN_MODE(flags));
}

// What open() becomes in fortified programs.
SIM_EXPORT int __open_2(const char *path, int flags);
SIM_EXPORT int __open64_2(const char *path, int flags);

SIM_EXPORT int __open_2(const char *path, int flags)
{
    return open_any(AT_FDCWD, path, flags, 0);
}

SIM_EXPORT int __open64_2(const char *path, int flags)
{
    return open_any(AT_FDCWD, path, flags | O_LARGEFILE, 0);
}

SIM_EXPORT int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    va_start(args, request);
    void *arg = va_arg(args, void *);
    va_end(args);

    unsigned type = (request >> 8) & 0xff;
    if (type == 'd') {
        struct node *node = fdtab_get(fd);
        if (SIM_LIKELY(node != NULL)) {
            int ret = node->type == NODE_FILE
                          ? file_ioctl((struct drm_file *)node, (uint32_t)request, arg)
                          : -ENOTTY;
            node_put(node);
            return result(ret);
        }
    } else if (type == '>' || type == 'b') {
        bool ours = true;
        int ret = (type == 'b' ? dmabuf_ioctl : sync_file_ioctl)(fd, (uint32_t)request, arg, &ours);
        if (ours)
            return result(ret);
    }
    return sys_ioctl(fd, request, arg);
}

static void *mmap_any(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
    if (!(flags & MAP_ANONYMOUS) && fdtab_known(fd)) {
        struct node *node = fdtab_get_checked(fd);
        if (node && (node->type == NODE_FILE || node->type == NODE_DMABUF)) {
            void *p;
            if (node->type == NODE_FILE) {
                p = file_mmap((struct drm_file *)node, addr, len, prot, flags, offset);
            } else {
                int err = sim_enter(DRMSIM_MMAP);
                p = err ? (errno = -err, MAP_FAILED) : sys_mmap(addr, len, prot, flags, fd, offset);
                if (p != MAP_FAILED)
                    stat_add(&sim_stats.mappings, 1);
            }
            node_put(node);
            return p;
        }
        if (node)
            node_put(node);
    }
    return sys_mmap(addr, len, prot, flags, fd, offset);
}

SIM_EXPORT void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
    return mmap_any(addr, len, prot, flags, fd, offset);
}

SIM_EXPORT void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t offset)
{
    return mmap_any(addr, len, prot, flags, fd, offset);
}

// Only so that it can be made to fail.
SIM_EXPORT int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    int err = op == EPOLL_CTL_ADD ? sim_enter(DRMSIM_EPOLL_ADD) : 0;
    if (err) {
        errno = -err;
        return -1;
    }
    return real() ? real_epoll_ctl(epoll, op, fd, event) : (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

SIM_EXPORT int close(int fd)
{
    // Forget it first: afterwards the number may already be somebody else's.
    struct node *node = fdtab_known(fd) ? fdtab_take(fd) : NULL;
    int ret = sys_close(fd);
    if (node) {
        int saved = errno;
        node_put(node);
        errno = saved;
    }
    return ret;
}

// fd `to` was just made a copy of `from` by the real call.
static int copied(int from, int to)
{
    if (to < 0)
        return to;
    struct node *node = fdtab_known(from) ? fdtab_get_checked(from) : NULL;
    if (node)
        return result(fdtab_install(to, node));
    if (fdtab_known(to) && (node = fdtab_take(to)))
        node_put(node);
    return to;
}

SIM_EXPORT int dup(int fd)
{
    return copied(fd, real() ? real_dup(fd) : (int)syscall(SYS_dup, fd));
}

SIM_EXPORT int dup2(int from, int to)
{
    real();
    int ret = real_dup2(from, to);
    return from == to ? ret : copied(from, ret);
}

SIM_EXPORT int dup3(int from, int to, int flags)
{
    real();
    return copied(from, real_dup3(from, to, flags));
}

SIM_EXPORT int fcntl(int fd, int cmd, ...)
{
    va_list args;
    va_start(args, cmd);
    void *arg = va_arg(args, void *);
    va_end(args);
    int ret = real() ? real_fcntl(fd, cmd, arg) : (int)syscall(SYS_fcntl, fd, cmd, arg);
    return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC ? copied(fd, ret) : ret;
}

SIM_EXPORT int fcntl64(int fd, int cmd, ...) __attribute__((alias("fcntl")));
