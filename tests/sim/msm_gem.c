// msm buffers: GEM_NEW, GEM_INFO, CPU access.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "msm.h"

#define BO_FLAGS 0xf0003u
#define BO_CACHE_MASK 0xf0000u
#define BO_CACHED 0x10000u
#define BO_WC 0x20000u
#define BO_UNCACHED 0x40000u
#define BO_CACHED_COHERENT 0x80000u

enum {
    INFO_GET_OFFSET, INFO_GET_IOVA, INFO_SET_NAME, INFO_GET_NAME, INFO_SET_IOVA, INFO_GET_FLAGS,
    INFO_SET_METADATA, INFO_GET_METADATA,
};

#define METADATA_MAX 128
#define ETOOSMALL_KERNEL 525 // outside the range of errno.h

#define PREP_WRITE 2u
#define PREP_NOSYNC 4u
#define PREP_BOOST 8u

static bool cache_mode_ok(uint32_t flags)
{
    switch (flags & BO_CACHE_MASK) {
    case BO_CACHED:
    case BO_WC:
    case BO_UNCACHED:
        return true;
    case BO_CACHED_COHERENT:
        return msm_has(MINOR_COHERENT);
    }
    return false;
}

int msm_gem_new(struct drm_file *file, void *arg)
{
    struct msm_gem_new *args = arg;
    if (args->flags & ~BO_FLAGS || !cache_mode_ok(args->flags))
        return -EINVAL;
    uint64_t size = (args->size + SIM_PAGE - 1) & ~(uint64_t)(SIM_PAGE - 1);
    if (!size)
        return -EINVAL;
    struct bo *bo;
    if (bo_new(size, args->flags, &bo))
        return -ENOMEM;
    pthread_mutex_lock(&file->lock);
    int ret = handle_create(file, bo, &args->handle);
    pthread_mutex_unlock(&file->lock);
    return ret;
}

static int set_iova(struct drm_file *file, struct holder *h, uint64_t iova)
{
    int err = sim_enter(DRMSIM_SET_IOVA);
    if (err)
        return err;
    if (iova == h->iova)
        return 0;
    if (!iova) {
        if (bo_busy(h->bo, true))
            return -EBUSY;
        msm_vm_clear(file, h);
        return 0;
    }
    return h->iova ? -EBUSY : msm_vm_set(file, h, iova);
}

static int set_name(struct bo *bo, const struct msm_gem_info *args)
{
    if (args->len >= sizeof(bo->name))
        return -EINVAL;
    const char *name = (const char *)(uintptr_t)args->value;
    if (args->len && !name)
        return -EFAULT;
    memset(bo->name, 0, sizeof(bo->name));
    for (uint32_t i = 0; i < args->len; i++)
        bo->name[i] = isprint((unsigned char)name[i]) ? name[i] : '?';
    return 0;
}

static int get_name(struct bo *bo, struct msm_gem_info *args)
{
    uint32_t len = (uint32_t)strlen(bo->name);
    if (args->value && args->len < len)
        return -EINVAL;
    args->len = len;
    if (args->value)
        memcpy((void *)(uintptr_t)args->value, bo->name, len);
    return 0;
}

static int set_metadata(struct bo *bo, const struct msm_gem_info *args)
{
    if (args->len > METADATA_MAX)
        return -EOVERFLOW;
    if (args->len && !args->value)
        return -EFAULT;
    void *copy = malloc(args->len + 1);
    if (!copy)
        return -ENOMEM;
    if (args->len)
        memcpy(copy, (const void *)(uintptr_t)args->value, args->len);
    free(bo->metadata);
    bo->metadata = copy;
    bo->metadata_size = args->len;
    return 0;
}

static int get_metadata(struct bo *bo, struct msm_gem_info *args)
{
    if (args->value && args->len < bo->metadata_size)
        return -ETOOSMALL_KERNEL;
    args->len = bo->metadata_size;
    if (args->value && args->len)
        memcpy((void *)(uintptr_t)args->value, bo->metadata, args->len);
    return 0;
}

