/* abi.h - what the cases of the C interface share: a VMM that takes notes, and a guest that sends commands. */
#ifndef ABI_H
#define ABI_H

#include "harness.h"

#include <pthread.h>
#include <stddef.h>

/* ---- abi_vmm.c: the VMM ---- */

enum {
    ASYNC = VIRGL_RENDERER_ASYNC_FENCE_CB,
    NO_VIRGL = VIRGL_RENDERER_NO_VIRGL,
    NATIVE = VIRGL_RENDERER_DRM | ASYNC | NO_VIRGL, /* what most cases init with */
    FIELD_QEMU = VIRGL_RENDERER_DRM | ASYNC | VIRGL_RENDERER_THREAD_SYNC,
};

struct fence_note {
    uint32_t ctx, ring;
    uint64_t id;
    pthread_t thread;
};

#define MAX_NOTES 1024
extern struct vmm {
    struct virgl_renderer_callbacks cbs; /* version 4, every member set */
    void (*on_fence)(uint32_t ctx, uint32_t ring, uint64_t id); /* run by the fence callback, after the note */
    int (*drm_fd)(void);                                        /* behind get_drm_fd; NULL: -1 */
    int drm_fd_calls, gl_calls;

    pthread_mutex_t lock; /* guards the notes */
    struct fence_note fences[MAX_NOTES]; /* write_context_fence, in order */
    unsigned nfences;
    uint32_t ctx0[MAX_NOTES]; /* write_fence, in order */
    unsigned nctx0, lost_notes;
} vmm;

void vmm_start(int flags);                                   /* init with &vmm as cookie; must succeed */
unsigned fences_of(uint32_t ctx, uint32_t ring, uint64_t id); /* times reported so far */
unsigned fences_total(void);
bool fence_comes(uint32_t ctx, uint32_t ring, uint64_t id); /* waits up to two seconds */
void settle(void);                                          /* gives what must not come the time to come */
uint64_t now_ns(void);

/* Two pages; what lies beyond `size` bytes faults. */
void *page_end(size_t size);
void read_only(void *page_end, size_t size);
void *page_range(size_t size); /* reserved address space, page aligned */
unsigned maps_lines(const char *part); /* lines of /proc/self/maps that contain it */
bool is_open(int fd);
bool is_cloexec(int fd);
bool is_readable(int fd); /* for a sync_file: has signalled */
uint64_t inode_of(int fd);
unsigned open_with_inode(uint64_t inode); /* descriptors of this process on the same file */
int small_file(size_t size); /* a memfd with an identity of its own */

bool sim_present(void);
void sim(const char *command); /* must succeed */
struct drmsim_counters sim_counters(void);

/* ---- abi_guest.c: the guest ---- */

enum {
    CTX = 1,
    SHMEM_RES = 100, /* + context id */
    SHMEM_SIZE = 0x4000,
    PAGE = 4096,
    BO_WC = 0x20000,
    BO_CACHED_COHERENT = 0x80000,
    MAPPABLE = VIRGL_RENDERER_BLOB_FLAG_USE_MAPPABLE,
    SHAREABLE = VIRGL_RENDERER_BLOB_FLAG_USE_SHAREABLE,
};

struct guest { /* one context that can submit to the GPU */
    uint32_t ctx;
    struct msm_shmem *shm; /* mapped by resource_map */
    uint32_t queue[3];     /* submit queue of each priority */
    uint32_t res;          /* a buffer for jobs to name */
    uint32_t seqno, fence;
};

void context(uint32_t ctx); /* creates it; must succeed */
int blob(uint32_t ctx, uint32_t res, uint32_t mem, uint32_t flags, uint64_t blob_id, uint64_t size);
int blob_with_iov(uint32_t ctx, uint32_t res, uint32_t mem, uint32_t flags, uint64_t blob_id, uint64_t size,
                  const struct iovec *iov, uint32_t n);
int guest_blob(uint32_t res, const struct iovec *iov, uint32_t n, uint64_t size);
int gem_new(uint32_t ctx, uint32_t blob_id, uint64_t size, uint32_t bo_flags);
void buffer(uint32_t ctx, uint32_t res, uint32_t blob_flags); /* one page, blob_id = res; must succeed */
int nop(uint32_t ctx);
int cpu_prep(struct guest *g, uint32_t res); /* -ENOENT: the context has no such buffer */

/* Context, response memory, queues and a buffer, all ids derived from ctx. */
struct guest guest(uint32_t ctx);
/* A batch with one job for the queue of a priority, which fence ring prio + 1 reports. */
struct job { uint32_t words[21]; } job(struct guest *g, uint32_t prio);
void run_job(struct guest *g, uint32_t prio); /* submits one; must succeed */
/* A job and its fence, held back by "hang ring=PRIO". */
void pending_fence(struct guest *g, uint32_t prio, uint64_t id);

#endif
