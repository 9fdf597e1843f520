// What the host's side of a scenario takes part in: a job it lets take long, memory it looks at.
#include <string.h>
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

// The GPU really writes, and the processor sees it. A simulated one does not.
int filled(struct device *d)
{
    const uint32_t words = 65536;
    uint32_t differing = 0;
    struct buffer b;

    if (!make_buffer(d, &b, words * 4, PRIVATE, -1))
        return 1;
    memset(b.map, 0, words * 4);
    VkCommandBuffer commands = record_fill(d, &b);
    VkFence fence = make_fence(d);
    if (!CHECK(submit(d, commands, fence)) || !CHECK(wait_fence(d, fence, PATIENCE)))
        return 1;
    for (uint32_t i = 0; i < words; i++)
        differing += b.map[i] != 0xcafebabe;
    printf("vktest: the GPU filled %u of %u words\n", words - differing, words);
    vkDestroyFence(d->vk, fence, NULL);
    free_commands(d, commands);
    free_buffer(d, &b);
    return differing != 0;
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
