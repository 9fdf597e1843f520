/* abi_probe.c - how init and context creation find the device, whose descriptor is whose; the capset. */
#define _GNU_SOURCE
#include "abi.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define NODE "/dev/dri/renderD128"

static uint64_t given; /* inode of the latest descriptor given to the library */

static int give_node(void)
{
    int fd = open(NODE, O_RDWR | O_CLOEXEC);

    given = inode_of(fd);
    return fd;
}

static int give_file(void)
{
    int fd = small_file(PAGE);

    given = inode_of(fd);
    return fd;
}

static int give_null(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    given = inode_of(fd);
    return fd;
}

GPU_CASE(probe_fd_of_vmm)
{
    vmm.drm_fd = give_node;
    vmm_start(NATIVE);
    EXPECT(1, vmm.drm_fd_calls);
    CHECK(given != 0);
    EXPECT(0, open_with_inode(given)); /* closed after the probe */
    EXPECT(0, sim_counters().files);
    row("once per init that probes");
    EXPECT(0, api.init(&vmm, NATIVE, &vmm.cbs));
    EXPECT(1, vmm.drm_fd_calls);
    row("once per context");
    context(CTX);
    EXPECT(2, vmm.drm_fd_calls);
    EXPECT(given, inode_of(api.get_dev_fd(CTX)));
    EXPECT(1, open_with_inode(given));
    context(CTX); /* exists already */
    EXPECT(2, vmm.drm_fd_calls);
    context(2);
    EXPECT(3, vmm.drm_fd_calls);
    EXPECT(given, inode_of(api.get_dev_fd(2)));
    CHECK(inode_of(api.get_dev_fd(CTX)) != given);
    EXPECT(2, sim_counters().files);
    api.context_destroy(2);
    EXPECT(0, open_with_inode(given));
    EXPECT(1, sim_counters().files);
}

GPU_CASE(probe_without_fd_of_vmm)
{
    struct virgl_renderer_callbacks cbs = vmm.cbs;

    row("get_drm_fd returns -1");
    EXPECT(0, api.init(&vmm, NATIVE, &cbs));
    EXPECT(1, vmm.drm_fd_calls);
    context(CTX);
    EXPECT(2, vmm.drm_fd_calls);
    api.cleanup(NULL);
    row("get_drm_fd is NULL");
    cbs.get_drm_fd = NULL;
    EXPECT(0, api.init(&vmm, NATIVE, &cbs));
    context(CTX);
    EXPECT(1, sim_counters().files);
    CHECK(is_cloexec(api.get_dev_fd(CTX)));
    EXPECT(2, vmm.drm_fd_calls);
}

GPU_CASE(probe_not_in_version_1)
{
    struct virgl_renderer_callbacks cbs = vmm.cbs;

    cbs.version = 1;
    vmm.drm_fd = give_file; /* would fail */
    EXPECT(0, api.init(&vmm, NATIVE, &cbs));
    context(CTX);
    EXPECT(0, vmm.drm_fd_calls);
}

GPU_CASE(probe_fd_of_other_driver, .env = { "DRMSIM_DRIVER=radeon" })
{
    vmm.drm_fd = give_node;
    EXPECT(-ENODEV, api.init(&vmm, NATIVE, &vmm.cbs));
    EXPECT(1, vmm.drm_fd_calls);
    EXPECT(0, open_with_inode(given));
    EXPECT(0, sim_counters().files);
    EXPECT(EINVAL, api.create_fence(1, 0)); /* not initialised */
    row("as rutabaga and libkrun go on");
    EXPECT(0, api.init(&vmm, NO_VIRGL, &vmm.cbs));
    EXPECT(EINVAL, api.context_create_with_flags(CTX, VIRGL_DRM_CAPSET, 0, NULL));
}

/* Names are compared in full. */
GPU_CASE(probe_driver_with_longer_name, .env = { "DRMSIM_DRIVER=msm2" })
{
    vmm.drm_fd = give_node;
    EXPECT(-ENODEV, api.init(&vmm, NATIVE, &vmm.cbs));
    EXPECT(0, open_with_inode(given));
}

