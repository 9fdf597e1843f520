// Rows about calls that end where they began: commands, buffers, jobs without a fence, contexts.
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

enum { UPLOAD_SIZE = 1 << 20 };
#define SPARE_IOVA (IOVA_BASE + (1u << 30))
#define SPARE_SIZE (16u << 10)

static void nops(uint32_t count, uint32_t i)
{
    (void)i;
    guest_nops(count);
}

// A guest that is quiet for a while lets the library's threads fall asleep.
static void quiet(uint32_t arg)
{
    (void)arg;
    nap_us(200);
}

static void prep(uint32_t arg, uint32_t i)
{
    (void)arg, (void)i;
    guest_prep(0);
}

static void prep_raw(uint32_t arg, uint32_t i)
{
    (void)arg, (void)i;
    raw_prep(0);
}

// A buffer's life; each has addresses of its own, as from a guest.
static uint64_t spare_iova(uint32_t i) { return SPARE_IOVA + (uint64_t)(i % 4096) * SPARE_SIZE; }

static void buffer(uint32_t mapped, uint32_t i)
{
    void *map;
    uint64_t size;

    guest_gem_new(SPARE_RES, spare_iova(i), SPARE_SIZE);
    guest_blob(SPARE_RES, SPARE_RES, SPARE_SIZE);
    if (mapped && (vmm.resource_map(SPARE_RES, &map, &size) || vmm.resource_unmap(SPARE_RES)))
        die("a buffer cannot be mapped and unmapped");
    vmm.resource_unref(SPARE_RES);
}

static void buffer_raw(uint32_t mapped, uint32_t i)
{
    uint32_t handle = raw_gem_new(spare_iova(i), SPARE_SIZE);

    if (mapped)
        munmap(raw_map(handle, SPARE_SIZE), SPARE_SIZE);
    raw_gem_close(handle);
}

static void submit(uint32_t bos, uint32_t i)
{
    (void)i;
    guest_submit(bos);
}

static void submit_raw(uint32_t bos, uint32_t i)
{
    (void)i;
    close(raw_submit(bos));
}

static void upload(uint32_t bytes, uint32_t i)
{
    (void)i;
    guest_upload(UPLOAD_RES, bytes);
}

static char *upload_target, upload_source[UPLOAD_SIZE];

static void upload_raw(uint32_t bytes, uint32_t i)
{
    (void)i;
    memcpy(upload_target, upload_source, bytes);
    __asm__ volatile("" ::: "memory"); // nobody reads it here
}

static void context(uint32_t arg, uint32_t i)
{
    (void)arg, (void)i;
    if (vmm.context_create_with_flags(CTX + 1, VIRGL_DRM_CAPSET, 5, "bench"))
        die("a context cannot be made");
    vmm.context_destroy(CTX + 1);
}

static void context_raw(uint32_t arg, uint32_t i)
{
    (void)arg, (void)i;
    close(raw_device());
}

static const struct workload rows[] = {
    { "one NOP per submit_cmd", "Nop", 150, { nops, 0, 0 }, { 0 }, 1, 200000, 0 },
    { "64 NOPs per submit_cmd", "Nop64", 3000, { nops, 0, 0 }, { 0 }, 64, 10000, 0 },
    { "CPU_PREP with its answer", "CpuPrep", 170, { prep, 0, 0 }, { prep_raw, 0, 0 }, 0, 150000, 0 },
    { "CPU_PREP after 200 us of silence", "CpuPrepQuiet", 0, { prep, quiet, 0 }, { prep_raw, quiet, 0 }, 0, 300, 1 },
    { "GEM_NEW, create_blob, attach, unref", "Buffer", 800, { buffer, 0, 0 }, { buffer_raw, 0, 0 }, 0, 10000, 0 },
    { "the same with map and unmap", "BufferMapped", 10000, { buffer, 0, 0 }, { buffer_raw, 0, 0 }, 1, 3000, 0 },
    { "SUBMIT with 1 buffer, no fence", "Submit1", 850, { submit, 0, 0 }, { submit_raw, 0, 0 }, 1, 20000, 0 },
    { "SUBMIT with 16 buffers", "Submit16", 900, { submit, 0, 0 }, { submit_raw, 0, 0 }, 16, 20000, 0 },
    { "SUBMIT with 256 buffers", "Submit256", 1500, { submit, 0, 0 }, { submit_raw, 0, 0 }, 256, 5000, 0 },
    { "GEM_UPLOAD of 4 KiB (raw: memcpy)", "Upload4K", 200, { upload, 0, 0 }, { upload_raw, 0, 0 }, 4096, 50000, 0 },
    { "of 1 MiB (raw: memcpy)", "Upload1M", 25000, { upload, 0, 0 }, { upload_raw, 0, 0 }, UPLOAD_SIZE, 300, 0 },
    { "context create and destroy", "Context", 12000, { context, 0, 0 }, { context_raw, 0, 0 }, 0, 1000, 0 },
};

void rows_calls(void)
{
    uint64_t iova = IOVA_BASE + (1u << 29);

    guest_gem_new(UPLOAD_RES, iova, UPLOAD_SIZE);
    guest_blob(UPLOAD_RES, UPLOAD_RES, UPLOAD_SIZE);
    upload_target = raw_map(raw_gem_new(iova, UPLOAD_SIZE), UPLOAD_SIZE);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        measure(&rows[i]);
        guest_check();
    }
    munmap(upload_target, UPLOAD_SIZE);
    vmm.resource_unref(UPLOAD_RES);
}
