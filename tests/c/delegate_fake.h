/* delegate_fake.h - what a case can see and steer of the fake delegate. */
#ifndef DELEGATE_FAKE_H
#define DELEGATE_FAKE_H

#define VIRGL_RENDERER_UNSTABLE_APIS 1
#include "virgl_renderer_drm.h"

struct fake {
    char calls[4096]; /* since the last look: "name(arguments) " */
    int answer;       /* of every function but init that returns int */
    int init_answer;
    void *cookie; /* of init */
    int flags;
    struct virgl_renderer_callbacks *cb;
    const void *last; /* the last struct or array it was handed */
    int fd;           /* what it exports a duplicate of */
    uint32_t fd_type;
    int imported; /* the descriptor of the last import_blob */
    void (*on_call)(void); /* run by submit_cmd, as a GL callback of the VMM would be */
    virgl_log_callback_type log;
    void *log_user;
    virgl_debug_callback_type debug;
    int frees; /* of memory it gave away, if it has a malloc of its own */
};

#endif
