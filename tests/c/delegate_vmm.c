/* delegate_vmm.c - the machine the delegate is looked for on, the fake one's notes, and the log. */
#define _GNU_SOURCE
#include "delegate.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- The machine: these come before libc's for the library as well ---- */

int dlopens, dlopen_flags;
static struct { const char *path, *file; } files[4];

void machine_has(const char *path, const char *file)
{
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        if (!files[i].path) {
            files[i].path = path;
            files[i].file = strdup(file);
            return;
        }
    }
    refuse("this machine has enough files");
}

static const char *really(const char *path)
{
    for (size_t i = 0; path && i < sizeof(files) / sizeof(*files); i++)
        if (files[i].path && !strcmp(files[i].path, path))
            return files[i].file;
    return path;
}

static bool is_system(const char *path) { return path && !strncmp(path, "/usr/", 5) && strstr(path, "libvirglrenderer"); }

int access(const char *path, int mode)
{
    const char *file = really(path);

    if (file == path && is_system(path)) {
        errno = ENOENT;
        return -1;
    }
    return euidaccess(file, mode);
}

void *dlopen(const char *path, int flags)
{
    void *(*real)(const char *, int) = (__typeof__(real))dlsym(RTLD_NEXT, "dlopen");

    dlopens++;
    dlopen_flags = flags;
    return real(really(path), flags);
}

/* ---- The fake ---- */

const char *fake_path(const char *name)
{
    static char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);

    REQUIRE_TRUE(n > 0);
    path[n] = 0;
    sprintf(strrchr(path, '/'), "/delegate-%s.so", name);
    return path;
}

/* With another malloc than libc's, jemalloc or a sanitizer's, RTLD_DEEPBIND would mix the two. */
int isolation(void)
{
    Dl_info libc, heap;

    REQUIRE_TRUE(dladdr((void *)gnu_get_libc_version, &libc) && dladdr((void *)free, &heap));
    return libc.dli_fbase == heap.dli_fbase ? RTLD_DEEPBIND : 0;
}

struct fake *fake_open(const char *name)
{
    void *lib = dlopen(fake_path(name), RTLD_NOW | RTLD_LOCAL | isolation()); /* the first open decides */
    struct fake *f;

    REQUIRE_TRUE(lib != NULL);
    f = dlsym(lib, "fake");
    REQUIRE_TRUE(f != NULL);
    dlopens = 0;
    return f;
}

struct fake *delegate_start(int flags)
{
    struct fake *f = fake_open("full");

    setenv("VIRGLDRM_DELEGATE", fake_path("full"), 1);
    f->fd_type = VIRGL_RENDERER_BLOB_FD_TYPE_DMABUF;
    vmm_start(flags);
    f->calls[0] = 0;
    return f;
}

int their_context(uint32_t ctx) { return api.context_create_with_flags(ctx, 2, 4, "virgl"); }

int their_resource(uint32_t res)
{
    struct virgl_renderer_resource_create_args args = { .handle = res, .target = 2, .width = 1, .height = 1, .depth = 1 };

    return api.resource_create(&args, NULL, 0);
}

struct fake *two_sides(void)
{
    struct fake *f = delegate_start(QEMU);

    context(CTX);
    buffer(CTX, OUR_RES, MAPPABLE | SHAREABLE);
    CALLS(f, "");
    REQUIRE(0, their_context(THEIR_CTX));
    REQUIRE(0, their_resource(THEIR_RES));
    CALLS(f, "context_create_with_flags(2,2,4) resource_create(20,0) ");
    return f;
}

bool expect_calls(const char *file, int line, struct fake *f, const char *want)
{
    char what[sizeof(f->calls) + 256];
    bool ok = !strcmp(f->calls, want);

    snprintf(what, sizeof(what), "the delegate is asked \"%s\", not \"%s\"", want, f->calls);
    f->calls[0] = 0;
    return expect_true(file, line, what, ok);
}

/* ---- The log ---- */

char log_lines[16384];

static void note_line(enum virgl_log_level_flags level, const char *message, void *user)
{
    size_t n = strlen(log_lines);

    CHECK(user == log_lines);
    snprintf(log_lines + n, sizeof(log_lines) - n, "%d %s", (int)level, message);
}

void log_start(void) { api.set_log_callback(note_line, log_lines, NULL); }

bool logged(const char *part) { return strstr(log_lines, part) != NULL; }
