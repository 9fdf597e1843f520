/* replay_calls.c - contexts and resources: makes the recorded call and compares its answer. */
#include "replay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

struct virgl_box { /* left open by the header */
    uint32_t x, y, z, w, h, d;
};

static void expect_result(struct session *s, const struct vrec_event *ev, int got)
{
    expect(s, ev, ANSWER_RETURN, "result", ev->result, got);
}

void play_context(struct session *s, const struct vrec_event *ev)
{
    bool with_flags = ev->kind == VREC_CTX_CREATE_WITH_FLAGS;
    const char *name = unterminated(ev->text, ev->nlen);
    int got = with_flags ? s->lib.context_create_with_flags(ev->ctx, ev->flags, ev->nlen, name)
                         : s->lib.context_create(ev->ctx, ev->nlen, name);

    if (with_flags && (ev->flags & VIRGL_RENDERER_CONTEXT_FLAG_CAPSET_ID_MASK) == VIRGL_DRM_CAPSET) {
        expect_result(s, ev, got);
        s->rep->stats.contexts += got == 0;
    } else if (!gl_answer(s)) {
        expect(s, ev, ANSWER_RETURN, "result", EINVAL, got);
    }
}

/* 2D resources of a console: a library without GL takes them and their iovecs, and shows nothing. */
void play_2d(struct session *s, const struct vrec_event *ev)
{
    struct virgl_renderer_resource_create_args args = {
        .handle = ev->res, .target = ev->target, .format = ev->format, .bind = ev->bind, .width = ev->width,
        .height = ev->height, .depth = ev->depth, .array_size = ev->array, .last_level = ev->level,
        .nr_samples = ev->samples, .flags = ev->flags,
    };
    struct virgl_box box = {ev->x, ev->y, ev->z, ev->w, ev->h, ev->d};
    struct virgl_renderer_resource_info_ext info;
    int want = ev->result, got;

    switch (ev->kind) {
    case VREC_RES_CREATE:
        got = s->lib.resource_create(&args, NULL, ev->niov);
        s->rep->stats.resources_2d++;
        break;
    case VREC_TRANSFER_WRITE:
        got = s->lib.transfer_write_iov(ev->res, ev->ctx, (int)ev->level, ev->stride, ev->layer, &box, ev->off, NULL, 0);
        break;
    default:
        memset(&info, UNSET, sizeof(info));
        got = s->lib.resource_get_info_ext((int)ev->res, &info);
        if (ev->tex)
            want = EINVAL; /* success without the texture would make the VMM use it */
    }
    if (!gl_answer(s))
        expect(s, ev, ANSWER_RETURN, "result", want, got);
}

void play_blob(struct session *s, const struct vrec_event *ev)
{
    struct stats *st = &s->rep->stats;
    struct virgl_renderer_resource_create_blob_args args = {
        .res_handle = ev->res, .ctx_id = ev->ctx, .blob_mem = ev->mem, .blob_flags = ev->flags, .blob_id = ev->id,
        .size = ev->size,
    };
    int got = s->lib.resource_create_blob(&args);

    expect_result(s, ev->ret, got);
    if (got != 0)
        return;
    st->shm += ev->id == 0;
    st->shm_bytes += ev->id == 0 ? ev->size : 0;
    if (ev->id == 0)
        return;
    bool shareable = ev->flags & VIRGL_RENDERER_BLOB_FLAG_USE_SHAREABLE;
    bool mappable = ev->flags & VIRGL_RENDERER_BLOB_FLAG_USE_MAPPABLE;
    st->buffers++;
    st->buffer_bytes += ev->size;
    st->shareable += shareable;
    st->shareable_bytes += shareable ? ev->size : 0;
    st->mappable += mappable;
    st->mappable_bytes += mappable ? ev->size : 0;
}

void play_get_info(struct session *s, const struct vrec_event *ev)
{
    struct virgl_renderer_resource_info info;

    memset(&info, UNSET, sizeof(info));
    int got = s->lib.resource_get_info((int)ev->res, &info);
    expect_result(s, ev, got);
    if (got != 0 || ev->result != 0)
        return;
    expect(s, ev, ANSWER_OUT, "handle", ev->handle, info.handle);
    expect(s, ev, ANSWER_OUT, "has a descriptor", ev->fd >= 0, info.fd >= 0);
    const uint32_t gl_want[] = {ev->format, ev->width, ev->height, ev->depth, ev->flags, ev->tex, ev->stride, ev->fourcc};
    const uint32_t gl_got[] = {info.virgl_format, info.width, info.height, info.depth, info.flags, info.tex_id,
                               info.stride, (uint32_t)info.drm_fourcc};
    bool same = true;
    for (size_t i = 0; i < sizeof(gl_got) / sizeof(gl_got[0]); i++)
        same = same && (gl_got[i] == gl_want[i] || gl_got[i] == UNSET * 0x01010101u);
    expect_true(s, ev, ANSWER_OUT, "GL members are as recorded or untouched", same);
    if (info.fd >= 0)
        expect_true(s, ev, ANSWER_OUT, "the descriptor is open", fcntl(info.fd, F_GETFD) >= 0);
}

void play_map_fixed(struct session *s, const struct vrec_event *ev)
{
    size_t size;
    void *at = window_slot(s, ev->res, &size);
    int got = s->lib.resource_map_fixed(ev->res, at);

    expect_result(s, ev, got);
    if (got != 0)
        return;
    expect_true(s, ev, ANSWER_OUT, "the mapping is readable to its end", window_readable(at, size));
    s->rep->stats.maps++;
    s->rep->stats.map_bytes += size;
}

void play_get_map_info(struct session *s, const struct vrec_event *ev)
{
    uint32_t info = UNSET;
    int got = s->lib.resource_get_map_info(ev->res, &info);

    expect_result(s, ev, got);
    if (ev->result == 0)
        expect(s, ev, ANSWER_OUT, "info", ev->info, info);
}

static struct lent { /* iovecs the library holds */
    struct lent *next;
    uint32_t res;
    struct iovec *iov;
} *lent;

void play_attach_iov(struct session *s, const struct vrec_event *ev)
{
    struct lent *l = malloc(sizeof(*l));

    *l = (struct lent){lent, ev->res, iov_of(ev->bytes, ev->niov)};
    lent = l;
    int got = s->lib.resource_attach_iov((int)ev->res, l->iov, (int)ev->niov);
    if (!gl_answer(s))
        expect_result(s, ev, got);
}

void play_detach_iov(struct session *s, const struct vrec_event *ev)
{
    bool set = !strcmp(ev->text, "set");
    struct iovec unset, *iov = &unset;
    int n = UNSET;

    s->lib.resource_detach_iov((int)ev->res, &iov, &n);
    if (set && gl_answer(s))
        return;
    struct lent *l = lent;
    while (set && l && l->res != ev->res)
        l = l->next;
    expect_true(s, ev, ANSWER_OUT, "iov is the one attached", iov == (set && l ? l->iov : NULL));
    expect(s, ev, ANSWER_OUT, "n", ev->niov, n);
}

void play_unref(struct session *s, const struct vrec_event *ev)
{
    memory_unmapped(s, ev->res);
    window_release(s, ev->res);
    s->lib.resource_unref(ev->res);
}
