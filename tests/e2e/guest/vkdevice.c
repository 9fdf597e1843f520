// Devices, buffers and command buffers of vktest.
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vktest.h"

static atomic_int failed;

void fail(const char *format, ...)
{
    char line[256];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    printf("vktest: FAILED %s\n", line);
    failed++;
}

int failures(void)
{
    return failed;
}

double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

bool check_result(VkResult result, const char *what, const char *file, int line)
{
    if (result != VK_SUCCESS)
        fail("%.120s = %d (%s:%d)", what, result, file, line);
    return result == VK_SUCCESS;
}

static bool find_memory_type(VkPhysicalDevice physical, uint32_t *type)
{
    const VkMemoryPropertyFlags want =
        VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    VkPhysicalDeviceMemoryProperties p;

    vkGetPhysicalDeviceMemoryProperties(physical, &p);
    for (*type = 0; *type < p.memoryTypeCount; ++*type)
        if ((p.memoryTypes[*type].propertyFlags & want) == want)
            return true;
    fail("no memory type can be mapped");
    return false;
}

static bool has_extension(VkPhysicalDevice physical, const char *name)
{
    uint32_t count = 0;
    bool found = false;

    vkEnumerateDeviceExtensionProperties(physical, NULL, &count, NULL);
    VkExtensionProperties *all = calloc(count, sizeof(*all));
    vkEnumerateDeviceExtensionProperties(physical, NULL, &count, all);
    for (uint32_t i = 0; i < count; i++)
        found |= strcmp(all[i].extensionName, name) == 0;
    free(all);
    return found;
}

bool open_device(VkPhysicalDevice physical, struct device *d)
{
    static const char *const extensions[] = {
        VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
        VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
    };
    const float priority = 1.0f;

    memset(d, 0, sizeof(*d));
    d->physical = physical;
    d->shares = has_extension(physical, VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME);
    if (!find_memory_type(physical, &d->memory_type))
        return false;
    VkPhysicalDeviceTimelineSemaphoreFeatures timeline = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES,
        .timelineSemaphore = VK_TRUE,
    };
    VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = 0, // Turnip's first family does everything
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &timeline,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = d->shares ? 2 : 0,
        .ppEnabledExtensionNames = extensions,
    };
    if (!CHECK(vkCreateDevice(physical, &info, NULL, &d->vk)))
        return false;
    vkGetDeviceQueue(d->vk, 0, 0, &d->queue);
    VkCommandPoolCreateInfo pool = { .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO };
    if (CHECK(vkCreateCommandPool(d->vk, &pool, NULL, &d->pool)))
        return true;
    vkDestroyDevice(d->vk, NULL);
    return false;
}

void close_device(struct device *d)
{
    vkDestroyCommandPool(d->vk, d->pool, NULL);
    vkDestroyDevice(d->vk, NULL);
}

void free_buffer(struct device *d, struct buffer *b)
{
    vkDestroyBuffer(d->vk, b->vk, NULL);
    vkFreeMemory(d->vk, b->memory, NULL); // unmaps
}

bool make_buffer(struct device *d, struct buffer *b, VkDeviceSize size, enum sharing how, int fd)
{
    const VkExternalMemoryHandleTypeFlagBits dmabuf = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT;
    VkExternalMemoryBufferCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
        .handleTypes = dmabuf,
    };
    VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .pNext = how == PRIVATE ? NULL : &external,
        .size = size,
        .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };

    memset(b, 0, sizeof(*b));
    b->size = size;
    if (!CHECK(vkCreateBuffer(d->vk, &info, NULL, &b->vk)))
        return false;
    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(d->vk, b->vk, &needs);
    VkExportMemoryAllocateInfo exporting = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
        .handleTypes = dmabuf,
    };
    VkImportMemoryFdInfoKHR importing = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
        .handleType = dmabuf,
        .fd = fd,
    };
    VkMemoryAllocateInfo memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = how == EXPORTED ? (void *)&exporting : how == IMPORTED ? (void *)&importing : NULL,
        .allocationSize = needs.size,
        .memoryTypeIndex = d->memory_type,
    };
    if (CHECK(vkAllocateMemory(d->vk, &memory, NULL, &b->memory)) &&
        CHECK(vkBindBufferMemory(d->vk, b->vk, b->memory, 0)) &&
        CHECK(vkMapMemory(d->vk, b->memory, 0, VK_WHOLE_SIZE, 0, (void **)&b->map)))
        return true;
    free_buffer(d, b);
    return false;
}

VkCommandBuffer record_fill(struct device *d, struct buffer *b)
{
    VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = d->pool,
        .commandBufferCount = 1,
    };
    VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT, // submitted again while in flight
    };
    VkCommandBuffer commands = NULL;

    if (!CHECK(vkAllocateCommandBuffers(d->vk, &info, &commands)))
        return NULL;
    CHECK(vkBeginCommandBuffer(commands, &begin));
    vkCmdFillBuffer(commands, b->vk, 0, b->size, 0xcafebabe);
    CHECK(vkEndCommandBuffer(commands));
    return commands;
}

void free_commands(struct device *d, VkCommandBuffer commands)
{
    vkFreeCommandBuffers(d->vk, d->pool, 1, &commands);
}

VkFence make_fence(struct device *d)
{
    VkFenceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
    VkFence fence = VK_NULL_HANDLE;

    CHECK(vkCreateFence(d->vk, &info, NULL, &fence));
    return fence;
}

VkResult submit(struct device *d, VkCommandBuffer commands, VkFence fence)
{
    VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &commands,
    };

    return vkQueueSubmit(d->queue, 1, &info, fence);
}

VkResult wait_fence(struct device *d, VkFence fence, uint64_t ns)
{
    return vkWaitForFences(d->vk, 1, &fence, VK_TRUE, ns);
}
