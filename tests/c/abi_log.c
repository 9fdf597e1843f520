/* abi_log.c - where messages go: the callback and its user data, the deprecated callback, stderr and files. */
#define _GNU_SOURCE
#include "abi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sink {
    unsigned messages, bad, freed;
    unsigned by_level[5];
    char last[512];
};

static void take(enum virgl_log_level_flags level, const char *message, void *user)
{
    struct sink *s = user;
    size_t n = strlen(message);

    s->messages++;
    if (n == 0 || message[n - 1] != '\n' || strncmp(message, "drm: ", 5) || (unsigned)level > 3)
        s->bad++;
    else
        s->by_level[level]++;
    snprintf(s->last, sizeof(s->last), "%s", message);
}

static void release(void *user) { ((struct sink *)user)->freed++; }

static void make_error(void) { EXPECT(-1, api.init(&vmm, NO_VIRGL, NULL)); }

static void make_warning(void)
{
    EXPECT(0, api.init(&vmm, NO_VIRGL | VIRGL_RENDERER_RENDER_SERVER, &vmm.cbs));
    api.cleanup(NULL);
}

/* What the library writes to stderr. */
static int saved_stderr = -1, capture;

static void capture_stderr(void)
{
    capture = small_file(0);
    saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    dup2(capture, STDERR_FILENO);
}

static size_t captured(char *out, size_t size)
{
    fflush(stderr);
    ssize_t n = pread(capture, out, size - 1, 0);
    out[n > 0 ? n : 0] = 0;
    return n > 0 ? (size_t)n : 0;
}

static size_t captured_bytes(void)
{
    char text[4096];

    return captured(text, sizeof(text));
}

static void release_stderr(void)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(capture);
}

/* ---- virgl_set_log_callback ---- */

CASE(log_callback)
{
    struct sink a = { 0 };

    capture_stderr();
    api.set_log_callback(take, &a, NULL);
    EXPECT(0, a.messages);
    make_error();
    EXPECT(1, a.by_level[VIRGL_LOG_LEVEL_ERROR]);
    make_warning();
    EXPECT(1, a.by_level[VIRGL_LOG_LEVEL_WARNING]);
    EXPECT(0, a.bad);
    EXPECT(0, captured_bytes());
    release_stderr();
}

CASE(log_callback_replaced)
{
    struct sink a = { 0 }, b = { 0 }, c = { 0 };

    api.set_log_callback(take, &a, release);
    make_error();
    api.set_log_callback(take, &b, release);
    EXPECT(1, a.freed);
    make_error();
    EXPECT(1, a.messages);
    EXPECT(1, b.messages);
    api.cleanup(NULL); /* the sink stays */
    make_error();
    EXPECT(2, b.messages);
    EXPECT(0, b.freed);
    row("by the same function with other user data");
    api.set_log_callback(take, &c, NULL);
    EXPECT(1, b.freed);
    row("one without a free function");
    api.set_log_callback(NULL, &a, release);
    EXPECT(0, c.freed);
    EXPECT(1, a.freed);
    row("and silence has user data, too");
    api.set_log_callback(NULL, NULL, NULL);
    EXPECT(2, a.freed);
    api.set_log_callback(take, &b, NULL);
    EXPECT(2, a.freed);
    EXPECT(1, b.freed);
    row("by the deprecated kind");
    api.set_log_callback(take, &c, release);
    api.set_debug_callback(NULL);
    EXPECT(1, c.freed);
}

CASE(log_callback_null)
{
    capture_stderr();
    api.set_log_callback(NULL, NULL, NULL);
    make_error();
    make_warning();
    EXPECT(0, captured_bytes());
    release_stderr();
}

/* The level in the environment is the default sink's. */
CASE(log_callback_gets_all_levels, .env = { "VIRGL_LOG_LEVEL=silent" })
{
    struct sink a = { 0 };

    api.set_log_callback(take, &a, NULL);
    make_warning();
    make_error();
    EXPECT(1, a.by_level[VIRGL_LOG_LEVEL_WARNING]);
    EXPECT(1, a.by_level[VIRGL_LOG_LEVEL_ERROR]);
}

GPU_CASE(log_callback_of_context)
{
    struct sink a = { 0 };
    uint32_t unknown[] = { 99, 16, 7, 0 };

    api.set_log_callback(take, &a, NULL);
    vmm_start(NATIVE);
    context(CTX);
    unsigned before = a.messages;
    EXPECT(-EINVAL, api.submit_cmd(unknown, CTX, 4));
    EXPECT(before + 1, a.messages);
    CHECK(strstr(a.last, "ctx 1") != NULL);
    api.reset();
    api.cleanup(NULL);
    EXPECT(0, a.bad);
}

/* ---- virgl_set_debug_callback ---- */

static char debug_fmt[16], debug_text[2][512];
static unsigned debug_calls[2];

