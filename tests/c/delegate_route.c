/* delegate_route.c - whose call is it: every function, by context and by resource. */
#include "delegate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- Contexts ---- */

GPU_CASE(route_contexts)
{
    struct fake *f = two_sides();
    uint64_t ids[2] = { 5, 6 };
    uint32_t odd[3];
    void *unaligned = (char *)odd + 1;

    f->answer = 42; /* what the delegate says is passed on, whatever it is */
    EXPECT(42, api.submit_cmd(unaligned, THEIR_CTX, -1));
    CHECK(f->last == unaligned);
    EXPECT(42, api.submit_cmd2(unaligned, THEIR_CTX, 3, ids, 2));
    CHECK(f->last == ids);
    EXPECT(42, api.context_create_fence(THEIR_CTX, 1, 5, UINT64_MAX));
    EXPECT(42, api.context_get_poll_fd(THEIR_CTX));
    api.context_poll(THEIR_CTX);
    EXPECT(42, api.get_dev_fd(THEIR_CTX));
    EXPECT(42, api.attach_fence(THEIR_CTX, 9));
    CALLS(f, "submit_cmd(2,-1) submit_cmd2(2,3,2) context_create_fence(2,1,5,18446744073709551615) context_get_poll_fd(2) "
             "context_poll(2) get_dev_fd(2) attach_fence(2,9) ");
    api.context_destroy(THEIR_CTX);
    CALLS(f, "context_destroy(2) ");

    for (uint32_t ctx = CTX; ctx <= NOWHERE; ctx += NOWHERE - CTX) {
        row("context %u", ctx);
        EXPECT(ctx == CTX ? 0 : EINVAL, nop(ctx));
        EXPECT(ctx == CTX ? 0 : EINVAL, api.submit_cmd2(NULL, (int)ctx, 0, ids, 2));
        EXPECT(ctx == CTX ? 0 : -EINVAL, api.context_create_fence(ctx, 0, 0, 3));
        EXPECT(-1, api.context_get_poll_fd(ctx));
        api.context_poll(ctx);
        CHECK((api.get_dev_fd((int)ctx) >= 0) == (ctx == CTX));
        api.context_destroy(ctx);
        CALLS(f, "");
    }
    row("the id is free again");
    context(THEIR_CTX);
    EXPECT(EINVAL, their_context(THEIR_CTX));
    CALLS(f, "");
}

GPU_CASE(route_context_create)
{
    struct fake *f = two_sides();
    static const char name[] = "name";

    EXPECT(0, api.context_create_with_flags(7, 4, 4, name));
    CHECK(f->last == name);
    EXPECT(0, api.context_create(8, 0xffffffff, name)); /* untrusted, and not read here */
    CHECK(f->last == name);
    EXPECT(0, api.context_create_with_flags(9, 0x102, 0, NULL)); /* more than the capset: the delegate's to judge */
    CALLS(f, "context_create_with_flags(7,4,4) context_create_with_flags(8,2,4294967295) context_create_with_flags(9,258,0) ");
    row("there already");
    EXPECT(0, api.context_create_with_flags(7, 4, 4, name));
    EXPECT(0, api.context_create(8, 4, name));
    EXPECT(0, api.context_create_with_flags(8, 2, 4, name)); /* what context_create makes */
    row("there already, of another capset");
    EXPECT(EINVAL, api.context_create_with_flags(7, 2, 4, name));
    EXPECT(EINVAL, api.context_create_with_flags(7, VIRGL_DRM_CAPSET, 4, name));
    EXPECT(EINVAL, api.context_create(CTX, 4, name));
    EXPECT(EINVAL, api.context_create_with_flags(CTX, 4, 4, name));
    row("id or capset 0");
    EXPECT(EINVAL, api.context_create_with_flags(0, 4, 4, name));
    EXPECT(EINVAL, api.context_create_with_flags(10, 0, 4, name));
    CALLS(f, "");
    row("refused by the delegate, so the id is free");
    f->answer = ENOMEM;
    EXPECT(ENOMEM, api.context_create(10, 0, NULL));
    CALLS(f, "context_create_with_flags(10,2,0) ");
    context(10);
}

/* ---- Resources ---- */

