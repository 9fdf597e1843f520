/*
 * virgl_renderer_drm.h - the C interface of libvirglrenderer.so.1, for DRM native contexts.
 *
 * The binary interface is that of virglrenderer 1.3.0: same functions, types, constants, return
 * codes. Use it in place of virglrenderer.h; do not include both. This text is the contract.
 *
 * In short, what a VMM does:
 *   virgl_renderer_get_cap_set(6, ..)              is the capset there? (also before init)
 *   virgl_renderer_init(..)                        once, after the last fork
 *   virgl_renderer_context_create_with_flags(..)   one per guest context, flags 6
 *   virgl_renderer_submit_cmd(..)                  guest commands, run before the call returns
 *   virgl_renderer_resource_create_blob(..)        memory; then map, map_fixed or export_blob
 *   virgl_renderer_context_create_fence(..)        ends in one call of write_context_fence
 *
 * RETURN CODES. "EINVAL" is a positive errno, "-EINVAL" a negative one. The sign differs from
 * function to function and is part of the interface. 0 is success. Outputs are written on success
 * only, unless the text says otherwise. A NULL pointer where one is needed counts as an invalid
 * argument. After an internal fault in a context, calls that need it return -EIO; destroy it then.
 *
 * LIFE CYCLE. virgl_renderer_init alone starts the library's runtime and its threads; loading the
 * library and all other functions start nothing. The runtime then stays until the process ends.
 * Before init and after cleanup every id is unknown and nothing can be created: functions return
 * their code for an invalid argument, void functions do nothing. "At any time" marks the functions
 * that work even then. A child forked after init must not use the library.
 *
 * IDS. Resource, context and fence ids are chosen by the caller and shared by the whole process.
 * Resource and context id 0 are never valid. Where a parameter is an int, it carries all 32 bits.
 *
 * THREADS. Only one thread may be inside the library at a time. A fence callback may call the
 * library again on the thread it runs on (submit, create fences, even on the ring that retired,
 * destroy a context) while no other thread is inside; it runs with no lock of the library held.
 * context_destroy waits for a callback of that context that runs on another thread: do not hold a
 * lock across it that the callback takes. No call waits for the GPU, teardown included.
 *
 * FILE DESCRIPTORS. Every descriptor handed out is new, close-on-exec and the caller's to close,
 * except the two marked "borrowed". For one handed in, the function says who closes it.
 *
 * IOVECS are always borrowed: the array and the memory behind it must stay until
 * virgl_renderer_resource_detach_iov or virgl_renderer_resource_unref. They are never freed here.
 *
 * DELEGATE. This text is about native contexts and about what there is without OpenGL and Venus.
 * Those are served by the system's own virglrenderer, loaded behind this library (docs/delegate.md):
 * contexts of other capsets than 6 and the resources made with them are the delegate's, and so is
 * what every call says about them. Where a function below fails for lack of GL, read: unless there
 * is a delegate.
 *
 * NO GL. Without one, functions for GL textures exist so that callers link, and fail with a clean
 * code. 2D resources can be made, so that a VMM's console calls succeed, but without a picture.
 */
#ifndef VIRGL_RENDERER_DRM_H
#define VIRGL_RENDERER_DRM_H

/* Both headers declare the same names. With its guard defined, a later include does nothing. */
#ifdef VIRGLRENDERER_H
#error "Include virgl_renderer_drm.h instead of virglrenderer.h, not after it."
#endif
#define VIRGLRENDERER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "virgl_drm_wire.h"
#include "virgl_drm_asahi.h"
#include "virgl_drm_msm.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VIRGL_EXPORT __attribute__((visibility("default")))

/* The virglrenderer release whose interface this is. */
#ifndef VIRGL_VERSION_H
#define VIRGL_VERSION_H
#define VIRGL_MAJOR_VERSION (1)
#define VIRGL_MINOR_VERSION (3)
#define VIRGL_MICRO_VERSION (0)
#define VIRGL_CHECK_VERSION(major, minor, micro)                                     \
    (VIRGL_MAJOR_VERSION > (major) ||                                                \
     (VIRGL_MAJOR_VERSION == (major) &&                                              \
      (VIRGL_MINOR_VERSION > (minor) ||                                              \
       (VIRGL_MINOR_VERSION == (minor) && VIRGL_MICRO_VERSION >= (micro)))))
