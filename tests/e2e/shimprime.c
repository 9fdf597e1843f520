// Preloaded into the VMM before Mesa's libfreedreno_noop_drm_shim.so or libasahi_noop_drm_shim.so: what a native context
// needs and those devices lack. dma-bufs (a memfd for each buffer; what matters is that every mapping of it is the same
// memory), sync files of syncobjs and dma-bufs (signalled: jobs end at once), ids of queues and VMs, the client's name.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <libdrm/drm.h>
#include <libdrm/msm_drm.h>
#include <linux/sync_file.h>

// Numbers of requests, as the first byte of the ioctl has them.
#define NR(name) _IOC_NR(DRM_IOCTL_##name)
// Newer than some systems' headers.
#define NR_SET_CLIENT_NAME 0xd1
#define ASAHI_VM_CREATE 0xc0186442u
#define ASAHI_GEM_CREATE 0xc0186445u
#define ASAHI_QUEUE_CREATE 0xc0186448u
#define EXPORT_SYNC_FILE 0xc0086202u
#define IMPORT_SYNC_FILE 0x40086203u

struct asahi_vm_create { uint64_t kernel_start, kernel_end; uint32_t id, pad; };
struct asahi_gem_create { uint64_t size; uint32_t flags, vm, handle, pad; };
struct asahi_queue_create { uint32_t flags, vm, priority, id; uint64_t usc_base; };
struct dmabuf_fence { uint32_t flags; int32_t fd; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct buffer {
    struct buffer *next;
    int device;
    uint32_t handle;
    uint64_t size;
    int memfd; // -1 until exported
} *buffers; // guarded by lock
static atomic_bool asahi; // the device under us

static int real_ioctl(int fd, unsigned long request, void *arg)
{
    static _Atomic(int (*)(int, unsigned long, ...)) real;

    if (!real)
        real = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    return real(fd, request, arg);
}

static int fail(int error)
{
    errno = error;
    return -1;
}

static struct buffer *find(int device, uint32_t handle)
{
    struct buffer *b = buffers;

