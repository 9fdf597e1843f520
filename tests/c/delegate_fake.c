/* delegate_fake.c - a libvirglrenderer.so.1 that notes how it is called. -DLACKS: without a function that is needed;
 * -DOLD: without those that are not; -DOWN_MALLOC: with an allocator of its own. */
#define _GNU_SOURCE
#include "delegate_fake.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wunused-parameter" /* it takes notes of the telling ones */

VIRGL_EXPORT struct fake fake = { .imported = -1 };

static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *fmt, ...)
{
    size_t n = strlen(fake.calls);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(fake.calls + n, sizeof(fake.calls) - n, fmt, ap);
    va_end(ap);
}

#define NUMBER(name, params, ...) int virgl_renderer_##name params { note(#name __VA_ARGS__); return fake.answer; }
#define NOTHING(name, params, ...) void virgl_renderer_##name params { note(#name __VA_ARGS__); }
#define ARRAY(name, params, array, ...)                                                                                \
    int virgl_renderer_##name params { note(#name __VA_ARGS__); fake.last = array; return fake.answer; }

int virgl_renderer_init(void *cookie, int flags, struct virgl_renderer_callbacks *cb)
{
    note("init ");
    fake.cookie = cookie;
    fake.flags = flags;
    fake.cb = cb;
#ifndef OWN_MALLOC
    free(strdup("as any program does")); /* by one allocator */
#endif
    return fake.init_answer;
}

NOTHING(cleanup, (void *cookie), "(%s) ", cookie == fake.cookie ? "cookie" : "?")
NOTHING(reset, (void), " ")
NOTHING(poll, (void), " ")
NOTHING(force_ctx_0, (void), " ")
NUMBER(get_poll_fd, (void), " ")

void virgl_renderer_get_cap_set(uint32_t set, uint32_t *version, uint32_t *size)
{
    note("get_cap_set(%u) ", set);
    *version = set;
    *size = set * 100;
}

void virgl_renderer_fill_caps(uint32_t set, uint32_t version, void *caps)
{
    note("fill_caps(%u,%u) ", set, version);
    memset(caps, 0x77, set);
}

ARRAY(context_create, (uint32_t id, uint32_t n, const char *name), name, "(%u,%u) ", id, n)
ARRAY(context_create_with_flags, (uint32_t id, uint32_t f, uint32_t n, const char *name), name, "(%u,%u,%u) ", id, f, n)
NOTHING(context_destroy, (uint32_t id), "(%u) ", id)
NOTHING(context_poll, (uint32_t id), "(%u) ", id)
NUMBER(context_get_poll_fd, (uint32_t id), "(%u) ", id)
NUMBER(create_fence, (int id, uint32_t ctx), "(%d,%u) ", id, ctx)
NUMBER(context_create_fence, (uint32_t ctx, uint32_t f, uint32_t ring, uint64_t id), "(%u,%u,%u,%llu) ", ctx, f, ring,
       (unsigned long long)id)
NOTHING(ctx_attach_resource, (int ctx, int res), "(%d,%d) ", ctx, res)
NOTHING(ctx_detach_resource, (int ctx, int res), "(%d,%d) ", ctx, res)

int virgl_renderer_submit_cmd(void *buffer, int ctx, int ndw)
{
    note("submit_cmd(%d,%d) ", ctx, ndw);
    fake.last = buffer;
    if (fake.on_call)
        fake.on_call();
    return fake.answer;
}

ARRAY(resource_create, (struct virgl_renderer_resource_create_args *args, struct iovec *iov, uint32_t n), args, "(%u,%u) ",
      args->handle, n)
ARRAY(resource_import_eglimage, (struct virgl_renderer_resource_create_args *args, void *image), image, "(%u) ", args->handle)
ARRAY(resource_create_blob, (const struct virgl_renderer_resource_create_blob_args *args), args, "(%u) ", args->res_handle)

int virgl_renderer_resource_import_blob(const struct virgl_renderer_resource_import_blob_args *args)
{
    note("import_blob(%u,%u,%u,%llu) ", args->res_handle, args->blob_mem, args->fd_type, (unsigned long long)args->size);
    fake.imported = args->fd;
    return fake.answer;
}

int virgl_renderer_resource_export_blob(uint32_t res, uint32_t *type, int *fd)
{
    note("export_blob(%u) ", res);
    if (fake.answer)
        return fake.answer;
    *type = fake.fd_type;
    *fd = fcntl(fake.fd, F_DUPFD_CLOEXEC, 0);
    return 0;
}