static void debug_any(int which, const char *fmt, va_list ap)
{
    debug_calls[which]++;
    snprintf(debug_fmt, sizeof(debug_fmt), "%s", fmt);
    vsnprintf(debug_text[which], sizeof(debug_text[which]), fmt, ap);
}

static void debug_a(const char *fmt, va_list ap) { debug_any(0, fmt, ap); }
static void debug_b(const char *fmt, va_list ap) { debug_any(1, fmt, ap); }

static void call(virgl_debug_callback_type cb, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    cb(fmt, ap);
    va_end(ap);
}

CASE(log_debug_callback)
{
    capture_stderr();
    virgl_debug_callback_type first = api.set_debug_callback(debug_a);
    REQUIRE_TRUE(first != NULL && first != debug_a);
    call(first, "%s", "nothing happens\n");
    make_error();
    EXPECT(1, debug_calls[0]);
    EXPECT(0, strcmp(debug_fmt, "%s"));
    CHECK(strlen(debug_text[0]) > 1 && debug_text[0][strlen(debug_text[0]) - 1] == '\n');
    CHECK(api.set_debug_callback(debug_b) == debug_a);
    make_error();
    EXPECT(1, debug_calls[0]);
    EXPECT(1, debug_calls[1]);
    row("NULL silences");
    CHECK(api.set_debug_callback(NULL) == debug_b);
    make_error();
    EXPECT(2, debug_calls[0] + debug_calls[1]);
    EXPECT(0, captured_bytes());
    row("a log callback replaces it");
    struct sink a = { 0 };
    api.set_debug_callback(debug_a);
    api.set_log_callback(take, &a, NULL);
    make_error();
    EXPECT(1, a.messages);
    EXPECT(2, debug_calls[0] + debug_calls[1]);
    release_stderr();
}

/* ---- The default sink ---- */

static void default_sink(bool errors, bool warnings)
{
    char text[4096];

    capture_stderr();
    make_warning();
    EXPECT(warnings, captured_bytes() > 0);
    size_t before = captured_bytes();
    make_error();
    EXPECT(errors, captured_bytes() > before);
    size_t n = captured(text, sizeof(text));
    if (errors) {
        CHECK(text[n - 1] == '\n');
        EXPECT(0, strncmp(text, "drm: ", 5));
    }
    release_stderr();
}

CASE(log_level_unset) { default_sink(true, false); }
CASE(log_level_unknown, .env = { "VIRGL_LOG_LEVEL=loud" }) { default_sink(true, false); }
CASE(log_level_debug, .env = { "VIRGL_LOG_LEVEL=debug" }) { default_sink(true, true); }
CASE(log_level_info, .env = { "VIRGL_LOG_LEVEL=info" }) { default_sink(true, true); }
CASE(log_level_warning, .env = { "VIRGL_LOG_LEVEL=warning" }) { default_sink(true, true); }
CASE(log_level_error, .env = { "VIRGL_LOG_LEVEL=error" }) { default_sink(true, false); }
CASE(log_level_silent, .env = { "VIRGL_LOG_LEVEL=silent" }) { default_sink(false, false); }

static void info_messages(bool wanted)
{
    capture_stderr();
    vmm_start(NATIVE); /* says which device it uses */
    EXPECT(wanted, captured_bytes() > 0);
    api.cleanup(NULL);
    release_stderr();
}

GPU_CASE(log_level_info_shows_device, .env = { "VIRGL_LOG_LEVEL=info" }) { info_messages(true); }
GPU_CASE(log_level_warning_hides_device, .env = { "VIRGL_LOG_LEVEL=warning" }) { info_messages(false); }

static void file_has_messages(const char *path)
{
    char text[4096] = "";
    ssize_t n;
    int fd;

    unlink(path);
    capture_stderr();
    make_error();
    EXPECT(0, captured_bytes());
    release_stderr();
    fd = open(path, O_RDONLY | O_CLOEXEC);
    REQUIRE_TRUE(fd >= 0);
    n = read(fd, text, sizeof(text) - 1);
    CHECK(n > 5 && text[n - 1] == '\n' && !strncmp(text, "drm: ", 5));
    make_error();
    CHECK(lseek(fd, 0, SEEK_END) > n); /* written at once, not at exit */
    close(fd);
    unlink(path);
    snprintf(text, sizeof(text), "%s (deleted)", path); /* the default sink stays open for good */
    leaks_allow(text);
}

CASE(log_file)
{
    char path[64];

    snprintf(path, sizeof(path), "/tmp/abi-log-plain-%d", (int)getpid());
    setenv("VIRGL_LOG_FILE", path, 1);
    file_has_messages(path);
}

CASE(log_file_with_pid, .env = { "VIRGL_LOG_FILE=/tmp/abi-log-%PID%.txt" })
{
    char path[64];

    snprintf(path, sizeof(path), "/tmp/abi-log-%d.txt", (int)getpid());
    file_has_messages(path);
}

CASE(log_file_cannot_be_made, .env = { "VIRGL_LOG_FILE=/nonexistent/abi-log" }) { default_sink(true, false); }
