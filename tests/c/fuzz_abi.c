// fuzz_abi --lib PATH --seconds N [--seed S]: random calls of all 49 public functions, on the simulated kernel.
//
// A sequence is init, some hundred calls, cleanup; its seed decides all of its calls. Meanwhile a second thread writes
// rubbish over the response memory, and in some sequences over the command buffer. Children of eight sequences each run
// it, so that a crash is reported with the seed and the last calls. The caller's side of the contract is kept: pointers
// are valid or NULL, one thread is inside at a time, map_fixed gets reserved addresses.
#define _GNU_SOURCE
#define VIRGL_RENDERER_UNSTABLE_APIS 1
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "drmsim.h"
#include "virgl_renderer_drm.h"

#define FUNCTIONS(R, S) \
    R(attach_fence) R(cleanup) R(context_create) R(context_create_fence) R(context_create_with_flags) \
    R(context_destroy) R(context_get_poll_fd) R(context_poll) R(create_fence) R(ctx_attach_resource) \
    R(ctx_detach_resource) R(execute) R(export_fence) R(export_signalled_fence) R(fill_caps) R(force_ctx_0) \
    R(get_cap_set) R(get_cursor_data) R(get_dev_fd) R(get_fd_for_texture) R(get_fd_for_texture2) \
    R(get_fence_fd) R(get_poll_fd) R(get_rect) R(init) R(poll) R(reset) R(resource_attach_iov) \
    R(resource_create) R(resource_create_blob) R(resource_detach_iov) R(resource_export_blob) \
    R(resource_get_info) R(resource_get_info_ext) R(resource_get_map_info) R(resource_get_priv) \
    R(resource_import_blob) R(resource_import_eglimage) R(resource_map) R(resource_map_fixed) \
    R(resource_set_priv) R(resource_unmap) R(resource_unref) R(submit_cmd) R(submit_cmd2) \
    R(transfer_read_iov) R(transfer_write_iov) S(set_debug_callback) S(set_log_callback)

static struct {
#define R(name) __typeof__(virgl_renderer_##name) *name;
#define S(name) __typeof__(virgl_##name) *name;
    FUNCTIONS(R, S)
#undef R
#undef S
} api;
static int (*control)(const char *command);
static void (*counters)(struct drmsim_counters *out);

// ---- What the parent sees of a child

enum { KEPT = 20, PER_CHILD = 8, FOUND = 42, PATIENCE = 60 };
static struct report {
    atomic_ulong calls, sequences;
    uint64_t seed; // of the running sequence
    atomic_uint notes;
    char last[KEPT][160], finding[400];
} *report;

__attribute__((format(printf, 1, 2))) static void note(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(report->last[report->notes++ % KEPT], sizeof(report->last[0]), fmt, ap);
    va_end(ap);
    report->calls += fmt[0] != '('; // else a command to the simulated kernel
}

__attribute__((format(printf, 1, 2), noreturn)) static void found(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(report->finding, sizeof(report->finding), fmt, ap);
    va_end(ap);
    _exit(FOUND);
}

