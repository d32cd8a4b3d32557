/* SPDX-License-Identifier: Apache-2.0 */
/* The process's log: one line a call, as text or JSON, kept in a ring. */
#include "lib/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES     1024
#define LINE_END_BYTES 2 /* a brace and a line's end */

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static enum log_level log_level_max = LOG_LEVEL_INFO;
static enum log_format log_line_format = LOG_FORMAT_TEXT;
static int log_descriptor = 2;
static char log_ring[LOG_TAIL_BYTES];
static size_t log_ring_end; /* total bytes ever written; position is modulo the size */

void log_set_level(enum log_level level)
{
	log_level_max = level;
}

void log_set_descriptor(int descriptor)
{
	log_descriptor = descriptor;
}

void log_set_format(enum log_format format)
{
	log_line_format = format;
}

enum log_format log_get_format(void)
{
	return log_line_format;
}

bool log_level_parse(const char *text, enum log_level *level)
{
	for (size_t i = 0; i < ARRAY_COUNT(level_names); i++)
		if (strcmp(text, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	return false;
}

/* One line in the making. Room for what must end it is always left. */
struct line {
	char text[LINE_BYTES];
	size_t used;
};

static void put(struct line *line, const char *text)
{
	size_t bytes = u64_min(strlen(text), LINE_BYTES - LINE_END_BYTES - line->used);

	memcpy(line->text + line->used, text, bytes);
	line->used += bytes;
}

/* In quotes; what is not printable ASCII is escaped. The closing quote is never cut. */
static void put_quoted(struct line *line, const char *text)
{
	if (line->used + 2 > LINE_BYTES - LINE_END_BYTES)
		return;
	line->text[line->used++] = '"';
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		char escaped[8] = {(char)c, '\0'};

		if (c == '"' || c == '\\')
			snprintf(escaped, sizeof(escaped), "\\%c", c);
		else if (c < ' ' || c > '~')
			snprintf(escaped, sizeof(escaped), "\\u%04x", c);
		if (line->used + strlen(escaped) + 1 > LINE_BYTES - LINE_END_BYTES)
			break;
		put(line, escaped);
	}
	line->text[line->used++] = '"';
}

/* `"name":"value"`, or nothing when not even an empty value would fit. */
static void put_member(struct line *line, const char *name, const char *value)
{
	if (line->used + strlen(name) + 6 > LINE_BYTES - LINE_END_BYTES)
		return;
	put(line, line->used > 1 ? ",\"" : "\"");
	put(line, name);
	put(line, "\":");
	put_quoted(line, value);
}

static void line_begin(struct line *line, enum log_level level)
{
	static const char *const marks[] = {"error: ", "warning: ", "", "debug: "};
	struct timespec now;
	struct tm utc;
	char stamp[64] = "";

	line->used = 0;
	if (log_line_format == LOG_FORMAT_JSON) {
		clock_gettime(CLOCK_REALTIME, &now);
		if (gmtime_r(&now.tv_sec, &utc) != NULL &&
			strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc) > 0)
			snprintf(stamp + strlen(stamp), sizeof(stamp) - strlen(stamp), ".%03ldZ",
				now.tv_nsec / (long)NS_PER_MS);
		put(line, "{");
		put_member(line, "time", stamp);
		put_member(line, "level", level_names[level]);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(stamp, sizeof(stamp), "[%5lld.%03ld] ", (long long)now.tv_sec,
		now.tv_nsec / (long)NS_PER_MS);
	put(line, stamp);
	put(line, marks[level]);
}

static void line_end(struct line *line)
{
	if (log_line_format == LOG_FORMAT_JSON)
		line->text[line->used++] = '}';
	line->text[line->used++] = '\n';
	pthread_mutex_lock(&log_mutex);
	for (size_t i = 0; i < line->used; i++)
		log_ring[log_ring_end++ % LOG_TAIL_BYTES] = line->text[i];
	/* Nobody can be told that the log cannot be written. */
	if (log_descriptor >= 0 && write(log_descriptor, line->text, line->used) < 0)
		log_descriptor = log_descriptor == 2 ? 2 : -1;
	pthread_mutex_unlock(&log_mutex);
}

void log_write(enum log_level level, const char *format, ...)
{
	char text[LINE_BYTES];
	struct line line;
	va_list arguments;

	if (level > log_level_max)
		return;
	va_start(arguments, format);
	int bytes = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (bytes < 0)
		return;
	line_begin(&line, level);
	if (log_line_format == LOG_FORMAT_JSON)
		put_member(&line, "text", text);
	else
		put(&line, text);
	line_end(&line);
}

void log_event(enum log_level level, const char *event, const struct log_field *fields,
	size_t fields_count)
{
	struct line line;
	bool json = log_line_format == LOG_FORMAT_JSON;

	if (level > log_level_max)
		return;
	line_begin(&line, level);
	if (json)
		put_member(&line, "event", event);
	else
		put(&line, event);
	for (size_t i = 0; i < fields_count; i++) {
		if (json) {
			put_member(&line, fields[i].name, fields[i].value);
			continue;
		}
		put(&line, " ");
		put(&line, fields[i].name);
		put(&line, "=");
		/* A value that could be taken for more, or for nothing, is quoted. */
		if (fields[i].value[0] == '\0' || strpbrk(fields[i].value, " \"=\\\n") != NULL)
			put_quoted(&line, fields[i].value);
		else
			put(&line, fields[i].value);
	}
	line_end(&line);
}

size_t log_tail(char *text, size_t capacity)
{
	pthread_mutex_lock(&log_mutex);
	size_t length = u64_min(log_ring_end, u64_min(LOG_TAIL_BYTES, capacity - 1));
	size_t start = log_ring_end - length;

	/* A cut line helps nobody: begin after the first line end, unless nothing was cut. */
	if (start > 0) {
		while (start < log_ring_end && log_ring[start % LOG_TAIL_BYTES] != '\n')
			start++;
		if (start < log_ring_end)
			start++;
	}
	length = log_ring_end - start;
	for (size_t i = 0; i < length; i++)
		text[i] = log_ring[(start + i) % LOG_TAIL_BYTES];
	pthread_mutex_unlock(&log_mutex);
	text[length] = '\0';
	return length;
}
