/* SPDX-License-Identifier: Apache-2.0 */
/* A gzip file is a row of members; after the last one zeros may follow (tape padding), nothing
 * else. */
#include "images/gzip_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#define INPUT_BYTES	 (256 * KIB)
#define GZIP_WINDOW_BITS (15 + 16) /* zlib: gzip format only */

struct gzip_reader {
	int fd;
	bool inside; /* of a member */
	bool input_ended;
	bool any; /* a member was read */
	z_stream stream;
	uint8_t input[INPUT_BYTES];
};

struct gzip_reader *gzip_reader_create(int fd)
{
	struct gzip_reader *reader = calloc(1, sizeof(*reader));

	if (reader == NULL || inflateInit2(&reader->stream, GZIP_WINDOW_BITS) != Z_OK) {
		free(reader);
		return NULL;
	}
	reader->fd = fd;
	return reader;
}

struct gzip_reader *gzip_reader_destroy(struct gzip_reader *reader)
{
	if (reader != NULL)
		inflateEnd(&reader->stream);
	free(reader);
	return NULL;
}

static bool fill(struct gzip_reader *reader, const char **reason)
{
	ssize_t got;

	if (reader->stream.avail_in > 0 || reader->input_ended)
		return true;
	do
		got = read(reader->fd, reader->input, sizeof(reader->input));
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		*reason = strerror(errno);
		return false;
	}
	reader->input_ended = got == 0;
	reader->stream.next_in = reader->input;
	reader->stream.avail_in = (uInt)got;
	return true;
}

/* Between members: the next one begins, or the file ends. */
static bool next_member(struct gzip_reader *reader, const char **reason)
{
	while (fill(reader, reason)) {
		if (reader->stream.avail_in == 0)
			return true;
		if (reader->any && *reader->stream.next_in == 0) {
			reader->stream.next_in++;
			reader->stream.avail_in--;
			continue;
		}
		if (reader->any && *reader->stream.next_in != 0x1f) {
			*reason = "garbage after the compressed data";
			return false;
		}
		reader->inside = true;
		reader->any = true;
		return true;
	}
	return false;
}

ssize_t gzip_reader_read(
	struct gzip_reader *reader, void *bytes, size_t bytes_count, const char **reason)
{
	z_stream *stream = &reader->stream;

	stream->next_out = bytes;
	stream->avail_out = (uInt)u64_min(bytes_count, UINT32_MAX);
	uInt wanted = stream->avail_out;
	while (stream->avail_out == wanted) {
		if (!reader->inside && !next_member(reader, reason))
			return -1;
		if (!reader->inside)
			return 0;
		if (!fill(reader, reason))
			return -1;
		if (stream->avail_in == 0) {
			*reason = "the compressed data is cut off";
			return -1;
		}
		int result = inflate(stream, Z_NO_FLUSH);
		if (result == Z_STREAM_END) {
			reader->inside = false;
			if (inflateReset(stream) != Z_OK)
				result = Z_STREAM_ERROR;
		}
		if (result != Z_OK && result != Z_STREAM_END) {
			*reason = result == Z_MEM_ERROR ? "out of memory"
							: "the compressed data is damaged";
			return -1;
		}
	}
	return (ssize_t)(wanted - stream->avail_out);
}
