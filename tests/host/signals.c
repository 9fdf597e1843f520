// signals LIB: after thousands of calls the host's signals still do what the host set them up for.
#define _GNU_SOURCE
#include "host.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALLS = 5000 };

static struct guest g;

static void start(void)
{
    lib_load();
    EXPECT(lib_init() == 0);
    EXPECT(guest_open(&g, 1, 1));
    for (int i = 0; i < CALLS; i++)
        guest_nop(&g);
    EXPECT(g.shm->base.seqno == g.seqno);
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction a = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

    sigaction(sig, &a, NULL);
}

// ---- defaults

// How a process ends that touches a bad address, or gets a signal, with everything at default.
static int end_of(void (*act)(void))
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        alarm(10);
        start();
        act();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static char *volatile nowhere;
static void touch_null(void) { *nowhere = 1; }
static void get_term(void) { raise(SIGTERM); }

static void broken_pipe(void)
{
    int fds[2];

    if (pipe(fds) == 0 && close(fds[0]) == 0 && write(fds[1], "x", 1) == 1)
        _exit(3);
}

static void ignored_pipe(void)
{
    signal(SIGPIPE, SIG_IGN);
    broken_pipe();
    EXPECT(errno == EPIPE);
}

static void defaults_still_end_the_process(void)
{
    int err = memfd_create("stderr", 0);
    char text[1 << 16] = { 0 };

    EXPECT(end_of(get_term) == SIGTERM);
    EXPECT(end_of(broken_pipe) == SIGPIPE);
    dup2(err, STDERR_FILENO);
    EXPECT(end_of(touch_null) == SIGSEGV);
    EXPECT(pread(err, text, sizeof text - 1, 0) >= 0 && !strstr(text, "goroutine")); // the crash is the host's alone
    EXPECT(end_of(ignored_pipe) == 0);
}

// ---- handlers and masks

static volatile int counts[NSIG];

static void count(int sig, siginfo_t *info, void *unused)
{
    (void)info, (void)unused;
    counts[sig]++;
}

static void *children(void *unused)
{
    (void)unused;
    guest_nop(&g);
    for (int i = 0; i < 20; i++) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0)
            _exit(7);
        EXPECT(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
    }
    return NULL;
}

static void handlers_and_masks_stay(void)
{
    static const int used[] = { SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGCHLD, SIGURG, SIGIO, SIGWINCH,
                                SIGPROF, SIGVTALRM, SIGTRAP, SIGSYS, SIGXFSZ, SIGPWR };
    struct sigaction before[NSIG], now;
    struct itimerval tick = { { 0, 2000 }, { 0, 2000 } };
    sigset_t blocked, mask;
    pthread_t thread;
    const char *overlay = getenv("OVERLAY"); // off: Go's threads take SIGCHLD and SIGPROF, on stacks of a few KiB

    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        handle(used[i], count, SA_RESTART | (overlay && !strcmp(overlay, "off") ? SA_ONSTACK : 0));
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    sigaddset(&blocked, SIGWINCH);
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
    for (int sig = 1; sig < NSIG; sig++)
        sigaction(sig, NULL, &before[sig]);
    start();
    setitimer(ITIMER_PROF, &tick, NULL);
    busy_calls(1500000);
    for (int i = 0; i < CALLS; i++)
        guest_nop(&g);
    memset(&tick, 0, sizeof tick);
    setitimer(ITIMER_PROF, &tick, NULL);
    EXPECT(counts[SIGPROF] > 10);
    EXPECT(counts[SIGURG] == 0);
    pthread_kill(pthread_self(), SIGURG);
    EXPECT(counts[SIGURG] == 1);
    pthread_create(&thread, NULL, children, NULL);
    pthread_join(thread, NULL);
    EXPECT(counts[SIGCHLD] > 0);
    for (int sig = 1; sig < NSIG; sig++)
        if (sig != SIGSEGV && sig != SIGBUS && sig != SIGFPE && sigaction(sig, NULL, &now) == 0 &&
            !EXPECT(before[sig].sa_sigaction == now.sa_sigaction && before[sig].sa_flags == now.sa_flags))
            note("signal %d", sig);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (int sig = 1; sig < NSIG; sig++)
        EXPECT(sigismember(&mask, sig) == sigismember(&blocked, sig));
}

// ---- interrupted system calls

static volatile bool stop;
static unsigned waits, interrupted; // atomic

static void wait_a_little(bool by_poll)
{
    struct timespec t = { 0, 200000 };
    int r = by_poll ? ppoll(NULL, 0, &t, NULL) : nanosleep(&t, NULL);

    __atomic_add_fetch(&waits, 1, __ATOMIC_RELAXED);
    if (r < 0 && errno == EINTR)
        __atomic_add_fetch(&interrupted, 1, __ATOMIC_RELAXED);
}

static void *only_waits(void *by_poll)
{
    while (!stop)
        wait_a_little(by_poll != NULL);
    return NULL;
}

static void *calls_and_waits(void *by_poll)
{
    while (!stop) {
        busy_calls(50);
        wait_a_little(by_poll != NULL);
    }
    return NULL;
}

static void waits_are_not_interrupted(void)
{
    static char yes;
    void *(*const runs[])(void *) = { only_waits, only_waits, calls_and_waits, calls_and_waits };
    pthread_t threads[4];

    handle(SIGURG, count, 0);
    start();
    sim("gpu_us 300");
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, runs[i], i % 2 ? &yes : NULL);
    for (int i = 0; i < 500; i++) {
        busy_calls(2000);
        guest_job_fence(&g, 1);
    }
    EXPECT(fences_wait());
    stop = true;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    note("%u waits in four threads, %u interrupted", waits, interrupted);
    EXPECT(waits > 1000 && interrupted == 0);
}

int main(int argc, char **argv)
{
    static const struct host_case cases[] = {
        { "signals at default end the process as ever", defaults_still_end_the_process },
        { "handlers and masks stay as they are, profiling and waiting for children works", handlers_and_masks_stay },
        { "no wait in the host is interrupted by calls or collections", waits_are_not_interrupted },
    };

    return RUN_CASES(argc, argv, cases);
}
