/* replay_init.c - init with the recorded flags and callbacks, and the capsets. */
#include "replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Calls that GL would serve: replay gives the library no GL context, so a library with GL is not
 * judged by them, and one without has fixed answers. */
bool gl_answer(struct session *s)
{
    s->rep->stats.gl_not_compared += s->lib.has_gl;
    return s->lib.has_gl;
}

static void unwanted_write_fence(void *cookie, uint32_t fence)
{
    struct session *s = cookie;

    differ(s, s->ev, "write_fence(%u) was called, but no such fence was created", fence);
}

static void *unwanted_gl(struct session *s, const char *name)
{
    if (!s->lib.has_gl)
        differ(s, s->ev, "the library has no GL but called %s", name);
    return NULL;
}

static virgl_renderer_gl_context create_gl(void *cookie, int scanout, struct virgl_renderer_gl_ctx_param *param)
{
    (void)scanout, (void)param;
    return unwanted_gl(cookie, "create_gl_context");
}

static void destroy_gl(void *cookie, virgl_renderer_gl_context ctx)
{
    (void)ctx;
    unwanted_gl(cookie, "destroy_gl_context");
}

static int make_current(void *cookie, int scanout, virgl_renderer_gl_context ctx)
{
    (void)scanout, (void)ctx;
    unwanted_gl(cookie, "make_current");
    return -EINVAL;
}

static void *egl_display(void *cookie)
{
    return unwanted_gl(cookie, "get_egl_display");
}

static int no_fd(void *cookie)
{
    (void)cookie;
    return -1;
}

static int no_server(void *cookie, uint32_t version)
{
    (void)cookie, (void)version;
    return -1;
}

static void read_capset(struct session *s)
{
    uint32_t version, size;

    s->lib.get_cap_set(VIRGL_DRM_CAPSET, &version, &size);
    uint8_t *caps = calloc(1, size + sizeof(s->rep->caps));
    s->lib.fill_caps(VIRGL_DRM_CAPSET, 0, caps);
    memcpy(&s->rep->caps, caps, sizeof(s->rep->caps));
    free(caps);
}

/* Ends the replay when it fails: without a renderer the rest means nothing. */
void play_init(struct session *s, const struct vrec_event *ev)
{
    static struct virgl_renderer_callbacks cb; /* the library keeps the pointer */
    const char *set = ev->text;                /* which callbacks the VMM had, in this order: */

    cb.version = (int)ev->cbversion;
    cb.write_fence = set[0] == '1' ? unwanted_write_fence : NULL;
    cb.create_gl_context = set[1] == '1' ? create_gl : NULL;
    cb.destroy_gl_context = set[2] == '1' ? destroy_gl : NULL;
    cb.make_current = set[3] == '1' ? make_current : NULL;
    cb.get_drm_fd = set[4] == '1' ? no_fd : NULL;
    cb.write_context_fence = set[5] == '1' ? fence_callback : NULL;
    cb.get_server_fd = set[6] == '1' ? no_server : NULL;
    cb.get_egl_display = set[7] == '1' ? egl_display : NULL;
    end_before_init(s);
    int got = s->lib.init(s, (int)ev->flags, &cb);
    if (got == 0)
        read_capset(s);

    uint32_t want = s->rec->context_type, type = s->rep->caps.context_type;
    s->driver = driver_of(want);
    if (want && (!s->driver || (got == 0 && want != type))) {
        snprintf(s->rep->unusable, sizeof(s->rep->unusable),
                 "recorded on context_type %u (%s), the library offers %u (%s)%s", want, context_type_name(want), type,
                 context_type_name(type), want == type ? ": replay does not know its commands" : "");
        s->stop = true;
        return;
    }
    s->stop = !expect(s, ev->ret, ANSWER_RETURN, "result", ev->ret->result, got) || got != 0;
}

void play_get_cap_set(struct session *s, const struct vrec_event *ev)
{
    uint32_t version = UNSET, size = UNSET;

    s->lib.get_cap_set(ev->set, &version, &size);
    if (ev->set == VIRGL_DRM_CAPSET) {
        expect(s, ev, ANSWER_OUT, "version", ev->version, version);
        expect_true(s, ev, ANSWER_OUT, "size is 160 or more", size >= sizeof(s->rep->caps));
    } else if (!gl_answer(s)) {
        expect(s, ev, ANSWER_OUT, "version", 0, version);
        expect(s, ev, ANSWER_OUT, "size", 0, size);
    }
}

void play_fill_caps(struct session *s, const struct vrec_event *ev)
{
    uint32_t version, size;
    bool drm = ev->set == VIRGL_DRM_CAPSET;

    if (!drm && gl_answer(s))
        return;
    s->lib.get_cap_set(ev->set, &version, &size);
    size_t guarded = (size > ev->len ? size : ev->len) + 256;
    uint8_t *got = malloc(guarded), *want = malloc(guarded);

    /* Zeroed as far as the library may write, guard bytes behind. */
    memset(got, UNSET, guarded);
    memset(got, 0, size);
    memcpy(want, got, guarded);
    if (drm)
        memcpy(want, ev->data, s->driver ? s->driver->capset_size : 0);
    s->lib.fill_caps(ev->set, ev->version, got);
    if (drm) {
        expect_bytes(s, ev, ANSWER_CAPSET, "capset", want, got, size);
        s->rep->stats.capset_bytes += size;
    }
    expect_bytes(s, ev, ANSWER_OUT, "memory behind the capset", want + size, got + size, guarded - size);
    free(got);
    free(want);
}
