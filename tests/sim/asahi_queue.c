// asahi queues and SUBMIT: a job of the engine with the syncobjs around it.
#include <stdlib.h>
#include <string.h>

#include "asahi.h"

#define PRIORITY_HIGH 2u // this one and above are reserved
#define USC_SIZE (1ull << 32)
#define SYNC_BINARY 0u
#define SYNC_TIMELINE 1u

static void queue_put(struct asahi_queue *q)
{
    if (atomic_fetch_sub_explicit(&q->refs, 1, memory_order_acq_rel) == 1)
        free(q);
}

int asahi_queue_create(struct drm_file *file, void *arg)
{
    struct asahi_queue_create *args = arg;
    if (args->flags || args->priority >= PRIORITY_HIGH || args->usc_base < ASAHI_VA_START ||
        args->usc_base > ASAHI_VA_END - USC_SIZE)
        return -EINVAL;
    struct asahi_queue *q = calloc(1, sizeof(*q));
    if (!q)
        return -ENOMEM;
    q->refs = 1;
    entity_init(&q->entity, args->priority % sim_config.rings, fence_contexts(1));
    pthread_mutex_lock(&file->lock);
    struct asahi_vm *vm = asahi_vm_find(file, args->vm_id);
    int ret = vm ? idtab_add(&asahi_file(file)->queues, q, &args->queue_id) : -ENOENT;
    if (!ret) {
        q->vm = vm;
        vm->refs++;
        stat_add(&sim_stats.queues, 1);
    }
    pthread_mutex_unlock(&file->lock);
    if (ret)
        free(q);
    return ret;
}

int asahi_queue_close(struct drm_file *file, uint32_t id)
{
    struct asahi_queue *q = idtab_remove(&asahi_file(file)->queues, id);
    if (!q)
        return -ENOENT;
    asahi_vm_put(file, q->vm);
    stat_add(&sim_stats.queues, -1);
    queue_put(q);
    return 0;
}

int asahi_queue_destroy(struct drm_file *file, void *arg)
{
    struct asahi_queue_destroy *args = arg;
    if (args->pad)
        return -EINVAL;
    pthread_mutex_lock(&file->lock);
    int ret = asahi_queue_close(file, args->queue_id);
    pthread_mutex_unlock(&file->lock);
    return ret;
}

struct asahi_job {
    struct job job;
    struct asahi_queue *queue;
};

static void retire(struct job *job, int status)
{
    (void)status;
    queue_put(((struct asahi_job *)job)->queue);
}

// What one submit holds until it is handed over or has failed.
struct submit {
    struct asahi_submit *args;
    struct asahi_queue *queue;
    struct fence **deps;
    struct syncobj **outs; // borrowed: the file's lock is held
    unsigned dep_count;
    bool fault;
};

static int get_syncs(struct drm_file *file, struct submit *s)
{
    const struct asahi_submit *args = s->args;
    uint64_t count = (uint64_t)args->in_syncs + args->out_syncs;
    if (!count)
        return 0;
    if (!args->syncs)
        return -EFAULT;
    if (count > file->syncobjs.capacity * 2ull) // so many cannot be meant
        return -EINVAL;
    s->deps = calloc((size_t)args->in_syncs + 1, sizeof(*s->deps));
    s->outs = calloc((size_t)args->out_syncs + 1, sizeof(*s->outs));
    if (!s->deps || !s->outs)
        return -ENOMEM;
    for (uint64_t i = 0; i < count; i++) {
        struct asahi_sync sync;
        memcpy(&sync, (const char *)(uintptr_t)args->syncs + i * sizeof(sync), sizeof(sync));
        if (sync.type == SYNC_TIMELINE)
            return -EOPNOTSUPP; // as GET_CAP says
        if (sync.type != SYNC_BINARY || sync.point)
            return -EINVAL;
        struct syncobj *obj = idtab_find(&file->syncobjs, sync.handle);
        if (!obj)
            return -ENOENT;
        if (i >= args->in_syncs) {
            s->outs[i - args->in_syncs] = obj;
        } else if (!(s->deps[s->dep_count] = syncobj_fence(obj))) {
            return -EINVAL;
        } else {
            s->dep_count++;
        }
    }
    return 0;
}

// Moves the dependencies.
static struct asahi_job *make_job(struct submit *s, struct fence *fence)
{
    struct asahi_job *aj = calloc(1, sizeof(*aj));
    struct waiter *waiters = calloc((size_t)s->dep_count + 1, sizeof(*waiters));
    if (!aj || !waiters) {
        free(aj);
        free(waiters);
        return NULL;
    }
    aj->job = (struct job){ .fence = fence, .deps = waiters, .dep_fences = s->deps, .dep_count = s->dep_count,
                            .error = s->fault ? EIO : 0, .retire = retire };
    node_get(&fence->node);
    s->deps = NULL;
    s->dep_count = 0;
    aj->queue = s->queue;
    atomic_fetch_add(&s->queue->refs, 1);
    return aj;
}

static int run(struct drm_file *file, struct submit *s)
{
    struct entity *entity = &s->queue->entity;
    bool instant = engine_instant(entity->ring) && !s->fault;
    for (unsigned i = 0; i < s->dep_count; i++)
        instant = instant && fence_status(s->deps[i]);
    struct fence *fence = fence_new(entity->context, ++entity->seqno, instant ? 1 : 0);
    struct asahi_job *job = fence && !instant ? make_job(s, fence) : NULL;
    if (!fence || (!instant && !job)) {
        fence_put(fence);
        return -ENOMEM;
    }
    fence->driver = asahi_driver.name;
    for (uint32_t i = 0; i < s->args->out_syncs; i++) {
        node_get(&fence->node);
        syncobj_replace(s->outs[i], fence);
    }
    if (job)
        engine_submit(file, entity, &job->job);
    else
        stat_add(&sim_stats.done, 1);
    fence_put(fence);
    return 0;
}

int asahi_submit(struct drm_file *file, void *arg)
{
    struct submit s = { .args = arg };
    const struct asahi_submit *args = arg;
    if (args->flags || args->pad)
        return -EINVAL;
    if (!args->cmdbuf)
        return args->cmdbuf_size ? -EFAULT : -EINVAL;
    pthread_mutex_lock(&file->lock);
    s.queue = idtab_find(&asahi_file(file)->queues, args->queue_id);
    int ret = s.queue ? get_syncs(file, &s) : -ENOENT;
    if (!ret)
        ret = asahi_check_commands(file, s.queue->vm, (const void *)(uintptr_t)args->cmdbuf,
                                   args->cmdbuf_size, &s.fault);
    if (!ret)
        ret = run(file, &s);
    for (unsigned i = 0; i < s.dep_count; i++)
        fence_put(s.deps[i]);
    free(s.deps);
    free(s.outs);
    pthread_mutex_unlock(&file->lock);
    return ret;
}
