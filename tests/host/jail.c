// jail.c - crosvm's policy for its GPU device, QEMU's -sandbox, and the calls that docs/sandbox.md admits to.
#define _GNU_SOURCE
#include "host.h"
#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static scmp_filter_ctx filter;
static bool bad;

static void name_rule(uint32_t action, const char *name)
{
    int nr = seccomp_syscall_resolve_name(name);

    if (nr == __NR_SCMP_ERROR) {
        note("libseccomp does not know the system call %s", name);
        bad = true;
    } else if (nr >= 0) { // below 0: one that this architecture does not have
        bad |= seccomp_rule_add(filter, action, nr, 0) != 0;
    }
}

static void arg_rule(uint32_t action, int nr, unsigned arg, uint64_t mask, uint64_t value)
{
    bad |= seccomp_rule_add(filter, action, nr, 1, SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, mask, value)) != 0;
}

#define NAMES(action, ...)                                                     \
    do {                                                                       \
        static const char *const names[] = { __VA_ARGS__ };                    \
        for (size_t i_ = 0; i_ < sizeof names / sizeof *names; i_++)           \
            name_rule(action, names[i_]);                                      \
    } while (0)
#define VALUES(nr, arg, ...)                                                   \
    do {                                                                       \
        static const uint32_t values[] = { __VA_ARGS__ };                      \
        for (size_t i_ = 0; i_ < sizeof values / sizeof *values; i_++)         \
            arg_rule(SCMP_ACT_ALLOW, nr, arg, UINT32_MAX, values[i_]);         \
    } while (0)

// crosvm compiles what all its devices may do and what the GPU device may do in addition into one list.
static void crosvm(void)
{
    NAMES(SCMP_ACT_ALLOW, "access", "brk", "clock_gettime", "clock_nanosleep", "clone3", "close", "connect", "dup", "dup2",
          "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait", "eventfd2", "exit", "exit_group", "fallocate", "flock",
          "fstat", "fstatfs", "ftruncate", "futex", "getcwd", "getdents", "getdents64", "getegid", "geteuid", "getgid",
          "getpid", "getrandom", "getsockopt", "gettid", "gettimeofday", "getuid", "inotify_add_watch", "inotify_init1",
          "inotify_rm_watch", "io_uring_enter", "io_uring_register", "io_uring_setup", "kcmp", "kill", "lseek", "lstat",
          "membarrier", "memfd_create", "mkdir", "mremap", "munmap", "nanosleep", "newfstatat", "open", "openat", "pipe2",
          "poll", "ppoll", "read", "readlink", "readlinkat", "readv", "recvfrom", "recvmsg", "rename", "restart_syscall",
          "rseq", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sched_getaffinity", "sched_setaffinity",
          "sched_setscheduler", "sched_yield", "sendmsg", "sendto", "set_robust_list", "setpriority", "shutdown",
          "sigaltstack", "stat", "statx", "sysinfo", "uname", "unlink", "unlinkat", "userfaultfd", "write", "writev");
    VALUES(SCMP_SYS(madvise), 2, MADV_DONTNEED, MADV_DONTDUMP, MADV_REMOVE, MADV_MERGEABLE, MADV_FREE, 102, 103); // guard pages
    VALUES(SCMP_SYS(tgkill), 2, SIGABRT);
    VALUES(SCMP_SYS(fcntl), 1, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_ADD_SEALS, F_GET_SEALS);
    VALUES(SCMP_SYS(mmap), 2, PROT_NONE, PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC);
    VALUES(SCMP_SYS(mprotect), 2, PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE);
    VALUES(SCMP_SYS(prctl), 0, PR_SET_NAME, PR_GET_NAME, PR_SET_PDEATHSIG, 0x53564d41, 0x41555856); // names of mappings
    VALUES(SCMP_SYS(socket), 0, AF_UNIX);
    VALUES(SCMP_SYS(ioctl), 1, FIONBIO, FIOCLEX, 0x40086200, 0x40087543, 0xc018aa3f, 0xaa00);
    for (int bit = 0; bit < 16; bit++) // "arg1 & 0x6400": any of these bits
        if (0x6400 >> bit & 1)
            arg_rule(SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, 1u << bit, 1u << bit);
    arg_rule(SCMP_ACT_ALLOW, SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD);
}

// -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
static void qemu(uint32_t deny)
{
    static const uint64_t thread_has[] = { CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_THREAD, CLONE_SYSVSEM,
                                           CLONE_SETTLS, CLONE_PARENT_SETTID, CLONE_CHILD_CLEARTID };
    static const uint64_t thread_lacks[] = { 0x1000, CLONE_PTRACE, CLONE_VFORK, CLONE_PARENT, CLONE_NEWNS, CLONE_UNTRACED,
                                             CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_IO };

    NAMES(deny, "_sysctl", "bdflush", "create_module", "get_kernel_syms", "query_module", "sysfs", "uselib", "ustat", "vserver");
    NAMES(deny, "setuid", "setgid", "setpgid", "setsid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid");
    NAMES(deny, "fork", "vfork", "execve", "execveat", "setns", "unshare");
    for (size_t i = 0; i < sizeof thread_has / sizeof *thread_has; i++)
        arg_rule(deny, SCMP_SYS(clone), 0, thread_has[i], 0);
    for (size_t i = 0; i < sizeof thread_lacks / sizeof *thread_lacks; i++)
        arg_rule(deny, SCMP_SYS(clone), 0, thread_lacks[i], thread_lacks[i]);
    NAMES(SCMP_ACT_ERRNO(ENOSYS), "clone3"); // its flags are out of a filter's sight
    NAMES(SCMP_ACT_ERRNO(EPERM), "setpriority", "sched_setparam", "sched_getparam", "sched_setscheduler", "sched_getscheduler",
          "sched_setaffinity", "sched_getaffinity", "sched_get_priority_max", "sched_get_priority_min");
}

static char documented_names[128][32];
static size_t documented_count;

bool jail_read_list(const char *path)
{
    FILE *f = fopen(path, "r");

    while (f && documented_count < 128 && fscanf(f, "%31s", documented_names[documented_count]) == 1)
        documented_count++;
    if (f)
        fclose(f);
    return documented_count > 0;
}

static void documented(void)
{
    for (size_t i = 0; i < documented_count; i++)
        name_rule(SCMP_ACT_ALLOW, documented_names[i]);
    // Not the library's: this program prints, sleeps, asks for its signal mask, ends, and waits for its parent.
    NAMES(SCMP_ACT_ALLOW, "write", "nanosleep", "clock_nanosleep", "rt_sigprocmask", "exit_group", "read");
    // Not the library's: the simulated GPU makes its files, buffers and sync_files of these; a kernel driver needs none.
    NAMES(SCMP_ACT_ALLOW, "memfd_create", "eventfd2", "newfstatat", "ftruncate");
}

bool jail_enter(enum jail jail, uint32_t deny)
{
    filter = seccomp_init(jail == JAIL_QEMU ? SCMP_ACT_ALLOW : deny);
    if (!filter)
        return false;
    if (jail == JAIL_CROSVM)
        crosvm();
    else if (jail == JAIL_QEMU)
        qemu(deny);
    else
        documented();
    bad |= seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) != 0;
    bad |= seccomp_load(filter) != 0;
    seccomp_release(filter);
    return !bad;
}
