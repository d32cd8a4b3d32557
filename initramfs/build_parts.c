/* SPDX-License-Identifier: Apache-2.0 */
/* Memory, texts and files for the builder. */
#include "initramfs/build_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/cleanup.h"

void *build_resize(void *memory, size_t bytes)
{
	void *resized = realloc(memory, bytes > 0 ? bytes : 1);

	if (resized == NULL) {
		fprintf(stderr, "swarmboot: out of memory (%zu bytes)\n", bytes);
		abort();
	}
	return resized;
}

void *build_allocate(size_t bytes)
{
	void *memory = build_resize(NULL, bytes);

	memset(memory, 0, bytes);
	return memory;
}

void texts_add(struct texts *texts, const char *text, size_t length)
{
	if (texts->count == texts->capacity) {
		texts->capacity = texts->capacity == 0 ? 8 : 2 * texts->capacity;
		texts->items = build_resize(texts->items, texts->capacity * sizeof(*texts->items));
	}
	char *copy = build_allocate(length + 1);

	memcpy(copy, text, length);
	texts->items[texts->count++] = copy;
}

void texts_free(struct texts *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		free(texts->items[i]);
	free(texts->items);
	*texts = (struct texts){0};
}

void bytes_buffer_add(struct bytes_buffer *buffer, const void *bytes, size_t count)
{
	if (count > buffer->capacity - buffer->count) {
		buffer->capacity = 2 * buffer->capacity + count + 4096;
		buffer->bytes = build_resize(buffer->bytes, buffer->capacity);
	}
	if (count > 0)
		memcpy(buffer->bytes + buffer->count, bytes, count);
	buffer->count += count;
}

void bytes_buffer_print(struct bytes_buffer *buffer, const char *format, ...)
{
	char *text = NULL;
	va_list arguments;

	va_start(arguments, format);
	int length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		abort();
	bytes_buffer_add(buffer, text, (size_t)length);
	free(text);
}

void bytes_buffer_free(struct bytes_buffer *buffer)
{
	free(buffer->bytes);
	*buffer = (struct bytes_buffer){0};
}

bool file_read_whole(
	const char *path, uint64_t bytes_max, struct bytes_buffer *buffer, struct failure *failure)
{
	SCOPED(file) FILE *file = fopen(path, "re");
	uint8_t chunk[65536];

	if (file == NULL)
		return failure_errno(failure, ERROR_SYSTEM, "cannot open %s", path);
	for (;;) {
		size_t got = fread(chunk, 1, sizeof(chunk), file);

		if (got == 0)
			break;
		bytes_buffer_add(buffer, chunk, got);
		if (buffer->count > bytes_max)
			return failure_set(failure, ERROR_LIMIT, "%s is larger than %llu bytes",
				path, (unsigned long long)bytes_max);
	}
	if (ferror(file))
		return failure_errno(failure, ERROR_SYSTEM, "cannot read %s", path);
	return true;
}

static bool write_and_sync(const char *path, const void *bytes, size_t bytes_count)
{
	int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	const uint8_t *at = bytes;

	if (descriptor < 0)
		return false;
	while (bytes_count > 0) {
		ssize_t put = write(descriptor, at, bytes_count);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			break;
		at += put;
		bytes_count -= (size_t)put;
	}
	bool good = bytes_count == 0 && fsync(descriptor) == 0;
	int code = errno;

	good &= close(descriptor) == 0;
	if (!good) {
		unlink(path);
		errno = code;
	}
	return good;
}

bool file_replace(const char *path, const void *bytes, size_t bytes_count, struct failure *failure)
{
	char fresh[PATH_MAX];

	if ((size_t)snprintf(fresh, sizeof(fresh), "%s.new", path) >= sizeof(fresh))
		return failure_set(failure, ERROR_LIMIT, "the path %s is too long", path);
	if (!write_and_sync(fresh, bytes, bytes_count))
		return failure_errno(failure, ERROR_SYSTEM, "cannot write %s", fresh);
	if (rename(fresh, path) != 0) {
		failure_errno(failure, ERROR_SYSTEM, "cannot rename %s to %s", fresh, path);
		unlink(fresh);
		return false;
	}
	return true;
}
