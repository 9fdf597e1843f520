// Cases: scripted faults, counters, threads.
#define _GNU_SOURCE
#include "selftest.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void bad_commands(void)
{
    static const char *const bad[] = {
        "", "nonsense", "fail", "fail NOTHING errno=5", "fail SUBMIT", "fail SUBMIT errno=EWHAT",
        "fail SUBMIT errno=5 nth=0", "fail SUBMIT errno=5 other=1", "delay SUBMIT", "gpu_us",
        "gpu_us x", "gpu_us -1", "gpu_error", "gpu_error errno=0", "hang ring=x", "hang ring=63", "fault x",
        "reset now", "unhang ring",
    };
    EQ(control(NULL), -EINVAL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int ret = control(bad[i]);
        if (ret != -EINVAL)
            printf("  accepted: \"%s\"\n", bad[i]);
        EQ(ret, -EINVAL);
    }
}

static void scripted(void)
{
    int fd = dev();
    struct gem_new n = { 4096, WC, 0 };
    EQ(control("fail GEM_NEW nth=2 errno=ENOSPC count=2"), 0);
    EQ(io(fd, GEM_NEW, &n), 0);
    EQ(io(fd, GEM_NEW, &n), -ENOSPC);
    EQ(io(fd, GEM_NEW, &n), -ENOSPC);
    EQ(io(fd, GEM_NEW, &n), 0);
    EQ(control("fail SET_IOVA errno=12"), 0);
    EQ(info(fd, 1, GET_FLAGS, 0, 0), 0);
    EQ(info(fd, 1, SET_IOVA, VA, 0), -ENOMEM);
    EQ(info(fd, 1, SET_IOVA, VA, 0), 0);
    EQ(control("fail OPEN errno=EMFILE"), 0);
    EQ(open("/dev/dri/renderD128", O_RDWR), -1);
    EQ(errno, EMFILE);
    EQ(control("fail SUBMIT errno=EIO"), 0);
    EQ(job(fd, 0, 1, 0, -1), -EIO);
    int f = job(fd, 0, 1, 0, -1);
    EQ(control("fail MERGE errno=ENOMEM"), 0);
    EQ(merge(f, f), -ENOMEM);
    EQ(control("fail PRIME_HANDLE_TO_FD errno=EMFILE"), 0);
    EQ(export_bo(fd, 1), -EMFILE);
    int shared = export_bo(fd, 1);
    EQ(control("fail MMAP errno=EAGAIN"), 0);
    OK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, shared, 0) == MAP_FAILED && errno == EAGAIN);
    EQ(control("fail GEM_CLOSE errno=EINTR"), 0);
    EQ(control("reset"), 0);
    EQ(io(fd, GEM_CLOSE, &(struct drm_gem_close){ 1, 0 }), 0);
    EQ(control("delay GET_PARAM us=20000"), 0);
    int64_t start = now();
    EQ(io(fd, GET_PARAM, &(struct param){ PIPE, 1, 0, 0, 0 }), 0);
    OK(now() - start >= 20000000);
    close(shared);
    close(f);
    close(fd);
}

static uint64_t faults_of(int fd)
{
    struct param p = { PIPE, 9, 0, 0, 0 };
    EQ(io(fd, GET_PARAM, &p), 0);
    return p.value;
}

static void gpu_errors(void)
{
    int fd = dev(), other = dev();
    uint32_t q = (uint32_t)queue(fd, 0), faults = 0;
    EQ(control("gpu_error errno=EIO"), 0);
    int f = job(fd, q, 1, 0, -1), g = job(fd, q, 2, 0, -1);
    EQ(fence_status(f), -EIO);
    OK(readable(f, 0));
    EQ(fence_status(g), 1); // only the next job
    EQ(faults_of(fd), 1);
    EQ(faults_of(other), 0);
    EQ(control("fault"), 0);
    EQ(faults_of(fd), 2);
    EQ(faults_of(other), 1);
    struct queue_query qq = { (uintptr_t)&faults, q, 0, 4, 0 };
    EQ(io(fd, QUEUE_QUERY, &qq), 0);
    EQ(faults, 1);
    EQ(control("hang"), 0);
    EQ(control("gpu_error errno=ETIME"), 0);
    int a = job(fd, q, 3, 0, -1), b = job(fd, (uint32_t)queue(fd, 1), 1, 0, -1), m = merge(a, b);
    EQ(control("unhang"), 0);
    OK(readable(m, 5000));
    EQ(fence_status(m), -ETIME); // an error of a part is one of the whole
    int fds[] = { f, g, a, b, m, fd, other };
    for (int i = 0; i < 7; i++)
        close(fds[i]);
}

static void counting(void)
{
    struct drmsim_counters a, b;
    counters(&a);
    EQ(a.version, 1);
    EQ(a.size, sizeof(a));
    int fd = dev();
    int q = queue(fd, 0), shared = export_bo(fd, bo(fd, 4096));
    EQ(q, 1);
    EQ(io(fd, 0xc0086449ul, &(uint64_t){ 0 }), -EINVAL);
    int f = job(fd, 0, 1, 0, -1);
    counters(&b);
    EQ(b.calls[DRMSIM_OPEN] - a.calls[DRMSIM_OPEN], 1);
    EQ(b.calls[DRMSIM_GEM_NEW] - a.calls[DRMSIM_GEM_NEW], 1);
    EQ(b.calls[DRMSIM_OTHER] - a.calls[DRMSIM_OTHER], 1);
    EQ(b.jobs_done - a.jobs_done, 1);
    OK(b.files == 1 && b.bos == 1 && b.bytes == 4096 && b.handles == 1);
    OK(b.queues == 1 && b.fences == 1 && b.syncobjs == 0 && b.jobs_running == 0);
    EQ(strcmp(kind_name(DRMSIM_SUBMIT), "SUBMIT"), 0);
    OK(!kind_name(DRMSIM_KIND_COUNT));
    close(fd);
    counters(&b);
    OK(b.files == 0 && b.handles == 0 && b.bos == 1); // the dma-buf keeps it
    close(shared);
    close(f);
}

#define THREADS 4

static void *storm(void *arg)
{
    int shared_fd = *(int *)arg;
    for (uint32_t i = 0; i < 200; i++) {
        int fd = i % 2 ? dev() : dup(shared_fd);
        uint32_t h = bo(fd, 4096), q = (uint32_t)queue(fd, i % 3);
        int f = job(fd, q, 1, h, -1), g = job(fd, q, 2, h, f);
        int m = merge(f, g), d = export_bo(fd, h);
        OK(f >= 0 && g >= 0 && m >= 0 && d >= 0);
        EQ(wait_seqno(fd, q, 2, now() + 5000000000ll), 0);
        OK(readable(m, 5000));
        EQ(io(fd, QUEUE_CLOSE, &q), 0);
        EQ(io(fd, GEM_CLOSE, &(struct drm_gem_close){ h, 0 }), 0);
        close(f);
        close(g);
        close(m);
        close(d);
        close(fd);
    }
    return NULL;
}

static void threads(void)
{
    int fd = dev();
    pthread_t t[THREADS];
    EQ(control("gpu_us 20"), 0);
    for (int i = 0; i < THREADS; i++)
        EQ(pthread_create(&t[i], NULL, storm, &fd), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    close(fd);
}

const struct test_case control_cases[] = {
    { "refused commands", bad_commands, NULL },
    { "scripted faults", scripted, NULL },
    { "gpu errors", gpu_errors, NULL },
    { "counters", counting, NULL },
    { "threads", threads, NULL },
    { 0 },
};
