// arm64_exec.c - preloaded under qemu-user: a program that executes itself anew gets its emulator, too. Where the kernel
// looks, /proc/self/exe is qemu, and nothing runs the program itself.
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_ARGS = 64 };

int execv(const char *path, char *const argv[])
{
    const char *emulator = getenv("ARM64_EMULATOR"), *program = getenv("ARM64_PROGRAM"), *preload = getenv("LD_PRELOAD");
    char set[4096];
    char *args[MAX_ARGS] = { "qemu-aarch64", "-E", set, (char *)program };

    if (!emulator || !program || !preload || (strcmp(path, "/proc/self/exe") && strcmp(path, program)))
        return execve(path, argv, environ);
    snprintf(set, sizeof set, "LD_PRELOAD=%s", preload);
    for (size_t n = 4; argv[n - 3] && n < MAX_ARGS - 1; n++)
        args[n] = argv[n - 3];
    unsetenv("LD_PRELOAD"); // it is not for the emulator
    return execve(emulator, args, environ);
}

int execl(const char *path, const char *arg, ...)
{
    char *args[MAX_ARGS] = { (char *)arg };
    va_list ap;

    va_start(ap, arg);
    for (size_t n = 1; n < MAX_ARGS - 1 && (args[n] = va_arg(ap, char *)); n++)
        ;
    va_end(ap);
    return execv(path, args);
}
