/* functions.h - the 49 public functions, for those who make tables of them. */
#ifndef FUNCTIONS_H
#define FUNCTIONS_H

/* R for virgl_renderer_*, S for virgl_*. */
#define API_FUNCTIONS(R, S) \
    R(attach_fence) R(cleanup) R(context_create) R(context_create_fence) R(context_create_with_flags) \
    R(context_destroy) R(context_get_poll_fd) R(context_poll) R(create_fence) R(ctx_attach_resource) \
    R(ctx_detach_resource) R(execute) R(export_fence) R(export_signalled_fence) R(fill_caps) R(force_ctx_0) \
    R(get_cap_set) R(get_cursor_data) R(get_dev_fd) R(get_fd_for_texture) R(get_fd_for_texture2) \
    R(get_fence_fd) R(get_poll_fd) R(get_rect) R(init) R(poll) R(reset) R(resource_attach_iov) \
    R(resource_create) R(resource_create_blob) R(resource_detach_iov) R(resource_export_blob) \
    R(resource_get_info) R(resource_get_info_ext) R(resource_get_map_info) R(resource_get_priv) \
    R(resource_import_blob) R(resource_import_eglimage) R(resource_map) R(resource_map_fixed) \
    R(resource_set_priv) R(resource_unmap) R(resource_unref) R(submit_cmd) R(submit_cmd2) \
    R(transfer_read_iov) R(transfer_write_iov) S(set_debug_callback) S(set_log_callback)

#endif
