// The ioctls of sync_file fds: SYNC_IOC_MERGE and SYNC_IOC_FILE_INFO.
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "sim.h"

#define IOC_MERGE 0xc0303e03u
#define IOC_FILE_INFO 0xc0383e04u

struct merge_data {
    char name[32];
    int32_t fd2, fence;
    uint32_t flags, pad;
};

struct fence_info {
    char obj_name[32], driver_name[32];
    int32_t status;
    uint32_t flags;
    uint64_t timestamp_ns;
};

struct file_info {
    char name[32];
    int32_t status;
    uint32_t flags, num_fences, pad;
    uint64_t sync_fence_info;
};

static int merge(struct fence *fence, struct merge_data *user)
{
    struct merge_data args = *user;
    if (args.flags || args.pad)
        return -EINVAL;
    struct fence *other = fence_from_fd(args.fd2);
    if (!other)
        return -ENOENT;
    args.name[sizeof(args.name) - 1] = 0;
    struct fence *merged = fence_merge(fence, other, args.name);
    fence_put(other);
    if (!merged)
        return -ENOMEM;
    int fd = fence_export(merged, NULL);
    fence_put(merged);
    if (fd < 0)
        return fd;
    user->fence = fd;
    return 0;
}

static void put_info(struct fence_info *to, struct fence *f)
{
    memset(to, 0, sizeof(*to));
    snprintf(to->obj_name, sizeof(to->obj_name), "ring-%llu", (unsigned long long)f->context);
    snprintf(to->driver_name, sizeof(to->driver_name), "%.31s", f->driver);
    to->status = fence_status(f);
    to->timestamp_ns = to->status ? f->timestamp : 0;
}

static int file_info(struct fence *fence, struct file_info *user)
{
    struct file_info args = *user;
    if (args.flags || args.pad)
        return -EINVAL;
    unsigned count = fence->part_count ? fence->part_count : 1;
    args.status = fence_status(fence);
    if (args.num_fences) {
        if (args.num_fences < count)
            return -EINVAL;
        struct fence_info *infos = (struct fence_info *)(uintptr_t)args.sync_fence_info;
        if (!infos)
            return -EFAULT;
        for (unsigned i = 0; i < count; i++)
            put_info(&infos[i], fence->part_count ? fence->parts[i] : fence);
    }
    if (fence->name[0])
        memcpy(args.name, fence->name, sizeof(args.name));
    else
        snprintf(args.name, sizeof(args.name), "%.8s-%llu-%llu", fence->driver,
                 (unsigned long long)fence->context, (unsigned long long)fence->seqno);
    args.num_fences = count;
    *user = args;
    return 0;
}

// *ours = false: not a fence, the real kernel shall answer.
int sync_file_ioctl(int fd, unsigned long request, void *arg, bool *ours)
{
    *ours = request == IOC_MERGE || request == IOC_FILE_INFO;
    struct fence *fence = *ours ? fence_from_fd(fd) : NULL;
    if (!fence) {
        *ours = false;
        return 0;
    }
    int ret = sim_enter(request == IOC_MERGE ? DRMSIM_MERGE : DRMSIM_FILE_INFO);
    if (!ret && !arg)
        ret = -EFAULT;
    if (!ret)
        ret = request == IOC_MERGE ? merge(fence, arg) : file_info(fence, arg);
    fence_put(fence);
    return ret;
}
