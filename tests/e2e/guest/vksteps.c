// The steps of vktest.
#include <pthread.h>
#include <stdlib.h>

#include "vktest.h"

// What the guest's processor writes to mapped memory is still there after a job used the buffer. The GPU's own writes
// are not looked at: a simulated one makes none.
void step_memory(struct device *d)
{
    enum { WORDS = 16384 };
    struct buffer b;
    double start = now();

    if (!make_buffer(d, &b, WORDS * 4, PRIVATE, -1))
        return;
    for (uint32_t i = 0; i < WORDS; i++)
        b.map[i] = i ^ 0x5a5a5a5a;
    for (uint32_t i = 0; i < WORDS; i++)
        if (b.map[i] != (i ^ 0x5a5a5a5a)) {
            fail("mapped memory lost word %u", i);
            break;
        }
    VkCommandBuffer commands = record_fill(d, &b);
    VkFence fence = make_fence(d);
    if (CHECK(submit(d, commands, fence)))
        CHECK(wait_fence(d, fence, PATIENCE));
    printf("vktest: memory and one job: %.3f ms\n", (now() - start) * 1e3);
    vkDestroyFence(d->vk, fence, NULL);
    free_commands(d, commands);
    free_buffer(d, &b);
}

void step_submits(struct device *d, int count, const char *who)
{
    struct buffer b;
    int i;

    if (!make_buffer(d, &b, 65536, PRIVATE, -1))
        return;
    VkCommandBuffer commands = record_fill(d, &b);
    VkFence fence = make_fence(d);
    double start = now(), worst = 0;
    for (i = 0; i < count; i++) {
        double t = now();
        if (!CHECK(submit(d, commands, fence)) || !CHECK(wait_fence(d, fence, PATIENCE)) ||
            !CHECK(vkResetFences(d->vk, 1, &fence)))
            break;
        t = now() - t;
        if (t > worst)
            worst = t;
    }
    printf("vktest: %s%d of %d submits, each waited for: %.1f us each, worst %.1f us\n", who, i, count,
           (now() - start) / count * 1e6, worst * 1e6);

    start = now();
    for (i = 0; i < count; i++)
        if (!CHECK(submit(d, commands, i == count - 1 ? fence : VK_NULL_HANDLE)))
            break;
    double queued = now();
    if (i == count)
        CHECK(wait_fence(d, fence, PATIENCE));
    printf("vktest: %s%d of %d submits in a row: %.1f us each to queue, %.1f us to complete\n", who, i, count,
           (queued - start) / count * 1e6, (now() - start) / count * 1e6);
    CHECK(vkDeviceWaitIdle(d->vk));
    vkDestroyFence(d->vk, fence, NULL);
    free_commands(d, commands);
    free_buffer(d, &b);
}

// Buffers of several sizes, six alive at a time, each keeping its own contents.
void step_allocations(struct device *d, int count, const char *who)
{
    static const VkDeviceSize sizes[] = { 4096, 16384, 65536, 262144, 1 << 20, 4 << 20 };
    enum { ALIVE = sizeof(sizes) / sizeof(sizes[0]) };
    struct buffer b[ALIVE];
    double start = now();
    int done = 0, alive = 0;

    for (; done < count; done++) {
        if (!make_buffer(d, &b[alive], sizes[alive], PRIVATE, -1))
            break;
        b[alive].map[0] = b[alive].map[sizes[alive] / 4 - 1] = (uint32_t)done;
        alive++;
        if (alive < ALIVE && done < count - 1)
            continue;
        for (int k = 0; k < alive; k++) {
            uint32_t want = (uint32_t)(done - alive + 1 + k);
            if (b[k].map[0] != want || b[k].map[sizes[k] / 4 - 1] != want)
                fail("allocation %u has another one's contents", want);
            free_buffer(d, &b[k]);
        }
        alive = 0;
    }
    while (alive)
        free_buffer(d, &b[--alive]);
    printf("vktest: %s%d of %d allocations: %.1f us each\n", who, done, count, (now() - start) / count * 1e6);
}

