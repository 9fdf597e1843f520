/* abi_blob.c - blob resources: creation and its checks, guest pages, shared memory. */
#define _GNU_SOURCE
#include "abi.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
    GUEST = VIRGL_RENDERER_BLOB_MEM_GUEST,
    HOST3D = VIRGL_RENDERER_BLOB_MEM_HOST3D,
    HOST3D_GUEST = VIRGL_RENDERER_BLOB_MEM_HOST3D_GUEST,
    GUEST_VRAM = VIRGL_RENDERER_BLOB_MEM_GUEST_VRAM,
};

static uint8_t pages[4 * PAGE];

CASE(blob_guest)
{
    struct iovec iov[] = { { pages, PAGE }, { pages + 2 * PAGE, PAGE } }, *out = NULL;
    uint32_t info = 99, type = 99;
    int n = 99, fd = 99;

    vmm_start(ASYNC | NO_VIRGL);
    EXPECT(0, guest_blob(7, iov, 2, 2 * PAGE)); /* no context needed */
    EXPECT(0, api.resource_get_map_info(7, &info));
    EXPECT(VIRGL_RENDERER_MAP_CACHE_CACHED, info);
    EXPECT(-EINVAL, api.resource_export_blob(7, &type, &fd));
    CHECK(type == 99 && fd == 99);
    EXPECT(EINVAL, api.resource_attach_iov(7, iov, 2)); /* has them */
    api.resource_detach_iov(7, &out, &n);
    CHECK(out == iov);
    EXPECT(2, n);
    api.resource_detach_iov(7, &out, &n);
    CHECK(out == NULL);
    EXPECT(0, n);
    EXPECT(0, api.resource_attach_iov(7, iov, 1));
    api.resource_detach_iov(7, NULL, &n);
    EXPECT(1, n);
    EXPECT(0, api.resource_attach_iov(7, iov, 2));
    api.resource_detach_iov(7, &out, NULL);
    CHECK(out == iov);
    EXPECT(0, api.resource_attach_iov(7, iov, 2));
    api.resource_detach_iov(7, NULL, NULL);
    EXPECT(0, api.resource_attach_iov(7, iov, 2));
}

CASE(blob_unknown_ids)
{
    struct iovec iov = { pages, PAGE }, *out = &iov;
    int n = 99;

    vmm_start(ASYNC | NO_VIRGL);
    EXPECT(EINVAL, api.resource_attach_iov(7, &iov, 1));
    EXPECT(EINVAL, api.resource_attach_iov(0, &iov, 1));
    api.resource_detach_iov(7, &out, &n);
    CHECK(out == &iov && n == 99);
    api.resource_unref(7);
    api.resource_unref(0);
    row("ids have 32 bits");
    EXPECT(0, guest_blob(UINT32_MAX, &iov, 1, PAGE));
    EXPECT(EINVAL, api.resource_attach_iov(-1, &iov, 1));
    api.resource_detach_iov(-1, &out, &n);
    CHECK(out == &iov && n == 1);
    api.resource_unref(UINT32_MAX);
    api.resource_detach_iov(-1, &out, &n);
    CHECK(out == &iov && n == 1); /* unknown: untouched */
    EXPECT(0, guest_blob(UINT32_MAX, &iov, 1, PAGE));
}

