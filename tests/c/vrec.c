/* vrec.c - reads a recording: every line must have exactly the shape its event is known to have. */
#include "vrec.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Text stands for itself, {member} for a value. A NULL shape accepts any rest of the line. */
static const struct shape {
    const char *name;
    enum vrec_kind kind;
    const char *text;
} shapes[] = {
    {"load", VREC_LOAD, "vrec={version} pid={other} ppid={other} sid={other} real={text}"},
    {"unload", VREC_UNLOAD, "pid={other}"},
    {"fork-child", VREC_IGNORED, NULL},
    {"cb_get_egl_display", VREC_IGNORED, NULL},
    {"cb_create_gl_context", VREC_IGNORED, NULL},
    {"cb_destroy_gl_context", VREC_IGNORED, NULL},
    {"cb_make_current", VREC_IGNORED, NULL},
    {"idle", VREC_IDLE, "poll={poll} force_ctx_0={force_ctx_0} context_poll={context_poll}"},
    {"get_cap_set", VREC_GET_CAP_SET, "set={set} = version {version} size {size}"},
    {"fill_caps", VREC_FILL_CAPS, "set={set} version={version} data={data}"},
    {"init-enter", VREC_INIT_ENTER, "pid={other} cookie={text} flags={flags} cbversion={cbversion} cbs={text}"},
    {"init", VREC_INIT, "flags={flags} us={other} = {result}"},
    {"context_create", VREC_CTX_CREATE, "ctx={ctx} nlen={nlen} name={text} = {result}"},
    {"context_create_with_flags", VREC_CTX_CREATE_WITH_FLAGS,
     "ctx={ctx} flags={flags} nlen={nlen} name={text} us={other} = {result}"},
    {"context_destroy-enter", VREC_CTX_DESTROY_ENTER, "ctx={ctx}"},
    {"context_destroy", VREC_CTX_DESTROY, "ctx={ctx} us={other}"},
    {"ctx_attach_resource", VREC_ATTACH, "ctx={ctx} res={res}"},
    {"ctx_detach_resource", VREC_DETACH, "ctx={ctx} res={res}"},
    {"resource_create", VREC_RES_CREATE,
     "res={res} target={target} format={format} bind={bind} size={width}x{height}x{depth} array={array} "
     "level={level} samples={samples} flags={flags} niov={niov} = {result}"},
    {"resource_attach_iov", VREC_ATTACH_IOV, "res={res} niov={niov} bytes={bytes} = {result}"},
    {"resource_detach_iov", VREC_DETACH_IOV, "res={res} = iov {text} n {niov}"},
    {"resource_unref", VREC_UNREF, "res={res}"},
    {"transfer_write_iov", VREC_TRANSFER_WRITE,
     "res={res} ctx={ctx} level={level} stride={stride} layer={layer} box={x},{y},{z}+{w},{h},{d} "
     "off={off} niov={niov} = {result}"},
    {"resource_get_info", VREC_GET_INFO,
     "res={res} = {result} handle={handle} format={format} {width}x{height}x{depth} flags={flags} "
     "tex={tex} stride={stride} fourcc={fourcc} fd={fd}"},
    {"resource_get_info_ext", VREC_GET_INFO_EXT,
     "res={res} version={version} = {result} handle={handle} format={format} {width}x{height}x{depth} "
     "flags={flags} tex={tex} stride={stride} fourcc={fourcc} fd={fd} dmabuf={other} planes={other} "
     "modifier={other}"},
    {"resource_create_blob-enter", VREC_BLOB_ENTER,
     "res={res} ctx={ctx} mem={mem} flags={flags} id={id} size={size} niov={niov}"},
    {"resource_create_blob", VREC_BLOB, "res={res} us={other} = {result}"},
    {"resource_map_fixed", VREC_MAP_FIXED, "res={res} = {result}"},
    {"resource_get_map_info", VREC_GET_MAP_INFO, "res={res} = {result} info={info}"},
    {"shm-init", VREC_SHM_INIT, "ctx={ctx} res={res} data={data}"},
    {"submit_cmd-enter", VREC_SUBMIT_ENTER, "ctx={ctx} ndw={ndw} nfences={nfences} align={align} data={data}"},
    {"submit_cmd", VREC_SUBMIT, "ctx={ctx} us={other} = {result}"},
    {"rsp", VREC_RSP, "ctx={ctx} cmd={cmd} seqno={seqno} off={off} data={data}"},
    {"shm", VREC_SHM, "ctx={ctx} off={off} data={data}"},
    {"context_create_fence-enter", VREC_FENCE_ENTER, "ctx={ctx} flags={flags} ring={ring} fence={fence}"},
    {"context_create_fence", VREC_FENCE, "ctx={ctx} ring={ring} fence={fence} us={other} = {result}"},
    {"cb_write_context_fence", VREC_FENCE_RETIRED, "ctx={ctx} ring={ring} fence={fence}"},
};

