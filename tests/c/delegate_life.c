/* delegate_life.c - one life for both sides: init, callbacks, polling, GL contexts, logs, reset and cleanup. */
#include "delegate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

GPU_CASE(life_init)
{
    struct fake *f = fake_open("full");

    setenv("VIRGLDRM_DELEGATE", fake_path("full"), 1);
    vmm_start(QEMU);
    CHECK(f->cookie == &vmm);
    CHECK(f->cb == &vmm.cbs); /* the struct itself: every member, its version, its identity */
    EXPECT(4, f->cb->version);
    EXPECT(QEMU & ~VIRGL_RENDERER_DRM, f->flags);
    CALLS(f, "init ");
    row("with the same arguments again");
    EXPECT(0, api.init(&vmm, QEMU, &vmm.cbs));
    CALLS(f, "init ");
    row("with others");
    EXPECT(-EBUSY, api.init(&vmm, ASYNC, &vmm.cbs));
    CALLS(f, "");
    row("after cleanup");
    api.cleanup(NULL);
    CALLS(f, "cleanup(?) ");
    api.cleanup(NULL);
    api.poll();
    api.reset();
    EXPECT(EINVAL, their_context(THEIR_CTX));
    CALLS(f, "");
    vmm_start(ASYNC);
    EXPECT(ASYNC, f->flags);
    CALLS(f, "init ");
    EXPECT(1, dlopens);
    api.cleanup(&vmm);
    CALLS(f, "cleanup(cookie) ");
}

/* A virglrenderer calls the callbacks for GL contexts without a look. */
GPU_CASE(life_init_without_gl_callbacks)
{
    struct fake *f = fake_open("full");

    setenv("VIRGLDRM_DELEGATE", fake_path("full"), 1);
    for (int i = 0; i < 3; i++) {
        struct virgl_renderer_callbacks cbs = vmm.cbs;

        row("without callback %d", i);
        if (i == 0)
            cbs.create_gl_context = NULL;
        else if (i == 1)
            cbs.destroy_gl_context = NULL;
        else
            cbs.make_current = NULL;
        EXPECT(0, api.init(&vmm, QEMU, &cbs));
        CALLS(f, "");
        EXPECT(0, api.resource_create(&(struct virgl_renderer_resource_create_args){ .handle = 9 }, NULL, 0));
        api.cleanup(NULL);
        EXPECT(0, api.init(&vmm, QEMU | VIRGL_RENDERER_VENUS, &cbs));
        EXPECT((QEMU | VIRGL_RENDERER_VENUS | VIRGL_RENDERER_NO_VIRGL) & ~VIRGL_RENDERER_DRM, f->flags);
        CALLS(f, "init ");
        api.cleanup(NULL);
        CALLS(f, "cleanup(?) ");
        EXPECT(0, api.init(&vmm, QEMU | VIRGL_RENDERER_USE_EGL, &cbs));
        EXPECT((QEMU | VIRGL_RENDERER_USE_EGL) & ~VIRGL_RENDERER_DRM, f->flags);
        CALLS(f, "init ");
        api.cleanup(NULL);
        CALLS(f, "cleanup(?) ");
    }
}

CASE(life_init_without_gpu)
{
    struct fake *f = fake_open("full");

    setenv("VIRGLDRM_DELEGATE", fake_path("full"), 1);
    setenv("VIRGLDRM_RENDER_NODE", "/dev/null", 1);
    CHECK(api.init(&vmm, QEMU, &vmm.cbs) != 0);
    CALLS(f, "init cleanup(cookie) ");
    EXPECT(EINVAL, their_context(THEIR_CTX));
    CALLS(f, "");
}

GPU_CASE(life_lost_at_second_init)
{
    struct fake *f = two_sides();

    f->init_answer = -5;
    EXPECT(0, api.init(&vmm, QEMU, &vmm.cbs));
    CALLS(f, isolation() ? "init " : "init cleanup(cookie) ");
    EXPECT(EINVAL, api.submit_cmd(NULL, THEIR_CTX, 0));
    EXPECT(0, nop(CTX));
    api.resource_unref(THEIR_RES);
    CALLS(f, "");
}

GPU_CASE(life_callbacks)
{
    struct virgl_renderer_gl_ctx_param param = { 0 };
    struct fake *f = two_sides();

    f->cb->write_fence(f->cookie, 7);
    f->cb->write_context_fence(f->cookie, THEIR_CTX, 1, 8);
    EXPECT(7, vmm.ctx0[0]);
    EXPECT(1, fences_of(THEIR_CTX, 1, 8));
    f->cb->make_current(f->cookie, 0, f->cb->create_gl_context(f->cookie, 0, &param));
    f->cb->get_egl_display(f->cookie);
    f->cb->get_server_fd(f->cookie, 0);
    EXPECT(4, vmm.gl_calls);
    vmm.gl_calls = 0;
}

/* A callback from inside a GL call may call the library, and so may another thread. */
static void back_into_the_library(void)
{
    CHECK(nop(CTX) == 0);
    CHECK(api.context_create_fence(CTX, 0, 0, 3) == 0);
    api.context_destroy(CTX);
}

GPU_CASE(life_reentry)
{
    struct fake *f = two_sides();

    f->on_call = back_into_the_library;
    EXPECT(0, api.submit_cmd(NULL, THEIR_CTX, 0));
    EXPECT(1, fences_of(CTX, 0, 3));
    EXPECT(EINVAL, nop(CTX));
}

/* ---- force_ctx_0 ---- */

