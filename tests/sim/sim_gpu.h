// Fences and the job engine; part of sim.h. gpu_lock guards all pending state.
#ifndef SIM_GPU_H
#define SIM_GPU_H

extern pthread_mutex_t gpu_lock;

// fence.c

// Called once, under gpu_lock, when the fence it hangs on signals.
struct waiter {
    struct waiter *next;
    void (*ready)(struct waiter *waiter, int status);
    void *owner;
};

struct fence {
    struct node node;
    atomic_int status;  // 0 pending, 1 signalled, < 0 signalled with an error
    atomic_int evfd;    // ours, only while pending and handed out; else -1
    uint64_t evid;      // eventfd-id of evfd once somebody asked
    uint64_t context, seqno; // same context = same FIFO
    uint64_t timestamp;
    const char *driver; // whose job it is
    char name[32];
    // A merged fence: signals after its parts, which are never merged ones.
    struct fence **parts;
    unsigned part_count, parts_left;
    int part_error;
    struct waiter *part_waiters;
    struct waiter *waiters;
    struct fence *prev, *next; // list of those with an evfd
};

struct fence *fence_new(uint64_t context, uint64_t seqno, int status); // 1 reference
void fence_free(struct fence *fence);
static inline void fence_put(struct fence *fence)
{
    if (fence)
        node_put(&fence->node);
}
static inline int fence_status(struct fence *fence)
{
    return atomic_load_explicit(&fence->status, memory_order_acquire);
}
void fence_signal(struct fence *fence, int status); // gpu_lock held
// gpu_lock held; false (and no call later) when it has already signalled.
bool fence_wait_on(struct fence *fence, struct waiter *waiter);
// A new fd on the fence, installed in the fd table, or -errno. The caller has
// the file, if any, open all the while.
int fence_export(struct fence *fence, struct drm_file *file);
int eventfd_signalled(int status);
struct fence *fence_from_fd(int fd); // reference or NULL
struct fence *fence_merge(struct fence *a, struct fence *b, const char *name);
uint64_t fence_contexts(unsigned count); // the first of so many fresh ones

// sync_file.c
int sync_file_ioctl(int fd, unsigned long request, void *arg, bool *ours);

// syncobj.c
struct syncobj {
    struct node node;
    struct fence *fence; // guarded by gpu_lock
};
struct syncobj *syncobj_find(struct drm_file *file, uint32_t handle); // reference or NULL
struct fence *syncobj_fence(struct syncobj *obj);             // reference or NULL
void syncobj_replace(struct syncobj *obj, struct fence *fence); // takes the reference
void syncobj_free(struct syncobj *obj);
int syncobj_create(struct drm_file *file, void *arg);
int syncobj_destroy(struct drm_file *file, void *arg);
int syncobj_to_fd(struct drm_file *file, void *arg);
int syncobj_from_fd(struct drm_file *file, void *arg);
int syncobj_wait(struct drm_file *file, void *arg);
int syncobj_reset(struct drm_file *file, void *arg);
int syncobj_signal(struct drm_file *file, void *arg);

// engine.c

struct job_bo {
    struct bo *bo;
    bool write;
};

struct job {
    struct job *next; // FIFO of the entity
    struct entity *entity;
    struct drm_file *file;
    struct fence *fence;
    unsigned deps_left;
    struct waiter *deps; // one per in-fence
    struct fence **dep_fences;
    unsigned dep_count;
    struct job_bo *bos;
    unsigned bo_count;
    uint64_t duration_ns;
    int error; // the fence signals with it
    // Under gpu_lock, before the fence signals; the driver frees its part here.
    void (*retire)(struct job *job, int status);
};

// Jobs that run strictly in order: of one file and priority (msm), of a queue (asahi).
struct entity {
    struct job *head, **tail;
    struct entity *next_ready;
    uint32_t ring;
    uint64_t context, seqno; // of its fences; seqno guarded by drm_file.lock
};

void entity_init(struct entity *entity, uint32_t ring, uint64_t context);
// True when a job with no pending in-fence would be done at once.
bool engine_instant(uint32_t ring);
// Queues the job and owns it from here on; it keeps the entity alive until it retires.
void engine_submit(struct drm_file *file, struct entity *entity, struct job *job);
// Waits (no lock held by the caller) until done(arg), which is called under
// gpu_lock. Absolute monotonic deadline; 0 or -ETIMEDOUT.
int engine_wait(bool (*done)(void *), void *arg, int64_t deadline_ns);
void engine_wake(void); // gpu_lock held: waiters look again
void engine_fork_child(void);

// Control commands.
void engine_set_time(uint64_t us);
int engine_hang(int ring, bool hung); // ring < 0: all
void engine_fail_next(int error);
void engine_reset(void);
extern atomic_uint sim_global_faults;

#endif
