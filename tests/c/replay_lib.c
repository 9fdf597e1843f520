/* replay_lib.c - loads the library under test and finds its functions. */
#include "replay.h"

#include <dlfcn.h>
#include <stdio.h>

bool lib_load(struct lib *lib, const char *path, char *why, size_t why_size)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    uint32_t version = 0, size = 0;

    if (!handle) {
        snprintf(why, why_size, "cannot load the library: %s", dlerror());
        return false;
    }
#define F(name)                                                                        \
    *(void **)&lib->name = dlsym(handle, "virgl_renderer_" #name);                     \
    if (!lib->name) {                                                                  \
        snprintf(why, why_size, "%s has no function virgl_renderer_" #name, path);     \
        return false;                                                                  \
    }
    LIB_FUNCTIONS(F)
#undef F
    lib->get_cap_set(1, &version, &size);
    lib->has_gl = version != 0 || size != 0;
    return true;
}