NOTHING(resource_unref, (uint32_t res), "(%u) ", res)
ARRAY(resource_map, (uint32_t res, void **map, uint64_t *size), map, "(%u) ", res)
NUMBER(resource_unmap, (uint32_t res), "(%u) ", res)
ARRAY(resource_get_map_info, (uint32_t res, uint32_t *info), info, "(%u) ", res)
ARRAY(resource_attach_iov, (int res, struct iovec *iov, int n), iov, "(%d,%d) ", res, n)
NOTHING(resource_detach_iov, (int res, struct iovec **iov, int *n), "(%d) ", res)
ARRAY(resource_get_info, (int res, struct virgl_renderer_resource_info *info), info, "(%d) ", res)
ARRAY(transfer_read_iov, (uint32_t res, uint32_t ctx, uint32_t level, uint32_t stride, uint32_t layer, struct virgl_box *box,
                          uint64_t offset, struct iovec *iov, int n), box,
      "(%u,%u,%u,%u,%u,%llu,%d) ", res, ctx, level, stride, layer, (unsigned long long)offset, n)
ARRAY(transfer_write_iov, (uint32_t res, uint32_t ctx, int level, uint32_t stride, uint32_t layer, struct virgl_box *box,
                           uint64_t offset, struct iovec *iov, unsigned n), box,
      "(%u,%u,%d,%u,%u,%llu,%u) ", res, ctx, level, stride, layer, (unsigned long long)offset, n)
#ifndef LACKS
NOTHING(get_rect, (int res, struct iovec *iov, unsigned n, uint32_t offset, int x, int y, int w, int h),
        "(%d,%u,%u,%d,%d,%d,%d) ", res, n, offset, x, y, w, h)
#endif
ARRAY(get_fd_for_texture, (uint32_t tex, int *fd), fd, "(%u) ", tex)
ARRAY(get_fd_for_texture2, (uint32_t tex, int *fd, int *stride, int *offset), fd, "(%u) ", tex)

void *virgl_renderer_get_cursor_data(uint32_t res, uint32_t *w, uint32_t *h)
{
    note("get_cursor_data(%u) ", res);
    *w = *h = 1;
    return memcpy(malloc(4), "abc", 4);
}

/* As the original: what it does not know is -EINVAL. */
int virgl_renderer_execute(void *args, uint32_t size)
{
    const struct virgl_renderer_export_query *q = args;

    if (q->hdr.stype != VIRGL_RENDERER_STRUCTURE_TYPE_EXPORT_QUERY)
        return -22;
    note("execute(%u) ", q->in_resource_id);
    fake.last = args;
    return fake.answer;
}

virgl_debug_callback_type virgl_set_debug_callback(virgl_debug_callback_type cb)
{
    virgl_debug_callback_type old = fake.debug;

    fake.debug = cb;
    return old;
}

#ifndef OLD
void virgl_set_log_callback(virgl_log_callback_type cb, void *user, virgl_free_data_callback_type free_user)
{
    fake.log = cb;
    fake.log_user = user;
}

ARRAY(submit_cmd2, (void *buffer, int ctx, int ndw, uint64_t *ids, uint32_t n), ids, "(%d,%d,%u) ", ctx, ndw, n)
NUMBER(attach_fence, (int ctx, int fd), "(%d,%d) ", ctx, fd)
NUMBER(get_dev_fd, (int ctx), "(%d) ", ctx)
NUMBER(export_signalled_fence, (void), " ")
ARRAY(export_fence, (uint64_t id, int *fd), fd, "(%llu) ", (unsigned long long)id)
ARRAY(resource_get_info_ext, (int res, struct virgl_renderer_resource_info_ext *info), info, "(%d) ", res)
ARRAY(resource_map_fixed, (uint32_t res, void *addr), addr, "(%u) ", res)

int virgl_renderer_get_fence_fd(uint64_t id) /* its calls among its own functions must stay in it */
{
    int fd;

    note("get_fence_fd(%llu) ", (unsigned long long)id);
    return virgl_renderer_export_fence(id, &fd);
}
#endif

#ifdef OWN_MALLOC
/* No heap but this: the C library's must never see it. */
static union { size_t size; char bytes[64]; } block;

VIRGL_EXPORT void *malloc(size_t size)
{
    block.size = size;
    return block.bytes + 16;
}

VIRGL_EXPORT size_t malloc_usable_size(void *p) { return block.size; }
VIRGL_EXPORT void free(void *p) { fake.frees += p == block.bytes + 16; }
#endif
