/* abi_map.c - map, map_fixed, unmap, map_info and export_blob: every kind of resource, every wrong order. */
#define _GNU_SOURCE
#include "abi.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SHAREABLE_RES = 20, MAPPABLE_RES, BOTH_RES, NEITHER_RES, GUEST_RES };

static struct guest g;
static uint8_t page[PAGE];
static struct iovec iov = { page, PAGE };

static void vm_with_all_kinds(void)
{
    vmm_start(NATIVE);
    g = guest(CTX);
    buffer(CTX, SHAREABLE_RES, SHAREABLE);
    buffer(CTX, MAPPABLE_RES, MAPPABLE);
    buffer(CTX, BOTH_RES, MAPPABLE | SHAREABLE);
    buffer(CTX, NEITHER_RES, 0);
    REQUIRE(0, guest_blob(GUEST_RES, &iov, 1, PAGE));
    REQUIRE(0, api.resource_unmap(SHMEM_RES + CTX));
}

struct kind {
    const char *what;
    uint32_t res;
    uint64_t size;
    int export, type, map, fixed; /* codes; type of the export if it works */
};

static void try_kind(const struct kind *k)
{
    uint32_t type = 99;
    uint64_t size = 99;
    void *map = &size, *at = page_range(SHMEM_SIZE);
    int fd = 99;

    row("%s", k->what);
    EXPECT(k->export, api.resource_export_blob(k->res, &type, &fd));
    if (k->export == 0) {
        EXPECT(k->type, type);
        CHECK(is_cloexec(fd));
        EXPECT(k->size, lseek(fd, 0, SEEK_END));
        close(fd);
    } else {
        CHECK(fd == 99 && type == 99);
    }
    EXPECT(k->map, api.resource_map(k->res, &map, &size));
    if (k->map == 0) {
        EXPECT(k->size, size);
        ((volatile uint8_t *)map)[size - 1] = 0x77;
        EXPECT(-EINVAL, api.resource_map(k->res, &map, &size)); /* once at a time */
    } else {
        CHECK(map == &size && size == 99);
    }
    for (int i = 0; i < 2; i++) { /* as often as wanted, also while mapped */
        EXPECT(k->fixed, api.resource_map_fixed(k->res, at));
        if (k->fixed == 0)
            EXPECT(0x77, ((volatile uint8_t *)at)[k->size - 1]);
    }
    EXPECT(k->map, api.resource_unmap(k->res));
    EXPECT(-EINVAL, api.resource_unmap(k->res));
    munmap(at, SHMEM_SIZE);
    EXPECT(0, maps_lines("/memfd:drmsim-bo"));
}

GPU_CASE(map_matrix)
{
    enum { DMABUF = VIRGL_RENDERER_BLOB_FD_TYPE_DMABUF, SHM = VIRGL_RENDERER_BLOB_FD_TYPE_SHM };
    const struct kind kinds[] = {
        { "response memory", SHMEM_RES + CTX, SHMEM_SIZE, 0, SHM, 0, 0 },
        { "SHAREABLE", SHAREABLE_RES, PAGE, 0, DMABUF, 0, 0 },
        { "SHAREABLE and MAPPABLE", BOTH_RES, PAGE, 0, DMABUF, 0, 0 },
        { "MAPPABLE", MAPPABLE_RES, PAGE, 0, DMABUF, 0, 0 },
        { "neither", NEITHER_RES, PAGE, -EINVAL, 0, -EINVAL, -EOPNOTSUPP },
        { "guest pages", GUEST_RES, PAGE, -EINVAL, 0, -EINVAL, -EOPNOTSUPP },
        { "unknown", 99, PAGE, -EINVAL, 0, -EINVAL, -EINVAL },
        { "id 0", 0, PAGE, -EINVAL, 0, -EINVAL, -EINVAL },
    };

    vm_with_all_kinds();
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        try_kind(&kinds[i]);
}

