/* replay_page.c - the page of `replay --page`: what was played, compared and measured. */
#include "replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE "------------------------------------------------------------------------------"

const char *bytes_text(uint64_t bytes)
{
    static char texts[4][24];
    static int next;
    char *out = texts[next++ % 4];

    if (bytes >= 1 << 20)
        snprintf(out, sizeof(texts[0]), "%.1f MiB", (double)bytes / (1 << 20));
    else if (bytes >= 1 << 10)
        snprintf(out, sizeof(texts[0]), "%.1f KiB", (double)bytes / (1 << 10));
    else
        snprintf(out, sizeof(texts[0]), "%llu bytes", (unsigned long long)bytes);
    return out;
}

static void print_gpu(const struct virgl_renderer_capset_drm *c)
{
    const struct driver *d = driver_of(c->context_type);
    char name[128];

    if (!d) {
        printf("  GPU        none that a native context can use\n");
        return;
    }
    d->gpu(c, name, sizeof(name));
    printf("  GPU        %s\n", name);
    printf("  Driver     %s %u.%u.%u, context type %u, wire format %u\n", context_type_name(c->context_type),
           c->version_major, c->version_minor, c->version_patchlevel, c->context_type, c->wire_format_version);
    if (d->features)
        d->features(c);
}

static uint64_t commands_of(const struct stats *st)
{
    uint64_t sum = 0;

    for (int i = 0; i < MAX_CCMDS; i++)
        sum += st->ccmds[i];
    return sum;
}

static uint64_t fences_of(const struct stats *st)
{
    uint64_t sum = 0;

    for (int i = 0; i < MAX_RINGS; i++)
        sum += st->fences[i];
    return sum;
}

static void print_recordings(struct vrec **recs, struct report **reps, int n)
{
    printf("  %-18s %9s %9s %8s %8s %7s %6s %5s\n", "Recording", "recorded", "replayed", "contexts", "commands",
           "buffers", "fences", "diffs");
    for (int i = 0; i < n; i++) {
        const struct stats *st = &reps[i]->stats;

        printf("  %-18.18s %7.2f s %6.1f ms %8llu %8llu %7llu %6llu %5llu\n", recs[i]->label,
               (double)recs[i]->span_us / 1e6, (double)st->wall_ns / 1e6, (unsigned long long)st->contexts,
               (unsigned long long)commands_of(st), (unsigned long long)(st->buffers + st->shm),
               (unsigned long long)fences_of(st), (unsigned long long)reps[i]->differences);
    }
}

