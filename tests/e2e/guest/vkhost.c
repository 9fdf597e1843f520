// What the host's side of a scenario takes part in: a job it lets take long, memory it looks at.
#include <unistd.h>

#include "vktest.h"

// One job, waited for at most `seconds`. 0 done, 3 not done in time, 4 the device is lost.
int one_job(struct device *d, unsigned seconds)
{
    struct buffer b;
    double start = now();

    if (!make_buffer(d, &b, 4096, PRIVATE, -1))
        return 1;
    VkCommandBuffer commands = record_fill(d, &b);
    VkFence fence = make_fence(d);
    if (!CHECK(submit(d, commands, fence)))
        return 1;
    printf("vktest: job in flight\n");
    VkResult result = wait_fence(d, fence, seconds * SECOND);
    printf("vktest: job ended with %d after %.0f ms\n", result, (now() - start) * 1e3);
    // No cleanup: Vulkan does not allow it for a job in flight, and the kernel must cope.
    return result == VK_SUCCESS ? 0 : result == VK_TIMEOUT ? 3 : result == VK_ERROR_DEVICE_LOST ? 4 : 1;
}

// The host finds the first word in the memory of a host buffer and answers in the second.
int host_mapping(struct device *d)
{
    volatile uint32_t *words;
    struct buffer b;
    double start;

    if (!make_buffer(d, &b, 65536, PRIVATE, -1))
        return 1;
    words = b.map;
    words[1] = 0;
    words[0] = 0x68656c6f;
    printf("vktest: wrote to mapped memory\n");
    for (start = now(); !words[1]; usleep(1000))
        if (now() - start > 20) {
            fail("the host's answer is not in mapped memory");
            return 1;
        }
    printf("vktest: the host answered %08x\n", words[1]);
    if (words[1] != ~words[0])
        fail("that is not the host's answer");
    free_buffer(d, &b);
    return failures() != 0;
}
