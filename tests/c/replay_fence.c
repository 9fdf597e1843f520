/* replay_fence.c - follows every fence: retired once, in order of its ring, at the right time. */
#include "replay.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define LOST_AFTER_S 10
#define LOST_AGAIN_AFTER_S 1 /* once a fence is lost, the ones behind it usually are as well */

struct fence {
    const struct vrec_event *ev; /* that created it */
    enum { CREATED, RETIRED, REFUSED, LOST } state;
    bool ended; /* its context is gone */
};

struct fence_log {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    int n, lost;
    struct fence v[];
};

void fences_open(struct session *s)
{
    pthread_condattr_t attr;

    s->fences = calloc(1, sizeof(*s->fences) + sizeof(struct fence) * (size_t)s->rec->nevents);
    pthread_mutex_init(&s->fences->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->fences->moved, &attr);
}

static struct fence *find(struct fence_log *log, uint32_t ctx, uint32_t ring, uint64_t id)
{
    for (int i = log->n; i-- > 0;)
        if (log->v[i].ev->ctx == ctx && log->v[i].ev->ring == ring && log->v[i].ev->fence == id)
            return &log->v[i];
    return NULL;
}

/* The oldest fence of the same ring that is still outstanding. */
static struct fence *head(struct fence_log *log, const struct vrec_event *ev)
{
    for (int i = 0; i < log->n; i++)
        if (log->v[i].ev->ctx == ev->ctx && log->v[i].ev->ring == ev->ring && log->v[i].state == CREATED)
            return &log->v[i];
    return NULL;
}

#define ID(ev) (unsigned long long)(ev)->fence, (ev)->ctx, (ev)->ring

void fence_callback(void *cookie, uint32_t ctx, uint32_t ring, uint64_t id)
{
    struct session *s = cookie;
    struct fence_log *log = s->fences;

    pthread_mutex_lock(&log->lock);
    struct fence *f = find(log, ctx, ring, id);
    if (!f) {
        differ(s, s->ev, "fence %llu of context %u ring %u retired before its create call, or is unknown",
               (unsigned long long)id, ctx, ring);
    } else if (f->state == REFUSED || f->ended) {
        differ(s, f->ev, "fence %llu of context %u ring %u retired %s", ID(f->ev),
               f->ended ? "after context_destroy" : "although its create call failed");
    } else if (f->state == RETIRED) {
        differ(s, f->ev, "fence %llu of context %u ring %u retired twice", ID(f->ev));
    } else {
        struct fence *first = head(log, f->ev);

        if (first && first < f)
            differ(s, f->ev, "fence %llu of context %u ring %u retired before the older fence %llu", ID(f->ev),
                   (unsigned long long)first->ev->fence);
        if (f->state == LOST)
            differ(s, f->ev, "fence %llu of context %u ring %u retired late", ID(f->ev));
        f->state = RETIRED;
        s->rep->stats.fences[ring % MAX_RINGS]++;
        s->rep->answers[ANSWER_FENCE]++;
    }
    pthread_cond_broadcast(&log->moved);
    pthread_mutex_unlock(&log->lock);
}

void fence_create(struct session *s, const struct vrec_event *ev)
{
    struct fence_log *log = s->fences;

    pthread_mutex_lock(&log->lock);
    struct fence *f = &log->v[log->n++];
    f->ev = ev;
    f->state = CREATED;
    pthread_mutex_unlock(&log->lock);

    int got = s->lib.context_create_fence(ev->ctx, ev->flags, ev->ring, ev->fence);

    expect(s, ev->ret, ANSWER_RETURN, "result", ev->ret->result, got);
    pthread_mutex_lock(&log->lock);
    if (got != 0 && f->state == RETIRED)
        differ(s, ev, "fence %llu of context %u ring %u retired although its create call failed", ID(ev));
    else if (got != 0)
        f->state = REFUSED;
    else if (ev->ring == 0 && f->state != RETIRED)
        differ(s, ev, "fence %llu of context %u ring %u did not retire inside its create call", ID(ev));
    pthread_mutex_unlock(&log->lock);
}

static void lose(struct session *s, const struct vrec_event *ev, struct fence *f)
{
    if (f->state != CREATED)
        return;
    differ(s, ev, "fence %llu of context %u ring %u lost", ID(f->ev));
    f->state = LOST;
    s->fences->lost++;
}

void fence_wait(struct session *s, const struct vrec_event *ev)
{
    struct fence_log *log = s->fences;
    struct timespec until;

    pthread_mutex_lock(&log->lock);
    struct fence *f = find(log, ev->ctx, ev->ring, ev->fence);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += log->lost ? LOST_AGAIN_AFTER_S : LOST_AFTER_S;
    while (f->state == CREATED && pthread_cond_timedwait(&log->moved, &log->lock, &until) == 0)
        ;
    lose(s, ev, f);
    pthread_mutex_unlock(&log->lock);
}

void fences_of_context_end(struct session *s, const struct vrec_event *ev, uint32_t ctx)
{
    struct fence_log *log = s->fences;

    pthread_mutex_lock(&log->lock);
    for (int i = 0; i < log->n; i++) {
        if (log->v[i].ev->ctx != ctx || log->v[i].ended)
            continue;
        lose(s, ev, &log->v[i]);
        log->v[i].ended = true;
    }
    pthread_mutex_unlock(&log->lock);
}

void fences_end(struct session *s, const struct vrec_event *ev)
{
    struct fence_log *log = s->fences;

    pthread_mutex_lock(&log->lock);
    for (int i = 0; i < log->n; i++)
        lose(s, ev, &log->v[i]);
    pthread_mutex_unlock(&log->lock);
}
