// fuzz_abi: one sequence, the guest that scribbles meanwhile, and what must be true after it.
#include "fuzz_abi.h"

static const struct { uint32_t weight; void (*run)(void); } ops[] = {
    { 2, op_init }, { 1, op_end }, { 12, op_context }, { 2, op_destroy }, { 40, op_submit }, { 40, op_job }, { 16, op_fence }, { 3, op_ctx0_fence },
    { 10, op_export_fence }, { 10, op_attach_fence }, { 3, op_context_misc }, { 8, op_shmem }, { 40, op_alloc }, { 8, op_odd_blob },
    { 14, op_import }, { 4, op_classic }, { 20, op_attach }, { 20, op_unref }, { 16, op_export }, { 24, op_map }, { 6, op_info },
    { 8, op_iov }, { 4, op_priv }, { 5, op_transfer }, { 5, op_execute }, { 3, op_caps }, { 2, op_gl }, { 3, op_log }, { 12, op_kernel },
};
enum { OPS = sizeof(ops) / sizeof(ops[0]) };

static void random_call(bool up)
{
    uint32_t n, i, total = 0;

    for (i = 0; i < OPS; i++)
        total += ops[i].weight;
    for (n = below(total), i = 0; n >= ops[i].weight; i++)
        n -= ops[i].weight;
    if (!up && ops[i].run == op_init)
        return;
    pthread_mutex_lock(&inside);
    calling = true;
    ops[i].run();
    calling = false;
    pthread_mutex_unlock(&inside);
}

// ---- The guest that writes over everything it can reach

atomic_bool stop;

void *scribble(void *arg)
{
    rng = 1;
    while (!stop) {
        pthread_mutex_lock(&scribbling);
        for (int i = 0; i < 8; i++) {
            volatile uint32_t *mem = (volatile uint32_t *)shared[i].mem;

            for (int k = 0; mem && k < 200; k++)
                mem[below(one_in(8) ? 8 : SHMEM / 4)] = one_in(2) ? below(64) : corner();
        }
        for (int k = 0; vmm.torn && k < 20; k++)
            ((volatile uint32_t *)commands)[below(one_in(2) ? 16 : 1024)] = one_in(2) ? below(64) : corner();
        pthread_mutex_unlock(&scribbling);
        sched_yield();
    }
    return arg;
}

// ---- One sequence, and what must be true after it

static int descriptors(char *names, size_t room)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    names[0] = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        char path[300], to[128];

        snprintf(path, sizeof(path), "/proc/self/fd/%s", e->d_name);
        ssize_t len = readlink(path, to, sizeof(to) - 1);
        if (len < 0)
            continue;
        to[len] = 0;
        if (!strncmp(to, "/proc/", 6))
            continue;
        n++;
        snprintf(names + strlen(names), room - strlen(names), " %s", to);
    }
    closedir(dir);
    return n;
}

static void check_mappings(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];

    while (maps && fgets(line, sizeof(line), maps))
        if (strstr(line, "/memfd:"))
            found("mapped after cleanup: %s", line);
    if (maps)
        fclose(maps);
}

static void settle(void)
{
    struct drmsim_counters c;

    control("reset"); // lets the jobs of a hung GPU end
    control("unhang");
    for (int ms = 0; ms < 10000; ms++) {
        counters(&c);
        if (!(c.files + c.bos + c.handles + c.queues + c.syncobjs + c.fences))
            return;
        usleep(1000);
    }
    found("left in the kernel: %lu files, %lu buffers, %lu handles, %lu queues, %lu syncobjs, %lu fences", (unsigned long)c.files,
          (unsigned long)c.bos, (unsigned long)c.handles, (unsigned long)c.queues, (unsigned long)c.syncobjs, (unsigned long)c.fences);
}

void sequence(uint64_t seed)
{
    static int open_before = -1;
    char names[4096];

    report->seed = rng = seed;
    memset(&vmm, 0, sizeof(vmm));
    vmm.next_fence = SHARED_IDS;
    vmm.faults = one_in(2);
    vmm.odd = one_in(8);
    vmm.torn = one_in(4);
    api.set_log_callback(log_line, NULL, NULL);
    if (open_before < 0)
        open_before = descriptors(names, sizeof(names));
    if (one_in(8))
        for (int i = 0; i < 30; i++)
            random_call(false);
    pthread_mutex_lock(&inside);
    calling = true;
    op_init();
    calling = false;
    pthread_mutex_unlock(&inside);
    for (int n = 100 + (int)below(900); n; n--)
        random_call(true);

    allow_descriptors(true);
    pthread_mutex_lock(&inside);
    calling = true;
    vmm.ending = true;
    note("cleanup");
    api.cleanup(NULL);
    forget(true);
    calling = false;
    pthread_mutex_unlock(&inside);
    for (uint32_t i = 0; i < FENCES; i++)
        if (vmm.fence[i].asked != vmm.fence[i].retired)
            found("fence %u: accepted %u times, retired %u times", i, vmm.fence[i].asked, vmm.fence[i].retired);
    pthread_mutex_lock(&scribbling);
    for (int i = 0; i < 8; i++) {
        if (shared[i].mem)
            munmap(shared[i].mem, SHMEM);
        shared[i].mem = NULL;
    }
    pthread_mutex_unlock(&scribbling);
    for (int i = 0; i < 12; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
    api.set_log_callback(log_line, NULL, NULL);
    if (sinks != freed)
        found("%lu log sinks set, %lu freed", (unsigned long)sinks, (unsigned long)freed);
    settle();
    check_mappings();
    int n, ms = 0;
    while ((n = descriptors(names, sizeof(names))) > open_before && ms++ < 1000)
        usleep(1000); /* libc opens a file for a moment when a thread first allocates */
    if (n > open_before)
        found("%d descriptors open, %d at the start:%s", n, open_before, names);
    report->sequences++;
}
