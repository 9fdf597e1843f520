/* abi_vmm.c - the VMM of the cases: callbacks that take notes, and looks at the process. */
#define _GNU_SOURCE
#include "abi.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void write_fence(void *cookie, uint32_t fence)
{
    CHECK(cookie == &vmm);
    pthread_mutex_lock(&vmm.lock);
    if (vmm.nctx0 < MAX_NOTES)
        vmm.ctx0[vmm.nctx0++] = fence;
    else
        vmm.lost_notes++;
    pthread_mutex_unlock(&vmm.lock);
}

static void write_context_fence(void *cookie, uint32_t ctx, uint32_t ring, uint64_t id)
{
    if (cookie != &vmm)
        CHECK(cookie == &vmm);
    pthread_mutex_lock(&vmm.lock);
    if (vmm.nfences < MAX_NOTES)
        vmm.fences[vmm.nfences++] = (struct fence_note){ ctx, ring, id, pthread_self() };
    else
        vmm.lost_notes++;
    pthread_mutex_unlock(&vmm.lock);
    if (vmm.on_fence)
        vmm.on_fence(ctx, ring, id);
}

static int get_drm_fd(void *cookie)
{
    CHECK(cookie == &vmm);
    vmm.drm_fd_calls++;
    return vmm.drm_fd ? vmm.drm_fd() : -1;
}

/* A library without GL and Venus never asks for any of these. */
static virgl_renderer_gl_context create_gl(void *cookie, int scanout, struct virgl_renderer_gl_ctx_param *param)
{
    (void)cookie, (void)scanout, (void)param;
    vmm.gl_calls++;
    return NULL;
}

static void destroy_gl(void *cookie, virgl_renderer_gl_context ctx)
{
    (void)cookie, (void)ctx;
    vmm.gl_calls++;
}

static int make_current(void *cookie, int scanout, virgl_renderer_gl_context ctx)
{
    (void)cookie, (void)scanout, (void)ctx;
    vmm.gl_calls++;
    return 0;
}

static int get_server_fd(void *cookie, uint32_t version)
{
    (void)cookie, (void)version;
    vmm.gl_calls++;
    return -1;
}

static void *get_egl_display(void *cookie)
{
    (void)cookie;
    vmm.gl_calls++;
    return NULL;
}

struct vmm vmm = {
    .cbs = {
        .version = 4,
        .write_fence = write_fence,
        .create_gl_context = create_gl,
        .destroy_gl_context = destroy_gl,
        .make_current = make_current,
        .get_drm_fd = get_drm_fd,
        .write_context_fence = write_context_fence,
        .get_server_fd = get_server_fd,
        .get_egl_display = get_egl_display,
    },
    .lock = PTHREAD_MUTEX_INITIALIZER,
};

void vmm_start(int flags)
{
    REQUIRE(0, api.init(&vmm, flags, &vmm.cbs));
}

unsigned fences_of(uint32_t ctx, uint32_t ring, uint64_t id)
{
    unsigned n = 0;

    pthread_mutex_lock(&vmm.lock);
    for (unsigned i = 0; i < vmm.nfences; i++)
        n += vmm.fences[i].ctx == ctx && vmm.fences[i].ring == ring && vmm.fences[i].id == id;
    pthread_mutex_unlock(&vmm.lock);
    return n;
}

unsigned fences_total(void)
{
    pthread_mutex_lock(&vmm.lock);
    unsigned n = vmm.nfences;
    pthread_mutex_unlock(&vmm.lock);
    return n;
}

bool fence_comes(uint32_t ctx, uint32_t ring, uint64_t id)
{
    for (int ms = 0; ms < 2000 && !fences_of(ctx, ring, id); ms++)
        usleep(1000);
    return fences_of(ctx, ring, id) == 1;
}

void settle(void) { usleep(30000); }

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- Memory and descriptors ---- */

void *page_range(size_t size)
{
    void *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    REQUIRE_TRUE(p != MAP_FAILED);
    return p;
}

void *page_end(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *p = page_range(2 * page);

    REQUIRE(0, mprotect(p, page, PROT_READ | PROT_WRITE));
    memset(p, 0xa5, page);
    return p + page - size;
}

void read_only(void *end, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    REQUIRE(0, mprotect((char *)end + size - page, page, PROT_READ));
}

unsigned maps_lines(const char *part)
{
    FILE *f = fopen("/proc/self/maps", "re");
    char line[512];
    unsigned n = 0;

    while (f && fgets(line, sizeof(line), f))
        n += strstr(line, part) != NULL;
    if (f)
        fclose(f);
    return n;
}

bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

bool is_cloexec(int fd) { return fcntl(fd, F_GETFD) == FD_CLOEXEC; }

bool is_readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, 0) == 1 && p.revents & POLLIN;
}

uint64_t inode_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) ? 0 : st.st_ino;
}

unsigned open_with_inode(uint64_t inode)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *d;
    unsigned n = 0;

    while (dir && (d = readdir(dir)))
        n += d->d_name[0] != '.' && atoi(d->d_name) != dirfd(dir) && inode_of(atoi(d->d_name)) == inode;
    if (dir)
        closedir(dir);
    return n;
}

int small_file(size_t size)
{
    int fd = memfd_create("abi-file", MFD_CLOEXEC);

    REQUIRE_TRUE(fd >= 0);
    REQUIRE(0, ftruncate(fd, (off_t)size));
    return fd;
}

/* ---- The simulated kernel, if it is preloaded ---- */

bool sim_present(void) { return dlsym(RTLD_DEFAULT, "drmsim_control") != NULL; }

void sim(const char *command)
{
    __typeof__(drmsim_control) *control;

    *(void **)&control = dlsym(RTLD_DEFAULT, "drmsim_control");
    REQUIRE_TRUE(control != NULL);
    REQUIRE(0, control(command));
}

struct drmsim_counters sim_counters(void)
{
    __typeof__(drmsim_counters) *counters;
    struct drmsim_counters c = { 0 };

    *(void **)&counters = dlsym(RTLD_DEFAULT, "drmsim_counters");
    REQUIRE_TRUE(counters != NULL);
    counters(&c);
    REQUIRE(DRMSIM_COUNTERS_VERSION, c.version);
    return c;
}
