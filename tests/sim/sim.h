// Internal interface of the simulated DRM device.
//
// Lock order: registry -> drm_file.lock -> bo.lock -> gpu_lock -> share_lock.
// Everything behind an fd is a node; the fd table holds one reference per fd.
#ifndef SIM_H
#define SIM_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "drmsim.h"

// A preloaded library must not shadow anybody's symbols.
#pragma GCC visibility push(hidden)

#define SIM_MAX_RINGS 63
#define SIM_PAGE 4096u
#define SIM_MAX_DEVICES 8
#define SIM_EXPORT __attribute__((visibility("default")))
#define SIM_LIKELY(x) __builtin_expect(!!(x), 1)
#define SIM_UNLIKELY(x) __builtin_expect(!!(x), 0)

struct drm_file;
struct fence;
struct driver;

// config.c: the environment, read once.

struct sim_param {
    enum { PARAM_DEFAULT, PARAM_VALUE, PARAM_FAIL } state;
    uint64_t value;
};

struct sim_version {
    int major, minor, patch;
};

struct sim_config {
    char report[256];
    bool version_given;
    struct sim_version version; // of every driver, if given
    int open_errno;
    uint64_t gpu_us;
    uint32_t priorities; // as reported; any number
    uint32_t rings;      // 1..SIM_MAX_RINGS
    bool preempt;
    struct sim_param params[256];
};

extern struct sim_config sim_config;

// A node of /dev/dri.
struct device {
    char node[256], name[32];
    const struct driver *driver;
    unsigned minor;
};

struct device *device_by_path(const char *path);
struct sim_version driver_version(const struct driver *driver);
void sim_start(void); // idempotent; called before anything of ours is used
int sim_errno_value(const char *text); // number or name; < 0 when neither

// control.c: counters and scripted faults.

extern _Atomic uint64_t sim_calls[DRMSIM_KIND_COUNT];
extern atomic_bool sim_scripted; // some fault or delay is armed
int sim_script(enum drmsim_kind kind);
extern atomic_bool sim_recording;
extern atomic_bool sim_close_waits; // the close of a file does, like GEM_CLOSE
void sim_record(enum drmsim_kind kind, const void *arg, size_t size);
void sim_script_reset(void);

// Counts a call; -errno when the script says that it fails.
static inline int sim_enter(enum drmsim_kind kind)
{
    atomic_fetch_add_explicit(&sim_calls[kind], 1, memory_order_relaxed);
    if (SIM_LIKELY(!atomic_load_explicit(&sim_scripted, memory_order_relaxed)))
        return 0;
    return sim_script(kind);
}

extern struct sim_stats {
    _Atomic int64_t files, bos, bytes, handles, queues, syncobjs, fences, running, done, failed, mappings;
    _Atomic int64_t vms, bindings, objects;
} sim_stats;

static inline void stat_add(_Atomic int64_t *stat, int64_t n)
{
    atomic_fetch_add_explicit(stat, n, memory_order_relaxed);
}

// hooks.c: the C library below us.

int sys_close(int fd);
int sys_dup(int fd); // with CLOEXEC; -errno
int sys_ioctl(int fd, unsigned long request, void *arg);
void *sys_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
int64_t now_ns(void);
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

// fdtab.c: fd -> node.

enum node_type { NODE_FILE, NODE_DMABUF, NODE_FENCE, NODE_SYNCOBJ };

struct node {
    enum node_type type;
    atomic_uint refs;
    uint64_t ino; // of the fd underneath; 0 = not known
};

void node_put(struct node *node);
static inline void node_get(struct node *node)
{
    atomic_fetch_add_explicit(&node->refs, 1, memory_order_relaxed);
}
// A new reference, or NULL when the fd is not ours.
struct node *fdtab_get(int fd);
// Like fdtab_get, and forgets an fd that was closed behind our back.
struct node *fdtab_get_checked(int fd);
// Takes over the reference; an fd that does not fit is closed: -EMFILE.
int fdtab_install(int fd, struct node *node);
// The fd is about to be closed or was just reused: the old node, if any.
struct node *fdtab_take(int fd);
bool fdtab_known(int fd); // cheap hint without a reference
void fdtab_reset_locks(void);

// idtab.c: small integers from 1 -> pointer.

struct idtab {
    uintptr_t *slots; // pointer, or next free id << 1 | 1
    uint32_t capacity, free_head;
};

int idtab_add(struct idtab *tab, void *value, uint32_t *id); // 0 or -ENOMEM
void *idtab_remove(struct idtab *tab, uint32_t id);
static inline void *idtab_find(const struct idtab *tab, uint32_t id)
{
    uintptr_t v = id < tab->capacity ? tab->slots[id] : 1;
    return v & 1 ? NULL : (void *)v;
}

