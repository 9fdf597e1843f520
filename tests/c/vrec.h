/* vrec.h - a recording of VMM calls, parsed and checked before anything is played. */
#ifndef VREC_H
#define VREC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vrec_kind {
    VREC_IGNORED, /* GL callbacks, and what only describes the process */
    VREC_LOAD,
    VREC_UNLOAD,
    VREC_IDLE,
    VREC_GET_CAP_SET,
    VREC_FILL_CAPS,
    VREC_INIT_ENTER,
    VREC_INIT,
    VREC_CTX_CREATE,
    VREC_CTX_CREATE_WITH_FLAGS,
    VREC_CTX_DESTROY_ENTER,
    VREC_CTX_DESTROY,
    VREC_ATTACH,
    VREC_DETACH,
    VREC_RES_CREATE,
    VREC_ATTACH_IOV,
    VREC_DETACH_IOV,
    VREC_UNREF,
    VREC_TRANSFER_WRITE,
    VREC_GET_INFO,
    VREC_GET_INFO_EXT,
    VREC_BLOB_ENTER,
    VREC_BLOB,
    VREC_MAP_FIXED,
    VREC_GET_MAP_INFO,
    VREC_SHM_INIT,
    VREC_SUBMIT_ENTER,
    VREC_SUBMIT,
    VREC_RSP,
    VREC_SHM,
    VREC_FENCE_ENTER,
    VREC_FENCE,
    VREC_FENCE_RETIRED,
};

/* One line. Which members are set depends on the event: see the shapes in vrec.c. */
struct vrec_event {
    enum vrec_kind kind;
    int line;
    uint32_t tid;
    const char *name; /* of the event */

    uint32_t ctx, res, set, version, flags, nlen, ndw, nfences, align, cmd, seqno, ring;
    uint32_t target, format, bind, width, height, depth, array, level, samples;
    uint32_t stride, layer, x, y, z, w, h, d;
    uint32_t handle, info, mem, niov, poll, force_ctx_0, context_poll, cbversion, tex, fourcc;
    uint64_t id, size, off, fence, bytes, other;
    int32_t result, fd;
    char *text;    /* name=, cbs=, or "set"/"null" of an iovec */
    uint8_t *data; /* data=, decoded */
    size_t len;

    /* Filled in by replay_link.c. */
    struct vrec_event *ret;  /* of an -enter line: the line that closes the call */
    struct vrec_event *call; /* of rsp and shm lines: the submit they belong to, or NULL */
    struct vrec_event *last; /* of a submit: its last rsp or shm line, or its ret */
};

struct vrec {
    const char *path;
    char *label; /* file name without directory and suffix */
    struct vrec_event *events;
    int nevents;
    uint32_t context_type; /* of the recorded capset, 0 when the recording has none */
    uint64_t span_us;      /* from the first to the last line */
};

/* Reads a .vrec or .vrec.xz file. On failure says why on stderr ("file:line: ...") and returns NULL. */
struct vrec *vrec_load(const char *path);

/* Prints "file:line: message" on stderr; returns false so that callers can pass it on. */
bool vrec_error(const char *path, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
