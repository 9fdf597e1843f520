// Cases: sync_file fds and syncobjs.
#define _GNU_SOURCE
#include "selftest.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

static void file_info(void)
{
    int fd = dev(), f = job(fd, 0, 1, 0, -1);
    struct sync_fence_info one = { .status = 9 };
    struct sync_file_info a = { .num_fences = 1, .infos = (uintptr_t)&one };
    EQ(io(f, FILE_INFO, &a), 0);
    EQ(a.status, 1);
    EQ(a.num_fences, 1);
    EQ(one.status, 1);
    EQ(strcmp(one.driver_name, "msm"), 0);
    OK(one.timestamp > 0);
    OK(a.name[0]);
    a.flags = 1;
    EQ(io(f, FILE_INFO, &a), -EINVAL);
    EQ(io(f, FILE_INFO, NULL), -EFAULT);
    EQ(io(f, 0xc0383e05ul, &a), -ENOTTY);
    EQ(io(f, VERSION, &a), -ENOTTY); // no device
    close(f);
    close(fd);
}

static void merging(void)
{
    int fd = dev(), null = eventfd(1, EFD_CLOEXEC);
    int done = job(fd, 0, 1, 0, -1);
    EQ(control("hang"), 0);
    int a = job(fd, (uint32_t)queue(fd, 0), 1, 0, -1);
    int b = job(fd, (uint32_t)queue(fd, 1), 1, 0, -1);
    EQ(merge(a, null), -ENOENT); // an eventfd, but no fence
    EQ(merge(a, -1), -ENOENT);
    EQ(io(a, MERGE, &(struct sync_merge){ .fd2 = b, .flags = 1 }), -EINVAL);
    int both = merge(a, b), all = merge(both, done), same = merge(done, done);
    struct sync_fence_info parts[2];
    struct sync_file_info i = { .num_fences = 1, .infos = (uintptr_t)parts };
    EQ(io(all, FILE_INFO, &i), -EINVAL); // room for one is not enough
    i.num_fences = 2;
    EQ(io(all, FILE_INFO, &i), 0);
    EQ(i.status, 0);
    EQ(i.num_fences, 2);
    EQ(strcmp(i.name, "test"), 0);
    EQ(fence_status(same), 1);
    OK(readable(same, 0) && !readable(all, 0));
    close(both);
    EQ(control("unhang"), 0);
    OK(readable(all, 5000));
    EQ(fence_status(all), 1);
    int fds[] = { null, done, a, b, all, same, fd };
    for (int k = 0; k < 7; k++)
        close(fds[k]);
}

// Two fences of one queue are one in the merge: the later.
static void merging_one_queue(void)
{
    int fd = dev();
    EQ(control("gpu_us 10000"), 0);
    EQ(control("hang"), 0);
    int a = job(fd, 0, 1, 0, -1), b = job(fd, 0, 2, 0, -1), m = merge(b, a);
    int n = merge(a, b);
    struct sync_file_info i = { 0 };
    EQ(io(m, FILE_INFO, &i), 0);
    EQ(i.num_fences, 1);
    EQ(control("unhang"), 0);
    OK(readable(n, 5000) && readable(b, 0));
    OK(readable(m, 5000));
    close(n);
    close(a);
    close(b);
    close(m);
    close(fd);
}

static void unseen_copies(void)
{
    int fd = dev();
    EQ(control("hang"), 0);
    int f = job(fd, 0, 1, 0, -1), copy = (int)syscall(SYS_dup, f);
    EQ(fence_status(copy), 0);
    close(f);
    EQ(fence_status(copy), 0); // the original is gone
    int next = job(fd, 0, 2, 0, copy), m = merge(copy, next);
    EQ(control("unhang"), 0);
    OK(readable(copy, 5000) && readable(m, 5000));
    EQ(fence_status(copy), 1); // and so is the fence itself
    close(next);
    close(m);
    close(copy);
    EQ(control("gpu_error errno=EIO"), 0);
    f = job(fd, 0, 3, 0, -1);
    copy = (int)syscall(SYS_dup, f);
    close(f);
    EQ(fence_status(copy), -EIO);
    close(copy);
    close(fd);
}

static void in_fence_kinds(void)
{
    int fd = dev(), ev = eventfd(0, EFD_CLOEXEC);
    int done = job(fd, 0, 1, 0, -1);
    int f = job(fd, 0, 2, 0, done);
    EQ(fence_status(f), 1);
    EQ(job(fd, 0, 3, 0, ev), -EINVAL);
    EQ(job(fd, 0, 3, 0, fd), -EINVAL);
    close(ev);
    close(done);
    close(f);
    close(fd);
}

static uint32_t syncobj(int fd, uint32_t flags)
{
    struct drm_syncobj a = { 0, flags };
    EQ(io(fd, SYNCOBJ_CREATE, &a), 0);
    return a.handle;
}

static int wait_obj(int fd, uint32_t *handles, uint32_t n, uint32_t flags, int64_t timeout)
{
    struct drm_syncobj_wait a = { .handles = (uintptr_t)handles, .timeout = timeout, .count = n,
                                  .flags = flags, .first = 99 };
    int ret = io(fd, SYNCOBJ_WAIT, &a);
    return ret ? ret : (int)a.first;
}

