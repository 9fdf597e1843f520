// The slowest of many SUBMITs: alone, beside a thread that calls, and beside one whose calls make Go collect garbage.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"

enum { OPS = 300000, WORK_US = 500, REST_US = 500 }; // of the other thread

enum beside { ALONE, CALLING, GARBAGE, SITUATIONS };
static const char *const names[SITUATIONS] = { "SUBMIT, alone", "beside a thread that calls", "beside one whose calls make garbage" };
static const char *const benches[SITUATIONS] = { "SubmitAlone", "SubmitCalls", "SubmitGarbage" };
enum { P50, P99, P999, SLEEPS, COLUMNS };

// ---- the child; the collector's lines on stderr tell what it did

static bool stop; // atomic

// Neither call holds a lock of the library. What a refused one formats is garbage when it returns.
static void call(bool garbage)
{
    struct virgl_renderer_capset_drm caps;

    if (!garbage)
        vmm.fill_caps(VIRGL_DRM_CAPSET, 0, &caps);
    else if (!vmm.context_create_with_flags(CTX, 0xff, 0, NULL))
        die("a context of an unknown capset was made");
}

// Two threads on one CPU would only measure that.
static void stay_on_cpu(int cpu)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof(one), &one); // if there is only one, so be it
}

static double sleeps(void)
{
    struct rusage u;

    getrusage(RUSAGE_THREAD, &u);
    return (double)u.ru_nvcsw;
}

static void *be_busy(void *situation)
{
    stay_on_cpu(1);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        uint64_t end = now_ns() + WORK_US * 1000;

        while (now_ns() < end)
            call(*(enum beside *)situation == GARBAGE);
        nap_us(REST_US);
    }
    return NULL;
}

static void submits(enum beside situation, double columns[COLUMNS])
{
    static uint64_t times[OPS];
    pthread_t other;

    stop = false;
    if (situation != ALONE && pthread_create(&other, NULL, be_busy, &situation))
        die("a thread cannot be made");
    columns[SLEEPS] = sleeps();
    for (uint32_t i = 0; i < OPS; i++) {
        uint64_t start = now_ns();

        guest_submit(1);
        times[i] = now_ns() - start;
    }
    columns[SLEEPS] = sleeps() - columns[SLEEPS];
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    if (situation != ALONE)
        pthread_join(other, NULL);
    columns[P50] = (double)percentile(times, OPS, 50);
    columns[P99] = (double)percentile(times, OPS, 99);
    columns[P999] = (double)percentile(times, OPS, 99.9);
}

// Of lines "gc 7 @0.3s 1%: 0.02+1.1+0.004 ms clock, ...": the outer two times are those when nothing else may run.
static unsigned collections(int log, double *longest_ms)
{
    FILE *f = fdopen(log, "r");
    char line[512];
    unsigned n = 0;
    double first, last;

    rewind(f);
    while (fgets(line, sizeof(line), f)) {
        const char *times = strstr(line, "%: ");

        if (!times || sscanf(times + 3, "%lf+%*f+%lf ms clock", &first, &last) != 2)
            continue;
        n++;
        first = first > last ? first : last;
        *longest_ms = first > *longest_ms ? first : *longest_ms;
    }
    fclose(f);
    return n;
}

void child_tail(void)
{
    double samples[SITUATIONS][COLUMNS][REPETITIONS], longest_ms = 0;
    int log = memfd_create("log", MFD_CLOEXEC);
    unsigned n;

    setenv("VIRGLDRM_GODEBUG", "gctrace=1", 1);
    lib_load();
    lib_init();
    guest_open(CTX, QUEUES, 1, MAX_BOS);
    dup2(log, STDERR_FILENO);
    for (int r = -1; r < REPETITIONS; r++) {
        for (enum beside s = 0; s < SITUATIONS; s++) {
            double columns[COLUMNS];

            submits(s, columns);
            for (int c = 0; c < COLUMNS && r >= 0; c++)
                samples[s][c][r] = columns[c];
        }
        stay_on_cpu(0); // after a round in which Go has made its threads, which would inherit it
    }
    for (int s = 0; s < SITUATIONS; s++)
        for (int c = 0; c < COLUMNS; c++)
            printf("%.0f ", median(samples[s][c], REPETITIONS));
    n = collections(log, &longest_ms);
    printf("%u %.0f\n", n, longest_ms * 1000);
}

// ---- the parent

void rows_tail(void)
{
    double numbers[SITUATIONS * COLUMNS + 2];

    run_child("tail", numbers, SITUATIONS * COLUMNS + 2);
    tail_head();
    for (int s = 0; s < SITUATIONS; s++)
        tail_print(names[s], benches[s], &numbers[s * COLUMNS], numbers[s * COLUMNS + SLEEPS]);
    table_note("garbage: the library collected it %.0f times; all of Go stood still for %.0f us at most", numbers[SITUATIONS * COLUMNS],
               numbers[SITUATIONS * COLUMNS + 1]);
}
