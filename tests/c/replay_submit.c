/* replay_submit.c - sends command buffers and checks the response memory as a guest would see it. */
#include "replay.h"

#include <stdlib.h>
#include <string.h>

#define POISON 0xee /* what a guest left in a slot: a response that was not written shows */

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static struct memory *memory_of(struct session *s, uint32_t ctx)
{
    for (int i = s->nmemories; i-- > 0;)
        if (s->memories[i].ctx == ctx && s->memories[i].map)
            return &s->memories[i];
    return NULL;
}

/* The shm-init line: the blob is mapped, and the library has set it up. */
void memory_mapped(struct session *s, const struct vrec_event *ev)
{
    const struct vrec_event *blob = ev;
    size_t size;
    uint8_t *map = window_slot(s, ev->res, &size);

    while (blob->kind != VREC_BLOB_ENTER || blob->res != ev->res)
        blob--;
    if (!window_readable(map, size)) {
        differ(s, ev, "response memory of context %u is not mapped", ev->ctx);
        return;
    }
    expect_bytes(s, ev, ANSWER_MEMORY, "first bytes of the response memory", ev->data, map, ev->len);

    s->memories = realloc(s->memories, sizeof(*s->memories) * (size_t)(s->nmemories + 1));
    struct memory *m = &s->memories[s->nmemories++];
    *m = (struct memory){.ctx = ev->ctx, .res = ev->res, .map = map, .size = blob->size};
    m->base = get32(ev->data + 4);
    m->want = malloc(m->size);
    memcpy(m->want, map, m->size);
    memcpy(m->want, ev->data, ev->len);
}

void memory_unmapped(struct session *s, uint32_t res)
{
    for (int i = 0; i < s->nmemories; i++)
        if (s->memories[i].res == res)
            s->memories[i].map = NULL;
}

static void guest_writes(struct memory *m, size_t at, const void *data, size_t len)
{
    memcpy(m->map + at, data, len);
    memcpy(m->want + at, data, len);
}

/* What a shm line saw change: the header is the library's, behind it only the guest's part counts,
 * because the library's part is in the rsp lines. */
static void apply_shm(struct memory *m, const struct vrec_event *ev)
{
    size_t header = ev->off < m->base ? m->base - ev->off : 0;

    if (header > ev->len)
        header = ev->len;
    memcpy(m->want + ev->off, ev->data, header);
    if (header < ev->len)
        guest_writes(m, ev->off + header, ev->data + header, ev->len - header);
}

/* A change no submit explains, for example a fault counter renewed before a fence. */
void memory_changed(struct session *s, const struct vrec_event *ev)
{
    struct memory *m = memory_of(s, ev->ctx);

    if (m)
        apply_shm(m, ev);
}

static bool belongs(const struct vrec_event *ev, const struct vrec_event *submit, enum vrec_kind kind)
{
    return ev->call == submit && ev->kind == kind;
}

static void expect_errors(const struct driver *d, struct memory *m, const struct vrec_event *submit, uint32_t before)
{
    struct ccmd c = {0};

    while (ccmd_next(submit, &c))
        before += d->errors(submit, &c);
    memcpy(m->want + offsetof(struct msm_shmem, async_error), &before, sizeof(before));
}

/* Before the submit: the guest reserves a slot per response; afterwards want holds all answers. */
static void prepare(const struct driver *d, struct memory *m, const struct vrec_event *submit)
{
    uint32_t before = get32(m->want + offsetof(struct msm_shmem, async_error));

    for (const struct vrec_event *ev = submit; ev <= submit->last; ev++)
        if (belongs(ev, submit, VREC_SHM))
            apply_shm(m, ev);
    if (d && d->errors)
        expect_errors(d, m, submit, before);
    for (const struct vrec_event *ev = submit; ev <= submit->last; ev++) {
        if (!belongs(ev, submit, VREC_RSP))
            continue;
        uint32_t room = (uint32_t)rsp_slot(ev->len);
        uint8_t *slot = malloc(room);
        memset(slot, POISON, room);
        memcpy(slot, &room, sizeof(room));
        guest_writes(m, m->base + ev->off, slot, room);
        free(slot);
    }
    for (const struct vrec_event *ev = submit; ev <= submit->last; ev++)
        if (belongs(ev, submit, VREC_RSP))
            memcpy(m->want + m->base + ev->off, ev->data, ev->len);
}

