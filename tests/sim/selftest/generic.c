// Cases: opening and copying fds, generic ioctls, PRIME.
#define _GNU_SOURCE
#include "selftest.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void open_variants(void)
{
    const char *node = "/dev/dri/renderD128";
    int fds[] = { open(node, O_RDWR), open64(node, O_RDWR | O_CLOEXEC),
                  openat(AT_FDCWD, node, O_RDWR), openat64(-1, node, O_RDWR | O_CLOEXEC) };
    for (int i = 0; i < 4; i++) {
        struct drm_version v = { 0 };
        OK(fds[i] >= 0);
        EQ(fcntl(fds[i], F_GETFD) & FD_CLOEXEC, i & 1 ? FD_CLOEXEC : 0);
        EQ(io(fds[i], VERSION, &v), 0);
    }
    OK(bo(fds[0], 1) == 1 && bo(fds[1], 1) == 1); // a handle table each
    for (int i = 0; i < 4; i++)
        EQ(close(fds[i]), 0);
    EQ(close(fds[0]), -1);
    EQ(io(fds[0], VERSION, NULL), -EBADF);
}

static void other_fds(void)
{
    int null = open("/dev/null", O_RDWR), pipes[2];
    OK(pipe(pipes) == 0);
    struct drm_version v = { 0 };
    EQ(io(null, VERSION, &v), -ENOTTY);
    EQ(io(pipes[0], FILE_INFO, &v), -ENOTTY);
    EQ(merge(null, pipes[0]), -ENOTTY);
    EQ(open("/nonexistent", O_RDONLY), -1);
    close(null);
    close(pipes[0]);
    close(pipes[1]);
}

static void copies(void)
{
    int fd = dev();
    EQ(bo(fd, 4096), 1);
    int copy[] = { dup(fd), dup2(fd, 100), dup3(fd, 101, O_CLOEXEC), fcntl(fd, F_DUPFD, 102),
                   fcntl(fd, F_DUPFD_CLOEXEC, 102) };
    close(fd);
    for (int i = 0; i < 5; i++)
        EQ(info(copy[i], 1, GET_FLAGS, 0, 0), 0); // the same file
    EQ(dup2(copy[0], copy[0]), copy[0]);
    int other = dev();
    EQ(dup2(other, 100), 100); // replaces one copy
    EQ(info(100, 1, GET_FLAGS, 0, 0), -ENOENT);
    close(other);
    struct drmsim_counters c;
    counters(&c);
    EQ(c.files, 2);
    int null = open("/dev/null", O_RDWR);
    EQ(dup2(null, 100), 100); // that file is gone
    EQ(dup2(-1, 101), -1);    // this copy stays
    EQ(info(101, 1, GET_FLAGS, 0, 0), 0);
    counters(&c);
    EQ(c.files, 1);
    close(null);
    for (int i = 0; i < 5; i++)
        close(copy[i]);
}

static void version(void)
{
    int fd = dev();
    char name[8] = "zzzzzzz";
    struct drm_version v = { 0 };
    EQ(io(fd, VERSION, &v), 0);
    OK(v.major == 1 && v.minor == 13 && v.patch == 0);
    EQ(v.name_len, 3);
    OK(v.date_len > 0 && v.desc_len > 0);
    v = (struct drm_version){ .name = name, .name_len = 3 };
    EQ(io(fd, VERSION, &v), 0);
    EQ(memcmp(name, "msmzzzz", 7), 0);
    v = (struct drm_version){ .name = name, .name_len = 2 };
    name[2] = 'q';
    EQ(io(fd, VERSION, &v), 0);
    EQ(name[2], 'q');
    EQ(v.name_len, 3);
    EQ(io(fd, VERSION, NULL), -EFAULT);
    close(fd);
}