enum member_type { U32, SIZE, U64, I32, TEXT, DATA };

#define M(name, type) {#name, type, offsetof(struct vrec_event, name)}
static const struct member {
    const char *name;
    enum member_type type; /* SIZE is a U32 that is never hexadecimal: "0x0x0" is three sizes */
    size_t offset;
} members[] = {
    M(ctx, U32), M(res, U32), M(set, U32), M(version, U32), M(flags, U32), M(nlen, U32), M(ndw, U32),
    M(nfences, U32), M(align, U32), M(cmd, U32), M(seqno, U32), M(ring, U32), M(target, U32), M(format, U32),
    M(bind, U32), M(width, SIZE), M(height, SIZE), M(depth, SIZE), M(array, U32), M(level, U32),
    M(samples, U32), M(stride, U32), M(layer, U32), M(x, U32), M(y, U32), M(z, U32), M(w, U32), M(h, U32),
    M(d, U32), M(handle, U32), M(info, U32), M(mem, U32), M(niov, U32), M(poll, U32), M(force_ctx_0, U32),
    M(context_poll, U32), M(cbversion, U32), M(tex, U32), M(fourcc, U32), M(id, U64), M(size, U64), M(off, U64), M(fence, U64),
    M(bytes, U64), M(other, U64), M(result, I32), M(fd, I32), M(text, TEXT), M(data, DATA),
};

bool vrec_error(const char *path, int line, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "%s:%d: ", path, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return false;
}

/* Reads a decimal number, or a hexadecimal one after 0x where that is allowed, up to max. */
static bool number(const char **p, bool hex_allowed, uint64_t max, uint64_t *out)
{
    const char *s = *p;
    bool hex = hex_allowed && s[0] == '0' && s[1] == 'x';
    char *end;

    if (!(hex ? isxdigit((unsigned char)s[2]) : isdigit((unsigned char)s[0])))
        return false;
    errno = 0;
    *out = strtoull(s, &end, hex ? 16 : 10);
    *p = end;
    return errno == 0 && *out <= max;
}

static bool hex_bytes(const char **p, struct vrec_event *ev)
{
    size_t digits = strspn(*p, "0123456789abcdefABCDEF");

    if (digits % 2)
        return false;
    ev->len = digits / 2;
    ev->data = calloc(ev->len + 1, 1);
    for (size_t i = 0; i < ev->len; i++)
        sscanf(*p + 2 * i, "%2hhx", &ev->data[i]);
    *p += digits;
    return true;
}

static bool read_member(const struct member *m, const char **p, struct vrec_event *ev)
{
    char *at = (char *)ev + m->offset;
    uint64_t v;

    switch (m->type) {
    case U32:
    case SIZE:
        if (!number(p, m->type == U32, UINT32_MAX, &v))
            return false;
        *(uint32_t *)at = (uint32_t)v;
        return true;
    case U64:
        return number(p, true, UINT64_MAX, (uint64_t *)at);
    case I32: {
        bool negative = **p == '-';

        *p += negative;
        if (!number(p, false, INT32_MAX, &v))
            return false;
        *(int32_t *)at = negative ? -(int32_t)v : (int32_t)v;
        return true;
    }
    case DATA:
        return hex_bytes(p, ev);
    case TEXT: /* of two in a line the later one stays */
        free(*(char **)at);
        *(char **)at = strndup(*p, strcspn(*p, " "));
        *p += strcspn(*p, " ");
        return true;
    }
    return false;
}

