// Open device files: life cycle, the registry of all of them, fork.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim.h"

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct drm_file *registry;

int file_open(const struct device *device, int flags)
{
    int err = sim_enter(DRMSIM_OPEN);
    if (!err)
        err = -sim_config.open_errno;
    if (err)
        return err;
    // A genuine fd of its own, so that fstat, poll, dup and /proc work.
    int fd = memfd_create("drmsim-device", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
    if (fd < 0)
        return -errno;
    struct drm_file *file = calloc(1, sizeof(*file));
    struct stat st;
    if (!file || fstat(fd, &st)) {
        free(file);
        sys_close(fd);
        return -ENOMEM;
    }
    file->node = (struct node){ NODE_FILE, 1, st.st_ino };
    file->memory = 1;
    file->device = device;
    pthread_mutex_init(&file->lock, NULL);
    uint64_t context = fence_contexts(SIM_MAX_RINGS);
    for (uint32_t ring = 0; ring < SIM_MAX_RINGS; ring++)
        entity_init(&file->entities[ring], ring, context + ring);
    pthread_mutex_lock(&registry_lock);
    file->next = registry;
    file->signalled_fd = registry ? registry->signalled_fd : eventfd_signalled(1);
    if (registry)
        registry->prev = file;
    registry = file;
    pthread_mutex_unlock(&registry_lock);
    stat_add(&sim_stats.files, 1);
    err = device->driver->open(file);
    if (err) {
        sys_close(fd);
        node_put(&file->node);
        return err;
    }
    return fdtab_install(fd, &file->node);
}

static bool no_jobs(void *file)
{
    return atomic_load(&((struct drm_file *)file)->memory) == 1;
}

// The last fd is closed. Jobs in flight keep the struct, their buffers and queues.
void file_release(struct drm_file *file)
{
    for (uint32_t h = 1; sim_close_waits && h < file->handles.capacity; h++)
        handle_wait(file, h);
    if (sim_close_waits)
        engine_wait(no_jobs, file, INT64_MAX);
    pthread_mutex_lock(&registry_lock);
    if (file->prev)
        file->prev->next = file->next;
    else
        registry = file->next;
    if (file->next)
        file->next->prev = file->prev;
    pthread_mutex_lock(&file->lock);
    for (uint32_t h = 1; h < file->handles.capacity; h++)
        handle_close(file, h);
    file->device->driver->close(file);
    for (uint32_t h = 1; h < file->syncobjs.capacity; h++) {
        struct syncobj *obj = idtab_remove(&file->syncobjs, h);
        if (obj)
            node_put(&obj->node);
    }
    pthread_mutex_unlock(&file->lock);
    if (!registry && file->signalled_fd >= 0)
        sys_close(file->signalled_fd);
    pthread_mutex_unlock(&registry_lock); // held so long for the sake of fork
    free(file->handles.slots);
    free(file->syncobjs.slots);
    stat_add(&sim_stats.files, -1);
    file_memory_put(file);
}

void file_memory_put(struct drm_file *file)
{
    if (atomic_fetch_sub_explicit(&file->memory, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&file->lock);
    free(file);
}

// All locks are held across fork(), so the child finds every table whole.
static void fork_prepare(void)
{
    pthread_mutex_lock(&registry_lock);
    for (struct drm_file *f = registry; f; f = f->next)
        pthread_mutex_lock(&f->lock);
    pthread_mutex_lock(&gpu_lock);
    pthread_mutex_lock(&share_lock);
}

static void fork_done(void)
{
    pthread_mutex_unlock(&share_lock);
    pthread_mutex_unlock(&gpu_lock);
    for (struct drm_file *f = registry; f; f = f->next)
        pthread_mutex_unlock(&f->lock);
    pthread_mutex_unlock(&registry_lock);
}

static void fork_child(void)
{
    engine_fork_child();
    fork_done();
    fdtab_reset_locks();
}

__attribute__((constructor)) static void watch_fork(void)
{
    pthread_atfork(fork_prepare, fork_done, fork_child);
}