#endif

struct iovec;     /* sys/uio.h */
struct virgl_box; /* x, y, z, w, h, d: six uint32_t */

/* ---- Callbacks and init ---- */

typedef void *virgl_renderer_gl_context;

struct virgl_renderer_gl_ctx_param {
    int version;
    bool shared;
    int major_ver;
    int minor_ver;
    int compat_ctx;
};

#define VIRGL_RENDERER_CALLBACKS_VERSION 4

/*
 * What the library may call in the VMM. The struct is kept, not copied: it must stay valid until
 * cleanup. Members newer than `version` are never read. `cookie` is the one given to init.
 */
struct virgl_renderer_callbacks {
    int version; /* 1 to 4 */

    /*
     * A fence of virgl_renderer_create_fence has retired. Called from inside create_fence and,
     * without VIRGL_RENDERER_ASYNC_FENCE_CB, once more from poll. May be NULL.
     */
    void (*write_fence)(void *cookie, uint32_t fence);

    /* For GL: the delegate's to call. May be NULL. */
    virgl_renderer_gl_context (*create_gl_context)(void *cookie, int scanout_idx,
                                                   struct virgl_renderer_gl_ctx_param *param);
    void (*destroy_gl_context)(void *cookie, virgl_renderer_gl_context ctx);
    int (*make_current)(void *cookie, int scanout_idx, virgl_renderer_gl_context ctx);

    /*
     * Since version 2. Returns a render node opened for this call alone (the library closes it),
     * or -1: the library opens the first render node it supports. Called by init when it probes
     * the device, and once for each native context. May be NULL, which means -1.
     */
    int (*get_drm_fd)(void *cookie);

    /*
     * Since version 3. A fence of virgl_renderer_context_create_fence has retired: once per fence,
     * in order of creation within a ring. Comes from any thread, also from inside
     * context_create_fence, context_destroy, reset and cleanup. Once context_destroy, reset or
     * cleanup has returned, none comes for the destroyed contexts. A slow callback delays the
     * fences of its own context only.
     */
    void (*write_context_fence)(void *cookie, uint32_t ctx_id, uint32_t ring_idx,
                                uint64_t fence_id);

    /* Since version 3. For Venus: the delegate's to call. */
    int (*get_server_fd)(void *cookie, uint32_t version);

    /* Since version 4. For GL: the delegate's to call. */
    void *(*get_egl_display)(void *cookie);
};

/* Flags of virgl_renderer_init. Native contexts need DRM | ASYNC_FENCE_CB. */
#define VIRGL_RENDERER_DRM (1 << 10)               /* offer DRM native contexts */
#define VIRGL_RENDERER_ASYNC_FENCE_CB (1 << 8)     /* callbacks may come from any thread */
#define VIRGL_RENDERER_NO_VIRGL (1 << 7)           /* no GL renderer, so no delegate */
/* For the delegate, like all unknown bits: */
#define VIRGL_RENDERER_USE_EGL 1
#define VIRGL_RENDERER_THREAD_SYNC 2
#define VIRGL_RENDERER_USE_GLX (1 << 2)
#define VIRGL_RENDERER_USE_SURFACELESS (1 << 3)
#define VIRGL_RENDERER_USE_GLES (1 << 4)
#define VIRGL_RENDERER_USE_EXTERNAL_BLOB (1 << 5)
#define VIRGL_RENDERER_VENUS (1 << 6)              /* a delegate even with NO_VIRGL */
#define VIRGL_RENDERER_RENDER_SERVER (1 << 9)      /* the same; without one, a warning */
#ifdef VIRGL_RENDERER_UNSTABLE_APIS
#define VIRGL_RENDERER_USE_VIDEO (1 << 11)
#endif
#define VIRGL_RENDERER_D3D11_SHARE_TEXTURE (1 << 12)
#define VIRGL_RENDERER_COMPAT_PROFILE (1 << 13)
#define VIRGL_RENDERER_USE_GUEST_VRAM (1 << 14)

