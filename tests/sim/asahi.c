// The asahi personality: ioctl table, what the device is (an Apple M1), buffers and special objects.
#include <stdlib.h>
#include <string.h>

#include "asahi.h"

#define GEM_WRITEBACK 1u
#define GEM_VM_PRIVATE 2u
#define OP_BIND 0u
#define OP_UNBIND 1u
#define USAGE_TIMESTAMPS 1u

static const struct asahi_params_global params = {
    .features = 1, // soft faults
    .generation = 13,
    .variant = 'G',
    .revision = 0x11,
    .chip_id = 0x8103,
    .dies = 1,
    .clusters = 1,
    .cores_per_cluster = 8,
    .max_khz = 1278000,
    .core_masks = { 0xff },
    .vm_start = ASAHI_VA_START,
    .vm_end = ASAHI_VA_END,
    .vm_kernel_min_size = ASAHI_KERNEL_MIN,
    .max_commands = ASAHI_MAX_COMMANDS,
    .max_attachments = ASAHI_MAX_ATTACHMENTS,
    .timestamp_hz = 1000000000,
};

static int get_params(struct drm_file *file, void *arg)
{
    (void)file;
    struct asahi_get_params *args = arg;
    if (args->group || args->pad)
        return -EINVAL;
    if (args->size && !args->pointer)
        return -EFAULT;
    if (args->size)
        memcpy((void *)(uintptr_t)args->pointer, &params,
               args->size < sizeof(params) ? args->size : sizeof(params));
    return 0;
}

static int get_time(struct drm_file *file, void *arg)
{
    (void)file;
    struct asahi_get_time *args = arg;
    if (args->flags)
        return -EINVAL;
    args->timestamp = (uint64_t)now_ns();
    return 0;
}

static int gem_create(struct drm_file *file, void *arg)
{
    struct asahi_gem_create *args = arg;
    bool private = args->flags & GEM_VM_PRIVATE;
    if (args->pad || args->flags & ~(GEM_WRITEBACK | GEM_VM_PRIVATE) || (!private && args->vm_id) ||
        !args->size || !asahi_aligned(args->size))
        return -EINVAL;
    struct bo *bo;
    if (bo_new(args->size, args->flags, &bo))
        return -ENOMEM;
    pthread_mutex_lock(&file->lock);
    struct asahi_vm *vm = private ? asahi_vm_find(file, args->vm_id) : NULL;
    int ret = private && !vm ? -ENOENT : 0;
    if (vm)
        bo->private_to = vm->serial;
    if (ret)
        bo_put(bo);
    else
        ret = handle_create(file, bo, &args->handle);
    pthread_mutex_unlock(&file->lock);
    return ret;
}

static int mmap_offset(struct drm_file *file, void *arg)
{
    struct asahi_mmap_offset *args = arg;
    if (args->flags)
        return -EINVAL;
    pthread_mutex_lock(&file->lock);
    struct holder *h = handle_find(file, args->handle);
    int ret = h ? bo_map_offset(h->bo, &args->offset) : -ENOENT;
    pthread_mutex_unlock(&file->lock);
    return ret;
}

static void object_free(struct asahi_object *object)
{
    bo_put(object->bo);
    free(object);
    stat_add(&sim_stats.objects, -1);
}

static int object_bind(struct drm_file *file, struct asahi_bind_object *args)
{
    if (args->flags != USAGE_TIMESTAMPS || !asahi_aligned(args->offset) || !asahi_aligned(args->range))
        return -EINVAL;
    struct holder *h = handle_find(file, args->handle);
    if (!h)
        return -ENOENT;
    if (!args->range || args->range > h->bo->size || args->offset > h->bo->size - args->range)
        return -EINVAL;
    struct asahi_object *object = malloc(sizeof(*object));
    if (!object || idtab_add(&asahi_file(file)->objects, object, &args->object)) {
        free(object);
        return -ENOMEM;
    }
    *object = (struct asahi_object){ h->bo, args->range };
    bo_get(h->bo);
    stat_add(&sim_stats.objects, 1);
    return 0;
}

static int object_unbind(struct drm_file *file, struct asahi_bind_object *args)
{
    if (args->flags || args->offset || args->range)
        return -EINVAL;
    struct asahi_object *object = idtab_remove(&asahi_file(file)->objects, args->object);
    if (!object)
        return -ENOENT;
    object_free(object);
    return 0;
}

static int bind_object(struct drm_file *file, void *arg)
{
    struct asahi_bind_object *args = arg;
    if (args->pad || args->vm_id || args->op > OP_UNBIND)
        return -EINVAL;
    pthread_mutex_lock(&file->lock);
    int ret = args->op == OP_BIND ? object_bind(file, args) : object_unbind(file, args);
    pthread_mutex_unlock(&file->lock);
    return ret;
}

static int open_file(struct drm_file *file)
{
    file->priv = calloc(1, sizeof(struct asahi_file));
    return file->priv ? 0 : -ENOMEM;
}

static void close_file(struct drm_file *file)
{
    struct asahi_file *a = asahi_file(file);
    if (!a)
        return;
    for (uint32_t id = 1; id < a->queues.capacity; id++)
        asahi_queue_close(file, id);
    for (uint32_t id = 1; id < a->vms.capacity; id++) {
        struct asahi_vm *vm = idtab_remove(&a->vms, id);
        if (vm)
            asahi_vm_put(file, vm);
    }
    for (uint32_t id = 1; id < a->objects.capacity; id++) {
        struct asahi_object *object = idtab_remove(&a->objects, id);
        if (object)
            object_free(object);
    }
    free(a->queues.slots);
    free(a->vms.slots);
    free(a->objects.slots);
    free(a);
}

static const struct ioctl_row rows[] = {
    [0] = { 0x40186440, get_params, DRMSIM_GET_PARAMS },
    [1] = { 0xc0106441, get_time, DRMSIM_GET_TIME },
    [2] = { 0xc0186442, asahi_vm_create, DRMSIM_VM_CREATE },
    [3] = { 0x40086443, asahi_vm_destroy, DRMSIM_VM_DESTROY },
    [4] = { 0x40186444, asahi_vm_bind, DRMSIM_VM_BIND },
    [5] = { 0xc0186445, gem_create, DRMSIM_GEM_CREATE },
    [6] = { 0xc0106446, mmap_offset, DRMSIM_GEM_MMAP_OFFSET },
    [7] = { 0xc0286447, bind_object, DRMSIM_GEM_BIND_OBJECT },
    [8] = { 0xc0186448, asahi_queue_create, DRMSIM_QUEUE_CREATE },
    [9] = { 0x40086449, asahi_queue_destroy, DRMSIM_QUEUE_DESTROY },
    [10] = { 0x4028644a, asahi_submit, DRMSIM_SUBMIT },
};

const struct driver asahi_driver = {
    .name = "asahi",
    .date = "20220831",
    .desc = "Apple AGX Graphics",
    .version = { 0, 0, 0 },
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .open = open_file,
    .close = close_file,
    .unmap = asahi_unmap,
};
