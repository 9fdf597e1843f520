/* abi_fence.c - fences: the global timeline, rings and order. */
#define _GNU_SOURCE
#include "abi.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- create_fence ---- */

CASE(fence_global_async)
{
    static const int flags[] = { ASYNC, ASYNC | NO_VIRGL, ASYNC | VIRGL_RENDERER_THREAD_SYNC };

    for (unsigned i = 0; i < 3; i++) {
        row("flags %#x", flags[i]);
        vmm_start(flags[i]);
        EXPECT(0, api.create_fence(-2, 12345)); /* the second argument means nothing */
        EXPECT(i + 1, vmm.nctx0);
        EXPECT(0xfffffffe, vmm.ctx0[i]);
        api.poll();
        EXPECT(i + 1, vmm.nctx0);
        api.cleanup(NULL);
    }
}

CASE(fence_global_sync)
{
    vmm_start(NO_VIRGL);
    api.poll();
    EXPECT(0, vmm.nctx0);
    EXPECT(0, api.create_fence(7, 0));
    EXPECT(1, vmm.nctx0);
    EXPECT(0, api.create_fence(8, 0));
    EXPECT(2, vmm.nctx0);
    EXPECT(8, vmm.ctx0[1]);
    api.poll(); /* the newest once more, for a VMM that files its command after create_fence */
    EXPECT(3, vmm.nctx0);
    EXPECT(8, vmm.ctx0[2]);
    api.poll();
    EXPECT(3, vmm.nctx0);
    EXPECT(0, api.create_fence(0, 0)); /* 0 is an id like any other */
    api.poll();
    EXPECT(5, vmm.nctx0);
    EXPECT(0, vmm.ctx0[4]);
}

GPU_CASE(fence_global_with_drm)
{
    vmm_start(FIELD_QEMU);
    EXPECT(0, api.create_fence(7, 0));
    EXPECT(1, vmm.nctx0);
    api.cleanup(NULL);
    vmm_start(VIRGL_RENDERER_DRM);
    EXPECT(0, api.create_fence(8, 0));
    api.poll();
    EXPECT(3, vmm.nctx0);
}

CASE(fence_global_no_callback)
{
    struct virgl_renderer_callbacks cbs = vmm.cbs;

    cbs.write_fence = NULL;
    EXPECT(0, api.init(&vmm, NO_VIRGL, &cbs));
    EXPECT(0, api.create_fence(7, 0));
    api.poll();
    EXPECT(0, vmm.nctx0);
}

/* ---- Rings ---- */

GPU_CASE(fence_codes)
{
    static const uint32_t bad[] = { 4, 63, 64, 65, 0x10000, 0x80000000, UINT32_MAX };

    vmm_start(NATIVE);
    EXPECT(-EINVAL, api.context_create_fence(0, 0, 0, 1));
    EXPECT(-EINVAL, api.context_create_fence(99, 0, 0, 1));
    EXPECT(-EINVAL, api.context_create_fence(99, 0, 77, 1));
    context(CTX);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        row("ring %u of 3", bad[i]);
        EXPECT(-EINVAL, api.context_create_fence(CTX, 0, bad[i], 1));
    }
    row("no fence that was refused is reported");
    api.context_destroy(CTX);
    EXPECT(0, fences_total());
}

GPU_CASE(fence_ring_0_is_synchronous)
{
    vmm_start(NATIVE);
    struct guest g = guest(CTX);
    sim("hang");
    pending_fence(&g, 0, 1);
    EXPECT(0, fences_total());
    for (uint32_t i = 0; i < 4; i++) {
        row("fence %u", i);
        EXPECT(0, api.context_create_fence(CTX, i % 2 ? VIRGL_RENDERER_FENCE_FLAG_MERGEABLE : 0, 0, UINT64_MAX - i));
        EXPECT(1, fences_of(CTX, 0, UINT64_MAX - i));
        CHECK(pthread_equal(vmm.fences[i].thread, pthread_self()));
    }
}

