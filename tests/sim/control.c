// Control of the simulation: counters, scripted faults and delays, exit report.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sim.h"

_Static_assert(DRMSIM_KIND_COUNT <= DRMSIM_MAX_KINDS, "struct drmsim_counters is too small");

_Atomic uint64_t sim_calls[DRMSIM_KIND_COUNT];
atomic_bool sim_scripted;
struct sim_stats sim_stats;

static const char *const kind_names[] = {
#define KIND_NAME(name) #name,
    DRMSIM_KINDS(KIND_NAME)
};

static pthread_mutex_t script_lock = PTHREAD_MUTEX_INITIALIZER;
static struct script {
    uint64_t skip, count; // calls until the first failure; failures
    int error;
    useconds_t delay_us;
} scripts[DRMSIM_KIND_COUNT];

int sim_script(enum drmsim_kind kind)
{
    pthread_mutex_lock(&script_lock);
    struct script *s = &scripts[kind];
    int ret = 0;
    if (s->count && s->skip) {
        s->skip--;
    } else if (s->count) {
        s->count--;
        ret = -s->error;
    }
    useconds_t delay = s->delay_us;
    pthread_mutex_unlock(&script_lock);
    if (delay)
        usleep(delay);
    return ret;
}

atomic_bool sim_recording, sim_close_waits;
static struct record {
    size_t size;
    unsigned char arg[DRMSIM_MAX_ARG];
} records[DRMSIM_KIND_COUNT]; // guarded by script_lock

void sim_record(enum drmsim_kind kind, const void *arg, size_t size)
{
    pthread_mutex_lock(&script_lock);
    records[kind].size = size;
    memcpy(records[kind].arg, arg, size);
    pthread_mutex_unlock(&script_lock);
}

SIM_EXPORT int drmsim_last(unsigned kind, void *arg)
{
    if (kind >= DRMSIM_KIND_COUNT)
        return -EINVAL;
    pthread_mutex_lock(&script_lock);
    struct record *r = &records[kind];
    memcpy(arg, r->arg, r->size);
    int size = (int)r->size;
    r->size = 0;
    pthread_mutex_unlock(&script_lock);
    return size;
}

SIM_EXPORT const char *drmsim_kind_name(unsigned kind)
{
    return kind < DRMSIM_KIND_COUNT ? kind_names[kind] : NULL;
}

static int find_kind(const char *name)
{
    for (int k = 0; k < DRMSIM_KIND_COUNT; k++)
        if (strcmp(kind_names[k], name) == 0)
            return k;
    return -1;
}

#define MAX_GPU_US 3600000000u

// The words of a command: "NAME [WORD] key=value ...".
struct words {
    char text[256];
    char *name, *word;
    struct { char *key, *value; } pairs[8];
    int pair_count;
};

static int split(struct words *w, const char *command)
{
    memset(w, 0, sizeof(*w));
    if (!command || strlen(command) >= sizeof(w->text))
        return -EINVAL;
    strcpy(w->text, command);
    char *save = NULL;
    for (char *t = strtok_r(w->text, " ", &save); t; t = strtok_r(NULL, " ", &save)) {
        char *equals = strchr(t, '=');
        if (equals && w->name && w->pair_count < 8) {
            *equals = 0;
            w->pairs[w->pair_count].key = t;
            w->pairs[w->pair_count++].value = equals + 1;
        } else if (!w->name && !equals) {
            w->name = t;
        } else if (!w->word && !equals) {
            w->word = t;
        } else {
            return -EINVAL;
        }
    }
    return w->name ? 0 : -EINVAL;
}

static int number(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 0);
    return !*text || *end || *text == '-' || errno ? -EINVAL : 0;
}

// Takes the pair out of *w, so that leftovers can be refused.
static int pair(struct words *w, const char *key, bool needed, uint64_t *out)
{
    for (int i = 0; i < w->pair_count; i++) {
        if (strcmp(w->pairs[i].key, key))
            continue;
        const char *value = w->pairs[i].value;
        w->pairs[i] = w->pairs[--w->pair_count];
        if (strcmp(key, "errno"))
            return number(value, out);
        int error = sim_errno_value(value);
        *out = (uint64_t)error;
        return error > 0 ? 0 : -EINVAL;
    }
    return needed ? -EINVAL : 0;
}

static int script(struct words *w)
{
    bool fail = strcmp(w->name, "fail") == 0;
    int kind = w->word ? find_kind(w->word) : -1;
    uint64_t nth = 1, error = 0, count = 1, us = 0;
    if (kind < 0)
        return -EINVAL;
    int ret;
    if (!fail)
        ret = pair(w, "us", true, &us);
    else if (!(ret = pair(w, "nth", false, &nth)) && !(ret = pair(w, "errno", true, &error)))
        ret = pair(w, "count", false, &count);
    if (ret || w->pair_count || !nth || us > 60000000)
        return -EINVAL;
    pthread_mutex_lock(&script_lock);
    struct script *s = &scripts[kind];
    if (fail) {
        s->skip = nth - 1;
        s->count = count;
        s->error = (int)error;
    } else {
        s->delay_us = (useconds_t)us;
    }
    pthread_mutex_unlock(&script_lock);
    atomic_store(&sim_scripted, true);
    return 0;
}

