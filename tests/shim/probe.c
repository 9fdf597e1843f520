// Acts as a VMM with one guest: loads the library given and checks every answer it gives about the device it finds.
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virgl_drm_msm.h"
#include "virgl_renderer_drm.h"

enum { CTX = 1, SHMEM_RES = 1, BO_RES = 2, SHMEM_SIZE = 0x4000, BO_SIZE = 0x3000, RING_0 = 0 };

// From drm/msm_drm.h, which older systems have without the fields used here.
enum { PIPE_3D0 = 0x10, PARAM_GPU_ID = 1, PARAM_PRIORITIES = 7, PARAM_NONE = 0x7fff, BO_WC = 0x20000, PREP_READ = 1 };
#define IOCTL_MSM_GET_PARAM 0xc0186440u
struct __attribute__((packed)) param { // packed: it follows a 4-byte field on the wire
    uint32_t pipe, param;
    uint64_t value;
    uint32_t len, pad;
};
struct __attribute__((packed)) get_param_req {
    struct vdrm_ccmd_req hdr;
    uint32_t ioctl;
    struct param param;
};
struct __attribute__((packed)) get_param_rsp {
    struct vdrm_ccmd_rsp hdr;
    int32_t ret;
    struct param param;
};

#define FUNCTIONS(F)                                                                                                   \
    F(init) F(cleanup) F(get_cap_set) F(fill_caps) F(context_create_with_flags) F(context_destroy) F(submit_cmd)      \
    F(context_create_fence) F(resource_create_blob) F(resource_map) F(resource_unmap) F(resource_unref)               \
    F(ctx_attach_resource)
#define DECLARE(name) static __typeof__(virgl_renderer_##name) *name;
FUNCTIONS(DECLARE)

static int failures;

// One line per fact: the verdict, what was asked, and the value seen.
__attribute__((format(printf, 2, 3))) static bool check(bool ok, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf(ok ? "PASS " : "FAIL ");
    vprintf(format, args);
    va_end(args);
    printf("\n");
    failures += !ok;
    return ok;
}

// Nothing after this fact makes sense without it.
#define need(...)                                                                                                      \
    do {                                                                                                               \
        if (!check(__VA_ARGS__))                                                                                       \
            exit(1);                                                                                                   \
    } while (0)

struct retired {
    uint32_t ctx, ring, count;
    uint64_t fence;
};
static struct retired retired;

static void write_fence(void *cookie, uint32_t fence)
{
    (void)cookie, (void)fence;
}

static void write_context_fence(void *cookie, uint32_t ctx, uint32_t ring, uint64_t fence)
{
    struct retired *r = cookie;
    *r = (struct retired){ctx, ring, r->count + 1, fence};
}

static struct virgl_renderer_callbacks callbacks = {
    .version = 3,
    .write_fence = write_fence,
    .write_context_fence = write_context_fence,
};

