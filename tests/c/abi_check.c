/* abi_check.c - the checks a case makes: the first failure is kept for the parent, -v prints them all. */
#include "harness.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

static struct result *result;
static bool verbose;
static jmp_buf end_of_case;
static char row_name[128];
static pthread_mutex_t check_lock = PTHREAD_MUTEX_INITIALIZER; /* callbacks check on threads of their own */

void row(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(row_name, sizeof(row_name), fmt, ap);
    va_end(ap);
}

void no_row(void) { row_name[0] = 0; }

static bool checked(const char *file, int line, const char *what, bool ok, const char *want, const char *got)
{
    const char *slash = strrchr(file, '/');
    char text[512];

    snprintf(text, sizeof(text), "%s%s%s [%s:%d], expected %s got %s", row_name, row_name[0] ? ": " : "", what,
             slash ? slash + 1 : file, line, want, got);
    pthread_mutex_lock(&check_lock);
    result->checks++;
    if (!ok && result->failures++ == 0)
        memcpy(result->first, text, sizeof(text));
    if (verbose)
        printf("    %s %s\n", ok ? "ok " : "BAD", text);
    fflush(stdout);
    pthread_mutex_unlock(&check_lock);
    return ok;
}

bool expect_number(const char *file, int line, const char *what, long long want, long long got)
{
    char w[32], g[32];

    snprintf(w, sizeof(w), "%lld", want);
    snprintf(g, sizeof(g), "%lld", got);
    return checked(file, line, what, want == got, w, g);
}

bool expect_true(const char *file, int line, const char *what, bool got)
{
    return checked(file, line, what, got, "true", got ? "true" : "false");
}

void give_up(void)
{
    longjmp(end_of_case, 1);
}

void checks_run(struct test_case *c, void (*run)(struct test_case *), struct result *to, bool show)
{
    result = to;
    verbose = show;
    if (!setjmp(end_of_case))
        run(c);
}