GPU_CASE(route_resources)
{
    struct virgl_renderer_resource_info info;
    struct virgl_renderer_resource_info_ext ext;
    struct virgl_renderer_export_query query = { .hdr = { VIRGL_RENDERER_STRUCTURE_TYPE_EXPORT_QUERY, 0, sizeof(query) },
                                                 .in_resource_id = THEIR_RES, .in_export_fds = 1 };
    struct iovec iov, *iovs = &iov;
    uint32_t word = 9;
    uint64_t size;
    int n = 9;
    void *map = page_range(PAGE);
    struct fake *f = two_sides();

    f->answer = 42;
    EXPECT(42, api.resource_map(THEIR_RES, &map, &size));
    CHECK(f->last == &map);
    EXPECT(42, api.resource_map_fixed(THEIR_RES, map));
    CHECK(f->last == map);
    EXPECT(42, api.resource_unmap(THEIR_RES));
    EXPECT(42, api.resource_get_map_info(THEIR_RES, &word));
    CHECK(f->last == &word);
    EXPECT(42, api.resource_export_blob(THEIR_RES, &word, &n));
    EXPECT(42, api.resource_attach_iov(THEIR_RES, &iov, 3));
    CHECK(f->last == &iov);
    api.resource_detach_iov(THEIR_RES, &iovs, &n);
    CHECK(iovs == &iov && n == 9); /* the delegate's to write */
    CALLS(f, "resource_map(20) resource_map_fixed(20) resource_unmap(20) resource_get_map_info(20) export_blob(20) "
             "resource_attach_iov(20,3) resource_detach_iov(20) ");
    EXPECT(42, api.resource_get_info(THEIR_RES, &info));
    CHECK(f->last == &info);
    EXPECT(42, api.resource_get_info_ext(THEIR_RES, &ext));
    CHECK(f->last == &ext);
    EXPECT(42, api.execute(&query, sizeof(query)));
    CHECK(f->last == &query);
    CALLS(f, "resource_get_info(20) resource_get_info_ext(20) execute(20) ");
    EXPECT(42, api.get_fd_for_texture(11, &n));
    EXPECT(42, api.get_fd_for_texture2(12, &n, &n, &n));
    api.get_rect(THEIR_RES, &iov, 1, 2, 3, 4, 5, 6);
    char *pixels = api.get_cursor_data(THEIR_RES, &word, &word);
    CHECK(pixels && !strcmp(pixels, "abc"));
    free(pixels);
    CALLS(f, "get_fd_for_texture(11) get_fd_for_texture2(12) get_rect(20,1,2,3,4,5,6) get_cursor_data(20) ");
    api.resource_unref(THEIR_RES);
    CALLS(f, "resource_unref(20) ");
}

GPU_CASE(route_resources_of_ours)
{
    static const uint32_t ids[] = { OUR_RES, NOWHERE, THEIR_RES /* after unref */ };
    struct virgl_renderer_resource_info info;
    struct iovec iov, *iovs = NULL;
    uint64_t size;
    uint32_t word;
    int n;
    void *map;
    struct fake *f = two_sides();

    api.resource_unref(THEIR_RES);
    f->calls[0] = 0;
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
        uint32_t res = ids[i];
        bool ours = res == OUR_RES;
        void *range = page_range(PAGE);
        row("resource %u", res);
        EXPECT(ours ? 0 : -EINVAL, api.resource_map(res, &map, &size));
        EXPECT(ours ? 0 : -EINVAL, api.resource_map_fixed(res, range));
        munmap(range, PAGE); /* a mapping of the VMM's */
        EXPECT(ours ? 0 : -EINVAL, api.resource_unmap(res));
        EXPECT(ours ? 0 : -EINVAL, api.resource_get_map_info(res, &word));
        EXPECT(ours ? 0 : -EINVAL, api.resource_export_blob(res, &word, &n));
        if (ours)
            close(n);
        EXPECT(ours ? 0 : EINVAL, api.resource_attach_iov((int)res, &iov, 1));
        api.resource_detach_iov((int)res, &iovs, &n);
        EXPECT(ours ? 0 : EINVAL, api.resource_get_info((int)res, &info));
        CHECK(api.get_cursor_data(res, &word, &word) == NULL);
        api.get_rect((int)res, &iov, 1, 2, 3, 4, 5, 6);
        EXPECT(EINVAL, api.transfer_read_iov(res, 0, 0, 0, 0, NULL, 0, NULL, 0));
        EXPECT(EINVAL, api.transfer_write_iov(res, THEIR_CTX, 0, 0, 0, NULL, 0, NULL, 0));
        api.resource_unref(res);
        CALLS(f, "");
    }
}

