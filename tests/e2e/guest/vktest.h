// Shared by the parts of vktest, a small Vulkan exerciser for the guest.
#ifndef VKTEST_H
#define VKTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <vulkan/vulkan.h>

#define SECOND 1000000000ull
#define PATIENCE (60 * SECOND) // for a job on an idle GPU, on a slow machine

struct device {
    VkPhysicalDevice physical;
    VkDevice vk;
    VkQueue queue;
    VkCommandPool pool;
    uint32_t memory_type;
    bool shares; // memory, as dma-bufs
};

struct buffer {
    VkBuffer vk;
    VkDeviceMemory memory;
    VkDeviceSize size;
    uint32_t *map;
};

// Prints and counts a failure; threads may call it.
void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
int failures(void);
double now(void);

// True when the call succeeded; a failure is printed with its place.
#define CHECK(call) check_result(call, #call, __FILE__, __LINE__)
bool check_result(VkResult result, const char *what, const char *file, int line);

bool open_device(VkPhysicalDevice physical, struct device *d);
void close_device(struct device *d);

enum sharing { PRIVATE, EXPORTED, IMPORTED };
// With IMPORTED the buffer takes the dma-buf `fd`. Closes what it made when it fails.
bool make_buffer(struct device *d, struct buffer *b, VkDeviceSize size, enum sharing how, int fd);
void free_buffer(struct device *d, struct buffer *b);
VkCommandBuffer record_fill(struct device *d, struct buffer *b);
void free_commands(struct device *d, VkCommandBuffer commands);
VkFence make_fence(struct device *d);
VkResult submit(struct device *d, VkCommandBuffer commands, VkFence fence);
VkResult wait_fence(struct device *d, VkFence fence, uint64_t ns);

// The steps. Each prints one line of what it did and how long it took.
void step_memory(struct device *d);
void step_submits(struct device *d, int count, const char *who);
void step_allocations(struct device *d, int count, const char *who);
void step_share(struct device *d);
void step_timeline(struct device *d);
void step_threads(VkPhysicalDevice physical, int threads, int submits);

// Other things to do instead of the steps; the exit code of the program.
int one_job(struct device *d, unsigned seconds);
int host_mapping(struct device *d);
int filled(struct device *d);

#endif
