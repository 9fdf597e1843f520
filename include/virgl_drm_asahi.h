/*
 * virgl_drm_asahi.h - commands of the asahi (Apple GPU) native context, wire format version 2.
 * Read virgl_drm_wire.h first. Flags and ioctl numbers named here are those of drm/asahi_drm.h.
 *
 * A buffer is named by its virtio-gpu resource id (res_id), never by a GEM handle. A command whose
 * _rsp struct is missing has no response. A command that cannot be understood ends the batch with
 * an error from virgl_renderer_submit_cmd; the guest sees no response and no new seqno. Commands
 * start at any multiple of 4 bytes: copy one before reading its 64-bit members.
 *
 * The capset has no part for this driver. GPU ring 1 is for queues of DRM_ASAHI_PRIORITY_LOW,
 * ring 2 for those of DRM_ASAHI_PRIORITY_MEDIUM.
 */
#ifndef VIRGL_DRM_ASAHI_H
#define VIRGL_DRM_ASAHI_H

#include "virgl_drm_wire.h"

/* Shared memory of an asahi context. */
struct asahi_shmem {
    struct vdrm_shmem base;
    uint32_t async_error;   /* failures of commands that have no response */
    uint32_t global_faults; /* 0: the kernel has no such count */
};

VIRGL_ASSERT_SIZE(struct asahi_shmem, 16);
VIRGL_ASSERT_OFFSET(struct asahi_shmem, async_error, 8);
VIRGL_ASSERT_OFFSET(struct asahi_shmem, global_faults, 12);

enum asahi_ccmd {
    ASAHI_CCMD_NOP = 1,
    ASAHI_CCMD_IOCTL_SIMPLE = 2,
    ASAHI_CCMD_GET_PARAMS = 3,
    ASAHI_CCMD_GEM_NEW = 4,
    ASAHI_CCMD_VM_BIND = 5,
    ASAHI_CCMD_SUBMIT = 6,
    ASAHI_CCMD_GEM_BIND_OBJECT = 7,
    ASAHI_CCMD_LAST /* one past the last command */
};

/* Only publishes its seqno. */
struct asahi_ccmd_nop_req {
    struct vdrm_ccmd_req hdr;
};

VIRGL_ASSERT_SIZE(struct asahi_ccmd_nop_req, 16);

/*
 * One of the ioctls GET_TIME, VM_CREATE, VM_DESTROY, QUEUE_CREATE, QUEUE_DESTROY, with the kernel's
 * struct as payload. The response carries the struct back if the ioctl returns data.
 */
struct asahi_ccmd_ioctl_simple_req {
    struct vdrm_ccmd_req hdr;
    uint32_t cmd; /* the whole ioctl number; it also gives the payload's size */
    VIRGL_PAYLOAD(uint8_t);
};
struct asahi_ccmd_ioctl_simple_rsp {
    struct vdrm_ccmd_rsp hdr;
    int32_t ret; /* 0 or -1; the errno is not sent */
    VIRGL_PAYLOAD(uint8_t);
};

VIRGL_ASSERT_SIZE(struct asahi_ccmd_ioctl_simple_req, 20);
VIRGL_ASSERT_OFFSET(struct asahi_ccmd_ioctl_simple_req, payload, 20);
VIRGL_ASSERT_SIZE(struct asahi_ccmd_ioctl_simple_rsp, 8);
VIRGL_ASSERT_OFFSET(struct asahi_ccmd_ioctl_simple_rsp, payload, 8);

/*
 * What the GPU is. The command has exactly this length. The payload of the response is as long as
 * params.size says, at most 4088 bytes, and zero behind what the kernel knows.
 */
struct asahi_ccmd_get_params_req {
    struct vdrm_ccmd_req hdr;
    struct { /* as struct drm_asahi_get_params */
        uint32_t param_group; /* 0 */
        uint32_t pad;
        uint64_t pointer; /* ignored */
        uint64_t size;
    } params;
};
struct asahi_ccmd_get_params_rsp {
    struct vdrm_ccmd_rsp hdr;
    int32_t ret; /* 0 or a negative number */
    VIRGL_PAYLOAD(uint8_t);
};

