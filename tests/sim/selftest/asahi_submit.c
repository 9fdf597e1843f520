// Cases: asahi's queues, command buffers, syncobjs of jobs, fences of dma-bufs.
#define _GNU_SOURCE
#include "asahi.h"

#include <string.h>
#include <unistd.h>

static void queues(void)
{
    int fd = dev();
    uint32_t vm = a_vm(fd);
    static const struct { int ret; struct queue_create a; } rows[] = {
        { 0, { 0, 1, 0, 0, USC } },
        { 0, { 0, 1, 1, 0, PAGE } },
        { -EINVAL, { 0, 1, 2, 0, USC } }, // HIGH is reserved
        { -EINVAL, { 0, 1, 4, 0, USC } },
        { -EINVAL, { 1, 1, 0, 0, USC } },
        { -ENOENT, { 0, 2, 0, 0, USC } },
        { -EINVAL, { 0, 1, 0, 0, 0 } },
        { -EINVAL, { 0, 1, 0, 0, TOP - PAGE } },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct queue_create a = rows[i].a;
        EQ(io(fd, QUEUE_CREATE, &a), rows[i].ret);
        EQ(a.queue_id, rows[i].ret ? 0 : i + 1);
    }
    EQ(vm, 1);
    EQ(io(fd, QUEUE_DESTROY, &(struct queue_destroy){ 1, 1 }), -EINVAL);
    EQ(io(fd, QUEUE_DESTROY, &(struct queue_destroy){ 1, 0 }), 0);
    EQ(io(fd, QUEUE_DESTROY, &(struct queue_destroy){ 1, 0 }), -ENOENT);
    EQ(a_job(fd, 1, 0, 0, 0), -ENOENT);
    EQ(a_job(fd, 2, 0, 0, 0), 0);
    close(fd);
}

// A command buffer is put together here.
static unsigned char chain[8192];
static uint32_t chain_size;

static void *add(uint16_t type, uint16_t size, uint16_t vdm, uint16_t cdm)
{
    struct header h = { type, size, vdm, cdm };
    memcpy(chain + chain_size, &h, sizeof(h));
    void *payload = chain + chain_size + sizeof(h);
    memset(payload, 0, size);
    chain_size += (uint32_t)sizeof(h) + size;
    return payload;
}

static unsigned char *add_render(void)
{
    unsigned char *r = add(0, 240, NONE, NONE);
    uint16_t dimensions[] = { 64, 32, 1, 0 }; // width, height, layers, samplers
    memcpy(r + 148, dimensions, sizeof(dimensions));
    r[156] = r[157] = 32; // pixels of a tile
    r[158] = 4;           // samples
    return r;
}

static uint32_t test_queue;

static int send(int fd)
{
    struct a_submit a = { 0, (uintptr_t)chain, 0, test_queue, 0, 0, chain_size, 0 };
    int ret = io(fd, A_SUBMIT, &a);
    chain_size = 0;
    return ret;
}

static void commands(void)
{
    int fd = dev();
    uint32_t zero[6] = { 0 };
    test_queue = a_queue(fd, a_vm(fd), 0);
    add_render();
    add(1, 64, 1, NONE); // waits for the render command before
    add(1, 8, 0, 1);     // shorter than we know
    memcpy(add(2, 48, NONE, NONE), zero, sizeof(zero));
    add(3, 0, NONE, NONE);
    add(4, 16 * 24, NONE, NONE);
    add(1, 72, NONE, 2); // longer, with zeros
    EQ(send(fd), 0);
    add_render();
    add(1, 64, 2, NONE); // for a second one that is not there
    EQ(send(fd), -EINVAL);
    add(1, 64, NONE, 1); // for itself
    EQ(send(fd), -EINVAL);
    ((unsigned char *)add(1, 72, NONE, NONE))[71] = 1;
    EQ(send(fd), -EINVAL);
    add(5, 0, NONE, NONE);
    EQ(send(fd), -EINVAL);
    static const struct header software[] = { { 2, 24, 0, NONE }, { 3, 24, NONE, 0 }, { 4, 23, NONE, NONE },
                                              { 4, 17 * 24, NONE, NONE } };
    for (size_t i = 0; i < sizeof(software) / sizeof(software[0]); i++) {
        add(1, 64, NONE, NONE);
        add(software[i].type, software[i].size, software[i].vdm_barrier, software[i].cdm_barrier);
        EQ(send(fd), -EINVAL);
    }
    for (int field = 16; field < 24; field += 4) { // pad and flags of an attachment
        add(1, 64, NONE, NONE);
        ((unsigned char *)add(2, 24, NONE, NONE))[field] = 1;
        EQ(send(fd), -EINVAL);
    }
    EQ(send(fd), -EINVAL); // nothing at all
    add(2, 24, NONE, NONE);
    EQ(send(fd), -EINVAL); // nothing for the hardware
    add(1, 64, NONE, NONE);
    chain_size -= 1; // cut
    EQ(send(fd), -EINVAL);
    add(1, 64, NONE, NONE);
    add(1, 0, NONE, NONE);
    chain_size -= 4; // half a header
    EQ(send(fd), -EINVAL);
    for (int i = 0; i < 64; i++)
        add(1, 0, NONE, NONE);
    EQ(send(fd), 0);
    for (int i = 0; i < 65; i++)
        add(1, 0, NONE, NONE);
    EQ(send(fd), -EINVAL);
    close(fd);
}