GPU_CASE(route_transfers)
{
    struct fake *f = two_sides();
    struct iovec iov;
    struct virgl_box *box = (struct virgl_box *)&iov; /* opaque: passed through */

    f->answer = 42;
    EXPECT(42, api.transfer_read_iov(THEIR_RES, THEIR_CTX, 1, 2, 3, box, 4, &iov, 5));
    CHECK(f->last == box);
    EXPECT(42, api.transfer_write_iov(THEIR_RES, 0, -1, 2, 3, box, UINT64_MAX, &iov, 5));
    CHECK(f->last == box);
    CALLS(f, "transfer_read_iov(20,2,1,2,3,4,5) transfer_write_iov(20,0,-1,2,3,18446744073709551615,5) ");
    EXPECT(-1, api.transfer_read_iov(THEIR_RES, CTX, 0, 0, 0, box, 0, NULL, 0)); /* native contexts have none */
    EXPECT(EINVAL, api.transfer_read_iov(THEIR_RES, NOWHERE, 0, 0, 0, box, 0, NULL, 0));
    CALLS(f, "");
}

GPU_CASE(route_priv)
{
    struct fake *f = two_sides();

    api.resource_set_priv(THEIR_RES, f);
    api.resource_set_priv(OUR_RES, &vmm);
    CHECK(api.resource_get_priv(THEIR_RES) == f);
    CHECK(api.resource_get_priv(OUR_RES) == &vmm);
    api.resource_unref(THEIR_RES);
    CHECK(api.resource_get_priv(THEIR_RES) == NULL);
    CALLS(f, "resource_unref(20) ");
}

GPU_CASE(route_resource_create)
{
    struct virgl_renderer_resource_create_args args = { .handle = 40 };
    struct iovec iov = { &args, sizeof(args) };
    struct fake *f = two_sides();

    EXPECT(0, api.resource_create(&args, &iov, 1));
    CHECK(f->last == &args);
    args.handle = 41;
    EXPECT(0, api.resource_import_eglimage(&args, &iov));
    CHECK(f->last == &iov);
    CALLS(f, "resource_create(40,1) resource_import_eglimage(41) ");
    row("in use, by either side");
    EXPECT(-EINVAL, their_resource(40));
    EXPECT(-EINVAL, their_resource(OUR_RES));
    args.handle = OUR_RES;
    EXPECT(-EINVAL, api.resource_import_eglimage(&args, &iov));
    REQUIRE(0, gem_new(CTX, 50, PAGE, BO_WC));
    EXPECT(-EINVAL, blob(CTX, 40, VIRGL_RENDERER_BLOB_MEM_HOST3D, MAPPABLE, 50, PAGE));
    struct virgl_renderer_resource_import_blob_args import = { 40, VIRGL_RENDERER_BLOB_MEM_HOST3D,
                                                               VIRGL_RENDERER_BLOB_FD_TYPE_SHM, 0, PAGE };
    EXPECT(-EINVAL, api.resource_import_blob(&import));
    row("handle 0");
    EXPECT(EINVAL, their_resource(0));
    EXPECT(EINVAL, api.resource_create(NULL, NULL, 0));
    EXPECT(EINVAL, api.resource_import_eglimage(NULL, NULL));
    CALLS(f, "");
    row("refused by the delegate, so the id is free");
    f->answer = ENOMEM;
    EXPECT(ENOMEM, their_resource(42));
    args.handle = 42;
    EXPECT(ENOMEM, api.resource_import_eglimage(&args, NULL));
    CALLS(f, "resource_create(42,0) resource_import_eglimage(42) ");
    EXPECT(0, blob(CTX, 42, VIRGL_RENDERER_BLOB_MEM_HOST3D, MAPPABLE, 50, PAGE));
    CALLS(f, "");
}

