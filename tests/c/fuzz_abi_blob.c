// fuzz_abi: blobs made, imported, exported and mapped.
#include "fuzz_abi.h"

// Lets the second thread write to a context's response memory.
void share(uint32_t res)
{
    uint32_t type = 0;
    int fd = -1;

    if (api.resource_export_blob(res, &type, &fd))
        return;
    EXPECT(type == VIRGL_RENDERER_BLOB_FD_TYPE_SHM);
    unsigned i = below(8);
    void *mem = mmap(NULL, SHMEM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    pthread_mutex_lock(&scribbling);
    if (shared[i].mem)
        munmap(shared[i].mem, SHMEM);
    shared[i].mem = mem == MAP_FAILED ? NULL : mem;
    pthread_mutex_unlock(&scribbling);
}

int create_blob(struct virgl_renderer_resource_create_blob_args *a)
{
    note("resource_create_blob res=%u ctx=%u mem=%u flags=%u id=%#lx size=%#lx iovs=%u", a->res_handle, a->ctx_id, a->blob_mem,
         a->blob_flags, (unsigned long)a->blob_id, (unsigned long)a->size, a->num_iovs);
    int r = api.resource_create_blob(a);
    EXPECT(r <= 0 && r > -4096);
    EXPECT(vmm.up || r == -EINVAL);
    if (a->res_handle == 0 || a->res_handle > RESOURCES || vmm.res[a->res_handle].known)
        EXPECT(r == -EINVAL);
    if (r)
        return r;
    vmm.res[a->res_handle].known = true;
    vmm.res[a->res_handle].ctx = a->ctx_id;
    vmm.res[a->res_handle].size = a->size;
    vmm.res[a->res_handle].iov = (struct iovec *)a->iovecs;
    vmm.res[a->res_handle].niov = (int)a->num_iovs;
    return 0;
}

void op_shmem(void)
{
    struct virgl_renderer_resource_create_blob_args a = { new_res(), ctx_ids[any_ctx()], 2, 1, 0, SHMEM, NULL, 0 };

    if (create_blob(&a) == 0)
        share(a.res_handle);
}

void op_alloc(void)
{
    unsigned c = below(4);
    uint32_t size = ONE_OF(0x1000, 0x1234, 0x4000, 0x10000), blob = one_in(4) ? 1 + below(6) : 100 + vmm.blob++;
    uint64_t iova = 0x200000000ull + ((uint64_t)below(512) << 16);
    uint32_t w[10] = { 3, 40, rnd(), 0, (uint32_t)iova, (uint32_t)(iova >> 32), size, 0, 0x20000, blob };
    struct virgl_renderer_resource_create_blob_args a = { new_res(), ctx_ids[c], 2, below(8), blob, (size + 0xfff) & ~0xfffu, NULL, 0 };

    note("submit_cmd ctx=%u GEM_NEW size=%#x blob=%u", ctx_ids[c], size, blob);
    int r = api.submit_cmd(w, (int)ctx_ids[c], 10);
    EXPECT(r <= 0 || !vmm.ctx[c].alive);
    create_blob(&a);
}

void op_odd_blob(void)
{
    struct virgl_renderer_resource_create_blob_args a = {
        any_res(), one_in(8) ? corner() : ctx_ids[any_ctx()], ONE_OF(0, 1, 1, 1, 2, 3, 3, 4, 9), corner(), one_in(4) ? (uint64_t)rnd() << 16 : below(6),
        one_in(4) ? (uint64_t)rnd() << below(32) : ONE_OF(0, 1, 0x1000, 0x4000), one_in(4) ? NULL : iovs, below(5),
    };

    if (one_in(16)) {
        note("resource_create_blob NULL, resource_import_blob NULL");
        EXPECT(api.resource_create_blob(NULL) == -EINVAL && api.resource_import_blob(NULL) == -EINVAL);
        return;
    }
    create_blob(&a);
}

void op_import(void)
{
    struct virgl_renderer_resource_import_blob_args a = {
        new_res(), one_in(6) ? below(6) : 2, one_in(4) ? below(5) : 1, take(), one_in(4) ? (uint64_t)rnd() << below(32) : ONE_OF(0x1000, 0x4000, 0x10000),
    };

    if (a.fd < 0 && one_in(2)) {
        a.fd = one_in(4) ? open("/dev/null", O_RDWR | O_CLOEXEC) : memfd_create("fuzz", MFD_CLOEXEC);
        EXPECT(a.fd < 0 || ftruncate(a.fd, 0x4000) == 0 || errno == EINVAL);
    }
    if (a.fd >= 0 && one_in(2))
        keep(fcntl(a.fd, F_DUPFD_CLOEXEC, 3));
    note("resource_import_blob res=%u mem=%u type=%u fd=%d size=%#lx", a.res_handle, a.blob_mem, a.fd_type, a.fd, (unsigned long)a.size);
    int r = api.resource_import_blob(&a);
    EXPECT(r == 0 || r == -EINVAL);
    if (r && a.fd >= 0)
        EXPECT(close(a.fd) == 0);
    if (r)
        return;
    EXPECT(vmm.up && a.res_handle && !vmm.res[a.res_handle].known);
    vmm.res[a.res_handle].known = true;
    vmm.res[a.res_handle].size = a.size;
}

void op_export(void)
{
    uint32_t id = any_res(), type = 77;
    int fd = 12345;
    bool null = one_in(16);

    note("resource_export_blob res=%u", id);
    int r = api.resource_export_blob(id, null ? NULL : &type, &fd);
    EXPECT(r == 0 || r == -EINVAL);
    EXPECT(r == 0 ? vmm.res[id].known && !null && type >= 1 && type <= 3 && fd >= 0 : type == 77 && fd == 12345);
    if (r == 0) {
        EXPECT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        keep(fd);
    }
}

void touch(void *mem, uint64_t size)
{
    volatile uint8_t *first = mem, *last = first + size - 1;

    *first = *first;
    *last = *last;
}

void op_map(void)
{
    uint32_t id = any_res();
    void *mem = &vmm;
    uint64_t size = 99;
    int r;

    switch (below(3)) {
    case 0:
        note("resource_map res=%u", id);
        r = api.resource_map(id, one_in(16) ? NULL : &mem, &size);
        EXPECT(r == 0 || r == -EINVAL);
        EXPECT(r == 0 ? vmm.res[id].known && size == vmm.res[id].size && mem != &vmm : mem == &vmm && size == 99);
        if (r == 0)
            touch(mem, size);
        break;
    case 1:
        note("resource_unmap res=%u", id);
        r = api.resource_unmap(id);
        EXPECT(r == -EINVAL || (r == 0 && vmm.res[id].known));
        break;
    default:
        if (vmm.res[id].size > RESERVED)
            return;
        mem = one_in(8) ? NULL : (char *)reserve + (one_in(8) ? 4 : 0);
        note("resource_map_fixed res=%u addr=%p", id, mem);
        r = api.resource_map_fixed(id, mem);
        EXPECT(r == 0 || r == -EINVAL || r == -EOPNOTSUPP);
        EXPECT(vmm.res[id].known || r == -EINVAL);
        EXPECT(r || mem == reserve);
        if (r == 0) {
            touch(mem, vmm.res[id].size);
            EXPECT(mmap(reserve, RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == reserve);
        }
    }
}
