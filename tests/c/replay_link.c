/* replay_link.c - checks that the lines of a recording belong together, and ties them to each other. */
#include "replay.h"

#include <stdlib.h>
#include <string.h>

static uint32_t le32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static const struct {
    enum vrec_kind enter, ret;
} pairs[] = {
    {VREC_INIT_ENTER, VREC_INIT},     {VREC_CTX_DESTROY_ENTER, VREC_CTX_DESTROY}, {VREC_BLOB_ENTER, VREC_BLOB},
    {VREC_SUBMIT_ENTER, VREC_SUBMIT}, {VREC_FENCE_ENTER, VREC_FENCE},
};

static bool same_call(const struct vrec_event *a, const struct vrec_event *b)
{
    if (a->kind == VREC_BLOB_ENTER) /* its closing line has no ctx= */
        return a->res == b->res;
    return a->ctx == b->ctx && a->ring == b->ring && a->fence == b->fence;
}

/* Calls come from one thread, so an -enter line is open until its closing line. */
static bool link_calls(struct vrec *rec)
{
    struct vrec_event *open = NULL;

    for (int i = 0; i < rec->nevents; i++) {
        struct vrec_event *ev = &rec->events[i];

        for (size_t k = 0; k < sizeof(pairs) / sizeof(pairs[0]); k++) {
            if (ev->kind == pairs[k].enter) {
                if (open)
                    return vrec_error(rec->path, ev->line, "%s: '%s' of line %d has not returned yet", ev->name,
                                      open->name, open->line);
                open = ev;
            } else if (ev->kind == pairs[k].ret) {
                if (!open || open->kind != pairs[k].enter || !same_call(open, ev))
                    return vrec_error(rec->path, ev->line, "%s: no '%s-enter' line belongs to it", ev->name, ev->name);
                open->ret = open->last = ev;
                open = NULL;
            }
        }
    }
    return !open || vrec_error(rec->path, open->line, "%s: the call never returns", open->name);
}

/* rsp and shm lines follow the submit that caused them, on the same thread. */
static bool link_answers(struct vrec *rec)
{
    struct vrec_event *submit = NULL;

    for (int i = 0; i < rec->nevents; i++) {
        struct vrec_event *ev = &rec->events[i];

        if (ev->kind == VREC_SUBMIT_ENTER) {
            submit = ev;
        } else if (ev->kind == VREC_RSP || ev->kind == VREC_SHM) {
            if (submit && submit->ret < ev && submit->ctx == ev->ctx && submit->tid == ev->tid) {
                ev->call = submit;
                submit->last = ev;
            } else if (ev->kind == VREC_RSP) {
                return vrec_error(rec->path, ev->line, "rsp: no submit_cmd of context %u comes before it", ev->ctx);
            }
        } else if (submit && ev->tid == submit->tid && ev->kind != VREC_SUBMIT && ev->kind != VREC_IDLE &&
                   ev->kind != VREC_FENCE_RETIRED && ev->kind != VREC_IGNORED) {
            submit = NULL;
        }
    }
    return true;
}

static struct vrec_event *find_back(struct vrec *rec, struct vrec_event *from, enum vrec_kind kind, uint32_t ctx,
                                    uint32_t res)
{
    while (from-- > rec->events)
        if (from->kind == kind && (ctx == 0 || from->ctx == ctx) && (res == 0 || from->res == res))
            return from;
    return NULL;
}

/* Size of a context's response memory and where responses start in it. */
static bool shm_layout(struct vrec *rec, struct vrec_event *ev, uint64_t *size, uint32_t *base)
{
    struct vrec_event *init = find_back(rec, ev, VREC_SHM_INIT, ev->ctx, 0);
    struct vrec_event *blob = init ? find_back(rec, init, VREC_BLOB_ENTER, ev->ctx, init->res) : NULL;

    if (!blob)
        return vrec_error(rec->path, ev->line, "%s: context %u has no response memory yet", ev->name, ev->ctx);
    *size = blob->size;
    *base = le32(init->data + 4);
    return true;
}

