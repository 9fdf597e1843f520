// memory LIB: too little memory or too few threads make init fail with a sentence, not the process; and what idling costs.
#define _GNU_SOURCE
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { NOBODY = 65534, MIB = 1 << 20 };

static char last_line[512];
static unsigned lines;

static void log_line(enum virgl_log_level_flags level, const char *message, void *user)
{
    (void)user;
    if (level < VIRGL_LOG_LEVEL_WARNING)
        return;
    lines++;
    snprintf(last_line, sizeof last_line, "%.*s", (int)strcspn(message, "\n"), message);
}

// One line: what is missing, why, and which limit to raise.
static void init_refuses(const char *limit)
{
    int before = thread_count();

    lines = 0;
    EXPECT(lib_init() == -ENOMEM);
    note("%s", last_line);
    EXPECT(lines == 1);
    EXPECT(strncmp(last_line, "drm: init: cannot ", 18) == 0);
    EXPECT(strstr(last_line, "raise") && strstr(last_line, limit));
    EXPECT(thread_count() == before);
}

static void everything_works(void)
{
    struct guest g;

    lines = 0;
    EXPECT(lib_init() == 0);
    EXPECT(guest_open(&g, 1, 1));
    for (int i = 0; i < 100; i++)
        EXPECT(guest_job_fence(&g, 1));
    EXPECT(fences_wait() && fences_all_once());
    guest_close(&g);
    EXPECT(lines == 0);
}

static void load(void)
{
    lib_load();
    api.virgl_set_log_callback(log_line, NULL, NULL);
}

static void set_limit(__rlimit_resource_t what, rlim_t soft)
{
    struct rlimit l;

    EXPECT(getrlimit(what, &l) == 0);
    l.rlim_cur = soft < l.rlim_max ? soft : l.rlim_max;
    EXPECT(setrlimit(what, &l) == 0);
}

// Root has no limits on memory it locks, nor on threads.
static void become_nobody(void)
{
    if (getuid() == 0)
        EXPECT(setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0);
}

static void little_address_space(void)
{
    load();
    for (int i = 0; i < 2; i++) {
        set_limit(RLIMIT_AS, (rlim_t)status_number("/proc/self/status", "VmSize") * 1024 + (rlim_t)1024 * MIB);
        init_refuses("RLIMIT_AS");
        init_refuses("RLIMIT_AS");
    }
    set_limit(RLIMIT_AS, RLIM_INFINITY);
    everything_works();
}

static void no_threads(void)
{
    load();
    become_nobody();
    set_limit(RLIMIT_NPROC, 0);
    init_refuses("RLIMIT_NPROC");
    init_refuses("RLIMIT_NPROC");
    set_limit(RLIMIT_NPROC, RLIM_INFINITY);
    everything_works();
}

static void locked_memory(void)
{
    load();
    set_limit(RLIMIT_MEMLOCK, 256 * MIB);
    become_nobody();
    // The limit may be too small for what is mapped already; what counts is what comes.
    EXPECT(mlockall(MCL_CURRENT | MCL_FUTURE) == 0 || mlockall(MCL_FUTURE) == 0);
    init_refuses("RLIMIT_MEMLOCK");
    init_refuses("RLIMIT_MEMLOCK");
    EXPECT(munlockall() == 0);
    everything_works();
}

