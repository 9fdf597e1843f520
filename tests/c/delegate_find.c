/* delegate_find.c - which library becomes the delegate, and when it is loaded. */
#define _GNU_SOURCE
#include "delegate.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ALONE = ASYNC, WARNING = VIRGL_LOG_LEVEL_WARNING, ERROR = VIRGL_LOG_LEVEL_ERROR };

/* Runs without a delegate after that setting, and says so in one line that has both parts. */
static void alone(const char *setting, const char *reason, const char *hint)
{
    uint32_t version = 9, size = 9;
    char *line;

    setenv("VIRGLDRM_DELEGATE", setting, 1);
    log_start();
    vmm_start(ALONE);
    row("%s", log_lines);
    CHECK(logged(reason));
    CHECK(logged(hint));
    CHECK((line = strchr(log_lines, '\n')) && !line[1]);
    api.get_cap_set(2, &version, &size);
    EXPECT(0, version);
    EXPECT(0, size);
    EXPECT(EINVAL, their_context(THEIR_CTX));
    REQUIRE(0, api.create_fence(5, 0));
    EXPECT(1, vmm.nctx0);
    EXPECT(-1, api.get_poll_fd());
}

CASE(find_absent) { alone("/nonexistent/libvirglrenderer.so.1", "running without one", "/nonexistent/"); }
CASE(find_relative) { alone("build/delegate-full.so", "neither an absolute path nor", "build/delegate-full.so"); }
CASE(find_no_library) { alone("/etc/passwd", "running without one", "/etc/passwd"); }
CASE(find_lacks_a_function)
{
    alone(fake_path("lacks"), "has no virgl_renderer_get_rect", "install virglrenderer 0.10 or later");
}

CASE(find_init_fails)
{
    struct fake *f = fake_open("full");

    f->init_answer = -17;
    alone(fake_path("full"), "failed with -17", fake_path("full"));
    CALLS(f, isolation() ? "init " : "init cleanup(cookie) ");
}

/* The library's own file, as the loader knows it. */
static const char *own_file(void)
{
    static char path[4096];
    Dl_info info;
    void *init;

    memcpy(&init, &api.init, sizeof(init));
    REQUIRE_TRUE(dladdr(init, &info) != 0);
    REQUIRE_TRUE(realpath(info.dli_fname, path) != NULL);
    return path;
}

static const char *beside(const char *suffix)
{
    static char path[4200];

    snprintf(path, sizeof(path), "%s.%d.%s", own_file(), getpid(), suffix);
    return path;
}

CASE(find_ourselves_linked)
{
    REQUIRE(0, link(own_file(), beside("hard")));
    alone(beside("hard"), "is this library itself", "set VIRGLDRM_DELEGATE to the distribution's");
    unlink(beside("hard"));
}

CASE(find_ourselves_symlinked)
{
    REQUIRE(0, symlink(own_file(), beside("soft")));
    alone(beside("soft"), "is this library itself", "");
    unlink(beside("soft"));
}

static const char *copy_of_ours(void)
{
    static char path[4200];
    char command[9000];

    snprintf(path, sizeof(path), "%s", beside("copy"));
    snprintf(command, sizeof(command), "LD_PRELOAD= cp '%s' '%s'", own_file(), path);
    REQUIRE(0, system(command));
    return path;
}

CASE(find_ourselves_copied)
{
    alone(copy_of_ours(), "is this library itself", "");
    unlink(beside("copy")); /* it is in use: not to be written to any more */
}

CASE(find_none)
{
    uint32_t version = 9, size = 9;

    fake_open("full");
    machine_has("/usr/lib/libvirglrenderer.so.1", fake_path("full"));
    setenv("VIRGLDRM_DELEGATE", "none", 1);
    log_start();
    api.get_cap_set(2, &version, &size);
    EXPECT(0, size);
    vmm_start(ALONE);
    EXPECT(0, dlopens);
    EXPECT(0, strlen(log_lines)); /* as asked: nothing to tell */
}

/* ---- Without VIRGLDRM_DELEGATE ---- */

static void search(void)
{
    unsetenv("VIRGLDRM_DELEGATE");
    log_start();
    vmm_start(ALONE);
}

