// Dispatch of device ioctls by number, and those every DRM driver has.
#include <ctype.h>
#include <string.h>
#include <sys/ioctl.h>

#include "sim.h"

#define BASE 0x40 // driver ioctls start here

#define CAP_PRIME 5
#define CAP_TIMESTAMP_MONOTONIC 6
#define CAP_SYNCOBJ 19
#define CAP_SYNCOBJ_TIMELINE 20

struct drm_version {
    int32_t major, minor, patch;
    uint64_t name_len;
    char *name;
    uint64_t date_len;
    char *date;
    uint64_t desc_len;
    char *desc;
};

// As much as fits; the length always becomes the full one.
static void put_string(char *to, uint64_t *len, const char *text)
{
    uint64_t full = strlen(text);
    if (to)
        memcpy(to, text, *len < full ? *len : full);
    *len = full;
}

static int get_version(struct drm_file *file, void *arg)
{
    struct drm_version *v = arg;
    const struct driver *driver = file->device->driver;
    struct sim_version version = driver_version(driver);
    v->major = version.major;
    v->minor = version.minor;
    v->patch = version.patch;
    put_string(v->name, &v->name_len, file->device->name);
    put_string(v->date, &v->date_len, driver->date);
    put_string(v->desc, &v->desc_len, driver->desc);
    return 0;
}

static int get_cap(struct drm_file *file, void *arg)
{
    (void)file;
    uint64_t *capability = arg, *value = capability + 1;
    switch (*capability) {
    case CAP_PRIME:
        *value = 3; // import and export
        return 0;
    case CAP_SYNCOBJ:
    case CAP_TIMESTAMP_MONOTONIC:
        *value = 1;
        return 0;
    case CAP_SYNCOBJ_TIMELINE:
        *value = 0;
        return 0;
    }
    return -EINVAL;
}

#define CLIENT_NAME_MAX 64

static int set_client_name(struct drm_file *file, void *arg)
{
    (void)file;
    struct { uint64_t len, name; } *args = arg;
    if (args->len > CLIENT_NAME_MAX)
        return -EINVAL;
    const char *name = (const char *)(uintptr_t)args->name;
    if (args->len && !name)
        return -EFAULT;
    for (uint64_t i = 0; i < args->len; i++)
        if (!isgraph((unsigned char)name[i]))
            return -EINVAL;
    return 0;
}

static int gem_close(struct drm_file *file, void *arg)
{
    uint32_t *handle = arg;
    handle_wait(file, *handle);
    pthread_mutex_lock(&file->lock);
    int ret = handle_close(file, *handle);
    pthread_mutex_unlock(&file->lock);
    return ret;
}

static const struct ioctl_row generic_rows[256] = {
    [0x00] = { 0xc0406400, get_version, DRMSIM_VERSION },
    [0x09] = { 0x40086409, gem_close, DRMSIM_GEM_CLOSE },
    [0x0c] = { 0xc010640c, get_cap, DRMSIM_GET_CAP },
    [0x2d] = { 0xc00c642d, prime_export, DRMSIM_PRIME_HANDLE_TO_FD },
    [0x2e] = { 0xc00c642e, prime_import, DRMSIM_PRIME_FD_TO_HANDLE },
    [0xbf] = { 0xc00864bf, syncobj_create, DRMSIM_SYNCOBJ_CREATE },
    [0xc0] = { 0xc00864c0, syncobj_destroy, DRMSIM_SYNCOBJ_DESTROY },
    [0xc1] = { 0xc01864c1, syncobj_to_fd, DRMSIM_SYNCOBJ_HANDLE_TO_FD },
    [0xc2] = { 0xc01864c2, syncobj_from_fd, DRMSIM_SYNCOBJ_FD_TO_HANDLE },
    [0xc3] = { 0xc02864c3, syncobj_wait, DRMSIM_SYNCOBJ_WAIT },
    [0xc4] = { 0xc01064c4, syncobj_reset, DRMSIM_SYNCOBJ_RESET },
    [0xc5] = { 0xc01064c5, syncobj_signal, DRMSIM_SYNCOBJ_SIGNAL },
    [0xd1] = { 0xc01064d1, set_client_name, DRMSIM_SET_CLIENT_NAME },
};

// The kernel finds the handler by number alone. A caller's smaller struct is
// extended with zeros, a larger one is cut; copies follow the directions that
// both sides declare.
int file_ioctl(struct drm_file *file, unsigned long request, void *arg)
{
    unsigned nr = _IOC_NR(request);
    const struct driver *driver = file->device->driver;
    const struct ioctl_row *row = &generic_rows[nr];
    if (nr - BASE < driver->row_count)
        row = &driver->rows[nr - BASE];
    if (SIM_UNLIKELY(!row->fn)) {
        int err = sim_enter(DRMSIM_OTHER);
        return err ? err : -EINVAL;
    }
    int err = sim_enter(row->kind);
    if (SIM_UNLIKELY(err))
        return err;

    _Alignas(8) unsigned char data[DRMSIM_MAX_ARG];
    size_t size = _IOC_SIZE(row->cmd), user = _IOC_SIZE(request);
    if (user > size)
        user = size;
    size_t in = request & row->cmd & ((unsigned long)_IOC_WRITE << _IOC_DIRSHIFT) ? user : 0;
    size_t out = request & row->cmd & ((unsigned long)_IOC_READ << _IOC_DIRSHIFT) ? user : 0;
    if (SIM_UNLIKELY((in || out) && !arg))
        return -EFAULT;
    if (in)
        memcpy(data, arg, in);
    memset(data + in, 0, size - in);
    if (SIM_UNLIKELY(sim_recording))
        sim_record(row->kind, data, size);
    int ret = row->fn(file, data);
    if (out)
        memcpy(arg, data, out);
    return ret;
}

static int no_open(struct drm_file *file)
{
    (void)file;
    return 0;
}

static void no_close(struct drm_file *file)
{
    (void)file;
}

static void no_unmap(struct drm_file *file, struct holder *holder)
{
    (void)file;
    (void)holder;
}

// A device of a driver that the simulation does not know in detail.
const struct driver generic_driver = {
    .name = "generic",
    .date = "20200101",
    .desc = "simulated device with generic ioctls only",
    .version = { 1, 0, 0 },
    .open = no_open,
    .close = no_close,
    .unmap = no_unmap,
};
