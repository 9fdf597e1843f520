// A resource attached to a context of the other side: it crosses the border once, as a descriptor, keeps its id, and
// is released on both sides when it is unref'd.
#include "entry.h"

#include <errno.h>
#include <unistd.h>

static bool lend(uint32_t res)
{
    const struct vd_delegate *d = vd_delegate();
    uint32_t type;
    int fd;

    if (!d->resource_export_blob || d->resource_export_blob(res, &type, &fd))
        return false;
    if (type != VIRGL_RENDERER_BLOB_FD_TYPE_DMABUF) {
        close(fd);
        return false;
    }
    vd_go_lend(res, fd);
    return true;
}

static bool share(uint32_t res)
{
    struct virgl_renderer_resource_import_blob_args args = { .res_handle = res, .blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D };
    const struct vd_delegate *d = vd_delegate();
    int r;

    args.fd = vd_go_share(res, &args.fd_type, &args.size);
    if (args.fd < 0)
        return false;
    r = d->resource_import_blob ? d->resource_import_blob(&args) : -EINVAL;
    if (r == -EINVAL)
        close(args.fd); // with any other result it was taken
    if (!r)
        vd_go_shared(res);
    return !r;
}

void virgl_renderer_ctx_attach_resource(int ctx_id, int res_handle)
{
    enum vd_attach a;

    NEED();
    a = vd_go_ctx_attach_resource(ctx_id, res_handle);
    if ((a == VD_WANTS_DMABUF && lend((uint32_t)res_handle)) || (a == VD_WANTS_IMPORT && share((uint32_t)res_handle)))
        a = vd_go_ctx_attach_resource(ctx_id, res_handle);
    if (a == VD_ATTACH_THEIRS)
        DELEGATE((void)0, ctx_attach_resource, (ctx_id, res_handle));
}