static void dispatch(void)
{
    int fd = dev();
    uint64_t raw[32] = { 0 };
    EQ(io(fd, 0xc0086401ul, raw), -EINVAL);  // a generic number without handler
    EQ(io(fd, 0xc0086449ul, raw), -EINVAL);  // hole in the msm table
    EQ(io(fd, 0xc008649ful, raw), -EINVAL);  // beyond the msm table
    EQ(io(fd, 0xc0086540ul, raw), -ENOTTY);  // another ioctl family
    struct param p = { PIPE, 1, 0, 77, 77 };
    EQ(io(fd, 0xc0106440ul, &p), 0); // shorter struct: the rest reads as zero
    EQ(p.value, 660);
    EQ(p.len, 77);
    memcpy(raw, &(struct param){ PIPE, 1, 0, 0, 0 }, sizeof(p));
    raw[3] = ~0ull;
    EQ(io(fd, 0xc0206440ul, raw), 0); // longer struct: the rest stays
    EQ(raw[1], 660);
    EQ(raw[3], ~0ull);
    p = (struct param){ PIPE, 1, 5, 0, 0 };
    EQ(io(fd, 0x40186440ul, &p), 0); // declared as write-only: nothing comes back
    EQ(p.value, 5);
    close(fd);
}

static void caps_and_name(void)
{
    int fd = dev();
    struct drm_cap c = { 5, 0 };
    EQ(io(fd, GET_CAP, &c), 0);
    EQ(c.value, 3);
    c = (struct drm_cap){ 19, 0 };
    EQ(io(fd, GET_CAP, &c), 0);
    EQ(c.value, 1);
    c = (struct drm_cap){ 20, 9 };
    EQ(io(fd, GET_CAP, &c), 0);
    EQ(c.value, 0);
    c = (struct drm_cap){ 999, 0 };
    EQ(io(fd, GET_CAP, &c), -EINVAL);
    char text[80];
    memset(text, 'a', sizeof(text));
    struct drm_client_name n = { 64, (uintptr_t)text };
    EQ(io(fd, SET_CLIENT_NAME, &n), 0);
    n.len = 65;
    EQ(io(fd, SET_CLIENT_NAME, &n), -EINVAL);
    text[1] = '\n';
    n.len = 3;
    EQ(io(fd, SET_CLIENT_NAME, &n), -EINVAL);
    n.len = 0;
    EQ(io(fd, SET_CLIENT_NAME, &n), 0);
    n = (struct drm_client_name){ 3, 0 };
    EQ(io(fd, SET_CLIENT_NAME, &n), -EFAULT);
    close(fd);
}

static void prime(void)
{
    int a = dev(), b = dev(), c = dev();
    uint32_t h = bo(a, 5000);
    struct drm_prime p = { 99, O_CLOEXEC, -1 };
    EQ(io(a, HANDLE_TO_FD, &p), -ENOENT);
    p = (struct drm_prime){ h, 1, -1 };
    EQ(io(a, HANDLE_TO_FD, &p), -EINVAL);
    int fd = export_bo(a, h);
    OK(fd >= 0);
    OK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    EQ(lseek(fd, 0, SEEK_END), 8192);
    p = (struct drm_prime){ 0, 0, fd };
    EQ(io(a, FD_TO_HANDLE, &p), 0);
    EQ(p.handle, h); // one handle per buffer and file
    bo(b, 4096);
    EQ(io(b, FD_TO_HANDLE, &p), 0);
    EQ(p.handle, 2);
    EQ(io(b, GEM_CLOSE, &(struct drm_gem_close){ 2, 0 }), 0);
    close(a);
    EQ(io(b, FD_TO_HANDLE, &p), 0); // the dma-buf alone keeps the buffer
    EQ(info(b, p.handle, GET_FLAGS, 0, 0), 0);
    uint32_t handle = p.handle;
    EQ(io(c, FD_TO_HANDLE, &p), 0);
    EQ(p.handle, 1);
    close(c);
    p.handle = handle;
    int copy = (int)syscall(SYS_dup, fd);
    close(fd);
    EQ(io(b, GEM_CLOSE, &(struct drm_gem_close){ p.handle, 0 }), 0);
    p.fd = copy; // a copy we never saw, of a buffer we forgot
    EQ(io(b, FD_TO_HANDLE, &p), 0);
    close(copy);
    p.fd = copy;
    EQ(io(b, FD_TO_HANDLE, &p), -EBADF);
    int foreign = memfd_create("foreign", MFD_CLOEXEC);
    p.fd = foreign;
    EQ(io(b, FD_TO_HANDLE, &p), -EINVAL);
    close(foreign);
    close(b);
}

