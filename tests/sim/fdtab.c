// The fd table: which fds of this process are ours, as an array indexed by fd.
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "sim.h"

#define FD_LIMIT (1 << 20)

// Untouched pages of this array cost nothing.
static struct slot {
    _Atomic(struct node *) node;
    atomic_int locked;
} slots[FD_LIMIT];
static atomic_int fd_high; // largest fd ever installed

static void lock(struct slot *s)
{
    while (atomic_exchange_explicit(&s->locked, 1, memory_order_acquire))
        sched_yield();
}

static void unlock(struct slot *s)
{
    atomic_store_explicit(&s->locked, 0, memory_order_release);
}

bool fdtab_known(int fd)
{
    return (unsigned)fd < FD_LIMIT && atomic_load_explicit(&slots[fd].node, memory_order_relaxed);
}

struct node *fdtab_get(int fd)
{
    if (!fdtab_known(fd))
        return NULL;
    struct slot *s = &slots[fd];
    lock(s);
    struct node *node = atomic_load_explicit(&s->node, memory_order_relaxed);
    if (SIM_LIKELY(node != NULL))
        node_get(node);
    unlock(s);
    return node;
}

struct node *fdtab_take(int fd)
{
    if ((unsigned)fd >= FD_LIMIT)
        return NULL;
    struct slot *s = &slots[fd];
    lock(s);
    struct node *node = atomic_load_explicit(&s->node, memory_order_relaxed);
    atomic_store_explicit(&s->node, NULL, memory_order_relaxed);
    unlock(s);
    return node;
}

struct node *fdtab_get_checked(int fd)
{
    struct node *node = fdtab_get(fd);
    struct stat st;
    if (!node || !node->ino || (fstat(fd, &st) == 0 && st.st_ino == node->ino))
        return node;
    // Closed by a direct system call, and the number is now something else.
    node_put(node);
    node = fdtab_take(fd);
    if (node)
        node_put(node);
    return NULL;
}

int fdtab_install(int fd, struct node *node)
{
    if ((unsigned)fd >= FD_LIMIT) {
        sys_close(fd);
        node_put(node);
        return -EMFILE;
    }
    int high = atomic_load_explicit(&fd_high, memory_order_relaxed);
    while (fd > high && !atomic_compare_exchange_weak(&fd_high, &high, fd))
        ;
    struct slot *s = &slots[fd];
    lock(s);
    struct node *old = atomic_load_explicit(&s->node, memory_order_relaxed);
    atomic_store_explicit(&s->node, node, memory_order_relaxed);
    unlock(s);
    if (old)
        node_put(old);
    return fd;
}

// In a fork child: the threads that held one of these are gone.
void fdtab_reset_locks(void)
{
    for (int fd = 0; fd <= atomic_load(&fd_high); fd++)
        unlock(&slots[fd]);
}

void node_put(struct node *node)
{
    if (SIM_LIKELY(atomic_fetch_sub_explicit(&node->refs, 1, memory_order_acq_rel) != 1))
        return;
    switch (node->type) {
    case NODE_FILE:
        file_release((struct drm_file *)node);
        break;
    case NODE_DMABUF:
        bo_put(((struct dmabuf *)node)->bo);
        free(node);
        break;
    case NODE_FENCE:
        fence_free((struct fence *)node);
        break;
    case NODE_SYNCOBJ:
        syncobj_free((struct syncobj *)node);
        break;
    }
}
