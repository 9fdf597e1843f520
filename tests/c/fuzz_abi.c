// fuzz_abi --lib PATH --time 30s [--seed S]: random calls of all 49 public functions, on the simulated kernel.
//
// A sequence is init, some hundred calls, cleanup; its seed decides all of its calls. Meanwhile a second thread writes
// rubbish over the response memory, and in some sequences over the command buffer. Children of eight sequences each run
// it, so that a crash is reported with the seed and the last calls. The caller's side of the contract is kept: pointers
// are valid or NULL, one thread is inside at a time, map_fixed gets reserved addresses.
#include "fuzz_abi.h"

struct fuzz_api api;
int (*control)(const char *command);
void (*counters)(struct drmsim_counters *out);
struct report *report;
__thread uint64_t rng;
struct vmm vmm;
int fds[12];
void *reserve;
uint32_t draft[1 << 13], commands[1 << 13];
pthread_mutex_t inside = PTHREAD_MUTEX_INITIALIZER, scribbling = PTHREAD_MUTEX_INITIALIZER;
struct iovec iovs[4];
struct shared shared[8];

void note(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(report->last[report->notes++ % KEPT], sizeof(report->last[0]), fmt, ap);
    va_end(ap);
    report->calls += fmt[0] != '('; // else a command to the simulated kernel
}

void found(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(report->finding, sizeof(report->finding), fmt, ap);
    va_end(ap);
    _exit(FOUND);
}

unsigned any_ctx(void) { return one_in(12) ? 4 : below(4); }
uint32_t any_res(void) { return one_in(16) ? 0 : 1 + below(RESOURCES); }

// One that is free, if there is one nearby.
uint32_t new_res(void)
{
    uint32_t id = any_res();

    for (int i = 0; i < 8 && vmm.res[id].known; i++)
        id = any_res();
    return id;
}

uint64_t fence_id(uint32_t slot) { return slot == SHARED_IDS - 1 ? UINT64_MAX : slot; }

uint32_t any_fence(void)
{
    uint32_t n = vmm.next_fence;

    return one_in(4) || n == SHARED_IDS ? below(SHARED_IDS) : SHARED_IDS + (n - SHARED_IDS < 30 ? below(n - SHARED_IDS) : n - SHARED_IDS - 1 - below(30));
}

void keep(int fd)
{
    unsigned i = below(12);

    if (fds[i] >= 0)
        close(fds[i]);
    fds[i] = fd;
}

int take(void)
{
    unsigned i = below(12);
    int fd = fds[i];

    fds[i] = -1;
    return fd;
}

void forget(bool also_down)
{
    for (unsigned i = 0; i < CONTEXTS; i++) {
        vmm.ctx[i].alive = false;
        if (vmm.ctx[i].pending)
            found("context %u: %d fences not reported after: %s", ctx_ids[i], (int)vmm.ctx[i].pending, report->last[(report->notes - 1) % KEPT]);
    }
    memset(vmm.res, 0, sizeof(vmm.res));
    if (also_down)
        vmm.up = vmm.drm = vmm.fences = false;
}

double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void child(const char *path, uint64_t seed, double end)
{
    static char pages[4][4096];
    pthread_t second;
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (!lib)
        found("%s", dlerror());
#define R(name) if (!(api.name = (__typeof__(api.name))dlsym(lib, "virgl_renderer_" #name))) found("no virgl_renderer_" #name);
#define S(name) if (!(api.name = (__typeof__(api.name))dlsym(lib, "virgl_" #name))) found("no virgl_" #name);
    API_FUNCTIONS(R, S)
#undef R
#undef S
    for (int i = 0; i < 4; i++)
        iovs[i] = (struct iovec){ pages[i], sizeof(pages[i]) };
    for (int i = 0; i < 12; i++)
        fds[i] = -1;
    reserve = mmap(NULL, RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    pthread_create(&second, NULL, scribble, NULL);
    for (int i = 0; i < PER_CHILD && (i == 0 || now() < end); i++)
        sequence(seed + (uint64_t)i);
    stop = true;
    pthread_join(second, NULL);
    _exit(0);
}

// ---- The parent

// Returns whether the child ended well.
static bool watch(pid_t pid)
{
    double late = now() + PATIENCE;
    int status = 0;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (now() > late) {
            snprintf(report->finding, sizeof(report->finding), "still running after %d seconds", PATIENCE);
            kill(pid, SIGABRT); // the runtime prints where its threads are
            late += PATIENCE;
        }
        usleep(2000);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    printf("FINDING with --seed %lu: ", (unsigned long)report->seed);
    if (report->finding[0])
        printf("%s\n", report->finding);
    else if (WIFSIGNALED(status))
        printf("killed by signal %d\n", WTERMSIG(status));
    else
        printf("exit status %d\n", WEXITSTATUS(status));
    for (unsigned i = report->notes > KEPT ? report->notes - KEPT : 0; i < report->notes; i++)
        printf("    %s\n", report->last[i % KEPT]);
    fflush(stdout);
    return false;
}

// "30s", "5m", "1h" in seconds; 0 for anything else.
static double duration(const char *s)
{
    char *unit;
    double n = strtod(s, &unit);

    return !strcmp(unit, "s") ? n : !strcmp(unit, "m") ? n * 60 : !strcmp(unit, "h") ? n * 3600 : 0;
}

int main(int argc, char **argv)
{
    const char *lib = NULL;
    double seconds = 30;
    uint64_t seed = 0;
    int findings = 0;

    if (getrandom(&seed, 6, 0) != 6)
        seed = (uint64_t)time(NULL);
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--lib"))
            lib = argv[i + 1];
        else if (!strcmp(argv[i], "--time"))
            seconds = duration(argv[i + 1]);
        else if (!strcmp(argv[i], "--seed"))
            seed = strtoull(argv[i + 1], NULL, 0);
        else
            lib = NULL, argc = 0;
    }
    control = (__typeof__(control))dlsym(RTLD_DEFAULT, "drmsim_control");
    counters = (__typeof__(counters))dlsym(RTLD_DEFAULT, "drmsim_counters");
    if (!lib || argc % 2 == 0 || seconds <= 0) {
        fprintf(stderr, "usage: LD_PRELOAD=build/libdrmsim.so fuzz_abi --lib PATH [--time 30s|5m|1h] [--seed S]\n");
        return 2;
    }
    if (!control || !counters) {
        fprintf(stderr, "fuzz_abi: there is no simulated kernel: set LD_PRELOAD to build/libdrmsim.so (make sim)\n");
        return 2;
    }
    setenv("VIRGLDRM_CRASH_ON_PANIC", "1", 1);
    report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    printf("seed %lu\n", (unsigned long)seed);
    for (double end = now() + seconds; now() < end && findings < 10; seed += PER_CHILD) {
        report->notes = 0;
        report->finding[0] = 0;
        report->seed = seed;
        fflush(stdout);
        pid_t pid = fork();
        if (pid < 0) {
            perror("fuzz_abi: fork");
            return 2;
        }
        if (pid == 0)
            child(lib, seed, end);
        findings += !watch(pid);
    }
    printf("%lu calls, %lu sequences, %d findings\n", (unsigned long)report->calls, (unsigned long)report->sequences, findings);
    return findings > 0;
}
