// What package drm needs of libc and libdrm, in shapes that cost cgo little:
// results are >= 0 or a negative errno, and pointers go by integer type.
#ifndef VIRGLDRM_LIBC_H
#define VIRGLDRM_LIBC_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <xf86drm.h>

static inline int64_t vd_result(int64_t r) { return r < 0 ? -errno : r; }

static inline int vd_open(const char *path)
{
    return (int)vd_result(open(path, O_RDWR | O_CLOEXEC | O_NOCTTY));
}

static inline int vd_close(int fd) { return (int)vd_result(close(fd)); }

static inline int vd_dup(int fd) { return (int)vd_result(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

// Simulated devices are sloppy: some return a negative errno, or -1 without
// setting errno. Neither may pass for success, nor make drmIoctl retry for ever.
static inline int vd_ioctl(int fd, unsigned long request, uint8_t *arg)
{
    int r;

    errno = 0;
    r = drmIoctl(fd, request, arg);
    if (r >= 0)
        return r;
    if (r < -1)
        return r;
    return errno ? -errno : -EIO;
}

static inline int64_t vd_seek_end(int fd) { return vd_result(lseek(fd, 0, SEEK_END)); }

static inline int vd_memfd(const char *name, int64_t size)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, size) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
        int e = errno;

        close(fd);
        return -e;
    }
    return fd;
}

// Maps at addr if it is not 0 (replacing what is there), else anywhere.
// Returns 0 and the address in *out, or a negative errno.
static inline int vd_mmap(uintptr_t addr, uint64_t size, int fd, uint64_t offset, uintptr_t *out)
{
    void *p = mmap((void *)addr, size, PROT_READ | PROT_WRITE, MAP_SHARED | (addr ? MAP_FIXED : 0), fd, (off_t)offset);

    if (p == MAP_FAILED)
        return -errno;
    *out = (uintptr_t)p;
    return 0;
}

static inline int vd_munmap(uintptr_t addr, uint64_t size)
{
    return (int)vd_result(munmap((void *)addr, size));
}

static inline int64_t vd_monotonic(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline uintptr_t vd_alloc(size_t size) { return (uintptr_t)calloc(1, size); }
static inline void vd_free(uintptr_t p) { free((void *)p); }

#endif
