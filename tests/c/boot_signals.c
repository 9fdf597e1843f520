// boot_signals LIB: init leaves the host its signal handlers and masks, and the library's threads take no host signal.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FLAGS = 1 << 7 | 1 << 8 }; // NO_VIRGL, ASYNC_FENCE_CB: works without a GPU, so that later calls get through to Go

struct callbacks {
    int version;
    void *functions[8];
};

static struct callbacks callbacks = {.version = 1};
static int (*init)(void *cookie, int flags, struct callbacks *cbs);
static int (*create)(uint32_t ctx, uint32_t flags, uint32_t len, const char *name);
enum { CALLERS = 4 };
static int failures;
static volatile bool stop;
static volatile int handled;

static void check(bool ok, const char *what)
{
    printf("%s %s\n", ok ? "PASS" : "FAIL", what);
    fflush(stdout);
    failures += !ok;
}

// Needs more stack than a goroutine starts with and, like most handlers, does not ask for the alternate stack.
static void big_handler(int sig)
{
    volatile char frame[16384];
    for (size_t i = 0; i < sizeof frame; i += 64)
        frame[i] = (char)sig;
    handled++;
}

static bool same_action(const struct sigaction *a, const struct sigaction *b)
{
    if (a->sa_handler == SIG_DFL || a->sa_handler == SIG_IGN)
        return a->sa_handler == b->sa_handler; // flags mean nothing then
    for (int sig = 1; sig < NSIG; sig++)
        if (sigismember(&a->sa_mask, sig) != sigismember(&b->sa_mask, sig))
            return false;
    return a->sa_handler == b->sa_handler && a->sa_flags == b->sa_flags;
}

static bool same_mask(const sigset_t *mask)
{
    sigset_t now;
    bool same = true;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    for (int sig = 1; sig < NSIG; sig++)
        if (sigismember(mask, sig) != sigismember(&now, sig)) {
            printf("signal %d is now %s\n", sig, sigismember(&now, sig) ? "blocked" : "unblocked");
            same = false;
        }
    return same;
}

static void *blocked_thread(void *result)
{
    sigset_t all, mask;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &mask); // libc keeps two signals out
    for (int i = 0; i < 10; i++)
        create(1, 0xff, 0, NULL);
    *(bool *)result = same_mask(&mask);
    return NULL;
}

// Every thread but this one must block the signals a host may direct at the process.
static bool library_threads_block_all(void)
{
    static const int host_signals[] = {SIGHUP, SIGINT, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGCHLD, SIGIO, SIGWINCH};
    DIR *dir = opendir("/proc/self/task");
    struct dirent *task;
    int others = 0, good = 0;
    const char *overlay = getenv("OVERLAY");
    bool unedited = overlay && !strcmp(overlay, "off"); // Go's own standard library lets SIGCHLD in

    if (unedited)
        printf("built with OVERLAY=off: SIGCHLD is not checked\n");
    while ((task = readdir(dir))) {
        char path[300], line[256];
        unsigned long long mask = 0;
        if (task->d_name[0] == '.' || atoi(task->d_name) == (int)syscall(SYS_gettid))
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        FILE *status = fopen(path, "r");
        while (status && fgets(line, sizeof line, status))
            sscanf(line, "SigBlk: %llx", &mask);
        if (status)
            fclose(status);
        bool blocks = true;
        for (size_t i = 0; i < sizeof host_signals / sizeof *host_signals; i++)
            blocks &= mask >> (host_signals[i] - 1) & 1 || (host_signals[i] == SIGCHLD && unedited);
        others++;
        good += blocks;
    }
    closedir(dir);
    return others > 0 && good == others;
}

static void *caller(void *unused)
{
    (void)unused;
    while (!stop)
        create(1, 0xff, 0, NULL);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sigaction before[NSIG], now;
    sigset_t some, mask;
    pthread_t thread;
    bool kept = false;

    if (argc != 2) {
        fprintf(stderr, "usage: %s LIB\n", argv[0]);
        return 2;
    }
    void *lib = dlopen(argv[1], RTLD_NOW);
    if (!lib) {
        printf("FAIL load: %s\n", dlerror());
        return 1;
    }
    *(void **)&init = dlsym(lib, "virgl_renderer_init");
    *(void **)&create = dlsym(lib, "virgl_renderer_context_create_with_flags");

    struct sigaction handler = {.sa_handler = big_handler, .sa_flags = SA_RESTART};
    static const int handle[] = {SIGUSR1, SIGUSR2, SIGCHLD, SIGALRM, SIGURG, SIGTERM};
    for (size_t i = 0; i < sizeof handle / sizeof *handle; i++)
        sigaction(handle[i], &handler, NULL);
    signal(SIGHUP, SIG_IGN);
    sigemptyset(&some);
    sigaddset(&some, SIGCHLD);
    sigaddset(&some, SIGPROF);
    sigaddset(&some, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &some, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (int sig = 1; sig < NSIG; sig++)
        sigaction(sig, NULL, &before[sig]);

    int rc = init(NULL, FLAGS, &callbacks);
    check(rc == 0, "init works without a device");
    check(same_mask(&mask), "the thread that called init keeps its mask");
    bool same = true;
    for (int sig = 1; sig < NSIG; sig++) {
        if (sigaction(sig, NULL, &now) || sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || same_action(&before[sig], &now))
            continue;
        printf("signal %d: handler %p flags %#x is now %p %#x\n", sig, (void *)(uintptr_t)before[sig].sa_handler,
               before[sig].sa_flags, (void *)(uintptr_t)now.sa_handler, now.sa_flags);
        same = false;
    }
    check(same, "every disposition but SEGV, BUS and FPE is the host's again");
    check(library_threads_block_all(), "the library's threads block the host's signals");

    pthread_create(&thread, NULL, blocked_thread, &kept);
    pthread_join(thread, NULL);
    check(kept, "a thread that blocks everything keeps its mask when it calls");

    pthread_t callers[CALLERS]; // their goroutines' stacks are neighbours: one too small spoils another
    for (int i = 0; i < CALLERS; i++)
        pthread_create(&callers[i], NULL, caller, NULL);
    for (int i = 0; i < 20000; i++) {
        pthread_kill(callers[i % CALLERS], SIGUSR1);
        if (i % CALLERS == 0)
            usleep(50);
    }
    stop = true;
    for (int i = 0; i < CALLERS; i++)
        pthread_join(callers[i], NULL);
    check(handled > 0, "a handler with a 16 KiB frame survives on threads that are calling"); // else the process is gone
    return failures != 0;
}