GPU_CASE(map_null_arguments)
{
    void *map = NULL;
    uint64_t size;
    uint32_t type;
    int fd = -1;

    vm_with_all_kinds();
    EXPECT(-EINVAL, api.resource_map(BOTH_RES, NULL, &size));
    EXPECT(-EINVAL, api.resource_map(BOTH_RES, &map, NULL));
    EXPECT(-EINVAL, api.resource_map_fixed(BOTH_RES, NULL));
    EXPECT(-EINVAL, api.resource_unmap(BOTH_RES)); /* nothing was mapped */
    EXPECT(-EINVAL, api.resource_get_map_info(BOTH_RES, NULL));
    EXPECT(-EINVAL, api.resource_export_blob(BOTH_RES, NULL, &fd));
    EXPECT(-EINVAL, api.resource_export_blob(BOTH_RES, &type, NULL));
    CHECK(map == NULL && fd == -1);
}

GPU_CASE(map_same_memory)
{
    static const uint32_t all[] = { SHMEM_RES + CTX, SHAREABLE_RES, MAPPABLE_RES, BOTH_RES };
    void *map;
    uint64_t size;

    vm_with_all_kinds();
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        uint32_t type;
        int fd;
        row("resource %u", all[i]);
        REQUIRE(0, api.resource_map(all[i], &map, &size));
        REQUIRE(0, api.resource_export_blob(all[i], &type, &fd));
        volatile uint8_t *a = map, *b = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        REQUIRE_TRUE(b != MAP_FAILED);
        a[100] = 0x11;
        EXPECT(0x11, b[100]);
        b[size - 1] = 0x22;
        EXPECT(0x22, a[size - 1]);
        munmap((void *)b, size);
        close(fd);
    }
}

GPU_CASE(map_exports_are_new_descriptors)
{
    uint32_t type;
    int a = -1, b = -1;

    vm_with_all_kinds();
    for (uint32_t res = SHAREABLE_RES; res <= BOTH_RES; res++) {
        row("resource %u", res);
        EXPECT(0, api.resource_export_blob(res, &type, &a));
        EXPECT(0, api.resource_export_blob(res, &type, &b));
        CHECK(a >= 0 && b >= 0 && a != b);
        api.resource_unref(res);
        CHECK(is_open(a) && is_open(b)); /* the caller's */
        close(a);
        close(b);
    }
}

GPU_CASE(map_fixed_address)
{
    static const uint32_t all[] = { SHMEM_RES + CTX, SHAREABLE_RES, MAPPABLE_RES };

    vm_with_all_kinds();
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        row("resource %u", all[i]);
        char *at = page_range(2 * SHMEM_SIZE);
        EXPECT(-EINVAL, api.resource_map_fixed(all[i], at + 1));
        EXPECT(-EINVAL, api.resource_map_fixed(all[i], at + PAGE / 2));
        EXPECT(0, maps_lines("/memfd:drmsim-bo"));
        EXPECT(0, api.resource_map_fixed(all[i], at + SHMEM_SIZE));
        at[SHMEM_SIZE] = 5;
        EXPECT(-EINVAL, api.resource_unmap(all[i])); /* the caller's mapping, not the library's */
        EXPECT(5, at[SHMEM_SIZE]);
        api.resource_unref(all[i]);
        EXPECT(5, at[SHMEM_SIZE]);
        munmap(at, 2 * SHMEM_SIZE);
    }
}

GPU_CASE(map_mmap_fails)
{
    void *map, *at = page_range(PAGE);
    uint64_t size;

    vm_with_all_kinds();
    for (uint32_t res = SHAREABLE_RES; res <= MAPPABLE_RES; res++) {
        row("resource %u", res);
        sim("fail MMAP errno=ENOMEM count=2");
        EXPECT(-EINVAL, api.resource_map(res, &map, &size));
        EXPECT(-EINVAL, api.resource_unmap(res));
        EXPECT(-EINVAL, api.resource_map_fixed(res, at));
        EXPECT(0, api.resource_map(res, &map, &size));
    }
}

GPU_CASE(map_export_fails)
{
    uint32_t type = 99;
    int fd = 99;

    vm_with_all_kinds();
    sim("fail PRIME_HANDLE_TO_FD errno=EMFILE");
    EXPECT(-EINVAL, api.resource_export_blob(MAPPABLE_RES, &type, &fd));
    CHECK(type == 99 && fd == 99);
    EXPECT(0, api.resource_export_blob(MAPPABLE_RES, &type, &fd));
    close(fd);
}