static void render_fields(void)
{
    int fd = dev();
    test_queue = a_queue(fd, a_vm(fd), 0);
    static const struct { int at; unsigned char value; } bad[] = {
        { 0, 8 }, { 148, 0 }, { 149, 0x41 }, { 150, 0 }, { 152, 0 }, { 153, 8 }, { 156, 16 }, { 157, 8 }, { 158, 3 },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        add_render()[bad[i].at] = bad[i].value;
        EQ(send(fd), -EINVAL);
    }
    add_render()[0] = 7;
    EQ(send(fd), 0);
    ((unsigned char *)add(1, 64, NONE, NONE))[0] = 1; // compute has no flags
    EQ(send(fd), -EINVAL);
    close(fd);
}

static void timestamps(void)
{
    int fd = dev();
    test_queue = a_queue(fd, a_vm(fd), 0);
    struct bind_object o = { 0, 1, a_bo(fd, PAGE), 0, 0, PAGE, 0, 0 };
    EQ(io(fd, GEM_BIND_OBJECT, &o), 0);
    const struct { uint32_t object, offset; int ret; } rows[] = {
        { o.object, 0, 0 }, { o.object, PAGE - 8, 0 }, { o.object, PAGE, -EINVAL }, { o.object, 4, -EINVAL },
        { o.object + 1, 0, -ENOENT }, { 0, 1, 0 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int k = 0; k < 4; k++) { // start and end, of vertices and fragments
            memcpy(add_render() + 208 + 8 * k, &rows[i], 8);
            EQ(send(fd), rows[i].ret);
        }
        for (int k = 0; k < 2; k++) {
            memcpy((unsigned char *)add(1, 64, NONE, NONE) + 48 + 8 * k, &rows[i], 8);
            EQ(send(fd), rows[i].ret);
        }
    }
    close(fd);
}

static void syncs(void)
{
    int fd = dev();
    uint32_t q = a_queue(fd, a_vm(fd), 0), in = a_syncobj(fd), out = a_syncobj(fd);
    EQ(a_job(fd, q, 0, in, 0), -EINVAL); // no fence in it yet
    EQ(a_job(fd, q, 0, 99, 0), -ENOENT);
    EQ(a_job(fd, q, 0, 0, 99), -ENOENT);
    uint32_t commands[2] = { 1 | 0 << 16, 0 };
    struct sync s = { 0, in, 0 };
    const struct a_submit good = { (uintptr_t)&s, (uintptr_t)commands, 0, q, 0, 1, 8, 0 };
    struct a_submit a = good;
    EQ(io(fd, A_SUBMIT, &a), 0);
#define BAD_SUBMIT(error, change) \
    do { \
        a = good; \
        a.change; \
        EQ(io(fd, A_SUBMIT, &a), error); \
    } while (0)
    BAD_SUBMIT(-EINVAL, flags = 1);
    BAD_SUBMIT(-EINVAL, pad = 1);
    BAD_SUBMIT(-ENOENT, queue_id = 9);
    BAD_SUBMIT(-EFAULT, syncs = 0);
    BAD_SUBMIT(-EFAULT, cmdbuf = 0);
    BAD_SUBMIT(-EINVAL, size = 0);
    BAD_SUBMIT(-EINVAL, in = UINT32_MAX);
    s = (struct sync){ 1, in, 1 };
    EQ(io(fd, A_SUBMIT, &(struct a_submit){ good.syncs, good.cmdbuf, 0, q, 1, 0, 8, 0 }), -EOPNOTSUPP);
    s = (struct sync){ 2, in, 0 };
    EQ(io(fd, A_SUBMIT, &(struct a_submit){ good.syncs, good.cmdbuf, 0, q, 1, 0, 8, 0 }), -EINVAL);
    s = (struct sync){ 0, in, 1 };
    EQ(io(fd, A_SUBMIT, &(struct a_submit){ good.syncs, good.cmdbuf, 0, q, 1, 0, 8, 0 }), -EINVAL);
    EQ(a_job(fd, q, 0, in, out), 0);
    int f = a_fence(fd, out);
    struct sync_fence_info one = { .status = 9 };
    struct sync_file_info i = { .num_fences = 1, .infos = (uintptr_t)&one };
    EQ(io(f, FILE_INFO, &i), 0);
    EQ(strcmp(one.driver_name, "asahi"), 0);
    EQ(one.status, 1);
    close(f);
    close(fd);
}

