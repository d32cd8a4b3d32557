/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a function says what went wrong: a cause from lib/error.def and one sentence that names the
 * thing and the way out. Functions that can fail take a `struct failure *` (may be NULL) and return
 * false or NULL.
 */
#ifndef LIB_FAILURE_H
#define LIB_FAILURE_H

#include "lib/bytes.h"

enum error {
#define X(name, wire_name, text) ERROR_##name,
#include "lib/error.def"
#undef X
	ERRORS_COUNT
};

struct failure {
	enum error error;
	char text[256];
};

/* The stable name used in reports and JSON, and its explanation. Pure (lib/error.c). */
const char *error_name(enum error error);
const char *error_text(enum error error);

/* ERRORS_COUNT when no error has that name. */
enum error error_from_name(const char *name, size_t name_bytes);

/* Fill the failure and return false, so that callers write `return failure_set(...)`. The text is
 * cut at the buffer's end. failure_errno appends ": " and the text of errno, and picks a cause that
 * fits errno (ENOSPC, EACCES, EADDRINUSE, ...) unless `error` says something better than SYSTEM. */
bool failure_set(struct failure *failure, enum error error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
bool failure_errno(struct failure *failure, enum error error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with a fixed text, for pure parts (lib/error.c). Returns false. */
bool failure_text(struct failure *failure, enum error error, const char *text);

#endif