static void reset(void)
{
    pthread_mutex_lock(&script_lock);
    memset(scripts, 0, sizeof(scripts));
    memset(records, 0, sizeof(records));
    pthread_mutex_unlock(&script_lock);
    atomic_store(&sim_scripted, false);
    atomic_store(&sim_recording, false);
    atomic_store(&sim_close_waits, false);
    engine_reset();
}

SIM_EXPORT int drmsim_control(const char *command)
{
    struct words w;
    sim_start();
    int ret = split(&w, command);
    if (ret)
        return ret;
    if (strcmp(w.name, "fail") == 0 || strcmp(w.name, "delay") == 0)
        return script(&w);

    uint64_t ring = UINT64_MAX, value = 0;
    bool hang = strcmp(w.name, "hang") == 0, gpu_us = strcmp(w.name, "gpu_us") == 0;
    bool gpu_error = strcmp(w.name, "gpu_error") == 0;
    if (hang)
        ret = pair(&w, "ring", false, &ring);
    else if (gpu_error)
        ret = pair(&w, "errno", true, &value);
    else if (gpu_us)
        ret = w.word ? number(w.word, &value) : -EINVAL;
    if (ret || value > MAX_GPU_US || w.pair_count || (w.word && !gpu_us))
        return -EINVAL;

    if (hang)
        return ring == UINT64_MAX ? engine_hang(-1, true)
                                  : ring < SIM_MAX_RINGS ? engine_hang((int)ring, true) : -EINVAL;
    if (strcmp(w.name, "unhang") == 0)
        return engine_hang(-1, false);
    if (gpu_us)
        engine_set_time(value);
    else if (gpu_error)
        engine_fail_next((int)value);
    else if (strcmp(w.name, "fault") == 0)
        atomic_fetch_add(&sim_global_faults, 1);
    else if (strcmp(w.name, "record") == 0)
        atomic_store(&sim_recording, true);
    else if (strcmp(w.name, "close_waits") == 0)
        atomic_store(&sim_close_waits, true);
    else if (strcmp(w.name, "reset") == 0)
        reset();
    else
        return -EINVAL;
    return 0;
}

SIM_EXPORT void drmsim_counters(struct drmsim_counters *out)
{
    memset(out, 0, sizeof(*out));
    out->version = DRMSIM_COUNTERS_VERSION;
    out->size = sizeof(*out);
    for (int k = 0; k < DRMSIM_KIND_COUNT; k++)
        out->calls[k] = atomic_load(&sim_calls[k]);
    out->files = (uint64_t)atomic_load(&sim_stats.files);
    out->bos = (uint64_t)atomic_load(&sim_stats.bos);
    out->bytes = (uint64_t)atomic_load(&sim_stats.bytes);
    out->handles = (uint64_t)atomic_load(&sim_stats.handles);
    out->queues = (uint64_t)atomic_load(&sim_stats.queues);
    out->syncobjs = (uint64_t)atomic_load(&sim_stats.syncobjs);
    out->fences = (uint64_t)atomic_load(&sim_stats.fences);
    out->jobs_running = (uint64_t)atomic_load(&sim_stats.running);
    out->jobs_done = (uint64_t)atomic_load(&sim_stats.done);
    out->mappings = (uint64_t)atomic_load(&sim_stats.mappings);
    out->jobs_failed = (uint64_t)atomic_load(&sim_stats.failed);
    out->vms = (uint64_t)atomic_load(&sim_stats.vms);
    out->bindings = (uint64_t)atomic_load(&sim_stats.bindings);
    out->objects = (uint64_t)atomic_load(&sim_stats.objects);
}

static size_t report_line(char *line, size_t room)
{
    struct drmsim_counters c;
    drmsim_counters(&c);
    int n = snprintf(line, room,
                     "drmsim: pid=%d files=%lu bos=%lu bytes=%lu handles=%lu queues=%lu syncobjs=%lu "
                     "fences=%lu running=%lu done=%lu failed=%lu mappings=%lu vms=%lu bindings=%lu "
                     "objects=%lu",
                     (int)getpid(), (unsigned long)c.files, (unsigned long)c.bos,
                     (unsigned long)c.bytes, (unsigned long)c.handles, (unsigned long)c.queues,
                     (unsigned long)c.syncobjs, (unsigned long)c.fences,
                     (unsigned long)c.jobs_running, (unsigned long)c.jobs_done,
                     (unsigned long)c.jobs_failed, (unsigned long)c.mappings, (unsigned long)c.vms,
                     (unsigned long)c.bindings, (unsigned long)c.objects);
    for (int k = 0; k < DRMSIM_KIND_COUNT; k++)
        if (c.calls[k])
            n += snprintf(line + n, room - (size_t)n, " %s=%lu", kind_names[k],
                          (unsigned long)c.calls[k]);
    line[n++] = '\n';
    return (size_t)n;
}

// Only processes that used the device report: a VMM starts many helpers.
__attribute__((destructor)) static void report(void)
{
    if (!sim_config.report[0] || !sim_calls[DRMSIM_OPEN])
        return;
    char line[2048];
    size_t n = report_line(line, sizeof(line));
    int fd = STDERR_FILENO;
    if (strcmp(sim_config.report, "stderr"))
        fd = (int)syscall(SYS_openat, AT_FDCWD, sim_config.report,
                          O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0 || syscall(SYS_write, fd, line, n) < 0)
        log_line("cannot write DRMSIM_REPORT=%s: %s", sim_config.report, strerror(errno));
    if (fd >= 0 && fd != STDERR_FILENO)
        sys_close(fd);
}
