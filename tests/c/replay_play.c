/* replay_play.c - plays the VMM: goes through a recording line by line and makes its calls. */
#include "replay.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void play_idle(struct session *s, const struct vrec_event *ev)
{
    for (uint32_t i = 0; i < ev->force_ctx_0; i++)
        s->lib.force_ctx_0();
    for (uint32_t i = 0; i < ev->poll; i++)
        s->lib.poll();
    for (uint32_t i = 0; i < ev->context_poll; i++)
        s->lib.context_poll(s->last_ctx);
}

static void play_attach(struct session *s, const struct vrec_event *ev)
{
    s->lib.ctx_attach_resource((int)ev->ctx, (int)ev->res);
}

static void play_detach(struct session *s, const struct vrec_event *ev)
{
    s->lib.ctx_detach_resource((int)ev->ctx, (int)ev->res);
}

static void play_destroy(struct session *s, const struct vrec_event *ev)
{
    s->lib.context_destroy(ev->ctx);
    fences_of_context_end(s, ev, ev->ctx);
}

static void play_shm(struct session *s, const struct vrec_event *ev)
{
    if (!ev->call) /* else it was compared with its submit */
        memory_changed(s, ev);
}

static void play_unload(struct session *s, const struct vrec_event *ev)
{
    s->lib.cleanup(NULL);
    fences_end(s, ev);
    end_after_cleanup(s, ev);
}

/* Calls are made at their -enter line where there is one: callbacks may come before they return. */
static void (*const players[])(struct session *, const struct vrec_event *) = {
    [VREC_IDLE] = play_idle,
    [VREC_GET_CAP_SET] = play_get_cap_set,
    [VREC_FILL_CAPS] = play_fill_caps,
    [VREC_INIT_ENTER] = play_init,
    [VREC_CTX_CREATE] = play_context,
    [VREC_CTX_CREATE_WITH_FLAGS] = play_context,
    [VREC_CTX_DESTROY_ENTER] = play_destroy,
    [VREC_ATTACH] = play_attach,
    [VREC_DETACH] = play_detach,
    [VREC_RES_CREATE] = play_2d,
    [VREC_TRANSFER_WRITE] = play_2d,
    [VREC_GET_INFO_EXT] = play_2d,
    [VREC_ATTACH_IOV] = play_attach_iov,
    [VREC_DETACH_IOV] = play_detach_iov,
    [VREC_UNREF] = play_unref,
    [VREC_GET_INFO] = play_get_info,
    [VREC_BLOB_ENTER] = play_blob,
    [VREC_MAP_FIXED] = play_map_fixed,
    [VREC_GET_MAP_INFO] = play_get_map_info,
    [VREC_SHM_INIT] = memory_mapped,
    [VREC_SUBMIT_ENTER] = submit_play,
    [VREC_SHM] = play_shm,
    [VREC_FENCE_ENTER] = fence_create,
    [VREC_FENCE_RETIRED] = fence_wait,
    [VREC_UNLOAD] = play_unload,
};

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void replay_play(const struct vrec *rec, const struct options *opt, struct report *rep)
{
    struct session s = {.rec = rec, .rep = rep};
    uint64_t start = now_ns();

    if (!lib_load(&s.lib, opt->lib_path, rep->unusable, sizeof(rep->unusable)))
        return;
    window_open(&s);
    fences_open(&s);
    for (int i = 0; i < rec->nevents && !s.stop; i++) {
        const struct vrec_event *ev = s.ev = &rec->events[i];

        rep->line = ev->line;
        snprintf(rep->event, sizeof(rep->event), "%s", ev->name);
        if ((size_t)ev->kind >= sizeof(players) / sizeof(players[0]) || !players[ev->kind])
            continue;
        if (opt->verbose)
            fprintf(stderr, "%s:%d: %s ctx=%u res=%u\n", rec->path, ev->line, ev->name, ev->ctx, ev->res);
        if (ev->ctx)
            s.last_ctx = ev->ctx;
        players[ev->kind](&s, ev);
    }
    rep->stats.wall_ns = now_ns() - start;
    rep->finished = true;
}
