/* delegate_share.c - a resource in a context of the other side: it crosses the border once, and is released with it. */
#define _GNU_SOURCE
#include "delegate.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- Theirs, in native contexts ---- */

/* A dma-buf of the simulated kernel, standing for a texture of the delegate's. */
static int some_dmabuf(void)
{
    uint32_t type;
    int fd = -1;

    buffer(CTX, 90, MAPPABLE | SHAREABLE);
    REQUIRE(0, api.resource_export_blob(90, &type, &fd));
    api.resource_unref(90);
    return fd;
}

GPU_CASE(share_theirs)
{
    struct fake *f = two_sides();
    struct guest a = guest(CTX + 2), b = guest(CTX + 3);
    struct drmsim_counters before;
    uint64_t inode;
    unsigned fds;

    f->fd = some_dmabuf();
    inode = inode_of(f->fd);
    fds = open_with_inode(inode);
    before = sim_counters();
    EXPECT(-ENOENT, cpu_prep(&a, THEIR_RES));
    api.ctx_attach_resource((int)a.ctx, THEIR_RES);
    CALLS(f, "export_blob(20) ");
    EXPECT(0, cpu_prep(&a, THEIR_RES));
    EXPECT(before.handles + 1, sim_counters().handles);
    EXPECT(fds + 1, open_with_inode(inode)); /* one is kept */
    row("again, and in another context");
    api.ctx_attach_resource((int)a.ctx, THEIR_RES);
    api.ctx_attach_resource((int)b.ctx, THEIR_RES);
    CALLS(f, "");
    EXPECT(0, cpu_prep(&b, THEIR_RES));
    EXPECT(fds + 1, open_with_inode(inode));
    row("detached from one");
    api.ctx_detach_resource((int)a.ctx, THEIR_RES);
    EXPECT(-ENOENT, cpu_prep(&a, THEIR_RES));
    EXPECT(0, cpu_prep(&b, THEIR_RES));
    CALLS(f, "");
    row("its own side is not affected");
    api.ctx_attach_resource(THEIR_CTX, THEIR_RES);
    api.ctx_detach_resource(THEIR_CTX, THEIR_RES);
    CALLS(f, "ctx_attach_resource(2,20) ctx_detach_resource(2,20) ");
    row("released on both sides");
    api.resource_unref(THEIR_RES);
    CALLS(f, "resource_unref(20) ");
    EXPECT(-ENOENT, cpu_prep(&b, THEIR_RES));
    EXPECT(before.handles, sim_counters().handles);
    EXPECT(fds, open_with_inode(inode));
    close(f->fd);
}

GPU_CASE(share_theirs_reset)
{
    struct fake *f = two_sides();
    uint64_t inode;
    unsigned fds;

    f->fd = some_dmabuf();
    inode = inode_of(f->fd);
    fds = open_with_inode(inode);
    api.ctx_attach_resource(CTX, THEIR_RES);
    EXPECT(fds + 1, open_with_inode(inode));
    api.reset();
    EXPECT(fds, open_with_inode(inode));
    CALLS(f, "export_blob(20) reset ");
    close(f->fd);
}

GPU_CASE(share_theirs_cannot)
{
    struct fake *f = two_sides();
    struct guest g = guest(CTX + 2);

    f->fd = small_file(PAGE);
    f->fd_type = VIRGL_RENDERER_BLOB_FD_TYPE_OPAQUE;
    api.ctx_attach_resource((int)g.ctx, THEIR_RES);
    EXPECT(1, open_with_inode(inode_of(f->fd)));
    f->answer = -EINVAL;
    api.ctx_attach_resource((int)g.ctx, THEIR_RES);
    EXPECT(-ENOENT, cpu_prep(&g, THEIR_RES));
    CALLS(f, "export_blob(20) export_blob(20) ");
    close(f->fd);
}

/* ---- Ours, in contexts of the delegate's ---- */