#define EXPECT(condition) \
    do { if (!(condition)) found("%s:%d: expected %s after: %s", __FILE__, __LINE__, #condition, report->last[(report->notes - 1) % KEPT]); } while (0)

// ---- Chance

static __thread uint64_t rng;

static uint32_t rnd(void) // splitmix64
{
    uint64_t z = rng += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)(z >> 32);
}

static uint32_t below(uint32_t n) { return rnd() % n; }
static bool one_in(uint32_t n) { return below(n) == 0; }
#define ONE_OF(...) ((const uint32_t[]){ __VA_ARGS__ }[below(sizeof((uint32_t[]){ __VA_ARGS__ }) / 4)])

static uint32_t corner(void) { return one_in(3) ? rnd() : ONE_OF(0, 1, 2, 4, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff); }

// ---- What the VMM knows

enum { CONTEXTS = 5, RESOURCES = 24, FENCES = 1 << 14, SHARED_IDS = 16, SHMEM = 0x4000, RESERVED = 1 << 20, RINGS = 4 };
static const uint32_t ctx_ids[CONTEXTS] = { 1, 2, 3, 0xffffffff, 77 }; // 77 is never made
static struct {
    bool up, drm, fences, ctx0; // initialised; with a device; with write_context_fence, with write_fence
    bool faults, odd, torn;     // the kernel fails calls; get_drm_fd gives rubbish; the command buffer is written to
    struct virgl_renderer_callbacks *cbs;
    int flags;
    atomic_bool ending; // in reset or cleanup
    struct { atomic_bool alive, ending; atomic_int pending; atomic_ulong last[RINGS]; } ctx[CONTEXTS];
    struct { bool known; uint32_t ctx; uint64_t size; void *priv; struct iovec *iov; int niov; } res[RESOURCES + 1];
    uint32_t blob, job; // the newest ids
    struct { atomic_uint asked, retired; uint64_t serial; uint32_t ctx, ring; } fence[FENCES];
    atomic_uint next_fence;
    atomic_ulong serial, ctx0_reports;
} vmm;
static int fds[12]; // descriptors the VMM holds, -1: none
static void *reserve;
static uint32_t draft[1 << 13], commands[1 << 13]; // the second thread writes to commands at any time
static pthread_mutex_t inside = PTHREAD_MUTEX_INITIALIZER;
static struct iovec iovs[4];
static struct { uint8_t *mem; } shared[8]; // response memory, mapped a second time
static pthread_mutex_t scribbling = PTHREAD_MUTEX_INITIALIZER;

static unsigned any_ctx(void) { return one_in(12) ? 4 : below(4); }
static uint32_t any_res(void) { return one_in(16) ? 0 : 1 + below(RESOURCES); }

// One that is free, if there is one nearby.
static uint32_t new_res(void)
{
    uint32_t id = any_res();

    for (int i = 0; i < 8 && vmm.res[id].known; i++)
        id = any_res();
    return id;
}

static uint64_t fence_id(uint32_t slot) { return slot == SHARED_IDS - 1 ? UINT64_MAX : slot; }

static uint32_t any_fence(void)
{
    uint32_t n = vmm.next_fence;

    return one_in(4) || n == SHARED_IDS ? below(SHARED_IDS) : SHARED_IDS + (n - SHARED_IDS < 30 ? below(n - SHARED_IDS) : n - SHARED_IDS - 1 - below(30));
}

static void keep(int fd)
{
    unsigned i = below(12);

    if (fds[i] >= 0)
        close(fds[i]);
    fds[i] = fd;
}

static int take(void)
{
    unsigned i = below(12);
    int fd = fds[i];

    fds[i] = -1;
    return fd;
}

static void forget(bool also_down)
{
    for (unsigned i = 0; i < CONTEXTS; i++) {
        vmm.ctx[i].alive = false;
        if (vmm.ctx[i].pending)
            found("context %u: %d fences not reported after: %s", ctx_ids[i], (int)vmm.ctx[i].pending, report->last[(report->notes - 1) % KEPT]);
    }
    memset(vmm.res, 0, sizeof(vmm.res));
    if (also_down)
        vmm.up = vmm.drm = vmm.fences = false;
}

// ---- Fences and what callbacks do

static void submit_nop(unsigned c)
{
    uint32_t nop[4] = { 1, 16, rnd(), 0 };

    note("submit_cmd ctx=%u nop", ctx_ids[c]);
    int r = api.submit_cmd(nop, (int)ctx_ids[c], 4);
    EXPECT(r == 0 || r == EINVAL);
}

static bool ending(unsigned c) { return vmm.ending || vmm.ctx[c].ending; }

static void create_fence(unsigned c, uint32_t ring)
{
    uint32_t slot = one_in(10) ? below(SHARED_IDS) : vmm.next_fence++;
    bool ok = vmm.ctx[c].alive && ring < RINGS && vmm.fences;

    if (slot >= FENCES)
        return;
    if (slot >= SHARED_IDS) {
        vmm.fence[slot].ctx = c, vmm.fence[slot].ring = ring;
        vmm.fence[slot].serial = ++vmm.serial;
    }
    vmm.fence[slot].asked++;
    vmm.ctx[c].pending++;
    note("context_create_fence ctx=%u ring=%u id=%lu", ctx_ids[c], ring, (unsigned long)fence_id(slot));
    int r = api.context_create_fence(ctx_ids[c], below(2), ring, fence_id(slot));
    if (r) {
        vmm.fence[slot].asked--;
        vmm.ctx[c].pending--;
    }
    EXPECT(r == 0 || r == -EINVAL || r == -ENOMEM);
    EXPECT(ok || r == -EINVAL);
    EXPECT(!ok || r == 0 || vmm.faults || ending(c));
}

static void destroy(unsigned c)
{
    bool nested = ending(c); // from a callback of that end: it is not over when this call is

    vmm.ctx[c].ending = true;
    note("context_destroy ctx=%u", ctx_ids[c]);
    api.context_destroy(ctx_ids[c]);
    if (nested)
        return;
    vmm.ctx[c].alive = vmm.ctx[c].ending = false;
    EXPECT(vmm.ctx[c].pending == 0);
}

static __thread bool calling; // this thread holds `inside`

static void from_callback(unsigned c)
{
    static __thread int depth;
    uint64_t mine = rng;

    // A callback may call: within a call of its own thread, or while nobody is inside.
    if (depth == 2 || (!calling && pthread_mutex_trylock(&inside)))
        return;
    depth++;
    rng = report->notes;
    switch (below(24)) {
    case 0:
        destroy(one_in(2) ? c : below(4));
        break;
    case 1:
        submit_nop(c);
        break;
    case 2: case 3:
        create_fence(c, below(RINGS));
    }
    rng = mine;
    depth--;
    if (!calling)
        pthread_mutex_unlock(&inside);
}

static void write_context_fence(void *cookie, uint32_t ctx, uint32_t ring, uint64_t id)
{
    uint64_t slot = id == UINT64_MAX ? SHARED_IDS - 1 : id;
    unsigned c = 0;

    (void)cookie;
    while (c < CONTEXTS && ctx_ids[c] != ctx)
        c++;
    if (c == CONTEXTS || slot >= FENCES || ring >= RINGS)
        found("a fence nobody made: ctx %u ring %u id %lu", ctx, ring, (unsigned long)id);
    if (!vmm.ctx[c].alive)
        found("fence %lu of context %u after its end", (unsigned long)id, ctx);
    if (++vmm.fence[slot].retired > vmm.fence[slot].asked)
        found("fence %lu of context %u retired twice", (unsigned long)id, ctx);
    if (slot >= SHARED_IDS) {
        if (vmm.fence[slot].ctx != c || vmm.fence[slot].ring != ring)
            found("fence %lu comes from context %u ring %u", (unsigned long)id, ctx, ring);
        if (vmm.fence[slot].serial <= vmm.ctx[c].last[ring])
            found("fence %lu of context %u ring %u overtook another", (unsigned long)id, ctx, ring);
        vmm.ctx[c].last[ring] = vmm.fence[slot].serial;
    }
    vmm.ctx[c].pending--;
    if (!calling && slot % 64 == 40)
        usleep(3000); // so slow that the library calls a second thread in
    from_callback(c);
}

static void write_fence(void *cookie, uint32_t fence)
{
    (void)cookie, (void)fence;
    vmm.ctx0_reports++;
}

static int get_drm_fd(void *cookie)
{
    (void)cookie;
    return one_in(8) ? -1 : open(vmm.odd && one_in(4) ? "/dev/null" : "/dev/dri/renderD128", O_RDWR | O_CLOEXEC);
}

// ---- Init and its end

static struct virgl_renderer_callbacks callbacks[] = {
    { .version = 3, .write_fence = write_fence, .write_context_fence = write_context_fence },
    { .version = 4, .write_fence = write_fence, .get_drm_fd = get_drm_fd, .write_context_fence = write_context_fence },
    { .version = 3, .get_drm_fd = get_drm_fd, .write_context_fence = write_context_fence },
    { .version = 2, .write_fence = write_fence, .get_drm_fd = get_drm_fd, .write_context_fence = write_context_fence },
    { .version = 1, .write_fence = write_fence, .get_drm_fd = get_drm_fd, .write_context_fence = write_context_fence },
    { .version = 3, .write_fence = write_fence },
    { .version = 5 },
};

static void op_init(void)
{
    bool again = vmm.up && one_in(2);
    struct virgl_renderer_callbacks *cbs = again ? vmm.cbs : &callbacks[one_in(4) ? below(7) : below(2)];
    int flags = again ? vmm.flags : (int)(VIRGL_RENDERER_DRM | VIRGL_RENDERER_ASYNC_FENCE_CB | (rnd() & 0x8cf));

    if (!again && one_in(16))
        flags = (int)rnd();
    if (!again && one_in(16))
        cbs = NULL;
    note("init flags=%#x version=%d", (unsigned)flags, cbs ? cbs->version : -1);
    int r = api.init(&vmm, flags, cbs);
    if (vmm.up) {
        EXPECT(r == (cbs == vmm.cbs && flags == vmm.flags ? 0 : -EBUSY));
        return;
    }
    EXPECT(r <= 0);
    if (!cbs || cbs->version > 4) {
        EXPECT(r == -1);
        return;
    }
    EXPECT(r == 0 || vmm.faults || vmm.odd);
    if (r)
        return;
    vmm.up = true;
    vmm.cbs = cbs;
    vmm.flags = flags;
    vmm.drm = flags & VIRGL_RENDERER_DRM && flags & VIRGL_RENDERER_ASYNC_FENCE_CB;
    vmm.fences = vmm.drm && cbs->version >= 3 && cbs->write_context_fence;
    vmm.ctx0 = cbs->write_fence;
}

static void op_end(void)
{
    bool down = one_in(2);

    vmm.ending = true;
    note(down ? "cleanup" : "reset");
    if (down)
        api.cleanup(&vmm);
    else
        api.reset();
    vmm.ending = false;
    for (unsigned i = 0; i < CONTEXTS; i++)
        vmm.ctx[i].ending = false;
    forget(down);
    if (down && !one_in(4))
        op_init();
}

// ---- Blobs

// Lets the second thread write to a context's response memory.
static void share(uint32_t res)
{
    uint32_t type = 0;
    int fd = -1;

    if (api.resource_export_blob(res, &type, &fd))
        return;
    EXPECT(type == VIRGL_RENDERER_BLOB_FD_TYPE_SHM);
    unsigned i = below(8);
    void *mem = mmap(NULL, SHMEM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    pthread_mutex_lock(&scribbling);
    if (shared[i].mem)
        munmap(shared[i].mem, SHMEM);
    shared[i].mem = mem == MAP_FAILED ? NULL : mem;
    pthread_mutex_unlock(&scribbling);
}

static int create_blob(struct virgl_renderer_resource_create_blob_args *a)
{
    note("resource_create_blob res=%u ctx=%u mem=%u flags=%u id=%#lx size=%#lx iovs=%u", a->res_handle, a->ctx_id, a->blob_mem,
         a->blob_flags, (unsigned long)a->blob_id, (unsigned long)a->size, a->num_iovs);
    int r = api.resource_create_blob(a);
    EXPECT(r <= 0 && r > -4096);
    EXPECT(vmm.up || r == -EINVAL);
    if (a->res_handle == 0 || a->res_handle > RESOURCES || vmm.res[a->res_handle].known)
        EXPECT(r == -EINVAL);
    if (r)
        return r;
    vmm.res[a->res_handle].known = true;
    vmm.res[a->res_handle].ctx = a->ctx_id;
    vmm.res[a->res_handle].size = a->size;
    vmm.res[a->res_handle].iov = (struct iovec *)a->iovecs;
    vmm.res[a->res_handle].niov = (int)a->num_iovs;
    return 0;
}

// ---- Contexts and commands

static void op_context(void)
{
    unsigned c = below(4);
    uint32_t flags = one_in(8) ? corner() : 6;
    char name[64];

    memset(name, 'n', sizeof(name));
    if (one_in(8)) {
        note("context_create ctx=%u", ctx_ids[c]);
        EXPECT(api.context_create(ctx_ids[c], 4, one_in(2) ? NULL : name) == EINVAL);
        return;
    }
    uint32_t nlen = one_in(4) ? corner() : below(65);
    note("context_create_with_flags ctx=%u flags=%#x nlen=%u", ctx_ids[c], flags, nlen);
    int r = api.context_create_with_flags(ctx_ids[c], flags, nlen, one_in(4) ? NULL : name);
    EXPECT(r == 0 || r == EINVAL || (r == ENOMEM && (vmm.faults || vmm.odd)));
    EXPECT((r == EINVAL) == (!vmm.drm || flags != 6));
    EXPECT(api.context_create_with_flags(0, 6, 0, NULL) == EINVAL);
    if (r || vmm.ctx[c].alive)
        return;
    vmm.ctx[c].alive = true;
    struct virgl_renderer_resource_create_blob_args a = { new_res(), ctx_ids[c], 2, 1, 0, SHMEM, NULL, 0 };
    uint32_t queue[8] = { 2, 32, 1, 0, 0xc00c644a, 0, 0, 0 };
    if (one_in(16) || create_blob(&a))
        return;
    share(a.res_handle);
    for (queue[6] = 0; queue[6] < 3; queue[6]++) {
        note("submit_cmd ctx=%u SUBMITQUEUE_NEW", ctx_ids[c]);
        EXPECT(api.submit_cmd(queue, (int)ctx_ids[c], 8) <= 0);
    }
}

static void op_destroy(void) { destroy(any_ctx()); }

// One command, sound or not; returns its words.
static uint32_t command(uint32_t *w)
{
    uint32_t n = 4, res = any_res(), queue = one_in(8) ? 0 : 1 + below(3), blob = 1 + below(6);
    uint64_t iova = 0x100000000ull + ((uint64_t)below(64) << 20);

    memset(w, 0, 64 * 4);
    w[0] = 1 + below(11);
    w[2] = rnd();
    w[3] = one_in(4) ? ONE_OF(0, 0x3fe0, 0x3fe8, 0x3fec, 0x3ff0, 0x4000, 0xfffffff0, 2) : below(0x3f0) * 16;
    switch (w[0]) {
    case 2:
        w[n++] = ONE_OF(0xc0186440, 0xc00c644a, 0xc00c644a, 0x4004644b, 0xc0106440, 0xc0106442);
        if (w[4] >> 30 == 1)
            w[n++] = queue;
        else if (w[4] == 0xc00c644a)
            w[n] = below(2), w[n + 1] = below(4), n += 3;
        else
            w[n] = 0x10, w[n + 1] = below(24), n += (w[4] >> 16 & 0xff) / 4;
        break;
    case 3:
        w[n++] = (uint32_t)iova, w[n++] = (uint32_t)(iova >> 32);
        w[n++] = ONE_OF(0x1000, 0x1234, 0x4000, 0x10000, 1), w[n++] = 0;
        w[n++] = ONE_OF(0x20000, 0x10000, 0x80000), w[n++] = blob;
        break;
    case 4:
        if (one_in(2))
            iova = 0;
        w[n++] = (uint32_t)iova, w[n++] = (uint32_t)(iova >> 32), w[n++] = res, w[n++] = 0;
        break;
    case 5:
        w[n++] = res, w[n++] = 1 + below(3);
        break;
    case 6: case 11:
        w[n++] = w[0] == 6 ? res : 1 + below(8), w[n++] = below(12), n += 4;
        break;
    case 7:
        w[n++] = 0x10, w[n++] = queue, w[n++] = below(4), w[n++] = below(3), w[n++] = rnd();
        for (uint32_t i = 0; i < w[6]; i++)
            w[n] = 1 + below(3), w[n + 1] = any_res(), n += 4;
        for (uint32_t i = 0; i < w[7]; i++)
            w[n] = 1, w[n + 1] = below(3), w[n + 3] = 0x40, n += 8;
        break;
    case 8:
        w[n++] = res, w[n++] = 0, w[n++] = ONE_OF(0, 4, 0xffc, 0xffffffff), w[n++] = below(16), n += 3;
        break;
    case 9:
        w[n++] = queue, w[n++] = below(2), w[n++] = ONE_OF(0, 4, 8, 4084, 4085);
        break;
    case 10:
        w[n++] = queue, w[n++] = below(4);
    }
    w[1] = n * 4;
    if (one_in(6))
        w[below(n)] = corner();
    return n;
}

static void op_submit(void)
{
    unsigned c = any_ctx();
    uint32_t n = 0, bad = below(24), skew = 0;
    uint64_t ids[4];
    uint32_t nids = below(5);

    for (uint32_t i = 1 + below(6); i; i--)
        n += command(draft + n);
    if (one_in(4)) // a large one
        for (n = 0; n < 4096;)
            n += command(draft + n);
    memcpy(commands, draft, sizeof(draft));
    for (int i = 0; i < 4; i++)
        ids[i] = fence_id(any_fence());
    int ndw = bad == 0 ? 0 : bad == 1 ? (int)ONE_OF(0x80000000, 0xffffffff, 0x40000000, 0x7fffffff) : (int)n - (int)one_in(8);
    void *buffer = commands;

    if (bad == 2)
        buffer = (char *)commands + (skew = 1 + below(3));
    else if (bad == 3 || (bad == 0 && one_in(2)))
        buffer = NULL;
    bool refused = ndw < 0 || ndw > 0x3fffffff || (!buffer && ndw);
    int r;

    if (one_in(3)) {
        bool null = one_in(16);

        note("submit_cmd2 ctx=%u ndw=%d buffer=%d skew=%u fences=%u cmd=%u", ctx_ids[c], ndw, buffer != NULL, skew, nids, draft[0]);
        r = api.submit_cmd2(buffer, (int)ctx_ids[c], ndw, null ? NULL : ids, nids);
        if (vmm.ctx[c].alive && !skew && !refused && null && nids)
            EXPECT(r == -EINVAL);
    } else {
        note("submit_cmd ctx=%u ndw=%d buffer=%d skew=%u cmd=%u", ctx_ids[c], ndw, buffer != NULL, skew, draft[0]);
        r = api.submit_cmd(buffer, (int)ctx_ids[c], ndw);
    }
    if (!vmm.ctx[c].alive || (refused && !skew))
        EXPECT(r == EINVAL);
    else if (skew)
        EXPECT(r == EFAULT);
    else
        EXPECT(r <= 0 && r > -4096);
}

static void op_fence(void) { create_fence(any_ctx(), one_in(12) ? ONE_OF(4, 63, 64, 0xffffffff) : below(RINGS)); }

// A job the kernel can take, and its fence.
static void op_job(void)
{
    unsigned c = below(4);
    uint32_t queue = 1 + below(3), n = 9, *w = draft;
    uint64_t ids[2] = { fence_id(any_fence()), fence_id(any_fence()) };

    memset(w, 0, 128 * 4);
    w[0] = 7, w[2] = rnd(), w[4] = 0x10, w[5] = queue, w[8] = ++vmm.job;
    for (uint32_t id = 1 + below(RESOURCES); id <= RESOURCES && w[6] < 4; id++)
        if (vmm.res[id].known && vmm.res[id].ctx == ctx_ids[c] && vmm.res[id].size != SHMEM)
            w[n] = 1 + below(3), w[n + 1] = id, n += 4, w[6]++;
    w[1] = n * 4;
    uint32_t nids = one_in(3) ? below(3) : 0;
    memcpy(commands, draft, sizeof(draft));
    note("submit_cmd2 ctx=%u GEM_SUBMIT queue=%u buffers=%u fences=%u", ctx_ids[c], queue, w[6], nids);
    int r = api.submit_cmd2(commands, (int)ctx_ids[c], (int)n, ids, nids);
    EXPECT(vmm.ctx[c].alive ? r <= 0 : r == EINVAL);
    if (!one_in(8))
        create_fence(c, queue);
}

static void op_ctx0_fence(void)
{
    unsigned long before = vmm.ctx0_reports;

    note("create_fence");
    int r = api.create_fence((int)rnd(), any_ctx());
    EXPECT(r == (vmm.up ? 0 : EINVAL));
    EXPECT(vmm.ctx0_reports - before == (vmm.up && vmm.ctx0));
    note("poll");
    api.poll();
}

static void op_export_fence(void)
{
    uint64_t id = fence_id(any_fence());
    int fd = 12345;

    switch (below(3)) {
    case 0:
        note("export_fence id=%lu", (unsigned long)id);
        int r = api.export_fence(id, one_in(16) ? NULL : &fd);
        EXPECT(r == 0 || r == -EINVAL);
        EXPECT(r == 0 ? fd >= 0 : fd == -1 || fd == 12345);
        if (r)
            return;
        break;
    case 1:
        note("get_fence_fd id=%lu", (unsigned long)id);
        fd = api.get_fence_fd(id);
        break;
    case 2:
        note("export_signalled_fence");
        fd = api.export_signalled_fence();
    }
    EXPECT(fd >= -1);
    if (fd >= 0)
        keep(fd);
}

static void op_attach_fence(void)
{
    unsigned c = any_ctx();
    int fd = take();

    note("attach_fence ctx=%u fd=%d", ctx_ids[c], fd);
    int r = api.attach_fence((int)ctx_ids[c], fd);
    EXPECT(r == 0 || r == -1 || r == EINVAL);
    EXPECT((r == EINVAL) == !vmm.ctx[c].alive);
    if (r == EINVAL && fd >= 0)
        close(fd);
}

static void op_context_misc(void)
{
    unsigned c = any_ctx();

    note("get_dev_fd, context_poll, context_get_poll_fd ctx=%u", ctx_ids[c]);
    int fd = api.get_dev_fd((int)ctx_ids[c]);
    EXPECT(vmm.ctx[c].alive ? fd >= 0 && fcntl(fd, F_GETFD) >= 0 : fd == -EINVAL);
    api.context_poll(ctx_ids[c]);
    EXPECT(api.context_get_poll_fd(ctx_ids[c]) == -1);
}

// ---- Resources

static void op_shmem(void)
{
    struct virgl_renderer_resource_create_blob_args a = { new_res(), ctx_ids[any_ctx()], 2, 1, 0, SHMEM, NULL, 0 };

    if (create_blob(&a) == 0)
        share(a.res_handle);
}

static void op_alloc(void)
{
    unsigned c = below(4);
    uint32_t size = ONE_OF(0x1000, 0x1234, 0x4000, 0x10000), blob = one_in(4) ? 1 + below(6) : 100 + vmm.blob++;
    uint64_t iova = 0x200000000ull + ((uint64_t)below(512) << 16);
    uint32_t w[10] = { 3, 40, rnd(), 0, (uint32_t)iova, (uint32_t)(iova >> 32), size, 0, 0x20000, blob };
    struct virgl_renderer_resource_create_blob_args a = { new_res(), ctx_ids[c], 2, below(8), blob, (size + 0xfff) & ~0xfffu, NULL, 0 };

    note("submit_cmd ctx=%u GEM_NEW size=%#x blob=%u", ctx_ids[c], size, blob);
    int r = api.submit_cmd(w, (int)ctx_ids[c], 10);
    EXPECT(r <= 0 || !vmm.ctx[c].alive);
    create_blob(&a);
}

static void op_odd_blob(void)
{
    struct virgl_renderer_resource_create_blob_args a = {
        any_res(), one_in(8) ? corner() : ctx_ids[any_ctx()], ONE_OF(0, 1, 1, 1, 2, 3, 3, 4, 9), corner(), one_in(4) ? (uint64_t)rnd() << 16 : below(6),
        one_in(4) ? (uint64_t)rnd() << below(32) : ONE_OF(0, 1, 0x1000, 0x4000), one_in(4) ? NULL : iovs, below(5),
    };

    if (one_in(16)) {
        note("resource_create_blob NULL, resource_import_blob NULL");
        EXPECT(api.resource_create_blob(NULL) == -EINVAL && api.resource_import_blob(NULL) == -EINVAL);
        return;
    }
    create_blob(&a);
}

static void op_import(void)
{
    struct virgl_renderer_resource_import_blob_args a = {
        new_res(), one_in(6) ? below(6) : 2, one_in(4) ? below(5) : 1, take(), one_in(4) ? (uint64_t)rnd() << below(32) : ONE_OF(0x1000, 0x4000, 0x10000),
    };

    if (a.fd < 0 && one_in(2)) {
        a.fd = one_in(4) ? open("/dev/null", O_RDWR | O_CLOEXEC) : memfd_create("fuzz", MFD_CLOEXEC);
        EXPECT(a.fd < 0 || ftruncate(a.fd, 0x4000) == 0 || errno == EINVAL);
    }
    if (a.fd >= 0 && one_in(2))
        keep(fcntl(a.fd, F_DUPFD_CLOEXEC, 3));
    note("resource_import_blob res=%u mem=%u type=%u fd=%d size=%#lx", a.res_handle, a.blob_mem, a.fd_type, a.fd, (unsigned long)a.size);
    int r = api.resource_import_blob(&a);
    EXPECT(r == 0 || r == -EINVAL);
    if (r && a.fd >= 0)
        EXPECT(close(a.fd) == 0);
    if (r)
        return;
    EXPECT(vmm.up && a.res_handle && !vmm.res[a.res_handle].known);
    vmm.res[a.res_handle].known = true;
    vmm.res[a.res_handle].size = a.size;
}

static void op_classic(void)
{
    uint32_t id = any_res();
    struct virgl_renderer_resource_create_args a = { .handle = id, .target = rnd(), .width = corner(), .height = corner() };
    bool null = one_in(16), with = one_in(2);

    if (one_in(6)) {
        note("resource_import_eglimage res=%u", id);
        EXPECT(api.resource_import_eglimage(null ? NULL : &a, &a) == EINVAL);
        return;
    }
    note("resource_create res=%u iovs=%d", id, with);
    int r = api.resource_create(null ? NULL : &a, with ? iovs : NULL, with ? 4 : 0);
    EXPECT(r == (null || !id || !vmm.drm ? EINVAL : vmm.res[id].known ? -EINVAL : 0));
    if (r == 0) {
        vmm.res[id].known = true;
        vmm.res[id].size = 0;
        vmm.res[id].iov = with ? iovs : NULL;
        vmm.res[id].niov = with ? 4 : 0;
    }
}

static void op_attach(void)
{
    unsigned c = any_ctx();
    uint32_t id = any_res();
    bool detach = one_in(3);

    note("ctx_%s_resource ctx=%u res=%u", detach ? "detach" : "attach", ctx_ids[c], id);
    (detach ? api.ctx_detach_resource : api.ctx_attach_resource)((int)ctx_ids[c], (int)id);
}

static void op_unref(void)
{
    uint32_t id = any_res();

    note("resource_unref res=%u", id);
    api.resource_unref(id);
    memset(&vmm.res[id], 0, sizeof(vmm.res[id]));
}

static void op_export(void)
{
    uint32_t id = any_res(), type = 77;
    int fd = 12345;
    bool null = one_in(16);

    note("resource_export_blob res=%u", id);
    int r = api.resource_export_blob(id, null ? NULL : &type, &fd);
    EXPECT(r == 0 || r == -EINVAL);
    EXPECT(r == 0 ? vmm.res[id].known && !null && type >= 1 && type <= 3 && fd >= 0 : type == 77 && fd == 12345);
    if (r == 0) {
        EXPECT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        keep(fd);
    }
}

static void touch(void *mem, uint64_t size)
{
    volatile uint8_t *first = mem, *last = first + size - 1;

    *first = *first;
    *last = *last;
}

static void op_map(void)
{
    uint32_t id = any_res();
    void *mem = &vmm;
    uint64_t size = 99;
    int r;

    switch (below(3)) {
    case 0:
        note("resource_map res=%u", id);
        r = api.resource_map(id, one_in(16) ? NULL : &mem, &size);
        EXPECT(r == 0 || r == -EINVAL);
        EXPECT(r == 0 ? vmm.res[id].known && size == vmm.res[id].size && mem != &vmm : mem == &vmm && size == 99);
        if (r == 0)
            touch(mem, size);
        break;
    case 1:
        note("resource_unmap res=%u", id);
        r = api.resource_unmap(id);
        EXPECT(r == -EINVAL || (r == 0 && vmm.res[id].known));
        break;
    default:
        if (vmm.res[id].size > RESERVED)
            return;
        mem = one_in(8) ? NULL : (char *)reserve + (one_in(8) ? 4 : 0);
        note("resource_map_fixed res=%u addr=%p", id, mem);
        r = api.resource_map_fixed(id, mem);
        EXPECT(r == 0 || r == -EINVAL || r == -EOPNOTSUPP);
        EXPECT(vmm.res[id].known || r == -EINVAL);
        EXPECT(r || mem == reserve);
        if (r == 0) {
            touch(mem, vmm.res[id].size);
            EXPECT(mmap(reserve, RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == reserve);
        }
    }
}

static void op_info(void)
{
    uint32_t id = any_res(), info = 77;
    struct virgl_renderer_resource_info plain;
    struct virgl_renderer_resource_info_ext ext;
    void *canary = &ext;

    memset(&plain, 0x55, sizeof(plain));
    memset(&ext, 0x55, sizeof(ext));
    ext.d3d_tex2d = canary;
    note("resource_get_map_info, get_info, get_info_ext res=%u", id);
    int r = api.resource_get_map_info(id, one_in(16) ? NULL : &info);
    EXPECT(r == 0 ? vmm.res[id].known && info >= 1 && info <= 3 : r == -EINVAL && info == 77);
    r = api.resource_get_info((int)id, &plain);
    EXPECT(r == (vmm.res[id].known ? 0 : EINVAL));
    EXPECT(r || (plain.handle == id && plain.fd >= -1 && plain.width == 0));
    r = api.resource_get_info_ext((int)id, &ext);
    EXPECT(r == 0 ? ext.base.handle == id && vmm.res[id].known : r == EINVAL);
    EXPECT(ext.d3d_tex2d == canary);
    EXPECT(api.resource_get_info((int)id, NULL) == EINVAL && api.resource_get_info_ext((int)id, NULL) == EINVAL);
}

static void op_iov(void)
{
    uint32_t id = any_res();
    struct iovec *got = (struct iovec *)&vmm;
    int n = 99;

    if (one_in(2)) {
        n = (int)below(5);
        note("resource_attach_iov res=%u n=%d", id, n);
        int r = api.resource_attach_iov((int)id, iovs, n);
        EXPECT(r == (vmm.res[id].known && !vmm.res[id].iov ? 0 : EINVAL));
        if (r == 0)
            vmm.res[id].iov = iovs, vmm.res[id].niov = n;
        return;
    }
    bool null = one_in(8);
    note("resource_detach_iov res=%u", id);
    api.resource_detach_iov((int)id, null ? NULL : &got, &n);
    EXPECT(vmm.res[id].known ? n == vmm.res[id].niov : n == 99);
    EXPECT(got == (vmm.res[id].known && !null ? vmm.res[id].iov : (struct iovec *)&vmm));
    vmm.res[id].iov = NULL, vmm.res[id].niov = 0;
}

static void op_priv(void)
{
    uint32_t id = any_res();
    void *p = (void *)(uintptr_t)rnd();

    note("resource_set_priv, get_priv res=%u", id);
    EXPECT(api.resource_get_priv(id) == vmm.res[id].priv);
    api.resource_set_priv(id, p);
    if (vmm.res[id].known)
        vmm.res[id].priv = p;
    EXPECT(api.resource_get_priv(id) == vmm.res[id].priv);
}

static void op_transfer(void)
{
    struct virgl_box { uint32_t x, y, z, w, h, d; } box = { 0, 0, 0, corner(), corner(), 1 };
    unsigned c = any_ctx();
    uint32_t id = any_res(), ctx = one_in(2) ? 0 : ctx_ids[c];
    bool write = one_in(2);

    note("transfer_%s_iov res=%u ctx=%u", write ? "write" : "read", id, ctx);
    int r = write ? api.transfer_write_iov(id, ctx, 0, rnd(), 0, (void *)&box, rnd(), iovs, 4)
                  : api.transfer_read_iov(id, ctx, 0, rnd(), 0, (void *)&box, rnd(), NULL, 0);
    EXPECT(r == 0 || r == -1 || r == EINVAL);
    EXPECT(vmm.res[id].known || r == EINVAL);
    EXPECT((r == -1) == (vmm.res[id].known && ctx && vmm.ctx[c].alive));
}

static void op_execute(void)
{
    static uint8_t args[4096];
    struct virgl_renderer_export_query *q = (void *)args;
    uint32_t size = one_in(4) ? corner() : ONE_OF(0, 4, 11, 12, 20, 20, 88, 88, 89, 4096);
    uint32_t id = any_res();

    q->hdr.stype = one_in(4) ? below(4) : size == 20 ? 2 : 1;
    q->hdr.stype_version = one_in(8);
    q->hdr.size = one_in(8) ? corner() : size;
    if (size != 20)
        q->in_resource_id = id;
    q->in_export_fds = one_in(8);
    note("execute stype=%u size=%u/%u res=%u", q->hdr.stype, size, q->hdr.size, id);
    int r = api.execute(one_in(16) ? NULL : args, size);
    EXPECT(r == 0 || r == -EINVAL);
    EXPECT(r || (vmm.up && q->hdr.size == size && (size == 20 || (size == 88 && vmm.res[id].known && q->out_fds[0] == -1))));
}

// ---- What needs nothing

static void op_caps(void)
{
    uint8_t caps[4096];
    uint32_t set = one_in(3) ? corner() : 6, ver = 77, size = 77;
    bool null = one_in(16);

    memset(caps, 0x5a, sizeof(caps));
    note("get_cap_set, fill_caps set=%u", set);
    api.get_cap_set(set, null ? NULL : &ver, &size);
    EXPECT(size == (set == 6 ? sizeof(struct virgl_renderer_capset_drm) : 0) && ver == (null ? 77 : 0));
    api.fill_caps(set, rnd(), null ? NULL : caps);
    uint32_t written = set == 6 && vmm.drm && !null ? size : 0;
    for (uint32_t i = written; i < sizeof(caps); i++)
        EXPECT(caps[i] == 0x5a);
    EXPECT(!written || caps[16] == 1);
}

static void op_gl(void)
{
    uint32_t w = 77, h = 77;
    int fd = 77, stride = 77, offset = 77;

    note("calls for GL");
    EXPECT(api.get_cursor_data(any_res(), &w, &h) == NULL && w == 77 && h == 77);
    EXPECT(api.get_fd_for_texture(rnd(), &fd) == -1 && fd == 77);
    EXPECT(api.get_fd_for_texture2(rnd(), &fd, &stride, &offset) == -1 && fd == 77 && stride == 77 && offset == 77);
    api.get_rect((int)any_res(), iovs, 4, rnd(), 0, 0, (int)corner(), (int)corner());
    api.force_ctx_0();
    EXPECT(api.get_poll_fd() == -1);
}

static atomic_ulong sinks, freed;

static void log_line(enum virgl_log_level_flags level, const char *message, void *user)
{
    size_t n = strlen(message);

    if (level > VIRGL_LOG_LEVEL_ERROR || n == 0 || message[n - 1] != '\n' || (user && *(int *)user != 42))
        found("log line of level %d: %s", level, message);
    if (level == VIRGL_LOG_LEVEL_ERROR && strstr(message, "internal error"))
        found("%s", message);
}

static void debug_line(const char *fmt, va_list ap)
{
    char line[64];

    vsnprintf(line, sizeof(line), fmt, ap);
}

static void free_user(void *user)
{
    *(int *)user = 0;
    free(user);
    freed++;
}

static void op_log(void)
{
    note("set_log_callback, set_debug_callback");
    if (one_in(2)) {
        EXPECT(api.set_debug_callback(one_in(4) ? NULL : debug_line) != NULL);
    } else if (one_in(4)) {
        api.set_log_callback(NULL, NULL, NULL);
    } else {
        int *user = malloc(sizeof(*user));

        *user = 42;
        sinks++;
        api.set_log_callback(log_line, user, free_user);
    }
}

// Leaves a few descriptors to open, or all.
static void allow_descriptors(bool all)
{
    static struct rlimit usual;
    struct rlimit few;

    if (!usual.rlim_cur)
        getrlimit(RLIMIT_NOFILE, &usual);
    few = usual;
    int next = fcntl(0, F_DUPFD_CLOEXEC, 3);
    if (next >= 0) {
        close(next);
        few.rlim_cur = (rlim_t)next + below(8);
    }
    setrlimit(RLIMIT_NOFILE, all ? &usual : &few);
}

static void op_kernel(void)
{
    char line[80];

    if (vmm.faults && one_in(8)) {
        bool all = !one_in(3);

        note("(kernel: %s descriptors)", all ? "all" : "few");
        allow_descriptors(all);
        return;
    }

    switch (below(5)) {
    case 0:
        snprintf(line, sizeof(line), "hang ring=%u", below(3));
        break;
    case 1:
        snprintf(line, sizeof(line), "gpu_us %u", ONE_OF(0, 0, 50, 1000));
        break;
    case 2:
        snprintf(line, sizeof(line), "%s", vmm.faults && one_in(2) ? "gpu_error errno=EIO" : "fault");
        break;
    default:
        snprintf(line, sizeof(line), "unhang");
    }
    if (vmm.faults && one_in(2)) {
        static const char *const kinds[] = { "OPEN", "MMAP", "VERSION", "SET_CLIENT_NAME", "GEM_CLOSE", "PRIME_HANDLE_TO_FD", "PRIME_FD_TO_HANDLE",
            "MERGE", "GET_PARAM", "GEM_NEW", "GEM_INFO", "SET_IOVA", "CPU_PREP", "SUBMIT", "WAIT_FENCE", "SUBMITQUEUE_NEW", "SUBMITQUEUE_CLOSE" };
        static const char *const errors[] = { "EINVAL", "ENOMEM", "EIO", "ENODEV", "EINTR", "EAGAIN", "EBUSY", "ENOSPC", "EMFILE" };

        snprintf(line, sizeof(line), "fail %s nth=%u count=%u errno=%s", kinds[below(17)], 1 + below(4), 1 + below(3), errors[below(9)]);
    }
    note("(kernel: %s)", line);
    if (control(line))
        found("the simulated kernel refuses: %s", line);
}

static const struct { uint32_t weight; void (*run)(void); } ops[] = {
    { 2, op_init }, { 1, op_end }, { 12, op_context }, { 2, op_destroy }, { 40, op_submit }, { 40, op_job }, { 16, op_fence }, { 3, op_ctx0_fence },
    { 10, op_export_fence }, { 10, op_attach_fence }, { 3, op_context_misc }, { 8, op_shmem }, { 40, op_alloc }, { 8, op_odd_blob },
    { 14, op_import }, { 4, op_classic }, { 20, op_attach }, { 20, op_unref }, { 16, op_export }, { 24, op_map }, { 6, op_info },
    { 8, op_iov }, { 4, op_priv }, { 5, op_transfer }, { 5, op_execute }, { 3, op_caps }, { 2, op_gl }, { 3, op_log }, { 12, op_kernel },
};
enum { OPS = sizeof(ops) / sizeof(ops[0]) };

static void random_call(bool up)
{
    uint32_t n, i, total = 0;

    for (i = 0; i < OPS; i++)
        total += ops[i].weight;
    for (n = below(total), i = 0; n >= ops[i].weight; i++)
        n -= ops[i].weight;
    if (!up && ops[i].run == op_init)
        return;
    pthread_mutex_lock(&inside);
    calling = true;
    ops[i].run();
    calling = false;
    pthread_mutex_unlock(&inside);
}

// ---- The guest that writes over everything it can reach

static atomic_bool stop;

static void *scribble(void *arg)
{
    rng = 1;
    while (!stop) {
        pthread_mutex_lock(&scribbling);
        for (int i = 0; i < 8; i++) {
            volatile uint32_t *mem = (volatile uint32_t *)shared[i].mem;

            for (int k = 0; mem && k < 200; k++)
                mem[below(one_in(8) ? 8 : SHMEM / 4)] = one_in(2) ? below(64) : corner();
        }
        for (int k = 0; vmm.torn && k < 20; k++)
            ((volatile uint32_t *)commands)[below(one_in(2) ? 16 : 1024)] = one_in(2) ? below(64) : corner();
        pthread_mutex_unlock(&scribbling);
        sched_yield();
    }
    return arg;
}

// ---- One sequence, and what must be true after it

static int descriptors(char *names, size_t room)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    names[0] = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        char path[300], to[128];

        snprintf(path, sizeof(path), "/proc/self/fd/%s", e->d_name);
        ssize_t len = readlink(path, to, sizeof(to) - 1);
        if (len < 0)
            continue;
        to[len] = 0;
        if (!strncmp(to, "/proc/", 6))
            continue;
        n++;
        snprintf(names + strlen(names), room - strlen(names), " %s", to);
    }
    closedir(dir);
    return n;
}

static void check_mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];

    while (maps && fgets(line, sizeof(line), maps))
        if (strstr(line, "/memfd:"))
            found("mapped after cleanup: %s", line);
    if (maps)
        fclose(maps);
}

