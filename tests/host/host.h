// host.h - what the programs share: the library, loaded when a case says so; cases in processes of their own; a guest.
#ifndef HOST_H
#define HOST_H

#define VIRGL_RENDERER_UNSTABLE_APIS 1
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virgl_renderer_drm.h"

// ---- host.c: the library and the cases

#define API_FUNCTIONS(F)                                                                                          \
    F(virgl_renderer_init) F(virgl_renderer_cleanup) F(virgl_renderer_reset) F(virgl_renderer_fill_caps)          \
    F(virgl_renderer_context_create_with_flags) F(virgl_renderer_context_destroy) F(virgl_renderer_submit_cmd)    \
    F(virgl_renderer_context_create_fence) F(virgl_renderer_resource_create_blob) F(virgl_renderer_resource_map)  \
    F(virgl_renderer_resource_unref) F(virgl_set_log_callback)

struct api {
#define F(name) __typeof__(name) *name;
    API_FUNCTIONS(F)
#undef F
};
extern struct api api;
extern const char *lib_path, *prog_arg; // the program's first and second argument

#define NATIVE (VIRGL_RENDERER_DRM | VIRGL_RENDERER_ASYNC_FENCE_CB | VIRGL_RENDERER_NO_VIRGL)
#define PLAIN (VIRGL_RENDERER_ASYNC_FENCE_CB | VIRGL_RENDERER_NO_VIRGL) // needs no GPU

void *lib_find(void *handle, struct api *a); // fills a; returns the handle
void lib_load(void);                         // fills api; ends the process when it cannot
int lib_init(void);                          // NATIVE, with the callbacks of guest.c
int lib_init_flags(int flags);
void sim(const char *command); // commands the simulated GPU; ends the process when it cannot

// A case runs in a process of its own, where nothing is loaded yet, and fails when an EXPECT does, or when the process
// crashes or hangs.
struct host_case {
    const char *what;
    void (*run)(void);
};
int run_cases(int argc, char **argv, const struct host_case *cases, size_t n);
#define RUN_CASES(argc, argv, cases) run_cases(argc, argv, cases, sizeof(cases) / sizeof(*cases))
enum { CASE_SECONDS = 60 };

#define EXPECT(cond) expect(cond, #cond, __FILE__, __LINE__)
bool expect(bool ok, const char *what, const char *file, int line);
extern int failures; // of this process
void verdict(bool ok, const char *what); // a PASS or FAIL line; for programs with no cases
void note(const char *format, ...) __attribute__((format(printf, 1, 2))); // one line, in one write

uint64_t now_ns(void);
void pause_ms(unsigned ms);
long status_number(const char *path, const char *key); // of a /proc status file
int thread_count(void);
bool emulated(void); // by qemu-user, which is slow
int open_files(void);
void busy_calls(unsigned count); // that enter Go and allocate there: they make it collect garbage

// ---- guest.c: fences and a guest

enum { MAX_RINGS = 12, MAX_FENCES = 1 << 18 };

extern struct virgl_renderer_callbacks callbacks;
extern void (*on_fence)(uint32_t ctx, uint32_t ring, uint64_t id); // runs inside the callback, after the count
unsigned fences_made(void);
unsigned fences_seen(void);
unsigned fence_seen(uint64_t id);
bool fences_wait(void);     // until as many have come as were made; false after five seconds
bool fences_all_once(void); // every fence made came once, and no other

struct guest {
    uint32_t ctx, rings, seqno, job;
    volatile struct msm_shmem *shm;
    uint32_t queue[MAX_RINGS];
};

// All return false when the library refuses. GPU rings are 1 to rings.
bool guest_open(struct guest *g, uint32_t ctx, uint32_t rings);
void guest_close(struct guest *g);
bool guest_nop(struct guest *g);
bool guest_job(struct guest *g, uint32_t ring);
uint64_t guest_fence(struct guest *g, uint32_t ring); // its id; 0: refused
uint64_t guest_job_fence(struct guest *g, uint32_t ring);

#endif
