// Takes a picture of a screen: NAME.png to look at, and NAME.raw, blue, green, red and 0 for each pixel from the top left.
//   picture SOCKET NAME                over VNC: what QEMU's display shows, read back by QEMU itself
//   picture FILE NAME X Y WIDTH HEIGHT   a part of the screen Xvfb keeps in that file
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int server;

static void die(const char *what)
{
    fprintf(stderr, "picture: %s\n", what);
    exit(1);
}

static void put(const void *data, size_t size)
{
    if (send(server, data, size, MSG_NOSIGNAL) != (ssize_t)size)
        die("the server does not listen");
}

static void get(void *data, size_t size)
{
    for (size_t have = 0; have < size;) {
        ssize_t n = recv(server, (char *)data + have, size - have, 0);
        if (n <= 0)
            die("the server says nothing more");
        have += (size_t)n;
    }
}

static unsigned get16(void)
{
    uint8_t b[2];

    get(b, 2);
    return (unsigned)b[0] << 8 | b[1];
}

static uint32_t get32(void)
{
    uint32_t high = get16();

    return high << 16 | get16();
}

static void dial(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct timeval patience = { .tv_sec = 10 };

    server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (strlen(path) >= sizeof(address.sun_path))
        die("the socket's name is too long");
    strcpy(address.sun_path, path);
    setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(server, (struct sockaddr *)&address, sizeof(address)))
        die("no server");
}

// Version 3.8, no password, pixels as the file has them, uncompressed. Returns width * height pixels.
static uint8_t *ask_for_screen(unsigned *width, unsigned *height)
{
    static const uint8_t format[20] = { 0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0 };
    static const uint8_t encodings[8] = { 2, 0, 0, 1 };
    char skipped[256];
    unsigned count;

    get(skipped, 12);
    put("RFB 003.008\n", 12);
    get(skipped, 1);
    get(skipped, (uint8_t)skipped[0]);
    put("\1", 1);
    if (get32())
        die("the server wants a password");
    put("\1", 1); // others may look as well
    *width = get16();
    *height = get16();
    get(skipped, 16);
    count = get32();
    if (count > sizeof(skipped))
        die("the server has a long name");
    get(skipped, count);
    put(format, sizeof(format));
    put(encodings, sizeof(encodings));
    uint8_t all[10] = { 3, 0, 0, 0, 0, 0, (uint8_t)(*width >> 8), (uint8_t)*width, (uint8_t)(*height >> 8), (uint8_t)*height };
    put(all, sizeof(all));

    uint8_t *pixels = calloc((size_t)*width * *height, 4);
    get(skipped, 2);
    for (count = get16(); count; count--) {
        unsigned x = get16(), y = get16(), w = get16(), h = get16();
        if (get32() || x + w > *width || y + h > *height)
            die("the server sends something else than pixels");
        for (unsigned row = y; row < y + h; row++)
            get(pixels + ((size_t)row * *width + x) * 4, w * 4);
    }
    for (size_t i = 0; i < (size_t)*width * *height; i++)
        pixels[4 * i + 3] = 0;
    return pixels;
}

// 25 big-endian words, the first says how many bytes there are before the palette, which has 12 for each entry.
static uint8_t *part_of_screen(const char *path, unsigned x, unsigned y, unsigned width, unsigned height)
{
    enum { HEADER, BITS = 11, LINE, COLOURS = 19, WORDS = 25 };
    uint8_t bytes[4 * WORDS], *pixels = calloc((size_t)width * height, 4);
    uint32_t word[WORDS];
    FILE *f = fopen(path, "r");

    if (!f || fread(bytes, 4, WORDS, f) != WORDS)
        die("the X server's screen cannot be read");
    for (int i = 0; i < WORDS; i++)
        word[i] = (uint32_t)bytes[4 * i] << 24 | (uint32_t)bytes[4 * i + 1] << 16 | (uint32_t)bytes[4 * i + 2] << 8 | bytes[4 * i + 3];
    if (word[BITS] != 32)
        die("the X server's screen is not one of 24 bits");
    for (unsigned row = 0; row < height; row++)
        if (fseek(f, (long)(word[HEADER] + 12 * word[COLOURS] + (y + row) * word[LINE] + 4 * x), SEEK_SET) ||
            fread(pixels + (size_t)row * width * 4, 4, width, f) != width)
            die("the X server's screen is smaller");
    fclose(f);
    return pixels;
}

static FILE *file(const char *name, const char *suffix)
{
    char path[512];

    snprintf(path, sizeof(path), "%s%s", name, suffix);
    FILE *f = fopen(path, "w");
    if (!f)
        die("the file cannot be written");
    return f;
}

static FILE *png;
static uint32_t crc;

static void png_bytes(const void *data, size_t size)
{
    fwrite(data, 1, size, png);
    for (const uint8_t *p = data; size; p++, size--) {
        crc ^= *p;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
}

static void png32(uint32_t v)
{
    uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

    png_bytes(b, 4);
}

static void png_part(const char *type, size_t size)
{
    png32((uint32_t)size);
    crc = 0xffffffff;
    png_bytes(type, 4);
}
static void png_part_end(void) { png32(crc ^ 0xffffffff); }

// Each row is a block of its own, not compressed: no library is needed for that.
static void write_png(const uint8_t *pixels, unsigned width, unsigned height)
{
    uint32_t size = 1 + width * 3, a = 1, b = 0;
    uint8_t *row = calloc(1, size);

    png_bytes("\x89PNG\r\n\x1a\n", 8);
    png_part("IHDR", 13);
    png32(width);
    png32(height);
    png_bytes("\x08\x02\0\0\0", 5);
    png_part_end();
    png_part("IDAT", 2 + (size_t)height * (5 + size) + 4);
    png_bytes("\x78\x01", 2);
    for (unsigned y = 0; y < height; y++, pixels += width * 4) {
        uint8_t block[5] = { y == height - 1, (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)~size, (uint8_t)(~size >> 8) };
        for (unsigned x = 0; x < width; x++)
            for (unsigned c = 0; c < 3; c++)
                row[1 + 3 * x + c] = pixels[4 * x + 2 - c];
        for (uint32_t i = 0; i < size; i++) {
            a = (a + row[i]) % 65521;
            b = (b + a) % 65521;
        }
        png_bytes(block, 5);
        png_bytes(row, size);
    }
    png32(b << 16 | a);
    png_part_end();
    png_part("IEND", 0);
    png_part_end();
    free(row);
}

int main(int argc, char **argv)
{
    unsigned width, height;

    uint8_t *pixels;

    if (argc == 3) {
        dial(argv[1]);
        pixels = ask_for_screen(&width, &height);
    } else if (argc == 7) {
        width = (unsigned)atoi(argv[5]);
        height = (unsigned)atoi(argv[6]);
        pixels = part_of_screen(argv[1], (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]), width, height);
    } else {
        fprintf(stderr, "usage: picture SOCKET NAME | picture FILE NAME X Y WIDTH HEIGHT\n");
        return 2;
    }
    FILE *raw = file(argv[2], ".raw");
    fwrite(pixels, 4, (size_t)width * height, raw);
    png = file(argv[2], ".png");
    write_png(pixels, width, height);
    if (fclose(raw) | fclose(png))
        die("the files are not complete");
    free(pixels);
    return 0;
}
