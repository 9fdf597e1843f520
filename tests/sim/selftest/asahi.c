// Cases: asahi's parameters, VMs, bindings, buffers and objects.
#define _GNU_SOURCE
#include "asahi.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void params(void)
{
    int fd = dev();
    unsigned char p[600], q[600];
    uint32_t words[4];
    uint64_t range[3];
    memset(p, 0xaa, sizeof(p));
    struct get_params a = { 0, 0, (uintptr_t)p, sizeof(p) };
    EQ(io(fd, GET_PARAMS, &a), 0);
    EQ(a.size, sizeof(p));
    EQ(p[591], 0);
    EQ(p[592], 0xaa); // no more than there is
    memcpy(words, p + 8, sizeof(words));
    OK(words[0] == 13 && words[1] == 'G' && words[3] == 0x8103);
    memcpy(range, p + 552, sizeof(range));
    OK(range[0] == PAGE && range[1] == TOP && range[2] <= TOP - KERNEL);
    memset(q, 0xaa, sizeof(q));
    a = (struct get_params){ 0, 0, (uintptr_t)q, 10 };
    EQ(io(fd, GET_PARAMS, &a), 0);
    OK(memcmp(p, q, 10) == 0 && q[10] == 0xaa); // no more than wanted
    a.group = 1;
    EQ(io(fd, GET_PARAMS, &a), -EINVAL);
    a = (struct get_params){ 0, 1, (uintptr_t)q, 10 };
    EQ(io(fd, GET_PARAMS, &a), -EINVAL);
    a = (struct get_params){ 0, 0, 0, 10 };
    EQ(io(fd, GET_PARAMS, &a), -EFAULT);
    struct get_time t = { 0, 0 };
    EQ(io(fd, GET_TIME, &t), 0);
    OK(t.timestamp > 0);
    t.flags = 1;
    EQ(io(fd, GET_TIME, &t), -EINVAL);
    EQ(io(fd, 0xc010644bul, &t), -EINVAL); // beyond the table
    char name[8] = "";
    struct drm_version v = { .name = name, .name_len = 7 };
    EQ(io(fd, VERSION, &v), 0);
    EQ(strcmp(name, "asahi"), 0);
    close(fd);
}

static void vms(void)
{
    int fd = dev(), other = dev();
    static const struct vm_create bad[] = {
        { KERNEL, TOP + PAGE, 0, 0 }, { 0, TOP, 0, 0 }, { KERNEL, TOP, 0, 1 }, { KERNEL + 1, TOP, 0, 0 },
        { KERNEL, TOP - 1, 0, 0 }, { TOP, KERNEL, 0, 0 }, { TOP - 0x1fffc000, TOP, 0, 0 },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct vm_create a = bad[i];
        EQ(io(fd, VM_CREATE, &a), -EINVAL);
    }
    EQ(a_vm(fd), 1);
    EQ(a_vm(fd), 2);
    EQ(a_vm(other), 1); // ids of each file
    EQ(io(fd, VM_DESTROY, &(struct vm_destroy){ 1, 1 }), -EINVAL);
    EQ(io(fd, VM_DESTROY, &(struct vm_destroy){ 1, 0 }), 0);
    EQ(io(fd, VM_DESTROY, &(struct vm_destroy){ 1, 0 }), -ENOENT);
    EQ(io(other, VM_DESTROY, &(struct vm_destroy){ 2, 0 }), -ENOENT);
    close(fd);
    close(other);
}

static void buffers(void)
{
    int fd = dev();
    uint32_t vm = a_vm(fd);
    static const struct { int ret; struct gem_create a; } rows[] = {
        { 0, { 4 * PAGE, 1, 0, 0, 0 } },
        { 0, { PAGE, 3, 1, 0, 0 } },
        { -EINVAL, { 0, 0, 0, 0, 0 } },
        { -EINVAL, { PAGE + 4096, 0, 0, 0, 0 } },
        { -EINVAL, { PAGE, 4, 0, 0, 0 } },
        { -EINVAL, { PAGE, 0, 1, 0, 0 } }, // a VM is for private ones
        { -EINVAL, { PAGE, 0, 0, 0, 1 } },
        { -ENOENT, { PAGE, 2, 7, 0, 0 } },
        { -ENOMEM, { 1ull << 40, 0, 0, 0, 0 } },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gem_create a = rows[i].a;
        EQ(io(fd, GEM_CREATE, &a), rows[i].ret);
    }
    EQ(vm, 1);
    struct mmap_offset o = { 1, 0, 0 };
    EQ(io(fd, GEM_MMAP_OFFSET, &o), 0);
    char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)o.offset);
    OK(p != MAP_FAILED && p[4 * PAGE - 1] == 0);
    munmap(p, 4 * PAGE);
    o = (struct mmap_offset){ 1, 1, 0 };
    EQ(io(fd, GEM_MMAP_OFFSET, &o), -EINVAL);
    o = (struct mmap_offset){ 9, 0, 0 };
    EQ(io(fd, GEM_MMAP_OFFSET, &o), -ENOENT);
    int shared = export_bo(fd, 1);
    OK(shared >= 0);
    EQ(export_bo(fd, 2), -EINVAL); // private to the VM
    EQ(a_bind(fd, vm, READ, 2, 0, PAGE, ADDR), 0);
    EQ(a_bind(fd, a_vm(fd), READ, 2, 0, PAGE, ADDR), -EINVAL);
    close(shared);
    close(fd);
}