static void load(const char *path)
{
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    need(lib != NULL, "load %s%s%s", path, lib ? "" : ": ", lib ? "" : dlerror());
#define RESOLVE(name)                                                                                                  \
    name = (__typeof__(name))dlsym(lib, "virgl_renderer_" #name);                                                      \
    if (!name)                                                                                                         \
        need(false, "export virgl_renderer_" #name);
    FUNCTIONS(RESOLVE)
}

static struct virgl_renderer_capset_drm read_caps(void)
{
    struct virgl_renderer_capset_drm caps;
    uint32_t version = ~0u, size = 0;
    get_cap_set(VIRGL_DRM_CAPSET, &version, &size);
    need(version == 0 && size >= sizeof(caps), "capset 6: version %u, %u bytes", version, size);
    uint8_t *bytes = calloc(1, size);
    need(bytes != NULL, "memory for %u bytes", size);
    fill_caps(VIRGL_DRM_CAPSET, 0, bytes);
    memcpy(&caps, bytes, sizeof(caps));
    free(bytes);
    return caps;
}

static void check_caps(const struct virgl_renderer_capset_drm *c)
{
    check(c->context_type == VIRTGPU_DRM_CONTEXT_MSM, "context_type %u is msm", c->context_type);
    check(c->wire_format_version == 2, "wire_format_version %u", c->wire_format_version);
    check(c->version_major == 1 && c->version_minor >= 9, "driver version %u.%u.%u is 1.9 or later", c->version_major,
          c->version_minor, c->version_patchlevel);
    check(c->u.msm.va_size != 0, "va 0x%" PRIx64 " size 0x%" PRIx64, c->u.msm.va_start, c->u.msm.va_size);
    check(c->u.msm.priorities >= 1 && c->u.msm.priorities <= 63, "priorities %u", c->u.msm.priorities);
    check(c->u.msm.gpu_id != 0, "gpu_id %u", c->u.msm.gpu_id);
    check(c->u.msm.chip_id != 0, "chip_id 0x%" PRIx64, c->u.msm.chip_id);
    check(c->u.msm.gmem_size != 0, "gmem 0x%" PRIx64 " size 0x%x", c->u.msm.gmem_base, c->u.msm.gmem_size);
    check(c->u.msm.has_cached_coherent <= 1, "has_cached_coherent %u", c->u.msm.has_cached_coherent);
    const char *simulated = getenv("FD_GPU_ID");
    if (simulated)
        check(c->u.msm.gpu_id == strtoul(simulated, NULL, 10), "gpu_id %u is the simulated %s", c->u.msm.gpu_id,
              simulated);
}

static volatile struct msm_shmem *shmem;
static uint32_t seqno;

static void *response(uint32_t offset)
{
    return (uint8_t *)(uintptr_t)shmem + shmem->base.rsp_mem_offset + offset;
}

static void create_shmem(void)
{
    struct virgl_renderer_resource_create_blob_args args = {
        .res_handle = SHMEM_RES,
        .ctx_id = CTX,
        .blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D,
        .blob_flags = VIRGL_RENDERER_BLOB_FLAG_USE_MAPPABLE,
        .size = SHMEM_SIZE,
    };
    int ret = resource_create_blob(&args);
    need(ret == 0, "shared memory blob: %d", ret);
    void *map = NULL;
    uint64_t size = 0;
    ret = resource_map(SHMEM_RES, &map, &size);
    need(ret == 0 && map && size == SHMEM_SIZE, "map it: %d, 0x%" PRIx64 " bytes", ret, size);
    ctx_attach_resource(CTX, SHMEM_RES);
    shmem = map;
    uint32_t start = shmem->base.rsp_mem_offset;
    need(start >= sizeof(*shmem) && start <= SHMEM_SIZE / 2, "response memory starts at %u", start);
    check(shmem->base.seqno == 0, "seqno %u before the first command", shmem->base.seqno);
}

// Sends one message as a guest does: submit, then a ring 0 fence, which must be reported by the time the call returns.
static void submit(const char *name, void *message, size_t size)
{
    static uint64_t fence = 0x100000000;
    struct vdrm_ccmd_req *hdr = message;
    hdr->len = size;
    hdr->seqno = ++seqno;
    errno = 0; // the simulated device fails without setting it: no stale value may decide
    int ret = submit_cmd(message, CTX, size / 4);
    check(ret == 0 && shmem->base.seqno == seqno, "%s: %d, seqno %u of %u", name, ret, shmem->base.seqno, seqno);
    uint32_t count = retired.count;
    ret = context_create_fence(CTX, 0, RING_0, ++fence);
    bool ours = retired.ctx == CTX && retired.ring == RING_0 && retired.fence == fence;
    check(ret == 0 && retired.count == count + 1 && ours,
          "its ring 0 fence 0x%" PRIx64 ": %d, %u report(s), last of 0x%" PRIx64, fence, ret, retired.count - count,
          retired.fence);
}

static struct get_param_rsp get_param(const char *name, uint32_t param)
{
    struct get_param_req req = {
        .hdr = {.cmd = MSM_CCMD_IOCTL_SIMPLE, .rsp_off = 0x40},
        .ioctl = IOCTL_MSM_GET_PARAM,
        .param = {.pipe = PIPE_3D0, .param = param},
    };
    struct get_param_rsp rsp = {.hdr = {sizeof(rsp)}};
    memcpy(response(0x40), &rsp, sizeof(rsp));
    submit(name, &req, sizeof(req));
    memcpy(&rsp, response(0x40), sizeof(rsp));
    return rsp;
}

static void check_params(const struct virgl_renderer_capset_drm *caps)
{
    struct get_param_rsp rsp = get_param("GET_PARAM(GPU_ID)", PARAM_GPU_ID);
    uint64_t value = rsp.param.value;
    check(rsp.hdr.len == sizeof(rsp) && rsp.ret == 0 && value == caps->u.msm.gpu_id,
          "its response: %u bytes, %d, %" PRIu64, rsp.hdr.len, rsp.ret, value);
    rsp = get_param("GET_PARAM(PRIORITIES)", PARAM_PRIORITIES);
    value = rsp.param.value;
    check(rsp.ret == 0 && value == caps->u.msm.priorities, "its response: %d, %" PRIu64, rsp.ret, value);
    rsp = get_param("GET_PARAM of a parameter the device lacks", PARAM_NONE);
    check(rsp.ret == -1, "its response: %d", rsp.ret);
}

static void check_buffer(const struct virgl_renderer_capset_drm *caps)
{
    struct msm_ccmd_gem_new_req new = {
        .hdr = {.cmd = MSM_CCMD_GEM_NEW}, .iova = caps->u.msm.va_start, .size = BO_SIZE, .flags = BO_WC, .blob_id = 2};
    submit("GEM_NEW", &new, sizeof(new));
    struct virgl_renderer_resource_create_blob_args args = {
        .res_handle = BO_RES,
        .ctx_id = CTX,
        .blob_mem = VIRGL_RENDERER_BLOB_MEM_HOST3D,
        .blob_flags = VIRGL_RENDERER_BLOB_FLAG_USE_SHAREABLE,
        .blob_id = 2,
        .size = BO_SIZE,
    };
    errno = 0;
    int ret = resource_create_blob(&args);
    check(ret == -EINVAL, "its blob, shared, which this device cannot do: %d", ret);
    args.blob_flags = 0;
    ret = resource_create_blob(&args);
    check(ret == 0, "its blob, private: %d", ret);
    ctx_attach_resource(CTX, BO_RES);

    struct msm_ccmd_gem_cpu_prep_req prep = {
        .hdr = {.cmd = MSM_CCMD_GEM_CPU_PREP, .rsp_off = 0x80}, .res_id = BO_RES, .op = PREP_READ};
    struct msm_ccmd_gem_cpu_prep_rsp rsp = {.hdr = {sizeof(rsp)}, .ret = 1};
    memcpy(response(0x80), &rsp, sizeof(rsp));
    submit("GEM_CPU_PREP", &prep, sizeof(prep));
    memcpy(&rsp, response(0x80), sizeof(rsp));
    check(rsp.hdr.len == sizeof(rsp) && rsp.ret == 0, "its response: %u bytes, %d", rsp.hdr.len, rsp.ret);
    resource_unref(BO_RES);
    check(shmem->async_error == 0 && shmem->global_faults == 0, "async errors %u, global faults %u", shmem->async_error,
          shmem->global_faults);
}

static void check_rings(const struct virgl_renderer_capset_drm *caps)
{
    uint32_t count = retired.count;
    int ret = context_create_fence(CTX, 0, caps->u.msm.priorities, 0x200000001);
    check(ret == 0, "fence on the last ring, %u: %d", caps->u.msm.priorities, ret);
    ret = context_create_fence(CTX, 0, caps->u.msm.priorities + 1, 0x200000002);
    check(ret == -EINVAL, "fence on ring %u, which does not exist: %d", caps->u.msm.priorities + 1, ret);
    context_destroy(CTX);
    check(retired.count == count + 1, "%u fence retired once the context is gone", retired.count - count);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: probe LIBRARY\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    load(argv[1]);
    int ret = init(&retired,
                   VIRGL_RENDERER_ASYNC_FENCE_CB | VIRGL_RENDERER_THREAD_SYNC | VIRGL_RENDERER_DRM |
                       VIRGL_RENDERER_NO_VIRGL,
                   &callbacks);
    need(ret == 0, "init: %d", ret);
    struct virgl_renderer_capset_drm caps = read_caps();
    check_caps(&caps);

    ret = context_create_with_flags(CTX, VIRGL_DRM_CAPSET, strlen("probe"), "probe");
    need(ret == 0, "context: %d", ret);
    create_shmem();
    struct msm_ccmd_nop_req nop = {.hdr = {.cmd = MSM_CCMD_NOP}};
    submit("NOP", &nop, sizeof(nop));
    check_params(&caps);
    check_buffer(&caps);
    check_rings(&caps);

    ret = resource_unmap(SHMEM_RES);
    check(ret == 0, "unmap the shared memory: %d", ret);
    resource_unref(SHMEM_RES);
    cleanup(&retired);
    check(context_create_with_flags(CTX, VIRGL_DRM_CAPSET, 0, NULL) != 0, "no context after cleanup");
    printf("%s: %d failure(s)\n", failures ? "FAIL" : "PASS", failures);
    return failures != 0;
}
