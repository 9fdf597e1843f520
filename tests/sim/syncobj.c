// Binary syncobjs: a handle or fd that holds one replaceable fence.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "sim.h"

#define CREATE_SIGNALED 1u
#define WAIT_ALL 1u
#define WAIT_FOR_SUBMIT 2u
#define WAIT_DEADLINE 8u
#define SYNC_FILE 1u // in both directions of the fd conversions

struct syncobj *syncobj_find(struct drm_file *file, uint32_t handle)
{
    pthread_mutex_lock(&file->lock);
    struct syncobj *obj = idtab_find(&file->syncobjs, handle);
    if (obj)
        node_get(&obj->node);
    pthread_mutex_unlock(&file->lock);
    return obj;
}

void syncobj_free(struct syncobj *obj)
{
    fence_put(obj->fence);
    free(obj);
    stat_add(&sim_stats.syncobjs, -1);
}

struct fence *syncobj_fence(struct syncobj *obj)
{
    pthread_mutex_lock(&gpu_lock);
    struct fence *f = obj->fence;
    if (f)
        node_get(&f->node);
    pthread_mutex_unlock(&gpu_lock);
    return f;
}

void syncobj_replace(struct syncobj *obj, struct fence *fence)
{
    pthread_mutex_lock(&gpu_lock);
    struct fence *old = obj->fence;
    obj->fence = fence;
    engine_wake();
    pthread_mutex_unlock(&gpu_lock);
    fence_put(old);
}

// Takes over the reference.
static int add_handle(struct drm_file *file, struct syncobj *obj, uint32_t *handle)
{
    pthread_mutex_lock(&file->lock);
    int ret = idtab_add(&file->syncobjs, obj, handle);
    pthread_mutex_unlock(&file->lock);
    if (ret)
        node_put(&obj->node);
    return ret;
}

int syncobj_create(struct drm_file *file, void *arg)
{
    struct { uint32_t handle, flags; } *args = arg;
    if (args->flags & ~CREATE_SIGNALED)
        return -EINVAL;
    struct syncobj *obj = calloc(1, sizeof(*obj));
    if (!obj)
        return -ENOMEM;
    obj->node = (struct node){ NODE_SYNCOBJ, 1, 0 };
    stat_add(&sim_stats.syncobjs, 1);
    if (args->flags & CREATE_SIGNALED && !(obj->fence = fence_new(fence_contexts(1), 1, 1))) {
        node_put(&obj->node);
        return -ENOMEM;
    }
    return add_handle(file, obj, &args->handle);
}

int syncobj_destroy(struct drm_file *file, void *arg)
{
    struct { uint32_t handle, pad; } *args = arg;
    if (args->pad)
        return -EINVAL;
    pthread_mutex_lock(&file->lock);
    struct syncobj *obj = idtab_remove(&file->syncobjs, args->handle);
    pthread_mutex_unlock(&file->lock);
    if (!obj)
        return -EINVAL;
    node_put(&obj->node);
    return 0;
}

struct handle_args {
    uint32_t handle, flags;
    int32_t fd;
    uint32_t pad;
    uint64_t point;
};

int syncobj_to_fd(struct drm_file *file, void *arg)
{
    struct handle_args *args = arg;
    if (args->pad || args->flags & ~SYNC_FILE || args->point)
        return -EINVAL;
    struct syncobj *obj = syncobj_find(file, args->handle);
    if (!obj)
        return args->flags ? -ENOENT : -EINVAL;
    if (args->flags & SYNC_FILE) {
        struct fence *fence = syncobj_fence(obj);
        node_put(&obj->node);
        args->fd = fence ? fence_export(fence, file) : -EINVAL;
        fence_put(fence);
    } else {
        int fd = memfd_create("drmsim-syncobj", MFD_CLOEXEC);
        if (fd < 0) {
            node_put(&obj->node);
            return -errno;
        }
        args->fd = fdtab_install(fd, &obj->node);
    }
    return args->fd < 0 ? args->fd : 0;
}

