// The simulated GPU: one ring per priority, jobs take a configured time.
//
// Jobs that must run in order, as those of a queue, form an entity. An entity
// whose first job has all its in-fences waits in its ring's ready list; the
// ring runs the first job of the first ready entity. One thread, started when
// first needed, completes jobs whose time is over.
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "sim.h"

static struct ring {
    struct entity *ready, **ready_tail;
    struct job *running;
    int64_t deadline;
    atomic_bool hung;
    atomic_uint pending; // jobs submitted and not retired
} rings[SIM_MAX_RINGS];

static _Atomic uint64_t job_time_ns;
static atomic_int next_error;
atomic_uint sim_global_faults;

static pthread_cond_t thread_cv = PTHREAD_COND_INITIALIZER;
static pthread_cond_t waiters_cv = PTHREAD_COND_INITIALIZER;
static unsigned waiters;
static pthread_t thread;
static bool thread_runs, stopping;
static int64_t thread_alarm; // when the thread looks again by itself

static void wait_until(pthread_cond_t *cv, int64_t deadline)
{
    struct timespec ts = { deadline / 1000000000, deadline % 1000000000 };
    pthread_cond_clockwait(cv, &gpu_lock, CLOCK_MONOTONIC, &ts);
}

void engine_wake(void)
{
    if (waiters)
        pthread_cond_broadcast(&waiters_cv);
}

// Everything below holds gpu_lock unless it says otherwise.

static void retire(struct ring *ring)
{
    struct job *job = ring->running;
    struct entity *entity = job->entity;
    ring->running = NULL;
    entity->head = job->next;
    if (!entity->head)
        entity->tail = &entity->head;
    for (unsigned i = 0; i < job->bo_count; i++) {
        struct job_bo *b = &job->bos[i];
        atomic_fetch_sub(b->write ? &b->bo->writers : &b->bo->readers, 1);
        bo_put(b->bo);
    }
    int status = job->error ? -job->error : 1;
    job->retire(job, status);
    stat_add(&sim_stats.running, -1);
    stat_add(&sim_stats.done, 1);
    stat_add(&sim_stats.failed, status < 0);
    atomic_fetch_sub(&ring->pending, 1);
    fence_signal(job->fence, status);
    fence_put(job->fence);
    for (unsigned i = 0; i < job->dep_count; i++)
        fence_put(job->dep_fences[i]);
    file_memory_put(job->file);
    free(job->bos);
    free(job->deps);
    free(job->dep_fences);
    free(job);
}

static void make_ready(struct entity *entity)
{
    struct ring *ring = &rings[entity->ring];
    entity->next_ready = NULL;
    *ring->ready_tail = entity;
    ring->ready_tail = &entity->next_ready;
}

static void dep_ready(struct waiter *waiter, int status)
{
    (void)status; // a failed dependency is a finished one
    struct job *job = waiter->owner;
    if (--job->deps_left == 0)
        make_ready(job->entity);
}

// The job became the first of its entity.
static void arm(struct job *job)
{
    for (unsigned i = 0; i < job->dep_count; i++) {
        job->deps[i] = (struct waiter){ .ready = dep_ready, .owner = job };
        if (fence_wait_on(job->dep_fences[i], &job->deps[i]))
            job->deps_left++;
    }
    if (!job->deps_left)
        make_ready(job->entity);
}

// Starts what can start and retires what is over, until nothing changes.
// Returns when to look again; INT64_MAX = only after the next event.
static int64_t advance(void)
{
    int64_t next = INT64_MAX, now = now_ns();
    bool progress = true;
    while (progress) {
        progress = false;
        next = INT64_MAX;
        for (uint32_t i = 0; i < sim_config.rings; i++) {
            struct ring *ring = &rings[i];
            if (ring->hung)
                continue;
            if (!ring->running && ring->ready) {
                struct entity *entity = ring->ready;
                ring->ready = entity->next_ready;
                if (!ring->ready)
                    ring->ready_tail = &ring->ready;
                ring->running = entity->head;
                ring->deadline = now + (int64_t)ring->running->duration_ns;
            }
            if (ring->running && ring->deadline <= now) {
                struct job *following = ring->running->next;
                retire(ring);
                if (following)
                    arm(following);
                engine_wake();
                progress = true;
            } else if (ring->running && ring->deadline < next) {
                next = ring->deadline;
            }
        }
    }
    return next;
}

