// Times the two sides of a workload in turn, repetition by repetition, so that a busy moment of the machine hits both.
#include <stdlib.h>
#include <time.h>

#include "bench.h"

enum { SINGLES = 5000 }; // operations timed one by one for the 99th percentile

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void nap_us(long us)
{
    const struct timespec t = { 0, us * 1000 };

    nanosleep(&t, NULL);
}

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int by_time(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

double median(const double *values, unsigned n)
{
    double sorted[n];

    for (unsigned i = 0; i < n; i++)
        sorted[i] = values[i];
    qsort(sorted, n, sizeof(*sorted), by_double);
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

uint64_t percentile(uint64_t *values, size_t n, double percent)
{
    qsort(values, n, sizeof(*values), by_time);
    return values[(size_t)((double)(n - 1) * percent / 100)];
}

// What a pair of clock readings costs by itself.
static uint64_t clock_cost(void)
{
    uint64_t costs[1001];

    for (size_t i = 0; i < 1001; i++) {
        uint64_t start = now_ns();

        costs[i] = now_ns() - start;
    }
    return percentile(costs, 1001, 50);
}

// Runs ops operations in rounds and returns the ns they took together. With singles, each one's time goes there.
static uint64_t run(const struct workload *w, const struct side *s, uint32_t ops, uint64_t *singles, uint64_t clock)
{
    uint32_t round = w->round ? w->round : ops;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < ops;) {
        uint32_t end = i + round < ops ? i + round : ops;

        if (s->before)
            s->before(w->arg);
        if (singles) {
            for (; i < end; i++) {
                uint64_t start = now_ns(), took;

                s->op(w->arg, i);
                took = now_ns() - start;
                singles[i] = took > clock ? took - clock : 0;
            }
        } else {
            uint64_t start = now_ns();

            for (; i < end; i++)
                s->op(w->arg, i);
            sum += now_ns() - start;
        }
        if (s->after)
            s->after();
    }
    return sum;
}

// The calls of one operation, by kind.
static void calls_of(const struct workload *w, const struct side *s, struct drmsim_counters *out)
{
    struct drmsim_counters before;

    if (s->before)
        s->before(w->arg);
    drmsim.counters(&before);
    s->op(w->arg, 0);
    drmsim.counters(out);
    for (unsigned k = 0; k < DRMSIM_KIND_COUNT; k++)
        out->calls[k] -= before.calls[k];
    if (s->after)
        s->after();
}

// A comparison is worth something only if both sides ask the kernel the same.
static void compare_calls(const struct workload *w)
{
    struct drmsim_counters lib, raw;

    calls_of(w, &w->library, &lib);
    calls_of(w, &w->raw, &raw);
    for (unsigned k = 0; k < DRMSIM_KIND_COUNT; k++)
        if (lib.calls[k] != raw.calls[k])
            table_note("%s: %u %s by the library, %u raw", w->name, (unsigned)lib.calls[k], drmsim.kind_name(k),
                       (unsigned)raw.calls[k]);
}

void measure(const struct workload *w)
{
    double lib[REPETITIONS], raw[REPETITIONS];
    uint64_t *singles, clock = w->round == 1 ? clock_cost() : 0, p99;
    uint32_t n = w->ops < SINGLES ? w->ops : SINGLES;

    if (!wanted(w->name))
        return;
    run(w, &w->library, w->ops / 4 + 1, NULL, 0); // warm-up
    if (w->raw.op) {
        run(w, &w->raw, w->ops / 4 + 1, NULL, 0);
        compare_calls(w);
    }
    for (unsigned i = 0; i < REPETITIONS; i++) {
        lib[i] = (double)run(w, &w->library, w->ops, NULL, 0) / w->ops - (double)clock;
        if (w->raw.op)
            raw[i] = (double)run(w, &w->raw, w->ops, NULL, 0) / w->ops - (double)clock;
    }
    singles = calloc(n, sizeof(*singles));
    if (!singles)
        die("out of memory");
    run(w, &w->library, n, singles, clock_cost());
    p99 = percentile(singles, n, 99);
    free(singles);
    row_print(&(struct row){ .name = w->name, .bench = w->bench, .goal_ns = w->goal_ns, .library = lib,
                             .raw = w->raw.op ? raw : NULL, .ops = w->ops, .p99 = p99 });
}
