/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line-oriented log to standard error with a ring that keeps its newest part, so that a report of
 * a failure can carry the log's tail. A line is a text for people, or an event with named values
 * for programs; it is written as text or as one JSON object. The only process-wide state of the
 * project; safe to call from any thread. Not for pure parts.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include "lib/bytes.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

#define LOG_TAIL_BYTES 16384

/* Lines above the level are dropped; the default is INFO. */
void log_set_level(enum log_level level);

/* "error", "warning", "info", "debug". */
MUST_USE bool log_level_parse(const char *text, enum log_level *level);

/* TEXT (the default): "[monotonic seconds] mark: text". JSON: an object with "time" (UTC, RFC 3339,
 * milliseconds), "level", and "text" or "event" with its fields; docs/tracker.md. */
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
void log_set_format(enum log_format format);
enum log_format log_get_format(void);

/* Where lines go beside the ring: a file descriptor, or -1 for nowhere. Default: 2. */
void log_set_descriptor(int descriptor);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Something that happened, under a name that stays the same, with what is known of it. As text:
 * "event name=value name=value", values with spaces in quotes. What does not fit a line of 1,023
 * bytes is cut, and the line is a whole object all the same. */
struct log_field {
	const char *name; /* not "time", "level", "text" or "event" */
	const char *value;
};
void log_event(enum log_level level, const char *event, const struct log_field *fields,
	size_t fields_count);

/* Copies the newest whole lines, at most capacity - 1 bytes, and a NUL; returns the length. */
size_t log_tail(char *text, size_t capacity);

#define log_error(...)	 log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