// One device writes to a buffer, another one sees it through the dma-buf, and back.
void step_share(struct device *d)
{
    enum { WORDS = 16384 };
    PFN_vkGetMemoryFdKHR get_fd = (PFN_vkGetMemoryFdKHR)vkGetDeviceProcAddr(d->vk, "vkGetMemoryFdKHR");
    struct device other;
    struct buffer mine, theirs;
    double start = now();
    int fd = -1, differing = 0;

    if (!d->shares) {
        fail("the device has no dma-bufs");
        return;
    }
    if (!open_device(d->physical, &other))
        return;
    if (make_buffer(d, &mine, WORDS * 4, EXPORTED, -1)) {
        VkMemoryGetFdInfoKHR info = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
            .memory = mine.memory,
            .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
        };
        for (uint32_t i = 0; i < WORDS; i++)
            mine.map[i] = i * 3;
        if (CHECK(get_fd(d->vk, &info, &fd)) && make_buffer(&other, &theirs, WORDS * 4, IMPORTED, fd)) {
            for (uint32_t i = 0; i < WORDS; i++)
                differing += theirs.map[i] != i * 3;
            theirs.map[5] = 0x600df00d;
            differing += mine.map[5] != 0x600df00d;
            if (differing)
                fail("shared memory differs in %d words", differing);
            VkCommandBuffer commands = record_fill(&other, &theirs);
            VkFence fence = make_fence(&other);
            if (CHECK(submit(&other, commands, fence)))
                CHECK(wait_fence(&other, fence, PATIENCE));
            vkDestroyFence(other.vk, fence, NULL);
            free_commands(&other, commands);
            free_buffer(&other, &theirs);
            printf("vktest: dma-buf shared by two devices: %.3f ms\n", (now() - start) * 1e3);
        }
        free_buffer(d, &mine);
    }
    close_device(&other);
}

// Each of 16 jobs waits for the one before it.
void step_timeline(struct device *d)
{
    const uint64_t last = 16;
    VkSemaphoreTypeCreateInfo type = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
        .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
    };
    VkSemaphoreCreateInfo info = { .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type };
    VkSemaphore timeline;
    struct buffer b;
    double start = now();

    if (!make_buffer(d, &b, 4096, PRIVATE, -1))
        return;
    VkCommandBuffer commands = record_fill(d, &b);
    if (CHECK(vkCreateSemaphore(d->vk, &info, NULL, &timeline))) {
        for (uint64_t before = 0; before < last; before++) {
            uint64_t after = before + 1;
            VkPipelineStageFlags stages = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
            VkTimelineSemaphoreSubmitInfo values = {
                .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                .waitSemaphoreValueCount = 1,
                .pWaitSemaphoreValues = &before,
                .signalSemaphoreValueCount = 1,
                .pSignalSemaphoreValues = &after,
            };
            VkSubmitInfo job = {
                .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                .pNext = &values,
                .waitSemaphoreCount = 1,
                .pWaitSemaphores = &timeline,
                .pWaitDstStageMask = &stages,
                .commandBufferCount = 1,
                .pCommandBuffers = &commands,
                .signalSemaphoreCount = 1,
                .pSignalSemaphores = &timeline,
            };
            if (!CHECK(vkQueueSubmit(d->queue, 1, &job, VK_NULL_HANDLE)))
                break;
        }
        VkSemaphoreWaitInfo wait = {
            .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
            .semaphoreCount = 1,
            .pSemaphores = &timeline,
            .pValues = &last,
        };
        CHECK(vkWaitSemaphores(d->vk, &wait, PATIENCE));
        CHECK(vkDeviceWaitIdle(d->vk));
        vkDestroySemaphore(d->vk, timeline, NULL);
    }
    printf("vktest: timeline semaphore through 16 jobs: %.3f ms\n", (now() - start) * 1e3);
    free_commands(d, commands);
    free_buffer(d, &b);
}

struct thread {
    pthread_t id;
    VkPhysicalDevice physical;
    int number, submits;
};

static void *thread_main(void *arg)
{
    struct thread *t = arg;
    struct device d;
    char who[32];

    snprintf(who, sizeof(who), "thread %d: ", t->number);
    if (open_device(t->physical, &d)) {
        step_submits(&d, t->submits, who);
        step_allocations(&d, 12, who);
        close_device(&d);
    }
    return NULL;
}

void step_threads(VkPhysicalDevice physical, int threads, int submits)
{
    struct thread *t = calloc((size_t)threads, sizeof(*t));
    int started = 0;

    for (; t && started < threads; started++) {
        t[started] = (struct thread){ .physical = physical, .number = started, .submits = submits };
        if (pthread_create(&t[started].id, NULL, thread_main, &t[started]))
            break;
    }
    if (started < threads)
        fail("could not start thread %d", started);
    for (int i = 0; i < started; i++)
        pthread_join(t[i].id, NULL);
    free(t);
}
