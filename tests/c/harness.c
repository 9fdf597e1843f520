/* harness.c - runs the cases: --lib PATH [--mode local|deepbind|linked] [-v] [name-prefix...]. Every case gets a
 * process of its own, so that a crash, a hang, or what a runtime keeps for good costs only that case. */
#define _GNU_SOURCE
#include "harness.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CASE_SECONDS 20

static struct options {
    const char *lib, *mode;
    bool verbose;
    const char *run; /* in a case's process: its name */
    int result_fd;
    char **prefixes;
    int nprefixes;
} opt;

static struct test_case *cases, **last_case = &cases;

void harness_add(struct test_case *c)
{
    *last_case = c;
    last_case = &c->next;
}

void refuse(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(2);
}

/* ---- In the process of a case ---- */

static void run_checked(struct test_case *c)
{
    if (c->gpu && !expect_true(__FILE__, __LINE__, "LD_PRELOAD has build/libdrmsim.so", dlsym(RTLD_DEFAULT, "drmsim_control")))
        return;
    leaks_before();
    c->run();
    row("at the end");
    leaks_after();
}

static _Noreturn void run_case(void)
{
    struct test_case *c = cases;
    struct result *result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE, MAP_SHARED, opt.result_fd, 0);

    while (c && strcmp(c->name, opt.run))
        c = c->next;
    if (!c || result == MAP_FAILED)
        refuse("--run is for the harness itself");
    close(opt.result_fd);
    load_library(opt.lib, !strcmp(opt.mode, "deepbind"));
    checks_run(c, run_checked, result, opt.verbose);
    result->finished = true;
    fflush(NULL);
    _exit(0); /* exit handlers are the embedder's, not the library's: not under test */
}

/* ---- In the parent ---- */

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static bool starts_with(const char *s, const char *prefix) { return !strncmp(s, prefix, strlen(prefix)); }

/* Nothing of the caller's environment may change what a case sees. */
static void set_environment(const struct test_case *c)
{
    static const char *const ours[] = { "DRMSIM_", "VIRGL_", "VIRGLDRM_RENDER_NODE=", "VIRGLDRM_GODEBUG=" };
    char name[128];

    for (char **e = environ; *e;) {
        bool drop = false;
        for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
            drop |= starts_with(*e, ours[i]);
        if (!drop) {
            e++;
            continue;
        }
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(*e, "="), *e);
        unsetenv(name);
        e = environ;
    }
    setenv("VIRGLDRM_DELEGATE", "none", 1); /* a case that wants one sets its own */
    for (size_t i = 0; i < sizeof(c->env) / sizeof(*c->env) && c->env[i]; i++)
        putenv((char *)c->env[i]);
}

static pid_t start_case(const struct test_case *c, int result_fd, int err)
{
    char fd[16];
    pid_t pid;

    fflush(NULL);
    if ((pid = fork()))
        return pid;
    setpgid(0, 0);
    set_environment(c);
    dup2(err, STDERR_FILENO);
    close(err);
    snprintf(fd, sizeof(fd), "%d", result_fd);
    const char *args[] = { "abi", "--lib", opt.lib, "--mode", opt.mode, "--result", fd, "--run", c->name,
                           opt.verbose ? "-v" : NULL, NULL };
    if (!opt.lib) { /* linked */
        args[1] = "--mode";
        args[2] = opt.mode;
    }
    execv("/proc/self/exe", (char **)args);
    _exit(127);
}

/* Waits for the process; false when it had to be killed. */
static bool wait_case(pid_t pid, int *status)
{
    struct pollfd p = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
    bool in_time = poll(&p, 1, CASE_SECONDS * 1000) == 1;

    if (!in_time)
        kill(-pid, SIGKILL);
    waitpid(pid, status, 0);
    kill(-pid, SIGKILL); /* processes it left behind, all in its own group */
    close(p.fd);
    return in_time;
}

static void show_stderr(int fd)
{
    char buf[4096];
    off_t size = lseek(fd, 0, SEEK_END), at = size > 3000 && !opt.verbose ? size - 3000 : 0;
    ssize_t n;

    if (at)
        printf("    ... ");
    while ((n = pread(fd, buf, sizeof(buf), at)) > 0) {
        fwrite(buf, 1, (size_t)n, stdout);
        at += n;
    }
}

