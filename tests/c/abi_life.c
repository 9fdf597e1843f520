/* abi_life.c - the library's life: before init, after cleanup, reset and cleanup in every order. */
#include "abi.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* The answers of a library that is not initialised; 1 and 7 were ids once, or never. */
static void everything_unknown(void)
{
    struct virgl_renderer_resource_create_args create = { .handle = 7, .target = 2, .width = 1, .height = 1, .depth = 1 };
    struct virgl_renderer_resource_info info;
    struct virgl_renderer_resource_info_ext ext;
    struct virgl_renderer_export_query query = { .hdr = { 1, 0, sizeof(query) }, .in_resource_id = 7 };
    struct iovec iov = { &vmm, PAGE }, *iovs = &iov;
    uint32_t words[4] = { MSM_CCMD_NOP, 16, 0, 0 }, version = 9, size = 9, info_word = 9, w = 9, h = 9;
    uint64_t fence_id = 1, map_size = 9;
    uint8_t caps[1024];
    void *map = &map;
    int fd = 9, n = 9, file = small_file(PAGE);
    struct virgl_renderer_resource_import_blob_args import = { 7, VIRGL_RENDERER_BLOB_MEM_HOST3D,
                                                               VIRGL_RENDERER_BLOB_FD_TYPE_SHM, file, PAGE };

    EXPECT(EINVAL, api.context_create_with_flags(1, VIRGL_DRM_CAPSET, 3, "abi"));
    EXPECT(EINVAL, api.context_create(1, 3, "abi"));
    api.context_destroy(1);
    EXPECT(EINVAL, api.submit_cmd(words, 1, 4));
    EXPECT(EINVAL, api.submit_cmd(NULL, 1, 0));
    EXPECT(EINVAL, api.submit_cmd2(words, 1, 4, &fence_id, 1));
    EXPECT(-EINVAL, api.context_create_fence(1, 0, 0, 1));
    api.context_poll(1);
    EXPECT(-1, api.context_get_poll_fd(1));
    api.ctx_attach_resource(1, 7);
    api.ctx_detach_resource(1, 7);
    EXPECT(-EINVAL, api.get_dev_fd(1));

    EXPECT(EINVAL, api.create_fence(1, 0));
    EXPECT(-EINVAL, api.export_fence(1, &fd));
    EXPECT(-1, fd);
    EXPECT(-1, api.export_signalled_fence());
    EXPECT(-1, api.get_fence_fd(1));
    EXPECT(EINVAL, api.attach_fence(1, file));
    CHECK(is_open(file));
    api.force_ctx_0();

    EXPECT(-EINVAL, guest_blob(7, &iov, 1, PAGE));
    EXPECT(-EINVAL, blob(1, 7, VIRGL_RENDERER_BLOB_MEM_HOST3D, MAPPABLE, 0, SHMEM_SIZE));
    EXPECT(-EINVAL, api.resource_import_blob(&import));
    CHECK(is_open(file));
    EXPECT(-EINVAL, api.resource_map(7, &map, &map_size));
    CHECK(map == &map);
    EXPECT(9, map_size);
    EXPECT(-EINVAL, api.resource_map_fixed(7, page_range(PAGE)));
    EXPECT(-EINVAL, api.resource_unmap(7));
    EXPECT(-EINVAL, api.resource_get_map_info(7, &info_word));
    EXPECT(-EINVAL, api.resource_export_blob(7, &info_word, &n));
    EXPECT(9, info_word);

    EXPECT(EINVAL, api.resource_create(&create, &iov, 1));
    EXPECT(EINVAL, api.resource_import_eglimage(&create, NULL));
    api.resource_unref(7);
    EXPECT(EINVAL, api.resource_attach_iov(7, &iov, 1));
    api.resource_detach_iov(7, &iovs, &n);
    CHECK(iovs == &iov && n == 9);
    api.resource_set_priv(7, &iov);
    CHECK(api.resource_get_priv(7) == NULL);
    EXPECT(EINVAL, api.transfer_write_iov(7, 0, 0, 0, 0, NULL, 0, NULL, 0));
    EXPECT(EINVAL, api.transfer_read_iov(7, 0, 0, 0, 0, NULL, 0, NULL, 0));
    EXPECT(EINVAL, api.resource_get_info(7, &info));
    EXPECT(EINVAL, api.resource_get_info_ext(7, &ext));
    CHECK(api.get_cursor_data(7, &w, &h) == NULL);
    api.get_rect(7, &iov, 1, 0, 0, 0, 1, 1);
    EXPECT(-1, api.get_fd_for_texture(7, &n));
    EXPECT(-1, api.get_fd_for_texture2(7, &n, &n, &n));
    EXPECT(-EINVAL, api.execute(&query, sizeof(query)));

    api.get_cap_set(VIRGL_DRM_CAPSET, &version, &size);
    EXPECT(0, version);
    CHECK(size >= 160 && size <= sizeof(caps));
    memset(caps, 0xa5, sizeof(caps));
    api.fill_caps(VIRGL_DRM_CAPSET, 0, caps);
    for (size_t i = 0; i < sizeof(caps); i++)
        if (caps[i] != 0xa5 && !CHECK(caps[i] == 0xa5))
            break;
    EXPECT(-1, api.get_poll_fd());
    api.poll();
    EXPECT(0, vmm.nctx0);
    EXPECT(0, vmm.nfences);
    close(file);
}