// The minor version that brought each request; values that go in or out
// directly have no length.
static int check_info(const struct msm_gem_info *args)
{
    int minor = 0;
    bool immediate = true;
    switch (args->info) {
    case INFO_GET_OFFSET:
    case INFO_GET_IOVA:
        break;
    case INFO_SET_IOVA:
    case INFO_GET_FLAGS:
        minor = MINOR_FENCE_SN;
        break;
    case INFO_SET_NAME:
    case INFO_GET_NAME:
        minor = MINOR_NAME;
        immediate = false;
        break;
    case INFO_SET_METADATA:
    case INFO_GET_METADATA:
        minor = MINOR_METADATA;
        immediate = false;
        break;
    default:
        return -EINVAL;
    }
    return args->pad || !msm_has(minor) || (immediate && args->len) ? -EINVAL : 0;
}

static int info(struct drm_file *file, struct holder *h, struct msm_gem_info *args)
{
    switch (args->info) {
    case INFO_GET_OFFSET:
        return bo_map_offset(h->bo, &args->value);
    case INFO_GET_IOVA:
        return msm_vm_get(file, h, &args->value);
    case INFO_SET_IOVA:
        return set_iova(file, h, args->value);
    case INFO_GET_FLAGS:
        args->value = h->bo->flags;
        return 0;
    case INFO_SET_NAME:
        return set_name(h->bo, args);
    case INFO_GET_NAME:
        return get_name(h->bo, args);
    case INFO_SET_METADATA:
        return set_metadata(h->bo, args);
    default:
        return get_metadata(h->bo, args);
    }
}

int msm_gem_info(struct drm_file *file, void *arg)
{
    struct msm_gem_info *args = arg;
    int ret = check_info(args);
    if (ret)
        return ret;
    pthread_mutex_lock(&file->lock);
    struct holder *h = handle_find(file, args->handle);
    ret = h ? info(file, h, args) : -ENOENT;
    pthread_mutex_unlock(&file->lock);
    return ret;
}

// With a reference, or NULL.
static struct bo *bo_of(struct drm_file *file, uint32_t handle)
{
    pthread_mutex_lock(&file->lock);
    struct holder *h = handle_find(file, handle);
    struct bo *bo = h ? h->bo : NULL;
    if (bo)
        bo_get(bo);
    pthread_mutex_unlock(&file->lock);
    return bo;
}

static bool idle_for_read(void *bo)
{
    return !bo_busy(bo, false);
}

static bool idle_for_write(void *bo)
{
    return !bo_busy(bo, true);
}

int msm_cpu_prep(struct drm_file *file, void *arg)
{
    struct msm_cpu_prep *args = arg;
    uint32_t known = msm_has(MINOR_BOOST) ? 0xf : 0xf & ~PREP_BOOST;
    if (args->op & ~known)
        return -EINVAL;
    struct bo *bo = bo_of(file, args->handle);
    if (!bo)
        return -ENOENT;
    bool write = args->op & PREP_WRITE;
    int ret = 0;
    if (bo_busy(bo, write)) {
        // A deadline that has passed already counts as not wanting to wait.
        int64_t deadline = msm_deadline(args->timeout);
        if (args->op & PREP_NOSYNC || deadline <= now_ns())
            ret = -EBUSY;
        else
            ret = engine_wait(write ? idle_for_write : idle_for_read, bo, deadline);
    }
    bo_put(bo);
    return ret;
}

int msm_cpu_fini(struct drm_file *file, void *arg)
{
    struct bo *bo = bo_of(file, *(uint32_t *)arg);
    if (!bo)
        return -ENOENT;
    bo_put(bo);
    return 0;
}

int msm_madvise(struct drm_file *file, void *arg)
{
    struct msm_madvise *args = arg;
    if (args->madv > 1)
        return -EINVAL;
    struct bo *bo = bo_of(file, args->handle);
    if (!bo)
        return -ENOENT;
    args->retained = 1; // memory pressure is not simulated
    bo_put(bo);
    return 0;
}
