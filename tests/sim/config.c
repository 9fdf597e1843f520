// The environment of the simulated device, read once.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim.h"

struct sim_config sim_config;
static struct device devices[SIM_MAX_DEVICES];
static unsigned device_count;

static const char *env(const char *name, const char *fallback)
{
    const char *value = getenv(name);
    return value && *value ? value : fallback;
}

static uint64_t env_number(const char *name, uint64_t fallback)
{
    const char *value = env(name, NULL);
    if (!value)
        return fallback;
    char *end;
    uint64_t n = strtoull(value, &end, 0);
    if (!*end)
        return n;
    log_line("%s=%s is not a number; using %llu", name, value, (unsigned long long)fallback);
    return fallback;
}

int sim_errno_value(const char *text)
{
    char *end;
    long n = strtol(text, &end, 0);
    if (*text && !*end)
        return n >= 0 && n < 4096 ? (int)n : -1;
    for (int e = 1; e < 200; e++) {
        const char *name = strerrorname_np(e);
        if (name && strcmp(name, text) == 0)
            return e;
    }
    return -1;
}

static void read_params(void)
{
    for (char **e = environ; e && *e; e++) {
        unsigned nr;
        int n = 0;
        if (sscanf(*e, "DRMSIM_PARAM_%u=%n", &nr, &n) < 1 || !n || nr >= 256)
            continue;
        const char *value = *e + n;
        char *end;
        sim_config.params[nr].state = strcmp(value, "fail") ? PARAM_VALUE : PARAM_FAIL;
        sim_config.params[nr].value = strtoull(value, &end, 0);
        if (sim_config.params[nr].state == PARAM_VALUE && (*end || !*value))
            log_line("%s: give a number or \"fail\"", *e);
    }
}

static void read_environment(void)
{
    struct sim_config *c = &sim_config;
    snprintf(c->report, sizeof(c->report), "%s", env("DRMSIM_REPORT", ""));
    const char *version = env("DRMSIM_VERSION", NULL);
    struct sim_version *v = &c->version;
    c->version_given = version && sscanf(version, "%d.%d.%d", &v->major, &v->minor, &v->patch) >= 2;
    if (version && !c->version_given)
        log_line("DRMSIM_VERSION=%s is not MAJOR.MINOR.PATCH", version);
    const char *error = env("DRMSIM_OPEN_ERRNO", "0");
    c->open_errno = sim_errno_value(error);
    if (c->open_errno < 0) {
        log_line("DRMSIM_OPEN_ERRNO=%s is no errno; using EIO", error);
        c->open_errno = EIO;
    }
    c->gpu_us = env_number("DRMSIM_GPU_US", 0);
    c->priorities = (uint32_t)env_number("DRMSIM_PRIORITIES", 3);
    c->rings = c->priorities < SIM_MAX_RINGS ? c->priorities : SIM_MAX_RINGS;
    if (!c->rings)
        c->rings = 1;
    c->preempt = !env("DRMSIM_NO_PREEMPT", NULL);
    read_params();
}

static const struct driver *const drivers[] = { &msm_driver, &asahi_driver };

static void add_device(const char *name, const char *node, size_t digits)
{
    struct device *d = &devices[device_count];
    snprintf(d->name, sizeof(d->name), "%s", name);
    snprintf(d->node, sizeof(d->node), "%s", node);
    if (device_count) // the number at the end of the first one goes on
        snprintf(d->node + digits, sizeof(d->node) - digits, "%lu", strtoul(node + digits, NULL, 10) + device_count);
    d->minor = 128 + device_count++;
    d->driver = &generic_driver;
    for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
        if (strcmp(drivers[i]->name, name) == 0)
            d->driver = drivers[i];
}

static void make_devices(void)
{
    char list[256], *save = NULL;
    const char *node = env("DRMSIM_NODE", "/dev/dri/renderD128");
    size_t digits = strlen(node);
    while (digits && strchr("0123456789", node[digits - 1]))
        digits--;
    snprintf(list, sizeof(list), "%s", env("DRMSIM_DRIVER", "msm"));
    for (char *name = strtok_r(list, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
        if (device_count == SIM_MAX_DEVICES) {
            log_line("DRMSIM_DRIVER: only the first %d devices are there", SIM_MAX_DEVICES);
            break;
        }
        add_device(name, node, digits);
    }
}

struct device *device_by_path(const char *path)
{
    sim_start();
    for (unsigned i = 0; i < device_count; i++)
        if (strcmp(devices[i].node, path) == 0)
            return &devices[i];
    return NULL;
}

struct sim_version driver_version(const struct driver *driver)
{
    return sim_config.version_given ? sim_config.version : driver->version;
}

static void start(void)
{
    read_environment();
    make_devices();
    engine_reset();
}

void sim_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
}
