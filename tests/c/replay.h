/* replay.h - the parts of the replayer: a recording is checked (link), played against a library
 * (play, submit, fence), everything it answers is compared (report), and counted (page). */
#ifndef REPLAY_H
#define REPLAY_H

#include "virgl_renderer_drm.h"
#include "vrec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- replay_lib.c: the library under test ---- */

#define LIB_FUNCTIONS(F) \
    F(init) F(cleanup) F(poll) F(force_ctx_0) F(get_cap_set) F(fill_caps) \
    F(context_create) F(context_create_with_flags) F(context_destroy) F(context_poll) \
    F(context_create_fence) F(submit_cmd) F(ctx_attach_resource) F(ctx_detach_resource) \
    F(resource_create) F(resource_create_blob) F(resource_unref) \
    F(resource_attach_iov) F(resource_detach_iov) F(transfer_write_iov) \
    F(resource_get_info) F(resource_get_info_ext) F(resource_map_fixed) F(resource_get_map_info)

struct lib {
#define F(name) __typeof__(virgl_renderer_##name) *name;
    LIB_FUNCTIONS(F)
#undef F
    bool has_gl; /* its GL answers are then not compared: replay gives it no GL context */
};

/* Loads the library; on failure writes one sentence to why. */
bool lib_load(struct lib *lib, const char *path, char *why, size_t why_size);

/* ---- replay_driver.c: command buffers ---- */

#define MAX_CCMDS 12 /* more than any driver's last command */

struct ccmd {
    size_t at; /* in the buffer, of the next command */
    uint32_t cmd, seqno, rsp_off;
    const uint8_t *raw; /* all of it */
    size_t len;
};

/* What a driver's commands and its part of the capset mean: replay_msm.c, replay_asahi.c. */
struct driver {
    uint32_t context_type;
    uint32_t capset_size; /* head and the driver's part; the library must have zeros behind it */
    uint32_t submit;      /* the command that submits to the GPU */
    const char *names[MAX_CCMDS];
    size_t (*answer_size)(const struct ccmd *c); /* 0: no response */
    bool no_rsp_lines; /* the recorder did not know the responses: they come from shm lines */
    /* Ids that the host chose are others here than in the recording. May be NULL.
     * to_host: a command's copy before it is sent. from_host: a response, before it is compared;
     * want is changed where this host may differ. */
    void (*to_host)(uint32_t ctx, const struct ccmd *c, uint8_t *raw);
    void (*from_host)(uint32_t ctx, const struct ccmd *c, uint8_t *want, const uint8_t *got);
    /* Errors that a command counts on a host whose kernel looks at what it is given, where the recorded
     * one did not. NULL: as recorded. */
    uint32_t (*errors)(const struct vrec_event *submit, const struct ccmd *c);
    /* For the page: the GPU in a line, and lines about it, which may be NULL. */
    void (*gpu)(const struct virgl_renderer_capset_drm *c, char *out, size_t size);
    void (*features)(const struct virgl_renderer_capset_drm *c);
};

extern const struct driver driver_msm, driver_asahi;
const struct driver *driver_of(uint32_t context_type); /* NULL: not known, or none */

/* Steps to the next command of a submit; start with a zeroed struct. False at the end. */
bool ccmd_next(const struct vrec_event *submit, struct ccmd *c);
uint32_t ccmd_word(const struct ccmd *c, size_t at);
const char *ccmd_name(const struct driver *d, uint32_t cmd);
const char *context_type_name(uint32_t type);

/* Room a guest reserves for a response of len bytes. */
static inline size_t rsp_slot(size_t len)
{
    return (len + 7) / 8 * 8;
}

/* ---- replay_answers.c ---- */

void add_answers(struct vrec *rec, const struct driver *d);

/* ---- replay_link.c ---- */

/* Ties lines together; an edited or cut recording is refused with a message on stderr. */
bool replay_link(struct vrec *rec);

/* ---- replay_report.c: answers compared, differences found; lives in memory shared with the parent ---- */

enum answer {
    ANSWER_RETURN,   /* return values */
    ANSWER_OUT,      /* values written through pointers */
    ANSWER_CAPSET,   /* capset 6, all its bytes */
    ANSWER_RESPONSE, /* responses to commands */
    ANSWER_SEQNO,    /* sequence numbers */
    ANSWER_COUNTER,  /* async_error, global_faults and the rest of the header */
    ANSWER_MEMORY,   /* whole response memory, checked after a submit */
    ANSWER_FENCE,    /* fences */
    ANSWER_CLEANUP,  /* nothing left after cleanup */
    ANSWER_KINDS
};

#define MAX_DIFFERENCES 20
#define MAX_RINGS 64
#define MIXED_BATCH MAX_CCMDS /* slot of submits with more than one kind of command */

