// The environment of the simulated device, read once.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim.h"

struct sim_config sim_config;
const struct driver *sim_driver;

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
    snprintf(c->node, sizeof(c->node), "%s", env("DRMSIM_NODE", "/dev/dri/renderD128"));
    snprintf(c->driver, sizeof(c->driver), "%s", env("DRMSIM_DRIVER", "msm"));
    snprintf(c->report, sizeof(c->report), "%s", env("DRMSIM_REPORT", ""));
    const char *version = env("DRMSIM_VERSION", "1.13.0");
    if (sscanf(version, "%d.%d.%d", &c->major, &c->minor, &c->patch) < 2)
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

static const struct driver *const drivers[] = { &msm_driver };

static void start(void)
{
    read_environment();
    sim_driver = &generic_driver;
    for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
        if (strcmp(drivers[i]->name, sim_config.driver) == 0)
            sim_driver = drivers[i];
    engine_reset();
}

void sim_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
}