// Each change of a good operation must be refused with its own error.
static void bind_arguments(void)
{
    int fd = dev();
    uint32_t vm = a_vm(fd), h = a_bo(fd, 4 * PAGE);
    const struct bind_op good = { READ | WRITE, h, PAGE, 2 * PAGE, ADDR };
    struct bind_op op = good;
    struct vm_bind b = { vm, 1, sizeof(op), 0, (uintptr_t)&op };
    EQ(io(fd, VM_BIND, &b), 0);
#define REFUSED(error, change) \
    do { \
        op = good; \
        op.change; \
        EQ(io(fd, VM_BIND, &b), error); \
    } while (0)
    REFUSED(-EINVAL, flags = 16 | READ);
    REFUSED(-EINVAL, flags = 0);
    REFUSED(-EINVAL, flags = SINGLE);
    REFUSED(-EINVAL, flags = UNBIND | READ);
    REFUSED(-ENOENT, handle = 0);
    REFUSED(-ENOENT, handle = h + 1);
    REFUSED(-EINVAL, offset = 4096);
    REFUSED(-EINVAL, offset = 3 * PAGE);
    REFUSED(-EINVAL, offset = -PAGE);
    REFUSED(-EINVAL, range = 0);
    REFUSED(-EINVAL, range = 4096);
    REFUSED(-EINVAL, range = 4 * PAGE);
    REFUSED(-EINVAL, range = -PAGE);
    REFUSED(-EINVAL, addr = 0);
    REFUSED(-EINVAL, addr = ADDR + 4096);
    REFUSED(-EINVAL, addr = KERNEL - PAGE); // reaches into the kernel's
    REFUSED(-EINVAL, addr = TOP);
    REFUSED(-EINVAL, addr = -PAGE);
    EQ(a_bindings(), 1);
    op = good;
    EQ(io(fd, VM_BIND, &(struct vm_bind){ vm, 1, 32, 1, (uintptr_t)&op }), -EINVAL);
    EQ(io(fd, VM_BIND, &(struct vm_bind){ vm, 1, 0, 0, (uintptr_t)&op }), -EINVAL);
    EQ(io(fd, VM_BIND, &(struct vm_bind){ vm, 1, 32, 0, 0 }), -EFAULT);
    EQ(io(fd, VM_BIND, &(struct vm_bind){ vm + 1, 1, 32, 0, (uintptr_t)&op }), -ENOENT);
    EQ(io(fd, VM_BIND, &(struct vm_bind){ vm, 0, 0, 0, 0 }), 0);
    close(fd);
}

static void bind_arrays(void)
{
    int fd = dev();
    uint32_t vm = a_vm(fd), h = a_bo(fd, PAGE);
    struct { struct bind_op op; uint64_t more; } wide[3] = {
        { { READ, h, 0, PAGE, ADDR }, 0 }, { { READ, h, 0, PAGE, ADDR + 2 * PAGE }, 0 },
        { { READ, h, 0, PAGE, ADDR + 4 * PAGE }, 1 },
    };
    struct vm_bind b = { vm, 3, sizeof(wide[0]), 0, (uintptr_t)wide };
    EQ(io(fd, VM_BIND, &b), -EINVAL); // the third has something we do not know
    EQ(a_bindings(), 2);              // those before it stay
    b.count = 1;
    b.stride = 24; // without an address
    EQ(io(fd, VM_BIND, &b), -EINVAL);
    EQ(a_bind(fd, vm, READ | SINGLE, h, 0, 64 * PAGE, ADDR), 0); // one page all over, replaces both
    EQ(a_bind(fd, vm, WRITE | SINGLE, h, 0, 64 * PAGE, ADDR), 0); // the same again
    EQ(a_bindings(), 1);
    EQ(a_bind(fd, vm, READ | SINGLE, h, PAGE, 64 * PAGE, ADDR), -EINVAL);
    close(fd);
}

// What is bound is told by jobs: those that find nothing to execute fail.
static int mapped(int fd, uint32_t queue_id, uint64_t addr)
{
    uint32_t out = a_syncobj(fd);
    EQ(a_job(fd, queue_id, addr, 0, out), 0);
    int fence = a_fence(fd, out), status = fence_status(fence);
    close(fence);
    EQ(io(fd, SYNCOBJ_DESTROY, &(struct drm_syncobj){ out, 0 }), 0);
    return status;
}

