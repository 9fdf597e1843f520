// Starts the Go runtime inside this process on demand and prepares threads for calling it; the states are in boot.h.
#include "boot.h"

#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>

// The pointer to the runtime's entry point that build/defer.lds took out of .init_array.
typedef void (*rt0_fn)(int argc, char **argv);
extern rt0_fn __go_rt0_slot[] __attribute__((visibility("hidden")));

enum vd_state vd_state = VD_NOT_STARTED;
__thread bool vd_thread_known;

// Held while the runtime starts and across fork(), so that no child ever gets half a runtime.
static pthread_mutex_t boot_lock = PTHREAD_MUTEX_INITIALIZER;

static void fork_prepare(void)
{
    pthread_mutex_lock(&boot_lock);
}

static void fork_parent(void)
{
    pthread_mutex_unlock(&boot_lock);
}

static void fork_child(void)
{
    if (vd_state == VD_RUNNING)
        __atomic_store_n(&vd_state, VD_FORKED, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&boot_lock);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(fork_prepare, fork_parent, fork_child);
}

// ---- preflight: the runtime aborts the process when it cannot get memory or a thread, so ask for both first

enum {
    PROBE_THREADS = 8, // the runtime starts five to seven at once when GOMAXPROCS is at most 4
    MAX_PROCS = 4,
};

// What the runtime and libc reserve for it, mostly without using it: 1.5 GiB measured with two CPUs. Less makes it abort.
static const size_t probe_bytes = (size_t)2 << 30;

static void *wait_for_gate(void *gate)
{
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

static bool can_start_threads(char *err, size_t n)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_t threads[PROBE_THREADS];
    int started = 0, rc = 0;

    pthread_mutex_lock(&gate); // all of them must exist at the same time
    while (started < PROBE_THREADS && !(rc = pthread_create(&threads[started], NULL, wait_for_gate, &gate)))
        started++;
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    if (rc)
        snprintf(err, n, "init: cannot start thread %d of the %d that the Go runtime needs (%s): raise the limit on processes "
                 "(RLIMIT_NPROC, cgroup pids.max) or on memory (RLIMIT_AS, RLIMIT_MEMLOCK after mlockall)",
                 started + 1, PROBE_THREADS, strerror(rc));
    return rc == 0;
}

static bool preflight(char *err, size_t n)
{
    void *room = mmap(NULL, probe_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) {
        snprintf(err, n, "init: cannot reserve the %zu MiB of address space that the Go runtime needs (%s): raise RLIMIT_AS, or "
                 "RLIMIT_MEMLOCK if the process calls mlockall", probe_bytes >> 20, strerror(errno));
        return false;
    }
    bool ok = can_start_threads(err, n);
    munmap(room, probe_bytes);
    return ok;
}

// ---- start

// The runtime reads its arguments, environment and auxiliary vector from one block and keeps pointers into it. It gets a
// private one: the host may overwrite its own argv or environment, and neither is meant to configure this library.
static char **runtime_args(void)
{
    static const unsigned long tags[] = {AT_RANDOM, AT_PAGESZ, AT_SYSINFO_EHDR, AT_HWCAP, AT_HWCAP2, AT_SECURE};
    static uintptr_t block[2 + 5 + 2 * (sizeof tags / sizeof *tags) + 2];
    static char procs[32];
    uintptr_t *p = block;
    cpu_set_t cpus;
    int n = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : MAX_PROCS;
    char *godebug = NULL;
    const char *wanted = getenv("VIRGLDRM_GODEBUG");

    snprintf(procs, sizeof procs, "GOMAXPROCS=%d", n < MAX_PROCS ? n : MAX_PROCS);
    if (wanted && asprintf(&godebug, "GODEBUG=%s", wanted) < 0)
        godebug = NULL;

    *p++ = (uintptr_t)"virglrenderer";
    *p++ = 0;
    *p++ = (uintptr_t)procs;
    *p++ = (uintptr_t)"GOGC=400"; // a small heap: fewer collections matter more than its size
    *p++ = (uintptr_t)"GOTRACEBACK=all";
    if (godebug)
        *p++ = (uintptr_t)godebug;
    *p++ = 0;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        *p++ = tags[i];
        *p++ = getauxval(tags[i]);
    }
    *p++ = AT_NULL;
    *p++ = 0;
    return (char **)block;
}

static bool go_owns(int sig)
{
    return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE;
}

// The first call of a thread into Go unblocks signals in it for good, so the mask is put back. It also grows the stack of
// the goroutine that serves this thread (runtime setting gcshrinkstackoff keeps it grown): a host signal handler without
// SA_ONSTACK runs on that stack when the signal arrives inside Go.
static void introduce_thread(void)
{
    sigset_t all, mask;

    sigfillset(&all); // a handler that ran before the stack has grown would overflow it
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    vd_go_grow_stack(24); // also waits until the runtime is up
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    vd_thread_known = true;
}

static void start(void)
{
    // Static, for the boot lock is held: 10 KiB are too much for a small thread's stack.
    static struct sigaction saved[NSIG];
    static bool have[NSIG];

    for (int sig = 1; sig < NSIG; sig++) // libc refuses the two it keeps for itself
        have[sig] = sigaction(sig, NULL, &saved[sig]) == 0;
#ifdef VD_UNEDITED // Go's own standard library raises this limit as it starts
    struct rlimit files;
    bool have_files = getrlimit(RLIMIT_NOFILE, &files) == 0;
#endif
    __go_rt0_slot[0](1, runtime_args());
    introduce_thread();
#ifdef VD_UNEDITED
    if (have_files)
        setrlimit(RLIMIT_NOFILE, &files);
#endif
    for (int sig = 1; sig < NSIG; sig++) {
        struct sigaction now;
        // Setting an unchanged disposition again is not harmless: it can discard a pending signal.
        if (have[sig] && !go_owns(sig) && sigaction(sig, NULL, &now) == 0 &&
            (now.sa_handler != saved[sig].sa_handler || now.sa_flags != saved[sig].sa_flags))
            sigaction(sig, &saved[sig], NULL);
    }
    __atomic_store_n(&vd_state, VD_RUNNING, __ATOMIC_RELEASE);
}

bool vd_boot(char *err, size_t n)
{
    sigset_t all, mask;
    bool ok = true;

    sigfillset(&all); // the runtime's threads inherit this mask: host signals are never delivered to them
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    pthread_mutex_lock(&boot_lock);
    if (vd_state == VD_FORKED) {
        snprintf(err, n, "init: this process was forked from one that had already called virgl_renderer_init: call it only after "
                 "the fork");
        ok = false;
    } else if (vd_state == VD_NOT_STARTED) {
        ok = preflight(err, n);
        if (ok)
            start();
    }
    pthread_mutex_unlock(&boot_lock);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return ok && vd_ready();
}

bool vd_ready_slow(void)
{
    if (__atomic_load_n(&vd_state, __ATOMIC_ACQUIRE) != VD_RUNNING)
        return false;
    if (!vd_thread_known)
        introduce_thread();
    return true;
}

bool vd_forked(void)
{
    return __atomic_load_n(&vd_state, __ATOMIC_ACQUIRE) == VD_FORKED;
}
