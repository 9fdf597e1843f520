// The msm personality: ioctl table and device parameters of an Adreno 660.
#include <stdlib.h>

#include "msm.h"

enum {
    PARAM_GPU_ID = 1, PARAM_GMEM_SIZE, PARAM_CHIP_ID, PARAM_MAX_FREQ, PARAM_TIMESTAMP,
    PARAM_GMEM_BASE, PARAM_PRIORITIES, PARAM_PP_PGTABLE, PARAM_FAULTS, PARAM_SUSPENDS,
    PARAM_SYSPROF, PARAM_COMM, PARAM_CMDLINE, PARAM_VA_START, PARAM_VA_SIZE,
    PARAM_HIGHEST_BANK_BIT, PARAM_RAYTRACING, PARAM_UBWC_SWIZZLE, PARAM_MACROTILE_MODE,
    PARAM_UCHE_TRAP_BASE,
};

// min_minor: where the parameter appeared; 0 = no such parameter.
static const struct { int min_minor; uint64_t value; } params[] = {
    [PARAM_GPU_ID] = { 1, 660 },
    [PARAM_GMEM_SIZE] = { 1, 0x100000 },
    [PARAM_CHIP_ID] = { 1, 0x06060001 },
    [PARAM_MAX_FREQ] = { 1, 0x23c34600 },
    [PARAM_TIMESTAMP] = { 1, 0 },
    [PARAM_GMEM_BASE] = { MINOR_SUBMITQUEUE, 0x100000 },
    [PARAM_PRIORITIES] = { MINOR_SUBMITQUEUE, 0 },
    [PARAM_PP_PGTABLE] = { 1, 0 },
    [PARAM_FAULTS] = { MINOR_QUERY, 0 },
    [PARAM_SUSPENDS] = { MINOR_SUSPENDS, 0 },
    [PARAM_VA_START] = { MINOR_FENCE_SN, MSM_VA_START },
    [PARAM_VA_SIZE] = { MINOR_FENCE_SN, MSM_VA_END - MSM_VA_START },
    [PARAM_HIGHEST_BANK_BIT] = { 1, 15 },
    [PARAM_RAYTRACING] = { 1, 1 },
    [PARAM_UBWC_SWIZZLE] = { 1, 6 },
    [PARAM_MACROTILE_MODE] = { 1, 1 },
    [PARAM_UCHE_TRAP_BASE] = { 1, 0x1fffffffff000 },
};

static int get_param(struct drm_file *file, void *arg)
{
    struct msm_param *p = arg;
    if (p->pipe != PIPE_3D0 || p->pad || p->len)
        return -EINVAL;
    if (p->param < 256 && sim_config.params[p->param].state) {
        p->value = sim_config.params[p->param].value;
        return sim_config.params[p->param].state == PARAM_FAIL ? -EINVAL : 0;
    }
    if (p->param >= sizeof(params) / sizeof(params[0]) || !params[p->param].min_minor ||
        !msm_has(params[p->param].min_minor))
        return -EINVAL;
    switch (p->param) {
    case PARAM_TIMESTAMP:
        p->value = (uint64_t)now_ns() / 1000 * 192 / 10; // a 19.2 MHz counter
        break;
    case PARAM_PRIORITIES:
        p->value = sim_config.priorities;
        break;
    case PARAM_FAULTS:
        p->value = (uint64_t)atomic_load(&sim_global_faults) + atomic_load(&file->faults);
        break;
    default:
        p->value = params[p->param].value;
    }
    return 0;
}

static int set_param(struct drm_file *file, void *arg)
{
    (void)file;
    struct msm_param *p = arg;
    if (p->pipe != PIPE_3D0 || p->pad)
        return -EINVAL;
    switch (p->param) {
    case PARAM_COMM:
    case PARAM_CMDLINE:
        if (p->len > SIM_PAGE)
            return -EINVAL;
        return p->len && !p->value ? -EFAULT : 0;
    case PARAM_SYSPROF:
        return p->len ? -EINVAL : -EPERM; // for administrators
    }
    return -EINVAL;
}

int64_t msm_deadline(struct msm_timespec ts)
{
    if (ts.sec < 0 || ts.nsec < 0)
        return 0;
    if (ts.sec >= INT64_MAX / 1000000000 - 1 || ts.nsec >= 1000000000)
        return INT64_MAX;
    return ts.sec * 1000000000 + ts.nsec;
}

static const struct ioctl_row rows[] = {
    [0] = { 0xc0186440, get_param, DRMSIM_GET_PARAM },
    [1] = { 0x40186441, set_param, DRMSIM_SET_PARAM },
    [2] = { 0xc0106442, msm_gem_new, DRMSIM_GEM_NEW },
    [3] = { 0xc0186443, msm_gem_info, DRMSIM_GEM_INFO },
    [4] = { 0x40186444, msm_cpu_prep, DRMSIM_CPU_PREP },
    [5] = { 0x40046445, msm_cpu_fini, DRMSIM_CPU_FINI },
    [6] = { 0xc0486446, msm_submit, DRMSIM_SUBMIT },
    [7] = { 0x40206447, msm_wait_fence, DRMSIM_WAIT_FENCE },
    [8] = { 0xc00c6448, msm_madvise, DRMSIM_MADVISE },
    [10] = { 0xc00c644a, msm_queue_new, DRMSIM_SUBMITQUEUE_NEW },
    [11] = { 0x4004644b, msm_queue_close, DRMSIM_SUBMITQUEUE_CLOSE },
    [12] = { 0x4018644c, msm_queue_query, DRMSIM_SUBMITQUEUE_QUERY },
};

const struct driver msm_driver = {
    .name = "msm",
    .date = "20130625",
    .desc = "MSM Snapdragon DRM",
    .version = { 1, 13, 0 },
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .close_waits = true,
    .open = msm_queues_open,
    .close = msm_queues_close,
    .unmap = msm_vm_clear,
};