CASE(life_before_init)
{
    everything_unknown();
    row("reset and cleanup are legal, too");
    api.reset();
    api.cleanup(NULL);
    api.reset();
    everything_unknown();
}

CASE(life_after_cleanup)
{
    struct iovec iov = { &vmm, PAGE };

    vmm_start(ASYNC | NO_VIRGL);
    REQUIRE(0, guest_blob(7, &iov, 1, PAGE));
    api.cleanup(&iov); /* not the cookie: ignored */
    everything_unknown();
}

GPU_CASE(life_after_cleanup_of_contexts)
{
    vmm_start(NATIVE);
    guest(CTX);
    buffer(CTX, 7, MAPPABLE);
    api.cleanup(&vmm);
    everything_unknown();
}

CASE(life_after_failed_init, .env = { "DRMSIM_OPEN_ERRNO=ENOENT" })
{
    EXPECT(-1, api.init(&vmm, NO_VIRGL, NULL));
    everything_unknown();
}

CASE(cleanup_twice)
{
    vmm_start(ASYNC | NO_VIRGL);
    api.cleanup(&vmm);
    api.cleanup(&vmm);
    api.cleanup(NULL);
    row("and another life, with other arguments");
    EXPECT(0, api.init(&vmm, NO_VIRGL, &vmm.cbs));
    EXPECT(0, api.create_fence(3, 0));
    EXPECT(1, vmm.nctx0);
}

CASE(cleanup_forgets_poll)
{
    vmm_start(NO_VIRGL);
    EXPECT(0, api.create_fence(3, 0));
    api.cleanup(NULL);
    vmm_start(NO_VIRGL);
    api.poll();
    EXPECT(1, vmm.nctx0);
}

CASE(reset_without_gpu)
{
    struct iovec iov = { &vmm, PAGE };

    vmm_start(ASYNC | NO_VIRGL);
    REQUIRE(0, guest_blob(7, &iov, 1, PAGE));
    int fd = small_file(PAGE);
    uint64_t inode = inode_of(fd);
    struct virgl_renderer_resource_import_blob_args import = { 8, VIRGL_RENDERER_BLOB_MEM_HOST3D,
                                                               VIRGL_RENDERER_BLOB_FD_TYPE_SHM, fd, PAGE };
    REQUIRE(0, api.resource_import_blob(&import));
    api.reset();
    EXPECT(0, open_with_inode(inode)); /* closes what resources hold */
    api.reset();
    EXPECT(-EINVAL, api.resource_unmap(7));
    EXPECT(0, guest_blob(7, &iov, 1, PAGE)); /* the id is free */
    EXPECT(-EBUSY, api.init(&vmm, NO_VIRGL, &vmm.cbs));
    EXPECT(0, api.init(&vmm, ASYNC | NO_VIRGL, &vmm.cbs));
    EXPECT(0, api.create_fence(1, 0));
}

