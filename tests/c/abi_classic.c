/* abi_classic.c - 2D/3D resources and what belongs to GL: clean codes, or plain guest pages behind them. */
#define _GNU_SOURCE
#include "abi.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static uint8_t page[PAGE];
static struct iovec iov = { page, PAGE };

static struct virgl_renderer_resource_create_args args_of(uint32_t handle)
{
    return (struct virgl_renderer_resource_create_args){
        .handle = handle, .target = 2, .format = 2, .bind = VIRGL_RES_BIND_SCANOUT,
        .width = 32, .height = 32, .depth = 1, .array_size = 1,
    };
}

/* A library without GL may refuse 2D resources or back them with guest pages; both keep every VMM going. */
static bool create_2d(uint32_t handle, struct iovec *iovs, uint32_t n)
{
    struct virgl_renderer_resource_create_args args = args_of(handle);
    int ret = api.resource_create(&args, iovs, n);

    if (ret)
        REQUIRE(EINVAL, ret);
    return ret == 0;
}

GPU_CASE(classic_create_codes)
{
    struct virgl_renderer_resource_create_args zero = args_of(0), used = args_of(7);

    vmm_start(NATIVE);
    REQUIRE(0, guest_blob(7, &iov, 1, PAGE));
    EXPECT(EINVAL, api.resource_create(&zero, NULL, 0));
    EXPECT(-EINVAL, api.resource_create(&used, NULL, 0));
    EXPECT(EINVAL, api.resource_create(NULL, NULL, 0));
    if (create_2d(8, NULL, 0)) {
        used.handle = 8;
        EXPECT(-EINVAL, api.resource_create(&used, NULL, 0));
        EXPECT(-EINVAL, guest_blob(8, &iov, 1, PAGE));
    }
    EXPECT(EINVAL, api.resource_import_eglimage(&zero, NULL));
    zero.handle = 9;
    EXPECT(EINVAL, api.resource_import_eglimage(&zero, page));
    EXPECT(0, guest_blob(9, &iov, 1, PAGE)); /* it made nothing */
}

CASE(classic_create_without_gl_and_drm)
{
    struct virgl_renderer_resource_create_args args = args_of(7), zero = args_of(0);

    vmm_start(ASYNC | NO_VIRGL);
    EXPECT(EINVAL, api.resource_create(&args, NULL, 0));
    EXPECT(EINVAL, api.resource_create(&zero, NULL, 0));
    EXPECT(0, guest_blob(7, &iov, 1, PAGE)); /* the id was not taken */
}

GPU_CASE(classic_iovecs)
{
    struct iovec *out = NULL;
    int n = 99;

    vmm_start(NATIVE);
    if (!create_2d(7, &iov, 1))
        return;
    EXPECT(EINVAL, api.resource_attach_iov(7, &iov, 1));
    api.resource_detach_iov(7, &out, &n);
    CHECK(out == &iov && n == 1);
    EXPECT(0, api.resource_attach_iov(7, &iov, 1));
    EXPECT(EINVAL, api.resource_attach_iov(7, &iov, 1));
    row("made without, as QEMU does");
    REQUIRE_TRUE(create_2d(8, NULL, 0));
    EXPECT(0, api.resource_attach_iov(8, &iov, 1));
    api.resource_unref(7);
    api.resource_unref(8);
    EXPECT(PAGE, iov.iov_len);
    EXPECT(EINVAL, api.resource_attach_iov(7, &iov, 1));
}

GPU_CASE(classic_transfers)
{
    uint32_t box[6] = { 0, 0, 0, 32, 32, 1 };
    struct virgl_box *b = (struct virgl_box *)box;
    bool have_2d;

    vmm_start(NATIVE);
    context(CTX);
    buffer(CTX, 8, MAPPABLE);
    REQUIRE(0, guest_blob(9, &iov, 1, PAGE));
    have_2d = create_2d(7, &iov, 1);
    const struct { const char *what; uint32_t res, ctx; int want; } calls[] = {
        { "resource unknown", 99, 0, EINVAL },
        { "resource unknown, context unknown", 99, 99, EINVAL },
        { "resource unknown, DRM context", 99, CTX, EINVAL },
        { "blob, context unknown", 8, 99, EINVAL },
        { "blob, DRM context", 8, CTX, -1 },
        { "guest blob, DRM context", 9, CTX, -1 },
        { "blob, context 0", 8, 0, EINVAL },
        { "guest blob, context 0", 9, 0, EINVAL },
        { "2D, context 0", 7, 0, have_2d ? 0 : EINVAL },
        { "2D, context unknown", 7, 99, EINVAL },
        { "2D, DRM context", 7, CTX, have_2d ? -1 : EINVAL },
    };
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        row("%s", calls[i].what);
        EXPECT(calls[i].want, api.transfer_write_iov(calls[i].res, calls[i].ctx, 0, 128, 0, b, 0, NULL, 0));
        EXPECT(calls[i].want, api.transfer_read_iov(calls[i].res, calls[i].ctx, 0, 128, 0, b, 0, &iov, 1));
    }
}

/* ---- What is known of a resource; callers pass memory they have not initialised ---- */

