// bench --lib LIB [--benchstat FILE] [--only TEXT]: the library's speed beside that of the bare ioctls, on the
// simulated GPU, which must be preloaded. Prints only; it fails if something does not work, not if something is
// slow. --only is for profilers: it runs the timed rows that have TEXT in their names.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"

const char *lib_path;
struct drmsim_api drmsim;
static const char *only;

bool wanted(const char *row) { return !only || strstr(row, only); }

void die(const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fprintf(stderr, "bench: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    _exit(1);
}

void gpu(const char *command)
{
    int r = drmsim.control(command);

    if (r)
        die("the simulated GPU refused \"%s\": %s", command, strerror(-r));
}

static void find_simulator(void)
{
    *(void **)&drmsim.control = dlsym(RTLD_DEFAULT, "drmsim_control");
    *(void **)&drmsim.counters = dlsym(RTLD_DEFAULT, "drmsim_counters");
    *(void **)&drmsim.kind_name = dlsym(RTLD_DEFAULT, "drmsim_kind_name");
    if (!drmsim.control || !drmsim.counters || !drmsim.kind_name)
        die("there is no simulated GPU; run it with LD_PRELOAD=build/libdrmsim.so");
}

static void allow_many_files(void)
{
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 18000)
        die("at most %lu open files are allowed and 18,000 are needed; raise the limit with ulimit -n",
            (unsigned long)files.rlim_cur);
}

int main(int argc, char **argv)
{
    const char *child = NULL;

    for (int i = 1; i < argc; i++) {
        const char **value = strcmp(argv[i], "--lib") == 0     ? &lib_path
                             : strcmp(argv[i], "--only") == 0  ? &only
                             : strcmp(argv[i], "--child") == 0 ? &child
                                                               : NULL;
        if (strcmp(argv[i], "--benchstat") == 0 && argv[i + 1])
            benchstat_open(argv[++i]);
        else if (value && argv[i + 1])
            *value = argv[++i];
        else
            die("usage: bench --lib LIB [--benchstat FILE] [--only TEXT]");
    }
    if (!lib_path)
        die("usage: bench --lib LIB [--benchstat FILE] [--only TEXT]");
    find_simulator();
    allow_many_files();
    gpu("gpu_us 0");
    if (child)
        return child_main(child);

    lib_load();
    lib_init();
    guest_open(CTX, QUEUES, 1, MAX_BOS);
    raw_open(QUEUES, 1, MAX_BOS);
    table_head();
    rows_calls();
    rows_fences();
    if (!only) {
        count_head();
        rows_fences_files();
    }
    guest_close();
    raw_close();
    vmm.cleanup(NULL);
    if (!only) {
        rows_processes();
        rows_tail();
    }
    table_notes();
    benchstat_close();
    return 0;
}
