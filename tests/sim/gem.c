// Buffers (memory is a memfd, made on first need) and the handles of a file.
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim.h"

pthread_mutex_t share_lock = PTHREAD_MUTEX_INITIALIZER;

// Guarded by share_lock: buffers with a memfd by inode, mappable ones by offset.
#define INO_BUCKETS 1024
static struct bo *by_ino[INO_BUCKETS];
static struct idtab by_offset;
static unsigned mappable;
#define OFFSET_SHIFT 36 // room for one buffer in the device's fake offset space

int bo_new(uint64_t size, uint32_t flags, struct bo **out)
{
    struct bo *bo = size <= 1ull << OFFSET_SHIFT ? calloc(1, sizeof(*bo)) : NULL;
    if (!bo)
        return -ENOMEM;
    bo->refs = 1;
    bo->size = size;
    bo->flags = flags;
    bo->memfd = -1;
    stat_add(&sim_stats.bos, 1);
    stat_add(&sim_stats.bytes, (int64_t)size);
    *out = bo;
    return 0;
}

static void bo_unshare(struct bo *bo)
{
    pthread_mutex_lock(&share_lock);
    if (bo->memfd >= 0) {
        struct bo **link = &by_ino[bo->ino % INO_BUCKETS];
        while (*link != bo)
            link = &(*link)->next_ino;
        *link = bo->next_ino;
        sys_close(bo->memfd);
    }
    if (bo->map_offset) {
        idtab_remove(&by_offset, (uint32_t)(bo->map_offset >> OFFSET_SHIFT));
        if (--mappable == 0) {
            free(by_offset.slots);
            by_offset = (struct idtab){ 0 };
        }
    }
    pthread_mutex_unlock(&share_lock);
}

