/* abi_thread.c - callbacks from other threads, and callbacks that call the library again. */
#define _GNU_SOURCE
#include "abi.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static struct guest g;

/* ---- Calling the library from inside a callback ---- */

static void submit_and_fence_again(uint32_t ctx, uint32_t ring, uint64_t id)
{
    if (id >= 10)
        return;
    EXPECT(0, nop(ctx));
    run_job(&g, ring - 1);
    EXPECT(0, api.context_create_fence(ctx, 0, ring, id + 1)); /* the ring that is retiring */
    EXPECT(0, api.context_create_fence(ctx, 0, 0, 100 + id));
    EXPECT(1, fences_of(ctx, 0, 100 + id));
}

/* The VMM's thread stays out of the library meanwhile. */
GPU_CASE(thread_callback_submits)
{
    vmm_start(NATIVE);
    g = guest(CTX);
    vmm.on_fence = submit_and_fence_again;
    sim("hang");
    sim("gpu_us 200");
    pending_fence(&g, 0, 1);
    sim("unhang");
    for (uint64_t id = 1; id <= 10; id++) {
        row("fence %d", (int)id);
        CHECK(fence_comes(CTX, 1, id));
    }
    no_row();
    settle();
    EXPECT(10 + 9, fences_total());
    CHECK(!pthread_equal(vmm.fences[0].thread, pthread_self()));
}

static void fence_again_on_ring_0(uint32_t ctx, uint32_t ring, uint64_t id)
{
    if (ring || id >= 5)
        return;
    EXPECT(0, nop(ctx));
    EXPECT(0, api.context_create_fence(ctx, 0, 0, id + 1));
}

GPU_CASE(thread_callback_inside_create_fence)
{
    vmm_start(NATIVE);
    context(CTX);
    vmm.on_fence = fence_again_on_ring_0;
    EXPECT(0, api.context_create_fence(CTX, 0, 0, 1));
    for (uint64_t id = 1; id <= 5; id++) {
        row("fence %d", (int)id);
        EXPECT(1, fences_of(CTX, 0, id));
        EXPECT(id, vmm.fences[id - 1].id);
    }
}

static void destroy_other(uint32_t ctx, uint32_t ring, uint64_t id)
{
    (void)ring, (void)id;
    if (ctx == CTX)
        api.context_destroy(2);
}

GPU_CASE(thread_callback_destroys_other_context)
{
    vmm_start(NATIVE);
    g = guest(CTX);
    struct guest other = guest(2);
    sim("hang");
    pending_fence(&g, 0, 1);
    pending_fence(&other, 0, 2);
    vmm.on_fence = destroy_other;
    sim("unhang");
    CHECK(fence_comes(CTX, 1, 1));
    CHECK(fence_comes(2, 1, 2));
    settle();
    EXPECT(EINVAL, nop(2));
    EXPECT(0, nop(CTX));
    row("from inside create_fence");
    context(2);
    EXPECT(0, api.context_create_fence(CTX, 0, 0, 3));
    EXPECT(EINVAL, nop(2));
    settle();
    EXPECT(1, sim_counters().files);
}

/* Fences reported by a call may ask for calls on contexts that still live. */
static void use_first_context(uint32_t ctx, uint32_t ring, uint64_t id)
{
    (void)ring, (void)id;
    if (ctx == 2)
        EXPECT(0, nop(CTX));
}

GPU_CASE(thread_callback_inside_destroy)
{
    vmm_start(NATIVE);
    context(CTX);
    struct guest other = guest(2);
    sim("hang");
    pending_fence(&other, 0, 1);
    vmm.on_fence = use_first_context;
    api.context_destroy(2);
    EXPECT(1, fences_of(2, 1, 1));
}

/* ---- Slow callbacks, late callbacks ---- */

static atomic_bool slow_may_end, slow_ended;

static void slow_for_first_context(uint32_t ctx, uint32_t ring, uint64_t id)
{
    (void)ring, (void)id;
    if (ctx != CTX)
        return;
    while (!atomic_load(&slow_may_end))
        usleep(1000);
    atomic_store(&slow_ended, true);
}