/*
 * Starts the renderer and probes the device if flags hold both DRM and ASYNC_FENCE_CB. With DRM
 * alone it succeeds, but there are no native contexts. Once initialised, a call with the same
 * three arguments returns 0 and changes nothing. A failure leaves the state as it was before.
 * Returns 0, or
 *   -EBUSY    already initialised with other arguments
 *   -1        cb is NULL or its version is not 1 to 4
 *   -ENODEV   no supported device, or the fd of get_drm_fd belongs to another driver
 *   -ENOTSUP  the kernel driver is too old or lacks a feature the guest cannot do without, or this
 *             process was forked after init
 *   -ENOMEM   out of memory, no version from the fd of get_drm_fd, or the runtime cannot start
 *   -errno    any other error of the probe
 */
VIRGL_EXPORT int virgl_renderer_init(void *cookie, int flags, struct virgl_renderer_callbacks *cb);

/*
 * Destroys all contexts, then all resources, as their own functions would. Outstanding fences are
 * reported before it returns. Stays initialised. At any time.
 */
VIRGL_EXPORT void virgl_renderer_reset(void);

/*
 * As reset, then back to "not initialised": a later init may use other arguments. cookie is
 * ignored. At any time, and twice.
 */
VIRGL_EXPORT void virgl_renderer_cleanup(void *cookie);

/*
 * Without ASYNC_FENCE_CB: reports the newest fence of create_fence once more. Else nothing.
 * Cheap enough for every kick of the queue. At any time.
 */
VIRGL_EXPORT void virgl_renderer_poll(void);

/* Returns -1: there is nothing to poll. At any time. */
VIRGL_EXPORT int virgl_renderer_get_poll_fd(void);

/* ---- Capsets ---- */

/*
 * Version and size in bytes of a capset. Set 6: version 0, sizeof(struct
 * virgl_renderer_capset_drm), with or without a device. Any other: 0 and 0, "absent". At any time.
 */
VIRGL_EXPORT void virgl_renderer_get_cap_set(uint32_t set, uint32_t *max_ver, uint32_t *max_size);

/*
 * Writes capset 6 to caps, as many bytes as get_cap_set says; all zero when init did not probe a
 * device. version is ignored. Leaves caps as it is for another set and before init: hand in zeroed
 * memory.
 */
VIRGL_EXPORT void virgl_renderer_fill_caps(uint32_t set, uint32_t version, void *caps);

/* ---- Contexts ---- */

#define VIRGL_RENDERER_CONTEXT_FLAG_CAPSET_ID_MASK 0xff

/*
 * Creates a context: one open of the render node, one GPU address space. ctx_flags is the capset
 * id, 6. name has nlen bytes and needs no NUL; it is shown by kernel tools. With nlen above 64
 * it is not read and the context has no name.
 * Returns 0 (also if the context exists with the same capset), or
 *   EINVAL  ctx_id is 0, capset is not 6, other bits are set, the context exists with another
 *           capset, or init did not probe a device
 *   ENOMEM  the context cannot be made; the log says why
 */
VIRGL_EXPORT int virgl_renderer_context_create_with_flags(uint32_t ctx_id, uint32_t ctx_flags,
                                                          uint32_t nlen, const char *name);

/* The same for a GL context, which is not provided. Returns EINVAL. */
VIRGL_EXPORT int virgl_renderer_context_create(uint32_t handle, uint32_t nlen, const char *name);

/*
 * Destroys a context. Each outstanding fence is reported once before it returns; the GPU is not
 * waited for. Resources stay: those with a descriptor remain usable, the others can only be
 * unref'd, and mappings already made stay valid. Unknown context: nothing.
 */
VIRGL_EXPORT void virgl_renderer_context_destroy(uint32_t handle);

/*
 * Makes a resource usable in a context that did not create it. Does nothing if it is there already,
 * if it cannot give a dma-buf, or if an id is unknown. A failure shows only later: commands that
 * name the resource fail.
 */
VIRGL_EXPORT void virgl_renderer_ctx_attach_resource(int ctx_id, int res_handle);

/* Drops a resource from a context. The resource itself stays. Unknown ids: nothing. */
VIRGL_EXPORT void virgl_renderer_ctx_detach_resource(int ctx_id, int res_handle);

