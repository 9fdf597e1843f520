// What the library costs the process around it. Each number comes from a new process: this program with --child.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { CONTEXTS = 100, PRIORITIES = 12, INITS = 9, IDLE_S = 3 };

// ---- about this process

static long resident_kib(void)
{
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    long kib = -1;

    while (f && kib < 0 && fgets(line, sizeof(line), f))
        sscanf(line, "Rss: %ld", &kib);
    if (!f || kib < 0)
        die("/proc/self/smaps_rollup cannot be read");
    fclose(f);
    return kib;
}

// Counts the threads and adds up how often those other than this one went to sleep.
static int threads(long *sleeps)
{
    DIR *dir = opendir("/proc/self/task");
    int n = 0;

    for (struct dirent *d; dir && (d = readdir(dir));) {
        char path[300], line[256];
        long switches;
        FILE *f;

        if (d->d_name[0] == '.')
            continue;
        n++;
        snprintf(path, sizeof(path), "/proc/self/task/%s/status", d->d_name);
        f = atoi(d->d_name) == getpid() ? NULL : fopen(path, "r");
        while (f && fgets(line, sizeof(line), f))
            if (sscanf(line, "voluntary_ctxt_switches: %ld", &switches) == 1)
                *sleeps += switches;
        if (f)
            fclose(f);
    }
    if (dir)
        closedir(dir);
    return n;
}

// ---- the children; each prints up to three numbers

static void child_init(void)
{
    uint64_t start;

    lib_load();
    start = now_ns();
    lib_init();
    printf("%lu\n", (unsigned long)(now_ns() - start));
}

static void child_idle(void)
{
    long before = resident_kib(), sleeps = 0, more = 0;
    int n;

    lib_load();
    lib_init();
    before = resident_kib() - before;
    guest_open(CTX, 1, 1, 1);
    gpu("hang");
    guest_submit(1);
    guest_fence(RING); // starts the thread for fences
    gpu("unhang");
    retired_wait(1);
    sleep(1); // the runtime settles
    threads(&sleeps);
    sleep(IDLE_S);
    n = threads(&more);
    printf("%ld %d %.3f\n", before, n, (double)(more - sleeps) / IDLE_S);
}

// As many contexts as a busy host has, with a job and a fence pending on every ring.
static void child_scale(bool library)
{
    long before, unused = 0;
    int n;

    if (library) {
        lib_load();
        lib_init();
    }
    gpu("hang");
    before = resident_kib();
    for (uint32_t c = 0; c < CONTEXTS; c++) {
        if (library)
            guest_open(CTX + c, PRIORITIES, PRIORITIES, 1);
        else
            raw_open(PRIORITIES, PRIORITIES, 1);
        for (uint32_t ring = 1; ring <= PRIORITIES; ring++) {
            if (library) {
                guest_submit_queue(ring - 1, 1);
                guest_fence(ring);
            } else {
                raw_submit_queue(ring - 1, 1);
            }
        }
    }
    before = resident_kib() - before;
    n = threads(&unused);
    gpu("unhang");
    if (library)
        retired_wait(CONTEXTS * PRIORITIES);
    printf("%d %ld\n", n, before);
}

int child_main(const char *kind)
{
    if (strcmp(kind, "init") == 0)
        child_init();
    else if (strcmp(kind, "idle") == 0)
        child_idle();
    else if (strcmp(kind, "scale") == 0 || strcmp(kind, "scale-raw") == 0)
        child_scale(kind[5] == 0);
    else if (strcmp(kind, "tail") == 0)
        child_tail();
    else
        die("there is no --child %s", kind);
    return 0;
}

// ---- the parent

void run_child(const char *kind, double *numbers, unsigned count)
{
    char out[256] = "", *at = out;
    int pipes[2], status;
    pid_t pid;
    ssize_t n;

    if (pipe2(pipes, O_CLOEXEC) || (pid = fork()) < 0)
        die("cannot start a child: %s", strerror(errno));
    if (pid == 0) {
        dup2(pipes[1], STDOUT_FILENO);
        if (strncmp(kind, "scale", 5) == 0)
            setenv("DRMSIM_PRIORITIES", "12", 1);
        execl("/proc/self/exe", "bench", "--lib", lib_path, "--child", kind, (char *)NULL);
        _exit(127);
    }
    close(pipes[1]);
    n = read(pipes[0], out, sizeof(out) - 1); // one short line, written at once
    close(pipes[0]);
    if (waitpid(pid, &status, 0) != pid || status || n <= 0)
        die("the child for \"%s\" failed", kind);
    for (unsigned i = 0; i < count; i++)
        numbers[i] = strtod(at, &at);
}

void rows_processes(void)
{
    double init[INITS], idle[3], scale[2], raw[2], ns;

    for (int i = 0; i < INITS; i++) {
        run_child("init", &ns, 1);
        init[i] = ns / 1e6;
    }
    run_child("idle", idle, 3);
    run_child("scale", scale, 2);
    run_child("scale-raw", raw, 2);
    count_print("first init, with the start of Go", "Init", "ms", NAN, median(init, INITS), 2);
    count_print("idle: memory added by load and init", "IdleMemory", "MiB", NAN, idle[0] / 1024, NAN);
    count_print("idle: threads of the process", "IdleThreads", "threads", NAN, idle[1], NAN);
    count_print("idle: wake-ups per second", "IdleWakeups", "wakeups/s", NAN, idle[2], NAN);
    count_print("100 contexts, 1,200 rings: threads", "ScaleThreads", "threads", raw[0], scale[0], 8);
    count_print("100 contexts, 1,200 rings: memory, less raw", "ScaleMemory", "MiB", raw[1] / 1024,
                (scale[1] - raw[1]) / 1024, 8);
}
