// msm GEM_SUBMIT: checks as strict as the kernel's, then a job for the engine.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "msm.h"

#define FLAG_PIPE 0xffffu
#define FLAG_FENCE_SN_IN 0x02000000u
#define FLAG_SYNCOBJ_OUT 0x04000000u
#define FLAG_SYNCOBJ_IN 0x08000000u
#define FLAG_SUDO 0x10000000u
#define FLAG_FENCE_FD_OUT 0x20000000u
#define FLAG_FENCE_FD_IN 0x40000000u
#define FLAG_NO_IMPLICIT 0x80000000u

#define BO_READ 1u
#define BO_WRITE 2u
#define BO_DUMP 4u
#define BO_NO_IMPLICIT 8u

#define SYNCOBJ_RESET 1u

// What one submit holds until it is handed over or has failed.
struct submit {
    struct drm_file *file;
    struct msm_submit *args;
    struct msm_queue *queue;
    uint32_t ring;
    struct fence **deps;
    unsigned dep_count;
    struct syncobj **resets, **outs;
    unsigned reset_count, out_count;
};

static const void *user(uint64_t pointer)
{
    return (const void *)(uintptr_t)pointer;
}

static int check_flags(const struct msm_submit *args)
{
    uint32_t known = FLAG_NO_IMPLICIT | FLAG_FENCE_FD_IN | FLAG_FENCE_FD_OUT;
    if (msm_has(MINOR_SYNCOBJ))
        known |= FLAG_SYNCOBJ_IN | FLAG_SYNCOBJ_OUT;
    if (msm_has(MINOR_FENCE_SN))
        known |= FLAG_FENCE_SN_IN;
    // SUDO is for kernels built for debugging.
    if (args->pad || (args->flags & FLAG_PIPE) != PIPE_3D0 || args->flags & ~FLAG_PIPE & ~known)
        return -EINVAL;
    return 0;
}

// The caller's entries may be shorter or longer than ours.
static struct msm_submit_syncobj syncobj_entry(const struct msm_submit *args, uint64_t table,
                                               uint32_t i)
{
    struct msm_submit_syncobj desc = { 0 };
    size_t stride = args->syncobj_stride;
    memcpy(&desc, (const char *)user(table) + i * stride,
           stride < sizeof(desc) ? stride : sizeof(desc));
    return desc;
}

static int get_deps(struct submit *s)
{
    struct msm_submit *args = s->args;
    uint32_t syncobjs = args->flags & FLAG_SYNCOBJ_IN ? args->nr_in_syncobjs : 0;
    if (!syncobjs && !(args->flags & FLAG_FENCE_FD_IN))
        return 0;
    if (syncobjs && !args->in_syncobjs)
        return -EFAULT;
    s->deps = calloc((size_t)syncobjs + 1, sizeof(*s->deps));
    s->resets = calloc((size_t)syncobjs + 1, sizeof(*s->resets));
    if (!s->deps || !s->resets)
        return -ENOMEM;
    if (args->flags & FLAG_FENCE_FD_IN) {
        struct fence *fence = fence_from_fd(args->fence_fd);
        if (!fence)
            return -EINVAL;
        s->deps[s->dep_count++] = fence;
    }
    for (uint32_t i = 0; i < syncobjs; i++) {
        struct msm_submit_syncobj desc = syncobj_entry(args, args->in_syncobjs, i);
        if (desc.point)
            return -EOPNOTSUPP;
        if (desc.flags & ~SYNCOBJ_RESET)
            return -EINVAL;
        struct syncobj *obj = idtab_find(&s->file->syncobjs, desc.handle);
        struct fence *fence = obj ? syncobj_fence(obj) : NULL;
        if (!fence)
            return obj ? -EINVAL : -ENOENT;
        s->deps[s->dep_count++] = fence;
        if (desc.flags & SYNCOBJ_RESET)
            s->resets[s->reset_count++] = obj;
    }
    return 0;
}