/* Walks shape and line side by side. */
static bool match(const char *path, const char *shape, const char *p, struct vrec_event *ev)
{
    while (*shape) {
        size_t n = strcspn(shape, "{");
        const char *brace = shape + n;
        const struct member *m = members;

        if (strncmp(shape, p, n) != 0)
            return vrec_error(path, ev->line, "%s: '%.*s' is missing or in the wrong place, at '%.32s'", ev->name,
                              (int)n, shape, p);
        if (!*brace)
            return p[n] == 0 || vrec_error(path, ev->line, "%s: unexpected '%.32s' at the end", ev->name, p + n);
        p += n;
        shape = strchr(brace, '}') + 1;
        n = (size_t)(shape - brace) - 2;
        while (strncmp(m->name, brace + 1, n) != 0 || m->name[n])
            m++;
        const char *value = p;
        if (!read_member(m, &p, ev) || (*p && *shape && *shape != *p)) {
            n = strcspn(value, " ");
            return vrec_error(path, ev->line, "%s: field '%s' has the unusable value '%.*s'", ev->name, m->name,
                              n > 40 ? 40 : (int)n, value);
        }
    }
    return *p == 0 || vrec_error(path, ev->line, "%s: unexpected '%.32s' at the end", ev->name, p);
}

/* MICROSECONDS TID THREAD EVENT, then what the event's shape says. */
static bool parse_line(const char *path, char *line, struct vrec_event *ev, uint64_t *us)
{
    const char *p = line;
    uint64_t tid;

    if (!number(&p, false, UINT64_MAX, us) || *p++ != ' ' || !number(&p, false, UINT32_MAX, &tid) || *p++ != ' ')
        return vrec_error(path, ev->line, "the line does not start with microseconds and a thread id");
    ev->tid = (uint32_t)tid;
    p += strcspn(p, " ");
    if (*p++ != ' ')
        return vrec_error(path, ev->line, "the line ends before the event's name");

    size_t n = strcspn(p, " ");
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        const struct shape *s = &shapes[i];

        if (strlen(s->name) != n || strncmp(s->name, p, n) != 0)
            continue;
        ev->kind = s->kind;
        ev->name = s->name;
        return !s->text || match(path, s->text, p + n + (p[n] == ' '), ev);
    }
    return vrec_error(path, ev->line, "unknown event '%.*s'", (int)n, p);
}

static char *label_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *label = strdup(slash ? slash + 1 : path);
    char *suffix = strstr(label, ".vrec");

    if (suffix)
        *suffix = 0;
    return label;
}

static FILE *open_input(const char *path, pid_t *child)
{
    FILE *in = fopen(path, "re");
    size_t n = strlen(path);
    int fds[2];

    *child = -1;
    if (!in)
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    if (!in || n < 3 || strcmp(path + n - 3, ".xz") != 0)
        return in;
    fclose(in);
    if (pipe(fds) < 0 || (*child = fork()) < 0) {
        perror("replay: pipe or fork");
        return NULL;
    }
    if (*child == 0) {
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        close(fds[1]);
        unsetenv("LD_PRELOAD"); /* meant for the library under test */
        execlp("xz", "xz", "-dc", "--", path, (char *)NULL);
        fprintf(stderr, "%s: cannot run xz: install xz-utils or give the decompressed .vrec\n", path);
        _exit(127);
    }
    close(fds[1]);
    return fdopen(fds[0], "r");
}

static bool parse(struct vrec *rec, FILE *in)
{
    uint64_t us = 0, first = 0;
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    bool ok = true;

    while (ok && (n = getline(&line, &cap, in)) > 0) {
        if (rec->nevents % 1024 == 0)
            rec->events = realloc(rec->events, sizeof(*rec->events) * (size_t)(rec->nevents + 1024));
        struct vrec_event *ev = &rec->events[rec->nevents];
        memset(ev, 0, sizeof(*ev));
        ev->line = ++rec->nevents;
        if (line[n - 1] != '\n')
            ok = vrec_error(rec->path, ev->line, "the line is cut off: the recording is truncated");
        line[n - 1] = 0;
        ok = ok && parse_line(rec->path, line, ev, &us);
        if (ev->line == 1)
            first = us;
    }
    free(line);
    rec->span_us = us - first;
    return ok;
}

struct vrec *vrec_load(const char *path)
{
    struct vrec *rec = calloc(1, sizeof(*rec));
    pid_t child;
    FILE *in = open_input(path, &child);
    int status = 0;

    if (!in)
        return NULL;
    rec->path = path;
    rec->label = label_of(path);
    bool ok = parse(rec, in);
    fclose(in);
    if (child > 0)
        waitpid(child, &status, 0);
    if (ok && WEXITSTATUS(status) != 127 && status != 0)
        fprintf(stderr, "%s: xz could not decompress it: copy the recording again\n", path);
    return ok && status == 0 ? rec : NULL;
}