/* Codes are the same for most checks; -ENOENT, the last of them, shows that the others come first. */
GPU_CASE(blob_order_of_checks)
{
    struct iovec iov = { pages, PAGE }, half[] = { { pages, PAGE / 2 }, { pages, PAGE / 2 - 1 } };
    struct iovec huge[] = { { pages, SIZE_MAX }, { pages, 2 } };
    const struct {
        const char *what;
        uint32_t ctx, res, mem;
        uint64_t blob_id, size;
        const struct iovec *iov;
        uint32_t n;
        int want;
    } calls[] = {
        { "blob_mem 0", CTX, 9, 0, 5, PAGE, NULL, 0, -EINVAL },
        { "blob_mem GUEST_VRAM", CTX, 9, GUEST_VRAM, 5, PAGE, NULL, 0, -EINVAL },
        { "blob_mem 5", CTX, 9, 5, 5, PAGE, NULL, 0, -EINVAL },
        { "blob_mem wrong, all else too", 99, 0, UINT32_MAX, 5, 0, &iov, 1, -EINVAL },
        { "res_handle 0, blob unknown", CTX, 0, HOST3D, 5, PAGE, NULL, 0, -EINVAL },
        { "id in use, blob unknown", CTX, 8, HOST3D, 5, PAGE, NULL, 0, -EINVAL },
        { "size 0, blob unknown", CTX, 9, HOST3D, 5, 0, NULL, 0, -EINVAL },
        { "iovecs for HOST3D, blob unknown", CTX, 9, HOST3D, 5, PAGE, &iov, 1, -EINVAL },
        { "iovecs one byte short, blob unknown", CTX, 9, HOST3D_GUEST, 5, PAGE, half, 2, -EINVAL },
        { "iovecs beyond 64 bits, blob unknown", CTX, 9, HOST3D_GUEST, 5, PAGE, huge, 2, -ENOENT },
        { "iovecs missing, blob unknown", CTX, 9, HOST3D_GUEST, 5, PAGE, NULL, 0, -EINVAL },
        { "iovecs enough, blob unknown", CTX, 9, HOST3D_GUEST, 5, PAGE, &iov, 1, -ENOENT },
        { "context unknown", 99, 9, HOST3D, 5, PAGE, NULL, 0, -EINVAL },
        { "context 0", 0, 9, HOST3D, 5, PAGE, NULL, 0, -EINVAL },
        { "blob_id beyond 32 bits, blob unknown", CTX, 9, HOST3D, 1ull << 32 | 5, PAGE, NULL, 0, -EINVAL },
        { "blob_id beyond 32 bits, 0 below", CTX, 9, HOST3D, 1ull << 32, SHMEM_SIZE, NULL, 0, -EINVAL },
        { "blob unknown, size odd", CTX, 9, HOST3D, 5, 1, NULL, 0, -ENOENT },
        { "blob unknown", CTX, 9, HOST3D, 5, PAGE, NULL, 0, -ENOENT },
        { "GUEST, iovecs missing", 0, 9, GUEST, 0, PAGE, NULL, 0, -EINVAL },
        { "GUEST, iovecs one byte short", 0, 9, GUEST, 0, PAGE, half, 2, -EINVAL },
        { "GUEST, size 0", 0, 9, GUEST, 0, 0, &iov, 1, -EINVAL },
        { "GUEST, id in use", 0, 8, GUEST, 0, PAGE, &iov, 1, -EINVAL },
        { "GUEST, id 0", 0, 0, GUEST, 0, PAGE, &iov, 1, -EINVAL },
        { "GUEST, context unknown", 99, 9, GUEST, 0, PAGE, &iov, 1, 0 },
    };

    vmm_start(NATIVE);
    context(CTX);
    REQUIRE(0, guest_blob(8, &iov, 1, PAGE));
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        row("%s", calls[i].what);
        EXPECT(calls[i].want, blob_with_iov(calls[i].ctx, calls[i].res, calls[i].mem, MAPPABLE, calls[i].blob_id,
                                            calls[i].size, calls[i].iov, calls[i].n));
    }
    row("no arguments");
    EXPECT(-EINVAL, api.resource_create_blob(NULL));
}