static void prime_read_only(void)
{
    int fd = dev();
    struct drm_prime p = { bo(fd, 4096), O_CLOEXEC, -1 };
    EQ(io(fd, HANDLE_TO_FD, &p), 0);
    void *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, p.fd, 0);
    OK(m == MAP_FAILED && errno == EACCES);
    m = mmap(NULL, 4096, PROT_READ, MAP_SHARED, p.fd, 0);
    OK(m != MAP_FAILED);
    munmap(m, 4096);
    close(p.fd);
    close(fd);
}

static void forked(void)
{
    int fd = dev();
    uint32_t h = bo(fd, 4096);
    EQ(control("gpu_us 20000"), 0);
    // A first job, so that no thread is just being made: some allocators of
    // memory checkers do not survive a fork at that moment.
    close(job(fd, 0, 1, h, -1));
    EQ(wait_seqno(fd, 0, 1, now() + 5000000000ll), 0);
    int f = job(fd, 0, 2, h, -1);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        failures = 0;
        EQ(wait_seqno(fd, 0, 2, now() + 5000000000ll), 0); // with a thread of its own
        EQ(prep(fd, h, 2, 0), 0);
        bo(fd, 4096);
        close(fd);
        close(f);
        exit(failures ? 1 : 0); // ends the thread
    }
    int status;
    EQ(waitpid(pid, &status, 0), pid);
    EQ(status, 0);
    EQ(prep(fd, h, 2, now() + 5000000000ll), 0);
    EQ(info(fd, h, GET_FLAGS, 0, 0), 0);
    OK(readable(f, 5000));
    close(f);
    close(fd);
}

static void open_error(void)
{
    EQ(open("/dev/dri/renderD128", O_RDWR), -1);
    EQ(errno, EACCES);
}

static void other_node(void)
{
    int fd = open("/tmp/no-such-gpu", O_RDWR);
    OK(fd >= 0);
    EQ(io(fd, VERSION, &(struct drm_version){ 0 }), 0);
    close(fd);
    EQ(open("/dev/dri/renderD128", O_RDWR), -1);
    EQ(errno, ENOENT);
}

static void other_driver(void)
{
    int fd = dev();
    char name[8] = "";
    struct drm_version v = { .name = name, .name_len = sizeof(name) };
    EQ(io(fd, VERSION, &v), 0);
    EQ(strcmp(name, "xyz"), 0);
    EQ(io(fd, GET_CAP, &(struct drm_cap){ 5, 0 }), 0);
    EQ(io(fd, GET_PARAM, &(struct param){ PIPE, 1, 0, 0, 0 }), -EINVAL);
    close(fd);
}

const struct test_case generic_cases[] = {
    { "open variants", open_variants, NULL },
    { "other fds pass through", other_fds, NULL },
    { "copied fds", copies, NULL },
    { "version", version, NULL },
    { "dispatch by number", dispatch, NULL },
    { "capabilities and client name", caps_and_name, NULL },
    { "prime", prime, NULL },
    { "prime read-only", prime_read_only, NULL },
    { "fork", forked, NULL },
    { "DRMSIM_OPEN_ERRNO", open_error, "DRMSIM_OPEN_ERRNO=EACCES" },
    { "DRMSIM_NODE", other_node, "DRMSIM_NODE=/tmp/no-such-gpu" },
    { "DRMSIM_DRIVER", other_driver, "DRMSIM_DRIVER=xyz" },
    { 0 },
};
