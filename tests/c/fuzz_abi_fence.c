// fuzz_abi: fences, what their callbacks do, and the end of contexts.
#include "fuzz_abi.h"

static void submit_nop(unsigned c)
{
    uint32_t nop[4] = { 1, 16, rnd(), 0 };

    note("submit_cmd ctx=%u nop", ctx_ids[c]);
    int r = api.submit_cmd(nop, (int)ctx_ids[c], 4);
    EXPECT(r == 0 || r == EINVAL);
}

static bool ending(unsigned c) { return vmm.ending || vmm.ctx[c].ending; }

void create_fence(unsigned c, uint32_t ring)
{
    uint32_t slot = one_in(10) ? below(SHARED_IDS) : vmm.next_fence++;
    bool ok = vmm.ctx[c].alive && ring < RINGS && vmm.fences;

    if (slot >= FENCES)
        return;
    if (slot >= SHARED_IDS) {
        vmm.fence[slot].ctx = c, vmm.fence[slot].ring = ring;
        vmm.fence[slot].serial = ++vmm.serial;
    }
    vmm.fence[slot].asked++;
    vmm.ctx[c].pending++;
    note("context_create_fence ctx=%u ring=%u id=%lu", ctx_ids[c], ring, (unsigned long)fence_id(slot));
    int r = api.context_create_fence(ctx_ids[c], below(2), ring, fence_id(slot));
    if (r) {
        vmm.fence[slot].asked--;
        vmm.ctx[c].pending--;
    }
    EXPECT(r == 0 || r == -EINVAL || r == -ENOMEM);
    EXPECT(ok || r == -EINVAL);
    EXPECT(!ok || r == 0 || vmm.faults || ending(c));
}

void destroy(unsigned c)
{
    bool nested = ending(c); // from a callback of that end: it is not over when this call is

    vmm.ctx[c].ending = true;
    note("context_destroy ctx=%u", ctx_ids[c]);
    api.context_destroy(ctx_ids[c]);
    if (nested)
        return;
    vmm.ctx[c].alive = vmm.ctx[c].ending = false;
    EXPECT(vmm.ctx[c].pending == 0);
}

__thread bool calling; // this thread holds `inside`

static void from_callback(unsigned c)
{
    static __thread int depth;
    uint64_t mine = rng;

    // A callback may call: within a call of its own thread, or while nobody is inside.
    if (depth == 2 || (!calling && pthread_mutex_trylock(&inside)))
        return;
    depth++;
    rng = report->notes;
    switch (below(24)) {
    case 0:
        destroy(one_in(2) ? c : below(4));
        break;
    case 1:
        submit_nop(c);
        break;
    case 2: case 3:
        create_fence(c, below(RINGS));
    }
    rng = mine;
    depth--;
    if (!calling)
        pthread_mutex_unlock(&inside);
}

void write_context_fence(void *cookie, uint32_t ctx, uint32_t ring, uint64_t id)
{
    uint64_t slot = id == UINT64_MAX ? SHARED_IDS - 1 : id;
    unsigned c = 0;

    (void)cookie;
    while (c < CONTEXTS && ctx_ids[c] != ctx)
        c++;
    if (c == CONTEXTS || slot >= FENCES || ring >= RINGS)
        found("a fence nobody made: ctx %u ring %u id %lu", ctx, ring, (unsigned long)id);
    if (!vmm.ctx[c].alive)
        found("fence %lu of context %u after its end", (unsigned long)id, ctx);
    if (++vmm.fence[slot].retired > vmm.fence[slot].asked)
        found("fence %lu of context %u retired twice", (unsigned long)id, ctx);
    if (slot >= SHARED_IDS) {
        if (vmm.fence[slot].ctx != c || vmm.fence[slot].ring != ring)
            found("fence %lu comes from context %u ring %u", (unsigned long)id, ctx, ring);
        if (vmm.fence[slot].serial <= vmm.ctx[c].last[ring])
            found("fence %lu of context %u ring %u overtook another", (unsigned long)id, ctx, ring);
        vmm.ctx[c].last[ring] = vmm.fence[slot].serial;
    }
    vmm.ctx[c].pending--;
    if (!calling && slot % 64 == 40)
        usleep(3000); // so slow that the library calls a second thread in
    from_callback(c);
}

void op_destroy(void) { destroy(any_ctx()); }

void op_fence(void) { create_fence(any_ctx(), one_in(12) ? ONE_OF(4, 63, 64, 0xffffffff) : below(RINGS)); }

void op_ctx0_fence(void)
{
    unsigned long before = vmm.ctx0_reports;

    note("create_fence");
    int r = api.create_fence((int)rnd(), any_ctx());
    EXPECT(r == (vmm.up ? 0 : EINVAL));
    EXPECT(vmm.ctx0_reports - before == (vmm.up && vmm.ctx0));
    note("poll");
    api.poll();
}

void op_export_fence(void)
{
    uint64_t id = fence_id(any_fence());
    int fd = 12345;

    switch (below(3)) {
    case 0:
        note("export_fence id=%lu", (unsigned long)id);
        int r = api.export_fence(id, one_in(16) ? NULL : &fd);
        EXPECT(r == 0 || r == -EINVAL);
        EXPECT(r == 0 ? fd >= 0 : fd == -1 || fd == 12345);
        if (r)
            return;
        break;
    case 1:
        note("get_fence_fd id=%lu", (unsigned long)id);
        fd = api.get_fence_fd(id);
        break;
    case 2:
        note("export_signalled_fence");
        fd = api.export_signalled_fence();
    }
    EXPECT(fd >= -1);
    if (fd >= 0)
        keep(fd);
}

void op_attach_fence(void)
{
    unsigned c = any_ctx();
    int fd = take();

    note("attach_fence ctx=%u fd=%d", ctx_ids[c], fd);
    int r = api.attach_fence((int)ctx_ids[c], fd);
    EXPECT(r == 0 || r == -1 || r == EINVAL);
    EXPECT((r == EINVAL) == !vmm.ctx[c].alive);
    if (r == EINVAL && fd >= 0)
        close(fd);
}
