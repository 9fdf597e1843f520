// asahi address spaces: VM_CREATE, VM_DESTROY, VM_BIND.
#include <stdlib.h>
#include <string.h>

#include "asahi.h"

#define BIND_UNBIND 1u
#define BIND_READ 2u
#define BIND_WRITE 4u
#define BIND_SINGLE_PAGE 8u

struct asahi_vm *asahi_vm_find(struct drm_file *file, uint32_t id)
{
    return idtab_find(&asahi_file(file)->vms, id);
}

void asahi_vm_put(struct drm_file *file, struct asahi_vm *vm)
{
    if (--vm->refs)
        return;
    struct asahi_vm **link = &asahi_file(file)->all_vms;
    while (*link != vm)
        link = &(*link)->next;
    *link = vm->next;
    stat_add(&sim_stats.vms, -1);
    stat_add(&sim_stats.bindings, -(int64_t)vm->count);
    free(vm->bindings);
    free(vm);
}

int asahi_vm_create(struct drm_file *file, void *arg)
{
    static _Atomic uint64_t last_serial;
    struct asahi_vm_create *args = arg;
    if (args->pad || !asahi_aligned(args->kernel_start) || !asahi_aligned(args->kernel_end) ||
        args->kernel_start < ASAHI_VA_START || args->kernel_end > ASAHI_VA_END ||
        args->kernel_start >= args->kernel_end || args->kernel_end - args->kernel_start < ASAHI_KERNEL_MIN)
        return -EINVAL;
    struct asahi_vm *vm = calloc(1, sizeof(*vm));
    if (!vm)
        return -ENOMEM;
    vm->refs = 1;
    vm->serial = ++last_serial;
    vm->kernel_start = args->kernel_start;
    vm->kernel_end = args->kernel_end;
    pthread_mutex_lock(&file->lock);
    struct asahi_file *a = asahi_file(file);
    int ret = idtab_add(&a->vms, vm, &args->vm_id);
    if (!ret) {
        vm->next = a->all_vms;
        a->all_vms = vm;
        stat_add(&sim_stats.vms, 1);
    }
    pthread_mutex_unlock(&file->lock);
    if (ret)
        free(vm);
    return ret;
}

// Queues of the VM go on working.
int asahi_vm_destroy(struct drm_file *file, void *arg)
{
    struct asahi_vm_destroy *args = arg;
    if (args->pad)
        return -EINVAL;
    pthread_mutex_lock(&file->lock);
    struct asahi_vm *vm = idtab_remove(&asahi_file(file)->vms, args->vm_id);
    if (vm)
        asahi_vm_put(file, vm);
    pthread_mutex_unlock(&file->lock);
    return vm ? 0 : -ENOENT;
}

// The first binding that ends behind the address.
static uint32_t first_after(const struct asahi_vm *vm, uint64_t addr)
{
    uint32_t low = 0, high = vm->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (vm->bindings[middle].end > addr)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

bool asahi_vm_mapped(const struct asahi_vm *vm, uint64_t addr)
{
    uint32_t i = first_after(vm, addr);
    return i < vm->count && vm->bindings[i].addr <= addr;
}

// Moves the bindings from one index on to another one.
static void shift(struct asahi_vm *vm, uint32_t from, uint32_t to)
{
    memmove(vm->bindings + to, vm->bindings + from, (vm->count - from) * sizeof(*vm->bindings));
    stat_add(&sim_stats.bindings, (int64_t)to - from);
    vm->count += to - from;
}

// Takes [addr, end) out of whatever is bound there, and binds a buffer if there is one.
static int rebind(struct asahi_vm *vm, uint64_t addr, uint64_t end, struct holder *holder)
{
    if (vm->count + 2 > vm->capacity) {
        uint32_t capacity = vm->capacity ? vm->capacity * 2 : 16;
        void *more = realloc(vm->bindings, capacity * sizeof(*vm->bindings));
        if (!more)
            return -ENOMEM;
        vm->bindings = more;
        vm->capacity = capacity;
    }
    uint32_t i = first_after(vm, addr);
    if (i < vm->count && vm->bindings[i].addr < addr) { // split it in two, of which the second begins here
        shift(vm, i, i + 1);
        vm->bindings[i++].end = addr;
        vm->bindings[i].addr = addr;
    }
    uint32_t k = i;
    while (k < vm->count && vm->bindings[k].end <= end)
        k++;
    if (k < vm->count && vm->bindings[k].addr < end)
        vm->bindings[k].addr = end;
    shift(vm, k, holder ? i + 1 : i);
    if (holder)
        vm->bindings[i] = (struct asahi_binding){ addr, end, holder };
    return 0;
}

static int bind(struct drm_file *file, struct asahi_vm *vm, const struct asahi_bind_op *op)
{
    uint64_t end = op->addr + op->range;
    if (!asahi_aligned(op->addr | op->range | op->offset) || !op->range || end < op->addr ||
        op->addr < ASAHI_VA_START || end > ASAHI_VA_END ||
        (op->addr < vm->kernel_end && end > vm->kernel_start))
        return -EINVAL;
    if (op->flags & BIND_UNBIND)
        return op->flags == BIND_UNBIND ? rebind(vm, op->addr, end, NULL) : -EINVAL;
    if (op->flags & ~(BIND_READ | BIND_WRITE | BIND_SINGLE_PAGE) || !(op->flags & (BIND_READ | BIND_WRITE)))
        return -EINVAL;
    struct holder *h = handle_find(file, op->handle);
    if (!h)
        return -ENOENT;
    uint64_t used = op->flags & BIND_SINGLE_PAGE ? ASAHI_PAGE : op->range;
    if (used > h->bo->size || op->offset > h->bo->size - used ||
        (h->bo->private_to && h->bo->private_to != vm->serial))
        return -EINVAL;
    return rebind(vm, op->addr, end, h);
}

// The caller's operations may be shorter or longer than ours; what we do not know must be zero.
static int get_op(const struct asahi_vm_bind *args, uint32_t i, struct asahi_bind_op *op)
{
    const char *from = (const char *)(uintptr_t)args->ops + (uint64_t)i * args->stride;
    memset(op, 0, sizeof(*op));
    memcpy(op, from, args->stride < sizeof(*op) ? args->stride : sizeof(*op));
    for (uint32_t at = sizeof(*op); at < args->stride; at++)
        if (from[at])
            return -EINVAL;
    return 0;
}

// What came before a failing operation stays done.
int asahi_vm_bind(struct drm_file *file, void *arg)
{
    struct asahi_vm_bind *args = arg;
    if (args->pad || (args->count && !args->stride))
        return -EINVAL;
    if (args->count && !args->ops)
        return -EFAULT;
    pthread_mutex_lock(&file->lock);
    struct asahi_vm *vm = asahi_vm_find(file, args->vm_id);
    int ret = vm ? 0 : -ENOENT;
    for (uint32_t i = 0; !ret && i < args->count; i++) {
        struct asahi_bind_op op;
        ret = get_op(args, i, &op);
        if (!ret)
            ret = bind(file, vm, &op);
    }
    pthread_mutex_unlock(&file->lock);
    return ret;
}

void asahi_unmap(struct drm_file *file, struct holder *holder)
{
    for (struct asahi_vm *vm = asahi_file(file)->all_vms; vm; vm = vm->next) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < vm->count; i++)
            if (vm->bindings[i].holder != holder)
                vm->bindings[kept++] = vm->bindings[i];
        stat_add(&sim_stats.bindings, (int64_t)kept - vm->count);
        vm->count = kept;
    }
}
