// guest.c - the fences of the VMM, each counted, and a guest that fills its GPU rings.
#include "host.h"

#include <string.h>

enum { SHM_SIZE = 0x4000, PAGE = 4096, BO_WC = 0x20000, IOCTL_SUBMITQUEUE_NEW = 0xc00c644a, ANSWER_AT = 0x100 };

void (*on_fence)(uint32_t ctx, uint32_t ring, uint64_t id);
static uint64_t last_id; // atomic
static unsigned made, seen; // atomic
static uint8_t made_of[MAX_FENCES], seen_of[MAX_FENCES]; // atomic

unsigned fences_made(void) { return __atomic_load_n(&made, __ATOMIC_ACQUIRE); }
unsigned fences_seen(void) { return __atomic_load_n(&seen, __ATOMIC_ACQUIRE); }
unsigned fence_seen(uint64_t id) { return __atomic_load_n(&seen_of[id], __ATOMIC_ACQUIRE); }

static void write_fence(void *cookie, uint32_t fence) { (void)cookie, (void)fence; }

static void write_context_fence(void *cookie, uint32_t ctx, uint32_t ring, uint64_t id)
{
    EXPECT(cookie == &callbacks);
    if (!EXPECT(id > 0 && id < MAX_FENCES))
        return;
    __atomic_add_fetch(&seen_of[id], 1, __ATOMIC_RELEASE);
    if (on_fence)
        on_fence(ctx, ring, id);
    __atomic_add_fetch(&seen, 1, __ATOMIC_RELEASE);
}

struct virgl_renderer_callbacks callbacks = {
    .version = 3, .write_fence = write_fence, .write_context_fence = write_context_fence,
};

bool fences_wait(void)
{
    for (int ms = 0; ms < 5000 && fences_seen() < fences_made(); ms++)
        pause_ms(1);
    return fences_seen() == fences_made();
}

bool fences_all_once(void)
{
    uint64_t n = __atomic_load_n(&last_id, __ATOMIC_ACQUIRE);
    bool good = true;

    for (uint64_t id = 1; id <= n && good; id++)
        if (fence_seen(id) != made_of[id]) {
            note("fence %u was accepted %u times and reported %u times", (unsigned)id, made_of[id], fence_seen(id));
            good = false;
        }
    return good;
}

// ---- the guest

static uint32_t shm_res(const struct guest *g) { return g->ctx << 8 | 1; }
static uint32_t bo_res(const struct guest *g) { return g->ctx << 8 | 2; }

static bool send(struct guest *g, void *message, size_t bytes)
{
    return api.virgl_renderer_submit_cmd(message, (int)g->ctx, (int)(bytes / 4)) == 0;
}

static bool blob(struct guest *g, uint32_t res, uint64_t blob_id, uint64_t size)
{
    struct virgl_renderer_resource_create_blob_args args = {
        .res_handle = res, .ctx_id = g->ctx, .blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D,
        .blob_flags = VIRGL_RENDERER_BLOB_FLAG_USE_MAPPABLE, .blob_id = blob_id, .size = size,
    };

    return api.virgl_renderer_resource_create_blob(&args) == 0;
}

static bool new_queue(struct guest *g, uint32_t ring)
{
    uint32_t req[8] = { MSM_CCMD_IOCTL_SIMPLE, sizeof req, ++g->seqno, ANSWER_AT, IOCTL_SUBMITQUEUE_NEW, 0, ring - 1, 0 };
    volatile uint32_t *answer = (volatile uint32_t *)((volatile char *)g->shm + g->shm->base.rsp_mem_offset + ANSWER_AT);

    answer[0] = 24; // length, result, then the kernel's struct with the id in its third word
    answer[1] = 1;
    if (!send(g, req, sizeof req) || answer[1])
        return false;
    g->queue[ring - 1] = answer[4];
    return true;
}

bool guest_open(struct guest *g, uint32_t ctx, uint32_t rings)
{
    struct msm_ccmd_gem_new_req bo = { .hdr = { .cmd = MSM_CCMD_GEM_NEW, .len = sizeof bo }, .size = PAGE, .flags = BO_WC };
    struct virgl_renderer_capset_drm caps = { 0 };
    void *map = NULL;
    uint64_t size;

    *g = (struct guest){ .ctx = ctx, .rings = rings };
    if (api.virgl_renderer_context_create_with_flags(ctx, VIRGL_DRM_CAPSET, 4, "host") || !blob(g, shm_res(g), 0, SHM_SIZE) ||
        api.virgl_renderer_resource_map(shm_res(g), &map, &size))
        return false;
    g->shm = map;
    for (uint32_t ring = 1; ring <= rings; ring++)
        if (!new_queue(g, ring))
            return false;
    api.virgl_renderer_fill_caps(VIRGL_DRM_CAPSET, 0, &caps);
    bo.iova = caps.u.msm.va_start;
    bo.blob_id = bo_res(g);
    return send(g, &bo, sizeof bo) && blob(g, bo_res(g), bo_res(g), PAGE);
}

void guest_close(struct guest *g)
{
    api.virgl_renderer_context_destroy(g->ctx);
    api.virgl_renderer_resource_unref(bo_res(g));
    api.virgl_renderer_resource_unref(shm_res(g));
}

bool guest_nop(struct guest *g)
{
    struct msm_ccmd_nop_req req = { .hdr = { MSM_CCMD_NOP, sizeof req, ++g->seqno, 0 } };

    return send(g, &req, sizeof req);
}

bool guest_job(struct guest *g, uint32_t ring)
{
    struct {
        struct msm_ccmd_gem_submit_req req;
        uint32_t bo[4]; // flags (read), resource, address
        uint32_t cmd[8]; // type (a command buffer), index of its bo, offset, bytes
    } m = {
        .req = { .hdr = { MSM_CCMD_GEM_SUBMIT, sizeof m, ++g->seqno, 0 }, .flags = 0x10, .queue_id = g->queue[ring - 1],
                 .nr_bos = 1, .nr_cmds = 1, .fence = ++g->job },
        .bo = { 1, bo_res(g) },
        .cmd = { 1, 0, 0, 64 },
    };

    return send(g, &m, sizeof m) && g->shm->async_error == 0;
}

uint64_t guest_fence(struct guest *g, uint32_t ring)
{
    uint64_t id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);

    if (!EXPECT(id < MAX_FENCES) || api.virgl_renderer_context_create_fence(g->ctx, 0, ring, id))
        return 0;
    __atomic_store_n(&made_of[id], 1, __ATOMIC_RELEASE);
    __atomic_add_fetch(&made, 1, __ATOMIC_RELEASE);
    return id;
}

uint64_t guest_job_fence(struct guest *g, uint32_t ring) { return guest_job(g, ring) ? guest_fence(g, ring) : 0; }
