// The delegate: the system's own virglrenderer, loaded behind this library for all that is no native context.
// docs/delegate.md has the routing. Nothing here enters the Go runtime, so it works before init as well.
#ifndef VD_DELEGATE_H
#define VD_DELEGATE_H

#include <stdbool.h>
#include <stdint.h>

#define VIRGL_RENDERER_UNSTABLE_APIS 1
#include "virgl_renderer_drm.h"

// R: a library without it is refused. O: newer than 1.0 or unstable; where it is missing, its calls fail.
#define VD_DELEGATE_FUNCTIONS(R, O) \
    R(init) R(cleanup) R(reset) R(poll) R(get_poll_fd) R(get_cap_set) R(fill_caps) R(force_ctx_0) R(execute) \
    R(context_create) R(context_create_with_flags) R(context_destroy) R(context_poll) R(context_get_poll_fd) \
    R(submit_cmd) R(create_fence) R(context_create_fence) R(ctx_attach_resource) R(ctx_detach_resource) \
    R(resource_create) R(resource_import_eglimage) R(resource_create_blob) R(resource_import_blob) \
    R(resource_unref) R(resource_map) R(resource_unmap) R(resource_get_map_info) R(resource_export_blob) \
    R(resource_attach_iov) R(resource_detach_iov) R(resource_get_info) R(transfer_read_iov) R(transfer_write_iov) \
    R(get_cursor_data) R(get_rect) R(get_fd_for_texture) R(get_fd_for_texture2) \
    O(submit_cmd2) O(attach_fence) O(export_fence) O(export_signalled_fence) O(get_fence_fd) O(get_dev_fd) \
    O(resource_get_info_ext) O(resource_map_fixed)

struct vd_delegate {
#define VD_MEMBER(name) __typeof__(virgl_renderer_##name) *name;
    VD_DELEGATE_FUNCTIONS(VD_MEMBER, VD_MEMBER)
#undef VD_MEMBER
};

extern struct vd_delegate_state {
    bool live;   // initialised
    bool gl;     // and with a GL renderer
    bool force;  // force_ctx_0 was called and has not been passed on
    bool called; // since the last poll
} vd_delegate_state __attribute__((visibility("hidden")));

// The functions for one call that goes to the delegate now; all NULL when there is none. A context switch that
// force_ctx_0 asked for happens here, so that native commands do not pay for one.
const struct vd_delegate *vd_delegate(void);

// The same before init, for what needs none: finds and loads the library if that was not tried yet.
const struct vd_delegate *vd_delegate_load(void);

// What init, repeated init and cleanup are for the delegate. It may fail: then there is none.
void vd_delegate_init(void *cookie, int flags, struct virgl_renderer_callbacks *cb);
void vd_delegate_init_again(void *cookie, int flags, struct virgl_renderer_callbacks *cb);
void vd_delegate_cleanup(void *cookie);
void vd_delegate_poll(void);

// For memory the VMM is to free: bound to its own libraries first, the delegate may use another malloc than the VMM.
void *vd_delegate_gives(void *memory);

// A question that only a build of this library answers with 0, at any time: a delegate must not be one.
#define VD_STYPE_SAME_LIBRARY 0x6d726476
bool vd_delegate_asked(const void *args, uint32_t size);

#endif
