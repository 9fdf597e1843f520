// The log sink of the C API: the embedder's callback, or stderr or a file.
#ifndef VD_LOG_H
#define VD_LOG_H

#include <stdbool.h>

// Writes one line (no newline) on any thread; the caller holds no lock.
void vd_log(int level, const char *line);

// Whether a line of this level would be written; ask before formatting one.
bool vd_log_enabled(int level);

#endif
