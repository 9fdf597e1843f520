// The library as a VMM calls it, and the messages of a guest: one context at a time, as in virgl_drm_msm.h.
#include <dlfcn.h>
#include <string.h>

#include "bench.h"

struct vmm vmm;

enum { SHM_SIZE = 0x4000, ANSWER_AT = 0x100, MAX_NOPS = 64, MAX_UPLOAD = 1 << 20 };
enum { IOCTL_SUBMITQUEUE_NEW = 0xc00c644a, BO_WC = 0x20000, PREP_WRITE = 2, SUBMIT_3D0 = 0x10, BO_READ_WRITE = 3 };

static uint32_t ctx, seqno, fence_no, queue_ids[QUEUES], nqueues;
static uint64_t fence_id;
static volatile uint8_t *shm;

// Resource ids are shared by all contexts and small, as guests take the lowest
// free one: of the response memory, and of buffer i.
static uint32_t shm_res(void) { return ctx << 9 | 1; }
static uint32_t bo_res(uint32_t i) { return ctx << 9 | (2 + i); }

// A job is built when the number of buffers changes: that is the guest's time.
static struct {
    struct msm_ccmd_gem_submit_req req;
    uint32_t tables[MAX_BOS * 4 + 8];
} job;

// The message being built; big enough for the longest.
static union {
    struct vdrm_ccmd_req hdr;
    struct msm_ccmd_nop_req nops[MAX_NOPS];
    struct msm_ccmd_gem_cpu_prep_req prep;
    struct msm_ccmd_gem_new_req gem_new;
    struct msm_ccmd_gem_upload_req upload;
    struct msm_ccmd_ioctl_simple_req simple;
    uint32_t words[8 + MAX_UPLOAD / 4];
} msg;

static void write_fence(void *cookie, uint32_t fence) { (void)cookie, (void)fence; }

static void write_context_fence(void *cookie, uint32_t ctx_id, uint32_t ring, uint64_t id)
{
    (void)cookie, (void)ctx_id, (void)ring, (void)id;
    retired();
}

static struct virgl_renderer_callbacks callbacks = {
    .version = 3, .write_fence = write_fence, .write_context_fence = write_context_fence,
};

