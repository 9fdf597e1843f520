// A small Vulkan exerciser for a guest whose driver talks to the host through a virtio-gpu native context.
//   vktest [-n SUBMITS] [-a ALLOCATIONS] [-t THREADS]   every step; the last line is "vktest: PASS" or "vktest: FAIL N"
//   vktest job [SECONDS]     one job, waited for that long: exit 0 done, 3 not done, 4 device lost
//   vktest host              one buffer, for the host to look into
//   vktest fill              one buffer the GPU fills: exit 0 if it did
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vktest.h"

static bool open_first_device(VkInstance *instance, struct device *d)
{
    VkApplicationInfo app = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "vktest",
        .apiVersion = VK_API_VERSION_1_2,
    };
    VkInstanceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app };
    VkPhysicalDevice physical;
    VkPhysicalDeviceProperties p;
    uint32_t count = 1;

    if (!CHECK(vkCreateInstance(&info, NULL, instance)))
        return false;
    VkResult r = vkEnumeratePhysicalDevices(*instance, &count, &physical);
    if (r != VK_SUCCESS || count != 1) {
        fail("one device expected, found %u (result %d)", count, r);
        return false;
    }
    vkGetPhysicalDeviceProperties(physical, &p);
    printf("vktest: %s, API %u.%u.%u\n", p.deviceName, VK_API_VERSION_MAJOR(p.apiVersion),
           VK_API_VERSION_MINOR(p.apiVersion), VK_API_VERSION_PATCH(p.apiVersion));
    return open_device(physical, d);
}

static int usage(void)
{
    fprintf(stderr, "usage: vktest [-n SUBMITS] [-a ALLOCATIONS] [-t THREADS] | job [SECONDS] | host | fill\n");
    return 2;
}

int main(int argc, char **argv)
{
    int submits = 200, allocations = 60, threads = 2, option;
    VkInstance instance;
    struct device d;

    setvbuf(stdout, NULL, _IOLBF, 0);
    while ((option = getopt(argc, argv, "n:a:t:")) != -1) {
        int value = option == '?' ? 0 : atoi(optarg);
        if (value < 1)
            return usage();
        *(option == 'n' ? &submits : option == 'a' ? &allocations : &threads) = value;
    }
    const char *mode = argv[optind];
    if (mode && strcmp(mode, "job") && strcmp(mode, "host") && strcmp(mode, "fill"))
        return usage();

    double start = now();
    if (!open_first_device(&instance, &d))
        return 1;
    printf("vktest: device opened in %.3f ms\n", (now() - start) * 1e3);
    if (mode)
        return strcmp(mode, "host") == 0 ? host_mapping(&d)
             : strcmp(mode, "fill") == 0 ? filled(&d)
                                         : one_job(&d, argv[optind + 1] ? (unsigned)atoi(argv[optind + 1]) : 60);

    step_memory(&d);
    step_submits(&d, submits, "");
    step_allocations(&d, allocations, "");
    step_share(&d);
    step_timeline(&d);
    step_threads(d.physical, threads, submits / threads ? submits / threads : 1);
    start = now();
    close_device(&d);
    vkDestroyInstance(instance, NULL);
    printf("vktest: closed in %.3f ms\n", (now() - start) * 1e3);
    if (failures())
        printf("vktest: FAIL %d\n", failures());
    else
        printf("vktest: PASS\n");
    return failures() != 0;
}
