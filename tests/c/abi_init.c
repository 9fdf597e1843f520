/* abi_init.c - init: its checks and their order, every flag set in the field, every version of the callbacks. */
#include "abi.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

CASE(init_bad_callbacks)
{
    static const int versions[] = { 0, 5, -1, 1 << 30 };

    EXPECT(-1, api.init(&vmm, NO_VIRGL, NULL));
    for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
        int *version = page_end(8); /* nothing but the version can be read */
        row("version %d", versions[i]);
        *version = versions[i];
        EXPECT(-1, api.init(&vmm, NO_VIRGL, (struct virgl_renderer_callbacks *)version));
    }
    row("a failure leaves the library as it was");
    EXPECT(EINVAL, api.create_fence(1, 0));
    EXPECT(0, api.init(&vmm, ASYNC | NO_VIRGL, &vmm.cbs));
}

CASE(init_again)
{
    struct iovec iov = { &vmm, PAGE };

    vmm_start(ASYNC | NO_VIRGL);
    REQUIRE(0, guest_blob(7, &iov, 1, PAGE));
    EXPECT(0, api.init(&vmm, ASYNC | NO_VIRGL, &vmm.cbs));
    EXPECT(-EINVAL, guest_blob(7, &iov, 1, PAGE)); /* still there */
}

CASE(init_busy)
{
    struct virgl_renderer_callbacks other = vmm.cbs, bad = { .version = 9 };
    struct iovec iov = { &vmm, PAGE };

    vmm_start(ASYNC | NO_VIRGL);
    REQUIRE(0, guest_blob(7, &iov, 1, PAGE));
    EXPECT(-EBUSY, api.init(&other, ASYNC | NO_VIRGL, &vmm.cbs));
    EXPECT(-EBUSY, api.init(NULL, ASYNC | NO_VIRGL, &vmm.cbs));
    EXPECT(-EBUSY, api.init(&vmm, NO_VIRGL, &vmm.cbs));
    EXPECT(-EBUSY, api.init(&vmm, NATIVE, &vmm.cbs));
    EXPECT(-EBUSY, api.init(&vmm, ASYNC | NO_VIRGL, &other));
    row("compared before the callbacks are looked at");
    EXPECT(-EBUSY, api.init(&vmm, ASYNC | NO_VIRGL, NULL));
    EXPECT(-EBUSY, api.init(&vmm, ASYNC | NO_VIRGL, &bad));
    row("the state is untouched");
    EXPECT(-EINVAL, guest_blob(7, &iov, 1, PAGE));
    EXPECT(0, api.create_fence(5, 0));
    EXPECT(1, vmm.nctx0);
    EXPECT(0, api.init(&vmm, ASYNC | NO_VIRGL, &vmm.cbs));
}

CASE(init_unknown_flags)
{
    int flags = ASYNC | NO_VIRGL | 1 << 15 | 1 << 29;

    EXPECT(0, api.init(&vmm, flags, &vmm.cbs));
    EXPECT(0, api.init(&vmm, flags, &vmm.cbs));
    api.cleanup(NULL);
    EXPECT(0, api.init(&vmm, ASYNC | NO_VIRGL | (int)(1u << 31), &vmm.cbs));
}

CASE(init_thread_sync_disabled, .env = { "VIRGL_DISABLE_MT=1" })
{
    vmm_start(ASYNC | NO_VIRGL | VIRGL_RENDERER_THREAD_SYNC);
    EXPECT(0, api.init(&vmm, ASYNC | NO_VIRGL, &vmm.cbs)); /* the flag was cleared before it was kept */
}

/* Each flag by itself and all at once: none needs a device. */
CASE(init_flags_without_drm, .env = { "DRMSIM_OPEN_ERRNO=ENOENT" })
{
    for (int bit = 0; bit <= 14; bit++) {
        if (1 << bit == VIRGL_RENDERER_DRM)
            continue;
        row("flag 1 << %d", bit);
        EXPECT(0, api.init(&vmm, 1 << bit, &vmm.cbs));
        EXPECT(0, api.create_fence(bit + 1, 0));
        api.cleanup(NULL);
    }
    row("all of them");
    EXPECT(0, api.init(&vmm, 0x7fff & ~VIRGL_RENDERER_DRM, &vmm.cbs));
    EXPECT(0, vmm.drm_fd_calls);
}

CASE(init_libkrun_fallback, .env = { "DRMSIM_OPEN_ERRNO=ENOENT" })
{
    struct virgl_renderer_callbacks v1 = { .version = 1, .write_fence = vmm.cbs.write_fence };
    uint32_t version, size;

    EXPECT(0, api.init(&vmm, NO_VIRGL, &v1));
    for (uint32_t set = 0; set < 10; set++)
        api.get_cap_set(set, &version, &size);
    EXPECT(EINVAL, api.context_create_with_flags(1, VIRGL_DRM_CAPSET, 3, "abi"));
    EXPECT(EINVAL, api.context_create(1, 3, "abi"));
    EXPECT(0, api.create_fence(1, 0));
    EXPECT(1, vmm.nctx0);
}

