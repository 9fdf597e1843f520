// A library in front of the real one that breaks one thing, named by BREAK, to
// show that the replayer notices. Functions it does not define come from the
// real library behind it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define VIRGL_RENDERER_UNSTABLE_APIS 1
#include "virgl_renderer_drm.h"

#define REAL(name) ((__typeof__(virgl_renderer_##name) *)dlsym(RTLD_NEXT, "virgl_renderer_" #name))

static bool breaks(const char *what)
{
    const char *b = getenv("BREAK");

    return b && !strcmp(b, what);
}

// The newest response memory: the blob with id 0, where the VMM mapped it.
static uint32_t shm_res;
static volatile uint8_t *shm;

int virgl_renderer_resource_create_blob(const struct virgl_renderer_resource_create_blob_args *args)
{
    if (args->blob_id == 0)
        shm_res = args->res_handle;
    return REAL(resource_create_blob)(args);
}

int virgl_renderer_resource_map_fixed(uint32_t res, void *addr)
{
    int r = REAL(resource_map_fixed)(res, addr);

    if (res == shm_res)
        shm = addr;
    return breaks("return") ? -22 : r;
}

int virgl_renderer_submit_cmd(void *buffer, int ctx, int ndw)
{
    const uint32_t *ccmd = buffer; // command, length, seqno, rsp_off
    int r = REAL(submit_cmd)(buffer, ctx, ndw);

    if (breaks("response") && ndw >= 5 && ccmd[0] == MSM_CCMD_IOCTL_SIMPLE)
        shm[16 + ccmd[3] + 4] ^= 1;
    if (breaks("seqno"))
        shm[0] ^= 1;
    if (breaks("beside"))
        shm[0x3000] ^= 1;
    return r;
}

void virgl_renderer_fill_caps(uint32_t set, uint32_t version, void *caps)
{
    REAL(fill_caps)(set, version, caps);
    if (breaks("capset"))
        ((uint8_t *)caps)[40] ^= 1;
}

static struct virgl_renderer_callbacks vmm;
static void *vmm_cookie;
static unsigned fences;

static void on_fence(void *cookie, uint32_t ctx, uint32_t ring, uint64_t id)
{
    bool third = ++fences == 3;

    if (third && breaks("fence-lost"))
        return;
    vmm.write_context_fence(cookie, ctx, ring + (third && breaks("fence-ring")), id);
    if (third && breaks("fence-twice"))
        vmm.write_context_fence(cookie, ctx, ring, id);
}

int virgl_renderer_context_create_fence(uint32_t ctx, uint32_t flags, uint32_t ring, uint64_t id)
{
    if (ring > 0 && breaks("fence-early"))
        vmm.write_context_fence(vmm_cookie, ctx, ring, id + 1);
    return REAL(context_create_fence)(ctx, flags, ring, id);
}

int virgl_renderer_init(void *cookie, int flags, struct virgl_renderer_callbacks *cb)
{
    static struct virgl_renderer_callbacks mine;

    vmm = mine = *cb;
    vmm_cookie = cookie;
    mine.write_context_fence = on_fence;
    return REAL(init)(cookie, flags, &mine);
}
