// sandbox LIB LIST: the library does all its work inside the seccomp jails of VMMs, and in one that allows no system calls
// but those in LIST. A denied call kills the process; the case is then repeated to name it.
#define _GNU_SOURCE
#include "host.h"
#include "jail.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONTEXTS = 100, JOBS = 30, GPU_US = 300, FILES = 900, DRM_VERSION = 0xc0406400, SYNC_MERGE = 0xc0303e03 };

static const struct combination {
    const char *what;
    enum jail jail;
    bool before_load, worker;
} combinations[] = {
    { "crosvm's GPU policy, in force when the library is loaded, all calls on the main thread", JAIL_CROSVM, true, false },
    { "crosvm's GPU policy, in force when the library is loaded, all calls on a worker", JAIL_CROSVM, true, true },
    { "crosvm's GPU policy, the library loaded before, all calls on the main thread", JAIL_CROSVM, false, false },
    { "crosvm's GPU policy, the library loaded before, all calls on a worker", JAIL_CROSVM, false, true },
    { "QEMU's -sandbox, in force when the library is loaded, all calls on the main thread", JAIL_QEMU, true, false },
    { "QEMU's -sandbox, the library loaded before, all calls on a worker", JAIL_QEMU, false, true },
    { "only the calls of docs/sandbox.md, on the main thread", JAIL_DOCUMENTED, false, false },
    { "only the calls of docs/sandbox.md, on a worker", JAIL_DOCUMENTED, false, true },
};
enum { N = sizeof combinations / sizeof *combinations };

static bool same_mask(const sigset_t *a, const sigset_t *b)
{
    for (int sig = 1; sig < NSIG; sig++)
        if (sigismember(a, sig) != sigismember(b, sig))
            return false;
    return true;
}

static void *garbage(void *unused)
{
    (void)unused;
    busy_calls(800000);
    return NULL;
}

// Memory of the guest that is gone: the fault is caught, the context ends.
static void lose_memory(void)
{
    int fd = memfd_create("lost", MFD_CLOEXEC);
    void *page;

    if (!EXPECT(fd >= 0 && ftruncate(fd, 4096) == 0))
        return;
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    EXPECT(page != MAP_FAILED && ftruncate(fd, 0) == 0);
    close(fd);
    EXPECT(api.virgl_renderer_submit_cmd(page, 1, 4) == -EIO);
}

static struct guest guests[CONTEXTS];