// Queues of one priority are no FIFO together: one that waits does not stop another one.
static void order(void)
{
    int fd = dev();
    uint32_t vm = a_vm(fd), low = a_queue(fd, vm, 0), same = a_queue(fd, vm, 0), medium = a_queue(fd, vm, 1);
    uint32_t a = a_syncobj(fd), b = a_syncobj(fd), c = a_syncobj(fd), d = a_syncobj(fd);
    EQ(control("hang ring=1"), 0);
    EQ(a_job(fd, medium, 0, 0, a), 0);
    EQ(a_job(fd, low, 0, a, b), 0);
    EQ(a_job(fd, low, 0, 0, c), 0); // behind b
    EQ(a_job(fd, same, 0, 0, d), 0);
    int f[] = { a_fence(fd, a), a_fence(fd, b), a_fence(fd, c), a_fence(fd, d) };
    OK(readable(f[3], 5000));
    OK(!readable(f[0], 0) && !readable(f[1], 0) && !readable(f[2], 0));
    EQ(control("gpu_us 20000"), 0);
    int64_t start = now();
    EQ(a_job(fd, same, 0, 0, d), 0);
    close(f[3]);
    f[3] = a_fence(fd, d);
    OK(readable(f[3], 5000));
    OK(now() - start >= 20000000);
    EQ(io(fd, QUEUE_DESTROY, &(struct queue_destroy){ low, 0 }), 0); // its jobs still run
    close(fd); // and survive the file
    EQ(control("unhang"), 0);
    OK(readable(f[2], 5000) && fence_status(f[1]) == 1);
    for (int i = 0; i < 4; i++)
        close(f[i]);
}

static void errors(void)
{
    int fd = dev();
    uint32_t vm = a_vm(fd), q = a_queue(fd, vm, 1), out = a_syncobj(fd);
    struct drmsim_counters before, after;
    counters(&before);
    EQ(control("gpu_error errno=ETIME"), 0);
    EQ(a_job(fd, q, 0, 0, out), 0);
    int f = a_fence(fd, out);
    EQ(fence_status(f), -ETIME);
    close(f);
    EQ(a_job(fd, q, ADDR, 0, out), 0); // nothing is bound there
    f = a_fence(fd, out);
    EQ(fence_status(f), -EIO);
    close(f);
    counters(&after);
    EQ(after.jobs_failed - before.jobs_failed, 2);
    EQ(control("fail SUBMIT errno=EBUSY"), 0);
    EQ(a_job(fd, q, 0, 0, 0), -EBUSY);
    EQ(control("fail VM_BIND errno=ENOMEM"), 0);
    EQ(a_bind(fd, vm, UNBIND, 0, 0, PAGE, ADDR), -ENOMEM);
    close(fd);
}

#define ASAHI "DRMSIM_DRIVER=asahi"
const struct test_case asahi_submit_cases[] = {
    { "asahi queues", queues, ASAHI },
    { "asahi commands", commands, ASAHI },
    { "asahi render fields", render_fields, ASAHI },
    { "asahi timestamps", timestamps, ASAHI },
    { "asahi syncs", syncs, ASAHI },
    { "asahi order of jobs", order, ASAHI },
    { "asahi errors", errors, ASAHI },
    { 0 },
};
