// Control interface of the simulated DRM device: scripted faults and counters.
#ifndef DRMSIM_H
#define DRMSIM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Everything that is counted and can be made to fail or be delayed. The names
// for drmsim_control() are these without the prefix.
#define DRMSIM_KINDS(X) \
    X(OPEN) X(MMAP) X(EPOLL_ADD) X(OTHER) \
    X(VERSION) X(GET_CAP) X(SET_CLIENT_NAME) X(GEM_CLOSE) \
    X(PRIME_HANDLE_TO_FD) X(PRIME_FD_TO_HANDLE) \
    X(SYNCOBJ_CREATE) X(SYNCOBJ_DESTROY) X(SYNCOBJ_HANDLE_TO_FD) \
    X(SYNCOBJ_FD_TO_HANDLE) X(SYNCOBJ_WAIT) X(SYNCOBJ_RESET) X(SYNCOBJ_SIGNAL) \
    X(MERGE) X(FILE_INFO) X(EXPORT_SYNC_FILE) X(IMPORT_SYNC_FILE) \
    X(GET_PARAM) X(SET_PARAM) X(GEM_NEW) X(GEM_INFO) X(SET_IOVA) X(CPU_PREP) \
    X(CPU_FINI) X(MADVISE) X(SUBMIT) X(WAIT_FENCE) X(SUBMITQUEUE_NEW) \
    X(SUBMITQUEUE_CLOSE) X(SUBMITQUEUE_QUERY) \
    X(GET_PARAMS) X(GET_TIME) X(VM_CREATE) X(VM_DESTROY) X(VM_BIND) X(GEM_CREATE) \
    X(GEM_MMAP_OFFSET) X(GEM_BIND_OBJECT) X(QUEUE_CREATE) X(QUEUE_DESTROY)

enum drmsim_kind {
#define DRMSIM_ENUM(name) DRMSIM_##name,
    DRMSIM_KINDS(DRMSIM_ENUM)
#undef DRMSIM_ENUM
    DRMSIM_KIND_COUNT
};

#define DRMSIM_COUNTERS_VERSION 1
#define DRMSIM_MAX_KINDS 64
#define DRMSIM_MAX_ARG 128 // bytes of an ioctl's argument

struct drmsim_counters {
    uint32_t version; // DRMSIM_COUNTERS_VERSION
    uint32_t size;    // sizeof(struct drmsim_counters)
    uint64_t calls[DRMSIM_MAX_KINDS]; // by enum drmsim_kind, failed ones included
    // Alive now:
    uint64_t files;
    uint64_t bos;       // buffers, also those kept by a dma-buf or a running job
    uint64_t bytes;     // their sizes
    uint64_t handles;   // GEM handles of all files
    uint64_t queues;    // without the default submitqueue of each file
    uint64_t syncobjs;
    uint64_t fences;    // fence objects: behind an fd, a job or a syncobj
    uint64_t jobs_running; // submitted and not retired
    // Since the start:
    uint64_t jobs_done;
    uint64_t mappings;  // successful mmap calls on device and dma-buf fds
    uint64_t jobs_failed; // of jobs_done
    // Alive now, asahi:
    uint64_t vms, bindings, objects;
    uint64_t reserved[12];
};

// Runs one command (see README.md); 0 or -errno.
int drmsim_control(const char *command);
void drmsim_counters(struct drmsim_counters *out);
// Copies the argument that the newest call of a kind was made with, as the
// driver saw it, to arg, DRMSIM_MAX_ARG bytes, and forgets it. Returns its size;
// 0: there was no such call since, or the command `record` was not given.
int drmsim_last(unsigned kind, void *arg);
// NULL for a kind this library does not have.
const char *drmsim_kind_name(unsigned kind);

#ifdef __cplusplus
}
#endif
#endif
