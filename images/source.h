/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an image comes from: a raw file or device, one compressed with gzip, bzip2, xz, zstd or
 * lz4, or the one regular file (or a named one) in a tar, compressed or not, or a zip. Read once,
 * in order.
 */
#ifndef IMAGES_SOURCE_H
#define IMAGES_SOURCE_H

#include "lib/failure.h"

#define SOURCE_LENGTH_UNKNOWN UINT64_MAX

struct image_source;

/* member: which file of an archive, or NULL. Refuses what is not a raw disk inside (qcow2, VMDK,
 * ..., a compressed file in an archive). */
MUST_USE struct image_source *image_source_open(
	const char *path, const char *member, struct failure *failure);
/* The file as it lies, whatever it may be. */
MUST_USE struct image_source *image_source_open_raw(const char *path, struct failure *failure);
struct image_source *image_source_close(struct image_source *source);

/* Length of the image, if the file tells. */
uint64_t image_source_length_bytes(const struct image_source *source);

/* Fills the buffer, but at the end of the image: *bytes_read is less only there. */
MUST_USE bool image_source_read(struct image_source *source, uint8_t *buffer, size_t bytes_count,
	size_t *bytes_read, struct failure *failure);

/* When the next bytes_count bytes all lie in a hole of a raw file, skips them and returns true. */
bool image_source_skip_hole(struct image_source *source, uint64_t bytes_count);

/* After the end: nothing else may be in the archive. */
MUST_USE bool image_source_finish(struct image_source *source, struct failure *failure);

/* For progress: bytes of the file that were read, and how many there are. */
uint64_t image_source_file_position(const struct image_source *source);
uint64_t image_source_file_bytes(const struct image_source *source);

#endif
