// Preloaded into the VMM with the simulator: lets a shell script steer the simulation while it runs.
// Reads lines from the FIFO $E2E_CONTROL and appends one answer for each to $E2E_CONTROL.answers:
//   answer WORD      finds WORD at the start of a host buffer's memory and writes ~WORD behind it; how many it found
//   counters         what is alive in the simulation
//   anything else    a command of drmsim_control()
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drmsim.h"

// Looks only at mappings of the simulated driver's buffers: guest RAM has copies of everything.
static int answer(uint32_t word)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    int found = 0;

    while (maps && fgets(line, sizeof(line), maps)) {
        unsigned long start, end;
        char access[5];
        if (sscanf(line, "%lx-%lx %4s", &start, &end, access) != 3 || strncmp(access, "rw", 2) ||
            !strstr(line, "memfd:drmsim-bo"))
            continue;
        volatile uint32_t *words = (volatile uint32_t *)start;
        if (words[0] != word || words[1])
            continue;
        words[1] = ~word;
        found++;
    }
    if (maps)
        fclose(maps);
    return found;
}

static void obey(const char *command, FILE *answers)
{
    struct drmsim_counters c;
    uint32_t word;

    if (sscanf(command, "answer %x", &word) == 1) {
        fprintf(answers, "%d\n", answer(word));
    } else if (strcmp(command, "counters") == 0) {
        drmsim_counters(&c);
        fprintf(answers, "files=%lu bos=%lu handles=%lu queues=%lu vms=%lu running=%lu done=%lu failed=%lu "
                "mappings=%lu\n",
                (unsigned long)c.files, (unsigned long)c.bos, (unsigned long)c.handles, (unsigned long)c.queues,
                (unsigned long)c.vms, (unsigned long)c.jobs_running, (unsigned long)c.jobs_done,
                (unsigned long)c.jobs_failed, (unsigned long)c.mappings);
    } else {
        fprintf(answers, "%d\n", drmsim_control(command));
    }
    fflush(answers);
}

// No stdio for the FIFO: a thread that waits in it would hold a lock that exit() takes.
static size_t read_line(int fd, char *line, size_t room)
{
    size_t n = 0;
    char c;

    while (read(fd, &c, 1) == 1 && c != '\n')
        if (n < room - 1)
            line[n++] = c;
    line[n] = 0;
    return n;
}

static void *serve(void *arg)
{
    const char *path = arg;
    char command[256], name[512];

    snprintf(name, sizeof(name), "%s.answers", path);
    int fifo = open(path, O_RDWR | O_CLOEXEC);
    FILE *answers = fopen(name, "ae");
    if (fifo < 0 || !answers) {
        fprintf(stderr, "simctl: %s: %s\n", path, strerror(errno));
        return NULL;
    }
    while (read_line(fifo, command, sizeof(command)))
        obey(command, answers);
    return NULL;
}

static char *control;

static void listen_for_commands(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, serve, control))
        fprintf(stderr, "simctl: cannot start\n");
    else
        pthread_detach(thread);
}

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("E2E_CONTROL");

    if (!path || !(control = strdup(path)))
        return;
    unsetenv("E2E_CONTROL"); // programs the VMM starts are not to listen as well
    listen_for_commands();
    pthread_atfork(NULL, NULL, listen_for_commands); // a VMM that becomes a daemon goes on in a fork
}
