/* replay_msm.c - reads msm command buffers and the GPU's description in the capset. */
#include "replay.h"

#include <stdio.h>
#include <string.h>

static const char *const names[MSM_CCMD_LAST] = {
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
};

bool ccmd_next(const struct vrec_event *submit, struct ccmd *c)
{
    struct vdrm_ccmd_req req;

    if (c->at > submit->len || submit->len - c->at < sizeof(req))
        return false;
    memcpy(&req, submit->data + c->at, sizeof(req));
    if (req.len < sizeof(req))
        return false;
    c->at += req.len;
    c->cmd = req.cmd;
    c->seqno = req.seqno;
    c->rsp_off = req.rsp_off;
    return true;
}

bool ccmd_answers(uint32_t cmd)
{
    return cmd == MSM_CCMD_IOCTL_SIMPLE || cmd == MSM_CCMD_GEM_CPU_PREP || cmd == MSM_CCMD_SUBMITQUEUE_QUERY ||
           cmd == MSM_CCMD_WAIT_FENCE;
}

const char *ccmd_name(uint32_t cmd)
{
    return cmd < MSM_CCMD_LAST && names[cmd] ? names[cmd] : "several kinds";
}

const char *context_type_name(uint32_t type)
{
    static const char *const types[] = {"none", "msm", "amdgpu", "i915", "asahi", "panfrost"};

    return type < sizeof(types) / sizeof(types[0]) ? types[type] : "unknown";
}

/* chip_id is core, major, minor, patch, one byte each; newer GPUs have no gpu_id to go by. */
void adreno_name(const struct virgl_renderer_capset_drm *caps, char *out, size_t size)
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
