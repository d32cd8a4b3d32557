/* SPDX-License-Identifier: Apache-2.0 */
/* The process's log: one line a call, stamped with monotonic seconds, kept in a ring. */
#include "lib/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static enum log_level log_level_max = LOG_LEVEL_INFO;
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

void log_write(enum log_level level, const char *format, ...)
{
	static const char *const marks[] = {"error: ", "warning: ", "", "debug: "};
	char line[1024];
	struct timespec now;
	va_list arguments;

	if (level > log_level_max)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	int used = snprintf(line, sizeof(line), "[%5lld.%03ld] %s", (long long)now.tv_sec,
		now.tv_nsec / 1000000, marks[level]);
	va_start(arguments, format);
	int more = vsnprintf(line + used, sizeof(line) - (size_t)used - 1, format, arguments);
	va_end(arguments);
	if (more < 0)
		return;
	size_t length = u64_min((size_t)used + (size_t)more, sizeof(line) - 2);

	line[length++] = '\n';
	pthread_mutex_lock(&log_mutex);
	for (size_t i = 0; i < length; i++)
		log_ring[log_ring_end++ % LOG_TAIL_BYTES] = line[i];
	/* Nobody can be told that the log cannot be written. */
	if (log_descriptor >= 0 && write(log_descriptor, line, length) < 0)
		log_descriptor = log_descriptor == 2 ? 2 : -1;
	pthread_mutex_unlock(&log_mutex);
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
