// Preloaded into the VMM: the simulated device is a character device to fstat, as Mesa's GBM wants it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int fstat(int fd, struct stat *st)
{
    int (*real)(int, struct stat *) = (int (*)(int, struct stat *))dlsym(RTLD_NEXT, "fstat");
    char link[64], target[64];
    int ret = real(fd, st);

    if (ret)
        return ret;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, target, sizeof(target) - 1);
    target[n < 0 ? 0 : n] = 0;
    if (strstr(target, "memfd:drmsim-device")) {
        st->st_mode = S_IFCHR | 0666;
        st->st_rdev = makedev(226, 128);
    }
    return 0;
}

int fstat64(int fd, struct stat64 *st)
{
    _Static_assert(sizeof(struct stat) == sizeof(struct stat64), "these differ on 32-bit machines only");
    return fstat(fd, (struct stat *)st);
}
