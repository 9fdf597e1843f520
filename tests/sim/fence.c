// Fences. An fd on one is an eventfd that nobody ever reads: readable = signalled.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sim.h"

// The count of a signalled eventfd carries the mark and the errno (see
// /proc/self/fdinfo), so any copy of the fd can be recognised without us
// having seen how it was made.
#define MARK 0x5afe0000u

pthread_mutex_t gpu_lock = PTHREAD_MUTEX_INITIALIZER;
static struct fence *exported; // pending ones with an evfd

static uint32_t count_of(int status)
{
    return MARK | (status < 0 ? (uint32_t)-status : 0);
}

uint64_t fence_contexts(unsigned count)
{
    static _Atomic uint64_t last;
    return atomic_fetch_add_explicit(&last, count, memory_order_relaxed) + 1;
}

struct fence *fence_new(uint64_t context, uint64_t seqno, int status)
{
    struct fence *f = calloc(1, sizeof(*f));
    if (!f)
        return NULL;
    f->node = (struct node){ NODE_FENCE, 1, 0 };
    f->context = context;
    f->seqno = seqno;
    f->status = status;
    f->evfd = -1;
    f->driver = "stub";
    if (status)
        f->timestamp = (uint64_t)now_ns();
    stat_add(&sim_stats.fences, 1);
    return f;
}

void fence_free(struct fence *f)
{
    for (unsigned i = 0; i < f->part_count; i++)
        fence_put(f->parts[i]);
    free(f->parts);
    free(f->part_waiters);
    free(f);
    stat_add(&sim_stats.fences, -1);
}

bool fence_wait_on(struct fence *f, struct waiter *waiter)
{
    if (fence_status(f))
        return false;
    waiter->next = f->waiters;
    f->waiters = waiter;
    return true;
}

// Makes the fds readable. False when none was handed out.
static bool signal_fds(struct fence *f, int status)
{
    int fd = atomic_exchange(&f->evfd, -1);
    if (fd < 0)
        return false;
    uint64_t count = count_of(status);
    if (syscall(SYS_write, fd, &count, sizeof(count)) < 0)
        log_line("cannot signal a fence: %s", strerror(errno));
    sys_close(fd);
    if (f->prev)
        f->prev->next = f->next;
    else
        exported = f->next;
    if (f->next)
        f->next->prev = f->prev;
    return true;
}

void fence_signal(struct fence *f, int status)
{
    f->timestamp = (uint64_t)now_ns();
    atomic_store_explicit(&f->status, status, memory_order_release);
    bool listed = signal_fds(f, status); // before those of fences merged from this one
    struct waiter *waiter = f->waiters;
    f->waiters = NULL;
    while (waiter) {
        struct waiter *next = waiter->next; // ready() may free it
        waiter->ready(waiter, status);
        waiter = next;
    }
    if (listed)
        fence_put(f); // the reference of the list
}

// Pending: all fds of a fence are copies of its evfd, which we keep until it
// signals. It cannot be found by fd number then: the caller may have closed it.
static int export_pending(struct fence *f) // gpu_lock held
{
    if (f->evfd < 0) {
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (fd < 0)
            return -errno;
        int copy = sys_dup(fd);
        if (copy < 0) {
            sys_close(fd);
            return copy;
        }
        f->evfd = fd;
        f->evid = 0;
        f->prev = NULL;
        f->next = exported;
        if (exported)
            exported->prev = f;
        exported = f;
        node_get(&f->node);
        return copy;
    }
    return sys_dup(f->evfd);
}