static int get_outs(struct submit *s)
{
    struct msm_submit *args = s->args;
    uint32_t count = args->flags & FLAG_SYNCOBJ_OUT ? args->nr_out_syncobjs : 0;
    if (!count)
        return 0;
    if (!args->out_syncobjs)
        return -EFAULT;
    s->outs = calloc(count, sizeof(*s->outs));
    if (!s->outs)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        struct msm_submit_syncobj desc = syncobj_entry(args, args->out_syncobjs, i);
        if (desc.flags)
            return -EINVAL;
        if (desc.point)
            return -EOPNOTSUPP;
        s->outs[i] = idtab_find(&s->file->syncobjs, desc.handle);
        if (!s->outs[i])
            return -EINVAL;
        s->out_count++;
    }
    return 0;
}

static struct msm_submit_bo bo_entry(const struct submit *s, uint32_t i)
{
    struct msm_submit_bo entry;
    memcpy(&entry, (const char *)user(s->args->bos) + i * sizeof(entry), sizeof(entry));
    return entry;
}

static int check_bos(struct submit *s)
{
    struct drm_file *file = s->file;
    uint32_t known = BO_READ | BO_WRITE;
    if (msm_has(MINOR_NAME))
        known |= BO_DUMP;
    if (msm_has(MINOR_NO_IMPLICIT))
        known |= BO_NO_IMPLICIT;
    // So many different handles cannot exist.
    if (s->args->nr_bos && s->args->nr_bos >= file->handles.capacity)
        return -EINVAL;
    if (s->args->nr_bos && !s->args->bos)
        return -EFAULT;
    uint32_t mark = ++file->submit_mark;
    for (uint32_t i = 0; i < s->args->nr_bos; i++) {
        struct msm_submit_bo entry = bo_entry(s, i);
        if (entry.flags & ~known || !(entry.flags & (BO_READ | BO_WRITE)))
            return -EINVAL;
        struct holder *h = handle_find(file, entry.handle);
        if (!h || h->submit_mark == mark)
            return -EINVAL;
        h->submit_mark = mark;
        uint64_t iova;
        int ret = msm_vm_get(file, h, &iova);
        if (ret)
            return ret;
    }
    return 0;
}

static int check_cmds(const struct submit *s)
{
    const struct msm_submit *args = s->args;
    if (args->nr_cmds && !args->cmds)
        return -EFAULT;
    for (uint32_t i = 0; i < args->nr_cmds; i++) {
        struct msm_submit_cmd cmd;
        memcpy(&cmd, (const char *)user(args->cmds) + i * sizeof(cmd), sizeof(cmd));
        bool type_ok = cmd.type >= 1 && cmd.type <= 3;
        if (!type_ok || !cmd.size || cmd.size % 4 || cmd.offset % 4 || cmd.nr_relocs ||
            cmd.idx >= args->nr_bos)
            return -EINVAL;
        struct holder *h = handle_find(s->file, bo_entry(s, cmd.idx).handle);
        if (!h || (uint64_t)cmd.offset + cmd.size > h->bo->size)
            return -EINVAL;
    }
    return 0;
}

static int pick_fence_number(const struct submit *s, uint32_t *id)
{
    struct msm_queue *q = s->queue;
    *id = s->args->fence;
    if (!(s->args->flags & FLAG_FENCE_SN_IN)) {
        *id = q->next_fence++ & INT32_MAX;
        return 0;
    }
    if (!*id)
        return -EINVAL;
    bool used = false;
    if (atomic_load(&q->pending_count)) {
        pthread_mutex_lock(&gpu_lock);
        used = msm_fence_pending(q, *id);
        pthread_mutex_unlock(&gpu_lock);
    }
    return used ? -EINVAL : 0;
}

static void retire(struct job *job, int status)
{
    struct msm_job *mj = (struct msm_job *)job;
    struct msm_queue *q = mj->queue;
    struct msm_job **link = &q->pending[mj->fence_id % QUEUE_BUCKETS];
    while (*link != mj)
        link = &(*link)->next;
    *link = mj->next;
    atomic_fetch_sub(&q->pending_count, 1);
    if (status < 0) { // what recovering a hung GPU counts
        atomic_fetch_add(&q->faults, 1);
        atomic_fetch_add(&job->file->faults, 1);
    }
    msm_queue_put(q);
}

