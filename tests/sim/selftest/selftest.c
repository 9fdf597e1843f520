// Selftest of the simulated DRM device; run it under LD_PRELOAD (see ../README.md).
#define _GNU_SOURCE
#include "selftest.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct test_case *const lists[] = {
    generic_cases, gem_cases, submit_cases, fence_cases, control_cases,
    asahi_cases, asahi_submit_cases, device_cases,
};
#define LISTS (sizeof(lists) / sizeof(lists[0]))

// Nothing may be left of a case: no fd, no object in the simulation.
static void check_leaks(int fds)
{
    struct drmsim_counters c;
    for (int i = 0; i < 200; i++) { // jobs of closed files may still be ending
        counters(&c);
        if (!c.jobs_running)
            break;
        usleep(10000);
    }
    counters(&c);
    EQ(open_fds(), fds);
    EQ(c.files, 0);
    EQ(c.bos, 0);
    EQ(c.bytes, 0);
    EQ(c.handles, 0);
    EQ(c.queues, 0);
    EQ(c.syncobjs, 0);
    EQ(c.vms, 0);
    EQ(c.bindings, 0);
    EQ(c.objects, 0);
    EQ(c.fences, 0);
    EQ(c.jobs_running, 0);
}

static void run_here(const struct test_case *t)
{
    int fds = open_fds(), before = failures;
    t->run();
    EQ(control("reset"), 0);
    check_leaks(fds);
    printf("%s %s\n", failures == before ? "PASS" : "FAIL", t->name);
    fflush(stdout);
}

// The environment is read once, so a case with one of its own needs a process.
static void run_apart(const struct test_case *t)
{
    char program[512];
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
    program[n < 0 ? 0 : n] = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        putenv((char *)t->env);
        execl(program, program, "--one", t->name, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
        failures++;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 1)
            printf("FAIL %s: ended with status 0x%x\n", t->name, (unsigned)status);
    }
}

static bool load_control(void)
{
    *(void **)&control = dlsym(RTLD_DEFAULT, "drmsim_control");
    *(void **)&counters = dlsym(RTLD_DEFAULT, "drmsim_counters");
    *(void **)&kind_name = dlsym(RTLD_DEFAULT, "drmsim_kind_name");
    return control && counters && kind_name;
}

// selftest [NAME...] runs all cases or those named; selftest bench measures.
int main(int argc, char **argv)
{
    if (!load_control()) {
        fprintf(stderr, "run me with LD_PRELOAD=libdrmsim.so\n");
        return 2;
    }
    if (argc == 2 && strcmp(argv[1], "bench") == 0) {
        bench();
        return 0;
    }
    bool inside = argc == 3 && strcmp(argv[1], "--one") == 0;
    int ran = 0;
    for (size_t l = 0; l < LISTS; l++) {
        for (const struct test_case *t = lists[l]; t->name; t++) {
            bool wanted = argc == 1;
            for (int i = 1; i < argc; i++)
                wanted = wanted || strcmp(argv[i], t->name) == 0;
            if (!wanted)
                continue;
            ran++;
            if (t->env && !inside)
                run_apart(t);
            else
                run_here(t);
        }
    }
    if (!inside)
        printf("%d cases, %d failed checks or processes\n", ran, failures);
    return failures || !ran;
}
