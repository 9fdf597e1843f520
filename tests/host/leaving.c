// leaving LIB: the process ends at any moment, the library is closed, reset and loaded twice, and has Go for a neighbour.
#define _GNU_SOURCE
#include "host.h"

#include <dlfcn.h>
#include <errno.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 200, CONTEXTS = 3 };

static struct guest guests[CONTEXTS];

// ---- leaving while busy

static void *keep_busy(void *arg)
{
    struct guest *g = arg;

    for (unsigned i = 0; i < UINT32_MAX; i++) {
        guest_job_fence(g, i % 2 + 1);
        busy_calls(20);
        while (fences_made() > fences_seen() + 200)
            pause_ms(1);
    }
    return NULL;
}

static void become_busy(void)
{
    pthread_t thread;

    lib_load();
    if (lib_init())
        _exit(2);
    sim("gpu_us 200");
    for (uint32_t i = 0; i < CONTEXTS; i++)
        if (!guest_open(&guests[i], i + 1, 2) || pthread_create(&thread, NULL, keep_busy, &guests[i]))
            _exit(2);
}

static void exit_here(uint32_t ctx, uint32_t ring, uint64_t id)
{
    static int taken;

    (void)ctx, (void)ring, (void)id;
    if (!__atomic_exchange_n(&taken, 1, __ATOMIC_ACQ_REL))
        exit(0);
}

static void *exit_thread(void *unused)
{
    (void)unused;
    exit(0);
}

static void leave(int round, char *self)
{
    pthread_t thread;

    alarm(20);
    if (round % 4 == 3) {
        char when[16];
        snprintf(when, sizeof when, "%d", round);
        execl("/proc/self/exe", self, lib_path, "--return", when, (char *)NULL);
        _exit(2);
    }
    become_busy();
    usleep((useconds_t)(round % 20) * 500);
    switch (round % 4) {
    case 0:
        exit(0);
    case 1:
        pthread_create(&thread, NULL, exit_thread, NULL);
        break;
    case 2:
        on_fence = exit_here;
    }
    for (;;)
        pause();
}

static void leaving_while_busy(void)
{
    static const char *const how[] = { "exit", "exit on another thread", "exit in a fence callback", "return from main" };
    int good = 0, rounds = emulated() ? ROUNDS / 10 : ROUNDS;

    for (int round = 0; round < rounds; round++) {
        int status;
        pid_t pid = fork();

        if (pid == 0)
            leave(round, program_invocation_name);
        waitpid(pid, &status, 0);
        good += status == 0;
        if (status)
            note("round %d, %s: status %#x", round, how[round % 4], status);
    }
    note("%d of %d times", good, rounds);
    EXPECT(good == rounds);
}

// ---- the library comes and goes

static void works(void)
{
    for (uint32_t i = 0; i < CONTEXTS; i++)
        EXPECT(guest_open(&guests[i], i + 1, 2));
    for (int n = 0; n < 20; n++)
        for (uint32_t i = 0; i < CONTEXTS; i++)
            EXPECT(guest_job_fence(&guests[i], 2));
    EXPECT(fences_wait());
    for (uint32_t i = 0; i < CONTEXTS; i++)
        guest_close(&guests[i]);
}

static void closing_and_opening(void)
{
    void *handle = lib_find(dlopen(lib_path, RTLD_NOW | RTLD_LOCAL), &api);

    EXPECT(lib_init() == 0);
    for (int i = 0; i < 20; i++) {
        works();
        EXPECT(dlclose(handle) == 0);
        pause_ms(5); // its threads go on living
        handle = lib_find(dlopen(lib_path, RTLD_NOW | RTLD_LOCAL), &api);
        EXPECT(lib_init() == 0); // still initialised, with the same arguments
    }
    api.virgl_renderer_cleanup(NULL);
    EXPECT(dlclose(handle) == 0);
    EXPECT(fences_all_once());
}

static void init_a_hundred_times(void)
{
    int files = 0, threads = 0;

    lib_load();
    sim("gpu_us 50");
    for (int i = 0; i < 100; i++) {
        EXPECT(lib_init() == 0);
        works();
        guest_open(&guests[0], 1, 1);
        EXPECT(guest_job_fence(&guests[0], 1)); // cleanup comes in between
        api.virgl_renderer_cleanup(NULL);
        EXPECT(fences_seen() == fences_made());
        if (i == 20) {
            files = open_files();
            threads = thread_count();
        }
    }
    pause_ms(100);
    note("%d files and %d threads after 20 times, %d and %d after 100", files, threads, open_files(), thread_count());
    EXPECT(open_files() <= files);
    EXPECT(thread_count() <= threads + 3); // the runtime may want another
    EXPECT(fences_all_once());
}

static void loaded_twice(void)
{
    struct api first, second;

    lib_find(dlopen(lib_path, RTLD_NOW | RTLD_LOCAL), &first);
    lib_find(dlmopen(LM_ID_NEWLM, lib_path, RTLD_NOW), &second); // the simulated GPU does not reach in there
    EXPECT(first.virgl_renderer_init != second.virgl_renderer_init);
    for (int i = 0; i < 50; i++) {
        api = i % 2 ? first : second;
        EXPECT(lib_init_flags(i % 2 ? NATIVE : PLAIN) == 0);
        if (i % 2)
            works();
        busy_calls(20000);
        if (i % 10 > 7)
            api.virgl_renderer_cleanup(NULL);
    }
    EXPECT(fences_all_once());
}

static void beside_go(bool ours_first)
{
    int (*other_work)(int) = NULL;
    char dir[4096], path[4120];

    snprintf(dir, sizeof dir, "%s", lib_path);
    snprintf(path, sizeof path, "%s/host-other.so", dirname(dir));
    if (ours_first) {
        lib_load();
        EXPECT(lib_init() == 0);
    }
    void *other = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (other)
        *(void **)&other_work = dlsym(other, "other_work");
    if (!EXPECT(other_work))
        return;
    EXPECT(other_work(10) == 10);
    if (!ours_first) {
        lib_load();
        EXPECT(lib_init() == 0);
    }
    for (int i = 0; i < 100; i++) {
        works();
        busy_calls(5000);
        EXPECT(other_work(50) == 50);
    }
    EXPECT(fences_all_once());
}

static void beside_go_first(void) { beside_go(true); }
static void beside_go_second(void) { beside_go(false); }

int main(int argc, char **argv)
{
    static const struct host_case cases[] = {
        { "the process may leave at any time while everything is busy", leaving_while_busy },
        { "dlclose and dlopen lose nothing", closing_and_opening },
        { "cleanup and init, a hundred times, leave nothing behind", init_a_hundred_times },
        { "two copies in one process live side by side", loaded_twice },
        { "another Go library may be loaded later", beside_go_first },
        { "another Go library may be loaded before", beside_go_second },
    };

    if (argc == 4 && !strcmp(argv[2], "--return")) {
        lib_path = argv[1];
        become_busy();
        usleep((useconds_t)(atoi(argv[3]) % 20) * 500);
        return 0;
    }
    return RUN_CASES(argc, argv, cases);
}
