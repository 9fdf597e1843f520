// Cases: parameters, buffers, addresses, mappings, submitqueues.
#define _GNU_SOURCE
#include "selftest.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int param(int fd, uint32_t nr, uint64_t *value)
{
    struct param p = { PIPE, nr, 0, 0, 0 };
    int ret = io(fd, GET_PARAM, &p);
    *value = p.value;
    return ret;
}

static void params(void)
{
    static const struct { uint32_t nr; uint64_t value; } known[] = {
        { 1, 660 }, { 2, 0x100000 }, { 3, 0x06060001 }, { 4, 0x23c34600 }, { 6, 0x100000 },
        { 7, 3 }, { 8, 0 }, { 9, 0 }, { 10, 0 }, { 14, VA }, { 15, 0xf00000000 }, { 16, 15 },
        { 17, 1 }, { 18, 6 }, { 19, 1 }, { 20, 0x1fffffffff000 },
    };
    int fd = dev();
    uint64_t value, later;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        EQ(param(fd, known[i].nr, &value), 0);
        EQ(value, known[i].value);
    }
    EQ(param(fd, 5, &value), 0); // a running clock
    usleep(1000);
    EQ(param(fd, 5, &later), 0);
    OK(later > value);
    EQ(param(fd, 0, &value), -EINVAL);
    EQ(param(fd, 11, &value), -EINVAL);
    EQ(param(fd, 99, &value), -EINVAL);
    EQ(io(fd, GET_PARAM, &(struct param){ 1, 1, 0, 0, 0 }), -EINVAL);
    EQ(io(fd, GET_PARAM, &(struct param){ PIPE, 1, 0, 4, 0 }), -EINVAL);
    EQ(io(fd, GET_PARAM, &(struct param){ PIPE, 1, 0, 0, 1 }), -EINVAL);
    EQ(control("fault"), 0);
    EQ(param(fd, 9, &value), 0);
    EQ(value, 1);

    char text[5000] = "name";
    for (uint32_t nr = 12; nr <= 13; nr++) {
        EQ(io(fd, SET_PARAM, &(struct param){ PIPE, nr, (uintptr_t)text, 4096, 0 }), 0);
        EQ(io(fd, SET_PARAM, &(struct param){ PIPE, nr, (uintptr_t)text, 4097, 0 }), -EINVAL);
        EQ(io(fd, SET_PARAM, &(struct param){ PIPE, nr, 0, 4, 0 }), -EFAULT);
    }
    EQ(io(fd, SET_PARAM, &(struct param){ 1, 12, (uintptr_t)text, 4, 0 }), -EINVAL);
    EQ(io(fd, SET_PARAM, &(struct param){ PIPE, 11, 1, 0, 0 }), -EPERM);
    EQ(io(fd, SET_PARAM, &(struct param){ PIPE, 1, 1, 0, 0 }), -EINVAL);
    close(fd);
}

static void param_override(void)
{
    int fd = dev();
    uint64_t value;
    EQ(param(fd, 15, &value), 0);
    EQ(value, 0);
    close(fd);
}

static void param_failure(void)
{
    int fd = dev();
    uint64_t value;
    EQ(param(fd, 3, &value), -EINVAL);
    close(fd);
}

static int new_flags(int fd, uint64_t size, uint32_t flags)
{
    struct gem_new a = { size, flags, 0 };
    return io(fd, GEM_NEW, &a);
}

