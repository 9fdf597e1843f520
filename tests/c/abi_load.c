/* abi_load.c - fills the table of functions: from a library loaded by path, or from the one linked with. */
#define _GNU_SOURCE
#include "harness.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

struct api api;

#ifdef ABI_LINKED
void load_library(const char *path, bool deepbind)
{
    Dl_info info;

    (void)deepbind;
#define R(name) api.name = virgl_renderer_##name;
#define S(name) api.name = virgl_##name;
    API_FUNCTIONS(R, S)
#undef R
#undef S
    char *want = path ? realpath(path, NULL) : NULL, *got = NULL;
    void *init;
    memcpy(&init, &api.init, sizeof(init));
    if (path && (!dladdr(init, &info) || !(got = realpath(info.dli_fname, NULL)) || !want || strcmp(want, got)))
        refuse("linked with %s, not with %s: leave --lib out or build against that file", got ? got : "?", path);
    free(want);
    free(got);
}
#else
void load_library(const char *path, bool deepbind)
{
    void *lib = dlopen(path, RTLD_NOW | (deepbind ? RTLD_DEEPBIND : RTLD_LOCAL));

    if (!lib)
        refuse("cannot load the library: %s", dlerror());
#define FIND(member, symbol) \
    if (!(*(void **)&api.member = dlsym(lib, symbol))) \
        refuse("%s does not export %s", path, symbol);
#define R(name) FIND(name, "virgl_renderer_" #name)
#define S(name) FIND(name, "virgl_" #name)
    API_FUNCTIONS(R, S)
#undef R
#undef S
#undef FIND
}
#endif