GPU_CASE(route_blobs)
{
    enum { GUEST = VIRGL_RENDERER_BLOB_MEM_GUEST, HOST3D = VIRGL_RENDERER_BLOB_MEM_HOST3D };
    struct iovec iov = { &vmm, PAGE };
    struct fake *f = two_sides();

    row("of their context");
    EXPECT(0, blob(THEIR_CTX, 40, HOST3D, MAPPABLE, 7, PAGE));
    EXPECT(0, blob_with_iov(THEIR_CTX, 41, GUEST, 0, 0, PAGE, &iov, 1));
    row("of no context: guest pages");
    EXPECT(0, guest_blob(42, &iov, 1, PAGE));
    CALLS(f, "resource_create_blob(40) resource_create_blob(41) resource_create_blob(42) ");
    row("of our context");
    EXPECT(0, blob_with_iov(CTX, 43, GUEST, 0, 0, PAGE, &iov, 1));
    EXPECT(-ENOENT, blob(CTX, 44, HOST3D, MAPPABLE, 7, PAGE));
    row("of no context: host memory");
    EXPECT(-EINVAL, blob(0, 45, HOST3D, MAPPABLE, 7, PAGE));
    row("in use, or 0");
    EXPECT(-EINVAL, blob(THEIR_CTX, 43, HOST3D, MAPPABLE, 7, PAGE));
    EXPECT(-EINVAL, blob(THEIR_CTX, 40, HOST3D, MAPPABLE, 7, PAGE));
    EXPECT(-EINVAL, blob(THEIR_CTX, 0, HOST3D, MAPPABLE, 7, PAGE));
    CALLS(f, "");
    row("refused by the delegate, so the id is free");
    f->answer = -EBUSY;
    EXPECT(-EBUSY, blob(THEIR_CTX, 46, HOST3D, MAPPABLE, 7, PAGE));
    CALLS(f, "resource_create_blob(46) ");
    EXPECT(0, blob_with_iov(CTX, 46, GUEST, 0, 0, PAGE, &iov, 1));
}

/* ---- Fences by number ---- */

GPU_CASE(route_fence_fds)
{
    struct fake *f = two_sides();
    struct guest g = guest(CTX + 2);
    int fd = 9;

    f->answer = 42;
    EXPECT(42, api.export_fence(7, &fd));
    EXPECT(42, api.get_fence_fd(7) ? 42 : 0);
    EXPECT(42, api.export_signalled_fence());
    CALLS(f, "export_fence(7) get_fence_fd(7) export_fence(7) export_signalled_fence ");
    sim("hang");
    pending_fence(&g, 0, 8);
    REQUIRE(0, api.export_fence(8, &fd));
    close(fd);
    fd = api.get_fence_fd(8);
    CHECK(is_open(fd));
    close(fd);
    CALLS(f, "");
    sim("unhang");
}

/* ---- What an older one does not have ---- */

GPU_CASE(route_missing_functions)
{
    struct virgl_renderer_resource_info_ext ext;
    struct fake *f = fake_open("old");
    uint32_t words[4] = { 0 };
    int fd = 9;

    setenv("VIRGLDRM_DELEGATE", fake_path("old"), 1);
    vmm_start(QEMU);
    REQUIRE(0, their_context(THEIR_CTX));
    REQUIRE(0, their_resource(THEIR_RES));
    f->calls[0] = 0;
    EXPECT(EINVAL, api.submit_cmd2(words, THEIR_CTX, 4, NULL, 0));
    EXPECT(EINVAL, api.attach_fence(THEIR_CTX, 9));
    EXPECT(-EINVAL, api.get_dev_fd(THEIR_CTX));
    EXPECT(-EINVAL, api.export_fence(7, &fd));
    EXPECT(-1, fd);
    EXPECT(-1, api.get_fence_fd(7));
    EXPECT(-1, api.export_signalled_fence());
    EXPECT(EINVAL, api.resource_get_info_ext(THEIR_RES, &ext));
    EXPECT(-EOPNOTSUPP, api.resource_map_fixed(THEIR_RES, page_range(PAGE))); /* a VMM tries resource_map then */
    CALLS(f, "");
}

/* The VMM frees the pixels with its own free. */
CASE(route_pixels_of_another_malloc)
{
    struct fake *f = fake_open("malloc");
    uint32_t w, h;

    setenv("VIRGLDRM_DELEGATE", fake_path("malloc"), 1);
    vmm_start(ASYNC);
    REQUIRE(0, their_resource(THEIR_RES));
    char *pixels = api.get_cursor_data(THEIR_RES, &w, &h);
    CHECK(pixels && !strcmp(pixels, "abc"));
    EXPECT(isolation() ? 1 : 0, f->frees);
    free(pixels);
}
