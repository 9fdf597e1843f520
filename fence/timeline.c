// Contexts, their timelines, and the delivery of signalled fences in order.
#include "hub.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xf86drm.h>

#define BATCH 64 // fences looked at with one poll

// The context with this key, or NULL. With the lock held.
static struct vd_fence_ctx *find(struct vd_hub *hub, uint64_t key)
{
    struct vd_fence_ctx *ctx = VD_SLOT(key) < hub->nslots ? hub->slots[VD_SLOT(key)].ctx : NULL;

    return ctx && ctx->key == VD_CTX(key) && !ctx->dead ? ctx : NULL;
}

static bool more_slots(struct vd_hub *hub)
{
    uint32_t more = hub->nslots ? hub->nslots * 2 : 16;
    struct vd_slot *slots = more <= VD_MAX_SLOTS ? realloc(hub->slots, more * sizeof(*slots)) : NULL;

    if (!slots)
        return false;
    for (uint32_t i = hub->nslots; i < more; i++)
        slots[i] = (struct vd_slot){ .generation = 1 };
    hub->slots = slots;
    hub->nslots = more;
    return true;
}

uint64_t vd_fence_ctx_new(struct vd_hub *hub, uint32_t id, uint32_t rings)
{
    struct vd_fence_ctx *ctx = calloc(1, sizeof(*ctx) + rings * sizeof(struct vd_timeline));
    uint32_t slot;
    uint64_t key = 0;

    if (!ctx)
        return 0;
    pthread_mutex_lock(&hub->lock);
    for (slot = hub->first_free; slot < hub->nslots && hub->slots[slot].ctx; slot++)
        ;
    if (slot < hub->nslots || more_slots(hub)) {
        hub->first_free = slot + 1;
        hub->slots[slot].ctx = ctx;
        key = VD_KEY(hub->slots[slot].generation, slot);
        *ctx = (struct vd_fence_ctx){ .hub = hub, .key = key, .id = id, .rings = rings, .refs = 1 };
        for (uint32_t i = 0; i < rings; i++)
            ctx->ring[i] = (struct vd_timeline){ .armed = -1 };
    }
    pthread_mutex_unlock(&hub->lock);
    if (!key)
        free(ctx);
    return key;
}

void vd_fence_ctx_watch(struct vd_hub *hub, uint64_t key, const struct vd_fault_query *query)
{
    struct vd_fence_ctx *ctx;

    pthread_mutex_lock(&hub->lock);
    if ((ctx = find(hub, key)))
        ctx->faults = *query;
    pthread_mutex_unlock(&hub->lock);
}

// With the lock held; the last reference frees.
static void unref(struct vd_fence_ctx *ctx)
{
    if (--ctx->refs == 0)
        free(ctx);
}

static struct vd_fence *new_fence(struct vd_hub *hub)
{
    struct vd_fence *f = hub->free;

    if (f)
        hub->free = f->next;
    else
        f = malloc(sizeof(*f));
    return f;
}

static struct vd_fence *pop(struct vd_hub *hub, struct vd_timeline *t)
{
    struct vd_fence *f = t->head;

    t->head = f->next;
    if (!t->head)
        t->tail = NULL;
    vd_table_remove(hub, f);
    return f;
}

// Tells the VMM of a fence that was popped, with the lock dropped meanwhile,
// and recycles it. One signalled sync_file is kept for those who ask for one.
static void retire(struct vd_fence_ctx *ctx, struct vd_timeline *t, struct vd_fence *f, bool signalled)
{
    struct vd_hub *hub = ctx->hub;
    uint32_t ring = (uint32_t)(t - ctx->ring), id = ctx->id;
    bool armed = f->fd >= 0 && t->armed == f->fd;
    int unused = f->fd;

    if (armed)
        t->armed = -1;
    if (armed && hub->last < 0) {
        // The first to signal: from its report on there is one to hand out.
        vd_waiter_disarm(hub, f->fd);
        armed = false;
    }
    if (signalled && f->fd >= 0 && hub->last < 0) {
        hub->last = f->fd;
        unused = -1;
    }
    pthread_mutex_unlock(&hub->lock);
    if (!__atomic_load_n(&hub->stop, __ATOMIC_ACQUIRE)) // or a callback of this very call has cleaned up
        hub->ops.retired(id, ring, f->id);
    if (armed)
        vd_waiter_disarm(hub, f->fd); // while the number is still ours
    if (signalled && unused >= 0) {
        pthread_mutex_lock(&hub->lock);
        unused = hub->last;
        hub->last = f->fd;
        pthread_mutex_unlock(&hub->lock);
    }
    if (unused >= 0)
        close(unused);
    pthread_mutex_lock(&hub->lock);
    if (f->fd >= 0)
        hub->busy -= --ctx->jobs == 0;
    f->next = hub->free;
    hub->free = f;
}