static void *work(void *unused)
{
    sigset_t mask, now;
    pthread_t other;

    (void)unused;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigaddset(&mask, SIGPROF);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    EXPECT(lib_init() == 0);
    for (uint32_t i = 0; i < CONTEXTS && !failures; i++)
        EXPECT(guest_open(&guests[i], i + 1, 3));
    pthread_create(&other, NULL, garbage, NULL);
    for (uint32_t n = 0; n < JOBS && !failures; n++) {
        for (uint32_t i = 0; i < CONTEXTS && !failures; i++)
            EXPECT(guest_job_fence(&guests[i], n % 3 + 1));
        EXPECT(fences_wait()); // a pending fence is a descriptor
    }
    pthread_join(other, NULL);
    lose_memory();
    pause_ms(2000); // idle: background work of the runtime
    for (uint32_t i = 1; i < CONTEXTS && !failures; i++) // all but the one that ended
        EXPECT(guest_job_fence(&guests[i], 1));
    for (uint32_t i = 0; i < CONTEXTS && !failures; i++)
        guest_close(&guests[i]); // the last jobs are in flight
    api.virgl_renderer_cleanup(NULL);
    EXPECT(fences_made() == CONTEXTS * (JOBS + 1) - 1);
    EXPECT(fences_all_once());
    EXPECT(lib_init() == 0);
    api.virgl_renderer_cleanup(NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    EXPECT(same_mask(&mask, &now));
    // The requests that the simulator answers would go to the kernel: they must get past the filter, too.
    EXPECT(syscall(SYS_ioctl, -1, DRM_VERSION, 0) < 0);
    EXPECT(syscall(SYS_ioctl, -1, SYNC_MERGE, 0) < 0);
    return NULL;
}

// Ends as the policy and the checks will have it, at the latest when alarm() says so.
static _Noreturn void inmate(const struct combination *c, uint32_t deny, int done, int go_on)
{
    struct rlimit files = { FILES, FILES + 100 };
    pthread_t worker;
    char byte = 0;

    failures = 0; // the parent's are not ours
    alarm(CASE_SECONDS);
    setenv("VIRGLDRM_GODEBUG", "gctrace=1", 1);
    unsetenv("VIRGLDRM_CRASH_ON_PANIC"); // lose_memory() is one
    setrlimit(RLIMIT_NOFILE, &files);
    sim("gpu_us 300");
    if (c->before_load) {
        EXPECT(jail_enter(c->jail, deny));
        lib_load();
    } else {
        lib_load();
        EXPECT(jail_enter(c->jail, deny));
    }
    if (c->worker) {
        pthread_create(&worker, NULL, work, NULL);
        pthread_join(worker, NULL);
    } else {
        work(NULL);
    }
    if (write(done, &byte, 1) == 1 && read(go_on, &byte, 1) == 1)
        exit(failures != 0); // with exit handlers: those are jailed, too
    _exit(1);
}

struct prisoner {
    pid_t pid;
    int done, go_on, err;
};

static struct prisoner start(const struct combination *c, uint32_t deny)
{
    struct prisoner p = { .err = memfd_create("stderr", MFD_CLOEXEC) };
    int done[2], go_on[2];

    if (pipe(done) || pipe(go_on) || p.err < 0 || (p.pid = fork()) < 0) {
        perror("sandbox");
        exit(2);
    }
    if (p.pid == 0) {
        dup2(p.err, STDERR_FILENO);
        close(done[0]);
        close(go_on[1]);
        if (deny != SCMP_ACT_KILL_PROCESS)
            raise(SIGSTOP);
        inmate(c, deny, done[1], go_on[0]);
    }
    close(done[1]);
    close(go_on[0]);
    p.done = done[0];
    p.go_on = go_on[1];
    return p;
}

static unsigned collections(int err)
{
    static char text[1 << 20];
    ssize_t n = pread(err, text, sizeof text - 1, 0);
    unsigned found = 0;

    text[n > 0 ? n : 0] = 0;
    for (char *s = text; (s = strstr(s, "gc ")); s++)
        found += s == text || s[-1] == '\n';
    return found;
}

static void leave(const struct prisoner *p)
{
    signal(SIGPIPE, SIG_IGN); // it may be gone
    ssize_t n = write(p->go_on, "", 1);
    (void)n;
    close(p->done);
    close(p->go_on);
}

static int finish(struct prisoner *p, unsigned *gcs, rlim_t *files)
{
    struct rlimit now = { 0, 0 };
    int status;
    char byte;

    if (read(p->done, &byte, 1) == 1 && prlimit(p->pid, RLIMIT_NOFILE, NULL, &now) == 0)
        *files = now.rlim_cur;
    leave(p);
    waitpid(p->pid, &status, 0);
    *gcs = collections(p->err);
    close(p->err);
    return status;
}

static void explain(const struct combination *c)
{
    struct prisoner p = start(c, SCMP_ACT_TRACE(0));

    if (write(p.go_on, "", 1) == 1)
        jail_explain(p.pid);
    close(p.go_on);
    close(p.done);
    close(p.err);
}

int main(int argc, char **argv)
{
    struct prisoner prisoners[N];

    if (argc != 3 || !jail_read_list(argv[2])) {
        fprintf(stderr, "usage: %s LIB LIST\n", argv[0]);
        return 2;
    }
    lib_path = argv[1];
    for (int i = 0; i < N; i++) // most of their time they sleep
        prisoners[i] = start(&combinations[i], SCMP_ACT_KILL_PROCESS);
    for (int i = 0; i < N; i++) {
        unsigned gcs = 0;
        rlim_t files = 0;
        int status = finish(&prisoners[i], &gcs, &files);

        if (WIFSIGNALED(status))
            note("died of signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
        if (status == 0 && files != FILES)
            note("RLIMIT_NOFILE was %d and is %d", FILES, (int)files);
        if (status == 0 && gcs < 3)
            note("the runtime collected garbage %u times only", gcs);
        verdict(status == 0 && files == FILES && gcs >= 3, combinations[i].what);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
            explain(&combinations[i]);
    }
    return failures != 0;
}