    while (b && (b->device != device || b->handle != handle))
        b = b->next;
    return b;
}

static void add(int device, uint32_t handle, uint64_t size, int memfd)
{
    struct buffer *b = malloc(sizeof(*b));

    if (!b)
        abort();
    *b = (struct buffer){ buffers, device, handle, size, memfd };
    buffers = b;
}

// Of one device: one buffer, or all with handle 0.
static void forget(int device, uint32_t handle)
{
    pthread_mutex_lock(&lock);
    for (struct buffer **at = &buffers; *at;) {
        struct buffer *b = *at;
        if (b->device != device || (handle && b->handle != handle)) {
            at = &b->next;
            continue;
        }
        *at = b->next;
        if (b->memfd >= 0)
            syscall(SYS_close, b->memfd);
        free(b);
    }
    pthread_mutex_unlock(&lock);
}

static int export(int device, struct drm_prime_handle *p)
{
    struct buffer *b = find(device, p->handle);

    if (!b)
        return fail(ENOENT);
    if (b->memfd < 0) {
        b->memfd = memfd_create("shimprime", MFD_CLOEXEC);
        if (b->memfd < 0 || ftruncate(b->memfd, (off_t)b->size))
            return -1;
    }
    p->fd = fcntl(b->memfd, F_DUPFD_CLOEXEC, 3);
    return p->fd < 0 ? -1 : 0;
}

static int import(int device, struct drm_prime_handle *p)
{
    struct stat want, have;
    struct buffer *known = NULL;

    if (fstat(p->fd, &want))
        return -1;
    for (struct buffer *b = buffers; b; b = b->next)
        if (b->memfd >= 0 && fstat(b->memfd, &have) == 0 && have.st_ino == want.st_ino &&
            have.st_dev == want.st_dev && (!known || b->device == device))
            known = b;
    if (known && known->device == device) {
        p->handle = known->handle;
        return 0;
    }
    uint64_t size = known ? known->size : (uint64_t)want.st_size;
    struct drm_msm_gem_new new = { .size = size };
    struct asahi_gem_create create = { .size = size };
    if (asahi ? real_ioctl(device, ASAHI_GEM_CREATE, &create) : real_ioctl(device, DRM_IOCTL_MSM_GEM_NEW, &new))
        return -1;
    p->handle = asahi ? create.handle : new.handle;
    add(device, p->handle, size, fcntl(p->fd, F_DUPFD_CLOEXEC, 3));
    return 0;
}

static int locked(int (*what)(int, struct drm_prime_handle *), int device, void *arg)
{
    pthread_mutex_lock(&lock);
    int ret = what(device, arg);
    pthread_mutex_unlock(&lock);
    return ret;
}

static int sync_file_of(struct drm_syncobj_handle *h)
{
    h->fd = eventfd(1, EFD_CLOEXEC);
    return h->fd < 0 ? -1 : 0;
}

static void created(int device, uint32_t handle, uint64_t size)
{
    pthread_mutex_lock(&lock);
    add(device, handle, (size + 4095) / 4096 * 4096, -1); // as the kernel rounds
    pthread_mutex_unlock(&lock);
}

static void give_id(uint32_t *id)
{
    static _Atomic uint32_t last;

    if (!*id)
        *id = ++last;
}

// What a request that succeeded has made.
static void made(int fd, uint32_t request, void *arg)
{
    struct drm_msm_gem_new *new = arg;
    struct asahi_gem_create *create = arg;

    switch (request) {
    case DRM_IOCTL_MSM_GEM_NEW:
        created(fd, new->handle, new->size);
        break;
    case ASAHI_GEM_CREATE:
        created(fd, create->handle, create->size);
        break;
    case DRM_IOCTL_MSM_SUBMITQUEUE_NEW:
        give_id(&((struct drm_msm_submitqueue *)arg)->id);
        break;
    case ASAHI_QUEUE_CREATE:
        give_id(&((struct asahi_queue_create *)arg)->id);
        break;
    case ASAHI_VM_CREATE:
        asahi = true;
        give_id(&((struct asahi_vm_create *)arg)->id);
        break;
    }
}

static int drm_request(int fd, unsigned long request, void *arg)
{
    struct drm_syncobj_handle *syncobj = arg;
    struct drm_get_cap *cap = arg;

    switch (_IOC_NR(request)) {
    case NR_SET_CLIENT_NAME:
        return 0;
    case NR(GET_CAP):
        if (cap->capability != DRM_CAP_PRIME)
            break;
        cap->value = DRM_PRIME_CAP_IMPORT | DRM_PRIME_CAP_EXPORT;
        return 0;
    case NR(SYNCOBJ_HANDLE_TO_FD):
        if (syncobj->flags & DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE)
            return sync_file_of(syncobj);
        break;
    case NR(PRIME_HANDLE_TO_FD):
        return locked(export, fd, arg);
    case NR(PRIME_FD_TO_HANDLE):
        return locked(import, fd, arg);
    case NR(GEM_CLOSE):
        forget(fd, ((struct drm_gem_close *)arg)->handle);
        break;
    }
    int ret = real_ioctl(fd, request, arg);
    if (ret == 0)
        made(fd, (uint32_t)request, arg);
    return ret;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;

    va_start(args, request);
    void *arg = va_arg(args, void *);
    va_end(args);
    if (request == SYNC_IOC_MERGE) { // both are signalled
        struct sync_merge_data *merge = arg;
        merge->fence = fcntl(merge->fd2, F_DUPFD_CLOEXEC, 3);
        return merge->fence < 0 ? -1 : 0;
    }
    if (request == IMPORT_SYNC_FILE)
        return 0;
    if (request == EXPORT_SYNC_FILE) {
        struct dmabuf_fence *fence = arg;
        fence->fd = eventfd(1, EFD_CLOEXEC);
        return fence->fd < 0 ? -1 : 0;
    }
    return _IOC_TYPE(request) == DRM_IOCTL_BASE ? drm_request(fd, request, arg) : real_ioctl(fd, request, arg);
}

int close(int fd)
{
    static _Atomic(int (*)(int)) real;

    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "close");
    forget(fd, 0);
    return real(fd);
}