CASE(find_system)
{
    struct fake *f = fake_open("full");

    machine_has("/usr/lib64/libvirglrenderer.so.1", fake_path("full"));
    machine_has("/usr/lib/libvirglrenderer.so.1", "/etc/passwd");
    search();
    CALLS(f, "init ");
    EXPECT(1, dlopens);
    EXPECT(RTLD_NOW | RTLD_LOCAL | isolation(), dlopen_flags); /* its names are ours: its own calls must stay in it */
    CHECK(logged("1 drm: delegate: /usr/lib64/libvirglrenderer.so.1 serves everything but native contexts\n"));
}

CASE(find_system_diverted)
{
    struct fake *f = fake_open("full");

    machine_has("/usr/lib/libvirglrenderer.so.1", own_file());
    machine_has("/usr/lib/libvirglrenderer.so.1.distrib", fake_path("full"));
    search();
    CALLS(f, "init ");
}

CASE(find_system_behind_a_copy)
{
    struct fake *f = fake_open("full");

    machine_has("/usr/local/lib/libvirglrenderer.so.1", copy_of_ours());
    machine_has("/usr/lib/libvirglrenderer.so.1", fake_path("full"));
    search();
    CALLS(f, "init ");
    unlink(beside("copy")); /* it is in use: not to be written to any more */
}

CASE(find_system_broken)
{
    struct fake *f = fake_open("full");

    machine_has("/usr/lib64/libvirglrenderer.so.1", "/etc/passwd");
    machine_has("/usr/lib/libvirglrenderer.so.1", fake_path("full"));
    search();
    CALLS(f, "");
    CHECK(logged("running without one"));
}

CASE(find_system_nothing)
{
    dlopens = 0;
    search();
    EXPECT(0, dlopens);
    CHECK(logged("2 drm: delegate: there is no other libvirglrenderer.so.1"));
}

/* ---- When ---- */

CASE(find_not_at_load)
{
    struct fake *f = fake_open("full");
    uint32_t version = 9, size = 9;

    setenv("VIRGLDRM_DELEGATE", fake_path("full"), 1);
    api.get_cap_set(VIRGL_DRM_CAPSET, &version, &size);
    CHECK(size >= 160);
    api.force_ctx_0();
    api.poll();
    EXPECT(-1, api.get_poll_fd());
    EXPECT(0, dlopens);
    CALLS(f, "");
}

CASE(find_by_capset)
{
    static const uint32_t sets[] = { 1, 2, 4, 7 };
    struct fake *f = fake_open("full");
    uint32_t version = 9, size = 9;
    uint8_t caps[8] = { 0 };

    setenv("VIRGLDRM_DELEGATE", fake_path("full"), 1);
    for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
        row("capset %u", sets[i]);
        api.get_cap_set(sets[i], &version, &size);
        EXPECT(sets[i], version);
        EXPECT(sets[i] * 100, size);
    }
    api.fill_caps(4, 3, caps);
    EXPECT(0x77, caps[3]);
    EXPECT(0, caps[4]);
    EXPECT(1, dlopens);
    CALLS(f, "get_cap_set(1) get_cap_set(2) get_cap_set(4) get_cap_set(7) fill_caps(4,3) ");
}

CASE(find_wanted)
{
    static const struct { int flags; const char *calls; } rows[] = {
        { 0, "init " }, { ASYNC, "init " }, { NO_VIRGL, "" }, { NO_VIRGL | ASYNC, "" },
        { NO_VIRGL | VIRGL_RENDERER_VENUS, "init " }, { NO_VIRGL | VIRGL_RENDERER_RENDER_SERVER, "init " },
    };
    struct fake *f = fake_open("full");

    setenv("VIRGLDRM_DELEGATE", fake_path("full"), 1);
    log_start();
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        row("flags %#x", rows[i].flags);
        vmm_start(rows[i].flags);
        CALLS(f, rows[i].calls);
        CHECK(!logged("render server"));
        api.cleanup(NULL);
        f->calls[0] = 0;
    }
}

CASE(find_not_wanted)
{
    struct fake *f = fake_open("full");
    uint32_t version = 9, size = 9;

    setenv("VIRGLDRM_DELEGATE", fake_path("full"), 1);
    vmm_start(NO_VIRGL | ASYNC);
    api.get_cap_set(2, &version, &size); /* after init it is known that there is none */
    EXPECT(0, version);
    EXPECT(0, size);
    EXPECT(0, dlopens);
    CALLS(f, "");
}
