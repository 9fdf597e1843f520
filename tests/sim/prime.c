// PRIME: a dma-buf is another fd on the memfd of the buffer. Its fences, in and out.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sim.h"

#define IOC_EXPORT_SYNC_FILE 0xc0086202u
#define IOC_IMPORT_SYNC_FILE 0x40086203u
#define SYNC_WRITE 2u
#define SYNC_RW 3u

struct sync_file_args {
    uint32_t flags;
    int32_t fd;
};

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
    if (bo->private_to) {
        bo_put(bo);
        return -EINVAL;
    }

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

// A reference to the fence in a slot, or NULL.
static struct fence *slot_get(struct fence **slot)
{
    pthread_mutex_lock(&gpu_lock);
    struct fence *f = *slot;
    if (f)
        node_get(&f->node);
    pthread_mutex_unlock(&gpu_lock);
    return f;
}

// The slot's fence signals after this one, too; merging drops what has signalled.
static int slot_add(struct fence **slot, struct fence *fence)
{
    for (bool done = false; !done;) {
        struct fence *old = slot_get(slot), *merged = fence;
        if (old && !(merged = fence_merge(old, fence, ""))) {
            fence_put(old);
            return -ENOMEM;
        }
        if (!old)
            node_get(&fence->node);
        pthread_mutex_lock(&gpu_lock);
        done = *slot == old;
        if (done)
            *slot = merged;
        pthread_mutex_unlock(&gpu_lock);
        fence_put(old);
        fence_put(done ? old : merged);
    }
    return 0;
}

static int import_sync_file(struct bo *bo, const struct sync_file_args *args)
{
    struct fence *fence = fence_from_fd(args->fd);
    if (!fence)
        return -EINVAL;
    int ret = slot_add(args->flags & SYNC_WRITE ? &bo->write_fence : &bo->read_fence, fence);
    fence_put(fence);
    return ret;
}

// Who only reads waits for writers, who writes for everybody.
static int export_sync_file(struct bo *bo, struct sync_file_args *args)
{
    struct fence *all = slot_get(&bo->write_fence);
    struct fence *readers = args->flags & SYNC_WRITE ? slot_get(&bo->read_fence) : NULL;
    if (all && readers) {
        struct fence *both = fence_merge(all, readers, "");
        fence_put(all);
        fence_put(readers);
        all = both;
    } else if (!all) {
        all = readers ? readers : fence_new(fence_contexts(1), 1, 1);
    }
    if (!all)
        return -ENOMEM;
    int fd = fence_export(all, NULL);
    fence_put(all);
    if (fd < 0)
        return fd;
    args->fd = fd;
    return 0;
}

// *ours = false: no dma-buf of ours or another request, the real kernel shall answer.
int dmabuf_ioctl(int fd, unsigned long request, void *arg, bool *ours)
{
    bool import = request == IOC_IMPORT_SYNC_FILE;
    struct bo *bo = import || request == IOC_EXPORT_SYNC_FILE ? bo_by_fd(fd) : NULL;
    *ours = bo;
    if (!bo)
        return 0;
    int ret = sim_enter(import ? DRMSIM_IMPORT_SYNC_FILE : DRMSIM_EXPORT_SYNC_FILE);
    struct sync_file_args *args = arg;
    if (!ret && !args)
        ret = -EFAULT;
    if (!ret && SIM_UNLIKELY(sim_recording))
        sim_record(import ? DRMSIM_IMPORT_SYNC_FILE : DRMSIM_EXPORT_SYNC_FILE, args, sizeof(*args));
    if (!ret && (!args->flags || args->flags & ~SYNC_RW))
        ret = -EINVAL;
    if (!ret)
        ret = import ? import_sync_file(bo, args) : export_sync_file(bo, args);
    bo_put(bo);
    return ret;
}
