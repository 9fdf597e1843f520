// boot_fork LIB: loading starts no thread, a fork before the first init is harmless, and a fork after it fails cleanly.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PLAIN = 1 << 7 | 1 << 8, // NO_VIRGL, ASYNC_FENCE_CB: works without a GPU
    DRM = PLAIN | 1 << 10,
};

struct callbacks {
    int version;
    void *functions[8];
};

static struct callbacks callbacks = {.version = 1};
static int (*init)(void *cookie, int flags, struct callbacks *cbs);
static int (*create)(uint32_t ctx, uint32_t flags, uint32_t len, const char *name);
static int (*fence)(uint32_t ctx, uint32_t flags, uint32_t ring, uint64_t id);
static int (*submit)(void *buffer, int ctx, int words);
static void (*reset)(void);
static void (*set_log)(void (*write)(int level, const char *text, void *data), void *data, void (*free_data)(void *));
static int failures;

static void check(bool ok, const char *what)
{
    printf("%s %s\n", ok ? "PASS" : "FAIL", what);
    fflush(stdout);
    failures += !ok;
}

static int threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    int n = -2; // . and ..
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static bool init_works(int flags)
{
    int rc = init(NULL, flags, &callbacks);
    if (rc != 0)
        fprintf(stderr, "init returned %d\n", rc);
    return rc == 0 || (flags == DRM && rc == -ENODEV); // the documented answer without a GPU
}

static bool drm_init_starts_runtime(void)
{
    int before = threads();
    return init_works(DRM) && threads() > before;
}

static bool calls_fail(void)
{
    reset();
    return create(1, 6, 0, NULL) != 0 && submit(NULL, 1, 0) != 0 && fence(1, 0, 0, 1) != 0;
}

static bool calls_and_init_fail(void)
{
    int before = threads();
    return calls_fail() && init(NULL, PLAIN, &callbacks) < 0 && threads() == before;
}

// True if the test holds in a forked child that ends within ten seconds.
static bool in_child(bool (*test)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        alarm(10);
        _exit(test() ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status))
        printf("child: %s\n", WTERMSIG(status) == SIGALRM ? "hangs" : strsignal(WTERMSIG(status)));
    return status == 0;
}

// An init without callbacks writes a line.
static void *logger(void *arg)
{
    while (!__atomic_load_n((bool *)arg, __ATOMIC_ACQUIRE))
        init(NULL, 0, NULL);
    return NULL;
}

static bool init_ends(void)
{
    init(NULL, 0, NULL);
    return true;
}

static void unheard(int level, const char *text, void *data)
{
    (void)level, (void)text, (void)data;
}

static bool children_of_a_logger_end(void)
{
    bool stop = false, ok = true;
    pthread_t thread;

    set_log(unheard, NULL, NULL);
    pthread_create(&thread, NULL, logger, &stop);
    for (int i = 0; ok && i < 1000; i++)
        ok = in_child(init_ends);
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    set_log(NULL, NULL, NULL);
    return ok;
}

static void load(const char *path)
{
    void *lib = dlopen(path, RTLD_NOW);
    if (!lib) {
        printf("FAIL load: %s\n", dlerror());
        exit(1);
    }
    *(void **)&init = dlsym(lib, "virgl_renderer_init");
    *(void **)&create = dlsym(lib, "virgl_renderer_context_create_with_flags");
    *(void **)&fence = dlsym(lib, "virgl_renderer_context_create_fence");
    *(void **)&submit = dlsym(lib, "virgl_renderer_submit_cmd");
    *(void **)&reset = dlsym(lib, "virgl_renderer_reset");
    *(void **)&set_log = dlsym(lib, "virgl_set_log_callback");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s LIB\n", argv[0]);
        return 2;
    }
    int before = threads();
    load(argv[1]);
    check(threads() == before, "loading starts no thread");
    check(calls_fail() && threads() == before, "calls before init fail and start no thread");
    check(in_child(drm_init_starts_runtime), "init works in a child forked before it");
    check(in_child(drm_init_starts_runtime), "and in the next child");
    check(threads() == before, "the children's init leaves this process alone");
    check(children_of_a_logger_end(), "calls in a child end, also if another thread wrote to the log during the fork");
    memset(argv[0], 'x', strlen(argv[0])); // as programs that rename themselves do
    clearenv();
    check(init_works(PLAIN) && threads() > before, "init starts the runtime, also with argv and environment gone");
    check(in_child(calls_and_init_fail), "calls in a child forked after init fail without hanging");
    reset();
    check(init_works(PLAIN), "the parent goes on");
    return failures != 0;
}
