/* replay_driver.c - command buffers in general, and the drivers the replayer knows. */
#include "replay.h"

#include <string.h>

static const struct driver *const drivers[] = {&driver_msm, &driver_asahi};

const struct driver *driver_of(uint32_t context_type)
{
    for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
        if (drivers[i]->context_type == context_type)
            return drivers[i];
    return NULL;
}

bool ccmd_next(const struct vrec_event *submit, struct ccmd *c)
{
    struct vdrm_ccmd_req req;

    if (c->at > submit->len || submit->len - c->at < sizeof(req))
        return false;
    memcpy(&req, submit->data + c->at, sizeof(req));
    if (req.len < sizeof(req))
        return false;
    c->raw = submit->data + c->at;
    c->len = req.len < submit->len - c->at ? req.len : submit->len - c->at;
    c->at += req.len;
    c->cmd = req.cmd;
    c->seqno = req.seqno;
    c->rsp_off = req.rsp_off;
    return true;
}

/* The 32-bit word of a command at an offset, 0 beyond its end. */
uint32_t ccmd_word(const struct ccmd *c, size_t at)
{
    uint32_t v = 0;

    if (at + sizeof(v) <= c->len)
        memcpy(&v, c->raw + at, sizeof(v));
    return v;
}

const char *ccmd_name(const struct driver *d, uint32_t cmd)
{
    return d && cmd < MAX_CCMDS && d->names[cmd] ? d->names[cmd] : "several kinds";
}

const char *context_type_name(uint32_t type)
{
    static const char *const types[] = {"none", "msm", "amdgpu", "i915", "asahi", "panfrost"};

    return type < sizeof(types) / sizeof(types[0]) ? types[type] : "unknown";
}