GPU_CASE(probe_fd_not_drm)
{
    row("a memory file");
    vmm.drm_fd = give_file;
    EXPECT(-ENOMEM, api.init(&vmm, NATIVE, &vmm.cbs));
    EXPECT(0, open_with_inode(given));
    row("a device of another kind");
    vmm.drm_fd = give_null;
    unsigned nulls = open_with_inode(inode_of(STDIN_FILENO));
    EXPECT(-ENOMEM, api.init(&vmm, NATIVE, &vmm.cbs));
    EXPECT(nulls, open_with_inode(inode_of(STDIN_FILENO)));
    row("the version cannot be read");
    vmm.drm_fd = give_node;
    sim("fail VERSION errno=EIO");
    EXPECT(-ENOMEM, api.init(&vmm, NATIVE, &vmm.cbs));
    EXPECT(0, open_with_inode(given));
    row("and then it can");
    EXPECT(0, api.init(&vmm, NATIVE, &vmm.cbs));
    EXPECT(4, vmm.drm_fd_calls);
}

GPU_CASE(probe_no_device, .env = { "DRMSIM_OPEN_ERRNO=ENOENT" })
{
    EXPECT(-ENODEV, api.init(&vmm, NATIVE, &vmm.cbs));
    EXPECT(EINVAL, api.create_fence(1, 0));
    EXPECT(0, api.init(&vmm, NO_VIRGL, &vmm.cbs));
}

GPU_CASE(probe_no_permission, .env = { "DRMSIM_OPEN_ERRNO=EACCES" })
{
    EXPECT(-ENODEV, api.init(&vmm, NATIVE, &vmm.cbs));
}

GPU_CASE(probe_only_other_driver, .env = { "DRMSIM_DRIVER=radeon" })
{
    EXPECT(-ENODEV, api.init(&vmm, NATIVE, &vmm.cbs));
    EXPECT(0, sim_counters().files);
}

static void refused(int want)
{
    vmm.drm_fd = give_node;
    EXPECT(want, api.init(&vmm, NATIVE, &vmm.cbs));
    EXPECT(0, open_with_inode(given));
    vmm.drm_fd = NULL;
    EXPECT(want, api.init(&vmm, NATIVE, &vmm.cbs));
    EXPECT(0, api.init(&vmm, NO_VIRGL, &vmm.cbs));
}

GPU_CASE(probe_driver_too_old, .env = { "DRMSIM_VERSION=1.8.9" }) { refused(-ENOTSUP); }
GPU_CASE(probe_driver_just_new_enough, .env = { "DRMSIM_VERSION=1.9.0" }) { vmm_start(NATIVE); }
GPU_CASE(probe_driver_of_next_major, .env = { "DRMSIM_VERSION=2.13.0" }) { refused(-ENOTSUP); }
GPU_CASE(probe_no_va_space, .env = { "DRMSIM_PARAM_15=0" }) { refused(-ENOTSUP); }
GPU_CASE(probe_va_space_unknown, .env = { "DRMSIM_PARAM_15=fail" }) { refused(-ENOTSUP); }

GPU_CASE(probe_context_fd_not_drm)
{
    vmm_start(NATIVE);
    vmm.drm_fd = give_file;
    EXPECT(ENOMEM, api.context_create_with_flags(CTX, VIRGL_DRM_CAPSET, 3, "abi"));
    EXPECT(0, open_with_inode(given));
    EXPECT(-EINVAL, api.get_dev_fd(CTX));
    vmm.drm_fd = give_node;
    EXPECT(0, api.context_create_with_flags(CTX, VIRGL_DRM_CAPSET, 3, "abi"));
}