GPU_CASE(fence_without_work_is_immediate)
{
    vmm_start(NATIVE);
    struct guest g = guest(CTX);
    for (uint32_t ring = 1; ring <= 3; ring++) {
        row("ring %u", ring);
        EXPECT(0, api.context_create_fence(CTX, 0, ring, ring));
        EXPECT(1, fences_of(CTX, ring, ring));
    }
    row("other rings busy");
    sim("hang ring=0");
    pending_fence(&g, 0, 10);
    EXPECT(0, api.context_create_fence(CTX, 0, 2, 11));
    EXPECT(1, fences_of(CTX, 2, 11));
    EXPECT(0, fences_of(CTX, 1, 10));
}

/* Created in the order of their ids; every third without work of its own, some mergeable. */
GPU_CASE(fence_order_within_a_ring)
{
    vmm_start(NATIVE);
    struct guest g = guest(CTX);
    sim("hang");
    for (uint64_t id = 1; id <= 30; id++) {
        if (id % 3)
            run_job(&g, 1);
        REQUIRE(0, api.context_create_fence(CTX, id % 2, 2, id));
    }
    settle();
    EXPECT(0, fences_total());
    sim("unhang");
    CHECK(fence_comes(CTX, 2, 30));
    settle();
    EXPECT(30, fences_total()); /* mergeable ones, too: each exactly once */
    for (uint32_t i = 0; i < 30; i++) {
        row("report %u", i);
        EXPECT(i + 1, vmm.fences[i].id);
    }
}

GPU_CASE(fence_rings_and_contexts_are_independent)
{
    vmm_start(NATIVE);
    struct guest a = guest(1), b = guest(2);
    sim("hang ring=0");
    pending_fence(&a, 0, 1);
    pending_fence(&b, 0, 2);
    pending_fence(&a, 2, 3);
    pending_fence(&b, 1, 4);
    CHECK(fence_comes(1, 3, 3));
    CHECK(fence_comes(2, 2, 4));
    settle();
    EXPECT(2, fences_total());
    api.context_destroy(1);
    EXPECT(1, fences_of(1, 1, 1));
    EXPECT(0, fences_of(2, 1, 2));
}

GPU_CASE(fence_pending_when_context_is_destroyed)
{
    vmm_start(NATIVE);
    struct guest g = guest(CTX);
    sim("hang");
    for (uint64_t id = 1; id <= 5; id++)
        pending_fence(&g, 0, id);
    pending_fence(&g, 2, 6);
    REQUIRE(0, api.context_create_fence(CTX, 0, 3, 7));
    uint64_t start = now_ns();
    api.context_destroy(CTX);
    CHECK(now_ns() - start < 1000000000u); /* without the GPU */
    for (uint64_t id = 1; id <= 5; id++) {
        row("fence %d", (int)id);
        EXPECT(1, fences_of(CTX, 1, id));
    }
    no_row();
    EXPECT(1, fences_of(CTX, 3, 6));
    EXPECT(1, fences_of(CTX, 3, 7));
    sim("unhang");
    settle();
    EXPECT(7, fences_total());
}

GPU_CASE(fence_out_of_descriptors)
{
    struct rlimit was, low;

    vmm_start(NATIVE);
    struct guest g = guest(CTX);
    sim("hang");
    run_job(&g, 0);
    REQUIRE(0, getrlimit(RLIMIT_NOFILE, &was));
    int next_free = dup(0);
    close(next_free);
    low = (struct rlimit){ (rlim_t)next_free, was.rlim_max };
    REQUIRE(0, setrlimit(RLIMIT_NOFILE, &low));
    int ret = api.context_create_fence(CTX, 0, 1, 1);
    REQUIRE(0, setrlimit(RLIMIT_NOFILE, &was));
    /* It may do without a descriptor; if it cannot, this is the code and the fence never retires. */
    if (ret)
        EXPECT(-ENOMEM, ret);
    api.context_destroy(CTX);
    EXPECT(ret == 0, fences_of(CTX, 1, 1));
}