// Moves the dependencies and takes references on the buffers.
static struct msm_job *make_job(struct submit *s, struct fence *fence, uint32_t fence_id)
{
    struct msm_job *mj = calloc(1, sizeof(*mj));
    uint32_t nr_bos = s->args->nr_bos;
    struct job_bo *bos = calloc((size_t)nr_bos + 1, sizeof(*bos));
    struct waiter *waiters = calloc((size_t)s->dep_count + 1, sizeof(*waiters));
    if (!mj || !bos || !waiters) {
        free(mj);
        free(bos);
        free(waiters);
        return NULL;
    }
    for (uint32_t i = 0; i < nr_bos; i++) {
        struct msm_submit_bo entry = bo_entry(s, i);
        struct holder *h = handle_find(s->file, entry.handle);
        bos[i] = (struct job_bo){ h->bo, entry.flags & BO_WRITE };
        bo_get(h->bo);
        atomic_fetch_add(bos[i].write ? &h->bo->writers : &h->bo->readers, 1);
    }
    mj->job = (struct job){ .fence = fence, .deps = waiters, .dep_fences = s->deps,
                            .dep_count = s->dep_count, .bos = bos, .bo_count = nr_bos,
                            .retire = retire };
    node_get(&fence->node);
    s->deps = NULL;
    s->dep_count = 0;
    mj->queue = s->queue;
    mj->fence_id = fence_id;
    atomic_fetch_add(&s->queue->refs, 1);
    atomic_fetch_add(&s->queue->pending_count, 1);
    pthread_mutex_lock(&gpu_lock);
    struct msm_job **bucket = &s->queue->pending[fence_id % QUEUE_BUCKETS];
    mj->next = *bucket;
    *bucket = mj;
    pthread_mutex_unlock(&gpu_lock);
    return mj;
}

static int run(struct submit *s)
{
    struct msm_submit *args = s->args;
    uint32_t id;
    int ret = pick_fence_number(s, &id);
    if (ret)
        return ret;
    bool instant = engine_instant(s->ring);
    for (unsigned i = 0; i < s->dep_count; i++)
        instant = instant && fence_status(s->deps[i]);

    struct fence *fence = NULL;
    if (!instant || args->flags & FLAG_FENCE_FD_OUT || s->out_count) {
        struct entity *entity = &s->file->entities[s->ring];
        fence = fence_new(entity->context, ++entity->seqno, instant ? 1 : 0);
        if (!fence)
            return -ENOMEM;
        fence->driver = msm_driver.name;
    }
    int fd = args->flags & FLAG_FENCE_FD_OUT ? fence_export(fence, s->file) : -1;
    struct msm_job *job = NULL;
    if (args->flags & FLAG_FENCE_FD_OUT && fd < 0)
        ret = fd;
    else if (!instant && !(job = make_job(s, fence, id)))
        ret = -ENOMEM;
    if (ret) {
        if (fd >= 0)
            close(fd);
        fence_put(fence);
        return ret;
    }
    for (unsigned i = 0; i < s->reset_count; i++)
        syncobj_replace(s->resets[i], NULL);
    for (unsigned i = 0; i < s->out_count; i++) {
        node_get(&fence->node);
        syncobj_replace(s->outs[i], fence);
    }
    atomic_store(&s->queue->last_fence, id);
    if (job)
        engine_submit(s->file, &s->file->entities[s->ring], &job->job);
    else
        stat_add(&sim_stats.done, 1);
    fence_put(fence);
    args->fence = id;
    if (fd >= 0)
        args->fence_fd = fd;
    return 0;
}

int msm_submit(struct drm_file *file, void *arg)
{
    struct submit s = { .file = file, .args = arg };
    int ret = check_flags(s.args);
    if (ret)
        return ret;
    pthread_mutex_lock(&file->lock);
    s.queue = msm_queue_find(file, s.args->queueid);
    if (!s.queue) {
        ret = -ENOENT;
    } else {
        s.ring = s.queue->prio % SIM_MAX_RINGS;
        if (!(ret = get_deps(&s)) && !(ret = get_outs(&s)) && !(ret = check_bos(&s)) &&
            !(ret = check_cmds(&s)))
            ret = run(&s);
    }
    for (unsigned i = 0; i < s.dep_count; i++)
        fence_put(s.deps[i]);
    free(s.deps);
    free(s.resets);
    free(s.outs);
    pthread_mutex_unlock(&file->lock);
    return ret;
}
