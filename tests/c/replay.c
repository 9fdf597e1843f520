/* replay.c - replays recordings against a libvirglrenderer.so.1 and reports every difference. */
#include "replay.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HANGS_AFTER_MS 30000 /* in one line of a recording; longer than any wait for a fence */

enum { SAME = 0, DIFFERENT = 1, UNUSABLE = 2 };

static const char usage[] =
    "usage: replay [--lib PATH] [--page] [-v] RECORDING...\n"
    "Plays recorded VMM calls (.vrec, .vrec.xz) against a library and compares all it answers.\n"
    "\n"
    "  --lib PATH   the library to load (default: libvirglrenderer.so.1)\n"
    "  --page       print a page about the GPU, the work done and the answers compared\n"
    "  -v           print every call on stderr before it is made\n"
    "\n"
    "The library is given no GL context. One that offers capset 1 (GL) is not judged by its GL\n"
    "answers; one that does not must refuse GL contexts and tolerate the 2D calls of a console.\n"
    "Exit status: 0 no difference, 1 differences, 2 a recording or the library cannot be used.\n";

/* Waits for the child, which holds the pipe's other end until it ends. False: it hangs. */
static bool wait_for_end(int pipe_fd, const struct report *rep)
{
    struct pollfd p = {.fd = pipe_fd, .events = POLLIN};
    int line;

    do {
        line = rep->line;
        if (poll(&p, 1, HANGS_AFTER_MS) > 0)
            return true;
    } while (rep->line != line);
    return false;
}

/* In a process of its own: init is process-wide, and a crash is a finding, not the end. */
static void play_in_child(const struct vrec *rec, const struct options *opt, struct report *rep)
{
    char ending[80] = "";
    int pipe_fds[2], status;
    pid_t child;

    fflush(NULL);
    if (pipe(pipe_fds) < 0 || (child = fork()) < 0) {
        snprintf(rep->unusable, sizeof(rep->unusable), "cannot start a process to play it in");
        return;
    }
    if (child == 0) {
        close(pipe_fds[0]);
        replay_play(rec, opt, rep);
        _exit(0);
    }
    close(pipe_fds[1]);
    bool ended = wait_for_end(pipe_fds[0], rep);
    if (!ended)
        kill(child, SIGKILL);
    waitpid(child, &status, 0);
    close(pipe_fds[0]);
    if (!ended)
        snprintf(ending, sizeof(ending), "the library did not return for %d s", HANGS_AFTER_MS / 1000);
    else if (WIFSIGNALED(status))
        snprintf(ending, sizeof(ending), "the library crashed: %s", strsignal(WTERMSIG(status)));
    else if (!rep->finished && !rep->unusable[0])
        snprintf(ending, sizeof(ending), "the library ended the process with status %d", WEXITSTATUS(status));
    if (ending[0]) {
        int slot = rep->differences < MAX_DIFFERENCES ? (int)rep->differences : MAX_DIFFERENCES - 1;

        snprintf(rep->texts[slot], sizeof(rep->texts[slot]), "%d: %s: %s", rep->line, rep->event, ending);
        rep->differences++;
    }
}

static int print_result(const struct vrec *rec, const struct report *rep, bool page)
{
    uint64_t answers = 0, shown = rep->differences < MAX_DIFFERENCES ? rep->differences : MAX_DIFFERENCES;

    for (int i = 0; i < ANSWER_KINDS; i++)
        answers += rep->answers[i];
    for (uint64_t i = 0; i < shown; i++)
        printf("%s:%s\n", rec->path, rep->texts[i]);
    if (rep->differences > shown)
        printf("%s: and %llu more\n", rec->path, (unsigned long long)(rep->differences - shown));
    if (rep->unusable[0]) {
        fprintf(stderr, "%s: %s\n", rec->path, rep->unusable);
        return UNUSABLE;
    }
    if (!page) {
        printf("%-5s %-24s %5d lines %6llu answers %4llu differences %6.2f s\n", rep->differences ? "DIFF" : "ok",
               rec->label, rec->nevents, (unsigned long long)answers, (unsigned long long)rep->differences,
               (double)rep->stats.wall_ns / 1e9);
        if (rep->stats.gl_not_compared)
            printf("      %llu answers of GL were not compared: replay has no GL context to give\n",
                   (unsigned long long)rep->stats.gl_not_compared);
    }
    return rep->differences ? DIFFERENT : SAME;
}

static bool parse_options(int argc, char **argv, struct options *opt)
{
    static const struct option longs[] = {
        {"lib", required_argument, NULL, 'l'},
        {"page", no_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;

    *opt = (struct options){.lib_path = "libvirglrenderer.so.1"};
    while ((c = getopt_long(argc, argv, "v", longs, NULL)) != -1) {
        if (c == 'l')
            opt->lib_path = optarg;
        else if (c == 'p')
            opt->page = true;
        else if (c == 'v')
            opt->verbose = true;
        else if (c == 'h')
            exit(printf("%s", usage) < 0);
        else
            return false;
    }
    return optind < argc;
}

int main(int argc, char **argv)
{
    struct options opt;
    int worst = SAME, n;

    if (!parse_options(argc, argv, &opt)) {
        fputs(usage, stderr);
        return UNUSABLE;
    }
    n = argc - optind;
    struct vrec **recs = calloc((size_t)n, sizeof(*recs));
    struct report **reps = calloc((size_t)n, sizeof(*reps));

    /* All recordings are checked before the first is played. */
    for (int i = 0; i < n; i++) {
        recs[i] = vrec_load(argv[optind + i]);
        if (!recs[i] || !replay_link(recs[i]) || !(reps[i] = report_new(recs[i])))
            return UNUSABLE;
    }
    for (int i = 0; i < n; i++) {
        play_in_child(recs[i], &opt, reps[i]);
        int result = print_result(recs[i], reps[i], opt.page);
        worst = result > worst ? result : worst;
    }
    if (opt.page && worst != UNUSABLE)
        page_print(recs, reps, n, opt.lib_path);
    return worst;
}
