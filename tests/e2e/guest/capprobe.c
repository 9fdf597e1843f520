// Asks the guest's virtio-gpu kernel driver what the VMM offers: parameters, capsets, a context of every capset with
// the first blob of its memory. One line each, "capprobe: ...".
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <drm/drm.h>
#include <drm/virtgpu_drm.h>

#define NODE "/dev/dri/renderD128"
#define SHM_SIZE 0x4000

static int request(int fd, unsigned long nr, void *arg)
{
    return ioctl(fd, nr, arg) ? -errno : 0;
}

static void probe_params(int fd)
{
    static const char *const names[] = {
        [VIRTGPU_PARAM_3D_FEATURES] = "3d_features",
        [VIRTGPU_PARAM_RESOURCE_BLOB] = "resource_blob",
        [VIRTGPU_PARAM_HOST_VISIBLE] = "host_visible",
        [VIRTGPU_PARAM_CROSS_DEVICE] = "cross_device",
        [VIRTGPU_PARAM_CONTEXT_INIT] = "context_init",
        [VIRTGPU_PARAM_SUPPORTED_CAPSET_IDs] = "capsets",
    };

    for (unsigned p = 0; p < sizeof(names) / sizeof(names[0]); p++) {
        uint64_t value = 0;
        struct drm_virtgpu_getparam arg = { .param = p, .value = (uintptr_t)&value };
        if (!names[p])
            continue;
        int err = request(fd, DRM_IOCTL_VIRTGPU_GETPARAM, &arg);
        printf("capprobe: param %s = %llu%s%s\n", names[p], (unsigned long long)value, err ? ": " : "",
               err ? strerror(-err) : "");
    }
}

static void probe_capset(int fd, unsigned id)
{
    uint8_t bytes[2048] = { 0 };
    unsigned used = sizeof(bytes);
    struct drm_virtgpu_get_caps arg = { .cap_set_id = id, .addr = (uintptr_t)bytes, .size = sizeof(bytes) };
    int err = request(fd, DRM_IOCTL_VIRTGPU_GET_CAPS, &arg);

    while (used && !bytes[used - 1])
        used--;
    if (err)
        printf("capprobe: capset %u: %s\n", id, strerror(-err));
    else
        printf("capprobe: capset %u: %u bytes\n", id, used);
}

// The blob with id 0 is the context's response memory; its second word says where responses start.
static void probe_shm(int fd, unsigned id)
{
    struct drm_virtgpu_resource_create_blob blob = {
        .blob_mem = VIRTGPU_BLOB_MEM_HOST3D,
        .blob_flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE,
        .size = SHM_SIZE,
    };
    int err = request(fd, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB, &blob);
    struct drm_virtgpu_map map = { .handle = blob.bo_handle };
    struct drm_virtgpu_3d_wait wait = { .handle = blob.bo_handle };

    if (!err)
        err = request(fd, DRM_IOCTL_VIRTGPU_MAP, &map);
    if (!err)
        err = request(fd, DRM_IOCTL_VIRTGPU_WAIT, &wait);
    void *p = err ? MAP_FAILED : mmap(NULL, SHM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)map.offset);
    if (p == MAP_FAILED)
        printf("capprobe: context %u: no response memory: %s\n", id, strerror(err ? -err : errno));
    else
        printf("capprobe: context %u: responses start at %u\n", id, ((volatile uint32_t *)p)[1]);
}

static void probe_context(unsigned id)
{
    int fd = open(NODE, O_RDWR | O_CLOEXEC);
    struct drm_virtgpu_context_set_param params[] = {
        { VIRTGPU_CONTEXT_PARAM_CAPSET_ID, id },
        { VIRTGPU_CONTEXT_PARAM_NUM_RINGS, 64 },
    };
    struct drm_virtgpu_context_init arg = { .num_params = 2, .ctx_set_params = (uintptr_t)params };
    int err = request(fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &arg);

    if (err)
        printf("capprobe: context %u: %s\n", id, strerror(-err));
    else
        probe_shm(fd, id);
    close(fd);
}

int main(void)
{
    int fd = open(NODE, O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        perror("capprobe: " NODE);
        return 1;
    }
    probe_params(fd);
    for (unsigned id = 1; id <= 7; id++)
        probe_capset(fd, id);
    for (unsigned id = 1; id <= 7; id++)
        probe_context(id);
    return 0;
}
