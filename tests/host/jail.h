// jail.h - the seccomp filters of VMMs, and a look at what they deny.
#ifndef JAIL_H
#define JAIL_H

#include <seccomp.h>
#include <stdbool.h>
#include <sys/types.h>

enum jail { JAIL_CROSVM, JAIL_QEMU, JAIL_DOCUMENTED };

bool jail_read_list(const char *path); // system calls by name, one per line, that JAIL_DOCUMENTED allows
bool jail_enter(enum jail jail, uint32_t deny); // all threads of this process; deny: what becomes of a forbidden call
// Watches a child that has stopped itself and was filtered with SCMP_ACT_TRACE(0): names every denied call, then lets it
// happen. Returns when the child is gone.
void jail_explain(pid_t pid);

#endif
