// The Go side of the C API, as the entry points in entry.c call it. Each has
// the type of the public function it serves: the Go exports are compiled
// against these declarations and therefore against the public header.
#ifndef VD_GO_H
#define VD_GO_H

#include "boot.h"
#include "log.h"
#include "vmm.h"

// cgo drops const; a typedef keeps it.
typedef const char vd_const_char;
typedef const struct virgl_renderer_resource_create_blob_args vd_const_create_blob_args;
typedef const struct virgl_renderer_resource_import_blob_args vd_const_import_blob_args;

#define VD_GO(name) __typeof__(virgl_renderer_##name) vd_go_##name

int vd_go_init(int flags); // the cookie and the callbacks are in vd_vmm
void vd_go_cleanup(void);
VD_GO(reset);
VD_GO(fill_caps);
VD_GO(context_create_with_flags);
VD_GO(context_destroy);
VD_GO(submit_cmd);
VD_GO(submit_cmd2);
VD_GO(context_create_fence);
VD_GO(ctx_attach_resource);
VD_GO(ctx_detach_resource);
VD_GO(get_dev_fd);
VD_GO(export_fence);
VD_GO(export_signalled_fence);
VD_GO(attach_fence);
VD_GO(resource_create);
VD_GO(resource_create_blob);
VD_GO(resource_import_blob);
VD_GO(resource_unref);
VD_GO(resource_map);
VD_GO(resource_map_fixed);
VD_GO(resource_unmap);
VD_GO(resource_get_map_info);
VD_GO(resource_export_blob);
VD_GO(resource_attach_iov);
VD_GO(resource_detach_iov);
VD_GO(resource_set_priv);
VD_GO(resource_get_priv);
VD_GO(resource_get_info);
VD_GO(resource_get_info_ext);
VD_GO(execute);

// Both transfers come to the same check: there is nothing to copy.
int vd_go_transfer(uint32_t res, uint32_t ctx);

#endif