GPU_CASE(probe_context_no_device)
{
    vmm_start(NATIVE);
    sim("fail OPEN errno=EMFILE count=64");
    EXPECT(ENOMEM, api.context_create_with_flags(CTX, VIRGL_DRM_CAPSET, 3, "abi"));
    sim("reset");
    sim("fail VERSION errno=EIO");
    EXPECT(ENOMEM, api.context_create_with_flags(CTX, VIRGL_DRM_CAPSET, 3, "abi"));
    EXPECT(0, sim_counters().files);
    sim("reset");
    EXPECT(0, api.context_create_with_flags(CTX, VIRGL_DRM_CAPSET, 3, "abi"));
}

/* ---- Capsets ---- */

static void sizes(void)
{
    for (uint32_t set = 0; set <= 300; set++) {
        uint32_t number = set == 300 ? UINT32_MAX : set, version = 0xa5, size = 0xa5;
        bool drm = number == VIRGL_DRM_CAPSET;
        api.get_cap_set(number, &version, &size);
        if (version || (drm ? size < 160 : size != 0)) {
            row("capset %u", number);
            EXPECT(0, version);
            EXPECT(drm ? 160 : 0, size);
        }
    }
    uint32_t version = 9, size = 0;
    api.get_cap_set(VIRGL_DRM_CAPSET, &version, &size);
    EXPECT(0, version);
    CHECK(size >= 160);
}

CASE(caps_sizes_at_any_time)
{
    sizes();
    vmm_start(NO_VIRGL);
    sizes();
    api.cleanup(NULL);
    sizes();
}

GPU_CASE(caps_sizes_with_device)
{
    vmm_start(NATIVE);
    sizes();
}

GPU_CASE(caps_fill_exactly)
{
    uint8_t a[1024], b[1024], *end;
    uint32_t version, size;

    vmm_start(NATIVE);
    api.get_cap_set(VIRGL_DRM_CAPSET, &version, &size);
    REQUIRE_TRUE(size >= 160 && size <= 512);
    memset(a, 0xa5, sizeof(a));
    memset(b, 0x5a, sizeof(b));
    api.fill_caps(VIRGL_DRM_CAPSET, 0, a + 256);
    api.fill_caps(VIRGL_DRM_CAPSET, 77, b + 256); /* the version is ignored */
    EXPECT(0, memcmp(a + 256, b + 256, size)); /* all of it was written */
    for (size_t i = 0; i < sizeof(a); i++) {
        bool inside = i >= 256 && i < 256 + size;
        if (!inside && (a[i] != 0xa5 || b[i] != 0x5a)) {
            row("byte %ld from the start of the buffer", (long)i - 256);
            CHECK(a[i] == 0xa5 && b[i] == 0x5a);
        }
    }
    end = page_end(size); /* one byte more would fault */
    api.fill_caps(VIRGL_DRM_CAPSET, 0, end);
    EXPECT(0, memcmp(a + 256, end, size));
}

GPU_CASE(caps_fill_other_sets)
{
    static const uint32_t others[] = { 0, 1, 2, 3, 4, 5, 7, 0x106, UINT32_MAX };
    uint8_t a[1024], want[1024];

    vmm_start(NATIVE);
    memset(a, 0xa5, sizeof(a));
    memset(want, 0xa5, sizeof(want));
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        row("capset %u", others[i]);
        api.fill_caps(others[i], 0, a);
        EXPECT(0, memcmp(a, want, sizeof(a)));
    }
}

GPU_CASE(caps_content)
{
    struct virgl_renderer_capset_drm caps;

    vmm_start(NATIVE);
    memset(&caps, 0xa5, sizeof(caps));
    api.fill_caps(VIRGL_DRM_CAPSET, 0, &caps);
    EXPECT(2, caps.wire_format_version);
    EXPECT(1, caps.version_major);
    EXPECT(13, caps.version_minor);
    EXPECT(0, caps.version_patchlevel);
    EXPECT(VIRTGPU_DRM_CONTEXT_MSM, caps.context_type);
    EXPECT(0, caps.pad);
    EXPECT(3, caps.u.msm.priorities);
    CHECK(caps.u.msm.va_size != 0);
    CHECK(caps.u.msm.gpu_id != 0 || caps.u.msm.chip_id != 0);
}
