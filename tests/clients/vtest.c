/* vtest.c - talks to virgl_test_server the way a guest driver does, and checks what a library without GL makes it say. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * Messages both ways: length in 32-bit words, command, then that many words. CREATE_RENDERER alone counts in bytes:
 * those of the client's name and its NUL. It comes first and, like CONTEXT_INIT, has no answer.
 */
enum {
    GET_CAPS = 1,
    RESOURCE_CREATE = 2,
    SUBMIT_CMD = 6,
    CREATE_RENDERER = 8,
    GET_CAPS2 = 9,
    PING_PROTOCOL_VERSION = 10,
    PROTOCOL_VERSION = 11,
    GET_CAPSET = 16,
    CONTEXT_INIT = 17,
    RESOURCE_CREATE_BLOB = 18,
};
#define ANSWER_SECONDS 5
#define MAX_WORDS 64
#define CAPSET_DRM 6
#define CAPSET_DRM_WORDS 40

struct answer {
    uint32_t length, command;
    uint32_t words[MAX_WORDS];
};

static const char *server;
static bool verbose;
static int failed;

static void check(bool ok, const char *what)
{
    printf("%s %s\n", ok ? "PASS" : "FAIL", what);
    failed |= !ok;
}

static void die(const char *what)
{
    printf("FAIL %s: %s\n", what, errno ? strerror(errno) : "the server hung up");
    exit(1);
}

static void put(int fd, const void *data, size_t size)
{
    if (send(fd, data, size, MSG_NOSIGNAL) != (ssize_t)size)
        die("sending to the server");
}

/* In one piece: the server may hang up over the header alone. */
static void command(int fd, uint32_t id, uint32_t length, const uint32_t *words)
{
    uint32_t message[2 + MAX_WORDS] = {length, id};

    if (length > 0)
        memcpy(message + 2, words, length * sizeof *words);
    put(fd, message, (2 + length) * sizeof *message);
}

/* True when all of it came in time; false with errno 0 when the server hung up instead. */
static bool get(int fd, void *data, size_t size)
{
    size_t have = 0;

    while (have < size) {
        ssize_t n = recv(fd, (char *)data + have, size - have, 0);
        if (n <= 0) {
            errno = n == 0 || errno == ECONNRESET ? 0 : errno;
            return false;
        }
        have += (size_t)n;
    }
    return true;
}

static struct answer ask(int fd, uint32_t id, uint32_t length, const uint32_t *words)
{
    struct answer a = {0};

    command(fd, id, length, words);
    if (!get(fd, &a, 2 * sizeof(uint32_t)))
        die("waiting for an answer");
    /* The length of GL caps counts one word that is not sent. */
    uint32_t follow = id == GET_CAPS ? a.length - 1 : a.length;
    if (follow > MAX_WORDS) {
        printf("FAIL command %u: an answer of %u words\n", id, a.length);
        exit(1);
    }
    if (!get(fd, a.words, follow * sizeof *a.words))
        die("waiting for all of the answer");
    if (verbose) {
        printf("     command %u -> command %u, length %u", id, a.command, a.length);
        for (uint32_t i = 0; i < follow && i < 8; i++)
            printf(" %#x", a.words[i]);
        printf("%s\n", follow > 8 ? " ..." : "");
    }
    return a;
}

/* Connects, waiting for a server that is still starting, and introduces itself. */
static int hello(void)
{
    static const char name[] = "vtest-client";
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = ANSWER_SECONDS};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || strlen(server) >= sizeof addr.sun_path)
        die("making a socket");
    strcpy(addr.sun_path, server);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    for (int tries = 0; connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0; tries++) {
        if ((errno != ENOENT && errno != ECONNREFUSED) || tries == ANSWER_SECONDS * 100)
            die("connecting");
        poll(NULL, 0, 10);
    }
    uint32_t header[2] = {sizeof name, CREATE_RENDERER};
    put(fd, header, sizeof header);
    put(fd, name, sizeof name);
    return fd;
}

