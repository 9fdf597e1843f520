/* abi_context.c - contexts: creation codes, names, attach and detach, destruction. */
#define _GNU_SOURCE
#include "abi.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

GPU_CASE(context_create_codes)
{
    static const struct { uint32_t ctx, flags; int want; } calls[] = {
        { 0, VIRGL_DRM_CAPSET, EINVAL },
        { 1, 0, EINVAL },
        { 1, 1, EINVAL },
        { 1, 2, EINVAL },
        { 1, 3, EINVAL },
        { 1, 4, EINVAL },
        { 1, 5, EINVAL },
        { 1, 7, EINVAL },
        { 1, 255, EINVAL },
        { 1, VIRGL_DRM_CAPSET | 0x100, EINVAL },
        { 1, VIRGL_DRM_CAPSET | 0x80000000, EINVAL },
        { 1, VIRGL_DRM_CAPSET, 0 },
        /* From here on context 1 exists. */
        { 1, VIRGL_DRM_CAPSET, 0 },
        { 1, 2, EINVAL },
        { 1, 4, EINVAL },
        { 1, 0, EINVAL },
        { 1, VIRGL_DRM_CAPSET | 0x100, EINVAL },
    };

    vmm_start(NATIVE);
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        row("context %u, flags %#x (call %zu)", calls[i].ctx, calls[i].flags, i);
        EXPECT(calls[i].want, api.context_create_with_flags(calls[i].ctx, calls[i].flags, 3, "abi"));
    }
    EXPECT(1, sim_counters().files);
    EXPECT(0, nop(CTX)); /* the one that exists was not touched */
}

GPU_CASE(context_create_gl)
{
    vmm_start(NATIVE);
    EXPECT(EINVAL, api.context_create(1, 3, "abi"));
    EXPECT(EINVAL, api.context_create(0, 0, NULL));
    EXPECT(EINVAL, nop(1));
    context(CTX);
    EXPECT(EINVAL, api.context_create(CTX, 3, "abi")); /* exists with another capset */
    EXPECT(0, nop(CTX));
}

CASE(context_create_not_initialised_capset)
{
    vmm_start(ASYNC | NO_VIRGL);
    EXPECT(EINVAL, api.context_create_with_flags(1, VIRGL_DRM_CAPSET, 3, "abi"));
    EXPECT(EINVAL, api.context_create_with_flags(1, 2, 3, "abi"));
    EXPECT(EINVAL, api.context_create(1, 3, "abi"));
    EXPECT(-EINVAL, api.get_dev_fd(1));
}

static uint64_t names_set(void) { return sim_counters().calls[DRMSIM_SET_CLIENT_NAME]; }

GPU_CASE(context_name)
{
    char *unmapped = page_range(PAGE), *longest = page_end(64), *shortest = page_end(1);

    vmm_start(NATIVE);
    memset(longest, 'n', 64); /* no NUL, and nothing behind it */
    *shortest = 'x';
    EXPECT(0, api.context_create_with_flags(1, VIRGL_DRM_CAPSET, 64, longest));
    EXPECT(1, names_set());
    EXPECT(0, api.context_create_with_flags(2, VIRGL_DRM_CAPSET, 1, shortest));
    EXPECT(2, names_set());
    row("none given");
    EXPECT(0, api.context_create_with_flags(3, VIRGL_DRM_CAPSET, 0, unmapped));
    EXPECT(0, api.context_create_with_flags(4, VIRGL_DRM_CAPSET, 3, NULL));
    EXPECT(2, names_set());
    row("longer than the virtio field: not read");
    EXPECT(0, api.context_create_with_flags(5, VIRGL_DRM_CAPSET, 65, unmapped));
    EXPECT(0, api.context_create_with_flags(6, VIRGL_DRM_CAPSET, 0x80000000, unmapped));
    EXPECT(0, api.context_create_with_flags(7, VIRGL_DRM_CAPSET, UINT32_MAX, unmapped));
    EXPECT(2, names_set());
    row("the kernel refuses it");
    sim("fail SET_CLIENT_NAME errno=EINVAL");
    EXPECT(0, api.context_create_with_flags(8, VIRGL_DRM_CAPSET, 3, "abi"));
    EXPECT(0, nop(8));
    EXPECT(8, sim_counters().files);
}

GPU_CASE(context_ids_have_32_bits)
{
    static const uint32_t ids[] = { 0x7fffffff, 0x80000000, UINT32_MAX };

    vmm_start(NATIVE);
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
        row("context %#x", ids[i]);
        EXPECT(EINVAL, nop(ids[i]));
        context(ids[i]);
        EXPECT(0, nop(ids[i]));
        CHECK(api.get_dev_fd((int)ids[i]) >= 0);
        EXPECT(0, api.context_create_fence(ids[i], 0, 0, UINT64_MAX - i));
        EXPECT(1, fences_of(ids[i], 0, UINT64_MAX - i));
        api.context_destroy(ids[i]);
        EXPECT(EINVAL, nop(ids[i]));
    }
}

