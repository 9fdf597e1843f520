/* abi_import.c - import_blob: its rules, and who closes the descriptor. */
#define _GNU_SOURCE
#include "abi.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    GUEST = VIRGL_RENDERER_BLOB_MEM_GUEST,
    HOST3D = VIRGL_RENDERER_BLOB_MEM_HOST3D,
    HOST3D_GUEST = VIRGL_RENDERER_BLOB_MEM_HOST3D_GUEST,
    GUEST_VRAM = VIRGL_RENDERER_BLOB_MEM_GUEST_VRAM,
};

static uint8_t pages[PAGE];

static int import(uint32_t res, uint32_t mem, uint32_t type, int fd, uint64_t size)
{
    struct virgl_renderer_resource_import_blob_args args = { res, mem, type, fd, size };

    return api.resource_import_blob(&args);
}

enum {
    DMABUF = VIRGL_RENDERER_BLOB_FD_TYPE_DMABUF,
    OPAQUE = VIRGL_RENDERER_BLOB_FD_TYPE_OPAQUE,
    SHM = VIRGL_RENDERER_BLOB_FD_TYPE_SHM,
};

CASE(import_rules)
{
    struct iovec iov = { pages, PAGE };
    int fd = small_file(PAGE);
    const struct { const char *what; uint32_t res, mem, type; int fd; uint64_t size; } bad[] = {
        { "res_handle 0", 0, HOST3D, SHM, fd, PAGE },
        { "id in use", 8, HOST3D, SHM, fd, PAGE },
        { "blob_mem 0", 7, 0, SHM, fd, PAGE },
        { "blob_mem GUEST", 7, GUEST, SHM, fd, PAGE },
        { "blob_mem HOST3D_GUEST", 7, HOST3D_GUEST, SHM, fd, PAGE },
        { "blob_mem 5", 7, 5, SHM, fd, PAGE },
        { "fd_type 0", 7, HOST3D, 0, fd, PAGE },
        { "fd_type 4", 7, HOST3D, 4, fd, PAGE },
        { "fd -1", 7, HOST3D, SHM, -1, PAGE },
        { "size 0", 7, HOST3D, SHM, fd, 0 },
    };
    uint32_t info = 9;

    vmm_start(ASYNC | NO_VIRGL);
    REQUIRE(0, guest_blob(8, &iov, 1, PAGE));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        row("%s", bad[i].what);
        EXPECT(-EINVAL, import(bad[i].res, bad[i].mem, bad[i].type, bad[i].fd, bad[i].size));
        REQUIRE_TRUE(is_open(fd)); /* the caller's on failure */
    }
    EXPECT(-EINVAL, api.resource_import_blob(NULL));
    for (uint32_t type = DMABUF; type <= SHM; type++) {
        for (uint32_t mem = HOST3D; mem <= GUEST_VRAM; mem += 2) {
            row("fd_type %u, blob_mem %u", type, mem);
            int copy = dup(fd);
            EXPECT(0, import(7, mem, type, copy, PAGE));
            EXPECT(2, open_with_inode(inode_of(fd)));
            EXPECT(-EINVAL, api.resource_get_map_info(7, &info));
            EXPECT(9, info);
            api.resource_unref(7);
            EXPECT(1, open_with_inode(inode_of(fd))); /* the library's on success */
        }
    }
    close(fd);
}

CASE(import_map_and_export)
{
    void *map = NULL;
    uint64_t size = 0;
    uint32_t type = 9;
    int fd = small_file(2 * PAGE), out = -1;

    vmm_start(ASYNC | NO_VIRGL);
    for (uint32_t want = DMABUF; want <= SHM; want++) {
        row("fd_type %u", want);
        bool maps = want != OPAQUE;
        REQUIRE(0, import(7, HOST3D, want, dup(fd), 2 * PAGE));
        EXPECT(0, api.resource_export_blob(7, &type, &out));
        EXPECT(want, type);
        CHECK(is_cloexec(out));
        EXPECT(inode_of(fd), inode_of(out));
        close(out);
        if (maps) {
            EXPECT(0, api.resource_map(7, &map, &size));
            EXPECT(2 * PAGE, size);
        }
        void *at = page_range(2 * PAGE);
        EXPECT(maps ? 0 : -EOPNOTSUPP, api.resource_map_fixed(7, at));
        api.resource_unref(7);
        munmap(at, 2 * PAGE);
    }
    row("larger than its file: touching it would fault");
    EXPECT(0, import(7, HOST3D, SHM, fd, 3 * PAGE));
    EXPECT(-EINVAL, api.resource_map(7, &map, &size));
    EXPECT(-EINVAL, api.resource_map_fixed(7, page_range(3 * PAGE)));
}

GPU_CASE(import_and_attach)
{
    uint32_t type = 0;
    int fd = -1;

    vmm_start(NATIVE);
    struct guest a = guest(1), b = guest(2);
    buffer(1, 50, SHAREABLE);
    REQUIRE(0, api.resource_export_blob(50, &type, &fd));
    EXPECT(DMABUF, type);
    EXPECT(0, import(60, HOST3D, DMABUF, fd, PAGE));
    api.ctx_attach_resource(2, 60);
    EXPECT(0, cpu_prep(&b, 60));
    row("one buffer under two ids in one context");
    api.ctx_attach_resource(1, 60);
    EXPECT(0, cpu_prep(&a, 60));
    api.resource_unref(60);
    EXPECT(-ENOENT, cpu_prep(&a, 60));
    EXPECT(0, cpu_prep(&a, 50));
    EXPECT(-ENOENT, cpu_prep(&b, 60));
    row("not a GPU buffer");
    REQUIRE(0, import(61, HOST3D, DMABUF, small_file(PAGE), PAGE));
    api.ctx_attach_resource(2, 61);
    EXPECT(-ENOENT, cpu_prep(&b, 61));
}
