/* replay_report.c - counts compared answers and keeps the first differences as text. */
#include "replay.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* Fence callbacks report from any thread. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct report *report_new(const struct vrec *rec)
{
    size_t submits = 0;

    for (int i = 0; i < rec->nevents; i++)
        submits += rec->events[i].kind == VREC_SUBMIT_ENTER;
    void *p = mmap(NULL, sizeof(struct report) + submits * sizeof(uint32_t), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

const char *answer_name(enum answer kind)
{
    static const char *const names[ANSWER_KINDS] = {
        [ANSWER_RETURN] = "return values",      [ANSWER_OUT] = "values written",
        [ANSWER_CAPSET] = "capsets",            [ANSWER_RESPONSE] = "responses",
        [ANSWER_SEQNO] = "sequence numbers",    [ANSWER_COUNTER] = "header counters",
        [ANSWER_MEMORY] = "memory comparisons", [ANSWER_FENCE] = "fences",
        [ANSWER_CLEANUP] = "clean-up checks",
    };
    return names[kind];
}

void differ(struct session *s, const struct vrec_event *ev, const char *fmt, ...)
{
    struct report *rep = s->rep;
    char text[200];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&lock);
    if (rep->differences < MAX_DIFFERENCES)
        snprintf(rep->texts[rep->differences], sizeof(rep->texts[0]), "%d: %s: %s", ev->line, ev->name, text);
    rep->differences++;
    pthread_mutex_unlock(&lock);
}

static void count(struct session *s, enum answer kind)
{
    pthread_mutex_lock(&lock);
    s->rep->answers[kind]++;
    pthread_mutex_unlock(&lock);
}

bool expect(struct session *s, const struct vrec_event *ev, enum answer kind, const char *what, int64_t want, int64_t got)
{
    count(s, kind);
    if (want != got)
        differ(s, ev, "%s: expected %lld got %lld", what, (long long)want, (long long)got);
    return want == got;
}

bool expect_true(struct session *s, const struct vrec_event *ev, enum answer kind, const char *what, bool got)
{
    count(s, kind);
    if (!got)
        differ(s, ev, "%s: expected yes got no", what);
    return got;
}

bool expect_bytes(struct session *s, const struct vrec_event *ev, enum answer kind, const char *what,
                  const uint8_t *want, const uint8_t *got, size_t len)
{
    size_t i = 0;

    count(s, kind);
    while (i < len && want[i] == got[i])
        i++;
    if (i < len)
        differ(s, ev, "%s: byte %zu: expected 0x%02x got 0x%02x", what, i, want[i], got[i]);
    return i == len;
}