GPU_CASE(life_force_ctx_0)
{
    struct fake *f = two_sides();
    struct guest g = guest(CTX + 2);

    row("native commands switch no GL context");
    for (int i = 0; i < 3; i++) {
        api.force_ctx_0();
        run_job(&g, 0);
        api.force_ctx_0();
        REQUIRE(0, api.context_create_fence(g.ctx, 0, 1, 10 + (uint64_t)i));
        api.force_ctx_0();
        REQUIRE(0, nop(CTX));
        api.poll();
        f->calls[0] = 0;
    }
    api.force_ctx_0();
    api.poll();
    CALLS(f, "poll ");
    row("the next call of the delegate's does, once");
    api.submit_cmd(NULL, THEIR_CTX, 0);
    api.submit_cmd(NULL, THEIR_CTX, 0);
    CALLS(f, "force_ctx_0 submit_cmd(2,0) submit_cmd(2,0) ");
    row("and so does the first poll after one");
    api.force_ctx_0();
    api.poll();
    api.force_ctx_0();
    api.poll();
    CALLS(f, "force_ctx_0 poll poll ");
    CHECK(fence_comes(g.ctx, 1, 12));
}

CASE(life_force_ctx_0_before_init)
{
    api.force_ctx_0();
    CALLS(delegate_start(ASYNC), "");
}

/* ---- Fences of no context, and polling ---- */

GPU_CASE(life_create_fence)
{
    struct fake *f = two_sides();

    EXPECT(0, api.create_fence(41, 9));
    f->answer = 77;
    EXPECT(77, api.create_fence(-2, 0));
    EXPECT(0, vmm.nctx0); /* theirs to report */
    CALLS(f, "create_fence(41,9) create_fence(-2,0) ");
    f->answer = 33;
    EXPECT(33, api.get_poll_fd());
    CALLS(f, "get_poll_fd ");
}

CASE(life_create_fence_without_gl)
{
    struct fake *f = delegate_start(NO_VIRGL | VIRGL_RENDERER_VENUS);

    REQUIRE(0, api.create_fence(41, 0));
    EXPECT(41, vmm.ctx0[0]);
    EXPECT(EINVAL, their_resource(THEIR_RES));
    CALLS(f, "");
    api.poll();
    EXPECT(2, vmm.nctx0);
    CALLS(f, "poll ");
    EXPECT(0, api.context_create_with_flags(THEIR_CTX, 4, 0, NULL));
    CALLS(f, "context_create_with_flags(2,4,0) ");
}

/* Each side reports its own, in its own order. */
GPU_CASE(life_fence_order)
{
    struct fake *f = two_sides();
    struct guest g = guest(CTX + 2);

    sim("hang");
    pending_fence(&g, 0, 1);
    REQUIRE(0, api.context_create_fence(THEIR_CTX, 1, 2, 2));
    CALLS(f, "context_create_fence(2,1,2,2) ");
    f->cb->write_context_fence(f->cookie, THEIR_CTX, 2, 2);
    REQUIRE(0, api.context_create_fence(g.ctx, 0, 1, 3));
    EXPECT(1, fences_total());
    sim("unhang");
    CHECK(fence_comes(g.ctx, 1, 3));
    EXPECT(1, vmm.fences[1].id);
    EXPECT(3, vmm.fences[2].id);
}

/* ---- Reset ---- */

GPU_CASE(life_reset)
{
    struct fake *f = two_sides();

    api.reset();
    CALLS(f, "reset ");
    EXPECT(EINVAL, api.submit_cmd(NULL, THEIR_CTX, 0));
    EXPECT(EINVAL, nop(CTX));
    CALLS(f, "");
    row("every id is free, for either side");
    context(THEIR_CTX);
    buffer(THEIR_CTX, THEIR_RES, MAPPABLE);
    EXPECT(0, their_context(CTX));
    EXPECT(0, their_resource(OUR_RES));
    CALLS(f, "context_create_with_flags(1,2,4) resource_create(30,0) ");
}

/* ---- Logs ---- */

CASE(life_log)
{
    struct fake *f = delegate_start(ASYNC);

    log_start();
    REQUIRE_TRUE(f->log != NULL);
    f->log(VIRGL_LOG_LEVEL_INFO, "vrend: as it is\n", f->log_user);
    CHECK(!strcmp(log_lines, "1 vrend: as it is\n"));
    api.set_log_callback(NULL, NULL, NULL);
    f->log(VIRGL_LOG_LEVEL_ERROR, "silent\n", f->log_user);
    CHECK(!logged("silent"));
}

static void call(virgl_debug_callback_type cb, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    cb(fmt, ap);
    va_end(ap);
}

CASE(life_log_of_an_old_one)
{
    struct fake *f = fake_open("old");

    setenv("VIRGLDRM_DELEGATE", fake_path("old"), 1);
    vmm_start(ASYNC);
    log_start();
    REQUIRE_TRUE(f->debug != NULL);
    call(f->debug, "context %d\n", 5);
    CHECK(!strcmp(log_lines, "2 context 5\n"));
}

CASE(life_log_default, .env = { "VIRGL_LOG_LEVEL=warning", "VIRGL_LOG_FILE=/tmp/virgldrm-delegate-%PID%" })
{
    struct fake *f = delegate_start(ASYNC);
    char path[64], text[256] = "";
    FILE *file;

    snprintf(path, sizeof(path), "/tmp/virgldrm-delegate-%d", getpid());
    f->log(VIRGL_LOG_LEVEL_INFO, "below\n", f->log_user);
    f->log(VIRGL_LOG_LEVEL_WARNING, "above\n", f->log_user);
    file = fopen(path, "r");
    REQUIRE_TRUE(file != NULL);
    CHECK(fgets(text, sizeof(text), file) && !strcmp(text, "above\n"));
    fclose(file);
    unlink(path);
    strcat(path, " (deleted)");
    leaks_allow(path);
}
