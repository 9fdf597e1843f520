/* abi_leaks.c - after cleanup nothing may be left: descriptors, mappings, objects of the simulated kernel. */
#define _GNU_SOURCE
#include "abi.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FDS 1024

static char *before[MAX_FDS]; /* what /proc says each descriptor is, NULL when it is not open */
static unsigned memfds_before;
static const char *allowed[4];

void leaks_allow(const char *path)
{
    for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++) {
        if (!allowed[i]) {
            allowed[i] = strdup(path);
            return;
        }
    }
}

static void list_fds(char *list[MAX_FDS])
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *d;

    memset(list, 0, MAX_FDS * sizeof(*list));
    while (dir && (d = readdir(dir))) {
        int fd = atoi(d->d_name);
        char target[256];
        ssize_t n = readlinkat(dirfd(dir), d->d_name, target, sizeof(target) - 1);

        if (n > 0 && fd < MAX_FDS && fd != dirfd(dir))
            list[fd] = strndup(target, (size_t)n);
    }
    if (dir)
        closedir(dir);
}

/* Buffers and response memory are memfds, on the simulated kernel and in the library. */
static unsigned mapped_memfds(void)
{
    return maps_lines("/memfd:drmsim") + maps_lines("/memfd:virgl") + maps_lines("/memfd:abi");
}

void leaks_before(void)
{
    list_fds(before);
    memfds_before = mapped_memfds();
}

static bool is_allowed(const char *target)
{
    for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++)
        if (allowed[i] && !strcmp(target, allowed[i]))
            return true;
    return false;
}

/* libc opens a file for a moment when a thread first allocates. */
static void settled_fds(char *now[MAX_FDS])
{
    for (int ms = 0; ms < 1000; ms++) {
        int more = 0;

        list_fds(now);
        for (int fd = 0; fd < MAX_FDS; fd++)
            more += !before[fd] && now[fd] && !is_allowed(now[fd]);
        if (!more)
            return;
        usleep(1000);
    }
}

static void check_fds(void)
{
    char *now[MAX_FDS];

    if (getenv("ABI_ANY_FDS")) /* a library that counts what it runs keeps an epoll of Go's */
        return;
    settled_fds(now);
    for (int fd = 0; fd < MAX_FDS; fd++) {
        if (before[fd]) {
            row("descriptor %d, before the case %s, now %s", fd, before[fd], now[fd] ? now[fd] : "closed");
            CHECK(now[fd] && !strcmp(before[fd], now[fd]));
        } else if (now[fd]) {
            row("descriptor %d, left open after cleanup: %s", fd, now[fd]);
            CHECK(is_allowed(now[fd]));
        }
    }
    row("at the end");
}

static bool any_left(const struct drmsim_counters *c)
{
    return c->files || c->bos || c->handles || c->queues || c->syncobjs || c->fences || c->jobs_running;
}

static void check_kernel(void)
{
    struct drmsim_counters left;

    if (!sim_present())
        return;
    sim("unhang");
    for (int ms = 0; ms < 2000; ms++) { /* jobs still running keep their buffers */
        left = sim_counters();
        if (!any_left(&left))
            break;
        usleep(1000);
    }
    EXPECT(0, left.files);
    EXPECT(0, left.bos);
    EXPECT(0, left.handles);
    EXPECT(0, left.queues);
    EXPECT(0, left.syncobjs);
    EXPECT(0, left.fences);
    EXPECT(0, left.jobs_running);
}

void leaks_after(void)
{
    api.cleanup(NULL);
    check_kernel();
    check_fds();
    EXPECT(memfds_before, mapped_memfds());
    EXPECT(0, vmm.gl_calls);
    EXPECT(0, vmm.lost_notes);
}