static void print_commands(const struct stats *t, const struct driver *d)
{
    uint64_t most = 1;

    for (int i = 0; i < MAX_CCMDS; i++)
        most = t->ccmds[i] > most ? t->ccmds[i] : most;
    printf("  %-18s %6s  %-22s %8s %12s\n", "Command", "count", "", "submits", "mean time");
    for (uint32_t i = 1; i <= MIXED_BATCH; i++) {
        uint64_t calls = t->submit_calls[i], count = i < MIXED_BATCH ? t->ccmds[i] : 0;
        char bar[23] = "", number[16] = "", mean[16] = "-";

        if (count == 0 && calls == 0)
            continue;
        if (i < MIXED_BATCH) {
            memset(bar, '#', (count * 22 + most - 1) / most);
            snprintf(number, sizeof(number), "%llu", (unsigned long long)count);
        }
        if (calls)
            snprintf(mean, sizeof(mean), "%.1f us", (double)t->submit_call_ns[i] / (double)calls / 1e3);
        printf("  %-18s %6s  %-22s %8llu %12s\n", i < MIXED_BATCH ? ccmd_name(d, i) : "(mixed batches)", number, bar,
               (unsigned long long)calls, mean);
    }
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void print_submit_times(struct report **reps, int n, uint64_t submits)
{
    uint32_t *ns = calloc(submits + 1, sizeof(*ns));
    uint64_t k = 0, sum = 0;

    for (int i = 0; i < n; i++)
        for (uint64_t j = 0; j < reps[i]->stats.submits; j++)
            sum += ns[k++] = reps[i]->submit_ns[j];
    qsort(ns, k, sizeof(*ns), by_size);
    if (k)
        printf("  submit_cmd: half took up to %.1f us, 99%% up to %.1f us, the longest %.1f us\n", ns[k / 2] / 1e3,
               ns[k * 99 / 100] / 1e3, ns[k - 1] / 1e3);
    printf("  submit_cmd: %llu calls, together %.2f ms\n", (unsigned long long)k, (double)sum / 1e6);
    free(ns);
}

static void print_memory(const struct stats *t, const struct driver *d)
{
    printf("  Response memory   %4llu   %s\n", (unsigned long long)t->shm, bytes_text(t->shm_bytes));
    printf("  Buffers           %4llu   %s\n", (unsigned long long)t->buffers, bytes_text(t->buffer_bytes));
    printf("    shareable       %4llu   %s\n", (unsigned long long)t->shareable, bytes_text(t->shareable_bytes));
    printf("    mappable        %4llu   %s\n", (unsigned long long)t->mappable, bytes_text(t->mappable_bytes));
    printf("  Mapped for guest  %4llu   %s\n", (unsigned long long)t->maps, bytes_text(t->map_bytes));
    printf("  GPU submits       %4llu\n", (unsigned long long)t->ccmds[d ? d->submit : 0]);
    for (int i = 0; i < MAX_RINGS; i++)
        if (i == 0)
            printf("  Fences on ring 0  %4llu   retired inside their call (CPU)\n", (unsigned long long)t->fences[0]);
        else if (t->fences[i])
            printf("  Fences on ring %-2d %4llu   retired in order (GPU, priority %d)\n", i,
                   (unsigned long long)t->fences[i], i - 1);
}

static void print_answers(struct report **reps, int n, const struct stats *t)
{
    uint64_t sums[ANSWER_KINDS] = {0}, total = 0, differences = 0;

    for (int i = 0; i < n; i++) {
        differences += reps[i]->differences;
        for (int k = 0; k < ANSWER_KINDS; k++)
            sums[k] += reps[i]->answers[k];
    }
    printf("  Answers compared\n");
    for (int k = 0; k < ANSWER_KINDS; k++) {
        total += sums[k];
        printf("    %-22s %6llu%s", answer_name(k), (unsigned long long)sums[k],
               k % 2 || k == ANSWER_KINDS - 1 ? "\n" : "    ");
    }
    printf("    %-22s %6llu    differences            %6llu\n", "all", (unsigned long long)total,
           (unsigned long long)differences);
    printf("  Capset bytes compared    %6llu\n", (unsigned long long)t->capset_bytes);
    if (t->gl_not_compared)
        printf("  GL answers not compared  %6llu   (replay has no GL context to give)\n",
               (unsigned long long)t->gl_not_compared);
    if (t->runtime_fds)
        printf("  Descriptors kept         %6llu   (epoll, eventfd of the library's runtime)\n",
               (unsigned long long)t->runtime_fds);
    puts(LINE);
    if (differences)
        printf("  %llu DIFFERENCES: see the lines above\n", (unsigned long long)differences);
    else
        printf("  No difference: the library answered as recorded.\n");
}

/* See struct stats. */
static void add(struct stats *sum, const struct stats *st)
{
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)st;

    for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
        to[i] += from[i];
}

void page_print(struct vrec **recs, struct report **reps, int n, const char *lib_path)
{
    struct stats total = {0};
    int known = 0; /* a recording whose init found the GPU */

    for (int i = n; i-- > 0;) {
        add(&total, &reps[i]->stats);
        known = reps[i]->caps.context_type ? i : known;
    }
    const struct driver *d = driver_of(reps[known]->caps.context_type);
    puts(LINE);
    printf("  Replay of %d recording%s against %s\n", n, n == 1 ? "" : "s", lib_path);
    puts(LINE);
    print_gpu(&reps[known]->caps);
    puts(LINE);
    print_recordings(recs, reps, n);
    puts(LINE);
    print_commands(&total, d);
    print_submit_times(reps, n, total.submits);
    puts(LINE);
    print_memory(&total, d);
    puts(LINE);
    print_answers(reps, n, &total);
}