int eventfd_signalled(int status)
{
    int fd = eventfd(count_of(status), EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

// A copy of an fd is many times cheaper than a new one; that is what makes the
// device fast enough for benchmarks. (An epoll set sees copies as one file: who
// closes such an fd without removing it from the set keeps getting its event.)
int fence_export(struct fence *f, struct drm_file *file)
{
    int fd = -1, status = fence_status(f);
    if (!status) {
        pthread_mutex_lock(&gpu_lock);
        status = fence_status(f);
        if (!status)
            fd = export_pending(f);
        pthread_mutex_unlock(&gpu_lock);
    }
    if (status == 1 && file && file->signalled_fd >= 0)
        fd = sys_dup(file->signalled_fd);
    else if (status)
        fd = eventfd_signalled(status);
    if (fd < 0)
        return fd;
    node_get(&f->node);
    return fdtab_install(fd, &f->node);
}

// An fd that came another way than through dup(): by socket, direct system
// call, from before a fork. False when it is no eventfd.
static bool eventfd_info(int fd, uint64_t *id, uint64_t *count)
{
    char path[64], text[512];
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    int info = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (info < 0)
        return false;
    ssize_t n = syscall(SYS_read, info, text, sizeof(text) - 1);
    sys_close(info);
    if (n <= 0)
        return false;
    text[n] = 0;
    const char *c = strstr(text, "eventfd-count:"), *i = strstr(text, "eventfd-id:");
    if (!c || !i)
        return false;
    *count = strtoull(c + strlen("eventfd-count:"), NULL, 16);
    *id = strtoull(i + strlen("eventfd-id:"), NULL, 10);
    return true;
}

static struct fence *find_unseen(int fd)
{
    uint64_t id, count, ignored;
    if (!eventfd_info(fd, &id, &count))
        return NULL;
    if ((count & ~0xffffull) == MARK) {
        int error = (int)(count & 0xffff);
        return fence_new(fence_contexts(1), 1, error ? -error : 1);
    }
    pthread_mutex_lock(&gpu_lock);
    struct fence *f = exported;
    for (; f; f = f->next) {
        if (!f->evid && !eventfd_info(f->evfd, &f->evid, &ignored))
            f->evid = 0;
        if (f->evid == id)
            break;
    }
    if (f)
        node_get(&f->node);
    pthread_mutex_unlock(&gpu_lock);
    return f;
}

struct fence *fence_from_fd(int fd)
{
    struct node *node = fdtab_get(fd);
    if (!node)
        return find_unseen(fd);
    if (node->type == NODE_FENCE)
        return (struct fence *)node;
    node_put(node);
    return NULL;
}

static void part_ready(struct waiter *waiter, int status)
{
    struct fence *merged = waiter->owner;
    if (status < 0 && !merged->part_error)
        merged->part_error = status;
    if (--merged->parts_left == 0) {
        fence_signal(merged, merged->part_error ? merged->part_error : 1);
        fence_put(merged); // the reference its parts held together
    }
}

// Of one FIFO only the newest fence matters.
static void add_part(struct fence *merged, struct fence *part)
{
    if (fence_status(part))
        return;
    for (unsigned i = 0; i < merged->part_count; i++) {
        struct fence *have = merged->parts[i];
        if (have->context != part->context)
            continue;
        if (part->seqno > have->seqno) {
            node_get(&part->node);
            merged->parts[i] = part;
            fence_put(have);
        }
        return;
    }
    node_get(&part->node);
    merged->parts[merged->part_count++] = part;
}

struct fence *fence_merge(struct fence *a, struct fence *b, const char *name)
{
    unsigned room = (a->part_count ? a->part_count : 1) + (b->part_count ? b->part_count : 1);
    struct fence *m = fence_new(fence_contexts(1), 1, 0);
    if (!m)
        return NULL;
    snprintf(m->name, sizeof(m->name), "%.31s", name);
    m->parts = calloc(room, sizeof(*m->parts));
    m->part_waiters = calloc(room, sizeof(*m->part_waiters));
    if (!m->parts || !m->part_waiters) {
        fence_put(m);
        return NULL;
    }
    pthread_mutex_lock(&gpu_lock);
    for (unsigned i = 0; i < 2; i++) {
        struct fence *f = i ? b : a;
        if (!f->part_count)
            add_part(m, f);
        for (unsigned k = 0; k < f->part_count; k++)
            add_part(m, f->parts[k]);
    }
    m->parts_left = m->part_count;
    for (unsigned i = 0; i < m->part_count; i++) {
        m->part_waiters[i].ready = part_ready;
        m->part_waiters[i].owner = m;
        fence_wait_on(m->parts[i], &m->part_waiters[i]);
    }
    if (m->part_count)
        node_get(&m->node);
    else
        fence_signal(m, 1);
    pthread_mutex_unlock(&gpu_lock);
    return m;
}