// How many of the first n fences have signalled. A poll that fails otherwise
// than by a signal, or an error on a sync_file, counts as signalled: such a
// fence will not get better.
static uint32_t count_signalled(const int *fds, uint32_t n)
{
    struct pollfd p[BATCH];
    uint32_t i, asked = 0;
    int r = 0;

    for (i = 0; i < n; i++) {
        p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
        asked += fds[i] >= 0;
    }
    if (asked) {
        do
            r = poll(p, n, 0);
        while (r < 0 && (errno == EINTR || errno == EAGAIN));
    }
    if (r < 0)
        return n;
    for (i = 0; i < n && (fds[i] < 0 || p[i].revents); i++)
        ;
    return i;
}

// The guest compares fault counts when a fence retires, so they come first.
static void refresh_faults(const struct vd_fault_query *q)
{
    uint8_t arg[sizeof(q->arg)];
    uint32_t value;

    memcpy(arg, q->arg, sizeof(arg));
    if (drmIoctl(q->fd, q->request, arg))
        return;
    memcpy(&value, arg + q->value_at, sizeof(value));
    if (__atomic_load_n(q->dest, __ATOMIC_RELAXED) != value)
        __atomic_store_n(q->dest, value, __ATOMIC_RELEASE);
}

// Notes that fd is watched from now on and returns the key to watch it with.
static uint64_t next_arming(struct vd_fence_ctx *ctx, struct vd_timeline *t, int fd)
{
    if (t->armed != fd) {
        t->armed = fd;
        t->armed_at = vd_now();
        t->hang_reported = false;
    }
    t->arming++;
    return (uint64_t)t->arming << 42 | ctx->key | (uint64_t)(t - ctx->ring);
}

// Retires what has signalled on a timeline and watches the next. The lock is
// held on entry and exit; nobody else delivers for this timeline. reported: epoll
// said that the head has signalled.
static void deliver(struct vd_fence_ctx *ctx, struct vd_timeline *t, bool reported)
{
    struct vd_hub *hub = ctx->hub;
    bool gpu = t != &ctx->ring[0];

    ctx->refs++;
    t->delivering = true;
    t->owner = pthread_self();
    while (!ctx->dead && t->head) {
        struct vd_fault_query faults = ctx->faults;
        int fds[BATCH];
        uint32_t n = 0, done;
        uint64_t key;
        bool again;

        for (struct vd_fence *f = t->head; f && n < BATCH; f = f->next)
            fds[n++] = f->fd;
        t->again = false;
        pthread_mutex_unlock(&hub->lock);
        done = reported ? 1 + count_signalled(fds + 1, n - 1) : count_signalled(fds, n);
        reported = false;
        if (done && gpu && faults.request)
            refresh_faults(&faults);
        pthread_mutex_lock(&hub->lock);
        for (uint32_t i = 0; i < done && !ctx->dead; i++)
            retire(ctx, t, pop(hub, t), true);
        if (done || ctx->dead)
            continue;
        again = t->armed == fds[0];
        key = next_arming(ctx, t, fds[0]);
        pthread_mutex_unlock(&hub->lock);
        if (vd_waiter_arm(hub, key, fds[0], again))
            vd_waiter_arm(hub, key, fds[0], !again);
        pthread_mutex_lock(&hub->lock);
        if (!t->again)
            break;
    }
    t->delivering = false;
    pthread_cond_broadcast(&hub->idle);
    unref(ctx);
}

int vd_fence_add(struct vd_hub *hub, uint64_t key, uint32_t ring, uint64_t id, int fd)
{
    struct vd_fence_ctx *ctx;
    struct vd_timeline *t;
    struct vd_fence *f = NULL;
    int r = 0;

    pthread_mutex_lock(&hub->lock);
    ctx = find(hub, key);
    if (!ctx || ring >= ctx->rings)
        r = -EINVAL;
    else if (fd >= 0 && hub->running == 0)
        r = vd_waiter_start(hub);
    if (!r && !(f = new_fence(hub)))
        r = -ENOMEM;
    if (r) {
        pthread_mutex_unlock(&hub->lock);
        return r;
    }
    t = &ctx->ring[ring];
    *f = (struct vd_fence){ .id = id, .fd = fd };
    if (fd >= 0) {
        if (!vd_table_insert(hub, f))
            r = -EEXIST;
        hub->busy += ctx->jobs++ == 0;
        if (hub->busy > 1 && hub->running == 1)
            vd_waiter_start(hub); // if it cannot: the first serves all, as before
    }
    if (t->tail)
        t->tail->next = f;
    else
        t->head = f;
    t->tail = f;
    hub->refs++;
    if (t->delivering)
        t->again = true;
    else if (t->head == f)
        deliver(ctx, t, false);
    vd_hub_leave(hub);
    return r;
}

