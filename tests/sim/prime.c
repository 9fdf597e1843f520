// PRIME: a dma-buf is another fd on the memfd of the buffer.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sim.h"

struct prime_handle {
    uint32_t handle, flags;
    int32_t fd;
};

// Without the write flag the dma-buf is read-only, hence opened anew.
static int memory_fd(int memfd, uint32_t flags)
{
    int fd;
    if (flags & O_RDWR) {
        fd = (int)syscall(SYS_fcntl, memfd, flags & O_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
    } else {
        char path[64];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd);
        fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | (flags & O_CLOEXEC));
    }
    return fd < 0 ? -errno : fd;
}

int prime_export(struct drm_file *file, void *arg)
{
    struct prime_handle *args = arg;
    if (args->flags & ~(uint32_t)(O_CLOEXEC | O_RDWR))
        return -EINVAL;
    pthread_mutex_lock(&file->lock);
    struct holder *h = handle_find(file, args->handle);
    struct bo *bo = h ? h->bo : NULL;
    if (bo)
        bo_get(bo);
    pthread_mutex_unlock(&file->lock);
    if (!bo)
        return -ENOENT;

    struct dmabuf *buf = malloc(sizeof(*buf));
    int fd = buf ? bo_memfd(bo) : -ENOMEM;
    if (fd >= 0)
        fd = memory_fd(fd, args->flags);
    if (fd < 0) {
        bo_put(bo);
        free(buf);
        return fd;
    }
    buf->node = (struct node){ NODE_DMABUF, 1, bo->ino };
    buf->bo = bo;
    args->fd = fdtab_install(fd, &buf->node);
    return args->fd < 0 ? args->fd : 0;
}

int prime_import(struct drm_file *file, void *arg)
{
    struct prime_handle *args = arg;
    struct stat st;
    if (fstat(args->fd, &st))
        return -EBADF;
    struct bo *bo = bo_by_fd(args->fd);
    if (!bo)
        return -EINVAL;
    int ret = 0;
    pthread_mutex_lock(&file->lock);
    struct holder *h = holder_of(file, bo);
    if (h) {
        args->handle = h->handle;
        bo_put(bo);
    } else {
        ret = handle_create(file, bo, &args->handle);
    }
    pthread_mutex_unlock(&file->lock);
    return ret;
}
