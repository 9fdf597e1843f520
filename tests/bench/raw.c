// The ioctls behind the library's calls, issued directly: what the work costs without it.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

// Structs and numbers from the kernel's drm/drm.h, drm/msm_drm.h and linux/sync_file.h.
struct drm_version {
    int major, minor, patch;
    size_t name_len; char *name;
    size_t date_len; char *date;
    size_t desc_len; char *desc;
};
struct gem_close { uint32_t handle, pad; };
struct client_name { uint64_t len, name; };
struct gem_new { uint64_t size; uint32_t flags, handle; };
struct gem_info { uint32_t handle, info; uint64_t value; uint32_t len, pad; };
struct cpu_prep { uint32_t handle, op; int64_t sec, nsec; };
struct submitqueue { uint32_t flags, prio, id; };
struct submit_bo { uint32_t flags, handle; uint64_t presumed; };
struct submit_cmd { uint32_t type, idx, offset, size, pad, nr_relocs; uint64_t relocs; };
struct submit {
    uint32_t flags, fence, nr_bos, nr_cmds;
    uint64_t bos, cmds;
    int32_t fence_fd;
    uint32_t queue;
    uint64_t in_syncobjs, out_syncobjs;
    uint32_t nr_in_syncobjs, nr_out_syncobjs, syncobj_stride, pad;
};
struct fence_info { char obj[32], driver[32]; int32_t status; uint32_t flags; uint64_t timestamp_ns; };
struct file_info { char name[32]; int32_t status; uint32_t flags, num_fences, pad; uint64_t infos; };

#define IOCTL_VERSION _IOWR('d', 0x00, struct drm_version)
#define IOCTL_GEM_CLOSE _IOW('d', 0x09, struct gem_close)
#define IOCTL_SET_CLIENT_NAME _IOWR('d', 0xd1, struct client_name)
#define IOCTL_GEM_NEW _IOWR('d', 0x42, struct gem_new)
#define IOCTL_GEM_INFO _IOWR('d', 0x43, struct gem_info)
#define IOCTL_CPU_PREP _IOW('d', 0x44, struct cpu_prep)
#define IOCTL_SUBMIT _IOWR('d', 0x46, struct submit)
#define IOCTL_SUBMITQUEUE_NEW _IOWR('d', 0x4a, struct submitqueue)
#define IOCTL_FILE_INFO _IOWR('>', 4, struct file_info)

enum { INFO_GET_OFFSET = 0, INFO_SET_IOVA = 4 };
enum { PREP_WRITE_NOSYNC_BOOST = 0x2 | 0x4 | 0x8, BO_WC = 0x20000 };
enum { SUBMIT_3D0_FENCE_OUT_SN_IN = 0x10 | 0x20000000 | 0x02000000 };

static int device = -1;
static uint32_t queue_ids[QUEUES], handles[MAX_BOS], nqueues, seqno;
static struct submit_bo bos[MAX_BOS];
static struct submit_cmd cmd = { .type = 1, .size = 64 };

static void call(int fd, unsigned long request, void *arg, const char *what)
{
    if (ioctl(fd, request, arg))
        die("%s of the simulated GPU failed: %s", what, strerror(errno));
}

// What it takes to open a context: the version is asked for twice, first for the lengths of the strings.
int raw_device(void)
{
    const char *node = getenv("DRMSIM_NODE");
    char name[64], date[64], desc[64];
    struct drm_version v = { 0 };
    struct client_name client = { 5, (uintptr_t)"bench" };
    int fd = open(node && *node ? node : "/dev/dri/renderD128", O_RDWR | O_CLOEXEC);

    if (fd < 0)
        die("cannot open the simulated render node: %s", strerror(errno));
    call(fd, IOCTL_VERSION, &v, "VERSION");
    v.name = name, v.date = date, v.desc = desc;
    call(fd, IOCTL_VERSION, &v, "VERSION");
    call(fd, IOCTL_SET_CLIENT_NAME, &client, "SET_CLIENT_NAME");
    return fd;
}

void raw_open(uint32_t queues, uint32_t priorities, uint32_t nbos)
{
    device = raw_device();
    nqueues = queues;
    for (uint32_t i = 0; i < queues; i++) {
        struct submitqueue q = { .prio = i % priorities };

        call(device, IOCTL_SUBMITQUEUE_NEW, &q, "SUBMITQUEUE_NEW");
        queue_ids[i] = q.id;
    }
    for (uint32_t i = 0; i < nbos; i++) {
        handles[i] = raw_gem_new(IOVA_BASE + (uint64_t)i * BO_SIZE, BO_SIZE);
        bos[i] = (struct submit_bo){ .flags = 3, .handle = handles[i] };
    }
}

void raw_close(void)
{
    close(device);
    device = -1;
}

void raw_prep(uint32_t bo)
{
    struct cpu_prep a = { .handle = handles[bo], .op = PREP_WRITE_NOSYNC_BOOST };

    call(device, IOCTL_CPU_PREP, &a, "GEM_CPU_PREP");
}

uint32_t raw_gem_new(uint64_t iova, uint64_t size)
{
    struct gem_new bo = { .size = size, .flags = BO_WC };
    struct gem_info info = { .info = INFO_SET_IOVA, .value = iova };

    call(device, IOCTL_GEM_NEW, &bo, "GEM_NEW");
    info.handle = bo.handle;
    call(device, IOCTL_GEM_INFO, &info, "GEM_INFO");
    return bo.handle;
}

void raw_gem_close(uint32_t handle)
{
    struct gem_close a = { .handle = handle };

    call(device, IOCTL_GEM_CLOSE, &a, "GEM_CLOSE");
}

void *raw_map(uint32_t handle, uint64_t size)
{
    struct gem_info info = { .handle = handle, .info = INFO_GET_OFFSET };

    call(device, IOCTL_GEM_INFO, &info, "GEM_INFO");
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)info.value);
    if (p == MAP_FAILED)
        die("mmap of a buffer failed: %s", strerror(errno));
    return p;
}

int raw_submit_queue(uint32_t queue, uint32_t nbos)
{
    struct submit s = {
        .flags = SUBMIT_3D0_FENCE_OUT_SN_IN, .fence = ++seqno, .nr_bos = nbos, .nr_cmds = 1,
        .bos = (uintptr_t)bos, .cmds = (uintptr_t)&cmd, .fence_fd = -1, .queue = queue_ids[queue],
    };

    call(device, IOCTL_SUBMIT, &s, "GEM_SUBMIT");
    return s.fence_fd;
}

// Changes the queue with every 64th job, so that no queue has a long list of jobs when thousands are pending.
int raw_submit(uint32_t nbos) { return raw_submit_queue(seqno / 64 % nqueues, nbos); }

uint64_t raw_signal_time(int sync_file)
{
    struct fence_info fence = { 0 };
    struct file_info info = { .num_fences = 1, .infos = (uintptr_t)&fence };

    call(sync_file, IOCTL_FILE_INFO, &info, "SYNC_IOC_FILE_INFO");
    return fence.timestamp_ns;
}