/* What has no descriptor of its own is tied to the context that made it. */
GPU_CASE(map_context_gone)
{
    void *map = NULL, *other, *at = page_range(PAGE);
    uint32_t type, info = 9;
    uint64_t size;
    int fd;

    vm_with_all_kinds();
    REQUIRE(0, api.resource_map(MAPPABLE_RES, &map, &size));
    *(volatile uint8_t *)map = 3;
    api.context_destroy(CTX);
    row("a mapping made before stays valid");
    *(volatile uint8_t *)map += 1;
    EXPECT(4, *(volatile uint8_t *)map);
    EXPECT(-EINVAL, api.resource_map(MAPPABLE_RES, &other, &size));
    EXPECT(0, api.resource_unmap(MAPPABLE_RES));
    row("opaque");
    EXPECT(-EINVAL, api.resource_map(MAPPABLE_RES, &other, &size));
    EXPECT(-EINVAL, api.resource_map_fixed(MAPPABLE_RES, at));
    EXPECT(-EINVAL, api.resource_export_blob(MAPPABLE_RES, &type, &fd));
    EXPECT(0, api.resource_get_map_info(MAPPABLE_RES, &info));
    row("dma-buf and shared memory");
    for (int i = 0; i < 2; i++) {
        uint32_t res = i ? SHMEM_RES + CTX : SHAREABLE_RES;
        EXPECT(0, api.resource_export_blob(res, &type, &fd));
        close(fd);
        EXPECT(0, api.resource_map(res, &map, &size));
        *(volatile uint8_t *)map = 1;
        EXPECT(0, api.resource_unmap(res));
    }
    row("a new context with the old id is not the creator");
    context(CTX);
    EXPECT(-EINVAL, api.resource_export_blob(MAPPABLE_RES, &type, &fd));
    CHECK(api.resource_map_fixed(MAPPABLE_RES, at) != 0);
    api.resource_unref(MAPPABLE_RES);
    EXPECT(-EINVAL, api.resource_get_map_info(MAPPABLE_RES, &info));
    munmap(at, PAGE);
}

GPU_CASE(map_detached_from_creator)
{
    void *map, *at = page_range(PAGE);
    uint32_t type;
    uint64_t size;
    int fd;

    vm_with_all_kinds();
    api.ctx_detach_resource(CTX, MAPPABLE_RES);
    api.ctx_detach_resource(CTX, SHAREABLE_RES);
    EXPECT(-EOPNOTSUPP, api.resource_map_fixed(MAPPABLE_RES, at));
    EXPECT(-EINVAL, api.resource_map(MAPPABLE_RES, &map, &size));
    EXPECT(-EINVAL, api.resource_export_blob(MAPPABLE_RES, &type, &fd));
    EXPECT(0, api.resource_map_fixed(SHAREABLE_RES, at));
    EXPECT(0, api.resource_map(SHAREABLE_RES, &map, &size));
    munmap(at, PAGE);
}

GPU_CASE(map_unref_unmaps)
{
    static const uint32_t all[] = { SHAREABLE_RES, MAPPABLE_RES, BOTH_RES, SHMEM_RES + CTX };
    void *map;
    uint64_t size;

    vm_with_all_kinds();
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        unsigned before = maps_lines("/memfd:");
        row("resource %u", all[i]);
        REQUIRE(0, api.resource_map(all[i], &map, &size));
        EXPECT(before + 1, maps_lines("/memfd:"));
        api.resource_unref(all[i]);
        EXPECT(before, maps_lines("/memfd:"));
        EXPECT(-1, msync(map, size, MS_ASYNC)); /* nothing is mapped there */
        EXPECT(-EINVAL, api.resource_unmap(all[i]));
    }
}

GPU_CASE(map_info)
{
    uint32_t info = 9;

    vm_with_all_kinds();
    EXPECT(-EINVAL, api.resource_get_map_info(99, &info));
    EXPECT(9, info);
    EXPECT(0, api.resource_get_map_info(NEITHER_RES, &info));
    EXPECT(VIRGL_RENDERER_MAP_CACHE_WC, info);
    EXPECT(0, api.resource_get_map_info(SHMEM_RES + CTX, &info));
    EXPECT(VIRGL_RENDERER_MAP_CACHE_CACHED, info);
}