static void bind_overlaps(void)
{
    int fd = dev();
    uint32_t vm = a_vm(fd), q = a_queue(fd, vm, 0), h = a_bo(fd, 16 * PAGE), other = a_bo(fd, PAGE);
    EQ(a_bind(fd, vm, READ, h, 0, 8 * PAGE, ADDR), 0);
    EQ(mapped(fd, q, ADDR), 1);
    EQ(mapped(fd, q, ADDR - 8), -EIO);
    EQ(mapped(fd, q, ADDR + 8 * PAGE - 8), 1);
    EQ(mapped(fd, q, ADDR + 8 * PAGE), -EIO);
    EQ(a_bind(fd, vm, READ, other, 0, PAGE, ADDR + 3 * PAGE), 0); // in the middle
    EQ(a_bindings(), 3);
    EQ(a_bind(fd, vm, UNBIND, 0, 0, PAGE, ADDR + PAGE), 0);
    EQ(a_bindings(), 4);
    EQ(mapped(fd, q, ADDR + PAGE), -EIO);
    EQ(mapped(fd, q, ADDR + 2 * PAGE), 1);
    EQ(io(fd, GEM_CLOSE, &(struct drm_gem_close){ h, 0 }), 0); // takes its bindings along
    EQ(a_bindings(), 1);
    EQ(mapped(fd, q, ADDR), -EIO);
    EQ(mapped(fd, q, ADDR + 3 * PAGE), 1);
    EQ(a_bind(fd, vm, UNBIND, 99, 0, 64 * PAGE, ADDR - PAGE), 0); // more than there is
    EQ(a_bindings(), 0);
    for (uint64_t i = 0; i < 100; i++)
        EQ(a_bind(fd, vm, READ, other, 0, PAGE, ADDR + (i * 37 % 100) * 2 * PAGE), 0);
    EQ(a_bindings(), 100);
    EQ(a_bind(fd, vm, UNBIND, 0, 0, 100 * PAGE, ADDR + 50 * PAGE), 0);
    EQ(a_bindings(), 50);
    EQ(mapped(fd, q, ADDR + 48 * PAGE), 1);
    EQ(mapped(fd, q, ADDR + 50 * PAGE), -EIO);
    EQ(mapped(fd, q, ADDR + 150 * PAGE), 1);
    EQ(io(fd, VM_DESTROY, &(struct vm_destroy){ vm, 0 }), 0); // its queue keeps it alive
    EQ(a_bindings(), 50);
    EQ(mapped(fd, q, ADDR + 48 * PAGE), 1);
    EQ(io(fd, QUEUE_DESTROY, &(struct queue_destroy){ q, 0 }), 0);
    EQ(a_bindings(), 0);
    close(fd);
}

static void objects(void)
{
    int fd = dev();
    uint32_t h = a_bo(fd, 2 * PAGE);
    const struct bind_object good = { 0, 1, h, 0, PAGE, PAGE, 0, 0 };
    struct bind_object o = good;
#define BAD_OBJECT(error, change) \
    do { \
        o = good; \
        o.change; \
        EQ(io(fd, GEM_BIND_OBJECT, &o), error); \
    } while (0)
    BAD_OBJECT(-EINVAL, op = 2);
    BAD_OBJECT(-EINVAL, flags = 0);
    BAD_OBJECT(-EINVAL, flags = 3);
    BAD_OBJECT(-ENOENT, handle = 9);
    BAD_OBJECT(-EINVAL, vm_id = 1);
    BAD_OBJECT(-EINVAL, offset = 2 * PAGE);
    BAD_OBJECT(-EINVAL, offset = 8);
    BAD_OBJECT(-EINVAL, range = 0);
    BAD_OBJECT(-EINVAL, range = 2 * PAGE);
    BAD_OBJECT(-EINVAL, pad = 1);
    o = good;
    EQ(io(fd, GEM_BIND_OBJECT, &o), 0);
    EQ(o.object, 1);
    EQ(io(fd, GEM_CLOSE, &(struct drm_gem_close){ h, 0 }), 0); // the object keeps the buffer
    struct drmsim_counters c;
    counters(&c);
    OK(c.bos == 1 && c.objects == 1);
    struct bind_object un = { .op = 1, .object = 2 };
    EQ(io(fd, GEM_BIND_OBJECT, &un), -ENOENT);
    un.object = 1;
    un.op = 2;
    EQ(io(fd, GEM_BIND_OBJECT, &un), -EINVAL);
    un.op = 1;
    EQ(io(fd, GEM_BIND_OBJECT, &un), 0);
    EQ(io(fd, GEM_BIND_OBJECT, &un), -ENOENT);
    counters(&c);
    OK(c.bos == 0 && c.objects == 0);
    o = good;
    o.handle = a_bo(fd, 2 * PAGE);
    EQ(io(fd, GEM_BIND_OBJECT, &o), 0);
    close(fd); // releases it, too
}

#define ASAHI "DRMSIM_DRIVER=asahi"
const struct test_case asahi_cases[] = {
    { "asahi params", params, ASAHI },
    { "asahi VMs", vms, ASAHI },
    { "asahi buffers", buffers, ASAHI },
    { "asahi bind arguments", bind_arguments, ASAHI },
    { "asahi bind arrays", bind_arrays, ASAHI },
    { "asahi overlapping bindings", bind_overlaps, ASAHI },
    { "asahi objects", objects, ASAHI },
    { 0 },
};
