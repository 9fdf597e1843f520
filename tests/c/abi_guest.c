/* abi_guest.c - the guest of the cases: blobs, buffers, queues and GPU jobs of an msm context. */
#define _GNU_SOURCE
#include "abi.h"

#include <errno.h>
#include <string.h>

#define REQ(number, size) { .cmd = (number), .len = (uint32_t)(size) }

void context(uint32_t ctx)
{
    REQUIRE(0, api.context_create_with_flags(ctx, VIRGL_DRM_CAPSET, 3, "abi"));
}

int blob_with_iov(uint32_t ctx, uint32_t res, uint32_t mem, uint32_t flags, uint64_t blob_id, uint64_t size,
                  const struct iovec *iov, uint32_t n)
{
    struct virgl_renderer_resource_create_blob_args args = {
        .res_handle = res, .ctx_id = ctx, .blob_mem = mem, .blob_flags = flags,
        .blob_id = blob_id, .size = size, .iovecs = iov, .num_iovs = n,
    };

    return api.resource_create_blob(&args);
}

int blob(uint32_t ctx, uint32_t res, uint32_t mem, uint32_t flags, uint64_t blob_id, uint64_t size)
{
    return blob_with_iov(ctx, res, mem, flags, blob_id, size, NULL, 0);
}

int guest_blob(uint32_t res, const struct iovec *iov, uint32_t n, uint64_t size)
{
    return blob_with_iov(0, res, VIRGL_RENDERER_BLOB_MEM_GUEST, 0, 0, size, iov, n);
}

int nop(uint32_t ctx)
{
    struct msm_ccmd_nop_req req = { REQ(MSM_CCMD_NOP, sizeof(req)) };

    return api.submit_cmd(&req, (int)ctx, sizeof(req) / 4);
}

int gem_new(uint32_t ctx, uint32_t blob_id, uint64_t size, uint32_t bo_flags)
{
    static uint64_t next; /* GPU addresses are not used twice */
    struct virgl_renderer_capset_drm caps = { 0 };
    struct msm_ccmd_gem_new_req req = { .hdr = REQ(MSM_CCMD_GEM_NEW, sizeof(req)), .size = size,
                                        .flags = bo_flags, .blob_id = blob_id };

    api.fill_caps(VIRGL_DRM_CAPSET, 0, &caps);
    if (!next)
        next = caps.u.msm.va_start;
    req.iova = next;
    next += (size + PAGE) / PAGE * PAGE + PAGE;
    return api.submit_cmd(&req, (int)ctx, sizeof(req) / 4);
}

void buffer(uint32_t ctx, uint32_t res, uint32_t blob_flags)
{
    REQUIRE(0, gem_new(ctx, res, PAGE, BO_WC));
    REQUIRE(0, blob(ctx, res, VIRGL_RENDERER_BLOB_MEM_HOST3D, blob_flags, res, PAGE));
}

static uint32_t *response(struct guest *g) { return (uint32_t *)((char *)g->shm + g->shm->base.rsp_mem_offset); }

int cpu_prep(struct guest *g, uint32_t res)
{
    struct msm_ccmd_gem_cpu_prep_req req = { .hdr = REQ(MSM_CCMD_GEM_CPU_PREP, sizeof(req)), .res_id = res, .op = 1 };
    struct msm_ccmd_gem_cpu_prep_rsp rsp = { .hdr.len = sizeof(rsp), .ret = 1 };

    memcpy(response(g), &rsp, sizeof(rsp));
    REQUIRE(0, api.submit_cmd(&req, (int)g->ctx, sizeof(req) / 4));
    memcpy(&rsp, response(g), sizeof(rsp));
    return rsp.ret;
}

/* Response: len, ret, then the kernel's struct with the id in its third word. */
static uint32_t new_queue(struct guest *g, uint32_t prio)
{
    uint32_t req[8] = { MSM_CCMD_IOCTL_SIMPLE, sizeof(req), ++g->seqno, 0, 0xc00c644a, 0, prio, 0 };
    uint32_t *rsp = response(g);

    rsp[0] = 24;
    rsp[1] = 1;
    REQUIRE(0, api.submit_cmd(req, (int)g->ctx, 8));
    REQUIRE(0, rsp[1]);
    return rsp[4];
}

struct guest guest(uint32_t ctx)
{
    struct guest g = { .ctx = ctx, .res = 1000 + ctx };
    void *map = NULL;
    uint64_t size = 0;

    context(ctx);
    REQUIRE(0, blob(ctx, SHMEM_RES + ctx, VIRGL_RENDERER_BLOB_MEM_HOST3D, MAPPABLE, 0, SHMEM_SIZE));
    REQUIRE(0, api.resource_map(SHMEM_RES + ctx, &map, &size));
    g.shm = map;
    for (uint32_t prio = 0; prio < 3; prio++)
        g.queue[prio] = new_queue(&g, prio);
    buffer(ctx, g.res, MAPPABLE);
    return g;
}

struct job job(struct guest *g, uint32_t prio)
{
    struct msm_ccmd_gem_submit_req req = {
        .hdr = { MSM_CCMD_GEM_SUBMIT, sizeof(struct job), ++g->seqno, 0 },
        .flags = 0x10, .queue_id = g->queue[prio], .nr_bos = 1, .nr_cmds = 1, .fence = ++g->fence,
    };
    struct job j = { { 0 } };
    uint32_t *bo = j.words + sizeof(req) / 4, *cmd = bo + 4;

    memcpy(j.words, &req, sizeof(req));
    bo[0] = 1; /* read */
    bo[1] = g->res;
    cmd[0] = 1; /* a command buffer: the whole of it is in the job's only bo */
    cmd[3] = 0x40;
    return j;
}

void run_job(struct guest *g, uint32_t prio)
{
    struct job j = job(g, prio);
    uint32_t errors = g->shm->async_error;

    REQUIRE(0, api.submit_cmd(j.words, (int)g->ctx, sizeof(j) / 4));
    REQUIRE(errors, g->shm->async_error);
}

void pending_fence(struct guest *g, uint32_t prio, uint64_t id)
{
    run_job(g, prio);
    REQUIRE(0, api.context_create_fence(g->ctx, 0, prio + 1, id));
}