GPU_CASE(init_flags_in_the_field)
{
    enum {
        RUTABAGA = VIRGL_RENDERER_THREAD_SYNC | NATIVE,
        VTEST = VIRGL_RENDERER_DRM | ASYNC | VIRGL_RENDERER_THREAD_SYNC | VIRGL_RENDERER_USE_EXTERNAL_BLOB,
    };
    static const struct { const char *who; int flags; } sets[] = {
        { "QEMU", FIELD_QEMU },
        { "QEMU in numbers", 0x502 },
        { "rutabaga", RUTABAGA },
        { "rutabaga with EGL", RUTABAGA | VIRGL_RENDERER_USE_EGL | VIRGL_RENDERER_USE_GLES |
                               VIRGL_RENDERER_USE_SURFACELESS | VIRGL_RENDERER_USE_EXTERNAL_BLOB },
        { "rutabaga with Venus", RUTABAGA | VIRGL_RENDERER_VENUS | VIRGL_RENDERER_RENDER_SERVER },
        { "libkrun", NATIVE },
        { "vtest with EGL", VTEST | VIRGL_RENDERER_USE_EGL },
        { "vtest without", VTEST | NO_VIRGL },
        { "everything", 0x7fff },
    };

    for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
        row("%s", sets[i].who);
        EXPECT(0, api.init(&vmm, sets[i].flags, &vmm.cbs));
        EXPECT(0, api.context_create_with_flags(CTX, VIRGL_DRM_CAPSET, 0, NULL));
        EXPECT(0, nop(CTX));
        EXPECT(0, api.context_create_fence(CTX, 0, 0, i));
        EXPECT(1, fences_of(CTX, 0, i));
        api.cleanup(&vmm);
    }
}

CASE(init_drm_without_async, .env = { "DRMSIM_OPEN_ERRNO=ENOENT" })
{
    uint8_t caps[1024];
    uint32_t version = 9, size = 0;

    EXPECT(0, api.init(&vmm, VIRGL_RENDERER_DRM | NO_VIRGL, &vmm.cbs));
    EXPECT(0, vmm.drm_fd_calls);
    EXPECT(EINVAL, api.context_create_with_flags(1, VIRGL_DRM_CAPSET, 3, "abi"));
    api.get_cap_set(VIRGL_DRM_CAPSET, &version, &size);
    CHECK(size >= 160);
    memset(caps, 0xa5, sizeof(caps));
    api.fill_caps(VIRGL_DRM_CAPSET, 0, caps);
    for (size_t i = 0; i < sizeof(caps); i++)
        if (!EXPECT(i < size ? 0 : 0xa5, caps[i])) /* zeros, and nothing behind them */
            break;
}

/* ---- Callbacks of each version, with everything newer on memory that faults ---- */

static void callbacks_of_version(int version, size_t covered)
{
    struct virgl_renderer_callbacks *cbs = page_end(covered);
    bool fences = version >= 3;

    memcpy(cbs, &vmm.cbs, covered);
    cbs->version = version;
    read_only(cbs, covered);
    REQUIRE(0, api.init(&vmm, NATIVE, cbs));
    EXPECT(version >= 2, vmm.drm_fd_calls);
    EXPECT(0, api.create_fence(77, 0));
    EXPECT(1, vmm.nctx0);
    context(CTX);
    EXPECT(version >= 2 ? 2 : 0, vmm.drm_fd_calls);
    EXPECT(fences ? 0 : -EINVAL, api.context_create_fence(CTX, 0, 0, 5));
    EXPECT(fences, fences_of(CTX, 0, 5));
    EXPECT(fences ? 0 : -EINVAL, api.context_create_fence(CTX, 0, 1, 6));
    EXPECT(0, nop(CTX));
    EXPECT(0, api.init(&vmm, NATIVE, cbs));
    api.context_destroy(CTX);
    api.reset();
    api.poll();
}

GPU_CASE(init_callbacks_v1) { callbacks_of_version(1, offsetof(struct virgl_renderer_callbacks, get_drm_fd)); }
GPU_CASE(init_callbacks_v2) { callbacks_of_version(2, offsetof(struct virgl_renderer_callbacks, write_context_fence)); }
GPU_CASE(init_callbacks_v3) { callbacks_of_version(3, offsetof(struct virgl_renderer_callbacks, get_egl_display)); }
GPU_CASE(init_callbacks_v4) { callbacks_of_version(4, sizeof(struct virgl_renderer_callbacks)); }

GPU_CASE(init_callbacks_all_null)
{
    struct virgl_renderer_callbacks none = { .version = 4 };

    REQUIRE(0, api.init(NULL, NATIVE, &none));
    EXPECT(0, api.create_fence(1, 0));
    api.poll();
    context(CTX);
    EXPECT(0, nop(CTX));
    EXPECT(-EINVAL, api.context_create_fence(CTX, 0, 0, 1));
    EXPECT(-EINVAL, api.context_create_fence(CTX, 0, 1, 2));
}
