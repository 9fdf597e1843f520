// Cases: GEM_SUBMIT, WAIT_FENCE, CPU_PREP and the order of jobs.
#define _GNU_SOURCE
#include "selftest.h"

#include <unistd.h>

#define LONG 5000000000ll

static int try(int fd, struct submit *s)
{
    struct submit copy = *s;
    int ret = io(fd, SUBMIT, &copy);
    if (!ret && copy.flags & FD_OUT)
        close(copy.fence_fd);
    return ret;
}

// Each change of a good submit must be refused with its own error.
static void arguments(void)
{
    int fd = dev();
    uint32_t h = bo(fd, 4096);
    struct submit_bo bos[2] = { { 7, h, 0 }, { 1, bo(fd, 8192), 0 } };
    struct submit_cmd cmd = { 1, 1, 4096, 4096, 0, 0, 0 };
    const struct submit good = { .flags = PIPE, .nr_bos = 2, .nr_cmds = 1, .bos = (uintptr_t)bos,
                                 .cmds = (uintptr_t)&cmd, .fence_fd = -1 };
    struct submit s = good;
    EQ(try(fd, &s), 0);
#define REFUSED(error, change) \
    do { \
        s = good; \
        s.change; \
        EQ(try(fd, &s), error); \
    } while (0)
    REFUSED(-EINVAL, flags = 1);
    REFUSED(-EINVAL, flags = PIPE | 0x01000000);
    REFUSED(-EINVAL, flags = PIPE | SUDO);
    REFUSED(-EINVAL, pad = 1);
    REFUSED(-ENOENT, queueid = 5);
    REFUSED(-EFAULT, bos = 0);
    REFUSED(-EFAULT, cmds = 0);
    REFUSED(-EINVAL, nr_bos = UINT32_MAX);
    REFUSED(-EINVAL, nr_bos = 1); // the command uses the second
    REFUSED(-EINVAL, flags = PIPE | SN_IN); // number 0
    REFUSED(-EINVAL, flags = PIPE | FD_IN); // fd -1
    s = good;
    s.flags = PIPE | NO_IMPLICIT | FD_OUT;
    EQ(try(fd, &s), 0);
    s.nr_bos = s.nr_cmds = 0;
    EQ(try(fd, &s), 0);
    close(fd);
}

static void tables(void)
{
    int fd = dev();
    const struct submit_bo good_bo = { 3, bo(fd, 4096), 0 };
    const struct submit_cmd good_cmd = { 2, 0, 0, 8, 0, 0, 0 };
    struct submit_bo bos[2] = { good_bo, { 3, bo(fd, 4096), 0 } };
    struct submit_cmd cmd = good_cmd;
    struct submit s = { .flags = PIPE, .nr_bos = 2, .nr_cmds = 1, .bos = (uintptr_t)bos,
                        .cmds = (uintptr_t)&cmd };
    EQ(try(fd, &s), 0);
#define BAD_ENTRY(entry, good, change) \
    do { \
        entry.change; \
        EQ(try(fd, &s), -EINVAL); \
        entry = good; \
    } while (0)
    BAD_ENTRY(bos[0], good_bo, flags = 16 | 3);
    BAD_ENTRY(bos[0], good_bo, flags = 4); // neither read nor write
    BAD_ENTRY(bos[0], good_bo, handle = 0);
    BAD_ENTRY(bos[0], good_bo, handle = 99);
    BAD_ENTRY(bos[0], good_bo, handle = bos[1].handle); // twice the same
    BAD_ENTRY(cmd, good_cmd, type = 0);
    BAD_ENTRY(cmd, good_cmd, type = 4);
    BAD_ENTRY(cmd, good_cmd, idx = 2);
    BAD_ENTRY(cmd, good_cmd, size = 0);
    BAD_ENTRY(cmd, good_cmd, size = 6);
    BAD_ENTRY(cmd, good_cmd, size = 4100);
    BAD_ENTRY(cmd, good_cmd, offset = 2);
    BAD_ENTRY(cmd, good_cmd, offset = 4092);
    BAD_ENTRY(cmd, good_cmd, offset = 0xfffffffc);
    BAD_ENTRY(cmd, good_cmd, nr_relocs = 1);
    EQ(try(fd, &s), 0);
    close(fd);
}