static void end_slow_callback(void)
{
    CHECK(!atomic_load(&slow_ended));
    atomic_store(&slow_may_end, true);
    while (!atomic_load(&slow_ended))
        usleep(1000);
}

GPU_CASE(thread_slow_callback_delays_no_other_context)
{
    vmm_start(NATIVE);
    g = guest(CTX);
    struct guest other = guest(2);
    vmm.on_fence = slow_for_first_context;
    sim("hang");
    pending_fence(&g, 0, 1);
    for (uint64_t id = 1; id <= 5; id++)
        pending_fence(&other, 1, id);
    sim("unhang");
    CHECK(fence_comes(2, 2, 5));
    EXPECT(5, fences_total() - fences_of(CTX, 1, 1));
    CHECK(fence_comes(CTX, 1, 1));
    end_slow_callback();
}

/* The same when the VMM goes on calling meanwhile. */
GPU_CASE(thread_slow_callback_and_calls)
{
    vmm_start(NATIVE);
    g = guest(CTX);
    struct guest other = guest(2);
    vmm.on_fence = slow_for_first_context;
    sim("hang"); /* or its callback could come inside create_fence, on this thread */
    pending_fence(&g, 0, 1);
    sim("unhang");
    sim("gpu_us 200");
    REQUIRE_TRUE(fence_comes(CTX, 1, 1)); /* noted, and its callback is still running */
    for (uint64_t id = 1; id <= 5; id++)
        pending_fence(&other, 1, id);
    CHECK(fence_comes(2, 2, 5));
    EXPECT(6, fences_total());
    end_slow_callback();
}

/* Whenever destroy comes, each fence is reported once, and none after it has returned. */
GPU_CASE(thread_no_callback_after_destroy)
{
    vmm_start(NATIVE);
    sim("gpu_us 300");
    for (uint32_t round = 0; round < 20; round++) {
        uint32_t ctx = round + 1;
        row("round %u", round);
        struct guest mine = guest(ctx);
        for (uint64_t id = 1; id <= 10; id++)
            pending_fence(&mine, (uint32_t)id % 3, id);
        usleep(round * 150);
        api.context_destroy(ctx);
        unsigned reported = fences_total();
        EXPECT((round + 1) * 10, reported);
        for (uint64_t id = 1; id <= 10; id++)
            if (fences_of(ctx, (uint32_t)id % 3 + 1, id) != 1)
                EXPECT(1, fences_of(ctx, (uint32_t)id % 3 + 1, id));
        usleep(2000);
        EXPECT(reported, fences_total());
        api.resource_unref(SHMEM_RES + ctx);
        api.resource_unref(mine.res);
    }
}

/* ---- The VMM's thread may change as long as calls come one at a time ---- */

static void *use_library(void *arg)
{
    uint32_t ctx = (uint32_t)(uintptr_t)arg;

    EXPECT(0, api.context_create_with_flags(ctx, VIRGL_DRM_CAPSET, 3, "abi"));
    EXPECT(0, nop(ctx));
    EXPECT(0, api.context_create_fence(ctx, 0, 0, ctx));
    EXPECT(0, api.create_fence((int)ctx, 0));
    return NULL;
}

GPU_CASE(thread_calls_from_many)
{
    vmm_start(NATIVE);
    for (uint32_t i = 1; i <= 8; i++) {
        pthread_t thread;
        row("thread %u", i);
        REQUIRE(0, pthread_create(&thread, NULL, use_library, (void *)(uintptr_t)i));
        pthread_join(thread, NULL);
        EXPECT(0, nop(i));
        EXPECT(1, fences_of(i, 0, i));
    }
    EXPECT(8, vmm.nctx0);
}

static void *start_and_stop(void *arg)
{
    (void)arg;
    EXPECT(0, api.init(&vmm, NATIVE, &vmm.cbs));
    EXPECT(0, api.context_create_with_flags(CTX, VIRGL_DRM_CAPSET, 3, "abi"));
    api.cleanup(NULL);
    return NULL;
}

GPU_CASE(thread_init_on_one_that_ends)
{
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        REQUIRE(0, pthread_create(&thread, NULL, start_and_stop, NULL));
        pthread_join(thread, NULL);
    }
    vmm_start(NATIVE);
    context(CTX);
    EXPECT(0, nop(CTX));
}
