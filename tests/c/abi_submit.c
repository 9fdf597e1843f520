/* abi_submit.c - submit_cmd and submit_cmd2: which check comes first, signs of codes, fences to wait for. */
#define _GNU_SOURCE
#include "abi.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

enum { UNKNOWN = 99, TOO_MANY = 0x40000000, MOST = 0x3fffffff };

GPU_CASE(submit_order_of_checks)
{
    uint32_t words[8] = { MSM_CCMD_NOP, 16 };
    void *good = words, *odd = (char *)words + 1, *half = (char *)words + 2;
    const struct { const char *what; void *buffer; int ctx, ndw, want, want2; } calls[] = {
        { "context unknown, all else wrong", odd, UNKNOWN, -1, EINVAL, EINVAL },
        { "context unknown, misaligned", odd, UNKNOWN, 4, EINVAL, EINVAL },
        { "context unknown", good, UNKNOWN, 4, EINVAL, EINVAL },
        { "context 0", good, 0, 4, EINVAL, EINVAL },
        { "context unknown, empty", NULL, UNKNOWN, 0, EINVAL, EINVAL },
        { "ndw negative", good, CTX, -1, EINVAL, EINVAL },
        { "ndw most negative", good, CTX, INT_MIN, EINVAL, EINVAL },
        { "ndw too large", good, CTX, TOO_MANY, EINVAL, EINVAL },
        { "ndw largest int", good, CTX, INT_MAX, EINVAL, EINVAL },
        { "ndw negative, misaligned", odd, CTX, -1, EINVAL, EFAULT },
        { "ndw too large, misaligned", half, CTX, TOO_MANY, EINVAL, EFAULT },
        { "ndw just in range, misaligned", odd, CTX, MOST, EFAULT, EFAULT },
        { "misaligned by 1", odd, CTX, 4, EFAULT, EFAULT },
        { "misaligned by 2", half, CTX, 4, EFAULT, EFAULT },
        { "empty, no buffer", NULL, CTX, 0, 0, 0 },
        { "empty, with buffer", good, CTX, 0, 0, 0 },
        { "one command", good, CTX, 4, 0, 0 },
    };

    vmm_start(NATIVE);
    context(CTX);
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        row("%s", calls[i].what);
        EXPECT(calls[i].want, api.submit_cmd(calls[i].buffer, calls[i].ctx, calls[i].ndw));
        EXPECT(calls[i].want2, api.submit_cmd2(calls[i].buffer, calls[i].ctx, calls[i].ndw, NULL, 0));
    }
}

/* What the context says is negative, and it stays usable. */
GPU_CASE(submit_result_of_context)
{
    const struct { const char *what; uint32_t words[6]; int ndw, want; } batches[] = {
        { "command 0", { 0, 16 }, 4, -EINVAL },
        { "command out of range", { MSM_CCMD_LAST, 16 }, 4, -EINVAL },
        { "command far out of range", { UINT32_MAX, 16 }, 4, -EINVAL },
        { "shorter than its head", { MSM_CCMD_NOP, 12 }, 4, -EINVAL },
        { "longer than the batch", { MSM_CCMD_NOP, 20 }, 4, -EINVAL },
        { "length not aligned", { MSM_CCMD_NOP, 18 }, 6, -EINVAL },
        { "response not aligned", { MSM_CCMD_NOP, 16, 0, 2 }, 4, -EINVAL },
        { "words left over", { MSM_CCMD_NOP, 16 }, 5, -EINVAL },
        { "less than a head", { MSM_CCMD_NOP, 16 }, 3, -EINVAL },
        { "tables beyond the command", { MSM_CCMD_SET_DEBUGINFO, 24, 0, 0, 100, 100 }, 6, -ENOSPC },
        { "no response memory", { MSM_CCMD_GEM_CPU_PREP, 24, 0, 0, 1, 1 }, 6, -ENOMEM },
        { "fine", { MSM_CCMD_NOP, 16 }, 4, 0 },
    };

    vmm_start(NATIVE);
    context(CTX);
    for (size_t i = 0; i < sizeof(batches) / sizeof(*batches); i++) {
        uint32_t words[6];
        row("%s", batches[i].what);
        memcpy(words, batches[i].words, sizeof(words));
        EXPECT(batches[i].want, api.submit_cmd(words, CTX, batches[i].ndw));
        EXPECT(batches[i].want, api.submit_cmd2(words, CTX, batches[i].ndw, NULL, 0));
        EXPECT(0, memcmp(words, batches[i].words, sizeof(words)));
        EXPECT(0, nop(CTX));
    }
}

GPU_CASE(submit_buffer_is_read_only)
{
    uint32_t *words = page_end(32);

    vmm_start(NATIVE);
    struct guest g = guest(CTX);
    memcpy(words, (uint32_t[]){ MSM_CCMD_NOP, 16, 41, 0, MSM_CCMD_NOP, 16, 42, 0 }, 32);
    read_only(words, 32);
    EXPECT(0, api.submit_cmd(words, CTX, 8));
    EXPECT(42, g.shm->base.seqno);
    EXPECT(0, api.submit_cmd2(words, CTX, 4, NULL, 0));
    EXPECT(41, g.shm->base.seqno);
}

