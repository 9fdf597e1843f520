// Cases: several devices, what stat says of them, fences of dma-bufs between them.
#define _GNU_SOURCE
#include "asahi.h"

#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int node(int number)
{
    char path[64];
    snprintf(path, sizeof(path), "/dev/dri/renderD%d", number);
    return open(path, O_RDWR | O_CLOEXEC);
}

static void several(void)
{
    static const char *const names[] = { "msm", "asahi", "nouveau" };
    int fds[3];
    for (int i = 0; i < 3; i++) {
        char name[16] = "";
        struct drm_version v = { .name = name, .name_len = 15 };
        struct stat st;
        fds[i] = node(128 + i);
        OK(fds[i] >= 0);
        EQ(io(fds[i], VERSION, &v), 0);
        EQ(strcmp(name, names[i]), 0);
        EQ(fstat(fds[i], &st), 0);
        EQ(minor(st.st_rdev), 128 + i);
    }
    EQ(node(131), -1);
    EQ(errno, ENOENT);
    struct param p = { PIPE, 1, 0, 0, 0 };
    EQ(io(fds[0], GET_PARAM, &p), 0);
    EQ(p.value, 660);
    EQ(a_vm(fds[1]), 1);
    EQ(io(fds[2], GET_PARAM, &p), -EINVAL);
    EQ(io(fds[2], GET_CAP, &(struct drm_cap){ 5, 0 }), 0);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

static void character_device(void)
{
    int fd = dev(), null = open("/dev/null", O_RDWR);
    struct stat st[5];
    struct stat64 wide;
    struct statx x;
    uint32_t h = bo(fd, 4096);
    int shared = export_bo(fd, h);
    EQ(fstat(fd, &st[0]), 0);
    EQ(stat("/dev/dri/renderD128", &st[1]), 0);
    EQ(lstat("/dev/dri/renderD128", &st[2]), 0);
    EQ(fstatat(AT_FDCWD, "/dev/dri/renderD128", &st[3], 0), 0);
    EQ(fstatat(fd, "", &st[4], AT_EMPTY_PATH), 0);
    for (int i = 0; i < 5; i++)
        OK(S_ISCHR(st[i].st_mode) && major(st[i].st_rdev) == 226 && minor(st[i].st_rdev) == 128);
    EQ(fstat64(fd, &wide), 0);
    OK(S_ISCHR(wide.st_mode));
    EQ(statx(AT_FDCWD, "/dev/dri/renderD128", 0, STATX_BASIC_STATS, &x), 0);
    OK(S_ISCHR(x.stx_mode) && x.stx_rdev_major == 226 && x.stx_rdev_minor == 128);
    EQ(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x), 0);
    OK(S_ISCHR(x.stx_mode) && x.stx_rdev_minor == 128);
    EQ(fstat(null, &st[0]), 0);
    EQ(major(st[0].st_rdev), 1); // others are what they are
    EQ(fstat(shared, &st[0]), 0);
    OK(S_ISREG(st[0].st_mode) && st[0].st_size == 4096);
    EQ(stat("/dev/dri/renderD129", &st[0]), -1);
    EQ(errno, ENOENT);
    EQ(fstat(-1, &st[0]), -1);
    EQ(errno, EBADF);
    close(null);
    close(shared);
    close(fd);
}

#define EXPORT_FENCE 0xc0086202ul
#define IMPORT_FENCE 0x40086203ul
struct dmabuf_fence { uint32_t flags; int32_t fd; };

static int import(int buffer, uint32_t flags, int fence)
{
    return io(buffer, IMPORT_FENCE, &(struct dmabuf_fence){ flags, fence });
}

static int export(int buffer, uint32_t flags)
{
    struct dmabuf_fence a = { flags, -1 };
    int ret = io(buffer, EXPORT_FENCE, &a);
    return ret ? ret : a.fd;
}

// The buffer's status for who wants to read it and who wants to write it.
static void check_fences(int buffer, int reader, int writer)
{
    int r = export(buffer, 1), w = export(buffer, 2), both = export(buffer, 3);
    EQ(fence_status(r), reader);
    EQ(fence_status(w), writer);
    EQ(fence_status(both), writer);
    close(r);
    close(w);
    close(both);
}

static void dmabuf_fences(void)
{
    int fd = node(129), other = node(128), null = eventfd(1, EFD_CLOEXEC);
    uint32_t h = a_bo(fd, PAGE), vm = a_vm(fd), q = a_queue(fd, vm, 0), p = a_queue(fd, vm, 1);
    int buffer = export_bo(fd, h), again = export_bo(fd, h);
    check_fences(buffer, 1, 1); // nothing pending
    EQ(control("hang"), 0);
    uint32_t a = a_syncobj(fd), b = a_syncobj(fd), c = a_syncobj(fd);
    EQ(a_job(fd, q, 0, 0, a), 0);
    EQ(a_job(fd, p, 0, 0, b), 0);
    EQ(a_job(fd, p, 0, 0, c), 0);
    int f[] = { a_fence(fd, a), a_fence(fd, b), a_fence(fd, c) };
    EQ(import(buffer, 0, f[0]), -EINVAL);
    EQ(import(buffer, 4, f[0]), -EINVAL);
    EQ(import(buffer, 1, null), -EINVAL);
    EQ(io(buffer, IMPORT_FENCE, NULL), -EFAULT);
    EQ(export(buffer, 0), -EINVAL);
    EQ(import(null, 1, f[0]), -ENOTTY); // no dma-buf
    EQ(import(buffer, 1, f[0]), 0);
    check_fences(again, 1, 0); // a reader: other readers need not wait
    EQ(import(buffer, 2, f[1]), 0);
    EQ(import(buffer, 3, f[2]), 0);
    check_fences(again, 0, 0);
    struct drm_prime imported = { 0, 0, buffer };
    EQ(io(other, FD_TO_HANDLE, &imported), 0);
    int there = export_bo(other, imported.handle); // the same buffer on another device
    check_fences(there, 0, 0);
    int w = export(there, 3);
    EQ(control("unhang"), 0);
    OK(readable(w, 5000));
    check_fences(buffer, 1, 1);
    int fds[] = { fd, other, null, buffer, again, there, w, f[0], f[1], f[2] };
    for (int i = 0; i < 10; i++)
        close(fds[i]);
}

const struct test_case device_cases[] = {
    { "several devices", several, "DRMSIM_DRIVER=msm,asahi,nouveau" },
    { "a character device", character_device, NULL },
    { "fences of dma-bufs", dmabuf_fences, "DRMSIM_DRIVER=msm,asahi" },
    { 0 },
};