/* True when the server knows capsets, as it does from protocol 3 on. */
static bool negotiate(int fd)
{
    uint32_t newest = 1000;

    struct answer ping = ask(fd, PING_PROTOCOL_VERSION, 0, NULL);
    struct answer version = ask(fd, PROTOCOL_VERSION, 1, &newest);
    return ping.command == PING_PROTOCOL_VERSION && ping.length == 0 && version.command == PROTOCOL_VERSION &&
           version.length == 1 && version.words[0] >= 3 && version.words[0] < newest;
}

/* Everything that needs no context. */
static void greet(void)
{
    int fd = hello();

    check(negotiate(fd), "ping and protocol version");
    struct answer a = ask(fd, GET_CAPS, 0, NULL);
    check(a.command == 1 && a.length == 1, "GL capset 1 is empty");
    bool others = false;
    for (uint32_t id = 0; id < 8; id++) {
        uint32_t request[2] = {id, 0};
        a = ask(fd, GET_CAPSET, 2, request);
        bool there = a.command != GET_CAPSET || a.length != 1 || a.words[0] != 0;
        if (id == CAPSET_DRM) {
            uint32_t rest = 0;

            for (uint32_t i = 1; i < a.length; i++)
                rest |= a.words[i];
            check(rest == 0, "capset 6 without a device is zeros");
            check(there && a.length == 1 + CAPSET_DRM_WORDS && a.words[0] == 1, "capset 6 is there, with 160 bytes");
        } else {
            others |= there;
        }
    }
    check(!others, "and no other");
    close(fd);
}

/* The server hangs up on a client whose context the library refuses; it makes one when a command first needs it. */
static void refuse(const char *what, uint32_t capset, uint32_t id, uint32_t length, const uint32_t *words)
{
    char byte;
    int fd = hello();
    bool served = negotiate(fd);

    if (capset != 0)
        command(fd, CONTEXT_INIT, 1, &capset);
    command(fd, id, length, words);
    bool ended = !get(fd, &byte, 1) && errno == 0;
    check(served && ended, what);
    close(fd);
}

static void refused(void)
{
    static const uint32_t texture[10] = {1, 2, 1, 2, 64, 64, 1, 1, 0, 0};
    static const uint32_t blob[6] = {1, 1, 4096, 0, 0, 0}; /* guest memory, mappable */

    refuse("GL capset 2 is not there: this server hangs up", 0, GET_CAPS2, 0, NULL);
    refuse("a native context without DRM is refused", CAPSET_DRM, RESOURCE_CREATE_BLOB, 6, blob);
    refuse("a Venus context is refused", 4, RESOURCE_CREATE_BLOB, 6, blob);
    refuse("a GL context is refused", 0, RESOURCE_CREATE, 10, texture);
    refuse("commands outside a context are refused", 0, SUBMIT_CMD, 1, &(uint32_t){0});
}

/* Clients that leave without a word: the server has to serve the next one. */
static void rude(void)
{
    uint32_t half = 1;

    int fd = hello();
    close(fd);
    fd = hello();
    put(fd, &half, sizeof half);
    close(fd);
}

/* A client that does not wait for its answer. The server dies of it (SIGPIPE) if it serves without a fork. */
static void deaf(void)
{
    int fd = hello();

    command(fd, PING_PROTOCOL_VERSION, 0, NULL);
    close(fd);
}

/* Two at the same time. */
static void pair(void)
{
    int first = hello();

    bool before = negotiate(first);
    greet();
    check(before && negotiate(first), "the first of two clients is still served");
    close(first);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } talks[] = {{"greet", greet}, {"refused", refused}, {"rude", rude}, {"deaf", deaf}, {"pair", pair}};

    if (argc > 1 && strcmp(argv[1], "-v") == 0) {
        verbose = true;
        argc--, argv++;
    }
    if (argc < 3) {
        fprintf(stderr, "usage: vtest [-v] SOCKET greet|refused|rude|deaf|pair...\n");
        return 2;
    }
    server = argv[1];
    for (int i = 2; i < argc; i++) {
        bool found = false;
        for (size_t t = 0; t < sizeof talks / sizeof *talks; t++)
            if (strcmp(argv[i], talks[t].name) == 0) {
                found = true;
                printf("-- %s\n", argv[i]);
                fflush(stdout);
                talks[t].run();
            }
        if (!found) {
            fprintf(stderr, "vtest: there is no %s\n", argv[i]);
            return 2;
        }
    }
    return failed;
}
