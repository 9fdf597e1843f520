// The tables on stdout and the samples for benchstat.
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench.h"

static FILE *samples; // NULL: nobody wants them
static char notes[4096];
static size_t notes_len;

void benchstat_open(const char *path)
{
    struct utsname u;

    samples = fopen(path, "w");
    if (!samples)
        die("cannot write %s: %s", path, strerror(errno));
    uname(&u);
    fprintf(samples, "goos: linux\ngoarch: %s\npkg: virgldrm\n", u.machine);
}

void benchstat_close(void)
{
    if (samples && (ferror(samples) | fclose(samples)))
        die("the samples for benchstat could not be written: %s", strerror(errno));
}

static void sample(const char *bench, const char *suffix, uint32_t ops, double value, const char *unit)
{
    if (samples)
        fprintf(samples, "Benchmark%s%s-%ld\t%u\t%.1f %s\n", bench, suffix, sysconf(_SC_NPROCESSORS_ONLN), ops, value,
                unit);
}

void table_note(const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(notes + notes_len, sizeof(notes) - notes_len - 1, format, args);
    va_end(args);
    if (n > 0 && notes_len + (size_t)n + 1 < sizeof(notes)) {
        notes_len += (size_t)n;
        notes[notes_len++] = '\n';
    }
    notes[notes_len] = 0;
}

void table_notes(void)
{
    if (notes_len)
        printf("\nNotes:\n%s", notes);
}

// A cell of the given width: a number, or a dash for none.
static void cell(int width, const char *format, double value)
{
    char text[32] = "-";

    if (!isnan(value))
        snprintf(text, sizeof(text), format, value);
    printf(" %*s", width, text);
}

static void line(const char *name, double raw, double library, double p99, double goal, bool above)
{
    printf("%-44s", name);
    cell(11, "%.0f", raw);
    cell(13, "%.0f", library);
    cell(9, "%.0f", p99);
    cell(8, "%.2f", library / raw);
    cell(9, "%.0f", goal);
    printf("%s\n", above ? "  above" : "");
    fflush(stdout);
}

void table_head(void)
{
    printf("%-44s %11s %13s %9s %8s %9s\n", "workload", "raw ns/op", "library ns/op", "p99 ns", "ratio", "goal ns");
}

void row_print(const struct row *r)
{
    double lib = median(r->library, REPETITIONS), raw = r->raw ? median(r->raw, REPETITIONS) : NAN;
    double goal = r->goal_ns > 0 ? r->goal_ns : NAN;

    line(r->name, raw, lib, r->p99 ? (double)r->p99 : NAN, goal,
         lib > goal || (r->goal_p99_ns > 0 && (double)r->p99 > r->goal_p99_ns));
    for (unsigned i = 0; i < REPETITIONS; i++) {
        sample(r->bench, "", r->ops, r->library[i], "ns/op");
        if (r->raw)
            sample(r->bench, "Raw", r->ops, r->raw[i], "ns/op");
    }
}

void count_head(void)
{
    printf("\n%-44s %11s %13s %9s\n", "in the process", "raw", "library", "goal");
}

void count_print(const char *name, const char *bench, const char *unit, double raw, double library, double goal)
{
    printf("%-44s", name);
    cell(11, "%.4g", raw);
    cell(13, "%.4g", library);
    cell(9, "%.4g", goal);
    printf("  %s%s\n", unit, library > goal ? ", above" : "");
    fflush(stdout);
    sample(bench, "", 1, library, unit);
}

void tail_head(void)
{
    printf("\n%-44s %11s %13s %9s %8s\n", "one operation, ns", "p50", "p99", "p99.9", "sleeps");
}

void tail_print(const char *name, const char *bench, const double ns[3], double sleeps)
{
    static const char *const suffixes[] = { "P50", "P99", "P999" };

    printf("%-44s %11.0f %13.0f %9.0f %8.0f\n", name, ns[0], ns[1], ns[2], sleeps);
    for (int i = 0; i < 3; i++)
        sample(bench, suffixes[i], 1, ns[i], "ns/op");
}
