/* replay_asahi.c - the driver asahi: its commands, the ids a guest has from the host, its GPU. */
#include "replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ioctls of drm/asahi_drm.h that a guest makes, and where their argument starts in command and response. */
#define VM_CREATE 0xc0186442u
#define VM_DESTROY 0x40086443u
#define QUEUE_CREATE 0xc0186448u
#define QUEUE_DESTROY 0x40086449u
#define BIND_UNBIND 1u
#define REQ_ARG offsetof(struct asahi_ccmd_ioctl_simple_req, payload)
#define RSP_ARG offsetof(struct asahi_ccmd_ioctl_simple_rsp, payload)
#define IOCTL_READS(nr) ((nr) >> 31)
#define IOCTL_SIZE(nr) ((nr) >> 16 & 0x3fff)

static size_t answer_size(const struct ccmd *c)
{
    uint32_t nr = ccmd_word(c, offsetof(struct asahi_ccmd_ioctl_simple_req, cmd));

    switch (c->cmd) {
    case ASAHI_CCMD_IOCTL_SIMPLE:
        return sizeof(struct asahi_ccmd_ioctl_simple_rsp) + (IOCTL_READS(nr) ? IOCTL_SIZE(nr) : 0);
    case ASAHI_CCMD_GET_PARAMS:
        return sizeof(struct asahi_ccmd_get_params_rsp) +
               ccmd_word(c, offsetof(struct asahi_ccmd_get_params_req, params.size));
    case ASAHI_CCMD_GEM_BIND_OBJECT:
        return ccmd_word(c, offsetof(struct asahi_ccmd_gem_bind_object_req, bind.op)) == 0
                   ? sizeof(struct asahi_ccmd_gem_bind_object_rsp)
                   : 0;
    default:
        return 0;
    }
}

/* ---- Ids: the recorded host and this one number address spaces and queues in their own ways. ---- */

enum id_kind { ID_VM, ID_QUEUE };

static struct id {
    struct id *next;
    enum id_kind kind;
    uint32_t ctx, recorded, ours;
} *ids;

static void learn(uint32_t ctx, enum id_kind kind, uint32_t recorded, uint32_t ours)
{
    struct id *id = malloc(sizeof(*id));

    *id = (struct id){ids, kind, ctx, recorded, ours};
    ids = id;
}

static void translate(uint8_t *word, uint32_t ctx, enum id_kind kind)
{
    uint32_t recorded;

    memcpy(&recorded, word, sizeof(recorded));
    for (struct id *id = ids; id; id = id->next)
        if (id->ctx == ctx && id->kind == kind && id->recorded == recorded) {
            memcpy(word, &id->ours, sizeof(id->ours));
            return;
        }
}

static void to_host(uint32_t ctx, const struct ccmd *c, uint8_t *raw)
{
    switch (c->cmd) {
    case ASAHI_CCMD_IOCTL_SIMPLE:
        switch (ccmd_word(c, offsetof(struct asahi_ccmd_ioctl_simple_req, cmd))) {
        case VM_DESTROY:
            translate(raw + REQ_ARG, ctx, ID_VM);
            break;
        case QUEUE_CREATE:
            translate(raw + REQ_ARG + 4, ctx, ID_VM);
            break;
        case QUEUE_DESTROY:
            translate(raw + REQ_ARG, ctx, ID_QUEUE);
            break;
        }
        break;
    case ASAHI_CCMD_GEM_NEW:
        translate(raw + offsetof(struct asahi_ccmd_gem_new_req, vm_id), ctx, ID_VM);
        break;
    case ASAHI_CCMD_VM_BIND:
        translate(raw + offsetof(struct asahi_ccmd_vm_bind_req, vm_id), ctx, ID_VM);
        break;
    case ASAHI_CCMD_SUBMIT:
        translate(raw + offsetof(struct asahi_ccmd_submit_req, queue_id), ctx, ID_QUEUE);
        break;
    }
}