void bo_put(struct bo *bo)
{
    if (atomic_fetch_sub_explicit(&bo->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (bo->memfd >= 0 || bo->map_offset)
        bo_unshare(bo);
    stat_add(&sim_stats.bos, -1);
    stat_add(&sim_stats.bytes, -(int64_t)bo->size);
    fence_put(bo->read_fence);
    fence_put(bo->write_fence);
    free(bo->metadata);
    free(bo);
}

// A reference unless the last one is just being dropped.
static bool bo_try_get(struct bo *bo)
{
    unsigned refs = atomic_load(&bo->refs);
    while (refs)
        if (atomic_compare_exchange_weak(&bo->refs, &refs, refs + 1))
            return true;
    return false;
}

static void publish(struct bo *bo, int fd, const struct stat *st) // share_lock held
{
    bo->dev = st->st_dev;
    bo->ino = st->st_ino;
    bo->next_ino = by_ino[bo->ino % INO_BUCKETS];
    by_ino[bo->ino % INO_BUCKETS] = bo;
    bo->memfd = fd;
}

int bo_memfd(struct bo *bo)
{
    int ret = 0;
    pthread_mutex_lock(&share_lock);
    if (bo->memfd < 0) {
        struct stat st;
        int fd = memfd_create("drmsim-bo", MFD_CLOEXEC);
        if (fd < 0 || ftruncate(fd, (off_t)bo->size) || fstat(fd, &st)) {
            ret = fd < 0 ? -errno : -ENOMEM;
            if (fd >= 0)
                sys_close(fd);
        } else {
            publish(bo, fd, &st);
        }
    }
    if (!ret)
        ret = bo->memfd;
    pthread_mutex_unlock(&share_lock);
    return ret;
}

// Memory of a simulated device in another process.
static struct bo *adopt(int fd, const struct stat *st)
{
    char link[64], target[64];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, target, sizeof(target) - 1);
    if (n < 0)
        return NULL;
    target[n] = 0;
    struct bo *bo;
    if (strcmp(target, "/memfd:drmsim-bo (deleted)") || bo_new((uint64_t)st->st_size, 0, &bo))
        return NULL;
    int own = sys_dup(fd);
    if (own < 0) {
        bo_put(bo);
        return NULL;
    }
    publish(bo, own, st);
    return bo;
}

struct bo *bo_by_fd(int fd)
{
    struct stat st;
    if (fstat(fd, &st))
        return NULL;
    pthread_mutex_lock(&share_lock);
    struct bo *bo = by_ino[st.st_ino % INO_BUCKETS];
    while (bo && (bo->ino != st.st_ino || bo->dev != st.st_dev || !bo_try_get(bo)))
        bo = bo->next_ino;
    if (!bo)
        bo = adopt(fd, &st);
    pthread_mutex_unlock(&share_lock);
    return bo;
}

int bo_map_offset(struct bo *bo, uint64_t *offset)
{
    int ret = 0;
    pthread_mutex_lock(&share_lock);
    if (!bo->map_offset) {
        uint32_t id;
        ret = idtab_add(&by_offset, bo, &id);
        if (!ret) {
            bo->map_offset = (uint64_t)id << OFFSET_SHIFT;
            mappable++;
        }
    }
    *offset = bo->map_offset;
    pthread_mutex_unlock(&share_lock);
    return ret;
}

struct bo *bo_by_offset(uint64_t offset)
{
    if (offset & ((1ull << OFFSET_SHIFT) - 1) || offset >> OFFSET_SHIFT > UINT32_MAX)
        return NULL;
    pthread_mutex_lock(&share_lock);
    struct bo *bo = idtab_find(&by_offset, (uint32_t)(offset >> OFFSET_SHIFT));
    if (bo && !bo_try_get(bo))
        bo = NULL;
    pthread_mutex_unlock(&share_lock);
    return bo;
}

bool bo_busy(struct bo *bo, bool write)
{
    return atomic_load(&bo->writers) || (write && atomic_load(&bo->readers));
}

static void bo_lock(struct bo *bo)
{
    while (atomic_flag_test_and_set_explicit(&bo->lock, memory_order_acquire))
        sched_yield();
}

static void bo_unlock(struct bo *bo)
{
    atomic_flag_clear_explicit(&bo->lock, memory_order_release);
}

struct holder *holder_of(struct drm_file *file, struct bo *bo)
{
    bo_lock(bo);
    struct holder *h = bo->holders;
    while (h && h->file != file)
        h = h->next;
    bo_unlock(bo);
    return h;
}

int handle_create(struct drm_file *file, struct bo *bo, uint32_t *handle)
{
    bo_lock(bo);
    struct holder *h = bo->first.file ? calloc(1, sizeof(*h)) : &bo->first;
    int ret = h ? idtab_add(&file->handles, h, &h->handle) : -ENOMEM;
    if (!ret) {
        h->file = file;
        h->bo = bo;
        h->submit_mark = 0;
        h->next = bo->holders;
        bo->holders = h;
        *handle = h->handle;
    } else if (h != &bo->first) {
        free(h);
    }
    bo_unlock(bo);
    if (ret)
        bo_put(bo);
    else
        stat_add(&sim_stats.handles, 1);
    return ret;
}

static bool idle(void *bo)
{
    return !bo_busy(bo, true);
}

void handle_wait(struct drm_file *file, uint32_t handle)
{
    if (!file->device->driver->close_waits)
        return;
    pthread_mutex_lock(&file->lock);
    struct holder *h = handle_find(file, handle);
    struct bo *bo = h ? h->bo : NULL;
    if (bo)
        bo_get(bo);
    pthread_mutex_unlock(&file->lock);
    if (bo) {
        engine_wait(idle, bo, INT64_MAX);
        bo_put(bo);
    }
}

int handle_close(struct drm_file *file, uint32_t handle)
{
    struct holder *h = idtab_remove(&file->handles, handle);
    if (!h)
        return -EINVAL;
    struct bo *bo = h->bo;
    file->device->driver->unmap(file, h);
    bo_lock(bo);
    struct holder **link = &bo->holders;
    while (*link != h)
        link = &(*link)->next;
    *link = h->next;
    if (h == &bo->first)
        h->file = NULL;
    bo_unlock(bo);
    if (h != &bo->first)
        free(h);
    bo_put(bo);
    stat_add(&sim_stats.handles, -1);
    return 0;
}

void *file_mmap(struct drm_file *file, void *addr, size_t len, int prot, int flags, off_t offset)
{
    int err = sim_enter(DRMSIM_MMAP);
    struct bo *bo = err ? NULL : bo_by_offset((uint64_t)offset);
    if (!err && (!bo || len > bo->size))
        err = -EINVAL;
    if (!err) {
        pthread_mutex_lock(&file->lock);
        if (!holder_of(file, bo))
            err = -EACCES; // another file's buffer
        pthread_mutex_unlock(&file->lock);
    }
    int fd = err ? err : bo_memfd(bo);
    void *p = MAP_FAILED;
    if (fd < 0) {
        errno = -fd;
    } else {
        p = sys_mmap(addr, len, prot, flags, fd, 0);
        if (p != MAP_FAILED)
            stat_add(&sim_stats.mappings, 1);
    }
    if (bo)
        bo_put(bo);
    return p;
}