VIRGL_ASSERT_SIZE(struct asahi_ccmd_get_params_req, 40);
VIRGL_ASSERT_OFFSET(struct asahi_ccmd_get_params_req, params.size, 32);
VIRGL_ASSERT_SIZE(struct asahi_ccmd_get_params_rsp, 8);
VIRGL_ASSERT_OFFSET(struct asahi_ccmd_get_params_rsp, payload, 8);

/*
 * Allocates a buffer and binds all of it. The next virgl_renderer_resource_create_blob with the
 * same blob_id turns it into a resource. A failure counts in async_error, and that call fails.
 */
struct asahi_ccmd_gem_new_req {
    struct vdrm_ccmd_req hdr;
    uint32_t flags;      /* DRM_ASAHI_GEM_* */
    uint32_t bind_flags; /* DRM_ASAHI_BIND_READ, DRM_ASAHI_BIND_WRITE */
    uint32_t vm_id;
    uint32_t blob_id;    /* not 0 and not waiting for its resource already */
    uint64_t size;       /* bytes, whole GPU pages */
    uint64_t addr;       /* GPU address; 0: not bound yet */
};

VIRGL_ASSERT_SIZE(struct asahi_ccmd_gem_new_req, 48);
VIRGL_ASSERT_OFFSET(struct asahi_ccmd_gem_new_req, blob_id, 28);
VIRGL_ASSERT_OFFSET(struct asahi_ccmd_gem_new_req, addr, 40);

/*
 * Binds and unbinds. The payload is count records of stride bytes, each a
 * struct drm_asahi_gem_bind_op (or how it begins, or it and zeros) with a res_id in place of the
 * handle. A failure counts in async_error; what came before it stays done.
 */
struct asahi_ccmd_vm_bind_req {
    struct vdrm_ccmd_req hdr;
    uint32_t vm_id;
    uint32_t stride; /* at least 8 */
    uint32_t count;
    VIRGL_PAYLOAD(uint8_t);
};

VIRGL_ASSERT_SIZE(struct asahi_ccmd_vm_bind_req, 28);
VIRGL_ASSERT_OFFSET(struct asahi_ccmd_vm_bind_req, payload, 28);

/*
 * Submits work to the GPU. The payload is the command buffer as the kernel takes it, then
 * extres_count times struct asahi_ccmd_submit_res, the buffers that are shared with others. A
 * failure of the kernel counts in async_error.
 */
struct asahi_ccmd_submit_req {
    struct vdrm_ccmd_req hdr;
    uint32_t flags;       /* 0 */
    uint32_t queue_id;
    uint32_t cmdbuf_size; /* bytes */
    uint32_t extres_count;
    VIRGL_PAYLOAD(uint8_t);
};

#define ASAHI_EXTRES_READ 1
#define ASAHI_EXTRES_WRITE 2

struct asahi_ccmd_submit_res {
    uint32_t res_id;
    uint32_t flags; /* ASAHI_EXTRES_* */
};

VIRGL_ASSERT_SIZE(struct asahi_ccmd_submit_req, 32);
VIRGL_ASSERT_OFFSET(struct asahi_ccmd_submit_req, cmdbuf_size, 24);
VIRGL_ASSERT_OFFSET(struct asahi_ccmd_submit_req, payload, 32);
VIRGL_ASSERT_SIZE(struct asahi_ccmd_submit_res, 8);

/*
 * Makes a buffer known to the GPU beside its address, or ends that. Only the former
 * (DRM_ASAHI_BIND_OBJECT_OP_BIND) has a response; a failure of the latter counts in async_error.
 */
struct asahi_ccmd_gem_bind_object_req {
    struct vdrm_ccmd_req hdr;
    struct { /* as struct drm_asahi_gem_bind_object */
        uint32_t op;
        uint32_t flags;
        uint32_t handle; /* a res_id */
        uint32_t vm_id;
        uint64_t offset;
        uint64_t range;
        uint32_t object_handle;
        uint32_t pad;
    } bind;
};
struct asahi_ccmd_gem_bind_object_rsp {
    struct vdrm_ccmd_rsp hdr;
    int32_t ret; /* 0 or a negative number */
    uint32_t object_handle;
};

VIRGL_ASSERT_SIZE(struct asahi_ccmd_gem_bind_object_req, 56);
VIRGL_ASSERT_OFFSET(struct asahi_ccmd_gem_bind_object_req, bind.object_handle, 48);
VIRGL_ASSERT_SIZE(struct asahi_ccmd_gem_bind_object_rsp, 12);

#endif
