// Finds, loads and starts the system's own virglrenderer; delegate.h says what it is for.
#include "delegate.h"
#include "log.h"

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct vd_delegate_state vd_delegate_state;

static const struct vd_delegate none;
static struct vd_delegate loaded; // complete or all NULL
static char loaded_path[4096];

static void say(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(int level, const char *fmt, ...)
{
    char line[4096 + 512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    vd_log(level, line);
}

// ---- its messages go where ours go

static void log_sink(enum virgl_log_level_flags level, const char *message, void *user)
{
    (void)user;
    vd_log_foreign((int)level, message);
}

// Libraries that know this one only have no levels.
static void debug_sink(const char *fmt, va_list ap)
{
    char message[1024];

    vsnprintf(message, sizeof(message), fmt, ap);
    vd_log_foreign(VIRGL_LOG_LEVEL_WARNING, message);
}

static void redirect_log(void *lib)
{
    __typeof__(virgl_set_log_callback) *set_log = (__typeof__(set_log))dlsym(lib, "virgl_set_log_callback");
    __typeof__(virgl_set_debug_callback) *set_debug = (__typeof__(set_debug))dlsym(lib, "virgl_set_debug_callback");

    if (set_log)
        set_log(log_sink, NULL, NULL);
    else if (set_debug)
        set_debug(debug_sink);
}

// ---- its memory

static void (*its_free)(void *);
static size_t (*its_size)(void *);

static void find_malloc(void *lib)
{
    its_free = (__typeof__(its_free))dlsym(lib, "free");
    its_size = (__typeof__(its_size))dlsym(lib, "malloc_usable_size");
}

void *vd_delegate_gives(void *memory)
{
    void *ours;

    if (!memory || !its_free || !its_size || its_free == free)
        return memory;
    if ((ours = malloc(its_size(memory))))
        memcpy(ours, memory, its_size(memory));
    its_free(memory);
    return ours;
}

// ---- finding it

bool vd_delegate_asked(const void *args, uint32_t size)
{
    const struct virgl_renderer_hdr *hdr = args;

    return hdr && size == sizeof(*hdr) && hdr->stype == VD_STYPE_SAME_LIBRARY;
}

// Links, copies and other builds of this library: each would look for a delegate of its own.
static bool is_this_library(const struct vd_delegate *d)
{
    struct virgl_renderer_hdr question = { .stype = VD_STYPE_SAME_LIBRARY, .size = sizeof(question) };

    return d->execute(&question, sizeof(question)) == 0;
}

// The first function that the library must have and lacks, or NULL.
static const char *find_functions(void *lib, struct vd_delegate *d)
{
    const char *missing = NULL;

#define OPTIONAL(name) d->name = (__typeof__(d->name))dlsym(lib, "virgl_renderer_" #name);
#define NEEDED(name)                                                                                                   \
    OPTIONAL(name)                                                                                                     \
    if (!d->name && !missing)                                                                                          \
        missing = "virgl_renderer_" #name;
    VD_DELEGATE_FUNCTIONS(NEEDED, OPTIONAL)
    return missing;
}

// Our public functions have the names of the delegate's own, and its calls among them must stay in it: RTLD_DEEPBIND does
// that. But where the process's malloc is not libc's (jemalloc, tcmalloc, a sanitizer's, which refuses the flag) it
// would free with libc's what strdup got from the other. There its two calls among its own functions come here:
// cleanup, from an init that fails, and context_create_with_flags, which is why context_create does not go through.
static bool bound_to_itself;

static int deepbind(void)
{
    Dl_info libc, heap;

    bound_to_itself = dladdr((void *)gnu_get_libc_version, &libc) && dladdr((void *)free, &heap) &&
                      libc.dli_fbase == heap.dli_fbase;
    return bound_to_itself ? RTLD_DEEPBIND : 0;
}

enum verdict { TAKEN, REFUSED, OURSELVES };

static enum verdict try(const char *path)
{
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL | deepbind());
    struct vd_delegate d;
    const char *missing;

    if (!lib) {
        say(VIRGL_LOG_LEVEL_ERROR, "delegate: running without one, it cannot be loaded: %s", dlerror());
        return REFUSED;
    }
    if ((missing = find_functions(lib, &d))) {
        say(VIRGL_LOG_LEVEL_ERROR, "delegate: running without one, %s has no %s: install virglrenderer 0.10 or later", path,
            missing);
        dlclose(lib);
        return REFUSED;
    }
    if (is_this_library(&d)) {
        dlclose(lib);
        return OURSELVES;
    }
    redirect_log(lib);
    if (bound_to_itself)
        find_malloc(lib);
    snprintf(loaded_path, sizeof(loaded_path), "%s", path);
    loaded = d;
    return TAKEN;
}

#if defined(__x86_64__)
#define MULTIARCH "x86_64-linux-gnu"
#elif defined(__aarch64__)
#define MULTIARCH "aarch64-linux-gnu"
#else
#error "Add this architecture's library directory to MULTIARCH."
#endif

static void search(void)
{
    static const char *const dirs[] = { "/usr/local/lib/" MULTIARCH, "/usr/local/lib64", "/usr/local/lib",
                                        "/usr/lib/" MULTIARCH, "/usr/lib64", "/usr/lib" };
    // The second is what dpkg-divert makes of the first.
    static const char *const names[] = { "libvirglrenderer.so.1", "libvirglrenderer.so.1.distrib" };
    char path[128];

    for (size_t d = 0; d < sizeof(dirs) / sizeof(*dirs); d++) {
        for (size_t n = 0; n < sizeof(names) / sizeof(*names); n++) {
            snprintf(path, sizeof(path), "%s/%s", dirs[d], names[n]);
            if (access(path, F_OK) == 0 && try(path) != OURSELVES)
                return;
        }
    }
    say(VIRGL_LOG_LEVEL_WARNING, "delegate: there is no other libvirglrenderer.so.1, so no OpenGL, Venus or console: install "
                                 "the distribution's, or set VIRGLDRM_DELEGATE to its path, or to \"none\"");
}

static void find(void)
{
    const char *path = secure_getenv("VIRGLDRM_DELEGATE");

    if (!path || !*path)
        search();
    else if (!strcmp(path, "none"))
        return;
    else if (*path != '/')
        say(VIRGL_LOG_LEVEL_ERROR, "delegate: running without one, VIRGLDRM_DELEGATE=%s is neither an absolute path nor "
                                   "\"none\"", path);
    else if (try(path) == OURSELVES)
        say(VIRGL_LOG_LEVEL_ERROR, "delegate: running without one, %s is this library itself: set VIRGLDRM_DELEGATE to the "
                                   "distribution's", path);
}

static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;

static void in_child(void) { pthread_mutex_init(&load_lock, NULL); }
__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(NULL, NULL, in_child); }