int syncobj_from_fd(struct drm_file *file, void *arg)
{
    struct handle_args *args = arg;
    if (args->pad || args->flags & ~SYNC_FILE || args->point)
        return -EINVAL;
    if (args->flags & SYNC_FILE) {
        struct fence *fence = fence_from_fd(args->fd);
        if (!fence)
            return -EINVAL;
        struct syncobj *obj = syncobj_find(file, args->handle);
        if (!obj) {
            fence_put(fence);
            return -ENOENT;
        }
        syncobj_replace(obj, fence);
        node_put(&obj->node);
        return 0;
    }
    struct node *node = fdtab_get(args->fd);
    if (!node || node->type != NODE_SYNCOBJ) {
        if (node)
            node_put(node);
        return -EINVAL;
    }
    return add_handle(file, (struct syncobj *)node, &args->handle);
}

// References to the objects of an array argument; freed with put_array.
static int get_array(struct drm_file *file, uint64_t pointer, uint32_t count, struct syncobj ***out)
{
    const uint32_t *handles = (const uint32_t *)(uintptr_t)pointer;
    if (!count)
        return -EINVAL;
    if (!handles)
        return -EFAULT;
    struct syncobj **objs = calloc(count, sizeof(*objs));
    if (!objs)
        return -ENOMEM;
    *out = objs;
    for (uint32_t i = 0; i < count; i++)
        if (!(objs[i] = syncobj_find(file, handles[i])))
            return -ENOENT;
    return 0;
}

static void put_array(struct syncobj **objs, uint32_t count)
{
    for (uint32_t i = 0; objs && i < count && objs[i]; i++)
        node_put(&objs[i]->node);
    free(objs);
}

struct array_args {
    uint64_t handles;
    uint32_t count, pad;
};

int syncobj_reset(struct drm_file *file, void *arg)
{
    struct array_args *args = arg;
    struct syncobj **objs = NULL;
    int ret = args->pad ? -EINVAL : get_array(file, args->handles, args->count, &objs);
    for (uint32_t i = 0; !ret && i < args->count; i++)
        syncobj_replace(objs[i], NULL);
    put_array(objs, args->count);
    return ret;
}

int syncobj_signal(struct drm_file *file, void *arg)
{
    struct array_args *args = arg;
    struct syncobj **objs = NULL;
    int ret = args->pad ? -EINVAL : get_array(file, args->handles, args->count, &objs);
    for (uint32_t i = 0; !ret && i < args->count; i++) {
        struct fence *fence = fence_new(fence_contexts(1), 1, 1);
        if (fence)
            syncobj_replace(objs[i], fence);
        else
            ret = -ENOMEM;
    }
    put_array(objs, args->count);
    return ret;
}

struct wait {
    struct syncobj **objs;
    uint32_t count, flags, first;
    bool unsubmitted; // an object without a fence was seen
};

static bool wait_done(void *arg) // gpu_lock held
{
    struct wait *w = arg;
    uint32_t signalled = 0;
    w->unsubmitted = false;
    for (uint32_t i = w->count; i-- > 0;) {
        struct fence *fence = w->objs[i]->fence;
        if (!fence) {
            w->unsubmitted = true;
        } else if (fence_status(fence)) {
            w->first = i;
            signalled++;
        }
    }
    if (w->unsubmitted && !(w->flags & WAIT_FOR_SUBMIT))
        return true;
    return w->flags & WAIT_ALL ? signalled == w->count : signalled > 0;
}

int syncobj_wait(struct drm_file *file, void *arg)
{
    struct {
        uint64_t handles;
        int64_t timeout_ns; // absolute
        uint32_t count, flags, first, pad;
        uint64_t deadline_ns;
    } *args = arg;
    if (args->flags & ~(WAIT_ALL | WAIT_FOR_SUBMIT | WAIT_DEADLINE))
        return -EINVAL;
    struct wait w = { .count = args->count, .flags = args->flags };
    int ret = get_array(file, args->handles, args->count, &w.objs);
    if (!ret)
        ret = engine_wait(wait_done, &w, args->timeout_ns) ? -ETIME : 0;
    if (!ret && w.unsubmitted && !(w.flags & WAIT_FOR_SUBMIT))
        ret = -EINVAL;
    args->first = w.first;
    put_array(w.objs, args->count);
    return ret;
}
