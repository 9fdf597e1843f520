// GPU addresses of a file: disjoint ranges in a balanced tree of holders.
#include <search.h>

#include "msm.h"

// Overlapping ranges compare equal, so tsearch finds a conflict by itself.
static int compare(const void *a, const void *b)
{
    const struct holder *x = a, *y = b;
    return x->iova_end <= y->iova ? -1 : x->iova >= y->iova_end;
}

int msm_vm_set(struct drm_file *file, struct holder *holder, uint64_t iova)
{
    uint64_t size = holder->bo->size;
    if (iova % SIM_PAGE || iova < MSM_VA_START || iova >= MSM_VA_END || size > MSM_VA_END - iova)
        return -EINVAL;
    holder->iova = iova;
    holder->iova_end = iova + size;
    struct holder **node = tsearch(holder, &msm_file(file)->vm_tree, compare);
    if (node && *node == holder)
        return 0;
    holder->iova = holder->iova_end = 0;
    return node ? -ENOSPC : -ENOMEM;
}

void msm_vm_clear(struct drm_file *file, struct holder *holder)
{
    if (!holder->iova)
        return;
    tdelete(holder, &msm_file(file)->vm_tree, compare);
    holder->iova = holder->iova_end = 0;
}

// Downwards from the top, away from where callers usually place things.
int msm_vm_get(struct drm_file *file, struct holder *holder, uint64_t *iova)
{
    if (!holder->iova) {
        uint64_t size = holder->bo->size;
        uint64_t at = msm_file(file)->vm_next ? msm_file(file)->vm_next : MSM_VA_END;
        int ret = -ENOSPC;
        while (ret == -ENOSPC && at >= MSM_VA_START + size) {
            at -= size;
            ret = msm_vm_set(file, holder, at);
        }
        if (ret)
            return ret == -EINVAL ? -ENOSPC : ret;
        msm_file(file)->vm_next = at;
    }
    *iova = holder->iova;
    return 0;
}
