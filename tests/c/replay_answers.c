/* replay_answers.c - rsp lines for recordings of drivers whose responses the recorder did not know. */
#include "replay.h"

#include <stdlib.h>
#include <string.h>

/* The response memories as recorded: what changed is in the shm lines, the rest is as it was. */
static struct past {
    struct past *next;
    uint32_t ctx;
    uint64_t size;
    uint8_t *bytes;
} *pasts;

static struct past *past_of(uint32_t ctx)
{
    struct past *p = pasts;

    while (p && p->ctx != ctx)
        p = p->next;
    return p;
}

static void begin(const struct vrec_event *init, uint64_t size)
{
    struct past *p = calloc(1, sizeof(*p));

    *p = (struct past){pasts, init->ctx, size, calloc(1, size)};
    memcpy(p->bytes, init->data, init->len < size ? init->len : size);
    pasts = p;
}

static void change(const struct vrec_event *shm)
{
    struct past *p = past_of(shm->ctx);

    if (p && shm->off <= p->size && shm->len <= p->size - shm->off)
        memcpy(p->bytes + shm->off, shm->data, shm->len);
}

/* The response of one command as an rsp line behind the submit's return. */
static bool response(const struct driver *d, const struct vrec_event *ret, const struct ccmd *c, struct vrec_event *out)
{
    struct past *p = past_of(ret->ctx);
    uint32_t len = (uint32_t)d->answer_size(c), base;

    if (!len || !p)
        return false;
    memcpy(&base, p->bytes + 4, sizeof(base));
    *out = (struct vrec_event){.kind = VREC_RSP, .line = ret->line, .tid = ret->tid, .name = "rsp", .ctx = ret->ctx,
                               .cmd = c->cmd, .seqno = c->seqno, .off = c->rsp_off, .len = len};
    out->data = calloc(len, 1);
    if ((uint64_t)base + c->rsp_off + len <= p->size)
        memcpy(out->data, p->bytes + base + c->rsp_off, len);
    memcpy(out->data, &len, sizeof(len));
    return true;
}

static bool of_submit(const struct vrec_event *ev)
{
    return ev->kind == VREC_SHM || ev->kind == VREC_FENCE_RETIRED || ev->kind == VREC_IGNORED;
}

void add_answers(struct vrec *rec, const struct driver *d)
{
    const struct vrec_event *in = rec->events, *end = in + rec->nevents, *submit = NULL;
    size_t n = 0, most = (size_t)rec->nevents;
    uint64_t blob_size = 0;

    for (int i = 0; i < rec->nevents; i++)
        most += rec->events[i].kind == VREC_SUBMIT_ENTER ? rec->events[i].len / sizeof(struct vdrm_ccmd_req) : 0;
    struct vrec_event *out = calloc(most, sizeof(*out));
    while (in < end) {
        struct ccmd c = {0};

        if (in->kind == VREC_BLOB_ENTER && in->id == 0)
            blob_size = in->size;
        if (in->kind == VREC_SHM_INIT)
            begin(in, blob_size);
        if (in->kind == VREC_SHM)
            change(in);
        if (in->kind == VREC_SUBMIT_ENTER)
            submit = in;
        const struct vrec_event *ret = in->kind == VREC_SUBMIT && in->result == 0 ? in : NULL;
        out[n++] = *in++;
        while (ret && in < end && of_submit(in)) {
            if (in->kind == VREC_SHM)
                change(in);
            out[n++] = *in++;
        }
        while (ret && submit && ccmd_next(submit, &c))
            n += response(d, ret, &c, &out[n]);
    }
    free(rec->events);
    rec->events = out;
    rec->nevents = (int)n;
}
