/* replay_msm.c - the driver msm: which of its commands are answered, and the GPU's description in the capset. */
#include "replay.h"

#include <stdio.h>

static size_t answer_size(const struct ccmd *c)
{
    switch (c->cmd) {
    case MSM_CCMD_IOCTL_SIMPLE:
    case MSM_CCMD_GEM_CPU_PREP:
    case MSM_CCMD_SUBMITQUEUE_QUERY:
    case MSM_CCMD_WAIT_FENCE:
        return sizeof(struct msm_ccmd_wait_fence_rsp); /* or more: the rsp line tells */
    default:
        return 0;
    }
}

/* chip_id is core, major, minor, patch, one byte each; newer GPUs have no gpu_id to go by. */
static void adreno_name(const struct virgl_renderer_capset_drm *caps, char *out, size_t size)
{
    uint64_t chip = caps->u.msm.chip_id;
    unsigned int core = chip >> 24 & 0xff, major = chip >> 16 & 0xff, minor = chip >> 8 & 0xff;

    if (caps->u.msm.gpu_id)
        snprintf(out, size, "Adreno %u", caps->u.msm.gpu_id);
    else if (core < 10)
        snprintf(out, size, "Adreno %u%u%u", core, major, minor);
    else
        snprintf(out, size, "Adreno, chip 0x%08llx", (unsigned long long)chip);
}

static const char *yes_no(uint32_t cap_bool)
{
    return cap_bool == VIRTGPU_CAP_BOOL_TRUE ? "yes" : "no";
}

static void gpu(const struct virgl_renderer_capset_drm *c, char *out, size_t size)
{
    char name[48];

    adreno_name(c, name, sizeof(name));
    snprintf(out, size, "%s  (gpu_id %u, chip_id 0x%08llx, up to %u MHz)", name, c->u.msm.gpu_id,
             (unsigned long long)c->u.msm.chip_id, c->u.msm.max_freq / 1000000);
}

static void features(const struct virgl_renderer_capset_drm *c)
{
    printf("  Memory     %s of GMEM at 0x%llx\n", bytes_text(c->u.msm.gmem_size),
           (unsigned long long)c->u.msm.gmem_base);
    printf("             GPU addresses 0x%llx .. 0x%llx\n", (unsigned long long)c->u.msm.va_start,
           (unsigned long long)(c->u.msm.va_start + c->u.msm.va_size - 1));
    printf("  Features   %u priorities, preemption %s, ray tracing %s, cached coherent %s\n",
           c->u.msm.priorities, yes_no(c->u.msm.has_preemption), yes_no(c->u.msm.has_raytracing),
           yes_no(c->u.msm.has_cached_coherent));
}

const struct driver driver_msm = {
    .context_type = VIRTGPU_DRM_CONTEXT_MSM,
    .capset_size = 112,
    .submit = MSM_CCMD_GEM_SUBMIT,
    .names =
        {
            [MSM_CCMD_NOP] = "NOP",
            [MSM_CCMD_IOCTL_SIMPLE] = "IOCTL_SIMPLE",
            [MSM_CCMD_GEM_NEW] = "GEM_NEW",
            [MSM_CCMD_GEM_SET_IOVA] = "GEM_SET_IOVA",
            [MSM_CCMD_GEM_CPU_PREP] = "GEM_CPU_PREP",
            [MSM_CCMD_GEM_SET_NAME] = "GEM_SET_NAME",
            [MSM_CCMD_GEM_SUBMIT] = "GEM_SUBMIT",
            [MSM_CCMD_GEM_UPLOAD] = "GEM_UPLOAD",
            [MSM_CCMD_SUBMITQUEUE_QUERY] = "SUBMITQUEUE_QUERY",
            [MSM_CCMD_WAIT_FENCE] = "WAIT_FENCE",
            [MSM_CCMD_SET_DEBUGINFO] = "SET_DEBUGINFO",
        },
    .answer_size = answer_size,
    .gpu = gpu,
    .features = features,
};