/*
 * Runs guest commands (virgl_drm_wire.h), all done when it returns. buffer is 4-byte aligned, only
 * read, and borrowed for the call; ndw counts 32-bit words. With ndw 0 buffer may be NULL and the
 * result is 0. An error ends the batch: earlier commands stay done and the context stays usable.
 * Returns 0, or (first check first)
 *   EINVAL   unknown context
 *   EINVAL   ndw is negative or above 0x3fffffff
 *   EFAULT   buffer is not aligned
 *   -EINVAL  a malformed or unknown command
 *   -errno   another error of a command
 */
VIRGL_EXPORT int virgl_renderer_submit_cmd(void *buffer, int ctx_id, int ndw);

/* Nothing to poll per context either: does nothing, returns -1. */
VIRGL_EXPORT void virgl_renderer_context_poll(uint32_t ctx_id);
VIRGL_EXPORT int virgl_renderer_context_get_poll_fd(uint32_t ctx_id);

/* Does nothing: there is no GL context to make current. */
VIRGL_EXPORT void virgl_renderer_force_ctx_0(void);

/* ---- Fences ---- */

#define VIRGL_RENDERER_FENCE_FLAG_MERGEABLE (1 << 0)

/*
 * A fence on the timeline of no context. All earlier calls have done their work, so write_fence is
 * called with the id before this returns. ctx_id is ignored.
 * Returns 0, or EINVAL before init.
 */
VIRGL_EXPORT int virgl_renderer_create_fence(int client_fence_id, uint32_t ctx_id);

/*
 * A fence behind all work of one ring. Ring 0 is the CPU: it retires at once, inside this call.
 * Ring n is a GPU timeline, for msm the submit queues of priority n-1: the fence retires when the
 * work submitted there so far is done and all earlier fences of the ring have retired. flags:
 * MERGEABLE allows one report for several fences; each is reported anyway.
 * Returns 0 (write_context_fence follows, exactly once), or (it never follows)
 *   -EINVAL  unknown context, no such ring, or init got no write_context_fence (version 3)
 *   -ENOMEM  out of memory or descriptors
 */
VIRGL_EXPORT int virgl_renderer_context_create_fence(uint32_t ctx_id, uint32_t flags,
                                                     uint32_t ring_idx, uint64_t fence_id);

/* ---- Blob resources ---- */

#define VIRGL_RENDERER_BLOB_MEM_GUEST 0x0001        /* guest pages only */
#define VIRGL_RENDERER_BLOB_MEM_HOST3D 0x0002       /* memory of the context */
#define VIRGL_RENDERER_BLOB_MEM_HOST3D_GUEST 0x0003 /* both */
#define VIRGL_RENDERER_BLOB_MEM_GUEST_VRAM 0x0004   /* import only */

#define VIRGL_RENDERER_BLOB_FLAG_USE_MAPPABLE 0x0001     /* the guest will map it */
#define VIRGL_RENDERER_BLOB_FLAG_USE_SHAREABLE 0x0002    /* gets a dma-buf at creation */
#define VIRGL_RENDERER_BLOB_FLAG_USE_CROSS_DEVICE 0x0004 /* no effect */

#define VIRGL_RENDERER_BLOB_FD_TYPE_DMABUF 0x0001
#define VIRGL_RENDERER_BLOB_FD_TYPE_OPAQUE 0x0002
#define VIRGL_RENDERER_BLOB_FD_TYPE_SHM 0x0003

#define VIRGL_RENDERER_MAP_CACHE_MASK 0x0f
#define VIRGL_RENDERER_MAP_CACHE_NONE 0x00
#define VIRGL_RENDERER_MAP_CACHE_CACHED 0x01
#define VIRGL_RENDERER_MAP_CACHE_UNCACHED 0x02
#define VIRGL_RENDERER_MAP_CACHE_WC 0x03

struct virgl_renderer_resource_create_blob_args {
    uint32_t res_handle;
    uint32_t ctx_id;            /* HOST3D and HOST3D_GUEST: the creator */
    uint32_t blob_mem;          /* VIRGL_RENDERER_BLOB_MEM_* */
    uint32_t blob_flags;        /* VIRGL_RENDERER_BLOB_FLAG_* */
    uint64_t blob_id;           /* what a command allocated; 0: the context's shared memory */
    uint64_t size;              /* bytes */
    const struct iovec *iovecs; /* GUEST and HOST3D_GUEST: the guest's pages */
    uint32_t num_iovs;
};