GPU_CASE(cleanup_and_other_arguments)
{
    struct virgl_renderer_callbacks other = vmm.cbs;

    for (int i = 0; i < 3; i++) {
        row("life %d", i);
        vmm_start(NATIVE);
        guest(CTX);
        api.cleanup(NULL);
        EXPECT(0, sim_counters().files);
        EXPECT(0, api.init(&vmm, FIELD_QEMU, &other));
        context(CTX);
        api.cleanup(NULL);
    }
}

/* ---- reset and cleanup with work in flight ---- */

static void busy_vm(void)
{
    struct guest g[2];
    void *map;
    uint64_t size;

    vmm_start(NATIVE);
    for (uint32_t i = 0; i < 2; i++) {
        g[i] = guest(CTX + i);
        buffer(CTX + i, 50 + i, MAPPABLE | SHAREABLE);
        REQUIRE(0, api.resource_map(50 + i, &map, &size));
    }
    sim("hang");
    for (uint32_t i = 0; i < 2; i++) {
        pending_fence(&g[i], 0, 10 + i);
        pending_fence(&g[i], 1, 20 + i);
        REQUIRE(0, api.context_create_fence(CTX + i, 0, 1, 30 + i));
    }
    EXPECT(0, fences_total());
}

static void busy_vm_is_over(uint64_t started)
{
    CHECK(now_ns() - started < 2000000000u); /* it does not wait for the GPU */
    EXPECT(6, fences_total());
    for (uint32_t i = 0; i < 2; i++) {
        row("context %u", CTX + i);
        EXPECT(1, fences_of(CTX + i, 1, 10 + i));
        EXPECT(1, fences_of(CTX + i, 2, 20 + i));
        EXPECT(1, fences_of(CTX + i, 1, 30 + i));
    }
    no_row();
    EXPECT(0, maps_lines("/memfd:drmsim"));
    for (int ms = 0; ms < 2000 && maps_lines("shmem"); ms++)
        usleep(1000); /* a context with running jobs is taken apart in the background */
    EXPECT(0, maps_lines("shmem"));
    sim("unhang");
    settle();
    for (int ms = 0; ms < 2000 && sim_counters().files; ms++)
        usleep(1000);
    EXPECT(0, sim_counters().files);
    EXPECT(6, fences_total());
}

GPU_CASE(reset_with_work_in_flight)
{
    struct virgl_renderer_capset_drm caps = { 0 };
    uint64_t started;

    busy_vm();
    started = now_ns();
    api.reset();
    busy_vm_is_over(started);
    row("still initialised, ids free");
    api.fill_caps(VIRGL_DRM_CAPSET, 0, &caps);
    EXPECT(VIRTGPU_DRM_CONTEXT_MSM, caps.context_type);
    EXPECT(-EBUSY, api.init(&vmm, FIELD_QEMU, &vmm.cbs));
    EXPECT(0, api.init(&vmm, NATIVE, &vmm.cbs));
    struct guest g = guest(CTX);
    pending_fence(&g, 0, 99);
    CHECK(fence_comes(CTX, 1, 99));
}

GPU_CASE(cleanup_with_work_in_flight)
{
    uint64_t started;

    busy_vm();
    started = now_ns();
    api.cleanup(NULL);
    busy_vm_is_over(started);
    row("and the next life");
    vmm_start(FIELD_QEMU);
    context(CTX);
    EXPECT(0, nop(CTX));
}

/* What QEMU does when the guest reboots. */
GPU_CASE(reset_like_qemu)
{
    uint32_t blob_id = 8;

    vmm_start(FIELD_QEMU);
    for (int boot = 0; boot < 3; boot++) {
        row("boot %d", boot);
        struct guest g = guest(CTX);
        void *map;
        uint64_t size;
        buffer(CTX, blob_id, MAPPABLE);
        REQUIRE(0, api.resource_map(blob_id, &map, &size));
        sim("hang ring=0");
        pending_fence(&g, 0, 100 + (uint64_t)boot);
        EXPECT(0, api.resource_unmap(blob_id));
        EXPECT(0, api.resource_unmap(SHMEM_RES + CTX));
        api.resource_unref(blob_id);
        api.resource_unref(SHMEM_RES + CTX);
        api.resource_unref(g.res);
        api.reset();
        EXPECT(1, fences_of(CTX, 1, 100 + (uint64_t)boot));
        sim("unhang");
        EXPECT(0, api.init(&vmm, FIELD_QEMU, &vmm.cbs));
    }
}
