// host.c - loads the library, runs cases in child processes, looks at the process.
#define _GNU_SOURCE
#include "host.h"

#include <dirent.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct api api;
const char *lib_path, *prog_arg;
int failures;

// Neither locks nor allocates, so it is safe in callbacks, in coroutines and in a jail.
static void vnote(const char *prefix, const char *format, va_list ap)
{
    char line[600];
    int n = snprintf(line, sizeof line, "%s", prefix);

    n += vsnprintf(line + n, sizeof line - (size_t)n - 1, format, ap);
    if (n > (int)sizeof line - 2)
        n = (int)sizeof line - 2;
    line[n++] = '\n';
    if (write(STDOUT_FILENO, line, (size_t)n) != n)
        failures++;
}

void note(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vnote("     ", format, ap);
    va_end(ap);
}

static void say(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vnote("", format, ap);
    va_end(ap);
}

bool expect(bool ok, const char *what, const char *file, int line)
{
    const char *slash = strrchr(file, '/');

    if (!ok) {
        __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
        note("%s:%d: expected %s", slash ? slash + 1 : file, line, what);
    }
    return ok;
}

void verdict(bool ok, const char *what)
{
    failures += !ok;
    say("%s %s", ok ? "PASS" : "FAIL", what);
}

void *lib_find(void *handle, struct api *a)
{
    if (!handle) {
        note("cannot load the library: %s", dlerror());
        _exit(1);
    }
#define F(name)                                             \
    if (!(*(void **)&a->name = dlsym(handle, #name))) {     \
        note("the library does not export %s", #name);      \
        _exit(1);                                           \
    }
    API_FUNCTIONS(F)
#undef F
    return handle;
}

void lib_load(void) { lib_find(dlopen(lib_path, RTLD_NOW), &api); }

int lib_init_flags(int flags) { return api.virgl_renderer_init(&callbacks, flags, &callbacks); }

int lib_init(void) { return lib_init_flags(NATIVE); }

void sim(const char *command)
{
    int (*control)(const char *) = NULL;

    *(void **)&control = dlsym(RTLD_DEFAULT, "drmsim_control");
    if (!control || control(command)) {
        note("the simulated GPU is missing or refused \"%s\": run this with LD_PRELOAD=.../libdrmsim.so", command);
        _exit(1);
    }
}

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void pause_ms(unsigned ms)
{
    struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

    while (nanosleep(&t, &t))
        ;
}

long status_number(const char *path, const char *key)
{
    char line[256];
    long value = -1;
    FILE *f = fopen(path, "r");

    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
            value = atol(line + strlen(key) + 1);
    if (f)
        fclose(f);
    return value;
}

int thread_count(void) { return (int)status_number("/proc/self/status", "Threads"); }

bool emulated(void) { return getenv("ARM64_EMULATOR") != NULL; }

int open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = -3; // . and .. and the directory itself

    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

void busy_calls(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        api.virgl_renderer_context_create_with_flags(1, 0xff, 0, NULL); // refused, with an error that is formatted
}

static const char *ended(int status)
{
    static char text[80];

    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(text, sizeof text, ": still running after %d s", CASE_SECONDS);
    else if (WIFSIGNALED(status))
        snprintf(text, sizeof text, ": the process died of signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) > 1)
        snprintf(text, sizeof text, ": the process ended with code %d", WEXITSTATUS(status));
    else
        text[0] = 0;
    return text;
}

int run_cases(int argc, char **argv, const struct host_case *cases, size_t n)
{
    bool any = false;

    if (argc < 2) {
        fprintf(stderr, "usage: %s LIB [WORD OF ONE CASE]\n", argv[0]);
        return 2;
    }
    lib_path = argv[1];
    prog_arg = argc > 2 ? argv[2] : NULL;
    for (size_t i = 0; i < n; i++) {
        int status;
        pid_t pid;

        if (prog_arg && !strstr(cases[i].what, prog_arg))
            continue;
        any = true;
        if ((pid = fork()) == 0) {
            failures = 0;
            alarm(CASE_SECONDS);
            cases[i].run();
            _exit(failures != 0);
        }
        waitpid(pid, &status, 0);
        failures += status != 0;
        say("%s %s%s", status ? "FAIL" : "PASS", cases[i].what, ended(status));
    }
    return failures || !any;
}
