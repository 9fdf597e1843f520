// The log sink of the C API: the embedder's callback, or stderr or a file.
#ifndef VD_LOG_H
#define VD_LOG_H

#include <stdbool.h>

// Writes one line (no newline) on any thread; the caller holds no lock.
void vd_log(int level, const char *line);

// The same for a message of the delegate's, which is finished as it is.
void vd_log_foreign(int level, const char *message);

// Whether a line of this level would be written; ask before formatting one.
bool vd_log_enabled(int level);

#endif