GPU_CASE(submit_error_ends_the_batch)
{
    uint32_t words[] = { MSM_CCMD_NOP, 16, 50, 0, 99, 16, 51, 0, MSM_CCMD_NOP, 16, 52, 0 };

    vmm_start(NATIVE);
    struct guest g = guest(CTX);
    EXPECT(-EINVAL, api.submit_cmd(words, CTX, 12));
    EXPECT(50, g.shm->base.seqno); /* done before; the rest never */
    EXPECT(0, g.shm->async_error);
}

/* ---- Fences to wait for ---- */

static int submit2(struct guest *g, uint32_t prio, uint64_t *ids, uint32_t n)
{
    struct job j = job(g, prio);

    return api.submit_cmd2(j.words, (int)g->ctx, sizeof(j) / 4, ids, n);
}

GPU_CASE(submit2_unknown_fences)
{
    uint64_t ids[] = { 0, 5, UINT64_MAX };

    vmm_start(NATIVE);
    struct guest g = guest(CTX);
    EXPECT(0, submit2(&g, 0, ids, 3));
    EXPECT(0, api.submit_cmd2(NULL, CTX, 0, ids, 3));
    EXPECT(EINVAL, api.submit_cmd2(NULL, UNKNOWN, 0, ids, 3));
    pending_fence(&g, 0, 5);
    CHECK(fence_comes(CTX, 1, 5));
    EXPECT(0, submit2(&g, 0, ids, 3)); /* 5 has retired */
    EXPECT(0, g.shm->async_error);
}

GPU_CASE(submit2_null_array)
{
    vmm_start(NATIVE);
    context(CTX);
    EXPECT(0, api.submit_cmd2(NULL, CTX, 0, NULL, 0));
    EXPECT(-EINVAL, api.submit_cmd2(NULL, CTX, 0, NULL, 1));
}

/* Whether ring 2 of b waits for ring 1 of a, which is hung. */
static void b_waits(struct guest *b, uint64_t id)
{
    REQUIRE(0, api.context_create_fence(b->ctx, 0, 2, id));
    settle();
    EXPECT(0, fences_total());
    sim("unhang");
    CHECK(fence_comes(b->ctx, 2, id));
    EXPECT(0, b->shm->async_error);
}

GPU_CASE(submit2_waits)
{
    uint64_t ids[] = { 11, 12, 777 };

    vmm_start(NATIVE);
    struct guest a = guest(1), b = guest(2);
    sim("hang ring=0");
    pending_fence(&a, 0, 11);
    pending_fence(&a, 0, 12);
    EXPECT(0, submit2(&b, 1, ids, 3));
    b_waits(&b, 13);
}

/* The fences are kept for the next job, whatever becomes of this submission. */
GPU_CASE(submit2_waits_after_failure)
{
    uint32_t bad[] = { 99, 16, 0, 0 };
    uint64_t ids[] = { 11 };

    vmm_start(NATIVE);
    struct guest a = guest(1), b = guest(2);
    sim("hang ring=0");
    pending_fence(&a, 0, 11);
    EXPECT(-EINVAL, api.submit_cmd2(bad, 2, 4, ids, 1));
    EXPECT(0, nop(2));
    run_job(&b, 1);
    b_waits(&b, 13);
}

GPU_CASE(submit2_merge_failure)
{
    uint64_t ids[] = { 11, 12 };

    vmm_start(NATIVE);
    struct guest a = guest(1), b = guest(2);
    sim("hang ring=0");
    pending_fence(&a, 0, 11);
    pending_fence(&a, 0, 12);
    sim("fail MERGE errno=ENOMEM");
    EXPECT(-1, submit2(&b, 1, ids, 2));
    EXPECT(0, submit2(&b, 1, ids, 2));
}

GPU_CASE(attach_fence_waits)
{
    int fd = -1;

    vmm_start(NATIVE);
    struct guest a = guest(1), b = guest(2);
    sim("hang ring=0");
    pending_fence(&a, 0, 11);
    REQUIRE(0, api.export_fence(11, &fd));
    int second = dup(fd);
    EXPECT(EINVAL, api.attach_fence(UNKNOWN, fd));
    CHECK(is_open(fd));
    EXPECT(0, api.attach_fence(2, fd));     /* the library's from here on: the leak check sees it */
    EXPECT(0, api.attach_fence(2, second)); /* merged with the first */
    run_job(&b, 1);
    b_waits(&b, 13);
}

GPU_CASE(attach_fence_merge_failure)
{
    int fd = -1;

    vmm_start(NATIVE);
    struct guest a = guest(1);
    context(2);
    sim("hang ring=0");
    pending_fence(&a, 0, 11);
    pending_fence(&a, 0, 12);
    REQUIRE(0, api.export_fence(11, &fd));
    REQUIRE(0, api.attach_fence(2, fd));
    fd = api.get_fence_fd(12);
    REQUIRE_TRUE(fd >= 0);
    sim("fail MERGE errno=ENOMEM");
    EXPECT(-1, api.attach_fence(2, fd));
    CHECK(!is_open(fd)); /* consumed all the same */
    fd = small_file(PAGE);
    uint64_t inode = inode_of(fd);
    row("not a fence");
    EXPECT(-1, api.attach_fence(2, fd));
    EXPECT(0, open_with_inode(inode));
}
