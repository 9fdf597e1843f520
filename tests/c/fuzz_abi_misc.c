// fuzz_abi: the other calls on resources, capsets, GL, log, and the kernel's moods.
#include "fuzz_abi.h"

void op_classic(void)
{
    uint32_t id = any_res();
    struct virgl_renderer_resource_create_args a = { .handle = id, .target = rnd(), .width = corner(), .height = corner() };
    bool null = one_in(16), with = one_in(2);

    if (one_in(6)) {
        note("resource_import_eglimage res=%u", id);
        EXPECT(api.resource_import_eglimage(null ? NULL : &a, &a) == EINVAL);
        return;
    }
    note("resource_create res=%u iovs=%d", id, with);
    int r = api.resource_create(null ? NULL : &a, with ? iovs : NULL, with ? 4 : 0);
    EXPECT(r == (null || !id || !vmm.drm ? EINVAL : vmm.res[id].known ? -EINVAL : 0));
    if (r == 0) {
        vmm.res[id].known = true;
        vmm.res[id].size = 0;
        vmm.res[id].iov = with ? iovs : NULL;
        vmm.res[id].niov = with ? 4 : 0;
    }
}

void op_attach(void)
{
    unsigned c = any_ctx();
    uint32_t id = any_res();
    bool detach = one_in(3);

    note("ctx_%s_resource ctx=%u res=%u", detach ? "detach" : "attach", ctx_ids[c], id);
    (detach ? api.ctx_detach_resource : api.ctx_attach_resource)((int)ctx_ids[c], (int)id);
}

void op_unref(void)
{
    uint32_t id = any_res();

    note("resource_unref res=%u", id);
    api.resource_unref(id);
    memset(&vmm.res[id], 0, sizeof(vmm.res[id]));
}

void op_info(void)
{
    uint32_t id = any_res(), info = 77;
    struct virgl_renderer_resource_info plain;
    struct virgl_renderer_resource_info_ext ext;
    void *canary = &ext;

    memset(&plain, 0x55, sizeof(plain));
    memset(&ext, 0x55, sizeof(ext));
    ext.d3d_tex2d = canary;
    note("resource_get_map_info, get_info, get_info_ext res=%u", id);
    int r = api.resource_get_map_info(id, one_in(16) ? NULL : &info);
    EXPECT(r == 0 ? vmm.res[id].known && info >= 1 && info <= 3 : r == -EINVAL && info == 77);
    r = api.resource_get_info((int)id, &plain);
    EXPECT(r == (vmm.res[id].known ? 0 : EINVAL));
    EXPECT(r || (plain.handle == id && plain.fd >= -1 && plain.width == 0));
    r = api.resource_get_info_ext((int)id, &ext);
    EXPECT(r == 0 ? ext.base.handle == id && vmm.res[id].known : r == EINVAL);
    EXPECT(ext.d3d_tex2d == canary);
    EXPECT(api.resource_get_info((int)id, NULL) == EINVAL && api.resource_get_info_ext((int)id, NULL) == EINVAL);
}

void op_iov(void)
{
    uint32_t id = any_res();
    struct iovec *got = (struct iovec *)&vmm;
    int n = 99;

    if (one_in(2)) {
        n = (int)below(5);
        note("resource_attach_iov res=%u n=%d", id, n);
        int r = api.resource_attach_iov((int)id, iovs, n);
        EXPECT(r == (vmm.res[id].known && !vmm.res[id].iov ? 0 : EINVAL));
        if (r == 0)
            vmm.res[id].iov = iovs, vmm.res[id].niov = n;
        return;
    }
    bool null = one_in(8);
    note("resource_detach_iov res=%u", id);
    api.resource_detach_iov((int)id, null ? NULL : &got, &n);
    EXPECT(vmm.res[id].known ? n == vmm.res[id].niov : n == 99);
    EXPECT(got == (vmm.res[id].known && !null ? vmm.res[id].iov : (struct iovec *)&vmm));
    vmm.res[id].iov = NULL, vmm.res[id].niov = 0;
}

void op_priv(void)
{
    uint32_t id = any_res();
    void *p = (void *)(uintptr_t)rnd();

    note("resource_set_priv, get_priv res=%u", id);
    EXPECT(api.resource_get_priv(id) == vmm.res[id].priv);
    api.resource_set_priv(id, p);
    if (vmm.res[id].known)
        vmm.res[id].priv = p;
    EXPECT(api.resource_get_priv(id) == vmm.res[id].priv);
}

void op_transfer(void)
{
    struct virgl_box { uint32_t x, y, z, w, h, d; } box = { 0, 0, 0, corner(), corner(), 1 };
    unsigned c = any_ctx();
    uint32_t id = any_res(), ctx = one_in(2) ? 0 : ctx_ids[c];
    bool write = one_in(2);

    note("transfer_%s_iov res=%u ctx=%u", write ? "write" : "read", id, ctx);
    int r = write ? api.transfer_write_iov(id, ctx, 0, rnd(), 0, (void *)&box, rnd(), iovs, 4)
                  : api.transfer_read_iov(id, ctx, 0, rnd(), 0, (void *)&box, rnd(), NULL, 0);
    EXPECT(r == 0 || r == -1 || r == EINVAL);
    EXPECT(vmm.res[id].known || r == EINVAL);
    EXPECT((r == -1) == (vmm.res[id].known && ctx && vmm.ctx[c].alive));
}