// An epoll event: the head of some timeline has probably signalled.
void vd_timeline_event(struct vd_hub *hub, uint64_t key)
{
    struct vd_fence_ctx *ctx;

    pthread_mutex_lock(&hub->lock);
    if ((ctx = find(hub, key))) {
        struct vd_timeline *t = &ctx->ring[VD_RING(key)];

        if (t->delivering)
            t->again = true;
        else
            deliver(ctx, t, t->armed >= 0 && VD_ARMING(key) == (t->arming & 0x3fffff));
    }
    pthread_mutex_unlock(&hub->lock);
}

// Watches every head anew that is pending for min_age ns, in case its event was
// lost or lies with a waiter that is busy. An event that is not is repeated.
void vd_timeline_again(struct vd_hub *hub, uint64_t min_age)
{
    uint64_t now = vd_now();

    pthread_mutex_lock(&hub->lock);
    for (uint32_t i = 0; i < hub->nslots; i++) {
        struct vd_fence_ctx *ctx = hub->slots[i].ctx;

        for (uint32_t ring = 1; ctx && !ctx->dead && ring < ctx->rings; ring++) {
            struct vd_timeline *t = &ctx->ring[ring];

            if (t->armed >= 0 && !t->delivering && now >= t->armed_at + min_age) {
                uint64_t key = next_arming(ctx, t, t->armed);

                if (vd_waiter_arm(hub, key, t->armed, true))
                    vd_waiter_arm(hub, key, t->armed, false); // there was no room for it before
            }
        }
    }
    pthread_mutex_unlock(&hub->lock);
}

bool vd_hub_check(struct vd_hub *hub)
{
    uint64_t now = vd_now();
    bool pending = false;

    vd_timeline_again(hub, hub->ops.hung_ns / 4);
    pthread_mutex_lock(&hub->lock);
    for (uint32_t i = 0; i < hub->nslots; i++) {
        for (uint32_t ring = 1; hub->slots[i].ctx && ring < hub->slots[i].ctx->rings; ring++) {
            uint32_t id = hub->slots[i].ctx->id;
            struct vd_timeline *t = &hub->slots[i].ctx->ring[ring];

            pending |= t->head || t->delivering; // also while a slow callback keeps the next from being armed
            if (t->armed >= 0 && t->head && !t->hang_reported && now >= t->armed_at + hub->ops.hung_ns) {
                uint64_t fence = t->head->id;
                uint32_t age = (uint32_t)((now - t->armed_at) / 1000000000u);

                t->hang_reported = true;
                pthread_mutex_unlock(&hub->lock);
                hub->ops.hung(id, ring, fence, age);
                pthread_mutex_lock(&hub->lock); // the slot may be another's now
            }
        }
    }
    pthread_mutex_unlock(&hub->lock);
    return pending;
}

// Whether another thread delivers for some ring of ctx. With the lock held.
static bool busy_elsewhere(const struct vd_fence_ctx *ctx)
{
    for (uint32_t i = 0; i < ctx->rings; i++)
        if (ctx->ring[i].delivering && !pthread_equal(ctx->ring[i].owner, pthread_self()))
            return true;
    return false;
}

uint32_t vd_fence_ctx_destroy(struct vd_hub *hub, uint64_t key)
{
    struct vd_fence_ctx *ctx;
    uint32_t busy = 0;

    pthread_mutex_lock(&hub->lock);
    hub->refs++;
    ctx = find(hub, key);
    if (ctx) {
        ctx->dead = true;
        while (busy_elsewhere(ctx))
            pthread_cond_wait(&hub->idle, &hub->lock);
        for (uint32_t i = 0; i < ctx->rings; i++) {
            while (ctx->ring[i].head) {
                busy += ctx->ring[i].head->fd >= 0;
                retire(ctx, &ctx->ring[i], pop(hub, &ctx->ring[i]), false);
            }
        }
        hub->slots[VD_SLOT(key)].ctx = NULL;
        if ((uint16_t)++hub->slots[VD_SLOT(key)].generation == 0)
            hub->slots[VD_SLOT(key)].generation = 1; // key 0 stands for none
        if (VD_SLOT(key) < hub->first_free)
            hub->first_free = VD_SLOT(key);
        unref(ctx);
    }
    vd_hub_leave(hub);
    return busy;
}
