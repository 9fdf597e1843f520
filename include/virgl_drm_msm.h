/*
 * virgl_drm_msm.h - commands of the msm (Adreno) native context, wire format version 2.
 * Read virgl_drm_wire.h first. Flags and ioctl numbers named here are those of drm/msm_drm.h.
 *
 * A buffer is named by its virtio-gpu resource id (res_id), never by a GEM handle. A command whose
 * _rsp struct is missing has no response. A command that cannot be understood ends the batch with
 * an error from virgl_renderer_submit_cmd; the guest sees no response and no new seqno.
 */
#ifndef VIRGL_DRM_MSM_H
#define VIRGL_DRM_MSM_H

#include "virgl_drm_wire.h"

/* Shared memory of an msm context. A change of the sum of both counters means "device lost". */
struct msm_shmem {
    struct vdrm_shmem base;
    uint32_t async_error;   /* failures of commands that have no response */
    uint32_t global_faults; /* the kernel's GPU fault counter, fresh when a GPU fence retires */
};

VIRGL_ASSERT_SIZE(struct msm_shmem, 16);
VIRGL_ASSERT_OFFSET(struct msm_shmem, async_error, 8);
VIRGL_ASSERT_OFFSET(struct msm_shmem, global_faults, 12);

enum msm_ccmd {
    MSM_CCMD_NOP = 1,
    MSM_CCMD_IOCTL_SIMPLE = 2,
    MSM_CCMD_GEM_NEW = 3,
    MSM_CCMD_GEM_SET_IOVA = 4,
    MSM_CCMD_GEM_CPU_PREP = 5,
    MSM_CCMD_GEM_SET_NAME = 6,
    MSM_CCMD_GEM_SUBMIT = 7,
    MSM_CCMD_GEM_UPLOAD = 8,
    MSM_CCMD_SUBMITQUEUE_QUERY = 9,
    MSM_CCMD_WAIT_FENCE = 10,
    MSM_CCMD_SET_DEBUGINFO = 11,
    MSM_CCMD_LAST /* one past the last command */
};

/* Only publishes its seqno. */
struct msm_ccmd_nop_req {
    struct vdrm_ccmd_req hdr;
};

VIRGL_ASSERT_SIZE(struct msm_ccmd_nop_req, 16);

/*
 * One of the ioctls GET_PARAM, SUBMITQUEUE_NEW, SUBMITQUEUE_CLOSE, with the kernel's struct as
 * payload. The response carries the struct back if the ioctl returns data.
 */
struct msm_ccmd_ioctl_simple_req {
    struct vdrm_ccmd_req hdr;
    uint32_t cmd; /* the whole ioctl number; it also gives the payload's size */
    VIRGL_PAYLOAD(uint8_t);
};
struct msm_ccmd_ioctl_simple_rsp {
    struct vdrm_ccmd_rsp hdr;
    int32_t ret; /* 0 or -1; the errno is not sent */
    VIRGL_PAYLOAD(uint8_t);
};

VIRGL_ASSERT_SIZE(struct msm_ccmd_ioctl_simple_req, 20);
VIRGL_ASSERT_OFFSET(struct msm_ccmd_ioctl_simple_req, payload, 20);
VIRGL_ASSERT_SIZE(struct msm_ccmd_ioctl_simple_rsp, 8);
VIRGL_ASSERT_OFFSET(struct msm_ccmd_ioctl_simple_rsp, payload, 8);

/*
 * Allocates a buffer and gives it its GPU address. The next virgl_renderer_resource_create_blob
 * with the same blob_id turns it into a resource. A failure counts in async_error and ends the
 * batch.
 */
struct msm_ccmd_gem_new_req {
    struct vdrm_ccmd_req hdr;
    uint64_t iova;
    uint64_t size;    /* bytes; the kernel rounds up to pages */
    uint32_t flags;   /* MSM_BO_* */
    uint32_t blob_id; /* not 0 and not waiting for its resource already */
} VIRGL_ALIGN4;

VIRGL_ASSERT_SIZE(struct msm_ccmd_gem_new_req, 40);
VIRGL_ASSERT_ALIGN(struct msm_ccmd_gem_new_req, 4);
VIRGL_ASSERT_OFFSET(struct msm_ccmd_gem_new_req, size, 24);
VIRGL_ASSERT_OFFSET(struct msm_ccmd_gem_new_req, blob_id, 36);

/* Gives a buffer its GPU address; iova 0 takes it away. A failure counts in async_error. */
struct msm_ccmd_gem_set_iova_req {
    struct vdrm_ccmd_req hdr;
    uint64_t iova;
    uint32_t res_id;
    uint32_t __pad;
} VIRGL_ALIGN4;

VIRGL_ASSERT_SIZE(struct msm_ccmd_gem_set_iova_req, 32);
VIRGL_ASSERT_ALIGN(struct msm_ccmd_gem_set_iova_req, 4);
VIRGL_ASSERT_OFFSET(struct msm_ccmd_gem_set_iova_req, res_id, 24);