const struct vd_delegate *vd_delegate_load(void)
{
    static bool tried; // guarded by load_lock

    pthread_mutex_lock(&load_lock);
    if (!tried)
        find();
    tried = true;
    pthread_mutex_unlock(&load_lock);
    return &loaded;
}

// ---- its life

void vd_delegate_init(void *cookie, int flags, struct virgl_renderer_callbacks *cb)
{
    // Without an EGL or GLX of its own it asks the VMM for contexts, and does not ask whether it may.
    bool can = flags & (VIRGL_RENDERER_USE_EGL | VIRGL_RENDERER_USE_GLX) ||
               (cb->create_gl_context && cb->destroy_gl_context && cb->make_current);
    bool gl = can && !(flags & VIRGL_RENDERER_NO_VIRGL), vulkan = flags & (VIRGL_RENDERER_VENUS | VIRGL_RENDERER_RENDER_SERVER);
    const struct vd_delegate *d = gl || vulkan ? vd_delegate_load() : &none;
    int r;

    if (!d->init)
        return;
    r = d->init(cookie, (flags & ~VIRGL_RENDERER_DRM) | (gl ? 0 : VIRGL_RENDERER_NO_VIRGL), cb);
    if (r && !bound_to_itself)
        d->cleanup(cookie); // which it has called, but came to ours
    if (r)
        say(VIRGL_LOG_LEVEL_ERROR, "delegate: running without one, init of %s failed with %d: see its own messages",
            loaded_path, r);
    else if (!vd_delegate_state.live)
        say(VIRGL_LOG_LEVEL_INFO, "delegate: %s serves everything but native contexts", loaded_path);
    vd_delegate_state = (struct vd_delegate_state){ .live = !r, .gl = !r && gl };
}

void vd_delegate_init_again(void *cookie, int flags, struct virgl_renderer_callbacks *cb)
{
    if (vd_delegate_state.live)
        vd_delegate_init(cookie, flags, cb);
}

void vd_delegate_cleanup(void *cookie)
{
    bool was = vd_delegate_state.live;

    vd_delegate_state = (struct vd_delegate_state){ 0 };
    if (was)
        loaded.cleanup(cookie);
}

const struct vd_delegate *vd_delegate(void)
{
    if (!vd_delegate_state.live)
        return &none;
    vd_delegate_state.called = true;
    if (vd_delegate_state.force) {
        vd_delegate_state.force = false;
        loaded.force_ctx_0();
    }
    return &loaded;
}

// VMMs poll after every kick of the queue and from a timer. The first poll after a call of the delegate's finds its GL
// context as that call did; any other goes without a switch, for a guest that only uses native contexts would pay for it.
void vd_delegate_poll(void)
{
    if (!vd_delegate_state.live)
        return;
    if (vd_delegate_state.called)
        vd_delegate();
    vd_delegate_state.called = false;
    loaded.poll();
}
