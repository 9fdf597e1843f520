// The parts of the benchmark: both ways to use the GPU (guest, raw), the clock and the tables (measure), the rows.
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIRGL_RENDERER_UNSTABLE_APIS
#include "virgl_renderer_drm.h"

#include "drmsim.h"

#define REPETITIONS 5 // of every row; the tables show medians
#define QUEUES 64     // submit queues per side, all of priority 0 and so on ring 1
#define RING 1
#define MAX_BOS 256
#define BO_SIZE 4096u
#define IOVA_BASE 0x100000000ull

// ---- main.c

extern const char *lib_path;
extern struct drmsim_api {
    int (*control)(const char *command);
    void (*counters)(struct drmsim_counters *out);
    const char *(*kind_name)(unsigned kind);
} drmsim;

// Ends the program with one sentence on stderr.
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Whether a timed row of this name is to run.
bool wanted(const char *row);
// Commands the simulated GPU; must succeed.
void gpu(const char *command);

// ---- measure.c

uint64_t now_ns(void);
void nap_us(long us);
double median(const double *values, unsigned n);
uint64_t percentile(uint64_t *values, size_t n, double percent); // sorts them

// One way to do an operation. before and after surround every round and are not timed.
struct side {
    void (*op)(uint32_t arg, uint32_t i);
    void (*before)(uint32_t arg);
    void (*after)(void);
};

struct workload {
    const char *name, *bench; // for people; for benchstat
    double goal_ns; // 0: none
    struct side library, raw; // without a raw op there is no ioctl to compare with
    uint32_t arg;
    uint32_t ops;   // per repetition
    uint32_t round; // operations between before and after; 0: all
};

// Measures both sides in turn and prints the row.
void measure(const struct workload *w);

// ---- table.c

// A finished row, times in ns per operation. Without raw, p99 or goals there is a dash.
struct row {
    const char *name, *bench;
    double goal_ns, goal_p99_ns;
    const double *library, *raw; // REPETITIONS samples each
    uint32_t ops;                // per repetition
    uint64_t p99;                // of single operations
};
void table_head(void);
void row_print(const struct row *r);
// A line for the end of the page.
void table_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void table_notes(void);

// A number that is no time, with its unit. NAN stands for "none".
void count_head(void);
void count_print(const char *name, const char *bench, const char *unit, double raw, double library, double goal);

// The 50th, 99th and 99.9th percentile of one operation, and how often its thread had to sleep in all of them.
void tail_head(void);
void tail_print(const char *name, const char *bench, const double ns[3], double sleeps);

// Where the samples go; in the format of Go's benchmarks.
void benchstat_open(const char *path);
void benchstat_close(void);

// ---- guest.c: the library as a VMM and its guest use it

#define VMM_FUNCTIONS(F) \
    F(init) F(cleanup) F(context_create_with_flags) F(context_destroy) F(submit_cmd) F(context_create_fence) \
    F(resource_create_blob) F(resource_map) F(resource_unmap) F(resource_unref) F(ctx_attach_resource) \
    F(export_fence) F(fill_caps)

struct vmm {
#define F(name) __typeof__(virgl_renderer_##name) *name;
    VMM_FUNCTIONS(F)
#undef F
};
extern struct vmm vmm;

enum { CTX = 1, SPARE_RES = 1000, UPLOAD_RES = 1001 };

void lib_load(void);
void lib_init(void);
// Makes the context the functions below talk to, with response memory, queues of priorities
// 0, 1, .. modulo priorities, and buffers.
void guest_open(uint32_t ctx, uint32_t queues, uint32_t priorities, uint32_t bos);
void guest_close(void);
void guest_check(void); // dies if the guest would have lost its device

void guest_nops(uint32_t count);
void guest_prep(uint32_t bo);
void guest_gem_new(uint32_t blob_id, uint64_t iova, uint64_t size);
void guest_blob(uint32_t res, uint64_t blob_id, uint64_t size);
void guest_submit(uint32_t bos);
void guest_submit_queue(uint32_t queue, uint32_t bos);
uint64_t guest_fence_id(void); // of the newest fence
void guest_upload(uint32_t res, uint32_t bytes);
void guest_fence(uint32_t ring); // adds a fence with the next id

// ---- raw.c: the same ioctls without the library

int raw_device(void); // a new open file
void raw_open(uint32_t queues, uint32_t priorities, uint32_t bos);
void raw_close(void);
void raw_prep(uint32_t bo);
uint32_t raw_gem_new(uint64_t iova, uint64_t size);
void raw_gem_close(uint32_t handle);
void *raw_map(uint32_t handle, uint64_t size);
int raw_submit(uint32_t bos); // the job's sync_file
int raw_submit_queue(uint32_t queue, uint32_t bos);
uint64_t raw_signal_time(int sync_file);

// ---- retire.c: callbacks counted and timed, and a plain waiter as the raw side

void retired(void);                  // what a callback does
void retired_wait(uint64_t count);   // until so many have come
void retired_watch(uint64_t count);  // note the time of this one
uint64_t retired_wait_watched(void); // that time
void raw_waiter_start(void);
void raw_waiter_add(int sync_file); // takes it
void raw_waiter_stop(void);

// ---- rows_*.c

void rows_calls(void);
void rows_fences(void);
void rows_fences_files(void);
void rows_processes(void);
void rows_tail(void);
void child_tail(void);
// Runs this program with --child and reads the numbers it prints.
void run_child(const char *kind, double *numbers, unsigned n);
int child_main(const char *kind);

#endif