/* The host chose this id: any will do that is one. */
static void host_chose(uint32_t ctx, enum id_kind kind, uint8_t *want, const uint8_t *got)
{
    uint32_t recorded, ours;

    memcpy(&recorded, want, sizeof(recorded));
    memcpy(&ours, got, sizeof(ours));
    if (!recorded != !ours)
        return;
    learn(ctx, kind, recorded, ours);
    memcpy(want, got, sizeof(ours));
}

static void from_host(uint32_t ctx, const struct ccmd *c, uint8_t *want, const uint8_t *got)
{
    uint32_t size = ccmd_word(c, offsetof(struct asahi_ccmd_get_params_req, params.size));
    const size_t params = sizeof(struct asahi_ccmd_get_params_rsp), generation = params + 8;

    switch (c->cmd) {
    case ASAHI_CCMD_IOCTL_SIMPLE:
        switch (ccmd_word(c, offsetof(struct asahi_ccmd_ioctl_simple_req, cmd))) {
        case VM_CREATE:
            host_chose(ctx, ID_VM, want + RSP_ARG + 16, got + RSP_ARG + 16);
            break;
        case QUEUE_CREATE:
            translate(want + RSP_ARG + 4, ctx, ID_VM); /* as it was sent */
            host_chose(ctx, ID_QUEUE, want + RSP_ARG + 12, got + RSP_ARG + 12);
            break;
        }
        break;
    case ASAHI_CCMD_GET_PARAMS: /* what the GPU is, but for its generation, is the host's own */
        memcpy(want + params, got + params, size < 8 ? size : 8);
        if (size > 12)
            memcpy(want + generation + 4, got + generation + 4, size - 12);
        break;
    }
}

/* ---- Errors: the recorded kernel accepted everything, which shows in async_error. ---- */

static bool attached(const struct vrec_event *ev, uint32_t ctx, uint32_t res)
{
    while ((--ev)->kind != VREC_LOAD) {
        if (ev->res != res)
            continue;
        if (ev->kind == VREC_UNREF || (ev->kind == VREC_DETACH && ev->ctx == ctx))
            return false;
        if ((ev->kind == VREC_ATTACH || ev->kind == VREC_BLOB_ENTER) && ev->ctx == ctx)
            return true;
    }
    return false;
}

/* Guests may close a buffer before a buffered command that names it is sent. */
static uint32_t errors(const struct vrec_event *submit, const struct ccmd *c)
{
    uint32_t stride = ccmd_word(c, offsetof(struct asahi_ccmd_vm_bind_req, stride));
    uint32_t count = ccmd_word(c, offsetof(struct asahi_ccmd_vm_bind_req, count));

    for (uint32_t i = 0; c->cmd == ASAHI_CCMD_VM_BIND && i < count; i++) {
        size_t op = offsetof(struct asahi_ccmd_vm_bind_req, payload) + (size_t)i * stride;

        if (!(ccmd_word(c, op) & BIND_UNBIND) && !attached(submit, submit->ctx, ccmd_word(c, op + 4)))
            return 1;
    }
    return 0;
}

static void gpu(const struct virgl_renderer_capset_drm *c, char *out, size_t size)
{
    (void)c; /* guests ask by GET_PARAMS */
    snprintf(out, size, "Apple");
}

const struct driver driver_asahi = {
    .context_type = VIRTGPU_DRM_CONTEXT_ASAHI,
    .capset_size = offsetof(struct virgl_renderer_capset_drm, u),
    .submit = ASAHI_CCMD_SUBMIT,
    .names =
        {
            [ASAHI_CCMD_NOP] = "NOP",
            [ASAHI_CCMD_IOCTL_SIMPLE] = "IOCTL_SIMPLE",
            [ASAHI_CCMD_GET_PARAMS] = "GET_PARAMS",
            [ASAHI_CCMD_GEM_NEW] = "GEM_NEW",
            [ASAHI_CCMD_VM_BIND] = "VM_BIND",
            [ASAHI_CCMD_SUBMIT] = "SUBMIT",
            [ASAHI_CCMD_GEM_BIND_OBJECT] = "GEM_BIND_OBJECT",
        },
    .answer_size = answer_size,
    .no_rsp_lines = true,
    .to_host = to_host,
    .from_host = from_host,
    .errors = errors,
    .gpu = gpu,
};
