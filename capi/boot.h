// Starting the Go runtime late: what the C entry points need to know before they call into Go.
//
// Loading the library starts nothing, so a VMM may load it and fork its device process afterwards. The runtime starts
// in vd_boot(), called by virgl_renderer_init alone. States of one process:
//
//                      vd_boot() fails its preflight: err is filled, nothing has changed, a retry is allowed
//                     +------+
//                     v      |
//   fork() --->  NOT STARTED +---- vd_boot() ---->  RUNNING  ---- fork() ---->  FORKED COPY
//   (the child starts its own                       parent stays RUNNING        (child only; for ever)
//    runtime if it wants one)
//
//   NOT STARTED   vd_ready() is false, vd_forked() is false
//   RUNNING       vd_ready() is true on every thread
//   FORKED COPY   vd_ready() is false, vd_forked() is true: the memory of a runtime is here, its threads are not.
//                 A call into Go might work once and hang at the next garbage collection, so none is made.
//
// A child made by a raw clone() system call runs no fork handlers and cannot be told from its parent.
//
// What a host thread keeps: its signal mask. A thread that blocks SIGSEGV or SIGBUS therefore still dies of a fault in
// guest memory, as it would anywhere else. What the host keeps: every signal disposition but those of SIGSEGV, SIGBUS and
// SIGFPE, which Go turns into panics when they hit Go code and hands on to the host's previous handler otherwise.
#ifndef VD_BOOT_H
#define VD_BOOT_H

#include <stdbool.h>
#include <stddef.h>

enum vd_state { VD_NOT_STARTED, VD_RUNNING, VD_FORKED };

// Owned by boot.c; here only for the inline check.
extern enum vd_state vd_state __attribute__((visibility("hidden")));
extern __thread bool vd_thread_known __attribute__((visibility("hidden"), tls_model("initial-exec")));
bool vd_ready_slow(void);

// Starts the runtime unless it runs already. On failure err (n bytes) holds one sentence.
bool vd_boot(char *err, size_t n);

// True if this thread may call Go now. Ask before every call into Go, on threads the library made itself as well.
static inline bool vd_ready(void)
{
    if (__builtin_expect(__atomic_load_n(&vd_state, __ATOMIC_ACQUIRE) == VD_RUNNING && vd_thread_known, 1))
        return true;
    return vd_ready_slow();
}

// True in a forked copy of a process in which the runtime was running.
bool vd_forked(void);

// Exported by Go: recurses depth times with at least 4 KiB of stack per level. The Go file that exports it includes this
// header, so the compiler compares the prototypes.
int vd_go_grow_stack(int depth);

#endif
