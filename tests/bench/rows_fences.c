// Rows about fences: what adding one costs, how soon and how fast they retire, and how many descriptors they hold.
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"

enum { LATENCY_SAMPLES = 300, LATENCY_GAP_US = 200, BURST = 10000, FDS_FENCES = 256 };

static uint64_t added; // fences that will be reported, of both sides

static void fence(uint32_t arg, uint32_t i)
{
    (void)arg, (void)i;
    guest_submit(1);
    guest_fence(RING);
    added++;
}

// The GPU stops, and so many fences are pending before the clock starts.
static void stop_gpu(uint32_t pending)
{
    gpu("hang");
    for (uint32_t i = 0; i < pending; i++)
        fence(0, i);
}

static void let_gpu_run(void)
{
    gpu("unhang");
    retired_wait(added);
}

// Raw, adding a fence is no more than keeping the job's sync_file.
static int raw_files[BURST];
static uint32_t raw_nfiles;

static void fence_raw(uint32_t arg, uint32_t i)
{
    (void)arg, (void)i;
    raw_files[raw_nfiles++] = raw_submit(1);
}

static void stop_gpu_raw(uint32_t pending)
{
    gpu("hang");
    for (uint32_t i = 0; i < pending; i++)
        fence_raw(0, i);
}

static void let_gpu_run_raw(void)
{
    gpu("unhang");
    while (raw_nfiles)
        close(raw_files[--raw_nfiles]);
}

#define LIBRARY { fence, stop_gpu, let_gpu_run }
#define RAW { fence_raw, stop_gpu_raw, let_gpu_run_raw }

static const struct workload rows[] = {
    { "SUBMIT with 1 buffer and a fence, GPU busy", "SubmitFence", 2500, LIBRARY, RAW, 1, 8192, 1024 },
    { "the same with 1 fence pending on the ring", "Pending1", 3000, LIBRARY, RAW, 1, 512, 1 },
    { "with 64 pending", "Pending64", 3000, LIBRARY, RAW, 64, 512, 4 },
    { "with 1,024 pending", "Pending1024", 3000, LIBRARY, RAW, 1024, 512, 64 },
    { "with 8,192 pending", "Pending8192", 3000, LIBRARY, RAW, 8192, 512, 512 },
};

// A job whose sync_file goes to the raw side's waiter.
static void watch_raw(uint32_t arg, uint32_t i)
{
    (void)arg, (void)i;
    raw_waiter_add(raw_submit(1));
    added++;
}

// From the time the simulated kernel notes when it signals a job's fence, which SYNC_IOC_FILE_INFO tells, to the
// callback. The machine is idle meanwhile.
static uint64_t latency(bool library)
{
    uint64_t signalled, called;
    int file;

    gpu("hang");
    retired_watch(added + 1);
    if (library) {
        fence(0, 0);
        if (vmm.export_fence(guest_fence_id(), &file))
            die("a pending fence cannot be exported");
    } else {
        int job = raw_submit(1);

        file = dup(job);
        raw_waiter_add(job);
        added++;
    }
    nap_us(LATENCY_GAP_US); // the waiter falls asleep
    gpu("unhang");
    nap_us(LATENCY_GAP_US);
    called = retired_wait_watched();
    signalled = raw_signal_time(file);
    close(file);
    return called - signalled;
}

static void row_latency(void)
{
    static uint64_t all[REPETITIONS * LATENCY_SAMPLES], batch[LATENCY_SAMPLES];
    double lib[REPETITIONS], raw[REPETITIONS];
    struct row row = { .name = "signal to callback, median (goal p99 15000)", .bench = "SignalToCallback",
                       .goal_ns = 5000, .goal_p99_ns = 15000, .library = lib, .raw = raw, .ops = LATENCY_SAMPLES };

    if (!wanted(row.name))
        return;
    for (unsigned r = 0; r < REPETITIONS; r++) {
        for (unsigned i = 0; i < LATENCY_SAMPLES; i++)
            all[r * LATENCY_SAMPLES + i] = batch[i] = latency(true);
        lib[r] = (double)percentile(batch, LATENCY_SAMPLES, 50);
        for (unsigned i = 0; i < LATENCY_SAMPLES; i++)
            batch[i] = latency(false);
        raw[r] = (double)percentile(batch, LATENCY_SAMPLES, 50);
    }
    row.p99 = percentile(all, REPETITIONS * LATENCY_SAMPLES, 99);
    row_print(&row);
}
// Fences in one go. A pending one costs two descriptors here: the library's, and one that the simulated kernel keeps.
static uint32_t burst_size(void)
{
    struct rlimit files;
    rlim_t room;

    getrlimit(RLIMIT_NOFILE, &files);
    room = files.rlim_cur > 200 ? (files.rlim_cur - 200) / 2 : 0;
    return room < BURST ? (uint32_t)room : BURST;
}

static double burst(void (*add)(uint32_t arg, uint32_t i), uint32_t n)
{
    uint64_t start;

    gpu("hang");
    for (uint32_t i = 0; i < n; i++)
        add(0, i);
    retired_watch(added);
    start = now_ns();
    gpu("unhang");
    return (double)(retired_wait_watched() - start) / n;
}

static void row_burst(void)
{
    uint32_t n = burst_size();
    double lib[REPETITIONS], raw[REPETITIONS];
    char name[64];

    snprintf(name, sizeof(name), "retire a burst of %u, per fence", n);
    if (!wanted(name))
        return;
    burst(fence, n);
    burst(watch_raw, n);
    for (unsigned r = 0; r < REPETITIONS; r++) {
        lib[r] = burst(fence, n);
        raw[r] = burst(watch_raw, n);
    }
    row_print(&(struct row){ .name = name, .bench = "Burst", .goal_ns = 2500, .library = lib, .raw = raw, .ops = n });
    table_note("retire a burst: %.0f fences per second by the library, %.0f raw", 1e9 / median(lib, REPETITIONS),
               1e9 / median(raw, REPETITIONS));
}

static int open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = -3; // ., .. and the directory itself

    if (!dir)
        die("/proc/self/fd cannot be read");
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

void rows_fences_files(void)
{
    int before = open_files(), pending, pending_raw;

    stop_gpu(FDS_FENCES);
    pending = open_files() - before;
    let_gpu_run();
    int idle = open_files() - before;
    stop_gpu_raw(FDS_FENCES);
    pending_raw = open_files() - before;
    let_gpu_run_raw();
    // The raw side holds one per fence; what is beyond is the simulated kernel's.
    count_print("descriptors per pending fence", "FencePendingFiles", "files", 1,
                1 + (double)(pending - pending_raw) / FDS_FENCES, 1);
    count_print("descriptors after they have retired", "FenceIdleFiles", "files", NAN, idle, 0);
}

void rows_fences(void)
{
    raw_waiter_start();
    row_latency();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        measure(&rows[i]);
        guest_check();
    }
    row_burst();
    raw_waiter_stop();
}