/* The rsp line of one answered command: exactly one, agreeing with the request. */
static bool check_response(struct vrec *rec, struct vrec_event *submit, const struct ccmd *c)
{
    for (struct vrec_event *ev = submit->ret + 1; ev <= submit->last; ev++)
        if (ev->call == submit && ev->kind == VREC_RSP && ev->seqno == c->seqno)
            return (ev->cmd == c->cmd && ev->off == c->rsp_off) ||
                   vrec_error(rec->path, ev->line, "rsp: cmd=%u off=%llu, but the request has %u and %u", ev->cmd,
                              (unsigned long long)ev->off, c->cmd, c->rsp_off);
    return vrec_error(rec->path, submit->line, "%s: the rsp line of seqno %u is missing", submit->name, c->seqno);
}

static bool check_submit(struct vrec *rec, struct vrec_event *ev)
{
    const struct driver *d = driver_of(rec->context_type);
    struct ccmd c = {0};
    int answered = 0;

    if (ev->len != (size_t)ev->ndw * 4)
        return vrec_error(rec->path, ev->line, "%s: field 'data' has %zu bytes, ndw says %zu", ev->name, ev->len,
                          (size_t)ev->ndw * 4);
    if (ev->nfences || ev->align > 60 || ev->align % 4)
        return vrec_error(rec->path, ev->line, "%s: nfences must be 0 and align a multiple of 4 below 64", ev->name);
    if (!d || ev->ret->result != 0)
        return true;
    while (ccmd_next(ev, &c))
        if (d->answer_size(&c)) {
            answered++;
            if (!check_response(rec, ev, &c))
                return false;
        }
    for (struct vrec_event *r = ev->ret + 1; r <= ev->last; r++)
        if (r->call == ev && r->kind == VREC_RSP && answered-- == 0)
            return vrec_error(rec->path, r->line, "rsp: no command of line %d has seqno %u", ev->line, r->seqno);
    return true;
}

/* Both were read from the same memory at the same time. */
static bool check_agreement(struct vrec *rec, struct vrec_event *shm, uint32_t base)
{
    for (struct vrec_event *rsp = shm->call; shm->call && rsp <= shm->call->last; rsp++) {
        if (rsp->kind != VREC_RSP || rsp->call != shm->call)
            continue;
        for (size_t i = 0; i < shm->len; i++) {
            uint64_t at = shm->off + i;

            if (at >= base + rsp->off && at - base - rsp->off < rsp->len &&
                shm->data[i] != rsp->data[at - base - rsp->off])
                return vrec_error(rec->path, shm->line, "shm: byte %zu of 'data' contradicts the rsp of line %d", i,
                                  rsp->line);
        }
    }
    return true;
}

static bool check_memory(struct vrec *rec, struct vrec_event *ev)
{
    bool rsp = ev->kind == VREC_RSP;
    uint64_t size = 0;
    uint32_t base = 0;

    if (!shm_layout(rec, ev, &size, &base))
        return false;
    if (rsp && (ev->len < 4 || le32(ev->data) != ev->len))
        return vrec_error(rec->path, ev->line, "rsp: field 'data' is not as long as its first word says");
    size -= rsp ? base : 0;
    if (ev->off > size || (rsp ? rsp_slot(ev->len) : ev->len) > size - ev->off)
        return vrec_error(rec->path, ev->line, "%s: field 'off' points outside the response memory", ev->name);
    return rsp || check_agreement(rec, ev, base);
}

static bool check_fence_retired(struct vrec *rec, struct vrec_event *ev)
{
    for (struct vrec_event *f = ev; f-- > rec->events;) {
        if (f->ctx != ev->ctx || f->ring != ev->ring || f->fence != ev->fence)
            continue;
        if (f->kind == VREC_FENCE_RETIRED)
            return vrec_error(rec->path, ev->line, "%s: already retired on line %d", ev->name, f->line);
        if (f->kind == VREC_FENCE_ENTER)
            return true;
    }
    return vrec_error(rec->path, ev->line, "%s: this fence was not created before", ev->name);
}

