// The 49 public functions. Those that need the renderer go on to Go once it is
// initialised; before that, and in a forked copy of the process, every id is
// unknown. The rest is answered here and never starts or enters the runtime.
#include "go.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t init_lock = PTHREAD_MUTEX_INITIALIZER;

// A thread may fork while another is inside init, whose lock nobody in the
// child would ever release.
static void in_child(void) { pthread_mutex_init(&init_lock, NULL); }
__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(NULL, NULL, in_child); }

static int initialised; // atomic

// The newest fence of create_fence that poll reports once more; 0: none.
static uint32_t poll_again; // atomic
static uint32_t poll_fence;

static inline bool live(void) { return __atomic_load_n(&initialised, __ATOMIC_ACQUIRE) && vd_ready(); }

#define NEED(...) do { if (__builtin_expect(!live(), 0)) return __VA_ARGS__; } while (0)

// ---- init and its end

static int first_init(void *cookie, int flags, struct virgl_renderer_callbacks *cb)
{
    char err[256];
    int r;

    if (!cb || cb->version < 1 || cb->version > VIRGL_RENDERER_CALLBACKS_VERSION) {
        vd_log(VIRGL_LOG_LEVEL_ERROR, "init: callbacks are NULL or of an unknown version: give version 1 to 4");
        return -1;
    }
    if (vd_forked()) {
        vd_log(VIRGL_LOG_LEVEL_ERROR, "init: this process was forked after the library was used: fork first, then call init");
        return -ENOTSUP;
    }
    if (!vd_boot(err, sizeof(err)) || !vd_ready()) {
        vd_log(VIRGL_LOG_LEVEL_ERROR, err);
        return -ENOMEM;
    }
    if (flags & VIRGL_RENDERER_RENDER_SERVER)
        vd_log(VIRGL_LOG_LEVEL_WARNING, "init: there is no render server here, the flag is ignored");
    vd_vmm = (struct vd_vmm){ cookie, flags, cb };
    r = vd_go_init(flags);
    if (r)
        vd_vmm = (struct vd_vmm){ 0 };
    else
        __atomic_store_n(&initialised, 1, __ATOMIC_RELEASE);
    return r;
}

int virgl_renderer_init(void *cookie, int flags, struct virgl_renderer_callbacks *cb)
{
    int r = 0;

    if (getenv("VIRGL_DISABLE_MT"))
        flags &= ~VIRGL_RENDERER_THREAD_SYNC;
    pthread_mutex_lock(&init_lock);
    if (!__atomic_load_n(&initialised, __ATOMIC_ACQUIRE) || vd_forked())
        r = first_init(cookie, flags, cb);
    else if (cookie != vd_vmm.cookie || flags != vd_vmm.flags || cb != vd_vmm.callbacks)
        r = -EBUSY;
    pthread_mutex_unlock(&init_lock);
    return r;
}

void virgl_renderer_reset(void)
{
    NEED();
    vd_go_reset();
}

void virgl_renderer_cleanup(void *cookie)
{
    (void)cookie;
    NEED();
    vd_go_cleanup();
    __atomic_store_n(&initialised, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&poll_again, 0, __ATOMIC_RELAXED);
    vd_vmm = (struct vd_vmm){ 0 };
}

// ---- answered here

void virgl_renderer_get_cap_set(uint32_t set, uint32_t *max_ver, uint32_t *max_size)
{
    if (max_ver)
        *max_ver = 0;
    if (max_size)
        *max_size = set == VIRGL_DRM_CAPSET ? sizeof(struct virgl_renderer_capset_drm) : 0;
}

// All earlier work was executed when it was submitted, so the fence is done. A
// VMM without ASYNC_FENCE_CB files its command after this call and asks poll.
int virgl_renderer_create_fence(int client_fence_id, uint32_t ctx_id)
{
    (void)ctx_id;
    NEED(EINVAL);
    vd_vmm_write_fence((uint32_t)client_fence_id);
    if (!(vd_vmm.flags & VIRGL_RENDERER_ASYNC_FENCE_CB)) {
        poll_fence = (uint32_t)client_fence_id;
        __atomic_store_n(&poll_again, 1, __ATOMIC_RELEASE);
    }
    return 0;
}

void virgl_renderer_poll(void)
{
    if (__builtin_expect(__atomic_exchange_n(&poll_again, 0, __ATOMIC_ACQ_REL), 0) && live())
        vd_vmm_write_fence(poll_fence);
}

int virgl_renderer_get_poll_fd(void) { return -1; }

void virgl_renderer_force_ctx_0(void) {}

int virgl_renderer_context_create(uint32_t handle, uint32_t nlen, const char *name)
{
    (void)handle, (void)nlen, (void)name;
    return EINVAL; // a GL context
}

void virgl_renderer_context_poll(uint32_t ctx_id) { (void)ctx_id; }

int virgl_renderer_context_get_poll_fd(uint32_t ctx_id)
{
    (void)ctx_id;
    return -1;
}

int virgl_renderer_resource_import_eglimage(struct virgl_renderer_resource_create_args *args, void *image)
{
    (void)args, (void)image;
    return EINVAL;
}

void *virgl_renderer_get_cursor_data(uint32_t resource_id, uint32_t *width, uint32_t *height)
{
    (void)resource_id, (void)width, (void)height;
    return NULL;
}

void virgl_renderer_get_rect(int resource_id, struct iovec *iov, unsigned int num_iovs, uint32_t offset, int x, int y,
                             int width, int height)
{
    (void)resource_id, (void)iov, (void)num_iovs, (void)offset, (void)x, (void)y, (void)width, (void)height;
}

int virgl_renderer_get_fd_for_texture(uint32_t tex_id, int *fd)
{
    (void)tex_id, (void)fd;
    return -1;
}

