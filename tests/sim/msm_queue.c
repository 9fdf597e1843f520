// msm submitqueues and waiting for their fence numbers.
#include <stdlib.h>
#include <string.h>

#include "msm.h"

#define ALLOW_PREEMPT 1u
#define QUERY_FAULTS 0
#define WAIT_BOOST 1u
#define DEFAULT_PRIO 2

static struct msm_queue *queue_new(struct drm_file *file, uint32_t prio)
{
    struct msm_file *m = msm_file(file);
    struct msm_queue *q = calloc(1, sizeof(*q));
    if (!q)
        return NULL;
    q->refs = 1;
    q->id = m->next_id++;
    q->prio = prio;
    q->next_fence = 1;
    q->next = m->queues[q->id % QUEUE_BUCKETS];
    m->queues[q->id % QUEUE_BUCKETS] = q;
    return q;
}

void msm_queue_put(struct msm_queue *queue)
{
    if (atomic_fetch_sub_explicit(&queue->refs, 1, memory_order_acq_rel) == 1)
        free(queue);
}

int msm_queues_open(struct drm_file *file)
{
    file->priv = calloc(1, sizeof(struct msm_file));
    if (!file->priv)
        return -ENOMEM;
    // Queue 0 exists from the start and cannot be closed.
    uint32_t last = sim_config.rings - 1;
    return queue_new(file, last < DEFAULT_PRIO ? last : DEFAULT_PRIO) ? 0 : -ENOMEM;
}

void msm_queues_close(struct drm_file *file)
{
    struct msm_file *m = msm_file(file);
    for (int i = 0; m && i < QUEUE_BUCKETS; i++) {
        while (m->queues[i]) {
            struct msm_queue *q = m->queues[i];
            m->queues[i] = q->next;
            if (q->id)
                stat_add(&sim_stats.queues, -1);
            msm_queue_put(q);
        }
    }
    free(m);
}

struct msm_queue *msm_queue_find(struct drm_file *file, uint32_t id)
{
    struct msm_queue *q = msm_file(file)->queues[id % QUEUE_BUCKETS];
    while (q && q->id != id)
        q = q->next;
    return q;
}

int msm_queue_new(struct drm_file *file, void *arg)
{
    struct msm_submitqueue *args = arg;
    if (!msm_has(MINOR_SUBMITQUEUE) || args->flags & ~ALLOW_PREEMPT ||
        args->prio >= sim_config.priorities)
        return -EINVAL;
    if (args->flags & ALLOW_PREEMPT && !sim_config.preempt)
        return -EINVAL;
    pthread_mutex_lock(&file->lock);
    struct msm_queue *q = queue_new(file, args->prio);
    if (q)
        args->id = q->id;
    pthread_mutex_unlock(&file->lock);
    if (!q)
        return -ENOMEM;
    stat_add(&sim_stats.queues, 1);
    return 0;
}

int msm_queue_close(struct drm_file *file, void *arg)
{
    uint32_t id = *(uint32_t *)arg;
    if (!msm_has(MINOR_SUBMITQUEUE))
        return -EINVAL;
    pthread_mutex_lock(&file->lock);
    struct msm_queue *q = id ? msm_queue_find(file, id) : NULL;
    if (q) {
        struct msm_queue **link = &msm_file(file)->queues[id % QUEUE_BUCKETS];
        while (*link != q)
            link = &(*link)->next;
        *link = q->next;
    }
    pthread_mutex_unlock(&file->lock);
    if (!q)
        return -ENOENT;
    stat_add(&sim_stats.queues, -1);
    msm_queue_put(q);
    return 0;
}

static struct msm_queue *queue_get(struct drm_file *file, uint32_t id)
{
    pthread_mutex_lock(&file->lock);
    struct msm_queue *q = msm_queue_find(file, id);
    if (q)
        atomic_fetch_add(&q->refs, 1);
    pthread_mutex_unlock(&file->lock);
    return q;
}

// The ioctl only goes in, so a caller never sees a changed length.
int msm_queue_query(struct drm_file *file, void *arg)
{
    struct msm_queue_query *args = arg;
    if (!msm_has(MINOR_QUERY) || args->pad)
        return -EINVAL;
    struct msm_queue *q = queue_get(file, args->id);
    if (!q)
        return -ENOENT;
    uint32_t faults = atomic_load(&q->faults);
    msm_queue_put(q);
    if (args->param != QUERY_FAULTS)
        return -EINVAL;
    size_t len = args->len < sizeof(faults) ? args->len : sizeof(faults);
    if (len && !args->data)
        return -EFAULT;
    if (len)
        memcpy((void *)(uintptr_t)args->data, &faults, len);
    return 0;
}

bool msm_fence_pending(struct msm_queue *queue, uint32_t fence_id)
{
    struct msm_job *job = queue->pending[fence_id % QUEUE_BUCKETS];
    while (job && job->fence_id != fence_id)
        job = job->next;
    return job;
}

struct fence_wait {
    struct msm_queue *queue;
    uint32_t fence;
};

static bool fence_done(void *arg)
{
    struct fence_wait *w = arg;
    return !msm_fence_pending(w->queue, w->fence);
}

int msm_wait_fence(struct drm_file *file, void *arg)
{
    struct msm_wait_fence *args = arg;
    if (args->flags & ~(msm_has(MINOR_BOOST) ? WAIT_BOOST : 0))
        return -EINVAL;
    struct msm_queue *q = queue_get(file, args->queueid);
    if (!q)
        return -ENOENT;
    // Numbers wrap around, hence the signed difference.
    int ret = (int32_t)(args->fence - atomic_load(&q->last_fence)) > 0 ? -EINVAL : 0;
    struct fence_wait w = { q, args->fence };
    if (!ret && atomic_load(&q->pending_count))
        ret = engine_wait(fence_done, &w, msm_deadline(args->timeout));
    msm_queue_put(q);
    return ret;
}
