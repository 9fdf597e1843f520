// Preloaded into the VMM: a library without map_fixed, so that the VMM falls back to map. Says so once.
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

int virgl_renderer_resource_map_fixed(uint32_t res, void *addr);
int virgl_renderer_resource_map_fixed(uint32_t res, void *addr)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;

    (void)res;
    (void)addr;
    if (!atomic_flag_test_and_set(&said))
        fprintf(stderr, "nofixed: map_fixed refused\n");
    return -EOPNOTSUPP;
}