static void locked_without_limit(void)
{
    long before, after;

    load();
    if (getuid()) {
        note("NOT TESTED: only root may lock without limit");
        failures += getenv("CI") != NULL;
        return;
    }
    EXPECT(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
    before = status_number("/proc/self/status", "VmRSS");
    everything_works();
    after = status_number("/proc/self/status", "VmRSS");
    note("%ld MiB of memory, locked, where it would be a few", (after - before) / 1024);
    EXPECT(after - before < 120 * 1024);
}

// Once it runs, the library makes one more thread: the one that waits for fences.
static void no_threads_later(void)
{
    struct guest g;

    load();
    become_nobody();
    EXPECT(lib_init() == 0);
    EXPECT(guest_open(&g, 1, 1));
    sim("gpu_us 200");
    EXPECT(guest_job_fence(&g, 1) && fences_wait()); // the simulator needs a thread, too
    api.virgl_renderer_cleanup(NULL);
    set_limit(RLIMIT_NPROC, 0);
    EXPECT(lib_init() == 0);
    EXPECT(guest_open(&g, 2, 1));
    EXPECT(guest_job(&g, 1));
    int code = api.virgl_renderer_context_create_fence(2, 0, 1, 1000);
    if (!EXPECT(code == -ENOMEM))
        note("it is %d (%s)", code, strerror(-code));
    set_limit(RLIMIT_NPROC, RLIM_INFINITY);
    for (int i = 0; i < 10; i++)
        EXPECT(guest_job_fence(&g, 1));
    EXPECT(fences_wait() && fences_all_once());
}

static long context_switches(void)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *task;
    long sum = 0;

    while ((task = readdir(dir))) {
        char path[300];
        if (task->d_name[0] == '.' || (pid_t)strtol(task->d_name, NULL, 10) == gettid())
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        sum += status_number(path, "voluntary_ctxt_switches") + status_number(path, "nonvoluntary_ctxt_switches");
    }
    closedir(dir);
    return sum;
}

static void idle(void)
{
    static const char status[] = "/proc/self/status";
    struct guest g;
    long rss, threads, switches, rss_after;

    load();
    rss = status_number(status, "VmRSS");
    EXPECT(lib_init() == 0);
    pause_ms(100);
    note("after init: %ld KiB of memory, %d threads", status_number(status, "VmRSS") - rss, thread_count() - 1);
    EXPECT(guest_open(&g, 1, 1));
    sim("gpu_us 200");
    for (int i = 0; i < 200; i++)
        EXPECT(guest_job_fence(&g, 1));
    EXPECT(fences_wait());
    pause_ms(6000); // the waiter looks once more after five seconds
    rss_after = status_number(status, "VmRSS");
    threads = thread_count() - 2; // this one and the simulator's
    switches = context_switches();
    pause_ms(5000);
    switches = context_switches() - switches;
    note("after work: %ld KiB of memory, %ld threads; idle: %ld context switches in 5 s", rss_after - rss, threads, switches);
    EXPECT(rss_after - rss < 8 * 1024);
    EXPECT(threads <= 12);
    EXPECT(switches <= 5);
}

static struct guest guests[8];

static void *calls(void *guest)
{
    for (int i = 0; i < 1500; i++) {
        EXPECT(guest_nop(guest));
        busy_calls(100);
        if (i % 10 == 0)
            EXPECT(guest_job_fence(guest, 1));
    }
    return NULL;
}

static void many_callers(void)
{
    pthread_t threads[8];

    load();
    api.virgl_set_log_callback(NULL, NULL, NULL); // silence: busy_calls() is refused
    EXPECT(lib_init() == 0);
    sim("gpu_us 200");
    for (uint32_t i = 0; i < 8; i++)
        EXPECT(guest_open(&guests[i], i + 1, 1));
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, calls, &guests[i]);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    EXPECT(fences_wait() && fences_all_once());
    note("%d threads of the library after eight busy ones of the host", thread_count() - 2);
    EXPECT(thread_count() - 2 <= 20);
}

int main(int argc, char **argv)
{
    static const struct host_case cases[] = {
        { "init refuses in one line when address space is short, and works later", little_address_space },
        { "init refuses in one line when threads are short, and works later", no_threads },
        { "init refuses in one line after mlockall with a small limit, and works later", locked_memory },
        { "everything works after mlockall without a limit", locked_without_limit },
        { "a thread that cannot be had after init costs one fence", no_threads_later },
        { "many busy callers make few threads", many_callers },
        { "an idle library costs little", idle },
    };

    return RUN_CASES(argc, argv, cases);
}