static void syncobjs(void)
{
    int fd = dev(), b = dev();
    EQ(io(fd, SYNCOBJ_CREATE, &(struct drm_syncobj){ 0, 2 }), -EINVAL);
    uint32_t h[2] = { syncobj(fd, 0), syncobj(fd, 1) }, bad = 99;
    EQ(wait_obj(fd, &h[1], 1, 0, 0), 0);
    EQ(wait_obj(fd, h, 2, 0, 0), -EINVAL); // one has no fence
    EQ(wait_obj(fd, h, 2, 2, 0), 1);
    EQ(wait_obj(fd, h, 2, 3, 0), -ETIME);
    EQ(wait_obj(fd, &bad, 1, 0, 0), -ENOENT);
    EQ(wait_obj(fd, h, 0, 0, 0), -EINVAL);
    EQ(wait_obj(fd, h, 1, 16, 0), -EINVAL);
    struct drm_syncobj_array arr = { (uintptr_t)h, 1, 0 };
    EQ(io(fd, SYNCOBJ_SIGNAL, &arr), 0);
    EQ(wait_obj(fd, h, 2, 1, 0), 0);
    EQ(io(fd, SYNCOBJ_RESET, &arr), 0);
    EQ(wait_obj(fd, h, 1, 0, 0), -EINVAL);
    arr.count = 0;
    EQ(io(fd, SYNCOBJ_RESET, &arr), -EINVAL);
    arr = (struct drm_syncobj_array){ (uintptr_t)&bad, 1, 0 };
    EQ(io(fd, SYNCOBJ_SIGNAL, &arr), -ENOENT);

    struct drm_syncobj_fd x = { .handle = h[1], .fd = -1 };
    EQ(io(fd, SYNCOBJ_TO_FD, &x), 0); // shared with another file
    int shared = x.fd;
    EQ(io(b, SYNCOBJ_FROM_FD, &x), 0);
    EQ(wait_obj(b, &x.handle, 1, 0, 0), 0);
    x = (struct drm_syncobj_fd){ .fd = fd };
    EQ(io(b, SYNCOBJ_FROM_FD, &x), -EINVAL);
    x = (struct drm_syncobj_fd){ .handle = bad };
    EQ(io(b, SYNCOBJ_TO_FD, &x), -EINVAL);
    EQ(io(fd, SYNCOBJ_DESTROY, &h[0]), -EINVAL); // second word is h[1], not zero padding
    EQ(io(fd, SYNCOBJ_DESTROY, &(struct drm_syncobj){ h[0], 0 }), 0);
    EQ(io(fd, SYNCOBJ_DESTROY, &(struct drm_syncobj){ h[0], 0 }), -EINVAL);
    close(shared);
    close(fd);
    close(b);
}

static void syncobj_sync_files(void)
{
    int fd = dev();
    uint32_t h = syncobj(fd, 0);
    struct drm_syncobj_fd x = { .handle = h, .flags = 1, .fd = -1 };
    EQ(io(fd, SYNCOBJ_TO_FD, &x), -EINVAL); // no fence yet
    EQ(control("hang"), 0);
    int f = job(fd, 0, 1, 0, -1);
    x.fd = f;
    EQ(io(fd, SYNCOBJ_FROM_FD, &x), 0);
    EQ(wait_obj(fd, &h, 1, 0, now() + 10000000), -ETIME);
    EQ(io(fd, SYNCOBJ_TO_FD, &x), 0);
    OK(x.fd != f);
    EQ(fence_status(x.fd), 0);
    EQ(control("unhang"), 0);
    OK(readable(x.fd, 5000));
    EQ(wait_obj(fd, &h, 1, 0, 0), 0);
    close(x.fd);
    x = (struct drm_syncobj_fd){ .handle = 99, .flags = 1, .fd = f };
    EQ(io(fd, SYNCOBJ_FROM_FD, &x), -ENOENT);
    EQ(io(fd, SYNCOBJ_TO_FD, &x), -ENOENT);
    x.fd = fd;
    EQ(io(fd, SYNCOBJ_FROM_FD, &x), -EINVAL);
    close(f);
    close(fd);
}

static void syncobj_submit(void)
{
    int fd = dev();
    uint32_t in = syncobj(fd, 0), out = syncobj(fd, 0);
    struct submit_syncobj i = { in, 1, 0 }, o = { out, 0, 0 };
    struct submit s = { .flags = PIPE | SYNCOBJ_IN | SYNCOBJ_OUT, .in_syncobjs = (uintptr_t)&i,
                        .out_syncobjs = (uintptr_t)&o, .nr_in = 1, .nr_out = 1, .stride = 16 };
    EQ(io(fd, SUBMIT, &s), -EINVAL); // the in-syncobj has no fence
    EQ(io(fd, SYNCOBJ_SIGNAL, &(struct drm_syncobj_array){ (uintptr_t)&in, 1, 0 }), 0);
    EQ(io(fd, SUBMIT, &s), 0);
    EQ(wait_obj(fd, &out, 1, 0, 0), 0);
    EQ(wait_obj(fd, &in, 1, 0, 0), -EINVAL); // reset by the submit
    i = (struct submit_syncobj){ 99, 0, 0 };
    EQ(io(fd, SUBMIT, &s), -ENOENT);
    i = (struct submit_syncobj){ out, 2, 0 };
    EQ(io(fd, SUBMIT, &s), -EINVAL);
    i = (struct submit_syncobj){ out, 0, 1 };
    EQ(io(fd, SUBMIT, &s), -EOPNOTSUPP);
    i = (struct submit_syncobj){ out, 0, 0 };
    o.handle = 99;
    EQ(io(fd, SUBMIT, &s), -EINVAL);
    close(fd);
}

const struct test_case fence_cases[] = {
    { "file info", file_info, NULL },
    { "merge", merging, NULL },
    { "merge of one queue", merging_one_queue, NULL },
    { "copies of fences nobody saw", unseen_copies, NULL },
    { "in-fence fds", in_fence_kinds, NULL },
    { "syncobjs", syncobjs, NULL },
    { "syncobjs and sync files", syncobj_sync_files, NULL },
    { "syncobjs in a submit", syncobj_submit, NULL },
    { 0 },
};
