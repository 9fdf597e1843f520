// The Go side of the C API, as the entry points in entry.c call it. Each has
// the type of the public function it serves: the Go exports are compiled
// against these declarations and therefore against the public header.
#ifndef VD_GO_H
#define VD_GO_H

#include "boot.h"
#include "delegate.h"
#include "log.h"
#include "vmm.h"

#include <limits.h>

// cgo drops const; a typedef keeps it.
typedef const char vd_const_char;
typedef const struct virgl_renderer_resource_create_blob_args vd_const_create_blob_args;
typedef const struct virgl_renderer_resource_import_blob_args vd_const_import_blob_args;

#define VD_GO(name) __typeof__(virgl_renderer_##name) vd_go_##name

// The answer of those that return int when the call is the delegate's. For the creation of something its id is
// taken then; if the delegate refuses, end it as if it had existed.
#define VD_THEIRS INT_MIN

int vd_go_init(int flags); // the cookie and the callbacks are in vd_vmm
bool vd_go_cleanup(void); // false: a callback of it has cleaned up already
VD_GO(reset);
VD_GO(fill_caps);
VD_GO(context_create_with_flags);
VD_GO(submit_cmd);
VD_GO(submit_cmd2);
VD_GO(context_create_fence);
VD_GO(get_dev_fd);
VD_GO(export_fence);
VD_GO(export_signalled_fence);
VD_GO(attach_fence);
VD_GO(resource_create);
VD_GO(resource_import_eglimage);
VD_GO(resource_create_blob);
VD_GO(resource_import_blob);
VD_GO(resource_map);
VD_GO(resource_map_fixed);
VD_GO(resource_unmap);
VD_GO(resource_get_map_info);
VD_GO(resource_export_blob);
VD_GO(resource_attach_iov);
VD_GO(resource_set_priv);
VD_GO(resource_get_priv);
VD_GO(resource_get_info);
VD_GO(resource_get_info_ext);
VD_GO(execute);

// Where the public function returns nothing: whether the delegate must do the same.
bool vd_go_context_destroy(uint32_t ctx);
bool vd_go_ctx_detach_resource(int ctx, int res);
bool vd_go_resource_unref(uint32_t res);
bool vd_go_resource_detach_iov(int res, struct iovec **iov, int *n);

// Whose an id is, for functions that native contexts do not have.
bool vd_go_context_is_theirs(uint32_t ctx);
bool vd_go_resource_is_theirs(uint32_t res);

// Attaching across the border, see share.c.
enum vd_attach {
    VD_ATTACHED,       // or there is nothing to do
    VD_ATTACH_THEIRS,  // the delegate must do the same
    VD_WANTS_DMABUF,   // of the delegate's resource: vd_go_lend, then again
    VD_WANTS_IMPORT,   // by the delegate: vd_go_share and vd_go_shared, then again
};
enum vd_attach vd_go_ctx_attach_resource(int ctx, int res);
void vd_go_lend(uint32_t res, int fd);                                 // takes fd
int vd_go_share(uint32_t res, uint32_t *fd_type, uint64_t *size);      // a new descriptor, or -1
void vd_go_shared(uint32_t res);

// Both transfers come to the same check: there is nothing to copy.
int vd_go_transfer(uint32_t res, uint32_t ctx);

#endif
