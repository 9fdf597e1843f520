// fuzz_abi.h - what the parts of fuzz_abi share: chance, the report to the parent, and what the VMM believes.
#ifndef FUZZ_ABI_H
#define FUZZ_ABI_H

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
#include "functions.h"
#include "virgl_renderer_drm.h"

extern struct fuzz_api {
#define R(name) __typeof__(virgl_renderer_##name) *name;
#define S(name) __typeof__(virgl_##name) *name;
    API_FUNCTIONS(R, S)
#undef R
#undef S
} api;
extern int (*control)(const char *command); // of the simulated kernel
extern void (*counters)(struct drmsim_counters *out);

// ---- What the parent sees of a child

enum { KEPT = 20, PER_CHILD = 8, FOUND = 42, PATIENCE = 60 };
extern struct report {
    atomic_ulong calls, sequences;
    uint64_t seed; // of the running sequence
    atomic_uint notes;
    char last[KEPT][160], finding[400];
} *report;

// Before a call: what is called. found() ends the process.
__attribute__((format(printf, 1, 2))) void note(const char *fmt, ...);
__attribute__((format(printf, 1, 2), noreturn)) void found(const char *fmt, ...);

#define EXPECT(condition) \
    do { if (!(condition)) found("%s:%d: expected %s after: %s", __FILE__, __LINE__, #condition, report->last[(report->notes - 1) % KEPT]); } while (0)

// ---- Chance

extern __thread uint64_t rng;

static inline uint32_t rnd(void) // splitmix64
{
    uint64_t z = rng += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)(z >> 32);
}

static inline uint32_t below(uint32_t n) { return rnd() % n; }
static inline bool one_in(uint32_t n) { return below(n) == 0; }
#define ONE_OF(...) ((const uint32_t[]){ __VA_ARGS__ }[below(sizeof((uint32_t[]){ __VA_ARGS__ }) / 4)])

static inline uint32_t corner(void) { return one_in(3) ? rnd() : ONE_OF(0, 1, 2, 4, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff); }

// ---- What the VMM knows

enum { CONTEXTS = 5, RESOURCES = 24, FENCES = 1 << 14, SHARED_IDS = 16, SHMEM = 0x4000, RESERVED = 1 << 20, RINGS = 4 };
static const uint32_t ctx_ids[CONTEXTS] = { 1, 2, 3, 0xffffffff, 77 }; // 77 is never made
extern struct vmm {
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
extern int fds[12]; // descriptors the VMM holds, -1: none
extern void *reserve;
extern uint32_t draft[1 << 13], commands[1 << 13]; // the second thread writes to commands at any time
extern pthread_mutex_t inside; // whoever calls the library
extern struct iovec iovs[4];
extern struct shared { uint8_t *mem; } shared[8]; // response memory, mapped a second time
extern pthread_mutex_t scribbling;
extern __thread bool calling; // this thread holds `inside`

unsigned any_ctx(void);
uint32_t any_res(void);
uint32_t new_res(void);
uint64_t fence_id(uint32_t slot);
uint32_t any_fence(void);
void keep(int fd);
int take(void);
void forget(bool also_down);

int create_blob(struct virgl_renderer_resource_create_blob_args *a);
void share(uint32_t res);
void create_fence(unsigned c, uint32_t ring);
void destroy(unsigned c);
void touch(void *mem, uint64_t size);
void allow_descriptors(bool all);
void write_context_fence(void *cookie, uint32_t ctx, uint32_t ring, uint64_t id);
void log_line(enum virgl_log_level_flags level, const char *message, void *user);
extern atomic_ulong sinks, freed; // log sinks with user data

// One random call each.
void op_init(void), op_end(void), op_context(void), op_destroy(void), op_submit(void), op_job(void),
    op_fence(void), op_ctx0_fence(void), op_export_fence(void), op_attach_fence(void),
    op_context_misc(void), op_shmem(void), op_alloc(void), op_odd_blob(void), op_import(void),
    op_classic(void), op_attach(void), op_unref(void), op_export(void), op_map(void), op_info(void),
    op_iov(void), op_priv(void), op_transfer(void), op_execute(void), op_caps(void), op_gl(void),
    op_log(void), op_kernel(void);

void sequence(uint64_t seed);
void *scribble(void *arg);
extern atomic_bool stop;
double now(void);

#endif
