// The public functions that go on to Go, which answers or says that the call is
// the delegate's. Nothing of Go is on the stack when the delegate is called.
#include "entry.h"

#include <errno.h>

// (result when not initialised, name, parameters, arguments)
#define FORWARD(none, name, params, args)                                                                              \
    int virgl_renderer_##name params                                                                                   \
    {                                                                                                                  \
        NEED(none);                                                                                                    \
        int r = vd_go_##name args;                                                                                     \
        return __builtin_expect(r == VD_THEIRS, 0) ? DELEGATE(none, name, args) : r;                                   \
    }
#define FORWARD_VOID(name, params, args)                                                                               \
    void virgl_renderer_##name params                                                                                  \
    {                                                                                                                  \
        NEED();                                                                                                        \
        if (vd_go_##name args)                                                                                         \
            DELEGATE((void)0, name, args);                                                                             \
    }
// Of functions that make something: `forget` takes the id back when the delegate does not make it.
#define CREATE(none, name, params, ask, args, forget)                                                                  \
    int virgl_renderer_##name params                                                                                   \
    {                                                                                                                  \
        NEED(none);                                                                                                    \
        int r = ask;                                                                                                   \
        if (r != VD_THEIRS)                                                                                            \
            return r;                                                                                                  \
        r = DELEGATE(none, name, args);                                                                                \
        if (r)                                                                                                         \
            forget;                                                                                                    \
        return r;                                                                                                      \
    }

// ---- contexts

enum { CAPSET_VIRGL2 = 2 };

CREATE(EINVAL, context_create_with_flags, (uint32_t id, uint32_t flags, uint32_t nlen, const char *name),
       vd_go_context_create_with_flags(id, flags, nlen, name), (id, flags, nlen, name), vd_go_context_destroy(id))
int virgl_renderer_context_create(uint32_t id, uint32_t nlen, const char *name)
{
    return virgl_renderer_context_create_with_flags(id, CAPSET_VIRGL2, nlen, name);
}
FORWARD_VOID(context_destroy, (uint32_t handle), (handle))
FORWARD(EINVAL, submit_cmd, (void *buffer, int ctx_id, int ndw), (buffer, ctx_id, ndw))
FORWARD(EINVAL, submit_cmd2, (void *buffer, int ctx_id, int ndw, uint64_t *in_fence_ids, uint32_t num_in_fences),
        (buffer, ctx_id, ndw, in_fence_ids, num_in_fences))
FORWARD(-EINVAL, context_create_fence, (uint32_t ctx_id, uint32_t flags, uint32_t ring_idx, uint64_t fence_id),
        (ctx_id, flags, ring_idx, fence_id))
FORWARD_VOID(ctx_detach_resource, (int ctx_id, int res_handle), (ctx_id, res_handle))
FORWARD(-EINVAL, get_dev_fd, (int ctx_id), (ctx_id))
FORWARD(EINVAL, attach_fence, (int ctx_id, int fence_fd), (ctx_id, fence_fd))

// Fences are named by one number, whoever made them: ours are asked first.

int virgl_renderer_export_fence(uint64_t client_fence_id, int *fd)
{
    int r;

    if (!fd)
        return -EINVAL;
    *fd = -1;
    NEED(-EINVAL);
    r = vd_go_export_fence(client_fence_id, fd);
    return r ? DELEGATE(r, export_fence, (client_fence_id, fd)) : 0;
}

int virgl_renderer_get_fence_fd(uint64_t fence_id)
{
    int fd;

    NEED(-1);
    return vd_go_export_fence(fence_id, &fd) ? DELEGATE(-1, get_fence_fd, (fence_id)) : fd;
}

int virgl_renderer_export_signalled_fence(void)
{
    int fd;

    NEED(-1);
    fd = vd_go_export_signalled_fence();
    return fd < 0 ? DELEGATE(-1, export_signalled_fence, ()) : fd;
}

// ---- resources

CREATE(EINVAL, resource_create, (struct virgl_renderer_resource_create_args *args, struct iovec *iov, uint32_t num_iovs),
       vd_go_resource_create(args, iov, num_iovs), (args, iov, num_iovs), vd_go_resource_unref(args->handle))
CREATE(EINVAL, resource_import_eglimage, (struct virgl_renderer_resource_create_args *args, void *image),
       vd_go_resource_import_eglimage(args, image), (args, image), vd_go_resource_unref(args->handle))
CREATE(-EINVAL, resource_create_blob, (const struct virgl_renderer_resource_create_blob_args *args),
       vd_go_resource_create_blob(args), (args), vd_go_resource_unref(args->res_handle))
FORWARD_VOID(resource_unref, (uint32_t res_handle), (res_handle))
FORWARD(-EINVAL, resource_map, (uint32_t res_handle, void **map, uint64_t *out_size), (res_handle, map, out_size))
FORWARD(-EINVAL, resource_unmap, (uint32_t res_handle), (res_handle))
FORWARD(-EINVAL, resource_get_map_info, (uint32_t res_handle, uint32_t *map_info), (res_handle, map_info))
FORWARD(-EINVAL, resource_export_blob, (uint32_t res_id, uint32_t *fd_type, int *fd), (res_id, fd_type, fd))
FORWARD(EINVAL, resource_attach_iov, (int res_handle, struct iovec *iov, int num_iovs), (res_handle, iov, num_iovs))
FORWARD_VOID(resource_detach_iov, (int res_handle, struct iovec **iov, int *num_iovs), (res_handle, iov, num_iovs))
FORWARD(EINVAL, resource_get_info, (int res_handle, struct virgl_renderer_resource_info *info), (res_handle, info))
FORWARD(EINVAL, resource_get_info_ext, (int res_handle, struct virgl_renderer_resource_info_ext *info), (res_handle, info))

int virgl_renderer_resource_map_fixed(uint32_t res_handle, void *addr)
{
    int r;

    NEED(-EINVAL);
    r = vd_go_resource_map_fixed(res_handle, addr);
    return r == VD_THEIRS ? DELEGATE(-EOPNOTSUPP, resource_map_fixed, (res_handle, addr)) : r;
}

// An import is ours until a context of the delegate's wants it, so both sides can have it.
int virgl_renderer_resource_import_blob(const struct virgl_renderer_resource_import_blob_args *args)
{
    NEED(-EINVAL);
    return vd_go_resource_import_blob(args);
}

// Kept here for both sides.
void virgl_renderer_resource_set_priv(uint32_t res_handle, void *priv)
{
    NEED();
    vd_go_resource_set_priv(res_handle, priv);
}

void *virgl_renderer_resource_get_priv(uint32_t res_handle)
{
    NEED(NULL);
    return vd_go_resource_get_priv(res_handle);
}

int virgl_renderer_execute(void *execute_args, uint32_t execute_size)
{
    int r;

    if (vd_delegate_asked(execute_args, execute_size))
        return 0;
    NEED(-EINVAL);
    r = vd_go_execute(execute_args, execute_size);
    return r == VD_THEIRS ? DELEGATE(-EINVAL, execute, (execute_args, execute_size)) : r;
}

int virgl_renderer_transfer_write_iov(uint32_t handle, uint32_t ctx_id, int level, uint32_t stride, uint32_t layer_stride,
                                      struct virgl_box *box, uint64_t offset, struct iovec *iov, unsigned int num_iovs)
{
    int r;

    NEED(EINVAL);
    r = vd_go_transfer(handle, ctx_id);
    return r == VD_THEIRS ? DELEGATE(EINVAL, transfer_write_iov,
                                     (handle, ctx_id, level, stride, layer_stride, box, offset, iov, num_iovs)) : r;
}

int virgl_renderer_transfer_read_iov(uint32_t handle, uint32_t ctx_id, uint32_t level, uint32_t stride,
                                     uint32_t layer_stride, struct virgl_box *box, uint64_t offset, struct iovec *iov,
                                     int num_iovs)
{
    int r;

    NEED(EINVAL);
    r = vd_go_transfer(handle, ctx_id);
    return r == VD_THEIRS ? DELEGATE(EINVAL, transfer_read_iov,
                                     (handle, ctx_id, level, stride, layer_stride, box, offset, iov, num_iovs)) : r;
}
