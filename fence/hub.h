// Fences of all contexts: per-ring timelines, the table of pending fences by
// id, and the thread that waits for the GPU. Written in C because the path
// from a signalled sync_file to the VMM's callback must not pass through the Go
// scheduler: docs/fences.md has the measurements.
//
// A timeline (one per context and ring) is a FIFO. Only its head is watched.
//
//   add ----> [head|...|tail] --head signalled--> deliver: callback, next head
//                   |                                 ^
//                   +--- not yet: epoll (one-shot) ---+  waiter thread
//
// One thread at a time delivers for a timeline (delivering, owner); others only
// append and leave a note (again). So callbacks come in creation order, and one
// that calls back into the library finds no lock held.
//
// Lock order: hub->lock is the only lock; no callback, ioctl or poll under it.
#ifndef VIRGLDRM_FENCE_HUB_H
#define VIRGLDRM_FENCE_HUB_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define VD_RINGS 64
#define VD_WAITERS 2
#define VD_HUNG_NS 10000000000ull // a ring stuck this long is reported

// A key names a context, a ring of it, or one arming of a ring's head:
//   bits 0-5 ring, 6-25 slot, 26-41 the slot's generation, 42-63 arming
#define VD_RING(key) ((uint32_t)(key) & (VD_RINGS - 1))
#define VD_SLOT(key) ((uint32_t)((key) >> 6) & 0xfffff)
#define VD_CTX(key) ((key) & 0x3ffffffffc0ull)
#define VD_KEY(generation, slot) ((uint64_t)(uint16_t)(generation) << 26 | (uint64_t)(slot) << 6)
#define VD_ARMING(key) ((key) >> 42)
#define VD_MAX_SLOTS 0x100000

// What the embedder is told. Called on any thread, without locks.
struct vd_fence_ops {
    void (*retired)(uint32_t ctx, uint32_t ring, uint64_t id);
    void (*hung)(uint32_t ctx, uint32_t ring, uint64_t id, uint32_t seconds);
    uint64_t hung_ns; // when hung is called; 0: VD_HUNG_NS
};

// An ioctl whose result the guest must see before its fences retire.
struct vd_fault_query {
    int fd;
    uint32_t request;  // 0: nothing to ask
    uint8_t arg[64];   // the argument; asked on a copy
    uint32_t value_at; // offset in arg of the 32-bit result
    uint32_t *dest;    // where it goes if the ioctl succeeds
};

struct vd_fence {
    struct vd_fence *next;  // timeline, or free list
    struct vd_fence *chain; // table
    uint64_t id;
    int fd;      // sync_file, owned; -1: done when its predecessors are
    bool listed; // in the table
};

struct vd_timeline {
    struct vd_fence *head, *tail;
    pthread_t owner; // valid while delivering
    bool delivering;
    bool again;
    bool hang_reported;
    int armed;         // fd registered with epoll, or -1
    uint32_t arming;   // counts them, so that a late event is known as one
    uint64_t armed_at; // ns, CLOCK_MONOTONIC
};

struct vd_fence_ctx {
    struct vd_hub *hub;
    uint64_t key;
    uint32_t id;
    uint32_t rings; // timelines, ring 0 included
    uint32_t refs;
    uint32_t jobs; // fences with a sync_file, the one being reported included
    bool dead;
    struct vd_fault_query faults;
    struct vd_timeline ring[];
};

struct vd_slot {
    struct vd_fence_ctx *ctx; // NULL: free
    uint32_t generation;
};

struct vd_waiter {
    struct vd_hub *hub;
    pthread_t thread;
};

struct vd_hub {
    pthread_mutex_t lock;
    pthread_cond_t idle;  // some timeline stopped delivering
    pthread_cond_t awake; // no more sleep
    bool no_sleep;
    struct vd_fence_ops ops;

    struct vd_slot *slots;
    uint32_t nslots, first_free; // no free slot below first_free

    struct vd_fence **table; // by id, a power of two chains
    uint32_t table_size, table_used;
    struct vd_fence *free;
    int last; // a signalled sync_file, or -1

    int epoll, stopper;
    struct vd_waiter waiters[VD_WAITERS];
    uint32_t running;              // waiters that were started; atomic
    uint32_t busy;                 // contexts with jobs
    bool stop;                     // atomic
    uint32_t refs;                 // the owner's, and one of each thread that is inside and may be in a callback
};

// Hub. new returns NULL and sets errno. free expects no contexts.
struct vd_hub *vd_hub_new(const struct vd_fence_ops *ops);
void vd_hub_free(struct vd_hub *hub);

// Contexts, by a key that is not 0 and not given again for a long time; a stale
// one is harmless. new returns 0 without memory. destroy reports every outstanding
// fence, returns when no callback for the context runs or will run, and says
// how many of the fences had GPU work that may still run.
uint64_t vd_fence_ctx_new(struct vd_hub *hub, uint32_t id, uint32_t rings);
void vd_fence_ctx_watch(struct vd_hub *hub, uint64_t key, const struct vd_fault_query *query);
uint32_t vd_fence_ctx_destroy(struct vd_hub *hub, uint64_t key);

// add queues a fence and takes fd unless it fails (-1: no new submission). What is
// signalled retires inside the call. Returns 0 or a negative errno, after which
// the fence never retires; EEXIST says it works but cannot be found by its id.
int vd_fence_add(struct vd_hub *hub, uint64_t key, uint32_t ring, uint64_t id, int fd);

// For a thread of the caller's, while check returns true: sleep lasts half of
// hung_ns, check asks again for heads that are pending for long, in case their
// event was lost, and reports hung rings, once each. wake ends the sleep, also
// one that is yet to come; sleep then returns false.
bool vd_hub_sleep(struct vd_hub *hub);
bool vd_hub_check(struct vd_hub *hub);
void vd_hub_wake(struct vd_hub *hub);

// New descriptors, or a negative errno: a pending fence's, and that of some
// fence that has signalled.
int vd_fence_export(struct vd_hub *hub, uint64_t id);
int vd_fence_signalled(struct vd_hub *hub);

// Between the files of this package.
void vd_hub_put(struct vd_hub *hub);   // drops a reference; the last frees
void vd_hub_leave(struct vd_hub *hub); // the same with the lock held, which it unlocks
int vd_waiter_start(struct vd_hub *hub);
void vd_waiter_stop(struct vd_hub *hub);
int vd_waiter_arm(struct vd_hub *hub, uint64_t key, int fd, bool again);
void vd_waiter_disarm(struct vd_hub *hub, int fd);
void vd_timeline_event(struct vd_hub *hub, uint64_t key);
void vd_timeline_again(struct vd_hub *hub, uint64_t min_age);
bool vd_table_insert(struct vd_hub *hub, struct vd_fence *fence);
void vd_table_remove(struct vd_hub *hub, struct vd_fence *fence);
struct vd_fence *vd_table_find(struct vd_hub *hub, uint64_t id);
uint64_t vd_now(void);

#endif
