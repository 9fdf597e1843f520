// The log sink: replaceable at any time, also while fence threads write to it.
// A sink is counted: one that is replaced lives on until the last line that is
// being written through it is done, and only then is its user data freed.
#include "log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define VIRGL_RENDERER_UNSTABLE_APIS 1
#include "virgl_renderer_drm.h"

struct sink {
    virgl_log_callback_type log; // NULL: silence
    void *user;
    virgl_free_data_callback_type free_user;
    virgl_debug_callback_type debug; // the deprecated kind, instead of log
    unsigned refs;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// A thread may fork while another writes a line.
static void in_child(void) { pthread_mutex_init(&lock, NULL); }
__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(NULL, NULL, in_child); }

static struct sink *current; // NULL: the default sink; guarded by lock
static virgl_debug_callback_type debug_callback;

static void no_debug(const char *fmt, va_list ap)
{
    (void)fmt;
    (void)ap;
}

static void put(struct sink *s)
{
    bool last;

    if (!s)
        return;
    pthread_mutex_lock(&lock);
    last = --s->refs == 0;
    pthread_mutex_unlock(&lock);
    if (last) {
        if (s->free_user)
            s->free_user(s->user);
        free(s);
    }
}

static void replace(struct sink *s)
{
    struct sink *old;

    pthread_mutex_lock(&lock);
    old = current;
    current = s;
    pthread_mutex_unlock(&lock);
    put(old);
}

void virgl_set_log_callback(virgl_log_callback_type cb, void *user, virgl_free_data_callback_type free_cb)
{
    struct sink *s = malloc(sizeof(*s));

    if (!s)
        return; // the old sink stays, and with it its user data
    *s = (struct sink){ .log = cb, .user = user, .free_user = free_cb, .refs = 1 };
    replace(s);
}

virgl_debug_callback_type virgl_set_debug_callback(virgl_debug_callback_type cb)
{
    virgl_debug_callback_type old = debug_callback ? debug_callback : no_debug;
    struct sink *s = malloc(sizeof(*s));

    if (!s)
        return old;
    *s = (struct sink){ .debug = cb, .refs = 1 };
    debug_callback = cb ? cb : no_debug;
    replace(s);
    return old;
}

// The default sink, set up from the environment when first used.

static pthread_once_t default_once = PTHREAD_ONCE_INIT;
static int default_level;
static FILE *default_file;

static FILE *open_file(const char *pattern)
{
    const char *mark = strstr(pattern, "%PID%");
    char path[4096];
    int n, fd;

    if (mark)
        n = snprintf(path, sizeof(path), "%.*s%d%s", (int)(mark - pattern), pattern, (int)getpid(), mark + 5);
    else
        n = snprintf(path, sizeof(path), "%s", pattern);
    if (n < 0 || (size_t)n >= sizeof(path))
        return NULL;
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    return fd < 0 ? NULL : fdopen(fd, "a");
}

static void set_up_default(void)
{
    static const char *const names[] = { "debug", "info", "warning", "error", "silent" };
    const char *level = getenv("VIRGL_LOG_LEVEL"), *file = getenv("VIRGL_LOG_FILE");

    default_level = VIRGL_LOG_LEVEL_ERROR;
    for (int i = 0; level && i < 5; i++)
        if (!strcasecmp(level, names[i]))
            default_level = i;
    default_file = file ? open_file(file) : NULL;
    if (default_file)
        setvbuf(default_file, NULL, _IOLBF, 0);
    else
        default_file = stderr;
}

bool vd_log_enabled(int level)
{
    bool custom, silent;

    pthread_mutex_lock(&lock);
    custom = current != NULL;
    silent = custom && !current->log && !current->debug;
    pthread_mutex_unlock(&lock);
    if (custom)
        return !silent;
    pthread_once(&default_once, set_up_default);
    return level >= default_level && default_level != VIRGL_LOG_LEVEL_SILENT;
}

static void call_debug(virgl_debug_callback_type cb, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    cb(fmt, ap);
    va_end(ap);
}

// Hands a finished message of a level that is enabled to the sink.
static void deliver(int level, const char *message)
{
    struct sink *s;

    pthread_mutex_lock(&lock);
    s = current;
    if (s)
        s->refs++;
    pthread_mutex_unlock(&lock);
    if (!s)
        fputs(message, default_file);
    else if (s->log)
        s->log((enum virgl_log_level_flags)level, message, s->user);
    else if (s->debug)
        call_debug(s->debug, "%s", message);
    put(s);
}

void vd_log(int level, const char *line)
{
    static const char prefix[] = "drm: ";
    size_t n = strlen(line);
    char *message;

    if (!vd_log_enabled(level))
        return;
    message = malloc(sizeof(prefix) + n + 1);
    if (!message)
        return;
    memcpy(message, prefix, sizeof(prefix) - 1);
    memcpy(message + sizeof(prefix) - 1, line, n);
    memcpy(message + sizeof(prefix) - 1 + n, "\n", 2);
    deliver(level, message);
    free(message);
}

void vd_log_foreign(int level, const char *message)
{
    if (vd_log_enabled(level))
        deliver(level, message);
}