static bool check_fence(struct vrec *rec, struct vrec_event *ev)
{
    const struct vrec_event *end = rec->events + rec->nevents, *f = ev;

    while (ev->ret->result == 0 && ++f < end)
        if (f->kind == VREC_FENCE_RETIRED && f->ctx == ev->ctx && f->ring == ev->ring && f->fence == ev->fence)
            return true;
    return ev->ret->result != 0 || vrec_error(rec->path, ev->line, "%s: the fence is never retired", ev->name);
}

static bool check_event(struct vrec *rec, struct vrec_event *ev)
{
    switch (ev->kind) {
    case VREC_LOAD:
        return ev == rec->events || vrec_error(rec->path, ev->line, "load: must be the first line");
    case VREC_UNLOAD:
        return ev == rec->events + rec->nevents - 1 || vrec_error(rec->path, ev->line, "unload: must be the last line");
    case VREC_INIT_ENTER:
        return (strlen(ev->text) == 8 && strspn(ev->text, "01") == 8) ||
               vrec_error(rec->path, ev->line, "init-enter: field 'cbs' must be eight 0s and 1s");
    case VREC_CTX_CREATE:
    case VREC_CTX_CREATE_WITH_FLAGS:
        return strlen(ev->text) == ev->nlen ||
               vrec_error(rec->path, ev->line, "%s: field 'name' is not nlen bytes long", ev->name);
    case VREC_DETACH_IOV:
        return !strcmp(ev->text, "set") || !strcmp(ev->text, "null") ||
               vrec_error(rec->path, ev->line, "%s: field 'iov' must be set or null", ev->name);
    case VREC_BLOB_ENTER:
    case VREC_TRANSFER_WRITE:
        return ev->niov == 0 || vrec_error(rec->path, ev->line, "%s: iovecs are not supported here", ev->name);
    case VREC_MAP_FIXED:
        return find_back(rec, ev, VREC_BLOB_ENTER, 0, ev->res) ||
               vrec_error(rec->path, ev->line, "%s: resource %u is no blob of this recording", ev->name, ev->res);
    case VREC_SHM_INIT: {
        struct vrec_event *blob = find_back(rec, ev, VREC_BLOB_ENTER, ev->ctx, ev->res);

        return (blob && blob->size >= ev->len && ev->len >= 16 && le32(ev->data + 4) >= 16 &&
                le32(ev->data + 4) <= blob->size && find_back(rec, ev, VREC_MAP_FIXED, 0, ev->res)) ||
               vrec_error(rec->path, ev->line, "shm-init: does not fit a blob mapped before");
    }
    case VREC_SUBMIT_ENTER:
        return check_submit(rec, ev);
    case VREC_RSP:
    case VREC_SHM:
        return check_memory(rec, ev);
    case VREC_FENCE_ENTER:
        return check_fence(rec, ev);
    case VREC_FENCE_RETIRED:
        return check_fence_retired(rec, ev);
    default:
        return true;
    }
}

bool replay_link(struct vrec *rec)
{
    const struct driver *d;

    if (rec->nevents == 0 || rec->events[0].kind != VREC_LOAD || rec->events[0].version != 1)
        return vrec_error(rec->path, 1, "not a recording of version 1: the first line must be 'load vrec=1 ...'");
    for (int i = 0; i < rec->nevents; i++) {
        struct vrec_event *ev = &rec->events[i];

        if (ev->kind != VREC_FILL_CAPS || ev->set != VIRGL_DRM_CAPSET)
            continue;
        if (ev->len < 20 || (d = driver_of(le32(ev->data + 16)), d && ev->len < d->capset_size))
            return vrec_error(rec->path, ev->line, "fill_caps: field 'data' is too short");
        rec->context_type = le32(ev->data + 16);
    }
    d = driver_of(rec->context_type);
    if (d && d->no_rsp_lines)
        add_answers(rec, d);
    if (!link_calls(rec) || !link_answers(rec))
        return false;
    for (int i = 0; i < rec->nevents; i++)
        if (!check_event(rec, &rec->events[i]))
            return false;
    return rec->events[rec->nevents - 1].kind == VREC_UNLOAD ||
           vrec_error(rec->path, rec->nevents, "the recording ends without an 'unload' line: it is truncated");
}