static void settle(void)
{
    struct drmsim_counters c;

    control("reset"); // lets the jobs of a hung GPU end
    control("unhang");
    for (int ms = 0; ms < 10000; ms++) {
        counters(&c);
        if (!(c.files + c.bos + c.handles + c.queues + c.syncobjs + c.fences))
            return;
        usleep(1000);
    }
    found("left in the kernel: %lu files, %lu buffers, %lu handles, %lu queues, %lu syncobjs, %lu fences", (unsigned long)c.files,
          (unsigned long)c.bos, (unsigned long)c.handles, (unsigned long)c.queues, (unsigned long)c.syncobjs, (unsigned long)c.fences);
}

static void sequence(uint64_t seed)
{
    static int open_before = -1;
    char names[4096];

    report->seed = rng = seed;
    memset(&vmm, 0, sizeof(vmm));
    vmm.next_fence = SHARED_IDS;
    vmm.faults = one_in(2);
    vmm.odd = one_in(8);
    vmm.torn = one_in(4);
    api.set_log_callback(log_line, NULL, NULL);
    if (open_before < 0)
        open_before = descriptors(names, sizeof(names));
    if (one_in(8))
        for (int i = 0; i < 30; i++)
            random_call(false);
    pthread_mutex_lock(&inside);
    calling = true;
    op_init();
    calling = false;
    pthread_mutex_unlock(&inside);
    for (int n = 100 + (int)below(900); n; n--)
        random_call(true);

    allow_descriptors(true);
    pthread_mutex_lock(&inside);
    calling = true;
    vmm.ending = true;
    note("cleanup");
    api.cleanup(NULL);
    forget(true);
    calling = false;
    pthread_mutex_unlock(&inside);
    for (uint32_t i = 0; i < FENCES; i++)
        if (vmm.fence[i].asked != vmm.fence[i].retired)
            found("fence %u: accepted %u times, retired %u times", i, vmm.fence[i].asked, vmm.fence[i].retired);
    pthread_mutex_lock(&scribbling);
    for (int i = 0; i < 8; i++) {
        if (shared[i].mem)
            munmap(shared[i].mem, SHMEM);
        shared[i].mem = NULL;
    }
    pthread_mutex_unlock(&scribbling);
    for (int i = 0; i < 12; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
    api.set_log_callback(log_line, NULL, NULL);
    if (sinks != freed)
        found("%lu log sinks set, %lu freed", (unsigned long)sinks, (unsigned long)freed);
    settle();
    check_mappings();
    int n = descriptors(names, sizeof(names));
    if (n > open_before)
        found("%d descriptors open, %d at the start:%s", n, open_before, names);
    report->sequences++;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void child(const char *path, uint64_t seed, double end)
{
    static char pages[4][4096];
    pthread_t second;
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (!lib)
        found("%s", dlerror());
#define R(name) if (!(api.name = (__typeof__(api.name))dlsym(lib, "virgl_renderer_" #name))) found("no virgl_renderer_" #name);
#define S(name) if (!(api.name = (__typeof__(api.name))dlsym(lib, "virgl_" #name))) found("no virgl_" #name);
    FUNCTIONS(R, S)
#undef R
#undef S
    for (int i = 0; i < 4; i++)
        iovs[i] = (struct iovec){ pages[i], sizeof(pages[i]) };
    for (int i = 0; i < 12; i++)
        fds[i] = -1;
    reserve = mmap(NULL, RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    pthread_create(&second, NULL, scribble, NULL);
    for (int i = 0; i < PER_CHILD && (i == 0 || now() < end); i++)
        sequence(seed + (uint64_t)i);
    stop = true;
    pthread_join(second, NULL);
    _exit(0);
}

// ---- The parent

// Returns whether the child ended well.
static bool watch(pid_t pid)
{
    double late = now() + PATIENCE;
    int status = 0;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (now() > late) {
            snprintf(report->finding, sizeof(report->finding), "still running after %d seconds", PATIENCE);
            kill(pid, SIGABRT); // the runtime prints where its threads are
            late += PATIENCE;
        }
        usleep(2000);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    printf("FINDING with --seed %lu: ", (unsigned long)report->seed);
    if (report->finding[0])
        printf("%s\n", report->finding);
    else if (WIFSIGNALED(status))
        printf("killed by signal %d\n", WTERMSIG(status));
    else
        printf("exit status %d\n", WEXITSTATUS(status));
    for (unsigned i = report->notes > KEPT ? report->notes - KEPT : 0; i < report->notes; i++)
        printf("    %s\n", report->last[i % KEPT]);
    fflush(stdout);
    return false;
}

int main(int argc, char **argv)
{
    const char *lib = NULL;
    double seconds = 10;
    uint64_t seed = 0;
    int findings = 0;

    if (getrandom(&seed, 6, 0) != 6)
        seed = (uint64_t)time(NULL);
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--lib"))
            lib = argv[i + 1];
        else if (!strcmp(argv[i], "--seconds"))
            seconds = strtod(argv[i + 1], NULL);
        else if (!strcmp(argv[i], "--seed"))
            seed = strtoull(argv[i + 1], NULL, 0);
        else
            lib = NULL, argc = 0;
    }
    control = (__typeof__(control))dlsym(RTLD_DEFAULT, "drmsim_control");
    counters = (__typeof__(counters))dlsym(RTLD_DEFAULT, "drmsim_counters");
    if (!lib || argc % 2 == 0) {
        fprintf(stderr, "usage: LD_PRELOAD=build/libdrmsim.so fuzz_abi --lib PATH [--seconds N] [--seed S]\n");
        return 2;
    }
    if (!control || !counters) {
        fprintf(stderr, "fuzz_abi: there is no simulated kernel: set LD_PRELOAD to build/libdrmsim.so (make sim)\n");
        return 2;
    }
    setenv("VIRGLDRM_CRASH_ON_PANIC", "1", 1);
    report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    printf("seed %lu\n", (unsigned long)seed);
    for (double end = now() + seconds; now() < end && findings < 10; seed += PER_CHILD) {
        report->notes = 0;
        report->finding[0] = 0;
        report->seed = seed;
        fflush(stdout);
        pid_t pid = fork();
        if (pid < 0) {
            perror("fuzz_abi: fork");
            return 2;
        }
        if (pid == 0)
            child(lib, seed, end);
        findings += !watch(pid);
    }
    printf("%lu calls, %lu sequences, %d findings\n", (unsigned long)report->calls, (unsigned long)report->sequences, findings);
    return findings > 0;
}