/* Learns the ids that the host chose, for the commands to come. */
static void settle(struct session *s, const struct vrec_event *submit, const struct vrec_event *rsp, uint8_t *want,
                   const uint8_t *got)
{
    struct ccmd c = {0};

    while (s->driver && s->driver->from_host && ccmd_next(submit, &c))
        if (c.seqno == rsp->seqno)
            s->driver->from_host(submit->ctx, &c, want, got);
}

/* The command buffer as a guest of this host sends it. */
static void translate(struct session *s, const struct vrec_event *submit, uint8_t *buffer)
{
    struct ccmd c = {0};

    while (s->driver && s->driver->to_host && ccmd_next(submit, &c))
        s->driver->to_host(submit->ctx, &c, buffer + (c.raw - submit->data));
}

static void check(struct session *s, struct memory *m, const struct vrec_event *submit)
{
    const uint8_t *want = m->want, *got = m->map;

    expect(s, submit, ANSWER_SEQNO, "seqno", get32(want), get32(got));
    expect(s, submit, ANSWER_COUNTER, "rsp_mem_offset", get32(want + 4), get32(got + 4));
    expect(s, submit, ANSWER_COUNTER, "async_error", get32(want + 8), get32(got + 8));
    expect(s, submit, ANSWER_COUNTER, "global_faults", get32(want + 12), get32(got + 12));
    for (const struct vrec_event *ev = submit; ev <= submit->last; ev++)
        if (belongs(ev, submit, VREC_RSP)) {
            size_t at = m->base + ev->off;

            settle(s, submit, ev, m->want + at, got + at);
            expect_bytes(s, ev, ANSWER_RESPONSE, "response", want + at, got + at, ev->len);
            memcpy(m->want + at, m->map + at, ev->len); /* reported: do not see it again below */
        }
    memcpy(m->want, m->map, m->base);
    expect_bytes(s, submit, ANSWER_MEMORY, "memory outside the responses", want, got, m->size);
    memcpy(m->want, m->map, m->size);
}

static void count(struct session *s, const struct vrec_event *ev, uint64_t ns)
{
    struct stats *st = &s->rep->stats;
    struct ccmd c = {0};
    uint32_t kind = 0;

    while (ccmd_next(ev, &c)) {
        if (c.cmd < MAX_CCMDS)
            st->ccmds[c.cmd]++;
        kind = kind == 0 || kind == c.cmd ? c.cmd : MIXED_BATCH;
    }
    if (kind > MIXED_BATCH)
        kind = MIXED_BATCH;
    st->submit_calls[kind]++;
    st->submit_call_ns[kind] += ns;
    s->rep->submit_ns[st->submits++] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

void submit_play(struct session *s, const struct vrec_event *ev)
{
    struct memory *m = memory_of(s, ev->ctx);
    char *block = aligned_alloc(64, 64 + (ev->len + 63) / 64 * 64);
    char *buffer = block + ev->align, *sent = malloc(ev->len + 1);

    memcpy(buffer, ev->data, ev->len);
    translate(s, ev, (uint8_t *)buffer);
    memcpy(sent, buffer, ev->len);
    if (m)
        prepare(s->driver, m, ev);
    uint64_t start = now_ns();
    int got = s->lib.submit_cmd(ev->len ? buffer : NULL, (int)ev->ctx, (int)ev->ndw);
    count(s, ev, now_ns() - start);

    expect(s, ev->ret, ANSWER_RETURN, "result", ev->ret->result, got);
    if (memcmp(buffer, sent, ev->len) != 0)
        differ(s, ev, "the command buffer was written to");
    free(sent);
    free(block);
    if (m)
        check(s, m, ev);
    for (const struct vrec_event *r = ev; !m && r <= ev->last; r++)
        if (belongs(r, ev, VREC_RSP))
            differ(s, r, "response: there is no response memory to find it in");
}
