// What this library calls in the VMM, and what the C entry points know of it.
#ifndef VD_VMM_H
#define VD_VMM_H

#include <stdbool.h>
#include <stdint.h>

#define VIRGL_RENDERER_UNSTABLE_APIS 1
#include "virgl_renderer_drm.h"

// Arguments of the init that is in force. callbacks is the VMM's own struct;
// only members its version covers are read.
struct vd_vmm {
    void *cookie;
    int flags;
    struct virgl_renderer_callbacks *callbacks;
};
extern struct vd_vmm vd_vmm;

int vd_vmm_drm_fd(void); // a fresh descriptor, or -1
bool vd_vmm_wants_fences(void);
void vd_vmm_write_fence(uint32_t id);

// For the fence hub.
uintptr_t vd_vmm_retired(void);
uintptr_t vd_vmm_hung(void);

#endif