int virgl_renderer_get_fd_for_texture2(uint32_t tex_id, int *fd, int *stride, int *offset)
{
    (void)tex_id, (void)fd, (void)stride, (void)offset;
    return -1;
}

// ---- answered by Go: FORWARD(result when not initialised, type, name, parameters, arguments)

#define FORWARD(none, type, name, params, args)                                                                        \
    type virgl_renderer_##name params                                                                                  \
    {                                                                                                                  \
        NEED(none);                                                                                                    \
        return vd_go_##name args;                                                                                      \
    }
#define FORWARD_VOID(name, params, args)                                                                               \
    void virgl_renderer_##name params                                                                                  \
    {                                                                                                                  \
        NEED();                                                                                                        \
        vd_go_##name args;                                                                                             \
    }

FORWARD_VOID(fill_caps, (uint32_t set, uint32_t version, void *caps), (set, version, caps))
FORWARD(EINVAL, int, context_create_with_flags, (uint32_t id, uint32_t flags, uint32_t nlen, const char *name),
        (id, flags, nlen, name))
FORWARD_VOID(context_destroy, (uint32_t handle), (handle))
FORWARD(EINVAL, int, submit_cmd, (void *buffer, int ctx_id, int ndw), (buffer, ctx_id, ndw))
FORWARD(EINVAL, int, submit_cmd2, (void *buffer, int ctx_id, int ndw, uint64_t *in_fence_ids, uint32_t num_in_fences),
        (buffer, ctx_id, ndw, in_fence_ids, num_in_fences))
FORWARD(-EINVAL, int, context_create_fence, (uint32_t ctx_id, uint32_t flags, uint32_t ring_idx, uint64_t fence_id),
        (ctx_id, flags, ring_idx, fence_id))
FORWARD_VOID(ctx_attach_resource, (int ctx_id, int res_handle), (ctx_id, res_handle))
FORWARD_VOID(ctx_detach_resource, (int ctx_id, int res_handle), (ctx_id, res_handle))
FORWARD(-EINVAL, int, get_dev_fd, (int ctx_id), (ctx_id))
FORWARD(-1, int, export_signalled_fence, (void), ())
FORWARD(EINVAL, int, attach_fence, (int ctx_id, int fence_fd), (ctx_id, fence_fd))

int virgl_renderer_export_fence(uint64_t client_fence_id, int *fd)
{
    if (!fd)
        return -EINVAL;
    *fd = -1;
    NEED(-EINVAL);
    return vd_go_export_fence(client_fence_id, fd);
}

int virgl_renderer_get_fence_fd(uint64_t fence_id)
{
    int fd;

    return virgl_renderer_export_fence(fence_id, &fd) ? -1 : fd;
}

FORWARD(EINVAL, int, resource_create, (struct virgl_renderer_resource_create_args *args, struct iovec *iov, uint32_t num_iovs),
        (args, iov, num_iovs))
FORWARD(-EINVAL, int, resource_create_blob, (const struct virgl_renderer_resource_create_blob_args *args), (args))
FORWARD(-EINVAL, int, resource_import_blob, (const struct virgl_renderer_resource_import_blob_args *args), (args))
FORWARD_VOID(resource_unref, (uint32_t res_handle), (res_handle))
FORWARD(-EINVAL, int, resource_map, (uint32_t res_handle, void **map, uint64_t *out_size), (res_handle, map, out_size))
FORWARD(-EINVAL, int, resource_map_fixed, (uint32_t res_handle, void *addr), (res_handle, addr))
FORWARD(-EINVAL, int, resource_unmap, (uint32_t res_handle), (res_handle))
FORWARD(-EINVAL, int, resource_get_map_info, (uint32_t res_handle, uint32_t *map_info), (res_handle, map_info))
FORWARD(-EINVAL, int, resource_export_blob, (uint32_t res_id, uint32_t *fd_type, int *fd), (res_id, fd_type, fd))
FORWARD(EINVAL, int, resource_attach_iov, (int res_handle, struct iovec *iov, int num_iovs), (res_handle, iov, num_iovs))
FORWARD_VOID(resource_detach_iov, (int res_handle, struct iovec **iov, int *num_iovs), (res_handle, iov, num_iovs))
FORWARD_VOID(resource_set_priv, (uint32_t res_handle, void *priv), (res_handle, priv))
FORWARD(NULL, void *, resource_get_priv, (uint32_t res_handle), (res_handle))
FORWARD(EINVAL, int, resource_get_info, (int res_handle, struct virgl_renderer_resource_info *info), (res_handle, info))
FORWARD(EINVAL, int, resource_get_info_ext, (int res_handle, struct virgl_renderer_resource_info_ext *info), (res_handle, info))
FORWARD(-EINVAL, int, execute, (void *execute_args, uint32_t execute_size), (execute_args, execute_size))

int virgl_renderer_transfer_write_iov(uint32_t handle, uint32_t ctx_id, int level, uint32_t stride, uint32_t layer_stride,
                                      struct virgl_box *box, uint64_t offset, struct iovec *iov, unsigned int num_iovs)
{
    (void)level, (void)stride, (void)layer_stride, (void)box, (void)offset, (void)iov, (void)num_iovs;
    NEED(EINVAL);
    return vd_go_transfer(handle, ctx_id);
}

int virgl_renderer_transfer_read_iov(uint32_t handle, uint32_t ctx_id, uint32_t level, uint32_t stride,
                                     uint32_t layer_stride, struct virgl_box *box, uint64_t offset, struct iovec *iov,
                                     int num_iovs)
{
    (void)level, (void)stride, (void)layer_stride, (void)box, (void)offset, (void)iov, (void)num_iovs;
    NEED(EINVAL);
    return vd_go_transfer(handle, ctx_id);
}
