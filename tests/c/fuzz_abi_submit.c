// fuzz_abi: command buffers, sound and not.
#include "fuzz_abi.h"

// One command, sound or not; returns its words.
static uint32_t command(uint32_t *w)
{
    uint32_t n = 4, res = any_res(), queue = one_in(8) ? 0 : 1 + below(3), blob = 1 + below(6);
    uint64_t iova = 0x100000000ull + ((uint64_t)below(64) << 20);

    memset(w, 0, 64 * 4);
    w[0] = 1 + below(11);
    w[2] = rnd();
    w[3] = one_in(4) ? ONE_OF(0, 0x3fe0, 0x3fe8, 0x3fec, 0x3ff0, 0x4000, 0xfffffff0, 2) : below(0x3f0) * 16;
    switch (w[0]) {
    case 2:
        w[n++] = ONE_OF(0xc0186440, 0xc00c644a, 0xc00c644a, 0x4004644b, 0xc0106440, 0xc0106442);
        if (w[4] >> 30 == 1)
            w[n++] = queue;
        else if (w[4] == 0xc00c644a)
            w[n] = below(2), w[n + 1] = below(4), n += 3;
        else
            w[n] = 0x10, w[n + 1] = below(24), n += (w[4] >> 16 & 0xff) / 4;
        break;
    case 3:
        w[n++] = (uint32_t)iova, w[n++] = (uint32_t)(iova >> 32);
        w[n++] = ONE_OF(0x1000, 0x1234, 0x4000, 0x10000, 1), w[n++] = 0;
        w[n++] = ONE_OF(0x20000, 0x10000, 0x80000), w[n++] = blob;
        break;
    case 4:
        if (one_in(2))
            iova = 0;
        w[n++] = (uint32_t)iova, w[n++] = (uint32_t)(iova >> 32), w[n++] = res, w[n++] = 0;
        break;
    case 5:
        w[n++] = res, w[n++] = 1 + below(3);
        break;
    case 6: case 11:
        w[n++] = w[0] == 6 ? res : 1 + below(8), w[n++] = below(12), n += 4;
        break;
    case 7:
        w[n++] = 0x10, w[n++] = queue, w[n++] = below(4), w[n++] = below(3), w[n++] = rnd();
        for (uint32_t i = 0; i < w[6]; i++)
            w[n] = 1 + below(3), w[n + 1] = any_res(), n += 4;
        for (uint32_t i = 0; i < w[7]; i++)
            w[n] = 1, w[n + 1] = below(3), w[n + 3] = 0x40, n += 8;
        break;
    case 8:
        w[n++] = res, w[n++] = 0, w[n++] = ONE_OF(0, 4, 0xffc, 0xffffffff), w[n++] = below(16), n += 3;
        break;
    case 9:
        w[n++] = queue, w[n++] = below(2), w[n++] = ONE_OF(0, 4, 8, 4084, 4085);
        break;
    case 10:
        w[n++] = queue, w[n++] = below(4);
    }
    w[1] = n * 4;
    if (one_in(6))
        w[below(n)] = corner();
    return n;
}

void op_submit(void)
{
    unsigned c = any_ctx();
    uint32_t n = 0, bad = below(24), skew = 0;
    uint64_t ids[4];
    uint32_t nids = below(5);

    for (uint32_t i = 1 + below(6); i; i--)
        n += command(draft + n);
    if (one_in(4)) // a large one
        for (n = 0; n < 4096;)
            n += command(draft + n);
    memcpy(commands, draft, sizeof(draft));
    for (int i = 0; i < 4; i++)
        ids[i] = fence_id(any_fence());
    int ndw = bad == 0 ? 0 : bad == 1 ? (int)ONE_OF(0x80000000, 0xffffffff, 0x40000000, 0x7fffffff) : (int)n - (int)one_in(8);
    void *buffer = commands;

    if (bad == 2)
        buffer = (char *)commands + (skew = 1 + below(3));
    else if (bad == 3 || (bad == 0 && one_in(2)))
        buffer = NULL;
    bool refused = ndw < 0 || ndw > 0x3fffffff || (!buffer && ndw);
    int r;

    if (one_in(3)) {
        bool null = one_in(16);

        note("submit_cmd2 ctx=%u ndw=%d buffer=%d skew=%u fences=%u cmd=%u", ctx_ids[c], ndw, buffer != NULL, skew, nids, draft[0]);
        r = api.submit_cmd2(buffer, (int)ctx_ids[c], ndw, null ? NULL : ids, nids);
        if (vmm.ctx[c].alive && !skew && !refused && null && nids)
            EXPECT(r == -EINVAL);
    } else {
        note("submit_cmd ctx=%u ndw=%d buffer=%d skew=%u cmd=%u", ctx_ids[c], ndw, buffer != NULL, skew, draft[0]);
        r = api.submit_cmd(buffer, (int)ctx_ids[c], ndw);
    }
    if (!vmm.ctx[c].alive || (refused && !skew))
        EXPECT(r == EINVAL);
    else if (skew)
        EXPECT(r == EFAULT);
    else
        EXPECT(r <= 0 && r > -4096);
}

// A job the kernel can take, and its fence.
void op_job(void)
{
    unsigned c = below(4);
    uint32_t queue = 1 + below(3), n = 9, *w = draft;
    uint64_t ids[2] = { fence_id(any_fence()), fence_id(any_fence()) };

    memset(w, 0, 128 * 4);
    w[0] = 7, w[2] = rnd(), w[4] = 0x10, w[5] = queue, w[8] = ++vmm.job;
    for (uint32_t id = 1 + below(RESOURCES); id <= RESOURCES && w[6] < 4; id++)
        if (vmm.res[id].known && vmm.res[id].ctx == ctx_ids[c] && vmm.res[id].size != SHMEM)
            w[n] = 1 + below(3), w[n + 1] = id, n += 4, w[6]++;
    w[1] = n * 4;
    uint32_t nids = one_in(3) ? below(3) : 0;
    memcpy(commands, draft, sizeof(draft));
    note("submit_cmd2 ctx=%u GEM_SUBMIT queue=%u buffers=%u fences=%u", ctx_ids[c], queue, w[6], nids);
    int r = api.submit_cmd2(commands, (int)ctx_ids[c], (int)n, ids, nids);
    EXPECT(vmm.ctx[c].alive ? r <= 0 : r == EINVAL);
    if (!one_in(8))
        create_fence(c, queue);
}
