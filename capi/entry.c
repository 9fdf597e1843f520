// The public functions for the library's life, its capsets and what knows no
// context: answered here or by the delegate. calls.c has those that go on to Go.
// Before init, and in a forked copy of the process, every id is unknown.
#include "entry.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t init_lock = PTHREAD_MUTEX_INITIALIZER;

// A thread may fork while another is inside init, whose lock nobody in the
// child would ever release.
static void in_child(void) { pthread_mutex_init(&init_lock, NULL); }
__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(NULL, NULL, in_child); }

int vd_initialised;

// The newest fence of create_fence that poll reports once more; 0: none.
static uint32_t poll_again; // atomic
static uint32_t poll_fence;

// ---- init and its end

static int first_init(void *cookie, int flags, struct virgl_renderer_callbacks *cb)
{
    char err[256];
    int r;

    if (!cb || cb->version < 1 || cb->version > VIRGL_RENDERER_CALLBACKS_VERSION) {
        vd_log(VIRGL_LOG_LEVEL_ERROR, "init: callbacks are NULL or of an unknown version: give version 1 to 4");
        return -1;
    }
    if (vd_forked()) {
        vd_log(VIRGL_LOG_LEVEL_ERROR, "init: this process was forked after the library was used: fork first, then call init");
        return -ENOTSUP;
    }
    if (!vd_boot(err, sizeof(err)) || !vd_ready()) {
        vd_log(VIRGL_LOG_LEVEL_ERROR, err);
        return -ENOMEM;
    }
    vd_vmm = (struct vd_vmm){ cookie, flags, cb };
    vd_delegate_init(cookie, flags, cb);
    if (flags & VIRGL_RENDERER_RENDER_SERVER && !vd_delegate_state.live)
        vd_log(VIRGL_LOG_LEVEL_WARNING, "init: there is no render server here, the flag is ignored");
    r = vd_go_init(flags);
    if (r) {
        vd_delegate_cleanup(cookie);
        vd_vmm = (struct vd_vmm){ 0 };
    } else {
        __atomic_store_n(&vd_initialised, 1, __ATOMIC_RELEASE);
    }
    return r;
}

int virgl_renderer_init(void *cookie, int flags, struct virgl_renderer_callbacks *cb)
{
    int r = 0;

    if (getenv("VIRGL_DISABLE_MT"))
        flags &= ~VIRGL_RENDERER_THREAD_SYNC;
    pthread_mutex_lock(&init_lock);
    if (!__atomic_load_n(&vd_initialised, __ATOMIC_ACQUIRE) || vd_forked())
        r = first_init(cookie, flags, cb);
    else if (cookie != vd_vmm.cookie || flags != vd_vmm.flags || cb != vd_vmm.callbacks)
        r = -EBUSY;
    else
        vd_delegate_init_again(cookie, flags, cb);
    pthread_mutex_unlock(&init_lock);
    return r;
}

void virgl_renderer_reset(void)
{
    NEED();
    vd_go_reset();
    if (vd_delegate()->reset)
        vd_delegate()->reset();
}

void virgl_renderer_cleanup(void *cookie)
{
    NEED();
    if (!vd_go_cleanup())
        return; // a callback of it has cleaned up, and maybe begun anew
    __atomic_store_n(&vd_initialised, 0, __ATOMIC_RELEASE);
    vd_delegate_cleanup(cookie);
    __atomic_store_n(&poll_again, 0, __ATOMIC_RELAXED);
    vd_vmm = (struct vd_vmm){ 0 };
}

// ---- capsets: ours is answered at any time, the others by a delegate that may have to be loaded for it

static const struct vd_delegate *capsets(void)
{
    static const struct vd_delegate none;

    if (!__atomic_load_n(&vd_initialised, __ATOMIC_ACQUIRE))
        return vd_delegate_load();
    return live() ? vd_delegate() : &none;
}

void virgl_renderer_get_cap_set(uint32_t set, uint32_t *max_ver, uint32_t *max_size)
{
    uint32_t version = 0, size = 0;

    if (set == VIRGL_DRM_CAPSET)
        size = sizeof(struct virgl_renderer_capset_drm);
    else if (capsets()->get_cap_set)
        capsets()->get_cap_set(set, &version, &size);
    if (max_ver)
        *max_ver = version;
    if (max_size)
        *max_size = size;
}

void virgl_renderer_fill_caps(uint32_t set, uint32_t version, void *caps)
{
    if (set != VIRGL_DRM_CAPSET) {
        if (capsets()->fill_caps && caps)
            capsets()->fill_caps(set, version, caps);
        return;
    }
    NEED();
    vd_go_fill_caps(set, version, caps);
}

// ---- fences of no context, and polling

// With GL, what was done before is done when the GL work is. Without it all earlier work was executed when it was
// submitted, so the fence is done; a VMM without ASYNC_FENCE_CB files its command after this call and asks poll.
int virgl_renderer_create_fence(int client_fence_id, uint32_t ctx_id)
{
    NEED(EINVAL);
    if (vd_delegate_state.gl)
        return DELEGATE(EINVAL, create_fence, (client_fence_id, ctx_id));
    if (!(vd_vmm.flags & VIRGL_RENDERER_ASYNC_FENCE_CB)) { // before the callback, which may clean up
        poll_fence = (uint32_t)client_fence_id;
        __atomic_store_n(&poll_again, 1, __ATOMIC_RELEASE);
    }
    vd_vmm_write_fence((uint32_t)client_fence_id);
    return 0;
}

void virgl_renderer_poll(void)
{
    if (__builtin_expect(__atomic_exchange_n(&poll_again, 0, __ATOMIC_ACQ_REL), 0) && live())
        vd_vmm_write_fence(poll_fence);
    if (vd_delegate_state.live && live())
        vd_delegate_poll();
}

int virgl_renderer_get_poll_fd(void)
{
    NEED(-1);
    return DELEGATE(-1, get_poll_fd, ());
}

void virgl_renderer_force_ctx_0(void) { vd_delegate_state.force = true; }

// ---- GL alone

void virgl_renderer_context_poll(uint32_t ctx_id)
{
    NEED();
    if (vd_go_context_is_theirs(ctx_id))
        DELEGATE((void)0, context_poll, (ctx_id));
}

int virgl_renderer_context_get_poll_fd(uint32_t ctx_id)
{
    NEED(-1);
    return vd_go_context_is_theirs(ctx_id) ? DELEGATE(-1, context_get_poll_fd, (ctx_id)) : -1;
}

void *virgl_renderer_get_cursor_data(uint32_t resource_id, uint32_t *width, uint32_t *height)
{
    NEED(NULL);
    if (!vd_go_resource_is_theirs(resource_id))
        return NULL;
    return vd_delegate_gives(DELEGATE(NULL, get_cursor_data, (resource_id, width, height)));
}

void virgl_renderer_get_rect(int resource_id, struct iovec *iov, unsigned int num_iovs, uint32_t offset, int x, int y,
                             int width, int height)
{
    NEED();
    if (vd_go_resource_is_theirs((uint32_t)resource_id))
        DELEGATE((void)0, get_rect, (resource_id, iov, num_iovs, offset, x, y, width, height));
}

int virgl_renderer_get_fd_for_texture(uint32_t tex_id, int *fd)
{
    NEED(-1);
    return DELEGATE(-1, get_fd_for_texture, (tex_id, fd));
}

int virgl_renderer_get_fd_for_texture2(uint32_t tex_id, int *fd, int *stride, int *offset)
{
    NEED(-1);
    return DELEGATE(-1, get_fd_for_texture2, (tex_id, fd, stride, offset));
}