/* Asks whether a buffer is idle. Never waits. */
struct msm_ccmd_gem_cpu_prep_req {
    struct vdrm_ccmd_req hdr;
    uint32_t res_id;
    uint32_t op; /* MSM_PREP_READ, MSM_PREP_WRITE */
};
struct msm_ccmd_gem_cpu_prep_rsp {
    struct vdrm_ccmd_rsp hdr;
    int32_t ret; /* 0 idle, -EBUSY, or another -errno */
};

VIRGL_ASSERT_SIZE(struct msm_ccmd_gem_cpu_prep_req, 24);
VIRGL_ASSERT_OFFSET(struct msm_ccmd_gem_cpu_prep_req, op, 20);
VIRGL_ASSERT_SIZE(struct msm_ccmd_gem_cpu_prep_rsp, 8);

/* Names a buffer for debugging. The kernel's refusal is ignored. */
struct msm_ccmd_gem_set_name_req {
    struct vdrm_ccmd_req hdr;
    uint32_t res_id;
    uint32_t len; /* bytes of the name, which has no NUL at its end */
    VIRGL_PAYLOAD(uint8_t);
};

VIRGL_ASSERT_SIZE(struct msm_ccmd_gem_set_name_req, 24);
VIRGL_ASSERT_OFFSET(struct msm_ccmd_gem_set_name_req, payload, 24);

/*
 * Submits work to the GPU. The payload is nr_bos times struct drm_msm_gem_submit_bo, with res_id
 * in place of the handle, then nr_cmds times struct drm_msm_gem_submit_cmd. A failure of the
 * kernel counts in async_error.
 */
struct msm_ccmd_gem_submit_req {
    struct vdrm_ccmd_req hdr;
    uint32_t flags;    /* pipe id and MSM_SUBMIT_*; flags that name host objects are dropped */
    uint32_t queue_id;
    uint32_t nr_bos;
    uint32_t nr_cmds;
    uint32_t fence;    /* sequence number the guest gives this submission on its queue */
    VIRGL_PAYLOAD(int8_t);
};

VIRGL_ASSERT_SIZE(struct msm_ccmd_gem_submit_req, 36);
VIRGL_ASSERT_OFFSET(struct msm_ccmd_gem_submit_req, fence, 32);
VIRGL_ASSERT_OFFSET(struct msm_ccmd_gem_submit_req, payload, 36);

/* Copies the payload into a buffer. */
struct msm_ccmd_gem_upload_req {
    struct vdrm_ccmd_req hdr;
    uint32_t res_id;
    uint32_t pad; /* 0 */
    uint32_t off; /* bytes from the start of the buffer */
    uint32_t len; /* bytes */
    VIRGL_PAYLOAD(uint8_t);
};

VIRGL_ASSERT_SIZE(struct msm_ccmd_gem_upload_req, 32);
VIRGL_ASSERT_OFFSET(struct msm_ccmd_gem_upload_req, off, 24);
VIRGL_ASSERT_OFFSET(struct msm_ccmd_gem_upload_req, payload, 32);

/* Reads a property of a submit queue. */
struct msm_ccmd_submitqueue_query_req {
    struct vdrm_ccmd_req hdr;
    uint32_t queue_id;
    uint32_t param; /* MSM_SUBMITQUEUE_PARAM_* */
    uint32_t len;   /* payload bytes wanted in the response */
};
struct msm_ccmd_submitqueue_query_rsp {
    struct vdrm_ccmd_rsp hdr;
    int32_t ret; /* 0 or -errno */
    uint32_t out_len;
    VIRGL_PAYLOAD(uint8_t);
};

VIRGL_ASSERT_SIZE(struct msm_ccmd_submitqueue_query_req, 28);
VIRGL_ASSERT_OFFSET(struct msm_ccmd_submitqueue_query_req, len, 24);
VIRGL_ASSERT_SIZE(struct msm_ccmd_submitqueue_query_rsp, 12);
VIRGL_ASSERT_OFFSET(struct msm_ccmd_submitqueue_query_rsp, payload, 12);

/* Asks whether a submission has finished. Never waits. */
struct msm_ccmd_wait_fence_req {
    struct vdrm_ccmd_req hdr;
    uint32_t queue_id;
    uint32_t fence; /* as given in GEM_SUBMIT */
};
struct msm_ccmd_wait_fence_rsp {
    struct vdrm_ccmd_rsp hdr;
    int32_t ret; /* 0 finished, -ETIMEDOUT still running, or another -errno */
};

VIRGL_ASSERT_SIZE(struct msm_ccmd_wait_fence_req, 24);
VIRGL_ASSERT_OFFSET(struct msm_ccmd_wait_fence_req, fence, 20);
VIRGL_ASSERT_SIZE(struct msm_ccmd_wait_fence_rsp, 8);

/* Tells the kernel which guest process this is. Payload: comm, then cmdline, each with its NUL. */
struct msm_ccmd_set_debuginfo_req {
    struct vdrm_ccmd_req hdr;
    uint32_t comm_len;    /* bytes, NUL included */
    uint32_t cmdline_len; /* bytes, NUL included */
    VIRGL_PAYLOAD(int8_t);
};

VIRGL_ASSERT_SIZE(struct msm_ccmd_set_debuginfo_req, 24);
VIRGL_ASSERT_OFFSET(struct msm_ccmd_set_debuginfo_req, payload, 24);

#endif