static void *run(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&gpu_lock);
    while (!stopping) {
        thread_alarm = advance();
        wait_until(&thread_cv, thread_alarm);
    }
    pthread_mutex_unlock(&gpu_lock);
    return NULL;
}

// Does what is due now and leaves the rest to the thread.
static void kick(void)
{
    int64_t next = advance();
    if (next == INT64_MAX || stopping)
        return;
    if (thread_runs) {
        if (next < thread_alarm)
            pthread_cond_signal(&thread_cv);
        return;
    }
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(&thread, NULL, run, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    thread_runs = !err;
    if (err)
        log_line("cannot start the GPU thread: error %d; jobs will not finish", err);
}

bool engine_instant(uint32_t ring)
{
    return !atomic_load_explicit(&job_time_ns, memory_order_relaxed) &&
           !atomic_load_explicit(&rings[ring].hung, memory_order_relaxed) &&
           !atomic_load_explicit(&next_error, memory_order_relaxed) &&
           !atomic_load_explicit(&rings[ring].pending, memory_order_acquire);
}

void entity_init(struct entity *entity, uint32_t ring, uint64_t context)
{
    *entity = (struct entity){ .ring = ring, .context = context, .tail = &entity->head };
}

void engine_submit(struct drm_file *file, struct entity *entity, struct job *job)
{
    uint32_t ring = entity->ring;
    atomic_fetch_add(&file->memory, 1);
    pthread_mutex_lock(&gpu_lock);
    job->file = file;
    job->entity = entity;
    job->duration_ns = atomic_load(&job_time_ns);
    if (!job->error)
        job->error = atomic_exchange(&next_error, 0);
    atomic_fetch_add(&rings[ring].pending, 1);
    stat_add(&sim_stats.running, 1);
    bool first = !job->entity->head;
    *job->entity->tail = job;
    job->entity->tail = &job->next;
    if (first)
        arm(job);
    kick();
    pthread_mutex_unlock(&gpu_lock);
}

int engine_wait(bool (*done)(void *), void *arg, int64_t deadline_ns)
{
    int ret = 0;
    pthread_mutex_lock(&gpu_lock);
    if (!thread_runs)
        kick(); // a fork child has the jobs but not the thread
    while (!done(arg)) {
        if (now_ns() >= deadline_ns) {
            ret = -ETIMEDOUT;
            break;
        }
        waiters++;
        wait_until(&waiters_cv, deadline_ns);
        waiters--;
    }
    pthread_mutex_unlock(&gpu_lock);
    return ret;
}

void engine_fork_child(void)
{
    thread_runs = false;
    waiters = 0;
    pthread_cond_init(&thread_cv, NULL);
    pthread_cond_init(&waiters_cv, NULL);
}

// At exit, so that leak checkers find nothing of ours.
__attribute__((destructor)) static void stop(void)
{
    pthread_mutex_lock(&gpu_lock);
    bool join = thread_runs;
    stopping = true;
    thread_runs = false;
    pthread_cond_signal(&thread_cv);
    pthread_mutex_unlock(&gpu_lock);
    if (join)
        pthread_join(thread, NULL);
}

// Control commands; no lock held by the caller.

void engine_set_time(uint64_t us)
{
    atomic_store(&job_time_ns, us * 1000);
}

int engine_hang(int ring, bool hung)
{
    if (ring >= (int)sim_config.rings)
        return -EINVAL;
    pthread_mutex_lock(&gpu_lock);
    for (int i = 0; i < (int)sim_config.rings; i++)
        if (ring < 0 || ring == i)
            rings[i].hung = hung;
    kick();
    pthread_mutex_unlock(&gpu_lock);
    return 0;
}

void engine_fail_next(int error)
{
    atomic_store(&next_error, error);
}

void engine_reset(void)
{
    static bool prepared;
    pthread_mutex_lock(&gpu_lock);
    for (int i = 0; !prepared && i < SIM_MAX_RINGS; i++)
        rings[i].ready_tail = &rings[i].ready;
    prepared = true;
    pthread_mutex_unlock(&gpu_lock);
    engine_set_time(sim_config.gpu_us);
    engine_fail_next(0);
    engine_hang(-1, false);
    atomic_store(&sim_global_faults, 0);
}