static void gem_new(void)
{
    int fd = dev();
    struct drmsim_counters c;
    EQ(bo(fd, 1), 1);
    EQ(bo(fd, 4097), 2);
    counters(&c);
    EQ(c.bytes, 3 * 4096);
    EQ(c.handles, 2);
    EQ(new_flags(fd, 0, WC), -EINVAL);
    EQ(new_flags(fd, UINT64_MAX, WC), -EINVAL);
    EQ(new_flags(fd, 1ull << 50, WC), -ENOMEM);
    EQ(new_flags(fd, 4096, 0), -EINVAL); // no cache mode
    EQ(new_flags(fd, 4096, WC | 4), -EINVAL);
    EQ(new_flags(fd, 4096, 0x30000), -EINVAL); // two cache modes
    EQ(new_flags(fd, 4096, 0x10000), 0);
    EQ(new_flags(fd, 4096, 0x40003), 0);
    EQ(new_flags(fd, 4096, 0x80000), 0);
    EQ(io(fd, GEM_CLOSE, &(struct drm_gem_close){ 1, 0 }), 0);
    EQ(io(fd, GEM_CLOSE, &(struct drm_gem_close){ 1, 0 }), -EINVAL);
    EQ(io(fd, GEM_CLOSE, &(struct drm_gem_close){ 0, 0 }), -EINVAL);
    EQ(io(fd, GEM_CLOSE, &(struct drm_gem_close){ 1u << 31, 0 }), -EINVAL);
    EQ(bo(fd, 1), 1); // the free handle is used first
    close(fd);
}

static void old_coherent(void)
{
    int fd = dev();
    EQ(new_flags(fd, 4096, 0x80000), -EINVAL);
    close(fd);
}

static void iova(void)
{
    int fd = dev(), other = dev();
    uint32_t a = bo(fd, 8192), b = bo(fd, 4096);
    EQ(info(fd, a, SET_IOVA, VA, 0), 0);
    EQ(info(fd, a, SET_IOVA, VA, 0), 0); // the same again
    EQ(info(fd, a, SET_IOVA, VA + 8192, 0), -EBUSY);
    EQ(info(fd, b, SET_IOVA, VA + 4096, 0), -ENOSPC); // overlap
    EQ(info(fd, b, SET_IOVA, VA - 4096, 0), -EINVAL);
    EQ(info(fd, b, SET_IOVA, VA + 0xf00000000, 0), -EINVAL);
    EQ(info(fd, b, SET_IOVA, VA + 0xf00001000, 0), -EINVAL);
    EQ(info(fd, a, SET_IOVA, 0, 0), 0);
    EQ(info(fd, a, SET_IOVA, VA + 0xf00000000 - 4096, 0), -EINVAL); // end outside
    EQ(info(fd, b, SET_IOVA, VA + 1, 0), -EINVAL);
    EQ(info(fd, b, SET_IOVA, VA + 4096, 0), 0);
    EQ(info(fd, 77, SET_IOVA, VA, 0), -ENOENT);
    EQ(info(fd, a, SET_IOVA, VA + 8192, 1), -EINVAL); // a length makes no sense
    EQ(info(other, bo(other, 4096), SET_IOVA, VA + 4096, 0), 0); // a space per file
    EQ(io(fd, GEM_CLOSE, &(struct drm_gem_close){ b, 0 }), 0);
    EQ(info(fd, a, SET_IOVA, VA, 0), 0); // the range is free again
    struct gem_info g = { bo(fd, 4096), GET_IOVA, 0, 0, 0 };
    EQ(io(fd, GEM_INFO, &g), 0);
    OK(g.value >= VA && g.value % 4096 == 0);
    EQ(info(fd, g.handle, SET_IOVA, g.value, 0), 0);
    EQ(info(fd, g.handle, SET_IOVA, VA + 0x100000, 0), -EBUSY);
    close(fd);
    close(other);
}

static void many_addresses(void)
{
    int fd = dev();
    uint32_t h[200];
    for (uint32_t i = 0; i < 200; i++) { // spread, neither rising nor falling
        h[i] = bo(fd, 8192);
        EQ(info(fd, h[i], SET_IOVA, VA + (i * 77 % 200) * 8192, 0), 0);
    }
    uint32_t x = bo(fd, 4096);
    for (uint32_t i = 0; i < 200; i++)
        EQ(info(fd, x, SET_IOVA, VA + i * 8192 + 4096, 0), -ENOSPC);
    for (uint32_t i = 0; i < 200; i += 2)
        EQ(io(fd, GEM_CLOSE, &(struct drm_gem_close){ h[i], 0 }), 0);
    for (uint32_t i = 0; i < 200; i++) {
        bool taken = i % 2;
        EQ(info(fd, x, SET_IOVA, VA + (i * 77 % 200) * 8192, 0), taken ? -ENOSPC : 0);
        EQ(info(fd, x, SET_IOVA, 0, 0), 0);
    }
    close(fd);
}