static void old_flags(void)
{
    int fd = dev();
    struct submit_bo b = { 3 | 8, bo(fd, 4096), 0 };
    struct submit s = { .flags = PIPE, .nr_bos = 1, .bos = (uintptr_t)&b };
    EQ(try(fd, &s), -EINVAL); // NO_IMPLICIT of a buffer came with 1.10
    b.flags = 3;
    EQ(try(fd, &s), 0);
    close(fd);
}

static void numbers(void)
{
    int fd = dev();
    int q = queue(fd, 0);
    struct submit s = { .flags = PIPE, .queueid = (uint32_t)q };
    EQ(io(fd, SUBMIT, &s), 0);
    EQ(s.fence, 1); // numbered by the kernel
    EQ(io(fd, SUBMIT, &s), 0);
    EQ(s.fence, 2);
    EQ(wait_seqno(fd, (uint32_t)q, 2, 0), 0);
    EQ(wait_seqno(fd, (uint32_t)q, 3, 0), -EINVAL);
    EQ(wait_seqno(fd, 77, 1, 0), -ENOENT);
    EQ(io(fd, WAIT_FENCE, &(struct wait_fence){ .flags = 2 }), -EINVAL);
    EQ(io(fd, WAIT_FENCE, &(struct wait_fence){ .flags = 1 }), 0);

    EQ(control("hang"), 0);
    int f = job(fd, 0, 0xfffffffe, 0, -1), g = job(fd, 0, 2, 0, -1); // wraps around
    OK(f >= 0 && g >= 0);
    EQ(job(fd, 0, 2, 0, -1), -EINVAL); // still pending
    EQ(wait_seqno(fd, 0, 0xfffffffe, 0), -ETIMEDOUT);
    EQ(wait_seqno(fd, 0, 2, now() + 20000000), -ETIMEDOUT);
    EQ(wait_seqno(fd, 0, 3, 0), -EINVAL);
    EQ(control("unhang"), 0);
    EQ(wait_seqno(fd, 0, 2, now() + LONG), 0);
    close(f);
    close(g);
    close(fd);
}

static void busy_buffers(void)
{
    int fd = dev();
    uint32_t h = bo(fd, 4096), r = bo(fd, 4096);
    EQ(info(fd, h, SET_IOVA, VA, 0), 0);
    EQ(info(fd, r, SET_IOVA, VA + 4096, 0), 0);
    EQ(prep(fd, h, 3 | 4 | 8, 0), 0);
    EQ(prep(fd, h, 16, 0), -EINVAL);
    EQ(prep(fd, 99, 1, 0), -ENOENT);
    EQ(control("hang"), 0);
    struct submit_bo bos[2] = { { 2, h, 0 }, { 1, r, 0 } };
    struct submit s = { .flags = PIPE, .nr_bos = 2, .bos = (uintptr_t)bos };
    EQ(io(fd, SUBMIT, &s), 0);
    EQ(prep(fd, h, 1 | 4, 0), -EBUSY);
    EQ(prep(fd, r, 1 | 4, 0), 0); // reading next to a reader
    EQ(prep(fd, r, 2 | 4, 0), -EBUSY);
    EQ(prep(fd, h, 1, now() - 1), -EBUSY); // deadline over: not even a wait
    EQ(prep(fd, h, 1, now() + 50000000), -ETIMEDOUT);
    EQ(info(fd, h, SET_IOVA, 0, 0), -EBUSY);
    EQ(info(fd, h, SET_IOVA, VA, 0), 0);
    EQ(control("gpu_us 10000"), 0); // for later jobs only
    EQ(control("unhang"), 0);
    EQ(prep(fd, h, 1 | 4, 0), 0);
    EQ(io(fd, SUBMIT, &s), 0);
    EQ(prep(fd, h, 1, now() + LONG), 0);
    EQ(info(fd, h, SET_IOVA, 0, 0), 0);
    EQ(prep(fd, r, 2 | 4, 0), 0);
    close(fd);
}

