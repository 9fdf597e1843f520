// asahi command buffers: a chain of headers and payloads, checked as strictly as the kernel does.
#include <string.h>

#include "asahi.h"

enum { RENDER, COMPUTE, VERTEX_ATTACHMENTS, FRAGMENT_ATTACHMENTS, COMPUTE_ATTACHMENTS };

#define NO_BARRIER 0xffffu
#define RENDER_FLAGS 0x40007u
#define MAX_SIZE 16384u
#define MAX_LAYERS 2048u

struct header { uint16_t type, size, vdm_barrier, cdm_barrier; };
struct attachment { uint64_t pointer, size; uint32_t pad, flags; };
struct helper { uint32_t binary, cfg; uint64_t data; };
struct zls { uint64_t base, comp_base; uint32_t stride, comp_stride; };
struct timestamp { uint32_t object, offset; };
struct bg_eot { uint32_t usc, rsrc_spec; };

struct render {
    uint32_t flags, isp_zls_pixels;
    uint64_t stream;
    struct helper vertex, fragment;
    uint64_t scissor, dbias, oclqry;
    struct zls depth, stencil;
    uint64_t zls_ctrl, multisample, sampler_heap;
    uint32_t ppp_ctrl;
    uint16_t width, height, layers, sampler_count;
    uint8_t utile_width, utile_height, samples, sample_size;
    uint32_t merge_x, merge_y;
    struct bg_eot programs[4];
    uint32_t bgobjdepth, bgobjvals;
    struct timestamp stamps[4];
};

struct compute {
    uint32_t flags, sampler_count;
    uint64_t stream, stream_end, sampler_heap;
    struct helper helper;
    struct timestamp stamps[2];
};

_Static_assert(sizeof(struct render) == 240 && sizeof(struct compute) == 64 &&
               sizeof(struct attachment) == 24, "not the kernel's layout");

struct chain {
    struct drm_file *file;
    const struct asahi_vm *vm;
    unsigned renders, computes; // so far
    bool fault;
};

static int check_stamps(const struct chain *c, const struct timestamp *stamps, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (!stamps[i].object)
            continue;
        const struct asahi_object *object = idtab_find(&asahi_file(c->file)->objects, stamps[i].object);
        if (!object)
            return -ENOENT;
        if (stamps[i].offset % 8 || stamps[i].offset > object->range - 8)
            return -EINVAL;
    }
    return 0;
}

// Address 0 stands for a stream that nobody wants to be fetched.
static void fetch(struct chain *c, uint64_t stream)
{
    if (stream && !asahi_vm_mapped(c->vm, stream))
        c->fault = true;
}

static bool tile_ok(const struct render *r)
{
    return (r->utile_width == 32 && (r->utile_height == 32 || r->utile_height == 16)) ||
           (r->utile_width == 16 && r->utile_height == 16);
}

static int check_render(struct chain *c, const struct render *r)
{
    c->renders++;
    if (r->flags & ~RENDER_FLAGS || !r->width || r->width > MAX_SIZE || !r->height || r->height > MAX_SIZE ||
        !r->layers || r->layers > MAX_LAYERS || !tile_ok(r) ||
        (r->samples != 1 && r->samples != 2 && r->samples != 4))
        return -EINVAL;
    fetch(c, r->stream);
    return check_stamps(c, r->stamps, 4);
}

static int check_compute(struct chain *c, const struct compute *p)
{
    c->computes++;
    if (p->flags)
        return -EINVAL;
    fetch(c, p->stream);
    return check_stamps(c, p->stamps, 2);
}

static int check_attachments(const struct header *h, const char *payload)
{
    if (h->size % sizeof(struct attachment) || h->size / sizeof(struct attachment) > ASAHI_MAX_ATTACHMENTS ||
        h->vdm_barrier != NO_BARRIER || h->cdm_barrier != NO_BARRIER)
        return -EINVAL;
    for (size_t at = 0; at < h->size; at += sizeof(struct attachment)) {
        struct attachment a;
        memcpy(&a, payload + at, sizeof(a));
        if (a.pad || a.flags)
            return -EINVAL;
    }
    return 0;
}

// A shorter payload is extended with zeros; what a longer one adds must be zero.
static int get_payload(void *to, size_t room, const char *from, size_t size)
{
    memset(to, 0, room);
    memcpy(to, from, size < room ? size : room);
    for (size_t at = room; at < size; at++)
        if (from[at])
            return -EINVAL;
    return 0;
}

static bool barrier_ok(uint16_t barrier, unsigned before)
{
    return barrier == NO_BARRIER || barrier <= before;
}

static int check_command(struct chain *c, const struct header *h, const char *payload)
{
    union { struct render render; struct compute compute; } cmd;
    if (h->type >= VERTEX_ATTACHMENTS)
        return h->type <= COMPUTE_ATTACHMENTS ? check_attachments(h, payload) : -EINVAL;
    if (!barrier_ok(h->vdm_barrier, c->renders) || !barrier_ok(h->cdm_barrier, c->computes))
        return -EINVAL;
    size_t room = h->type == RENDER ? sizeof(cmd.render) : sizeof(cmd.compute);
    int ret = get_payload(&cmd, room, payload, h->size);
    if (ret)
        return ret;
    return h->type == RENDER ? check_render(c, &cmd.render) : check_compute(c, &cmd.compute);
}

int asahi_check_commands(struct drm_file *file, const struct asahi_vm *vm, const void *commands,
                         uint32_t size, bool *fault)
{
    struct chain c = { .file = file, .vm = vm };
    const char *at = commands, *end = at + size;
    while (at < end) {
        struct header h;
        if ((size_t)(end - at) < sizeof(h))
            return -EINVAL;
        memcpy(&h, at, sizeof(h));
        at += sizeof(h);
        if ((size_t)(end - at) < h.size)
            return -EINVAL;
        int ret = check_command(&c, &h, at);
        if (ret)
            return ret;
        at += h.size;
    }
    *fault = c.fault;
    unsigned count = c.renders + c.computes;
    return count && count <= ASAHI_MAX_COMMANDS ? 0 : -EINVAL;
}
