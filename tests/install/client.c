/* client.c - a program as VMMs are: it knows the library by pkg-config and <virglrenderer.h> alone. */
#include <virglrenderer.h>

#include <stdio.h>

#if VIRGL_MAJOR_VERSION != 1 || !VIRGL_CHECK_VERSION(1, 3, 0) || VIRGL_CHECK_VERSION(2, 0, 0)
#error "the version macros do not say 1.3.0 or later"
#endif

static int failed;

static void check(int ok, const char *what)
{
    printf("%s %s\n", ok ? "PASS" : "FAIL", what);
    failed |= !ok;
}

int main(void)
{
    uint32_t version = 99, size = 99;

    virgl_renderer_get_cap_set(6, &version, &size);
    check(version == 0 && size == 160, "capset 6 before init: version 0, 160 bytes");
    virgl_renderer_get_cap_set(2, &version, &size);
    check(version == 0 && size == 0, "capset 2 (GL): absent");

    /* Declared only with VIRGL_RENDERER_UNSTABLE_APIS, which has to come from pkg-config. */
    int fd = 99;
    check(virgl_renderer_export_fence(1, &fd) != 0 && fd == -1, "export_fence is declared, and refuses before init");
    return failed;
}
