// The asahi part of the selftest: ioctls and helpers of asahi*.c.
#ifndef SELFTEST_ASAHI_H
#define SELFTEST_ASAHI_H

#include "selftest.h"

struct get_params { uint32_t group, pad; uint64_t pointer, size; };
struct get_time { uint64_t flags, timestamp; };
struct vm_create { uint64_t kernel_start, kernel_end; uint32_t vm_id, pad; };
struct vm_destroy { uint32_t vm_id, pad; };
struct bind_op { uint32_t flags, handle; uint64_t offset, range, addr; };
struct vm_bind { uint32_t vm_id, count, stride, pad; uint64_t ops; };
struct gem_create { uint64_t size; uint32_t flags, vm_id, handle, pad; };
struct mmap_offset { uint32_t handle, flags; uint64_t offset; };
struct bind_object { uint32_t op, flags, handle, vm_id; uint64_t offset, range; uint32_t object, pad; };
struct queue_create { uint32_t flags, vm_id, priority, queue_id; uint64_t usc_base; };
struct queue_destroy { uint32_t queue_id, pad; };
struct sync { uint32_t type, handle; uint64_t point; };
struct a_submit { uint64_t syncs, cmdbuf; uint32_t flags, queue_id, in, out, size, pad; };
struct header { uint16_t type, size, vdm_barrier, cdm_barrier; };
struct attachment { uint64_t pointer, size; uint32_t pad, flags; };

#define GET_PARAMS 0x40186440ul
#define GET_TIME 0xc0106441ul
#define VM_CREATE 0xc0186442ul
#define VM_DESTROY 0x40086443ul
#define VM_BIND 0x40186444ul
#define GEM_CREATE 0xc0186445ul
#define GEM_MMAP_OFFSET 0xc0106446ul
#define GEM_BIND_OBJECT 0xc0286447ul
#define QUEUE_CREATE 0xc0186448ul
#define QUEUE_DESTROY 0x40086449ul
#define A_SUBMIT 0x4028644aul

#define PAGE 0x4000ull
#define KERNEL 0x7800000000ull // the upper 32 GiB are the kernel's, as guests choose it
#define TOP 0x8000000000ull
#define ADDR 0x1200000000ull
#define USC 0x1100000000ull
#define NONE 0xffff
enum { UNBIND = 1, READ = 2, WRITE = 4, SINGLE = 8 };

uint32_t a_vm(int fd);
uint32_t a_bo(int fd, uint64_t size);
uint32_t a_queue(int fd, uint32_t vm, uint32_t priority);
int a_bind(int fd, uint32_t vm, uint32_t flags, uint32_t handle, uint64_t offset, uint64_t range, uint64_t addr);
uint64_t a_bindings(void);
uint32_t a_syncobj(int fd);
// One compute job that fetches its commands from `stream` (0 = nowhere): 0 or -errno.
int a_job(int fd, uint32_t queue_id, uint64_t stream, uint32_t in, uint32_t out);
int a_fence(int fd, uint32_t syncobj); // sync_file of it

#endif
