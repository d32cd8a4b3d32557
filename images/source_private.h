/* SPDX-License-Identifier: Apache-2.0 */
/* What source.c (files, formats, reading) and source_archive.c (members) share. */
#ifndef IMAGES_SOURCE_PRIVATE_H
#define IMAGES_SOURCE_PRIVATE_H

#include "images/gzip_reader.h"
#include "images/source.h"

#include <archive.h>
#include <archive_entry.h>

#define SOURCE_HEAD_BYTES  4096
#define SOURCE_BLOCK_BYTES (256 * KIB)

enum source_format { SOURCE_RAW, SOURCE_TAR, SOURCE_ZIP };

struct image_source {
	char path[256]; /* for messages */
	const char *member;
	int fd;
	bool checked; /* refuse what is no raw disk */
	bool direct;  /* the file is the raw image itself */
	enum source_format format;
	uint64_t file_bytes;
	uint64_t length_bytes;
	uint64_t position; /* in the image */
	struct archive *archive;
	struct gzip_reader *gzip; /* below the archive, when the file is gzip */
	uint8_t block[SOURCE_BLOCK_BYTES];
};

/* Opens the archive over the file from its start: all filters, and one format. */
MUST_USE bool source_archive_open(
	struct image_source *source, enum source_format format, struct failure *failure);
void source_archive_close(struct image_source *source);

/* Goes to the member to import. */
MUST_USE bool source_archive_find_member(struct image_source *source, struct failure *failure);

/* After it: no other regular file, unless the member was named. */
MUST_USE bool source_archive_finish(struct image_source *source, struct failure *failure);

/* "FILE: what libarchive or zlib says". */
bool source_archive_failed(struct image_source *source, struct failure *failure);

#endif
