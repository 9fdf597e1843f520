/* abi_gpus.c - a machine with GPUs of several drivers: which one is taken, and that all contexts are on it. */
#define _GNU_SOURCE
#include "abi.h"

#include <errno.h>
#include <fcntl.h>

#define SEVERAL "DRMSIM_DRIVER=radeon,asahi,msm" /* renderD128, 129, 130 */

static const char *node;

static int give_node(void)
{
    return open(node, O_RDWR | O_CLOEXEC);
}

static uint32_t context_type(void)
{
    struct virgl_renderer_capset_drm caps;

    api.fill_caps(VIRGL_DRM_CAPSET, 0, &caps);
    return caps.context_type;
}

GPU_CASE(gpus_first_of_our_list, .env = { SEVERAL })
{
    vmm_start(NATIVE);
    EXPECT(VIRTGPU_DRM_CONTEXT_MSM, context_type());
    context(CTX);
}

GPU_CASE(gpus_node_of_environment, .env = { SEVERAL, "VIRGLDRM_RENDER_NODE=/dev/dri/renderD129" })
{
    vmm_start(NATIVE);
    EXPECT(VIRTGPU_DRM_CONTEXT_ASAHI, context_type());
    context(CTX);
}

GPU_CASE(gpus_unknown_node_of_environment, .env = { SEVERAL, "VIRGLDRM_RENDER_NODE=/dev/dri/renderD128" })
{
    EXPECT(-ENODEV, api.init(&vmm, NATIVE, &vmm.cbs));
    EXPECT(0, sim_counters().files);
}

GPU_CASE(gpus_context_on_another, .env = { SEVERAL })
{
    node = "/dev/dri/renderD129";
    vmm.drm_fd = give_node;
    vmm_start(NATIVE);
    EXPECT(VIRTGPU_DRM_CONTEXT_ASAHI, context_type());
    node = "/dev/dri/renderD130";
    EXPECT(ENOMEM, api.context_create_with_flags(CTX, VIRGL_DRM_CAPSET, 3, "abi"));
    EXPECT(0, sim_counters().files);
    node = "/dev/dri/renderD129";
    context(CTX);
}
