// jail_explain.c - names the system calls that a jail denies, and the threads that make them.
#define _GNU_SOURCE
#include "host.h"
#include "jail.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void thread_name(pid_t tid, char *name, size_t size)
{
    char path[64];
    int fd;
    ssize_t n;

    snprintf(path, sizeof path, "/proc/%d/comm", (int)tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, name, size - 1);
    if (fd >= 0)
        close(fd);
    name[n > 0 ? n - 1 : 0] = 0;
}

static void name_call(pid_t tid)
{
    static bool named[1024];
    struct __ptrace_syscall_info info;
    char comm[32];

    if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, (void *)sizeof info, &info) <= 0 || info.op != PTRACE_SYSCALL_INFO_SECCOMP)
        return;
    if (info.seccomp.nr < 1024 && named[info.seccomp.nr])
        return; // the first of a kind is enough to go on
    if (info.seccomp.nr < 1024)
        named[info.seccomp.nr] = true;
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)info.seccomp.nr);
    thread_name(tid, comm, sizeof comm);
    note("denied: %s(%#llx, %#llx, %#llx, %#llx) on thread %s", name ? name : "?",
         (unsigned long long)info.seccomp.args[0], (unsigned long long)info.seccomp.args[1],
         (unsigned long long)info.seccomp.args[2], (unsigned long long)info.seccomp.args[3], comm);
    free(name);
}

void jail_explain(pid_t pid)
{
    int status;
    pid_t tid;

    waitpid(pid, &status, WUNTRACED);
    if (ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL)) {
        note("the denied calls cannot be named: this process may not trace its child");
        kill(pid, SIGKILL);
    }
    kill(pid, SIGCONT);
    while ((tid = waitpid(-1, &status, __WALL)) > 0) {
        int event = status >> 16, sig = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;

        if (tid == pid && (WIFEXITED(status) || WIFSIGNALED(status)))
            return;
        if (!WIFSTOPPED(status))
            continue;
        if (event == PTRACE_EVENT_SECCOMP)
            name_call(tid);
        ptrace(PTRACE_CONT, tid, NULL, event ? 0 : sig); // signals that are the child's own go on to it
    }
}
