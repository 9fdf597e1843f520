/* replay_window.c - memory of the VMM: the window blobs are mapped into, guest pages, strings. */
#include "replay.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* Every blob of the recording has a place of its own, reserved beforehand. */
struct window {
    char *base;
    int n;
    struct place {
        const struct vrec_event *created;
        size_t at, size;
    } places[];
};

static int probe[2]; /* a pipe: writing to it tells whether memory can be read */

static size_t page_round(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (size + page - 1) / page * page;
}

void window_open(struct session *s)
{
    const struct vrec *rec = s->rec;
    struct window *w = calloc(1, sizeof(*w) + sizeof(struct place) * (size_t)rec->nevents);
    size_t total = page_round(1);

    for (int i = 0; i < rec->nevents; i++) {
        if (rec->events[i].kind != VREC_BLOB_ENTER)
            continue;
        w->places[w->n++] = (struct place){&rec->events[i], total, page_round(rec->events[i].size)};
        total += page_round(rec->events[i].size);
    }
    w->base = mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (w->base == MAP_FAILED || pipe(probe) < 0)
        abort();
    s->window = w;
}

static struct place *place_of(struct session *s, uint32_t res)
{
    for (int i = s->window->n; i-- > 0;)
        if (s->window->places[i].created < s->ev && s->window->places[i].created->res == res)
            return &s->window->places[i];
    return NULL;
}

void *window_slot(struct session *s, uint32_t res, size_t *size)
{
    struct place *p = place_of(s, res);

    *size = p->created->size;
    return s->window->base + p->at;
}

/* A library that says "mapped" without mapping must not crash the replayer: the kernel looks first. */
bool window_readable(const void *at, size_t len)
{
    const char *byte = at;
    char sink[2];
    ssize_t n = write(probe[1], byte, 1) == 1;

    if (n)
        n += write(probe[1], byte + len - 1, 1) == 1;
    return read(probe[0], sink, (size_t)n) == n && n == 2;
}

void window_release(struct session *s, uint32_t res)
{
    struct place *p = place_of(s, res);

    if (p && mmap(s->window->base + p->at, p->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
                  -1, 0) == MAP_FAILED)
        abort();
}

/* Guest pages: bytes in n pieces, the last one takes the rest. */
struct iovec *iov_of(uint64_t bytes, uint32_t n)
{
    struct iovec *iov = calloc(n + 1, sizeof(*iov));
    char *mem = mmap(NULL, bytes + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (mem == MAP_FAILED)
        abort();
    for (uint32_t i = 0; i < n; i++) {
        iov[i].iov_base = mem + bytes / n * i;
        iov[i].iov_len = i + 1 < n ? bytes / n : bytes - bytes / n * i;
    }
    return iov;
}

/* The name as a VMM passes it: nlen bytes, and reading one more is a fault. */
const char *unterminated(const char *name, uint32_t nlen)
{
    static char *edge;

    if (!edge) {
        size_t page = page_round(1);
        char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (two == MAP_FAILED || mprotect(two + page, page, PROT_NONE) < 0)
            abort();
        edge = two + page;
    }
    memcpy(edge - nlen, name, nlen);
    return edge - nlen;
}