static void gpu_time(void)
{
    int fd = dev();
    int64_t start = now();
    EQ(control("gpu_us 50000"), 0);
    int f[3];
    for (uint32_t i = 0; i < 3; i++)
        f[i] = job(fd, 0, i + 1, 0, -1);
    OK(now() - start < 50000000);
    EQ(fence_status(f[0]), 0);
    OK(readable(f[0], 5000));
    OK(now() - start >= 50000000);
    OK(readable(f[2], 5000)); // one after the other
    OK(now() - start >= 150000000);
    OK(readable(f[1], 0));
    for (int i = 0; i < 3; i++)
        close(f[i]);
    close(fd);
}

static void instant(void)
{
    int fd = dev();
    int f = job(fd, 0, 1, bo(fd, 4096), -1);
    EQ(fence_status(f), 1);
    OK(readable(f, 0));
    EQ(wait_seqno(fd, 0, 1, 0), 0);
    close(f);
    close(fd);
}

static void rings(void)
{
    int a = dev(), b = dev();
    uint32_t low = (uint32_t)queue(a, 2), high = (uint32_t)queue(a, 0);
    EQ(control("hang ring=2"), 0);
    int stuck = job(a, low, 1, 0, -1), other = job(b, (uint32_t)queue(b, 2), 1, 0, -1);
    int free_ring = job(a, high, 1, 0, -1);
    EQ(fence_status(stuck), 0);
    EQ(fence_status(other), 0);     // the ring is shared by all files
    EQ(fence_status(free_ring), 1); // the other rings are not hung
    int waits = job(a, high, 2, 0, stuck);
    EQ(fence_status(waits), 0);
    int behind = job(a, high, 3, 0, -1);
    EQ(fence_status(behind), 0); // FIFO within file and priority
    int passes = job(b, (uint32_t)queue(b, 0), 1, 0, -1);
    OK(readable(passes, 5000)); // but another file is not held up
    EQ(control("unhang"), 0);
    OK(readable(waits, 5000) && readable(behind, 5000) && readable(other, 5000));
    int fds[] = { stuck, other, free_ring, waits, behind, passes };
    for (int i = 0; i < 6; i++)
        close(fds[i]);
    EQ(control("hang ring=3"), -EINVAL);
    close(a);
    close(b);
}

static void closed_while_running(void)
{
    int fd = dev();
    struct drmsim_counters c;
    EQ(control("hang"), 0);
    uint32_t q = (uint32_t)queue(fd, 1);
    int f = job(fd, q, 1, bo(fd, 4096), -1);
    EQ(io(fd, QUEUE_CLOSE, &q), 0);
    close(fd);
    counters(&c);
    EQ(c.files, 0);
    EQ(c.handles, 0);
    EQ(c.bos, 1); // held by the job
    EQ(c.jobs_running, 1);
    EQ(control("unhang"), 0);
    OK(readable(f, 5000));
    close(f);
}

const struct test_case submit_cases[] = {
    { "submit arguments", arguments, NULL },
    { "submit tables", tables, NULL },
    { "submit flags before 1.10", old_flags, "DRMSIM_VERSION=1.9.0" },
    { "fence numbers", numbers, NULL },
    { "busy buffers", busy_buffers, NULL },
    { "instant jobs", instant, NULL },
    { "gpu time", gpu_time, NULL },
    { "rings and in-fences", rings, NULL },
    { "closed while running", closed_while_running, NULL },
    { 0 },
};
