/* harness.h - named cases, one process each, on the library under test as one table of functions. */
#ifndef HARNESS_H
#define HARNESS_H

#define VIRGL_RENDERER_UNSTABLE_APIS 1
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* The cases compile against both headers: what they use of either is the same interface. */
#ifdef ABI_DISTRO_HEADER
#include <virgl/virglrenderer.h>
#ifdef VIRGL_RENDERER_DRM_H
#error "This is our own virglrenderer.h: put -I of the distribution's before -Iinclude."
#endif
#include "virgl_drm_msm.h"
#else
#include "virgl_renderer_drm.h"
#endif
#include "drmsim.h"
#include "functions.h"

extern struct api {
#define R(name) __typeof__(virgl_renderer_##name) *name;
#define S(name) __typeof__(virgl_##name) *name;
    API_FUNCTIONS(R, S)
#undef R
#undef S
} api;

/* ---- Cases ---- */

struct test_case {
    const char *name;
    void (*run)(void);
    bool gpu;           /* needs the simulated kernel */
    const char *env[4]; /* NAME=VALUE, for this case only */
    struct test_case *next;
};

void harness_add(struct test_case *c);

/* CASE(name, .env = {"NAME=VALUE"}) { checks } */
#define CASE(id, ...)                                                                                                  \
    static void case_##id(void);                                                                                       \
    static struct test_case entry_##id = { .name = #id, .run = case_##id, __VA_ARGS__ };                               \
    __attribute__((constructor)) static void add_##id(void) { harness_add(&entry_##id); }                              \
    static void case_##id(void)
#define GPU_CASE(id, ...) CASE(id, .gpu = true, __VA_ARGS__)

/* ---- abi_check.c: the first that fails is the one reported; -v shows all of them and every value. ---- */

bool expect_number(const char *file, int line, const char *what, long long want, long long got);
bool expect_true(const char *file, int line, const char *what, bool got);
_Noreturn void give_up(void); /* ends the case; only on the thread that runs it */

/* Names the row of a table in the messages that follow. */
void row(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void no_row(void);

#define EXPECT(want, got) expect_number(__FILE__, __LINE__, #got, (long long)(want), (long long)(got))
#define CHECK(cond) expect_true(__FILE__, __LINE__, #cond, cond)
/* What the rest of a case cannot do without. */
#define REQUIRE(want, got) do { if (!EXPECT(want, got)) give_up(); } while (0)
#define REQUIRE_TRUE(cond) do { if (!CHECK(cond)) give_up(); } while (0)

/* What a case's process tells its parent, in memory they share. */
struct result {
    bool finished;
    unsigned checks, failures;
    char first[512];
};

void checks_run(struct test_case *c, void (*run)(struct test_case *), struct result *to, bool show);

/* ---- abi_load.c ---- */

void load_library(const char *path, bool deepbind); /* or ends the program with one sentence */
_Noreturn void refuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- abi_leaks.c: nothing may be left after a case ---- */

void leaks_before(void); /* notes what the process has open and mapped */
void leaks_after(void);  /* cleans up and compares */
/* A file the process may keep open for good, by the path /proc shows. */
void leaks_allow(const char *path);

#endif