static void names(void)
{
    int fd = dev();
    uint32_t h = bo(fd, 4096);
    char text[64] = "0123456789012345678901234567890123", out[64] = "";
    EQ(info(fd, h, SET_NAME, (uintptr_t)text, 32), -EINVAL);
    EQ(info(fd, h, SET_NAME, (uintptr_t)text, 31), 0);
    EQ(info(fd, h, GET_NAME, (uintptr_t)out, 30), -EINVAL);
    struct gem_info g = { h, GET_NAME, (uintptr_t)out, 64, 0 };
    EQ(io(fd, GEM_INFO, &g), 0);
    EQ(g.len, 31);
    EQ(memcmp(text, out, 31), 0);
    EQ(info(fd, h, SET_NAME, (uintptr_t) "a\nb", 3), 0);
    EQ(info(fd, h, GET_NAME, (uintptr_t)out, 64), 0);
    EQ(out[1], '?');
    EQ(info(fd, h, SET_NAME, 0, 3), -EFAULT);
    EQ(info(fd, 0, SET_NAME, (uintptr_t)text, 3), -ENOENT);
    close(fd);
}

static void metadata(void)
{
    int fd = dev();
    uint32_t h = bo(fd, 4096);
    char in[200] = "metadata", out[200] = "";
    EQ(info(fd, h, SET_METADATA, (uintptr_t)in, 129), -EOVERFLOW);
    EQ(info(fd, h, SET_METADATA, (uintptr_t)in, 128), 0);
    struct gem_info g = { h, GET_METADATA, 0, 0, 0 };
    EQ(io(fd, GEM_INFO, &g), 0);
    EQ(g.len, 128);
    EQ(info(fd, h, GET_METADATA, (uintptr_t)out, 128), 0);
    EQ(memcmp(in, out, 128), 0);
    OK(info(fd, h, GET_METADATA, (uintptr_t)out, 127) < 0);
    close(fd);
}

static void info_rest(void)
{
    int fd = dev();
    struct gem_info g = { bo(fd, 4096), GET_FLAGS, 0, 0, 0 };
    EQ(io(fd, GEM_INFO, &g), 0);
    EQ(g.value, WC);
    g.pad = 1;
    EQ(io(fd, GEM_INFO, &g), -EINVAL);
    EQ(info(fd, g.handle, 8, 0, 0), -EINVAL);
    EQ(io(fd, CPU_FINI, &g.handle), 0);
    EQ(io(fd, CPU_FINI, &(uint32_t){ 9 }), -ENOENT);
    struct madvise m = { g.handle, 1, 0 };
    EQ(io(fd, MADVISE, &m), 0);
    EQ(m.retained, 1);
    m.madv = 2;
    EQ(io(fd, MADVISE, &m), -EINVAL);
    m = (struct madvise){ 9, 0, 0 };
    EQ(io(fd, MADVISE, &m), -ENOENT);
    close(fd);
}

static void old_features(void)
{
    int fd = dev();
    uint32_t h = bo(fd, 4096);
    uint64_t value;
    char c = 0;
    EQ(info(fd, h, SET_IOVA, VA, 0), -EINVAL);
    EQ(param(fd, 15, &value), -EINVAL);
    EQ(info(fd, h, SET_METADATA, (uintptr_t)&c, 1), -EINVAL);
    EQ(prep(fd, h, 8, 0), -EINVAL);
    EQ(io(fd, WAIT_FENCE, &(struct wait_fence){ .flags = 1 }), -EINVAL);
    EQ(job(fd, 0, 1, 0, -1), -EINVAL); // FENCE_SN_IN
    close(fd);
}

