// Shared parts of the simulator's selftest: ioctls, helpers, checks, case lists.
#ifndef SELFTEST_H
#define SELFTEST_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "../drmsim.h"

struct drm_version {
    int major, minor, patch;
    uint64_t name_len;
    char *name;
    uint64_t date_len;
    char *date;
    uint64_t desc_len;
    char *desc;
};
struct drm_cap { uint64_t capability, value; };
struct drm_client_name { uint64_t len, name; };
struct drm_gem_close { uint32_t handle, pad; };
struct drm_prime { uint32_t handle, flags; int32_t fd; };
struct drm_syncobj { uint32_t handle, flags; };
struct drm_syncobj_fd { uint32_t handle, flags; int32_t fd; uint32_t pad; uint64_t point; };
struct drm_syncobj_array { uint64_t handles; uint32_t count, pad; };
struct drm_syncobj_wait {
    uint64_t handles; int64_t timeout; uint32_t count, flags, first, pad; uint64_t deadline;
};
struct param { uint32_t pipe, param; uint64_t value; uint32_t len, pad; };
struct gem_new { uint64_t size; uint32_t flags, handle; };
struct gem_info { uint32_t handle, info; uint64_t value; uint32_t len, pad; };
struct cpu_prep { uint32_t handle, op; int64_t sec, nsec; };
struct madvise { uint32_t handle, madv, retained; };
struct submitqueue { uint32_t flags, prio, id; };
struct queue_query { uint64_t data; uint32_t id, param, len, pad; };
struct wait_fence { uint32_t fence, flags; int64_t sec, nsec; uint32_t queueid, pad; };
struct submit {
    uint32_t flags, fence, nr_bos, nr_cmds;
    uint64_t bos, cmds;
    int32_t fence_fd;
    uint32_t queueid;
    uint64_t in_syncobjs, out_syncobjs;
    uint32_t nr_in, nr_out, stride, pad;
};
struct submit_bo { uint32_t flags, handle; uint64_t presumed; };
struct submit_cmd { uint32_t type, idx, offset, size, pad, nr_relocs; uint64_t relocs; };
struct submit_syncobj { uint32_t handle, flags; uint64_t point; };
struct sync_merge { char name[32]; int32_t fd2, fence; uint32_t flags, pad; };
struct sync_fence_info {
    char obj_name[32], driver_name[32]; int32_t status; uint32_t flags; uint64_t timestamp;
};
struct sync_file_info {
    char name[32]; int32_t status; uint32_t flags, num_fences, pad; uint64_t infos;
};

// The complete numbers are spelled out: they pin the sizes, too.
#define VERSION 0xc0406400ul
#define GEM_CLOSE 0x40086409ul
#define GET_CAP 0xc010640cul
#define HANDLE_TO_FD 0xc00c642dul
#define FD_TO_HANDLE 0xc00c642eul
#define SYNCOBJ_CREATE 0xc00864bful
#define SYNCOBJ_DESTROY 0xc00864c0ul
#define SYNCOBJ_TO_FD 0xc01864c1ul
#define SYNCOBJ_FROM_FD 0xc01864c2ul
#define SYNCOBJ_WAIT 0xc02864c3ul
#define SYNCOBJ_RESET 0xc01064c4ul
#define SYNCOBJ_SIGNAL 0xc01064c5ul
#define SET_CLIENT_NAME 0xc01064d1ul
#define GET_PARAM 0xc0186440ul
#define SET_PARAM 0x40186441ul
#define GEM_NEW 0xc0106442ul
#define GEM_INFO 0xc0186443ul
#define CPU_PREP 0x40186444ul
#define CPU_FINI 0x40046445ul
#define SUBMIT 0xc0486446ul
#define WAIT_FENCE 0x40206447ul
#define MADVISE 0xc00c6448ul
#define QUEUE_NEW 0xc00c644aul
#define QUEUE_CLOSE 0x4004644bul
#define QUEUE_QUERY 0x4018644cul
#define MERGE 0xc0303e03ul
#define FILE_INFO 0xc0383e04ul

#define PIPE 0x10u
#define SN_IN 0x02000000u
#define SYNCOBJ_OUT 0x04000000u
#define SYNCOBJ_IN 0x08000000u
#define SUDO 0x10000000u
#define FD_OUT 0x20000000u
#define FD_IN 0x40000000u
#define NO_IMPLICIT 0x80000000u
#define WC 0x20000u
#define VA 0x100000000ull
enum { GET_OFFSET, GET_IOVA, SET_NAME, GET_NAME, SET_IOVA, GET_FLAGS, SET_METADATA, GET_METADATA };

struct test_case {
    const char *name;
    void (*run)(void);
    const char *env; // NAME=VALUE, run in a process of its own
};
extern const struct test_case generic_cases[], fence_cases[], gem_cases[], submit_cases[],
    control_cases[], asahi_cases[], asahi_submit_cases[], device_cases[];

// helpers.c
extern int failures;
extern int (*control)(const char *);
extern void (*counters)(struct drmsim_counters *);
extern const char *(*kind_name)(unsigned);
void equal_at(const char *file, int line, const char *text, int64_t got, int64_t want);
#define EQ(got, want) equal_at(__FILE__, __LINE__, #got, (int64_t)(got), (int64_t)(want))
#define OK(condition) EQ(!!(condition), 1)

int dev(void); // a new device file; exits when that fails
int io(int fd, unsigned long request, void *arg); // 0 or -errno
int64_t now(void);
uint32_t bo(int fd, uint64_t size);
int info(int fd, uint32_t handle, uint32_t what, uint64_t value, uint32_t len);
int prep(int fd, uint32_t handle, uint32_t op, int64_t deadline);
int wait_seqno(int fd, uint32_t queue, uint32_t seqno, int64_t deadline);
int queue(int fd, uint32_t prio);
int export_bo(int fd, uint32_t handle); // dma-buf fd
// One submit that reads and writes `handle` (0 = no buffer): fence fd or -errno.
int job(int fd, uint32_t queue_id, uint32_t seqno, uint32_t handle, int in_fence);
int fence_status(int fd); // FILE_INFO: 1, 0, < 0
int merge(int fd, int fd2);
bool readable(int fd, int timeout_ms);
int open_fds(void);

void bench(void);

#endif