/*
 * Creates a blob resource. args is read during the call only. On success the iovecs are kept and
 * detach_iov hands them back; on failure they stay the caller's.
 * Returns 0, or
 *   -EINVAL  in this order: blob_mem, res_handle 0 or in use, size 0, iovecs too short (GUEST,
 *            HOST3D_GUEST) or present (HOST3D), unknown context, blob_id or size wrong
 *   -ENOENT  no command has allocated blob_id
 *   -ENOMEM  out of memory
 *   -errno   another error of the context
 * After an error the same blob_id can be used again with correct arguments.
 */
VIRGL_EXPORT int
virgl_renderer_resource_create_blob(const struct virgl_renderer_resource_create_blob_args *args);

struct virgl_renderer_resource_import_blob_args {
    uint32_t res_handle;
    uint32_t blob_mem; /* HOST3D or GUEST_VRAM */
    uint32_t fd_type;  /* VIRGL_RENDERER_BLOB_FD_TYPE_* */
    int fd;
    uint64_t size;     /* bytes; compared with the descriptor when it is mapped */
};

/*
 * Makes a resource from a descriptor of the VMM. It has no map_info. On success the library owns
 * fd; on every failure the caller keeps it.
 * Returns 0, -EINVAL (any argument; res_handle in use) or -ENOMEM.
 */
VIRGL_EXPORT int
virgl_renderer_resource_import_blob(const struct virgl_renderer_resource_import_blob_args *args);

/*
 * Maps the whole blob, shared, read and write, at an address the library picks; *out_size is its
 * size in bytes. The mapping belongs to the library: end it with unmap. unref ends it as well.
 * Returns 0, or -EINVAL: unknown, mapped already, a GUEST blob, or it cannot be mapped.
 */
VIRGL_EXPORT int virgl_renderer_resource_map(uint32_t res_handle, void **map, uint64_t *out_size);

/* Ends the mapping of resource_map. Returns 0, or -EINVAL: unknown or not mapped. */
VIRGL_EXPORT int virgl_renderer_resource_unmap(uint32_t res_handle);

/*
 * Maps the whole blob at addr, page aligned, over whatever is there: the caller has reserved
 * the range. The mapping belongs to the caller, who ends it with munmap or by mapping over it. As
 * often as wanted.
 * Returns 0, or
 *   -EOPNOTSUPP  this resource cannot be mapped this way; try resource_map
 *   -EINVAL      unknown resource, its context is gone, or mmap failed
 */
VIRGL_EXPORT int virgl_renderer_resource_map_fixed(uint32_t res_handle, void *addr);

/*
 * How the guest must map the blob: VIRGL_RENDERER_MAP_CACHE_*.
 * Returns 0, or -EINVAL with *map_info untouched: unknown, or nothing known (an import).
 */
VIRGL_EXPORT int virgl_renderer_resource_get_map_info(uint32_t res_handle, uint32_t *map_info);

/*
 * A new descriptor of the blob, and its VIRGL_RENDERER_BLOB_FD_TYPE_*.
 * Returns 0, or -EINVAL: unknown, only guest pages, or not exportable (msm: a GPU buffer that is
 * neither MAPPABLE nor SHAREABLE, or not SHAREABLE and no longer in the context that made it).
 */
VIRGL_EXPORT int virgl_renderer_resource_export_blob(uint32_t res_id, uint32_t *fd_type, int *fd);

/* ---- All resources ---- */

/*
 * Drops a resource: from every context, its mapping of resource_map, its descriptor. Iovecs stay
 * the caller's; fetch them first with detach_iov. Unknown: nothing.
 */
VIRGL_EXPORT void virgl_renderer_resource_unref(uint32_t res_handle);

/* Lends iovecs to a resource. Returns 0, or EINVAL: unknown, or it has some already. */
VIRGL_EXPORT int virgl_renderer_resource_attach_iov(int res_handle, struct iovec *iov,
                                                    int num_iovs);

