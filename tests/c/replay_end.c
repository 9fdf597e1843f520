/* replay_end.c - after cleanup nothing may be left: descriptors, kernel objects of the simulator. */
#define _GNU_SOURCE
#include "replay.h"

#include "../sim/drmsim.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FDS 1024
/* A language runtime keeps an epoll and an eventfd for its own threads: told apart from leaks. */
#define MAX_RUNTIME_FDS 3

struct fds {
    char *target[MAX_FDS]; /* what /proc says the descriptor is, NULL when it is not open */
};

static struct fds before;

static void list_fds(struct fds *list)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *d;

    memset(list, 0, sizeof(*list));
    if (!dir)
        return;
    while ((d = readdir(dir))) {
        int fd = atoi(d->d_name);
        char target[256];
        ssize_t n = readlinkat(dirfd(dir), d->d_name, target, sizeof(target) - 1);

        if (n > 0 && fd < MAX_FDS && fd != dirfd(dir))
            list->target[fd] = strndup(target, (size_t)n);
    }
    closedir(dir);
}

static bool of_runtime(const char *target)
{
    return !strcmp(target, "anon_inode:[eventpoll]") || !strcmp(target, "anon_inode:[eventfd]");
}

void end_before_init(struct session *s)
{
    (void)s;
    list_fds(&before);
}

static void check_fds(struct session *s, const struct vrec_event *ev)
{
    uint64_t *runtime = &s->rep->stats.runtime_fds;
    struct fds now;

    list_fds(&now);
    s->rep->answers[ANSWER_CLEANUP]++;
    for (int fd = 0; fd < MAX_FDS; fd++) {
        const char *was = before.target[fd], *is = now.target[fd];

        if (was && (!is || strcmp(was, is) != 0))
            differ(s, ev, "descriptor %d (%s) of the VMM was closed", fd, was);
        if (!is || (was && strcmp(was, is) == 0))
            continue;
        if (of_runtime(is) && *runtime < MAX_RUNTIME_FDS)
            ++*runtime;
        else
            differ(s, ev, "descriptor %d (%s) is still open after cleanup", fd, is);
    }
}

/* Only when the simulator is preloaded. */
static void check_counters(struct session *s, const struct vrec_event *ev)
{
    __typeof__(drmsim_counters) *counters;
    struct drmsim_counters c;

    *(void **)&counters = dlsym(RTLD_DEFAULT, "drmsim_counters");
    if (!counters)
        return;
    /* The simulated GPU lets go of a job just after its fence; contexts that were busy end in the background. */
    for (int ms = 0; ms < 2000; ms++) {
        counters(&c);
        if (!(c.files | c.bos | c.handles | c.queues | c.vms | c.objects | c.syncobjs | c.fences | c.jobs_running))
            break;
        usleep(1000);
    }
    if (!expect(s, ev, ANSWER_CLEANUP, "version of the simulator's counters", DRMSIM_COUNTERS_VERSION, c.version))
        return;
    expect(s, ev, ANSWER_CLEANUP, "open device files", 0, (int64_t)c.files);
    expect(s, ev, ANSWER_CLEANUP, "kernel buffers", 0, (int64_t)c.bos);
    expect(s, ev, ANSWER_CLEANUP, "GEM handles", 0, (int64_t)c.handles);
    expect(s, ev, ANSWER_CLEANUP, "submit queues", 0, (int64_t)c.queues);
    expect(s, ev, ANSWER_CLEANUP, "GPU address spaces", 0, (int64_t)c.vms);
    expect(s, ev, ANSWER_CLEANUP, "objects of the GPU", 0, (int64_t)c.objects);
    expect(s, ev, ANSWER_CLEANUP, "sync objects", 0, (int64_t)c.syncobjs);
    expect(s, ev, ANSWER_CLEANUP, "kernel fences", 0, (int64_t)c.fences);
    expect(s, ev, ANSWER_CLEANUP, "running GPU jobs", 0, (int64_t)c.jobs_running);
}

void end_after_cleanup(struct session *s, const struct vrec_event *ev)
{
    check_fds(s, ev);
    check_counters(s, ev);
}