static void mapping(void)
{
    int fd = dev(), other = dev();
    uint32_t h = bo(fd, 8192);
    struct gem_info g = { h, GET_OFFSET, 0, 0, 0 };
    EQ(io(fd, GEM_INFO, &g), 0);
    off_t at = (off_t)g.value;
    char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, at);
    OK(m != MAP_FAILED);
    int shared = export_bo(fd, h);
    char *n = mmap64(NULL, 4096, PROT_READ, MAP_SHARED, shared, 4096);
    OK(n != MAP_FAILED);
    strcpy(m + 4096, "hello");
    EQ(strcmp(n, "hello"), 0);
    OK(mmap(NULL, 12288, PROT_READ, MAP_SHARED, fd, at) == MAP_FAILED && errno == EINVAL);
    OK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, at + 4096) == MAP_FAILED && errno == EINVAL);
    OK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, other, at) == MAP_FAILED && errno == EACCES);
    struct drmsim_counters c;
    counters(&c);
    uint64_t mappings = c.mappings;
    EQ(io(fd, GEM_CLOSE, &(struct drm_gem_close){ h, 0 }), 0);
    close(shared);
    m[0] = 'x'; // the mapping outlives the buffer
    OK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, at) == MAP_FAILED && errno == EINVAL);
    counters(&c);
    EQ(c.mappings, mappings);
    munmap(m, 8192);
    munmap(n, 4096);
    close(fd);
    close(other);
}

static void queues(void)
{
    int fd = dev();
    EQ(queue(fd, 0), 1);
    EQ(queue(fd, 2), 2);
    EQ(queue(fd, 3), -EINVAL);
    EQ(io(fd, QUEUE_NEW, &(struct submitqueue){ 1, 1, 0 }), 0);
    EQ(io(fd, QUEUE_NEW, &(struct submitqueue){ 2, 1, 0 }), -EINVAL);
    EQ(io(fd, QUEUE_CLOSE, &(uint32_t){ 2 }), 0);
    EQ(io(fd, QUEUE_CLOSE, &(uint32_t){ 2 }), -ENOENT);
    EQ(io(fd, QUEUE_CLOSE, &(uint32_t){ 0 }), -ENOENT);
    EQ(queue(fd, 0), 4); // ids are not used again
    uint32_t faults = 9;
    struct queue_query q = { (uintptr_t)&faults, 1, 0, 4, 0 };
    EQ(io(fd, QUEUE_QUERY, &q), 0);
    EQ(faults, 0);
    EQ(io(fd, 0xc018644cul, &q), 0); // also when declared in both directions
    q.param = 1;
    EQ(io(fd, QUEUE_QUERY, &q), -EINVAL);
    q = (struct queue_query){ (uintptr_t)&faults, 2, 0, 4, 0 };
    EQ(io(fd, QUEUE_QUERY, &q), -ENOENT);
    close(fd);
}

static void no_preempt(void)
{
    int fd = dev();
    EQ(io(fd, QUEUE_NEW, &(struct submitqueue){ 1, 1, 0 }), -EINVAL);
    EQ(io(fd, QUEUE_NEW, &(struct submitqueue){ 0, 1, 0 }), 0);
    close(fd);
}

static void priorities(void)
{
    int fd = dev();
    uint64_t value;
    EQ(param(fd, 7, &value), 0);
    EQ(value, 12);
    OK(queue(fd, 11) > 0);
    EQ(queue(fd, 12), -EINVAL);
    close(fd);
}

const struct test_case gem_cases[] = {
    { "params", params, NULL },
    { "DRMSIM_PARAM value", param_override, "DRMSIM_PARAM_15=0" },
    { "DRMSIM_PARAM fail", param_failure, "DRMSIM_PARAM_3=fail" },
    { "gem new and close", gem_new, NULL },
    { "cached coherent before 1.8", old_coherent, "DRMSIM_VERSION=1.7.0" },
    { "iova", iova, NULL },
    { "many addresses", many_addresses, NULL },
    { "names", names, NULL },
    { "metadata", metadata, NULL },
    { "gem info and advice", info_rest, NULL },
    { "version 1.8", old_features, "DRMSIM_VERSION=1.8.0" },
    { "mapping", mapping, NULL },
    { "submitqueues", queues, NULL },
    { "DRMSIM_NO_PREEMPT", no_preempt, "DRMSIM_NO_PREEMPT=1" },
    { "DRMSIM_PRIORITIES", priorities, "DRMSIM_PRIORITIES=12" },
    { 0 },
};
