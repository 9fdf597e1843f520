// The hub itself, the free list and the table of pending fences by id.
#include "hub.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

uint64_t vd_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct vd_hub *vd_hub_new(const struct vd_fence_ops *ops)
{
    struct vd_hub *hub = calloc(1, sizeof(*hub));
    pthread_condattr_t attr;

    if (!hub)
        return NULL;
    pthread_mutex_init(&hub->lock, NULL);
    pthread_cond_init(&hub->idle, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&hub->awake, &attr);
    pthread_condattr_destroy(&attr);
    hub->ops = *ops;
    if (!hub->ops.hung_ns)
        hub->ops.hung_ns = VD_HUNG_NS;
    hub->last = hub->epoll = hub->stopper = -1;
    hub->refs = 1;
    return hub;
}

static void release(struct vd_hub *hub)
{
    while (hub->free) {
        struct vd_fence *next = hub->free->next;

        free(hub->free);
        hub->free = next;
    }
    if (hub->last >= 0)
        close(hub->last);
    if (hub->epoll >= 0)
        close(hub->epoll);
    if (hub->stopper >= 0)
        close(hub->stopper);
    pthread_cond_destroy(&hub->awake);
    pthread_cond_destroy(&hub->idle);
    pthread_mutex_destroy(&hub->lock);
    free(hub->table);
    free(hub->slots);
    free(hub);
}

void vd_hub_free(struct vd_hub *hub)
{
    vd_waiter_stop(hub);
    vd_hub_put(hub); // a callback may have closed it: then the call that made the callback frees it
}

void vd_hub_put(struct vd_hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    vd_hub_leave(hub);
}

void vd_hub_leave(struct vd_hub *hub)
{
    bool last = --hub->refs == 0;

    pthread_mutex_unlock(&hub->lock);
    if (last)
        release(hub);
}

bool vd_hub_sleep(struct vd_hub *hub)
{
    uint64_t until = vd_now() + hub->ops.hung_ns / 2;
    struct timespec end = { (time_t)(until / 1000000000u), (long)(until % 1000000000u) };
    bool on;

    pthread_mutex_lock(&hub->lock);
    while (!hub->no_sleep && !pthread_cond_timedwait(&hub->awake, &hub->lock, &end))
        ;
    on = !hub->no_sleep;
    pthread_mutex_unlock(&hub->lock);
    return on;
}

void vd_hub_wake(struct vd_hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    hub->no_sleep = true;
    pthread_cond_broadcast(&hub->awake);
    pthread_mutex_unlock(&hub->lock);
}

static uint32_t chain_of(const struct vd_hub *hub, uint64_t id)
{
    return (uint32_t)(id * 0x9e3779b97f4a7c15u >> 32) & (hub->table_size - 1);
}

struct vd_fence *vd_table_find(struct vd_hub *hub, uint64_t id)
{
    struct vd_fence *f = hub->table_size ? hub->table[chain_of(hub, id)] : NULL;

    while (f && f->id != id)
        f = f->chain;
    return f;
}

static bool grow(struct vd_hub *hub)
{
    uint32_t old = hub->table_size, size = old ? old * 2 : 64;
    struct vd_fence **was = hub->table, **table = calloc(size, sizeof(struct vd_fence *));

    if (!table)
        return false;
    hub->table = table;
    hub->table_size = size;
    for (uint32_t i = 0; i < old; i++) {
        for (struct vd_fence *f = was[i], *next; f; f = next) {
            struct vd_fence **slot = &table[chain_of(hub, f->id)];

            next = f->chain;
            f->chain = *slot;
            *slot = f;
        }
    }
    free(was);
    return true;
}

// Lists a fence unless its id is taken or memory is short: it then still works
// but cannot be passed on.
bool vd_table_insert(struct vd_hub *hub, struct vd_fence *fence)
{
    struct vd_fence **slot;

    if (vd_table_find(hub, fence->id))
        return false;
    if (hub->table_used >= hub->table_size && !grow(hub))
        return false;
    slot = &hub->table[chain_of(hub, fence->id)];
    fence->chain = *slot;
    *slot = fence;
    fence->listed = true;
    hub->table_used++;
    return true;
}

void vd_table_remove(struct vd_hub *hub, struct vd_fence *fence)
{
    struct vd_fence **slot;

    if (!fence->listed)
        return;
    slot = &hub->table[chain_of(hub, fence->id)];
    while (*slot != fence)
        slot = &(*slot)->chain;
    *slot = fence->chain;
    fence->listed = false;
    hub->table_used--;
}

static int dup_cloexec(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    return copy < 0 ? -errno : copy;
}

int vd_fence_export(struct vd_hub *hub, uint64_t id)
{
    struct vd_fence *f;
    int fd;

    pthread_mutex_lock(&hub->lock);
    f = vd_table_find(hub, id);
    fd = f ? dup_cloexec(f->fd) : -ENOENT;
    pthread_mutex_unlock(&hub->lock);
    return fd;
}

int vd_fence_signalled(struct vd_hub *hub)
{
    int fd;

    pthread_mutex_lock(&hub->lock);
    fd = hub->last >= 0 ? dup_cloexec(hub->last) : -ENOENT;
    pthread_mutex_unlock(&hub->lock);
    return fd;
}
