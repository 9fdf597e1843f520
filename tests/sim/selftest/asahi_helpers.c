// What the cases of asahi share.
#include "asahi.h"

uint32_t a_vm(int fd)
{
    struct vm_create a = { KERNEL, TOP, 0, 0 };
    EQ(io(fd, VM_CREATE, &a), 0);
    return a.vm_id;
}

uint32_t a_bo(int fd, uint64_t size)
{
    struct gem_create a = { .size = size };
    EQ(io(fd, GEM_CREATE, &a), 0);
    return a.handle;
}

uint32_t a_queue(int fd, uint32_t vm, uint32_t priority)
{
    struct queue_create a = { 0, vm, priority, 0, USC };
    EQ(io(fd, QUEUE_CREATE, &a), 0);
    return a.queue_id;
}

int a_bind(int fd, uint32_t vm, uint32_t flags, uint32_t handle, uint64_t offset, uint64_t range, uint64_t addr)
{
    struct bind_op op = { flags, handle, offset, range, addr };
    return io(fd, VM_BIND, &(struct vm_bind){ vm, 1, sizeof(op), 0, (uintptr_t)&op });
}

uint64_t a_bindings(void)
{
    struct drmsim_counters c;
    counters(&c);
    return c.bindings;
}

uint32_t a_syncobj(int fd)
{
    struct drm_syncobj a = { 0, 0 };
    EQ(io(fd, SYNCOBJ_CREATE, &a), 0);
    return a.handle;
}

int a_job(int fd, uint32_t queue_id, uint64_t stream, uint32_t in, uint32_t out)
{
    struct { struct header h; uint32_t flags, samplers; uint64_t stream; } cmd = {
        { 1, 16, NONE, 0 }, 0, 0, stream
    };
    struct sync syncs[2] = { { 0, in ? in : out, 0 }, { 0, out, 0 } };
    struct a_submit a = { (uintptr_t)syncs, (uintptr_t)&cmd, 0, queue_id, !!in, !!out, sizeof(cmd), 0 };
    return io(fd, A_SUBMIT, &a);
}

int a_fence(int fd, uint32_t syncobj)
{
    struct drm_syncobj_fd a = { syncobj, 1, -1, 0, 0 };
    int ret = io(fd, SYNCOBJ_TO_FD, &a);
    return ret ? ret : a.fd;
}