static bool run_in_process(const struct test_case *c)
{
    int fd = memfd_create("abi-result", 0), err = memfd_create("abi-stderr", MFD_CLOEXEC), status = 0;
    double start = now_ms();

    if (fd < 0 || err < 0 || ftruncate(fd, sizeof(struct result)))
        refuse("cannot make memory for results: %s", strerror(errno));
    struct result *r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (r == MAP_FAILED)
        refuse("cannot map memory for results: %s", strerror(errno));
    pid_t pid = start_case(c, fd, err);
    if (pid < 0)
        refuse("cannot start a process: %s", strerror(errno));
    bool in_time = wait_case(pid, &status), ok = false;

    if (!in_time)
        printf("FAIL %s: still running after %d s, expected an end got a hang%s%s\n", c->name, CASE_SECONDS,
               r->failures ? "; first: " : "", r->first);
    else if (WIFSIGNALED(status))
        printf("FAIL %s: process, expected an end got signal %d (%s)%s%s\n", c->name, WTERMSIG(status),
               strsignal(WTERMSIG(status)), r->failures ? "; first: " : "", r->first);
    else if (!r->finished)
        printf("FAIL %s: process, expected an end got exit code %d\n", c->name, WEXITSTATUS(status));
    else if (r->failures)
        printf("FAIL %s: %s%s\n", c->name, r->first, r->failures > 1 ? " (and more: -v shows them)" : "");
    else if (!r->checks)
        printf("FAIL %s: checks made, expected some got none\n", c->name);
    else
        ok = printf("PASS %s (%.0f)\n", c->name, now_ms() - start);
    if (!ok || opt.verbose)
        show_stderr(err);
    munmap(r, sizeof(*r));
    close(fd);
    close(err);
    return ok;
}

static bool selected(const struct test_case *c)
{
    for (int i = 0; i < opt.nprefixes; i++)
        if (starts_with(c->name, opt.prefixes[i]))
            return true;
    return !opt.nprefixes;
}

static void parse(int argc, char **argv)
{
#ifdef ABI_LINKED
    opt.mode = "linked";
#else
    opt.mode = "local";
#endif
    opt.prefixes = calloc((size_t)argc, sizeof(*opt.prefixes));
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (!strcmp(argv[i], "-v"))
            opt.verbose = true;
        else if (!strcmp(argv[i], "--lib") && more)
            opt.lib = argv[++i];
        else if (!strcmp(argv[i], "--mode") && more)
            opt.mode = argv[++i];
        else if (!strcmp(argv[i], "--run") && more)
            opt.run = argv[++i];
        else if (!strcmp(argv[i], "--result") && more)
            opt.result_fd = atoi(argv[++i]);
        else if (argv[i][0] == '-')
            refuse("usage: %s --lib PATH [--mode local|deepbind|linked] [-v] [name-prefix...]", argv[0]);
        else
            opt.prefixes[opt.nprefixes++] = argv[i];
    }
#ifdef ABI_LINKED
    if (strcmp(opt.mode, "linked"))
        refuse("this program is linked with the library: the other modes are in build/abi");
#else
    if (strcmp(opt.mode, "local") && strcmp(opt.mode, "deepbind"))
        refuse("--mode is local or deepbind here; for linked run build/abi-linked");
    if (!opt.lib)
        refuse("say which library to test: --lib build/libvirglrenderer.so.1");
#endif
    for (int i = 0; i < opt.nprefixes; i++) {
        struct test_case *c = cases;
        while (c && !starts_with(c->name, opt.prefixes[i]))
            c = c->next;
        if (!c)
            refuse("no case begins with %s", opt.prefixes[i]);
    }
}

int main(int argc, char **argv)
{
    bool deepbind;
    int passed = 0, failed = 0, cut_off = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    parse(argc, argv);
    if (opt.run)
        run_case();
    deepbind = !strcmp(opt.mode, "deepbind");
    for (struct test_case *c = cases; c; c = c->next) {
        if (!selected(c))
            continue;
        if (deepbind && c->gpu)
            cut_off++;
        else if (run_in_process(c))
            passed++;
        else
            failed++;
    }
    if (cut_off)
        printf("not in this mode: %d cases on the simulated GPU, which a library loaded with RTLD_DEEPBIND cannot see\n", cut_off);
    printf("%d passed, %d failed\n", passed, failed);
    return failed || !passed;
}
