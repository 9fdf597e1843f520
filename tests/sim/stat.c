// Replacements of the C library's stat calls: our devices are character devices, as programs expect of a DRM node.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "sim.h"

#define DRM_MAJOR 226
#define MODE (S_IFCHR | 0666)

_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "these differ on 32-bit machines only");

// The device whose node the path names, or that the fd is open on.
static const struct device *device_at(int dir, const char *path, int flags)
{
    if (path && path[0] == '/')
        return device_by_path(path);
    if (!(flags & AT_EMPTY_PATH) || (path && path[0]))
        return NULL;
    struct node *node = fdtab_get(dir);
    if (!node)
        return NULL;
    const struct device *device = node->type == NODE_FILE ? ((struct drm_file *)node)->device : NULL;
    node_put(node);
    return device;
}

static int stat_any(int dir, const char *path, struct stat *st, int flags)
{
    static _Atomic(int (*)(int, const char *, struct stat *, int)) real;
    const struct device *device = device_at(dir, path, flags);
    if (device && path[0]) { // the node need not exist
        *st = (struct stat){ .st_nlink = 1 };
    } else {
        if (!real)
            real = (int (*)(int, const char *, struct stat *, int))dlsym(RTLD_NEXT, "fstatat");
        int ret = real(dir, path, st, flags);
        if (ret || !device)
            return ret;
    }
    st->st_mode = MODE;
    st->st_rdev = makedev(DRM_MAJOR, device->minor);
    st->st_size = 0;
    return 0;
}

SIM_EXPORT int fstat(int fd, struct stat *st)
{
    return stat_any(fd, "", st, AT_EMPTY_PATH);
}

SIM_EXPORT int stat(const char *path, struct stat *st)
{
    return stat_any(AT_FDCWD, path, st, 0);
}

SIM_EXPORT int lstat(const char *path, struct stat *st)
{
    return stat_any(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

SIM_EXPORT int fstatat(int dir, const char *path, struct stat *st, int flags)
{
    return stat_any(dir, path, st, flags);
}

SIM_EXPORT int fstat64(int fd, struct stat64 *st)
{
    return fstat(fd, (struct stat *)st);
}

SIM_EXPORT int stat64(const char *path, struct stat64 *st)
{
    return stat(path, (struct stat *)st);
}

SIM_EXPORT int lstat64(const char *path, struct stat64 *st)
{
    return lstat(path, (struct stat *)st);
}

SIM_EXPORT int fstatat64(int dir, const char *path, struct stat64 *st, int flags)
{
    return fstatat(dir, path, (struct stat *)st, flags);
}

SIM_EXPORT int statx(int dir, const char *path, int flags, unsigned mask, struct statx *stx)
{
    static _Atomic(int (*)(int, const char *, int, unsigned, struct statx *)) real;
    const struct device *device = device_at(dir, path, flags);
    if (device && path[0]) {
        *stx = (struct statx){ .stx_mask = STATX_TYPE | STATX_MODE | STATX_NLINK, .stx_nlink = 1 };
    } else {
        if (!real)
            real = (int (*)(int, const char *, int, unsigned, struct statx *))dlsym(RTLD_NEXT, "statx");
        int ret = real(dir, path, flags, mask, stx);
        if (ret || !device)
            return ret;
    }
    stx->stx_mode = MODE;
    stx->stx_rdev_major = DRM_MAJOR;
    stx->stx_rdev_minor = device->minor;
    stx->stx_size = 0;
    return 0;
}