/*
 * Gives the iovecs back: writes pointer and count (either argument may be NULL) and forgets them.
 * Without iovecs it writes NULL and 0. Unknown: writes nothing.
 */
VIRGL_EXPORT void virgl_renderer_resource_detach_iov(int res_handle, struct iovec **iov,
                                                     int *num_iovs);

/* A pointer of the caller per resource, never followed or freed here. Unknown: nothing, NULL. */
VIRGL_EXPORT void virgl_renderer_resource_set_priv(uint32_t res_handle, void *priv);
VIRGL_EXPORT void *virgl_renderer_resource_get_priv(uint32_t res_handle);

struct virgl_renderer_resource_info {
    uint32_t handle;
    uint32_t virgl_format;
    uint32_t width;
    uint32_t height;
    uint32_t depth;
    uint32_t flags;
    uint32_t tex_id;
    uint32_t stride;
    int drm_fourcc;
    int fd; /* borrowed: valid while the resource lives, do not close; -1: none */
};

#define VIRGL_RENDERER_RESOURCE_INFO_EXT_VERSION 0

struct virgl_renderer_resource_info_ext {
    int version;
    struct virgl_renderer_resource_info base;
    bool has_dmabuf_export;
    int planes;
    uint64_t modifiers;
    void *d3d_tex2d; /* never written */
};

/*
 * Sets handle and fd and zeroes the GL fields. The ext form also zeroes version and the rest,
 * except d3d_tex2d; it refuses a 2D resource, which has no texture to tell of.
 * Return 0, or EINVAL: unknown resource or info is NULL.
 */
VIRGL_EXPORT int virgl_renderer_resource_get_info(int res_handle,
                                                  struct virgl_renderer_resource_info *info);
VIRGL_EXPORT int
virgl_renderer_resource_get_info_ext(int res_handle, struct virgl_renderer_resource_info_ext *info);

/* ---- Extensible call ---- */

enum virgl_renderer_structure_type_v0 {
    VIRGL_RENDERER_STRUCTURE_TYPE_NONE = 0,
    VIRGL_RENDERER_STRUCTURE_TYPE_EXPORT_QUERY = (1 << 0),
    VIRGL_RENDERER_STRUCTURE_TYPE_SUPPORTED_STRUCTURES = (1 << 1)
};

struct virgl_renderer_hdr {
    uint32_t stype;         /* enum virgl_renderer_structure_type_v0 */
    uint32_t stype_version; /* 0 */
    uint32_t size;          /* bytes of the whole struct */
};

/* EXPORT_QUERY: for every resource one plane, out_fds[0] = -1, fourcc 0 and no valid modifier. */
struct virgl_renderer_export_query {
    struct virgl_renderer_hdr hdr;
    uint32_t in_resource_id;
    uint32_t out_num_fds;
    uint32_t in_export_fds; /* 0; anything else is refused */
    uint32_t out_fourcc;
    uint32_t pad;
    int32_t out_fds[4];
    uint32_t out_strides[4];
    uint32_t out_offsets[4];
    uint64_t out_modifier;
};

/* SUPPORTED_STRUCTURES: the mask of both types for in_stype_version 0, else 0. */
struct virgl_renderer_supported_structures {
    struct virgl_renderer_hdr hdr;
    uint32_t in_stype_version;
    uint32_t out_supported_structures_mask;
};

/*
 * Fills one of the structs above. execute_size and hdr.size must both be its size in bytes.
 * Returns 0, or -EINVAL: NULL, a wrong size, type or version, unknown resource, in_export_fds set.
 */
VIRGL_EXPORT int virgl_renderer_execute(void *execute_args, uint32_t execute_size);

/* ---- Logging ---- */

enum virgl_log_level_flags {
    VIRGL_LOG_LEVEL_DEBUG,
    VIRGL_LOG_LEVEL_INFO,
    VIRGL_LOG_LEVEL_WARNING,
    VIRGL_LOG_LEVEL_ERROR,
    VIRGL_LOG_LEVEL_SILENT
};

typedef void (*virgl_free_data_callback_type)(void *user_data);
typedef void (*virgl_log_callback_type)(enum virgl_log_level_flags log_level, const char *message,
                                        void *user_data);
