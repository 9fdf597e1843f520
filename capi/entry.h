// What the public functions in entry.c, calls.c and share.c have in common.
#ifndef VD_ENTRY_H
#define VD_ENTRY_H

#include "go.h"

extern int vd_initialised __attribute__((visibility("hidden"))); // atomic

static inline bool live(void) { return __atomic_load_n(&vd_initialised, __ATOMIC_ACQUIRE) && vd_ready(); }

#define NEED(...) do { if (__builtin_expect(!live(), 0)) return __VA_ARGS__; } while (0)

// Calls the delegate's function, or evaluates `none` where there is no delegate or it lacks the function.
#define DELEGATE(none, name, args) (vd_delegate()->name ? vd_delegate()->name args : (none))

#endif
