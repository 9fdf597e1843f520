/* gl.c - draws frames with OpenGL ES and no window, and checks them: gl FRAMES [WORD the renderer's name must have]. */
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES2/gl2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../e2e/guest/gltest.h"

enum { SIZE = 256 };

void die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    printf("FAIL ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
    exit(1);
}

/* A context without a surface that draws into a texture. */
static void make_context(void)
{
    static const EGLint wanted[] = {EGL_RENDERABLE_TYPE, EGL_OPENGL_ES2_BIT, EGL_SURFACE_TYPE, EGL_DONT_CARE, EGL_NONE};
    static const EGLint version[] = {EGL_CONTEXT_CLIENT_VERSION, 2, EGL_NONE};
    EGLDisplay display = eglGetPlatformDisplay(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, NULL);
    EGLConfig config;
    EGLint count = 0;
    GLuint target, framebuffer;

    if (!eglInitialize(display, NULL, NULL) || !eglBindAPI(EGL_OPENGL_ES_API) ||
        !eglChooseConfig(display, wanted, &config, 1, &count) || count < 1)
        die("no EGL display (error %#x)", (unsigned)eglGetError());
    EGLContext context = eglCreateContext(display, config, EGL_NO_CONTEXT, version);
    if (!eglMakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, context))
        die("no OpenGL ES context (error %#x)", (unsigned)eglGetError());
    glGenTextures(1, &target);
    glBindTexture(GL_TEXTURE_2D, target);
    glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA, SIZE, SIZE, 0, GL_RGBA, GL_UNSIGNED_BYTE, NULL);
    glGenFramebuffers(1, &framebuffer);
    glBindFramebuffer(GL_FRAMEBUFFER, framebuffer);
    glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, target, 0);
    if (glCheckFramebufferStatus(GL_FRAMEBUFFER) != GL_FRAMEBUFFER_COMPLETE)
        die("nothing can be drawn into a texture");
}

int main(int argc, char **argv)
{
    static uint32_t pixels[SIZE * SIZE];
    uint32_t sum = 0;

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: gl FRAMES [WORD]\n");
        return 2;
    }
    unsigned frames = (unsigned)atoi(argv[1]);
    make_context();
    const char *renderer = (const char *)glGetString(GL_RENDERER);
    if (argc == 3 && !strstr(renderer, argv[2]))
        die("the renderer is %s", renderer);
    prepare_frames(SIZE, SIZE);
    for (unsigned i = 0; i < frames; i++)
        sum = sum * 31 + draw_frame(i + 1, pixels);
    printf("PASS %u frames, sum %08x, %s\n", frames, sum, renderer);
    return 0;
}
