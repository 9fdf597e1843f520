// boot_race LIB [ROUNDS]: sixteen threads make the first init call at once, in a fresh process each round.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    THREADS = 16,
    FLAGS = 1 << 1 | 1 << 7 | 1 << 8 | 1 << 10, // THREAD_SYNC, NO_VIRGL, ASYNC_FENCE_CB, DRM
};

struct callbacks {
    int version;
    void *functions[8];
};

static struct callbacks callbacks = {.version = 1};
static int (*init)(void *cookie, int flags, struct callbacks *cbs);
static pthread_barrier_t gate;

static void *first_init(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&gate);
    return (void *)(intptr_t)init(NULL, FLAGS, &callbacks);
}

// All threads must get the same answer: success, or the documented one when there is no GPU.
static int round_ok(void)
{
    pthread_t threads[THREADS];
    void *first = NULL, *result;

    pthread_barrier_init(&gate, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, first_init, NULL))
            return 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], i ? &result : &first);
        if (i && result != first)
            return 0;
    }
    return (intptr_t)first == 0 || (intptr_t)first == -ENODEV;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s LIB [ROUNDS]\n", argv[0]);
        return 2;
    }
    int rounds = argc > 2 ? atoi(argv[2]) : 20, good = 0;
    setenv("VIRGL_LOG_LEVEL", "silent", 1); // a machine without a GPU would fill the screen
    void *lib = dlopen(argv[1], RTLD_NOW);
    if (!lib) {
        printf("FAIL load: %s\n", dlerror());
        return 1;
    }
    *(void **)&init = dlsym(lib, "virgl_renderer_init");
    for (int i = 0; i < rounds; i++) {
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            alarm(10);
            _exit(round_ok() ? 0 : 1);
        }
        waitpid(pid, &status, 0);
        good += status == 0;
        if (WIFSIGNALED(status))
            printf("round %d: %s\n", i, WTERMSIG(status) == SIGALRM ? "hangs" : strsignal(WTERMSIG(status)));
    }
    int ok = rounds > 0 && good == rounds;
    printf("%s %d threads race to the first init: %d of %d rounds\n", ok ? "PASS" : "FAIL", THREADS, good, rounds);
    return !ok;
}
