// The asahi personality: structs of drm/asahi_drm.h and its per-file state.
#ifndef SIM_ASAHI_H
#define SIM_ASAHI_H

#include "sim.h"

#pragma GCC visibility push(hidden)

#define ASAHI_PAGE 0x4000u // of the GPU
#define ASAHI_VA_START ASAHI_PAGE
#define ASAHI_VA_END (1ull << 39)
#define ASAHI_KERNEL_MIN 0x20000000ull // GPU addresses the kernel wants of each VM
#define ASAHI_MAX_COMMANDS 64
#define ASAHI_MAX_ATTACHMENTS 16

struct asahi_get_params { uint32_t group, pad; uint64_t pointer, size; };
struct asahi_params_global {
    uint64_t features;
    uint32_t generation, variant, revision, chip_id, dies, clusters, cores_per_cluster, max_khz;
    uint64_t core_masks[64], vm_start, vm_end, vm_kernel_min_size;
    uint32_t max_commands, max_attachments;
    uint64_t timestamp_hz;
};
struct asahi_get_time { uint64_t flags, timestamp; };
struct asahi_vm_create { uint64_t kernel_start, kernel_end; uint32_t vm_id, pad; };
struct asahi_vm_destroy { uint32_t vm_id, pad; };
struct asahi_vm_bind { uint32_t vm_id, count, stride, pad; uint64_t ops; };
struct asahi_bind_op { uint32_t flags, handle; uint64_t offset, range, addr; };
struct asahi_gem_create { uint64_t size; uint32_t flags, vm_id, handle, pad; };
struct asahi_mmap_offset { uint32_t handle, flags; uint64_t offset; };
struct asahi_bind_object {
    uint32_t op, flags, handle, vm_id;
    uint64_t offset, range;
    uint32_t object, pad;
};
struct asahi_queue_create { uint32_t flags, vm_id, priority, queue_id; uint64_t usc_base; };
struct asahi_queue_destroy { uint32_t queue_id, pad; };
struct asahi_sync { uint32_t type, handle; uint64_t point; };
struct asahi_submit {
    uint64_t syncs, cmdbuf;
    uint32_t flags, queue_id, in_syncs, out_syncs, cmdbuf_size, pad;
};

_Static_assert(sizeof(struct asahi_params_global) == 592 && sizeof(struct asahi_bind_op) == 32 &&
               sizeof(struct asahi_bind_object) == 40 && sizeof(struct asahi_submit) == 40,
               "not the kernel's layout");

// An address space: its bindings, disjoint and sorted.
struct asahi_vm {
    unsigned refs; // of the table and of queues; guarded by drm_file.lock
    uint64_t serial; // never used again, unlike ids
    uint64_t kernel_start, kernel_end;
    struct asahi_binding { uint64_t addr, end; struct holder *holder; } *bindings;
    uint32_t count, capacity;
    struct asahi_vm *next; // all VMs of the file
};

// A range of a buffer where the GPU writes timestamps.
struct asahi_object {
    struct bo *bo;
    uint64_t range;
};

struct asahi_queue {
    atomic_uint refs; // of the table and of jobs, which may outlive the file
    struct asahi_vm *vm; // drm_file.lock; NULL once the queue is destroyed
    struct entity entity;
};

struct asahi_file { // all guarded by drm_file.lock
    struct idtab vms, queues, objects;
    struct asahi_vm *all_vms;
};

static inline struct asahi_file *asahi_file(struct drm_file *file)
{
    return file->priv;
}

static inline bool asahi_aligned(uint64_t value)
{
    return value % ASAHI_PAGE == 0;
}

// Caller holds file->lock for everything that takes a struct.

// asahi_vm.c
struct asahi_vm *asahi_vm_find(struct drm_file *file, uint32_t id);
void asahi_vm_put(struct drm_file *file, struct asahi_vm *vm);
bool asahi_vm_mapped(const struct asahi_vm *vm, uint64_t addr);
void asahi_unmap(struct drm_file *file, struct holder *holder);
int asahi_vm_create(struct drm_file *file, void *arg);
int asahi_vm_destroy(struct drm_file *file, void *arg);
int asahi_vm_bind(struct drm_file *file, void *arg);

// asahi_queue.c
int asahi_queue_close(struct drm_file *file, uint32_t id);
int asahi_queue_create(struct drm_file *file, void *arg);
int asahi_queue_destroy(struct drm_file *file, void *arg);
int asahi_submit(struct drm_file *file, void *arg);

// asahi_commands.c: 0 or -errno; *fault when the GPU would find nothing to execute.
int asahi_check_commands(struct drm_file *file, const struct asahi_vm *vm, const void *commands,
                         uint32_t size, bool *fault);

#pragma GCC visibility pop
#endif
