// Time per call of the paths that benchmarks of callers rest on.
#define _GNU_SOURCE
#include "selftest.h"

#include <unistd.h>

#define LOOP(name, count, ...) \
    do { \
        int64_t start_ = 0; \
        for (int round_ = 0; round_ < 2; round_++) { /* the first one warms up */ \
            start_ = now(); \
            for (uint32_t i = 1; i <= count; i++) { \
                __VA_ARGS__; \
            } \
        } \
        printf("%-32s %7.1f ns\n", name, (double)(now() - start_) / count); \
    } while (0)

void bench(void)
{
    int fd = dev();
    uint32_t h = bo(fd, 4096);
    struct submit_bo b = { 3, h, 0 };
    EQ(info(fd, h, SET_IOVA, VA, 0), 0);
    LOOP("GET_PARAM", 1000000, {
        struct param p = { PIPE, 1, 0, 0, 0 };
        io(fd, GET_PARAM, &p);
    });
    LOOP("CPU_PREP", 1000000, prep(fd, h, 4 | 1, 0));
    LOOP("WAIT_FENCE", 1000000, wait_seqno(fd, 0, 0, 0));
    LOOP("GEM_NEW + SET_IOVA + GEM_CLOSE", 300000, {
        struct gem_new n = { 4096, WC, 0 };
        io(fd, GEM_NEW, &n);
        info(fd, n.handle, SET_IOVA, VA + 0x100000, 0);
        struct drm_gem_close c = { n.handle, 0 };
        io(fd, GEM_CLOSE, &c);
    });
    LOOP("SUBMIT, 1 BO", 300000, {
        struct submit s = { .flags = PIPE | SN_IN, .fence = i, .nr_bos = 1, .bos = (uintptr_t)&b };
        io(fd, SUBMIT, &s);
    });
    LOOP("SUBMIT, 1 BO, fence fd, close", 300000, close(job(fd, 0, i, h, -1)));
    EQ(control("gpu_us 1"), 0);
    LOOP("SUBMIT, 1 us GPU time, wait", 20000, {
        int f = job(fd, 0, i, h, -1);
        readable(f, 1000);
        close(f);
    });
    EQ(control("reset"), 0);
    close(fd);
}