typedef void (*virgl_debug_callback_type)(const char *fmt, va_list ap);

/*
 * Sends messages of all levels to cb; NULL silences. message ends in a newline and is valid during
 * the call only. cb comes from any thread and must not call the library. free_user_data_cb (may be
 * NULL) gets user_data when cb is replaced and no longer in use. Stays
 * through cleanup. At any time.
 *
 * Without a callback, messages go to the file in the environment variable VIRGL_LOG_FILE (%PID% is
 * replaced) or to stderr, from the level in VIRGL_LOG_LEVEL up: debug, info, warning, error (the
 * default) or silent.
 */
VIRGL_EXPORT void virgl_set_log_callback(virgl_log_callback_type cb, void *user_data,
                                         virgl_free_data_callback_type free_user_data_cb);

/*
 * Deprecated form of the above; fmt is always "%s". Returns the callback it replaces, at first one
 * that does nothing. NULL silences. At any time.
 */
VIRGL_EXPORT virgl_debug_callback_type virgl_set_debug_callback(virgl_debug_callback_type cb);

/* ---- GL and 2D: present for linking ---- */

#define VIRGL_RES_BIND_DEPTH_STENCIL (1 << 0)
#define VIRGL_RES_BIND_RENDER_TARGET (1 << 1)
#define VIRGL_RES_BIND_SAMPLER_VIEW (1 << 3)
#define VIRGL_RES_BIND_VERTEX_BUFFER (1 << 4)
#define VIRGL_RES_BIND_INDEX_BUFFER (1 << 5)
#define VIRGL_RES_BIND_CONSTANT_BUFFER (1 << 6)
#define VIRGL_RES_BIND_STREAM_OUTPUT (1 << 11)
#define VIRGL_RES_BIND_CURSOR (1 << 16)
#define VIRGL_RES_BIND_CUSTOM (1 << 17)
#define VIRGL_RES_BIND_SCANOUT (1 << 18)
#define VIRGL_RES_BIND_SHARED (1 << 20)

struct virgl_renderer_resource_create_args {
    uint32_t handle;
    uint32_t target;
    uint32_t format;
    uint32_t bind;
    uint32_t width;
    uint32_t height;
    uint32_t depth;
    uint32_t array_size;
    uint32_t last_level;
    uint32_t nr_samples;
    uint32_t flags;
};

/*
 * Makes a 2D resource without a texture: the iovecs, given here or with attach_iov, are its only
 * storage. Returns 0, -EINVAL if the handle is in use, or EINVAL: args is NULL, the handle is 0, or
 * init did not probe a device.
 */
VIRGL_EXPORT int virgl_renderer_resource_create(struct virgl_renderer_resource_create_args *args,
                                                struct iovec *iov, uint32_t num_iovs);

/* Returns EINVAL. */
VIRGL_EXPORT int
virgl_renderer_resource_import_eglimage(struct virgl_renderer_resource_create_args *args,
                                        void *image);

/*
 * Nothing to copy, as a 2D resource has no other storage than the iovecs. Return 0 for a 2D resource
 * with ctx_id 0, -1 for a native context, EINVAL otherwise.
 */
VIRGL_EXPORT int virgl_renderer_transfer_read_iov(uint32_t handle, uint32_t ctx_id, uint32_t level,
                                                  uint32_t stride, uint32_t layer_stride,
                                                  struct virgl_box *box, uint64_t offset,
                                                  struct iovec *iov, int iovec_cnt);
VIRGL_EXPORT int virgl_renderer_transfer_write_iov(uint32_t handle, uint32_t ctx_id, int level,
                                                   uint32_t stride, uint32_t layer_stride,
                                                   struct virgl_box *box, uint64_t offset,
                                                   struct iovec *iovec, unsigned int iovec_cnt);

/* Returns NULL, outputs untouched. (Where it returns pixels, the caller frees them with free.) */
VIRGL_EXPORT void *virgl_renderer_get_cursor_data(uint32_t resource_id, uint32_t *width,
                                                  uint32_t *height);

/* Does nothing. */
VIRGL_EXPORT void virgl_renderer_get_rect(int resource_id, struct iovec *iov, unsigned int num_iovs,
                                          uint32_t offset, int x, int y, int width, int height);