// gem.c: buffers and their handles.

// A buffer's place in one file: its handle there and its GPU address.
struct holder {
    struct drm_file *file;
    struct bo *bo;
    struct holder *next; // holders of the same bo
    uint32_t handle;
    uint32_t submit_mark; // last submit that listed it
    uint64_t iova, iova_end; // msm
};

struct bo {
    atomic_uint refs;
    atomic_uint readers, writers; // jobs in flight
    uint64_t size; // whole pages
    uint32_t flags;      // of the driver that made it
    uint64_t private_to; // asahi: the VM that alone may map it; cannot be exported
    int memfd;          // -1 until first mapped or exported; guarded by share_lock
    uint64_t dev, ino;  // of memfd
    uint64_t map_offset; // 0 until asked for
    // What IMPORT_SYNC_FILE brought, as readers or writers; guarded by gpu_lock.
    struct fence *read_fence, *write_fence;
    struct bo *next_ino; // chain of the table of exported buffers
    atomic_flag lock;    // guards holders; only taken under a drm_file.lock
    struct holder *holders;
    struct holder first; // in holders unless first.file == NULL
    char name[32];
    void *metadata;
    uint32_t metadata_size;
};

extern pthread_mutex_t share_lock;
int bo_new(uint64_t size, uint32_t flags, struct bo **out);
void bo_put(struct bo *bo);
static inline void bo_get(struct bo *bo)
{
    atomic_fetch_add_explicit(&bo->refs, 1, memory_order_relaxed);
}
int bo_memfd(struct bo *bo); // creates it on first use
int bo_map_offset(struct bo *bo, uint64_t *offset);
struct bo *bo_by_offset(uint64_t offset);
struct bo *bo_by_fd(int fd); // imports memfds of another simulated device, too
bool bo_busy(struct bo *bo, bool write);
// Caller holds file->lock for these:
int handle_create(struct drm_file *file, struct bo *bo, uint32_t *handle); // takes the reference
int handle_close(struct drm_file *file, uint32_t handle);
void handle_wait(struct drm_file *file, uint32_t handle); // no lock held; until jobs let go of its buffer
struct holder *holder_of(struct drm_file *file, struct bo *bo);
static inline struct holder *handle_find(struct drm_file *file, uint32_t handle);
void *file_mmap(struct drm_file *file, void *addr, size_t len, int prot, int flags, off_t offset);

// prime.c: dma-bufs.

struct dmabuf {
    struct node node;
    struct bo *bo;
};
int prime_export(struct drm_file *file, void *arg);
int prime_import(struct drm_file *file, void *arg);
int dmabuf_ioctl(int fd, unsigned long request, void *arg, bool *ours);

#include "sim_gpu.h"

// file.c: open device files.

struct ioctl_row {
    unsigned long cmd;
    int (*fn)(struct drm_file *file, void *arg); // arg: private copy, 8-aligned
    enum drmsim_kind kind;
};

// A personality: what the device does beyond the generic ioctls.
struct driver {
    const char *name, *date, *desc;
    struct sim_version version;
    const struct ioctl_row *rows; // indexed by number - 0x40
    unsigned row_count;
    bool close_waits; // GEM_CLOSE waits until the GPU is done with the buffer
    int (*open)(struct drm_file *file);
    void (*close)(struct drm_file *file); // handles are closed already
    // The file's lock is held: no GPU address may lead to the buffer any more.
    void (*unmap)(struct drm_file *file, struct holder *holder);
};

struct drm_file {
    struct node node;
    atomic_uint memory; // the struct itself: 1 for the open file + 1 per job
    const struct device *device;
    pthread_mutex_t lock;
    struct idtab handles, syncobjs;
    uint32_t submit_mark;
    atomic_uint faults;
    void *priv; // of the driver
    struct entity entities[SIM_MAX_RINGS]; // msm; here because jobs may outlive priv
    int signalled_fd; // an eventfd to copy, the same one for all files
    struct drm_file *prev, *next; // registry
};

extern const struct driver msm_driver, asahi_driver, generic_driver;
int file_open(const struct device *device, int flags);
void file_release(struct drm_file *file);
void file_memory_put(struct drm_file *file);
// generic.c
int file_ioctl(struct drm_file *file, unsigned long request, void *arg);

static inline struct holder *handle_find(struct drm_file *file, uint32_t handle)
{
    return idtab_find(&file->handles, handle);
}

#pragma GCC visibility pop
#endif
