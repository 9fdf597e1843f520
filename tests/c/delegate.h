/* delegate.h - what the delegate's cases share: which library is found, and what it was asked. */
#ifndef DELEGATE_H
#define DELEGATE_H

#include "abi.h"
#include "delegate_fake.h"

enum {
    QEMU = FIELD_QEMU, /* asks for native contexts, without NO_VIRGL */
    THEIR_CTX = 2,     /* of VIRGL2 */
    THEIR_RES = 20,
    OUR_RES = 30,
    NOWHERE = 99, /* nobody's */
};

/* build/delegate-NAME.so, which has never been loaded; its notes. */
const char *fake_path(const char *name);

/* RTLD_DEEPBIND where the library must open a delegate with it, or 0: then it makes the cleanup after a failed init. */
int isolation(void);
struct fake *fake_open(const char *name);

/* The library finds build/delegate-full.so and is initialised; nothing is noted yet. */
struct fake *delegate_start(int flags);
/* and each side has a context (CTX, THEIR_CTX) and a resource (OUR_RES, THEIR_RES). */
struct fake *two_sides(void);

/* What the delegate was asked since the last look. */
#define CALLS(f, want) expect_calls(__FILE__, __LINE__, f, want)
bool expect_calls(const char *file, int line, struct fake *f, const char *want);

/* The machine as the library sees it: /usr/lib and the like are empty but for these. */
void machine_has(const char *path, const char *file);
extern int dlopens, dlopen_flags; /* how many, and how the last */

/* All lines logged so far, in a log callback of the VMM's. */
void log_start(void);
extern char log_lines[16384];
bool logged(const char *part);

/* A context that is made, a texture; answers of the delegate's are passed through. */
int their_context(uint32_t ctx);
int their_resource(uint32_t res);

#endif