void lib_load(void)
{
    void *handle = dlopen(lib_path, RTLD_NOW | RTLD_LOCAL);

    if (!handle)
        die("cannot load the library: %s", dlerror());
#define LOAD(name)                                                     \
    *(void **)&vmm.name = dlsym(handle, "virgl_renderer_" #name);      \
    if (!vmm.name)                                                     \
        die("%s has no function virgl_renderer_" #name, lib_path);
    VMM_FUNCTIONS(LOAD)
#undef LOAD
}

void lib_init(void)
{
    int flags = VIRGL_RENDERER_ASYNC_FENCE_CB | VIRGL_RENDERER_THREAD_SYNC | VIRGL_RENDERER_DRM |
                VIRGL_RENDERER_NO_VIRGL;
    int r = vmm.init(NULL, flags, &callbacks);

    if (r)
        die("virgl_renderer_init returned %d", r);
}

static void send(void *message, uint32_t bytes)
{
    int r = vmm.submit_cmd(message, (int)ctx, (int)(bytes / 4));

    if (r)
        die("virgl_renderer_submit_cmd returned %d for command %u", r, *(uint32_t *)message);
}

static struct vdrm_ccmd_req head(uint32_t cmd, uint32_t len, uint32_t rsp_off)
{
    return (struct vdrm_ccmd_req){ cmd, len, ++seqno, rsp_off };
}

static volatile uint32_t *word(uint32_t off) { return (volatile uint32_t *)(shm + off); }

// A guest reserves the length of its answer before it asks.
static volatile uint32_t *answer(void) { return word(sizeof(struct msm_shmem) + ANSWER_AT); }

void guest_check(void)
{
    if (*word(offsetof(struct msm_shmem, base.seqno)) != seqno)
        die("the library did not publish the seqno of the last command");
    if (*word(offsetof(struct msm_shmem, async_error)))
        die("the library counted errors of commands; run with VIRGL_LOG_LEVEL=warning to see them");
}

static uint32_t new_queue(uint32_t prio)
{
    struct { uint32_t flags, prio, id; } q = { .prio = prio };
    uint32_t len = sizeof(msg.simple) + sizeof(q);

    msg.simple = (struct msm_ccmd_ioctl_simple_req){ .cmd = IOCTL_SUBMITQUEUE_NEW };
    msg.simple.hdr = head(MSM_CCMD_IOCTL_SIMPLE, len, ANSWER_AT);
    memcpy(msg.simple.payload, &q, sizeof(q));
    *answer() = sizeof(struct msm_ccmd_ioctl_simple_rsp) + sizeof(q);
    send(&msg, len);
    if (answer()[1])
        die("a submit queue of priority %u was refused", prio);
    return answer()[4];
}

void guest_blob(uint32_t res, uint64_t blob_id, uint64_t size)
{
    struct virgl_renderer_resource_create_blob_args a = {
        .res_handle = res, .ctx_id = ctx, .blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D,
        .blob_flags = VIRGL_RENDERER_BLOB_FLAG_USE_MAPPABLE, .blob_id = blob_id, .size = size,
    };
    int r = vmm.resource_create_blob(&a);

    if (r)
        die("virgl_renderer_resource_create_blob returned %d", r);
    vmm.ctx_attach_resource((int)ctx, (int)res);
}

void guest_open(uint32_t id, uint32_t queues, uint32_t priorities, uint32_t bos)
{
    void *map;
    uint64_t size;

    ctx = id;
    seqno = 0;
    job.req.nr_bos = UINT32_MAX;
    nqueues = queues;
    if (vmm.context_create_with_flags(ctx, VIRGL_DRM_CAPSET, 5, "bench"))
        die("context %u cannot be made", ctx);
    guest_blob(shm_res(), 0, SHM_SIZE);
    if (vmm.resource_map(shm_res(), &map, &size))
        die("the response memory of context %u cannot be mapped", ctx);
    shm = map;
    for (uint32_t i = 0; i < queues; i++)
        queue_ids[i] = new_queue(i % priorities);
    for (uint32_t i = 0; i < bos; i++) {
        guest_gem_new(bo_res(i), IOVA_BASE + (uint64_t)i * BO_SIZE, BO_SIZE);
        guest_blob(bo_res(i), bo_res(i), BO_SIZE);
    }
    guest_check();
}

void guest_close(void)
{
    guest_check();
    vmm.resource_unref(shm_res());
    vmm.context_destroy(ctx);
}

void guest_nops(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        msg.nops[i].hdr = head(MSM_CCMD_NOP, sizeof(msg.nops[i]), 0);
    send(&msg, count * (uint32_t)sizeof(msg.nops[0]));
}

void guest_prep(uint32_t bo)
{
    msg.prep = (struct msm_ccmd_gem_cpu_prep_req){ .res_id = bo_res(bo), .op = PREP_WRITE };
    msg.prep.hdr = head(MSM_CCMD_GEM_CPU_PREP, sizeof(msg.prep), ANSWER_AT);
    *answer() = sizeof(struct msm_ccmd_gem_cpu_prep_rsp);
    send(&msg, sizeof(msg.prep));
    if (answer()[1])
        die("CPU_PREP of an idle buffer answered %d", (int)answer()[1]);
}

void guest_gem_new(uint32_t blob_id, uint64_t iova, uint64_t size)
{
    msg.gem_new = (struct msm_ccmd_gem_new_req){ .iova = iova, .size = size, .flags = BO_WC, .blob_id = blob_id };
    msg.gem_new.hdr = head(MSM_CCMD_GEM_NEW, sizeof(msg.gem_new), 0);
    send(&msg, sizeof(msg.gem_new));
}

static void build_job(uint32_t bos)
{
    const uint32_t cmd[8] = { 1, 0, 0, 64 }; // type, index of its buffer, offset, bytes
    uint32_t *table = job.tables;

    job.req = (struct msm_ccmd_gem_submit_req){ .flags = SUBMIT_3D0, .nr_bos = bos, .nr_cmds = 1 };
    for (uint32_t i = 0; i < bos; i++, table += 4) {
        table[0] = BO_READ_WRITE;
        table[1] = bo_res(i);
        table[2] = table[3] = 0;
    }
    memcpy(table, cmd, sizeof(cmd));
}

void guest_submit_queue(uint32_t queue, uint32_t bos)
{
    uint32_t len = (uint32_t)sizeof(job.req) + bos * 16 + 32;

    if (job.req.nr_bos != bos)
        build_job(bos);
    job.req.hdr = head(MSM_CCMD_GEM_SUBMIT, len, 0);
    job.req.queue_id = queue_ids[queue];
    job.req.fence = ++fence_no;
    send(&job, len);
}

void guest_submit(uint32_t bos) { guest_submit_queue(fence_no / 64 % nqueues, bos); } // see raw_submit

void guest_upload(uint32_t res, uint32_t bytes)
{
    uint32_t len = (uint32_t)sizeof(msg.upload) + bytes;

    msg.upload = (struct msm_ccmd_gem_upload_req){ .res_id = res, .len = bytes };
    msg.upload.hdr = head(MSM_CCMD_GEM_UPLOAD, len, 0);
    send(&msg, len);
}

void guest_fence(uint32_t ring)
{
    int r = vmm.context_create_fence(ctx, VIRGL_RENDERER_FENCE_FLAG_MERGEABLE, ring, ++fence_id);

    if (r)
        die("virgl_renderer_context_create_fence returned %d", r);
}

uint64_t guest_fence_id(void) { return fence_id; }