static void info_is(uint32_t res, uint64_t inode)
{
    struct virgl_renderer_resource_info info;
    struct virgl_renderer_resource_info_ext ext;

    memset(&info, 0xa5, sizeof(info));
    memset(&ext, 0xa5, sizeof(ext));
    void *untouched = ext.d3d_tex2d;
    EXPECT(0, api.resource_get_info((int)res, &info));
    EXPECT(res, info.handle);
    struct virgl_renderer_resource_info want = { .handle = res, .fd = info.fd };
    EXPECT(0, memcmp(&info, &want, sizeof(info))); /* the rest is GL's: zero */
    EXPECT(0, api.resource_get_info_ext((int)res, &ext));
    EXPECT(0, ext.version);
    EXPECT(res, ext.base.handle);
    EXPECT(info.fd, ext.base.fd);
    CHECK(ext.d3d_tex2d == untouched);
    if (inode)
        EXPECT(inode, inode_of(info.fd));
    else
        EXPECT(-1, info.fd);
}

GPU_CASE(classic_info_of_blobs)
{
    uint32_t type;
    int fd, i = 0;
    const uint32_t with_fd[] = { SHMEM_RES + CTX, 20 }, without[] = { 21, 22, 23, UINT32_MAX };

    vmm_start(NATIVE);
    guest(CTX);
    buffer(CTX, 20, SHAREABLE);
    buffer(CTX, 21, MAPPABLE);
    buffer(CTX, 22, 0);
    REQUIRE(0, guest_blob(23, &iov, 1, PAGE));
    REQUIRE(0, guest_blob(UINT32_MAX, &iov, 1, PAGE));
    for (i = 0; i < 4; i++) {
        row("resource %u", without[i]);
        info_is(without[i], 0);
    }
    for (i = 0; i < 2; i++) {
        row("resource %u", with_fd[i]);
        REQUIRE(0, api.resource_export_blob(with_fd[i], &type, &fd));
        uint64_t inode = inode_of(fd);
        info_is(with_fd[i], inode);
        close(fd);
        struct virgl_renderer_resource_info info;
        REQUIRE(0, api.resource_get_info((int)with_fd[i], &info));
        int borrowed = info.fd;
        REQUIRE(0, api.resource_get_info((int)with_fd[i], &info));
        EXPECT(borrowed, info.fd); /* always the same, the library's */
        api.resource_unref(with_fd[i]);
        CHECK(!is_open(borrowed));
    }
}

GPU_CASE(classic_info_of_2d)
{
    struct virgl_renderer_resource_info info;
    struct virgl_renderer_resource_info_ext ext;

    vmm_start(NATIVE);
    bool have = create_2d(7, NULL, 0);
    memset(&info, 0xa5, sizeof(info));
    EXPECT(have ? 0 : EINVAL, api.resource_get_info(7, &info));
    if (have) {
        EXPECT(7, info.handle);
        EXPECT(-1, info.fd);
        EXPECT(EINVAL, api.resource_get_info(7, NULL));
    }
    EXPECT(EINVAL, api.resource_get_info_ext(7, &ext)); /* success would promise a texture */
}

CASE(classic_info_unknown)
{
    struct virgl_renderer_resource_info info;
    struct virgl_renderer_resource_info_ext ext;

    vmm_start(ASYNC | NO_VIRGL);
    REQUIRE(0, guest_blob(7, &iov, 1, PAGE));
    EXPECT(EINVAL, api.resource_get_info(99, &info));
    EXPECT(EINVAL, api.resource_get_info(0, &info));
    EXPECT(EINVAL, api.resource_get_info_ext(99, &ext));
    EXPECT(EINVAL, api.resource_get_info(7, NULL));
    EXPECT(EINVAL, api.resource_get_info_ext(7, NULL));
}

CASE(classic_private_pointer)
{
    int data;

    vmm_start(ASYNC | NO_VIRGL);
    REQUIRE(0, guest_blob(7, &iov, 1, PAGE));
    CHECK(api.resource_get_priv(7) == NULL);
    api.resource_set_priv(7, &data);
    CHECK(api.resource_get_priv(7) == &data);
    api.resource_set_priv(7, (void *)(uintptr_t)1); /* never followed */
    CHECK(api.resource_get_priv(7) == (void *)(uintptr_t)1);
    api.resource_set_priv(99, &data);
    CHECK(api.resource_get_priv(99) == NULL);
    api.resource_unref(7);
    CHECK(api.resource_get_priv(7) == NULL);
    REQUIRE(0, guest_blob(7, &iov, 1, PAGE));
    CHECK(api.resource_get_priv(7) == NULL);
}

GPU_CASE(classic_gl_only)
{
    uint32_t w = 9, h = 9;
    int fd = 9, stride = 9, offset = 9;

    vmm_start(NATIVE);
    context(CTX);
    buffer(CTX, 7, SHAREABLE);
    memset(page, 0x33, sizeof(page));
    CHECK(api.get_cursor_data(7, &w, &h) == NULL);
    CHECK(api.get_cursor_data(99, &w, &h) == NULL);
    api.get_rect(7, &iov, 1, 0, 0, 0, 8, 8);
    api.get_rect(99, &iov, 1, 0, 0, 0, 8, 8);
    EXPECT(0x33, page[0]);
    EXPECT(-1, api.get_fd_for_texture(1, &fd));
    EXPECT(-1, api.get_fd_for_texture2(1, &fd, &stride, &offset));
    api.force_ctx_0();
}
