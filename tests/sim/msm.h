// The msm personality: structs of drm/msm_drm.h and its per-file state.
#ifndef SIM_MSM_H
#define SIM_MSM_H

#include "sim.h"

#pragma GCC visibility push(hidden)

#define PIPE_3D0 0x10

struct msm_param { uint32_t pipe, param; uint64_t value; uint32_t len, pad; };
struct msm_gem_new { uint64_t size; uint32_t flags, handle; };
struct msm_gem_info { uint32_t handle, info; uint64_t value; uint32_t len, pad; };
struct msm_timespec { int64_t sec, nsec; };
struct msm_cpu_prep { uint32_t handle, op; struct msm_timespec timeout; };
struct msm_madvise { uint32_t handle, madv, retained; };
struct msm_submitqueue { uint32_t flags, prio, id; };
struct msm_queue_query { uint64_t data; uint32_t id, param, len, pad; };
struct msm_wait_fence { uint32_t fence, flags; struct msm_timespec timeout; uint32_t queueid; };
struct msm_submit {
    uint32_t flags, fence, nr_bos, nr_cmds;
    uint64_t bos, cmds;
    int32_t fence_fd;
    uint32_t queueid;
    uint64_t in_syncobjs, out_syncobjs;
    uint32_t nr_in_syncobjs, nr_out_syncobjs, syncobj_stride, pad;
};
struct msm_submit_bo { uint32_t flags, handle; uint64_t presumed; };
struct msm_submit_cmd { uint32_t type, idx, offset, size, pad, nr_relocs; uint64_t relocs; };
struct msm_submit_syncobj { uint32_t handle, flags; uint64_t point; };

_Static_assert(sizeof(struct msm_wait_fence) == 32 && sizeof(struct msm_submit) == 72 &&
               sizeof(struct msm_submit_cmd) == 32, "not the kernel's layout");

#define QUEUE_BUCKETS 64
#define MSM_VA_START 0x100000000ull // GPU addresses
#define MSM_VA_END 0x1000000000ull

// Minor versions of the kernel interface that brought something.
enum {
    MINOR_SUBMITQUEUE = 3, MINOR_NAME = 4, MINOR_QUERY = 5, MINOR_SYNCOBJ = 6, MINOR_SUSPENDS = 7,
    MINOR_COHERENT = 8, MINOR_FENCE_SN = 9, MINOR_NO_IMPLICIT = 10, MINOR_BOOST = 11,
    MINOR_METADATA = 12,
};

static inline bool msm_has(int minor)
{
    return driver_version(&msm_driver).minor >= minor;
}

struct msm_queue {
    atomic_uint refs;
    uint32_t id, prio;
    uint32_t next_fence; // for callers that leave numbering to us; drm_file.lock
    _Atomic uint32_t last_fence;
    struct msm_job *pending[QUEUE_BUCKETS]; // by fence number; guarded by gpu_lock
    atomic_uint pending_count;
    atomic_uint faults;
    struct msm_queue *next; // bucket of the file
};

struct msm_job {
    struct job job;
    struct msm_queue *queue;
    uint32_t fence_id;
    struct msm_job *next;
};

struct msm_file {
    struct msm_queue *queues[QUEUE_BUCKETS]; // by id; guarded by drm_file.lock
    uint32_t next_id;
    void *vm_tree;
    uint64_t vm_next; // below it msm_vm_get looks for a free address
};

static inline struct msm_file *msm_file(struct drm_file *file)
{
    return file->priv;
}

// Absolute time of a caller's timespec, saturated.
int64_t msm_deadline(struct msm_timespec ts);

// msm_queue.c
int msm_queues_open(struct drm_file *file);
void msm_queues_close(struct drm_file *file);
struct msm_queue *msm_queue_find(struct drm_file *file, uint32_t id); // file->lock held
void msm_queue_put(struct msm_queue *queue);
bool msm_fence_pending(struct msm_queue *queue, uint32_t fence_id); // gpu_lock held
int msm_queue_new(struct drm_file *file, void *arg);
int msm_queue_close(struct drm_file *file, void *arg);
int msm_queue_query(struct drm_file *file, void *arg);
int msm_wait_fence(struct drm_file *file, void *arg);

// msm_gem.c
int msm_gem_new(struct drm_file *file, void *arg);
int msm_gem_info(struct drm_file *file, void *arg);
int msm_cpu_prep(struct drm_file *file, void *arg);
int msm_cpu_fini(struct drm_file *file, void *arg);
int msm_madvise(struct drm_file *file, void *arg);

// msm_vm.c: GPU addresses of a file; caller holds file->lock.
int msm_vm_set(struct drm_file *file, struct holder *holder, uint64_t iova);
int msm_vm_get(struct drm_file *file, struct holder *holder, uint64_t *iova); // picks one if unset
void msm_vm_clear(struct drm_file *file, struct holder *holder);

// msm_submit.c
int msm_submit(struct drm_file *file, void *arg);

#pragma GCC visibility pop
#endif