GPU_CASE(share_ours)
{
    struct fake *f = two_sides();
    struct virgl_renderer_resource_info info;

    REQUIRE(0, api.resource_get_info(OUR_RES, &info));
    api.ctx_attach_resource(THEIR_CTX, OUR_RES);
    CALLS(f, "import_blob(30,2,1,4096) ctx_attach_resource(2,30) ");
    CHECK(f->imported != info.fd && inode_of(f->imported) == inode_of(info.fd)); /* the delegate's to close */
    CHECK(is_cloexec(f->imported));
    row("again, and in another context");
    api.ctx_attach_resource(THEIR_CTX, OUR_RES);
    REQUIRE(0, their_context(5));
    f->calls[0] = 0;
    api.ctx_attach_resource(5, OUR_RES);
    CALLS(f, "ctx_attach_resource(5,30) ");
    row("it is still ours");
    EXPECT(0, api.resource_get_info(OUR_RES, &info));
    EXPECT(-EINVAL, their_resource(OUR_RES));
    CALLS(f, "");
    row("but their contexts have transfers");
    EXPECT(0, api.transfer_read_iov(OUR_RES, THEIR_CTX, 0, 0, 0, NULL, 0, NULL, 0));
    CALLS(f, "transfer_read_iov(30,2,0,0,0,0,0) ");
    api.ctx_detach_resource(5, OUR_RES);
    CALLS(f, "ctx_detach_resource(5,30) ");
    row("released on both sides");
    api.resource_unref(OUR_RES);
    CALLS(f, "resource_unref(30) ");
    EXPECT(0, their_resource(OUR_RES));
    close(f->imported);
}

GPU_CASE(share_ours_refused)
{
    struct fake *f = two_sides();
    uint64_t inode;
    unsigned fds;
    struct virgl_renderer_resource_info info;

    REQUIRE(0, api.resource_get_info(OUR_RES, &info));
    inode = inode_of(info.fd);
    fds = open_with_inode(inode);
    f->answer = -EINVAL; /* the descriptor stays ours */
    api.ctx_attach_resource(THEIR_CTX, OUR_RES);
    EXPECT(fds, open_with_inode(inode));
    CALLS(f, "import_blob(30,2,1,4096) ");
    f->answer = -ENOMEM; /* it was taken */
    api.ctx_attach_resource(THEIR_CTX, OUR_RES);
    EXPECT(fds + 1, open_with_inode(inode));
    close(f->imported);
    api.ctx_detach_resource(THEIR_CTX, OUR_RES);
    api.resource_unref(OUR_RES);
    CALLS(f, "import_blob(30,2,1,4096) "); /* it never got there */
}

GPU_CASE(share_ours_cannot)
{
    struct iovec iov = { &vmm, PAGE };
    struct fake *f = two_sides();

    REQUIRE(0, blob_with_iov(CTX, 40, VIRGL_RENDERER_BLOB_MEM_GUEST, 0, 0, PAGE, &iov, 1)); /* pages have no descriptor */
    api.ctx_attach_resource(THEIR_CTX, 40);
    api.ctx_attach_resource(THEIR_CTX, NOWHERE);
    api.ctx_attach_resource(NOWHERE, THEIR_RES);
    api.ctx_attach_resource(NOWHERE, OUR_RES);
    api.ctx_detach_resource(THEIR_CTX, OUR_RES);
    api.ctx_detach_resource(NOWHERE, THEIR_RES);
    CALLS(f, "");
}

/* An import of the VMM's belongs to neither: it is ours until the delegate wants it. */
GPU_CASE(share_import)
{
    struct fake *f = two_sides();
    struct guest g = guest(CTX + 2);
    struct virgl_renderer_resource_import_blob_args import = { 40, VIRGL_RENDERER_BLOB_MEM_HOST3D,
                                                               VIRGL_RENDERER_BLOB_FD_TYPE_DMABUF, some_dmabuf(), PAGE };

    REQUIRE(0, api.resource_import_blob(&import));
    CALLS(f, "");
    api.ctx_attach_resource((int)g.ctx, 40);
    EXPECT(0, cpu_prep(&g, 40));
    CALLS(f, "");
    api.ctx_attach_resource(THEIR_CTX, 40);
    CALLS(f, "import_blob(40,2,1,4096) ctx_attach_resource(2,40) ");
    close(f->imported);
}
