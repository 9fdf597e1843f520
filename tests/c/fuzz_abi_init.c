// fuzz_abi: init, reset, cleanup, and making contexts.
#include "fuzz_abi.h"

static void write_fence(void *cookie, uint32_t fence)
{
    (void)cookie, (void)fence;
    vmm.ctx0_reports++;
}

static int get_drm_fd(void *cookie)
{
    (void)cookie;
    return one_in(8) ? -1 : open(vmm.odd && one_in(4) ? "/dev/null" : "/dev/dri/renderD128", O_RDWR | O_CLOEXEC);
}

// ---- Init and its end

static struct virgl_renderer_callbacks callbacks[] = {
    { .version = 3, .write_fence = write_fence, .write_context_fence = write_context_fence },
    { .version = 4, .write_fence = write_fence, .get_drm_fd = get_drm_fd, .write_context_fence = write_context_fence },
    { .version = 3, .get_drm_fd = get_drm_fd, .write_context_fence = write_context_fence },
    { .version = 2, .write_fence = write_fence, .get_drm_fd = get_drm_fd, .write_context_fence = write_context_fence },
    { .version = 1, .write_fence = write_fence, .get_drm_fd = get_drm_fd, .write_context_fence = write_context_fence },
    { .version = 3, .write_fence = write_fence },
    { .version = 5 },
};

void op_init(void)
{
    bool again = vmm.up && one_in(2);
    struct virgl_renderer_callbacks *cbs = again ? vmm.cbs : &callbacks[one_in(4) ? below(7) : below(2)];
    int flags = again ? vmm.flags : (int)(VIRGL_RENDERER_DRM | VIRGL_RENDERER_ASYNC_FENCE_CB | (rnd() & 0x8cf));

    if (!again && one_in(16))
        flags = (int)rnd();
    if (!again && one_in(16))
        cbs = NULL;
    note("init flags=%#x version=%d", (unsigned)flags, cbs ? cbs->version : -1);
    int r = api.init(&vmm, flags, cbs);
    if (vmm.up) {
        EXPECT(r == (cbs == vmm.cbs && flags == vmm.flags ? 0 : -EBUSY));
        return;
    }
    EXPECT(r <= 0);
    if (!cbs || cbs->version > 4) {
        EXPECT(r == -1);
        return;
    }
    EXPECT(r == 0 || vmm.faults || vmm.odd);
    if (r)
        return;
    vmm.up = true;
    vmm.cbs = cbs;
    vmm.flags = flags;
    vmm.drm = flags & VIRGL_RENDERER_DRM && flags & VIRGL_RENDERER_ASYNC_FENCE_CB;
    vmm.fences = vmm.drm && cbs->version >= 3 && cbs->write_context_fence;
    vmm.ctx0 = cbs->write_fence;
}

void op_end(void)
{
    bool down = one_in(2);

    vmm.ending = true;
    note(down ? "cleanup" : "reset");
    if (down)
        api.cleanup(&vmm);
    else
        api.reset();
    vmm.ending = false;
    for (unsigned i = 0; i < CONTEXTS; i++)
        vmm.ctx[i].ending = false;
    forget(down);
    if (down && !one_in(4))
        op_init();
}

void op_context(void)
{
    unsigned c = below(4);
    uint32_t flags = one_in(8) ? corner() : 6;
    char name[64];

    memset(name, 'n', sizeof(name));
    if (one_in(8)) {
        note("context_create ctx=%u", ctx_ids[c]);
        EXPECT(api.context_create(ctx_ids[c], 4, one_in(2) ? NULL : name) == EINVAL);
        return;
    }
    uint32_t nlen = one_in(4) ? corner() : below(65);
    note("context_create_with_flags ctx=%u flags=%#x nlen=%u", ctx_ids[c], flags, nlen);
    int r = api.context_create_with_flags(ctx_ids[c], flags, nlen, one_in(4) ? NULL : name);
    EXPECT(r == 0 || r == EINVAL || (r == ENOMEM && (vmm.faults || vmm.odd)));
    EXPECT((r == EINVAL) == (!vmm.drm || flags != 6));
    EXPECT(api.context_create_with_flags(0, 6, 0, NULL) == EINVAL);
    if (r || vmm.ctx[c].alive)
        return;
    vmm.ctx[c].alive = true;
    struct virgl_renderer_resource_create_blob_args a = { new_res(), ctx_ids[c], 2, 1, 0, SHMEM, NULL, 0 };
    uint32_t queue[8] = { 2, 32, 1, 0, 0xc00c644a, 0, 0, 0 };
    if (one_in(16) || create_blob(&a))
        return;
    share(a.res_handle);
    for (queue[6] = 0; queue[6] < 3; queue[6]++) {
        note("submit_cmd ctx=%u SUBMITQUEUE_NEW", ctx_ids[c]);
        EXPECT(api.submit_cmd(queue, (int)ctx_ids[c], 8) <= 0);
    }
}

void op_context_misc(void)
{
    unsigned c = any_ctx();

    note("get_dev_fd, context_poll, context_get_poll_fd ctx=%u", ctx_ids[c]);
    int fd = api.get_dev_fd((int)ctx_ids[c]);
    EXPECT(vmm.ctx[c].alive ? fd >= 0 && fcntl(fd, F_GETFD) >= 0 : fd == -EINVAL);
    api.context_poll(ctx_ids[c]);
    EXPECT(api.context_get_poll_fd(ctx_ids[c]) == -1);
}
