// What gltest's two parts share: the picture (glframe.c), the screen and the command line (gltest.c).
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Prints "gltest: FAILED ..." and ends the program.
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

// Makes shaders, buffers and the texture for frames of that size in the current context.
void prepare_frames(int width, int height);

// Draws the frame with that number and compares pixels whose colours are known. `pixels` receives all of them, red
// first, the lowest row first. Returns a checksum, for comparing with another machine that draws the same frame.
uint32_t draw_frame(unsigned number, uint32_t *pixels);
