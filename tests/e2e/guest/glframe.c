// gltest's picture: a plain background, a texture the CPU writes for each frame, a triangle with a gradient.
#include <GLES2/gl2.h>
#include <stddef.h>

#include "gltest.h"

enum { TEXELS = 4 }; // along each edge of the texture

static int width, height;
static GLint textured, shift;

static GLuint shader(GLenum kind, const char *source)
{
    GLuint s = glCreateShader(kind);
    GLint ok;

    glShaderSource(s, 1, &source, NULL);
    glCompileShader(s);
    glGetShaderiv(s, GL_COMPILE_STATUS, &ok);
    if (!ok)
        die("a shader does not compile");
    return s;
}

void prepare_frames(int w, int h)
{
    // x, y, then red, green, blue, or s, t for the texture: a square on the left, a triangle on the right.
    static const float corners[] = {
        -1, -1, 0, 0, 0,   0, -1, 1, 0, 0,   -1, 1, 0, 1, 0,   0, 1, 1, 1, 0,
        0.1f, -0.8f, 1, 0, 0,   0.9f, -0.8f, 0, 1, 0,   0.5f, 0.8f, 0, 0, 1,
    };
    GLuint program = glCreateProgram(), buffer, texture;
    GLint ok;

    width = w;
    height = h;
    glAttachShader(program, shader(GL_VERTEX_SHADER,
        "attribute vec2 at; attribute vec3 what; varying vec3 v; uniform float shift;"
        "void main() { v = what; gl_Position = vec4(at + vec2(0.0, shift), 0.0, 1.0); }"));
    glAttachShader(program, shader(GL_FRAGMENT_SHADER,
        "precision highp float; varying vec3 v; uniform bool textured; uniform sampler2D image;"
        "void main() { gl_FragColor = textured ? texture2D(image, v.xy) : vec4(v, 1.0); }"));
    glBindAttribLocation(program, 0, "at");
    glBindAttribLocation(program, 1, "what");
    glLinkProgram(program);
    glGetProgramiv(program, GL_LINK_STATUS, &ok);
    if (!ok)
        die("the shaders do not link");
    glUseProgram(program);
    textured = glGetUniformLocation(program, "textured");
    shift = glGetUniformLocation(program, "shift");

    glGenBuffers(1, &buffer);
    glBindBuffer(GL_ARRAY_BUFFER, buffer);
    glBufferData(GL_ARRAY_BUFFER, sizeof(corners), corners, GL_STATIC_DRAW);
    glVertexAttribPointer(0, 2, GL_FLOAT, GL_FALSE, 5 * sizeof(float), NULL);
    glVertexAttribPointer(1, 3, GL_FLOAT, GL_FALSE, 5 * sizeof(float), (void *)(2 * sizeof(float)));
    glEnableVertexAttribArray(0);
    glEnableVertexAttribArray(1);

    glGenTextures(1, &texture);
    glBindTexture(GL_TEXTURE_2D, texture);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
    glViewport(0, 0, w, h);
}

static uint32_t rgb(unsigned red, unsigned green, unsigned blue)
{
    return (red & 255) | (green & 255) << 8 | (blue & 255) << 16;
}
static uint32_t texel(unsigned number, unsigned x, unsigned y) { return rgb(number * 7 + x * 60, y * 60, number * 13); }

static void expect(const uint32_t *pixels, int x, int y, uint32_t want, unsigned number, const char *what)
{
    uint32_t got = pixels[y * width + x] & 0xffffff;

    if (got != want)
        die("frame %u: the %s at %d,%d is %06x, not %06x", number, what, x, y, got, want);
}

uint32_t draw_frame(unsigned number, uint32_t *pixels)
{
    uint32_t texels[TEXELS * TEXELS], sum = 2166136261;
    unsigned red = number * 5 & 255, green = number * 3 & 255;
    GLenum error;

    for (unsigned i = 0; i < TEXELS * TEXELS; i++)
        texels[i] = texel(number, i % TEXELS, i / TEXELS) | 0xff000000;
    glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA, TEXELS, TEXELS, 0, GL_RGBA, GL_UNSIGNED_BYTE, texels);

    glClearColor((float)red / 255, (float)green / 255, 0.2f, 1);
    glClear(GL_COLOR_BUFFER_BIT);
    glUniform1i(textured, 1);
    glUniform1f(shift, 0);
    glDrawArrays(GL_TRIANGLE_STRIP, 0, 4);
    glUniform1i(textured, 0);
    glUniform1f(shift, (float)(number % 8) / 64);
    glDrawArrays(GL_TRIANGLES, 4, 3);
    glReadPixels(0, 0, width, height, GL_RGBA, GL_UNSIGNED_BYTE, pixels);
    if ((error = glGetError()) != GL_NO_ERROR)
        die("frame %u: GL error %#x", number, error);

    for (unsigned y = 0; y < TEXELS; y++)
        for (unsigned x = 0; x < TEXELS; x++)
            expect(pixels, (2 * (int)x + 1) * width / (4 * TEXELS), (2 * (int)y + 1) * height / (2 * TEXELS),
                   texel(number, x, y), number, "texture");
    expect(pixels, width - 2, height - 2, rgb(red, green, 51), number, "background");
    if ((pixels[height / 2 * width + width * 3 / 4] & 0xffffff) == rgb(red, green, 51))
        die("frame %u: there is no triangle", number);
    for (int i = 0; i < width * height; i++)
        sum = (sum ^ (pixels[i] & 0xffffff)) * 16777619;
    return sum;
}