GPU_CASE(context_destroy)
{
    vmm_start(NATIVE);
    context(1);
    context(2);
    api.context_destroy(3);
    api.context_destroy(0);
    EXPECT(2, sim_counters().files);
    api.context_destroy(1);
    api.context_destroy(1);
    EXPECT(1, sim_counters().files);
    EXPECT(EINVAL, nop(1));
    EXPECT(0, nop(2));
    context(1); /* the id is free again */
    EXPECT(0, nop(1));
}

GPU_CASE(context_poll_fd)
{
    vmm_start(NATIVE);
    context(CTX);
    EXPECT(-1, api.context_get_poll_fd(CTX));
    EXPECT(-1, api.context_get_poll_fd(0));
    EXPECT(-1, api.context_get_poll_fd(99));
    EXPECT(-1, api.get_poll_fd());
    api.context_poll(CTX);
    api.context_poll(99);
    api.force_ctx_0();
    EXPECT(0, fences_total());
}

GPU_CASE(context_dev_fd)
{
    vmm_start(NATIVE);
    EXPECT(-EINVAL, api.get_dev_fd(CTX));
    EXPECT(-EINVAL, api.get_dev_fd(0));
    context(CTX);
    int fd = api.get_dev_fd(CTX);
    uint64_t inode = inode_of(fd);
    CHECK(fd >= 0 && is_cloexec(fd));
    EXPECT(fd, api.get_dev_fd(CTX)); /* borrowed: always the same */
    EXPECT(1, open_with_inode(inode));
    api.context_destroy(CTX);
    EXPECT(0, open_with_inode(inode));
    EXPECT(-EINVAL, api.get_dev_fd(CTX));
}

GPU_CASE(context_attach_is_silent)
{
    struct iovec iov = { &vmm, PAGE };
    uint64_t imports;

    vmm_start(NATIVE);
    struct guest g = guest(CTX);
    context(2);
    REQUIRE(0, guest_blob(7, &iov, 1, PAGE));
    buffer(CTX, 8, 0);
    imports = sim_counters().calls[DRMSIM_PRIME_FD_TO_HANDLE];
    static const int ids[] = { 0, 1, 2, 7, 8, 99, -1 };
    for (size_t c = 0; c < sizeof(ids) / sizeof(*ids); c++) {
        for (size_t r = 0; r < sizeof(ids) / sizeof(*ids); r++) {
            if (ids[c] == CTX && ids[r] == 8)
                continue;
            api.ctx_detach_resource(ids[c], ids[r]);
            api.ctx_attach_resource(ids[c], ids[r]);
            api.ctx_detach_resource(ids[c], ids[r]);
        }
    }
    row("shared memory, guest pages and what cannot be exported are no GPU buffers");
    api.ctx_attach_resource(2, SHMEM_RES + CTX);
    EXPECT(imports, sim_counters().calls[DRMSIM_PRIME_FD_TO_HANDLE]);
    row("the creator has it already");
    api.ctx_attach_resource(CTX, (int)g.res);
    EXPECT(imports, sim_counters().calls[DRMSIM_PRIME_FD_TO_HANDLE]);
    EXPECT(0, cpu_prep(&g, g.res));
    EXPECT(0, cpu_prep(&g, 8));
    EXPECT(0, sim_counters().syncobjs);
}

GPU_CASE(context_attach_shares_buffers)
{
    vmm_start(NATIVE);
    struct guest a = guest(1), b = guest(2);
    uint64_t handles;

    buffer(1, 50, SHAREABLE);
    buffer(1, 51, MAPPABLE); /* exported for the import alone */
    buffer(1, 52, 0);
    for (uint32_t res = 50; res <= 51; res++) {
        row("resource %u", res);
        handles = sim_counters().handles;
        EXPECT(-ENOENT, cpu_prep(&b, res));
        api.ctx_attach_resource(2, (int)res);
        EXPECT(0, cpu_prep(&b, res));
        EXPECT(handles + 1, sim_counters().handles);
        api.ctx_attach_resource(2, (int)res); /* again */
        EXPECT(handles + 1, sim_counters().handles);
        api.ctx_detach_resource(2, (int)res);
        EXPECT(-ENOENT, cpu_prep(&b, res));
        EXPECT(handles, sim_counters().handles);
        EXPECT(0, cpu_prep(&a, res));
    }
    row("a failed import is silent, too");
    sim("fail PRIME_FD_TO_HANDLE errno=ENOMEM");
    api.ctx_attach_resource(2, 50);
    EXPECT(-ENOENT, cpu_prep(&b, 50));
    api.ctx_attach_resource(2, 50);
    EXPECT(0, cpu_prep(&b, 50));
    row("unref takes it from every context");
    api.resource_unref(50);
    EXPECT(-ENOENT, cpu_prep(&a, 50));
    EXPECT(-ENOENT, cpu_prep(&b, 50));
    row("not exportable");
    api.ctx_attach_resource(2, 52);
    EXPECT(-ENOENT, cpu_prep(&b, 52));
}