GPU_CASE(blob_shmem_rules)
{
    struct iovec iov = { pages, sizeof(pages) }, *out = NULL;
    uint32_t type = 9, info = 9;
    uint64_t size;
    int n = 0, fd = -1;
    void *map;

    vmm_start(NATIVE);
    context(CTX);
    for (uint32_t flags = 0; flags < 8; flags++) {
        row("flags %u", flags);
        if (flags != MAPPABLE)
            EXPECT(-EINVAL, blob(CTX, 9, HOST3D, flags, 0, SHMEM_SIZE));
    }
    row("sizes");
    EXPECT(-EINVAL, blob(CTX, 9, HOST3D, MAPPABLE, 0, 15));
    EXPECT(-EINVAL, blob(CTX, 9, HOST3D, MAPPABLE, 0, 1ull << 32));
    EXPECT(0, blob(CTX, 9, HOST3D, MAPPABLE, 0, SHMEM_SIZE));
    row("a second one");
    EXPECT(-EINVAL, blob(CTX, 10, HOST3D, MAPPABLE, 0, SHMEM_SIZE));
    row("what it is");
    EXPECT(0, api.resource_export_blob(9, &type, &fd));
    EXPECT(VIRGL_RENDERER_BLOB_FD_TYPE_SHM, type);
    CHECK(is_cloexec(fd));
    EXPECT(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, fcntl(fd, F_GET_SEALS));
    EXPECT(SHMEM_SIZE, lseek(fd, 0, SEEK_END));
    EXPECT(0, api.resource_get_map_info(9, &info));
    EXPECT(VIRGL_RENDERER_MAP_CACHE_CACHED, info);
    REQUIRE(0, api.resource_map(9, &map, &size));
    EXPECT(SHMEM_SIZE, size);
    struct msm_shmem *shm = map;
    EXPECT(0, shm->base.seqno);
    EXPECT(16, shm->base.rsp_mem_offset);
    for (size_t i = 8; i < SHMEM_SIZE; i++)
        if (((uint8_t *)map)[i] && !EXPECT(0, ((uint8_t *)map)[i]))
            break;
    close(fd);
    row("the context keeps it when the resource goes");
    api.resource_unref(9);
    EXPECT(0, nop(CTX));
    EXPECT(-EINVAL, blob(CTX, 10, HOST3D, MAPPABLE, 0, SHMEM_SIZE));
    row("just a header, with guest pages");
    context(2);
    EXPECT(0, blob_with_iov(2, 11, HOST3D_GUEST, MAPPABLE, 0, 16, &iov, 1));
    api.resource_detach_iov(11, &out, &n);
    CHECK(out == &iov && n == 1);
}

GPU_CASE(blob_of_buffer)
{
    struct iovec iov = { pages, sizeof(pages) }, *out = NULL;
    uint32_t info = 9;
    int n = 0;

    vmm_start(NATIVE);
    context(CTX);
    REQUIRE(0, gem_new(CTX, 20, 0x2345, BO_WC));
    row("size is the buffer's in pages");
    EXPECT(-EINVAL, blob(CTX, 9, HOST3D, MAPPABLE, 20, 0x2345));
    EXPECT(-EINVAL, blob(CTX, 9, HOST3D, MAPPABLE, 20, 0x4000));
    row("a failed export leaves it for another try");
    sim("fail PRIME_HANDLE_TO_FD errno=EMFILE");
    EXPECT(-EINVAL, blob(CTX, 9, HOST3D, SHAREABLE, 20, 0x3000));
    EXPECT(0, blob(CTX, 9, HOST3D, SHAREABLE | MAPPABLE, 20, 0x3000));
    EXPECT(0, api.resource_get_map_info(9, &info));
    EXPECT(VIRGL_RENDERER_MAP_CACHE_WC, info);
    row("it is used up");
    EXPECT(-ENOENT, blob(CTX, 10, HOST3D, MAPPABLE, 20, 0x3000));
    row("its blob_id is not");
    REQUIRE(0, gem_new(CTX, 20, PAGE, BO_CACHED_COHERENT));
    EXPECT(-EINVAL, gem_new(CTX, 20, PAGE, BO_WC)); /* pending */
    EXPECT(0, blob_with_iov(CTX, 10, HOST3D_GUEST, MAPPABLE, 20, PAGE, &iov, 1));
    EXPECT(0, api.resource_get_map_info(10, &info));
    EXPECT(VIRGL_RENDERER_MAP_CACHE_CACHED, info);
    row("HOST3D_GUEST hands its iovecs back as GUEST does");
    api.resource_detach_iov(10, &out, &n);
    CHECK(out == &iov);
    EXPECT(1, n);
    row("another context's");
    context(2);
    REQUIRE(0, gem_new(CTX, 30, PAGE, BO_WC));
    EXPECT(-ENOENT, blob(2, 11, HOST3D, MAPPABLE, 30, PAGE));
    EXPECT(3, sim_counters().bos);
    api.resource_unref(9);
    api.resource_unref(10);
    EXPECT(1, sim_counters().bos);
}