struct stats { /* sums only, all of them uint64_t: the page adds them up as an array */
    uint64_t contexts, resources_2d;
    uint64_t ccmds[MAX_CCMDS];
    uint64_t submits, submit_calls[MAX_CCMDS + 1], submit_call_ns[MAX_CCMDS + 1];
    uint64_t shm, shm_bytes, buffers, buffer_bytes, shareable, shareable_bytes, mappable, mappable_bytes;
    uint64_t maps, map_bytes;
    uint64_t fences[MAX_RINGS];
    uint64_t wall_ns, capset_bytes;
    uint64_t gl_not_compared, runtime_fds;
};

struct report {
    volatile int line; /* of the recording, being played: tells where a crash or hang happened */
    char event[40];
    char unusable[256]; /* why nothing could be compared, or "" */
    uint64_t answers[ANSWER_KINDS];
    uint64_t differences;
    char texts[MAX_DIFFERENCES][256];
    bool finished;
    struct stats stats;
    struct virgl_renderer_capset_drm caps;
    uint32_t submit_ns[]; /* one per submit of the recording */
};

struct report *report_new(const struct vrec *rec);
const char *answer_name(enum answer kind);

/* ---- replay_play.c: the VMM's side, in a child process of its own ---- */

struct options {
    const char *lib_path;
    bool page, verbose;
};

/* Plays a whole recording and fills the report. */
void replay_play(const struct vrec *rec, const struct options *opt, struct report *rep);

/* ---- replay_page.c ---- */

void page_print(struct vrec **recs, struct report **reps, int n, const char *lib_path);
const char *bytes_text(uint64_t bytes); /* valid until the fourth call from then on */

/* ---- shared by the files that play ---- */

struct memory { /* a context's response memory, as mapped by the guest */
    uint32_t ctx, res;
    uint8_t *map;  /* NULL: not mapped (any more) */
    uint8_t *want; /* what it must contain */
    size_t size;
    uint32_t base; /* where responses start */
};

struct session {
    const struct vrec *rec;
    const struct options *opt;
    struct lib lib;
    const struct driver *driver; /* of the recorded GPU, NULL without one */
    struct report *rep;
    const struct vrec_event *ev; /* being played */
    struct memory *memories;     /* latest last */
    int nmemories;
    struct fence_log *fences;
    struct window *window;
    uint32_t last_ctx;
    bool stop;
};

#define UNSET 0xa5 /* what the caller's memory holds before the library writes */

/* Notes a difference at an event of the recording. */
void differ(struct session *s, const struct vrec_event *ev, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Each counts one answer and notes a difference "what: expected X got Y". True when equal. */
bool expect(struct session *s, const struct vrec_event *ev, enum answer kind, const char *what, int64_t want, int64_t got);
bool expect_true(struct session *s, const struct vrec_event *ev, enum answer kind, const char *what, bool got);
bool expect_bytes(struct session *s, const struct vrec_event *ev, enum answer kind, const char *what,
                  const uint8_t *want, const uint8_t *got, size_t len);

/* Counts an answer that only GL can give, when the library has GL; it is then not compared. */
bool gl_answer(struct session *s);
uint64_t now_ns(void);

/* replay_init.c, replay_calls.c: one function per kind of call */
void play_init(struct session *s, const struct vrec_event *ev);
void play_get_cap_set(struct session *s, const struct vrec_event *ev);
void play_fill_caps(struct session *s, const struct vrec_event *ev);
void play_context(struct session *s, const struct vrec_event *ev);
void play_2d(struct session *s, const struct vrec_event *ev);
void play_attach_iov(struct session *s, const struct vrec_event *ev);
void play_detach_iov(struct session *s, const struct vrec_event *ev);
void play_unref(struct session *s, const struct vrec_event *ev);
void play_blob(struct session *s, const struct vrec_event *ev);
void play_get_info(struct session *s, const struct vrec_event *ev);
void play_map_fixed(struct session *s, const struct vrec_event *ev);
void play_get_map_info(struct session *s, const struct vrec_event *ev);

/* replay_window.c: where blobs are mapped, and other memory of the VMM */
void window_open(struct session *s);
void *window_slot(struct session *s, uint32_t res, size_t *size);
bool window_readable(const void *at, size_t len);
void window_release(struct session *s, uint32_t res);
struct iovec *iov_of(uint64_t bytes, uint32_t n);
const char *unterminated(const char *name, uint32_t nlen);

/* replay_submit.c: commands and the response memory */
void memory_mapped(struct session *s, const struct vrec_event *ev);
void memory_unmapped(struct session *s, uint32_t res);
void memory_changed(struct session *s, const struct vrec_event *ev);
void submit_play(struct session *s, const struct vrec_event *ev);

/* replay_fence.c */
void fences_open(struct session *s);
void fence_callback(void *cookie, uint32_t ctx, uint32_t ring, uint64_t id);
void fence_create(struct session *s, const struct vrec_event *ev);
void fence_wait(struct session *s, const struct vrec_event *ev);
void fences_of_context_end(struct session *s, const struct vrec_event *ev, uint32_t ctx);
void fences_end(struct session *s, const struct vrec_event *ev);

/* replay_end.c: nothing may be left */
void end_before_init(struct session *s);
void end_after_cleanup(struct session *s, const struct vrec_event *ev);

#endif
