/*
 * virgl_drm_wire.h - what guest and host exchange in a DRM native context: capset 6 and the
 * messages common to all drivers. Little endian, same layout for 32- and 64-bit guests.
 * One more header per driver adds its commands, for example virgl_drm_msm.h.
 */
#ifndef VIRGL_DRM_WIRE_H
#define VIRGL_DRM_WIRE_H

#include <stddef.h>
#include <stdint.h>

/* Layout checks that read the same in C11 and C++11. */
#ifdef __cplusplus
#define VIRGL_ASSERT(cond) static_assert(cond, #cond)
#define VIRGL_ASSERT_ALIGN(type, align) VIRGL_ASSERT(alignof(type) == (align))
#else
#define VIRGL_ASSERT(cond) _Static_assert(cond, #cond)
#define VIRGL_ASSERT_ALIGN(type, align) VIRGL_ASSERT(_Alignof(type) == (align))
#endif
#define VIRGL_ASSERT_SIZE(type, size) VIRGL_ASSERT(sizeof(type) == (size))
#define VIRGL_ASSERT_OFFSET(type, field, offset) VIRGL_ASSERT(offsetof(type, field) == (offset))

/* Commands start at any multiple of 4 bytes, so a 64-bit member must not ask for 8. */
#define VIRGL_ALIGN4 __attribute__((packed, aligned(4)))

/* Payload of variable length at the end of a message. C++ has such arrays only as an extension. */
#define VIRGL_PAYLOAD(type) __extension__ type payload[]

/* ---- Capset 6 ---- */

/* Number of the capset, and the value for virgl_renderer_context_create_with_flags. */
#define VIRGL_DRM_CAPSET 6

/* context_type: the driver behind the context. 0 says there is none. */
#define VIRTGPU_DRM_CONTEXT_MSM 1
#define VIRTGPU_DRM_CONTEXT_AMDGPU 2
#define VIRTGPU_DRM_CONTEXT_I915 3
#define VIRTGPU_DRM_CONTEXT_ASAHI 4
#define VIRTGPU_DRM_CONTEXT_PANFROST 5

/*
 * Boolean fields that joined the capset after its first version. A host older than the field
 * leaves it 0, so "false" needs a value of its own. No other value is sent.
 */
#define VIRTGPU_CAP_BOOL_UNSUPPORTED_BY_HOST 0
#define VIRTGPU_CAP_BOOL_FALSE (-1)
#define VIRTGPU_CAP_BOOL_TRUE 1

/*
 * What virgl_renderer_fill_caps writes for set 6. A guest reads as many bytes as both sides know
 * and takes the rest as zero. A field the host cannot find out is 0 (a boolean of the kind above:
 * VIRTGPU_CAP_BOOL_FALSE).
 */
struct virgl_renderer_capset_drm {
    uint32_t wire_format_version; /* of the driver's messages; msm and asahi: 2 */
    uint32_t version_major;       /* version of the host's kernel driver */
    uint32_t version_minor;
    uint32_t version_patchlevel;
    uint32_t context_type;        /* VIRTGPU_DRM_CONTEXT_*, selects the arm of u */
    uint32_t pad;
    union {
        struct {
            uint32_t has_cached_coherent; /* plain 0 or 1 */
            uint32_t priorities;          /* submit queue priorities, and so GPU rings */
            uint64_t va_start;            /* GPU addresses the guest may give to buffers */
            uint64_t va_size;             /* bytes */
            uint32_t gpu_id;              /* 0 on newer GPUs: use chip_id */
            uint32_t gmem_size;           /* bytes */
            uint64_t gmem_base;
            uint64_t chip_id;
            uint32_t max_freq;
            uint32_t highest_bank_bit;
            uint64_t ubwc_swizzle;
            uint64_t macrotile_mode;
            uint32_t has_raytracing;      /* VIRTGPU_CAP_BOOL_* */
            uint32_t has_preemption;      /* VIRTGPU_CAP_BOOL_* */
            uint64_t uche_trap_base;
        } msm;
        struct {
            uint32_t address32_hi;
            uint32_t has_vm_always_valid : 1;
            uint32_t __pad : 31;
            char marketing_name[128];     /* sets the size of u; the arm itself is not served */
        } amdgpu;
        struct {
            uint32_t pci_bus;
            uint32_t pci_dev;
            uint32_t pci_func;
            uint32_t pci_revision_id;
            uint32_t pci_domain;
            uint32_t pci_device_id;
        } intel;
    } u;
};

VIRGL_ASSERT_SIZE(struct virgl_renderer_capset_drm, 160);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_capset_drm, context_type, 16);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_capset_drm, u, 24);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_capset_drm, u.msm.va_start, 32);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_capset_drm, u.msm.gpu_id, 48);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_capset_drm, u.msm.chip_id, 64);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_capset_drm, u.msm.highest_bank_bit, 76);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_capset_drm, u.msm.has_raytracing, 96);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_capset_drm, u.msm.uche_trap_base, 104);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_capset_drm, u.amdgpu.marketing_name, 32);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_capset_drm, u.intel.pci_device_id, 44);

/* ---- Commands ---- */

/*
 * Head of every command. virgl_renderer_submit_cmd takes a sequence of commands and runs them in
 * order, to the end, before it returns. A command may be shorter than its struct (an older guest:
 * missing bytes count as zero) or longer (a newer guest: extra bytes are ignored).
 * len and rsp_off are multiples of the driver's alignment; msm and asahi: 4.
 */
struct vdrm_ccmd_req {
    uint32_t cmd;     /* number of the command, from the driver's header; 0 is never valid */
    uint32_t len;     /* bytes of the whole command, this head and the payload included; >= 16 */
    uint32_t seqno;   /* counter of the guest; wraps */
    uint32_t rsp_off; /* where the response goes, from the start of the response memory */
};

/*
 * Head of every response. The guest writes the room it has reserved before it submits; the host
 * writes back the smaller of that and its own length, and never more bytes than that.
 */
struct vdrm_ccmd_rsp {
    uint32_t len; /* bytes, this head included */
};

VIRGL_ASSERT_SIZE(struct vdrm_ccmd_req, 16);
VIRGL_ASSERT_OFFSET(struct vdrm_ccmd_req, rsp_off, 12);
VIRGL_ASSERT_SIZE(struct vdrm_ccmd_rsp, 4);

/* ---- Shared memory ---- */

/*
 * Start of the context's shared memory: the HOST3D blob with blob_id 0 and exactly
 * VIRGL_RENDERER_BLOB_FLAG_USE_MAPPABLE, once per context. Fields of the driver follow, then the
 * response memory up to the end of the blob. A field exists when rsp_mem_offset lies beyond it.
 */
struct vdrm_shmem {
    uint32_t seqno;          /* of the last finished command; stored after all its effects */
    uint32_t rsp_mem_offset; /* bytes from the start of the blob; written once at creation */
};

VIRGL_ASSERT_SIZE(struct vdrm_shmem, 8);
VIRGL_ASSERT_OFFSET(struct vdrm_shmem, rsp_mem_offset, 4);

#endif
