/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decompresses gzip (RFC 1952) and checks each member's CRC and length, which libarchive's gzip
 * filter does not: a flipped bit in stored data would become part of an image.
 */
#ifndef IMAGES_GZIP_READER_H
#define IMAGES_GZIP_READER_H

#include "lib/bytes.h"

#include <sys/types.h>

struct gzip_reader;

/* fd is borrowed and read from its position on. NULL without memory. */
MUST_USE struct gzip_reader *gzip_reader_create(int fd);
struct gzip_reader *gzip_reader_destroy(struct gzip_reader *reader);

/* Up to bytes_count bytes; 0 at the end. -1 on an error: *reason says which (a static string, or
 * strerror's). */
ssize_t gzip_reader_read(
	struct gzip_reader *reader, void *bytes, size_t bytes_count, const char **reason);

static inline bool gzip_magic(const uint8_t *bytes, size_t bytes_count)
{
	return bytes_count >= 3 && bytes[0] == 0x1f && bytes[1] == 0x8b && bytes[2] == 8;
}

#endif
