// Calls into the VMM. None is made with a lock of the library held.
#include "vmm.h"
#include "log.h"

#include <inttypes.h>
#include <stdio.h>

struct vd_vmm vd_vmm;

int vd_vmm_drm_fd(void)
{
    struct virgl_renderer_callbacks *cb = vd_vmm.callbacks;

    return cb->version >= 2 && cb->get_drm_fd ? cb->get_drm_fd(vd_vmm.cookie) : -1;
}

bool vd_vmm_wants_fences(void)
{
    struct virgl_renderer_callbacks *cb = vd_vmm.callbacks;

    return cb->version >= 3 && cb->write_context_fence;
}

void vd_vmm_write_fence(uint32_t id)
{
    if (vd_vmm.callbacks->write_fence)
        vd_vmm.callbacks->write_fence(vd_vmm.cookie, id);
}

static void retired(uint32_t ctx, uint32_t ring, uint64_t id)
{
    vd_vmm.callbacks->write_context_fence(vd_vmm.cookie, ctx, ring, id);
}

static void hung(uint32_t ctx, uint32_t ring, uint64_t id, uint32_t seconds)
{
    char line[160];

    snprintf(line, sizeof(line), "GPU hang? ctx %" PRIu32 " ring %" PRIu32 ": fence %" PRIu64 " is pending for %" PRIu32 " s",
             ctx, ring, id, seconds);
    vd_log(VIRGL_LOG_LEVEL_ERROR, line);
}

uintptr_t vd_vmm_retired(void) { return (uintptr_t)retired; }
uintptr_t vd_vmm_hung(void) { return (uintptr_t)hung; }
