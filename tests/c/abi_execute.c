/* abi_execute.c - the extensible call: both structs, every wrong size. */
#include "abi.h"

#include <errno.h>
#include <string.h>

enum {
    QUERY = VIRGL_RENDERER_STRUCTURE_TYPE_EXPORT_QUERY,
    SUPPORTED = VIRGL_RENDERER_STRUCTURE_TYPE_SUPPORTED_STRUCTURES,
    QUERY_SIZE = sizeof(struct virgl_renderer_export_query),
    SUPPORTED_SIZE = sizeof(struct virgl_renderer_supported_structures),
};

static struct iovec iov = { &iov, PAGE };

CASE(execute_supported_structures)
{
    struct virgl_renderer_supported_structures s = { { SUPPORTED, 0, SUPPORTED_SIZE }, 0, 0xa5a5a5a5 };

    vmm_start(ASYNC | NO_VIRGL);
    EXPECT(0, api.execute(&s, sizeof(s)));
    EXPECT(QUERY | SUPPORTED, s.out_supported_structures_mask);
    s.in_stype_version = 1;
    EXPECT(0, api.execute(&s, sizeof(s)));
    EXPECT(0, s.out_supported_structures_mask);
}

static void query(uint32_t res)
{
    struct virgl_renderer_export_query q;

    memset(&q, 0xa5, sizeof(q));
    q.hdr = (struct virgl_renderer_hdr){ QUERY, 0, sizeof(q) };
    q.in_resource_id = res;
    q.in_export_fds = 0;
    EXPECT(0, api.execute(&q, sizeof(q)));
    EXPECT(1, q.out_num_fds);
    EXPECT(0, q.out_fourcc);
    EXPECT(-1, q.out_fds[0]);
    EXPECT(0, q.out_strides[0]);
    EXPECT(0, q.out_offsets[0]);
    EXPECT(0x00ffffffffffffff, q.out_modifier);
    row("with descriptors");
    q.in_export_fds = 1;
    EXPECT(-EINVAL, api.execute(&q, sizeof(q)));
    q.in_export_fds = 0;
    row("resource unknown");
    q.in_resource_id = 99;
    EXPECT(-EINVAL, api.execute(&q, sizeof(q)));
    q.in_resource_id = 0;
    EXPECT(-EINVAL, api.execute(&q, sizeof(q)));
}

CASE(execute_export_query)
{
    vmm_start(ASYNC | NO_VIRGL);
    REQUIRE(0, guest_blob(7, &iov, 1, PAGE));
    query(7);
}

GPU_CASE(execute_export_query_of_buffers)
{
    vmm_start(NATIVE);
    guest(CTX);
    buffer(CTX, 20, SHAREABLE);
    buffer(CTX, 21, 0);
    query(SHMEM_RES + CTX);
    query(20);
    query(21);
}

CASE(execute_wrong_headers)
{
    static const struct { const char *what; uint32_t stype, version, hdr_size, size; } calls[] = {
        { "size 0", SUPPORTED, 0, SUPPORTED_SIZE, 0 },
        { "size of half a header", SUPPORTED, 0, SUPPORTED_SIZE, 8 },
        { "size one below a header", SUPPORTED, 0, SUPPORTED_SIZE, 11 },
        { "a header alone", SUPPORTED, 0, SUPPORTED_SIZE, 12 },
        { "SUPPORTED one byte short", SUPPORTED, 0, SUPPORTED_SIZE, SUPPORTED_SIZE - 1 },
        { "SUPPORTED one byte long", SUPPORTED, 0, SUPPORTED_SIZE, SUPPORTED_SIZE + 1 },
        { "SUPPORTED, header disagrees", SUPPORTED, 0, SUPPORTED_SIZE - 4, SUPPORTED_SIZE },
        { "SUPPORTED, header size 0", SUPPORTED, 0, 0, SUPPORTED_SIZE },
        { "SUPPORTED with the other's size", SUPPORTED, 0, QUERY_SIZE, QUERY_SIZE },
        { "SUPPORTED version 1", SUPPORTED, 1, SUPPORTED_SIZE, SUPPORTED_SIZE },
        { "QUERY one byte short", QUERY, 0, QUERY_SIZE, QUERY_SIZE - 1 },
        { "QUERY one byte long", QUERY, 0, QUERY_SIZE, QUERY_SIZE + 1 },
        { "QUERY, header disagrees", QUERY, 0, QUERY_SIZE + 8, QUERY_SIZE },
        { "QUERY with the other's size", QUERY, 0, SUPPORTED_SIZE, SUPPORTED_SIZE },
        { "QUERY version 1", QUERY, 1, QUERY_SIZE, QUERY_SIZE },
        { "type 0", 0, 0, 12, 12 },
        { "both types", QUERY | SUPPORTED, 0, QUERY_SIZE, QUERY_SIZE },
        { "type unknown", 4, 0, QUERY_SIZE, QUERY_SIZE },
    };

    vmm_start(ASYNC | NO_VIRGL);
    REQUIRE(0, guest_blob(7, &iov, 1, PAGE));
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        struct virgl_renderer_export_query q[2];
        row("%s", calls[i].what);
        memset(q, 0, sizeof(q));
        q[0].hdr = (struct virgl_renderer_hdr){ calls[i].stype, calls[i].version, calls[i].hdr_size };
        q[0].in_resource_id = calls[i].stype == QUERY ? 7 : 0;
        q[0].out_num_fds = 0x5a5a5a5a; /* the mask of the other struct */
        EXPECT(-EINVAL, api.execute(q, calls[i].size));
        EXPECT(0x5a5a5a5a, q[0].out_num_fds);
    }
    EXPECT(-EINVAL, api.execute(NULL, 0));
    EXPECT(-EINVAL, api.execute(NULL, QUERY_SIZE));
}

/* A caller with less than a header has nothing more that could be read. */
CASE(execute_short_memory)
{
    vmm_start(ASYNC | NO_VIRGL);
    for (uint32_t size = 0; size < 12; size += 4) {
        row("%u bytes", size);
        EXPECT(-EINVAL, api.execute(page_end(size), size));
    }
    struct virgl_renderer_hdr *hdr = page_end(sizeof(*hdr));
    *hdr = (struct virgl_renderer_hdr){ QUERY, 0, QUERY_SIZE };
    EXPECT(-EINVAL, api.execute(hdr, sizeof(*hdr)));
}
