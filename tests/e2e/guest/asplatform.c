// Preloaded in the guest for Mesa's driver for Apple GPUs: it takes only platform devices, which those are, and skips a
// virtio-gpu that QEMU has behind PCI.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <xf86drm.h>

static void become(int bustype, drmDevicePtr devices[], int count)
{
    for (int i = 0; devices && i < count; i++)
        if (devices[i])
            devices[i]->bustype = bustype;
}

int drmGetDevices2(uint32_t flags, drmDevicePtr devices[], int max)
{
    int (*real)(uint32_t, drmDevicePtr *, int) = (int (*)(uint32_t, drmDevicePtr *, int))dlsym(RTLD_NEXT, "drmGetDevices2");
    int count = real(flags, devices, max);

    become(DRM_BUS_PLATFORM, devices, count);
    return count;
}

// What a device owns depends on its bus.
void drmFreeDevices(drmDevicePtr devices[], int count)
{
    void (*real)(drmDevicePtr *, int) = (void (*)(drmDevicePtr *, int))dlsym(RTLD_NEXT, "drmFreeDevices");

    become(DRM_BUS_PCI, devices, count);
    real(devices, count);
}
