// Draws with OpenGL ES on the virtio-gpu, reads every frame back and checks it.
//   gltest [FRAMES]        the last line is "gltest: PASS" or "gltest: FAILED ..."; frames are as large as the screen;
//                          SIGTERM ends it after the frame it is at
//   gltest show [FRAMES]   shows each on the screen, the last one until SIGTERM; /tmp/frame then is what /dev/fb0 would be
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES2/gl2.h>
#include <errno.h>
#include <fcntl.h>
#include <gbm.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "gltest.h"

void die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    printf("gltest: FAILED ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
    exit(1);
}

static volatile sig_atomic_t stopped;
static void stop(int signal_number) { stopped = signal_number; }

struct screen {
    int fd;
    uint32_t connector, crtc;
    drmModeModeInfo mode;
};

static struct screen first_screen(void)
{
    struct screen s = { .fd = open("/dev/dri/card0", O_RDWR | O_CLOEXEC) };
    drmModeRes *all = s.fd < 0 ? NULL : drmModeGetResources(s.fd);

    if (!all)
        die("/dev/dri/card0: %s", strerror(errno));
    for (int i = 0; i < all->count_connectors && !s.connector; i++) {
        drmModeConnector *c = drmModeGetConnector(s.fd, all->connectors[i]);
        if (c && c->connection == DRM_MODE_CONNECTED && c->count_modes > 0) {
            s.connector = c->connector_id;
            s.crtc = all->crtcs[i];
            s.mode = c->modes[0];
        }
        drmModeFreeConnector(c);
    }
    if (!s.connector)
        die("no screen is connected");
    drmModeFreeResources(all);
    return s;
}

// An EGL surface of GBM buffers the screen can show, and a context for it.
static struct gbm_surface *make_surface(const struct screen *s, EGLDisplay *display, EGLSurface *surface)
{
    static const EGLint wanted[] = { EGL_SURFACE_TYPE, EGL_WINDOW_BIT, EGL_RENDERABLE_TYPE, EGL_OPENGL_ES2_BIT,
                                     EGL_RED_SIZE, 8, EGL_ALPHA_SIZE, 0, EGL_NONE };
    static const EGLint version[] = { EGL_CONTEXT_CLIENT_VERSION, 2, EGL_NONE };
    struct gbm_device *gbm = gbm_create_device(s->fd);
    EGLConfig configs[64];
    EGLint count = 0, format = 0, i;

    if (!gbm)
        die("GBM does not take the device");
    *display = eglGetPlatformDisplay(EGL_PLATFORM_GBM_KHR, gbm, NULL);
    if (!eglInitialize(*display, NULL, NULL) || !eglBindAPI(EGL_OPENGL_ES_API) ||
        !eglChooseConfig(*display, wanted, configs, 64, &count))
        die("EGL error %#x", (unsigned)eglGetError());
    for (i = 0; i < count && format != GBM_FORMAT_XRGB8888; i++)
        eglGetConfigAttrib(*display, configs[i], EGL_NATIVE_VISUAL_ID, &format);
    if (format != GBM_FORMAT_XRGB8888)
        die("none of %d EGL configurations has the screen's format", count);
    struct gbm_surface *buffers = gbm_surface_create(gbm, s->mode.hdisplay, s->mode.vdisplay, GBM_FORMAT_XRGB8888,
                                                     GBM_BO_USE_SCANOUT | GBM_BO_USE_RENDERING);
    EGLContext context = eglCreateContext(*display, configs[i - 1], EGL_NO_CONTEXT, version);
    *surface = buffers ? eglCreatePlatformWindowSurface(*display, configs[i - 1], buffers, NULL) : EGL_NO_SURFACE;
    if (!eglMakeCurrent(*display, *surface, *surface, context))
        die("EGL error %#x", (unsigned)eglGetError());
    return buffers;
}

// As the screen has it: blue first, the highest row first.
static void save(const uint32_t *pixels, int width, int height)
{
    FILE *f = fopen("/tmp/frame", "w");

    for (int y = height - 1; f && y >= 0; y--)
        for (int x = 0; x < width; x++) {
            uint32_t p = pixels[y * width + x];
            fwrite((uint8_t[]){ (uint8_t)(p >> 16), (uint8_t)(p >> 8), (uint8_t)p, 0 }, 1, 4, f);
        }
    if (!f || fclose(f))
        die("/tmp/frame: %s", strerror(errno));
}

static void show(struct screen *s, struct gbm_surface *buffers)
{
    static struct gbm_bo *shown;
    static uint32_t shown_fb;
    struct gbm_bo *front = gbm_surface_lock_front_buffer(buffers);
    uint32_t fb;

    if (!front || drmModeAddFB(s->fd, s->mode.hdisplay, s->mode.vdisplay, 24, 32, gbm_bo_get_stride(front),
                               gbm_bo_get_handle(front).u32, &fb) ||
        drmModeSetCrtc(s->fd, s->crtc, fb, 0, 0, &s->connector, 1, &s->mode))
        die("the screen does not show it: %s", strerror(errno));
    if (shown) {
        drmModeRmFB(s->fd, shown_fb);
        gbm_surface_release_buffer(buffers, shown);
    }
    shown = front;
    shown_fb = fb;
}

int main(int argc, char **argv)
{
    bool showing = argc > 1 && strcmp(argv[1], "show") == 0;
    unsigned frames = argc > 1 + showing ? (unsigned)atoi(argv[1 + showing]) : 1;
    struct screen screen = first_screen();
    EGLDisplay display;
    EGLSurface surface;
    uint32_t sum = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    struct gbm_surface *buffers = make_surface(&screen, &display, &surface);
    printf("gltest: %s, %s\n", (const char *)glGetString(GL_RENDERER), (const char *)glGetString(GL_VERSION));
    int width = screen.mode.hdisplay, height = screen.mode.vdisplay;
    uint32_t *pixels = calloc((size_t)(width * height), sizeof(uint32_t));
    prepare_frames(width, height);
    signal(SIGTERM, stop);
    unsigned drawn = 0;
    while (drawn < frames && !stopped) {
        sum = sum * 31 + draw_frame(++drawn, pixels);
        if (!eglSwapBuffers(display, surface))
            die("EGL error %#x", (unsigned)eglGetError());
        if (showing)
            show(&screen, buffers);
        else
            gbm_surface_release_buffer(buffers, gbm_surface_lock_front_buffer(buffers));
    }
    printf("gltest: %u frames of %dx%d, sum %08x\n", drawn, width, height, sum);
    if (showing) {
        save(pixels, width, height);
        printf("gltest: shown\n");
        while (!stopped)
            pause();
    }
    free(pixels);
    eglTerminate(display);
    printf("gltest: PASS\n");
    return 0;
}