void op_execute(void)
{
    static uint8_t args[4096];
    struct virgl_renderer_export_query *q = (void *)args;
    uint32_t size = one_in(4) ? corner() : ONE_OF(0, 4, 11, 12, 20, 20, 88, 88, 89, 4096);
    uint32_t id = any_res();

    q->hdr.stype = one_in(4) ? below(4) : size == 20 ? 2 : 1;
    q->hdr.stype_version = one_in(8);
    q->hdr.size = one_in(8) ? corner() : size;
    if (size != 20)
        q->in_resource_id = id;
    q->in_export_fds = one_in(8);
    note("execute stype=%u size=%u/%u res=%u", q->hdr.stype, size, q->hdr.size, id);
    int r = api.execute(one_in(16) ? NULL : args, size);
    EXPECT(r == 0 || r == -EINVAL);
    EXPECT(r || (vmm.up && q->hdr.size == size && (size == 20 || (size == 88 && vmm.res[id].known && q->out_fds[0] == -1))));
}

void op_caps(void)
{
    uint8_t caps[4096];
    uint32_t set = one_in(3) ? corner() : 6, ver = 77, size = 77;
    bool null = one_in(16);

    memset(caps, 0x5a, sizeof(caps));
    note("get_cap_set, fill_caps set=%u", set);
    api.get_cap_set(set, null ? NULL : &ver, &size);
    EXPECT(size == (set == 6 ? sizeof(struct virgl_renderer_capset_drm) : 0) && ver == (null ? 77 : 0));
    api.fill_caps(set, rnd(), null ? NULL : caps);
    uint32_t written = set == 6 && vmm.up && !null ? size : 0;
    for (uint32_t i = written; i < sizeof(caps); i++)
        EXPECT(caps[i] == 0x5a);
    EXPECT(!written || caps[16] == vmm.drm); // context_type: msm or none
}

void op_gl(void)
{
    uint32_t w = 77, h = 77;
    int fd = 77, stride = 77, offset = 77;

    note("calls for GL");
    EXPECT(api.get_cursor_data(any_res(), &w, &h) == NULL && w == 77 && h == 77);
    EXPECT(api.get_fd_for_texture(rnd(), &fd) == -1 && fd == 77);
    EXPECT(api.get_fd_for_texture2(rnd(), &fd, &stride, &offset) == -1 && fd == 77 && stride == 77 && offset == 77);
    api.get_rect((int)any_res(), iovs, 4, rnd(), 0, 0, (int)corner(), (int)corner());
    api.force_ctx_0();
    EXPECT(api.get_poll_fd() == -1);
}

atomic_ulong sinks, freed;

void log_line(enum virgl_log_level_flags level, const char *message, void *user)
{
    size_t n = strlen(message);

    if (level > VIRGL_LOG_LEVEL_ERROR || n == 0 || message[n - 1] != '\n' || (user && *(int *)user != 42))
        found("log line of level %d: %s", level, message);
    if (level == VIRGL_LOG_LEVEL_ERROR && strstr(message, "internal error"))
        found("%s", message);
}

static void debug_line(const char *fmt, va_list ap)
{
    char line[64];

    vsnprintf(line, sizeof(line), fmt, ap);
}

static void free_user(void *user)
{
    *(int *)user = 0;
    free(user);
    freed++;
}

void op_log(void)
{
    note("set_log_callback, set_debug_callback");
    if (one_in(2)) {
        EXPECT(api.set_debug_callback(one_in(4) ? NULL : debug_line) != NULL);
    } else if (one_in(4)) {
        api.set_log_callback(NULL, NULL, NULL);
    } else {
        int *user = malloc(sizeof(*user));

        *user = 42;
        sinks++;
        api.set_log_callback(log_line, user, free_user);
    }
}

// Leaves a few descriptors to open, or all.
void allow_descriptors(bool all)
{
    static struct rlimit usual;
    struct rlimit few;

    if (!usual.rlim_cur)
        getrlimit(RLIMIT_NOFILE, &usual);
    few = usual;
    int next = fcntl(0, F_DUPFD_CLOEXEC, 3);
    if (next >= 0) {
        close(next);
        few.rlim_cur = (rlim_t)next + below(8);
    }
    setrlimit(RLIMIT_NOFILE, all ? &usual : &few);
}

void op_kernel(void)
{
    char line[80];

    if (vmm.faults && one_in(8)) {
        bool all = !one_in(3);

        note("(kernel: %s descriptors)", all ? "all" : "few");
        allow_descriptors(all);
        return;
    }

    switch (below(5)) {
    case 0:
        snprintf(line, sizeof(line), "hang ring=%u", below(3));
        break;
    case 1:
        snprintf(line, sizeof(line), "gpu_us %u", ONE_OF(0, 0, 50, 1000));
        break;
    case 2:
        snprintf(line, sizeof(line), "%s", vmm.faults && one_in(2) ? "gpu_error errno=EIO" : "fault");
        break;
    default:
        snprintf(line, sizeof(line), "unhang");
    }
    if (vmm.faults && one_in(2)) {
        static const char *const kinds[] = { "OPEN", "MMAP", "VERSION", "SET_CLIENT_NAME", "GEM_CLOSE", "PRIME_HANDLE_TO_FD", "PRIME_FD_TO_HANDLE",
            "MERGE", "GET_PARAM", "GEM_NEW", "GEM_INFO", "SET_IOVA", "CPU_PREP", "SUBMIT", "WAIT_FENCE", "SUBMITQUEUE_NEW", "SUBMITQUEUE_CLOSE" };
        static const char *const errors[] = { "EINVAL", "ENOMEM", "EIO", "ENODEV", "EINTR", "EAGAIN", "EBUSY", "ENOSPC", "EMFILE" };

        snprintf(line, sizeof(line), "fail %s nth=%u count=%u errno=%s", kinds[below(17)], 1 + below(4), 1 + below(3), errors[below(9)]);
    }
    note("(kernel: %s)", line);
    if (control(line))
        found("the simulated kernel refuses: %s", line);
}
