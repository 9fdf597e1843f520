/* abi_share.c - fences passed on as sync_files: pending, retired, signalled, unknown. */
#define _GNU_SOURCE
#include "abi.h"

#include <errno.h>
#include <unistd.h>

GPU_CASE(share_pending)
{
    int fd = -1;

    vmm_start(NATIVE);
    struct guest g = guest(CTX);
    sim("hang");
    pending_fence(&g, 0, UINT64_MAX - 1);
    EXPECT(0, api.export_fence(UINT64_MAX - 1, &fd));
    int other = api.get_fence_fd(UINT64_MAX - 1);
    CHECK(fd >= 0 && other >= 0 && fd != other);
    CHECK(is_cloexec(fd) && is_cloexec(other));
    CHECK(!is_readable(fd) && !is_readable(other));
    EXPECT(-1, api.export_signalled_fence());
    sim("unhang");
    CHECK(fence_comes(CTX, 1, UINT64_MAX - 1));
    CHECK(is_readable(fd) && is_readable(other));
    close(fd);
    close(other);
}

GPU_CASE(share_unknown)
{
    int fd = 9;

    vmm_start(NATIVE);
    context(CTX);
    EXPECT(-EINVAL, api.export_fence(1, &fd));
    EXPECT(-1, fd);
    EXPECT(-1, api.get_fence_fd(1));
    row("what never needed the GPU is not kept");
    REQUIRE(0, api.context_create_fence(CTX, 0, 0, 1));
    REQUIRE(0, api.context_create_fence(CTX, 0, 1, 2));
    fd = 9;
    EXPECT(-EINVAL, api.export_fence(1, &fd));
    EXPECT(-1, fd);
    EXPECT(-1, api.get_fence_fd(2));
    EXPECT(-1, api.export_signalled_fence());
}

GPU_CASE(share_retired)
{
    int fd;

    vmm_start(NATIVE);
    struct guest g = guest(CTX);
    sim("hang");
    EXPECT(-1, api.export_signalled_fence());
    pending_fence(&g, 0, 1);
    EXPECT(-1, api.export_signalled_fence()); /* pending does not count */
    sim("unhang");
    CHECK(fence_comes(CTX, 1, 1));
    fd = 9;
    EXPECT(-EINVAL, api.export_fence(1, &fd)); /* removed by itself */
    EXPECT(-1, fd);
    EXPECT(-1, api.get_fence_fd(1));
    settle();
    for (int i = 0; i < 2; i++) {
        row("signalled fence %d", i);
        fd = api.export_signalled_fence();
        CHECK(fd >= 0 && is_cloexec(fd) && is_readable(fd));
        close(fd);
    }
}

GPU_CASE(share_id_used_twice)
{
    int fd = -1;

    vmm_start(NATIVE);
    struct guest a = guest(1), b = guest(2);
    sim("hang");
    pending_fence(&a, 0, 5);
    pending_fence(&b, 0, 5); /* works, though it cannot be passed on */
    EXPECT(0, api.export_fence(5, &fd));
    api.context_destroy(1);
    EXPECT(1, fences_of(1, 1, 5));
    sim("unhang");
    CHECK(fence_comes(2, 1, 5));
    close(fd);
}

GPU_CASE(share_context_destroyed)
{
    int fd = 9;

    vmm_start(NATIVE);
    struct guest g = guest(CTX);
    sim("hang");
    pending_fence(&g, 0, 5);
    api.context_destroy(CTX);
    EXPECT(-EINVAL, api.export_fence(5, &fd));
    EXPECT(-1, fd);
}
