// A client of QEMU's machine protocol.
//   qmp SOCKET COMMAND    sends one command without arguments and prints the answer; exit 1 if that is an error
//   qmp SOCKET watch MS   asks query-status every 5 ms until SIGTERM, then prints how many answers came and the slowest
//                         one; exit 1 if that took longer than MS
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int dial(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    return connect(fd, (struct sockaddr *)&address, sizeof(address)) ? -1 : fd;
}

// Reads lines up to an answer and keeps that; events are passed over. False at the end of the connection or of us.
static bool answer(int fd, char *line, size_t room)
{
    size_t n = 0;

    while (!stopped) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        char c;
        if (poll(&p, 1, 20) <= 0)
            continue;
        if (read(fd, &c, 1) != 1)
            return false;
        if (c != '\n') {
            if (n < room - 1)
                line[n++] = c;
            continue;
        }
        line[n] = 0;
        n = 0;
        if (strstr(line, "\"return\"") || strstr(line, "\"error\"") || strstr(line, "\"QMP\""))
            return true;
    }
    return false;
}

static bool ask(int fd, const char *command, char *line, size_t room)
{
    char text[128];
    int n = snprintf(text, sizeof(text), "{\"execute\": \"%s\"}\n", command);

    return write(fd, text, (size_t)n) == n && answer(fd, line, room);
}

static int watch(int fd, double limit_ms, char *line, size_t room)
{
    unsigned answers = 0;
    double worst = 0;
    bool alive = true;

    while (alive && !stopped) {
        double start = now_ms();
        alive = ask(fd, "query-status", line, room);
        double took = now_ms() - start;
        if (took > worst)
            worst = took;
        answers += alive;
        usleep(5000);
    }
    printf("%u answers, the slowest after %.1f ms\n", answers, worst);
    return answers && worst <= limit_ms && (alive || stopped) ? 0 : 1;
}

int main(int argc, char **argv)
{
    static char line[65536];
    bool watching = argc == 4 && strcmp(argv[2], "watch") == 0;

    if (argc != 3 && !watching) {
        fprintf(stderr, "usage: qmp SOCKET COMMAND | qmp SOCKET watch MS\n");
        return 2;
    }
    signal(SIGTERM, stop);
    signal(SIGPIPE, SIG_IGN);
    int fd = dial(argv[1]);
    if (fd < 0) {
        perror(argv[1]);
        return 2;
    }
    if (!answer(fd, line, sizeof(line)) || !ask(fd, "qmp_capabilities", line, sizeof(line))) {
        fprintf(stderr, "qmp: %s is not a QMP socket\n", argv[1]);
        return 2;
    }
    if (watching)
        return watch(fd, atof(argv[3]), line, sizeof(line));
    bool answered = ask(fd, argv[2], line, sizeof(line));
    puts(answered ? line : "no answer");
    return answered && !strstr(line, "\"error\"") ? 0 : 1;
}