/* Return -1, outputs untouched. */
VIRGL_EXPORT int virgl_renderer_get_fd_for_texture(uint32_t tex_id, int *fd);
VIRGL_EXPORT int virgl_renderer_get_fd_for_texture2(uint32_t tex_id, int *fd, int *stride,
                                                    int *offset);

/* ---- Passing fences; declared with VIRGL_RENDERER_UNSTABLE_APIS, exported always ---- */

#ifdef VIRGL_RENDERER_UNSTABLE_APIS

/*
 * A new sync_file of a fence of context_create_fence on a GPU ring.
 * Returns 0, or -EINVAL with *fd = -1: the fence has retired, never needed the GPU, or is unknown.
 */
VIRGL_EXPORT int virgl_renderer_export_fence(uint64_t client_fence_id, int *fd);

/* The same in another form. Returns a new sync_file, or -1. */
VIRGL_EXPORT int virgl_renderer_get_fence_fd(uint64_t fence_id);

/* Returns a new sync_file that has signalled, or -1 until the first GPU fence has retired. */
VIRGL_EXPORT int virgl_renderer_export_signalled_fence(void);

/*
 * As submit_cmd; the next GPU submission of the context, in this call or a later one, waits for the
 * in_fence_ids as well, even if the commands fail. An id that is not known counts as signalled.
 * The array is read during the call only.
 * Returns as submit_cmd, with the alignment checked before ndw; or
 *   -EINVAL  num_in_fences is not 0 and in_fence_ids is NULL
 *   -1       the fences cannot be merged; nothing was run
 */
VIRGL_EXPORT int virgl_renderer_submit_cmd2(void *buffer, int ctx_id, int ndw,
                                            uint64_t *in_fence_ids, uint32_t num_in_fences);

/*
 * The next GPU submission of the context waits for this sync_file as well.
 * Returns 0, -1 (cannot be merged) or EINVAL (unknown context). The library closes fence_fd except
 * after EINVAL.
 */
VIRGL_EXPORT int virgl_renderer_attach_fence(int ctx_id, int fence_fd);

/*
 * The render node of a context, borrowed: valid while the context lives, do not close.
 * Returns -EINVAL for an unknown context.
 */
VIRGL_EXPORT int virgl_renderer_get_dev_fd(int ctx_id);

#endif /* VIRGL_RENDERER_UNSTABLE_APIS */

/* ---- Layout ---- */

VIRGL_ASSERT_SIZE(struct virgl_renderer_gl_ctx_param, 20);
VIRGL_ASSERT_SIZE(struct virgl_renderer_resource_create_args, 44);
VIRGL_ASSERT_SIZE(struct virgl_renderer_resource_import_blob_args, 24);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_resource_import_blob_args, fd, 12);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_resource_import_blob_args, size, 16);
VIRGL_ASSERT_SIZE(struct virgl_renderer_resource_info, 40);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_resource_info, fd, 36);
VIRGL_ASSERT_SIZE(struct virgl_renderer_hdr, 12);
VIRGL_ASSERT_SIZE(struct virgl_renderer_export_query, 88);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_export_query, out_fds, 32);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_export_query, out_modifier, 80);
VIRGL_ASSERT_SIZE(struct virgl_renderer_supported_structures, 20);
#ifdef __LP64__
VIRGL_ASSERT_SIZE(struct virgl_renderer_callbacks, 72);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_callbacks, write_fence, 8);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_callbacks, get_drm_fd, 40);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_callbacks, write_context_fence, 48);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_callbacks, get_egl_display, 64);
VIRGL_ASSERT_SIZE(struct virgl_renderer_resource_create_blob_args, 48);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_resource_create_blob_args, blob_id, 16);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_resource_create_blob_args, iovecs, 32);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_resource_create_blob_args, num_iovs, 40);
VIRGL_ASSERT_SIZE(struct virgl_renderer_resource_info_ext, 72);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_resource_info_ext, has_dmabuf_export, 44);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_resource_info_ext, modifiers, 56);
VIRGL_ASSERT_OFFSET(struct virgl_renderer_resource_info_ext, d3d_tex2d, 64);
#endif

#ifdef __cplusplus
}
#endif

#endif
