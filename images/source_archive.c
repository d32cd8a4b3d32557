/* SPDX-License-Identifier: Apache-2.0 */
/* libarchive over the file of an image: filters, formats, and which member is the image. */
#include "images/source_private.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* How many names an error message lists. */
#define MEMBERS_SHOWN_MAX 5

static la_ssize_t read_block(struct archive *archive, void *context, const void **block)
{
	struct image_source *source = context;
	const char *reason = "reading failed";
	ssize_t got;

	*block = source->block;
	if (source->gzip != NULL) {
		got = gzip_reader_read(source->gzip, source->block, sizeof(source->block), &reason);
		if (got < 0)
			archive_set_error(archive, EINVAL, "gzip: %s", reason);
		return got;
	}
	do
		got = read(source->fd, source->block, sizeof(source->block));
	while (got < 0 && errno == EINTR);
	if (got < 0)
		archive_set_error(archive, errno, "%s", strerror(errno));
	return got;
}

static la_int64_t seek_file(struct archive *archive, void *context, la_int64_t offset, int whence)
{
	struct image_source *source = context;
	off_t position = lseek(source->fd, offset, whence);

	if (position < 0) {
		archive_set_error(archive, errno, "%s", strerror(errno));
		return ARCHIVE_FATAL;
	}
	return position;
}

bool source_archive_failed(struct image_source *source, struct failure *failure)
{
	const char *text = archive_error_string(source->archive);

	return failure_set(failure, ERROR_FORMAT, "%s: %s", source->path,
		text == NULL ? "cannot be read as an archive" : text);
}

/* No external programs, no `compress` and no bare LZMA: their magic is too weak to be told from the
 * first bytes of a disk. */
static bool support_filters(struct archive *archive)
{
	return archive_read_support_filter_bzip2(archive) == ARCHIVE_OK &&
	       archive_read_support_filter_xz(archive) == ARCHIVE_OK &&
	       archive_read_support_filter_zstd(archive) == ARCHIVE_OK &&
	       archive_read_support_filter_lz4(archive) == ARCHIVE_OK;
}

static bool support_format(struct archive *archive, enum source_format format)
{
	switch (format) {
	case SOURCE_TAR:
		return archive_read_support_format_tar(archive) == ARCHIVE_OK;
	case SOURCE_ZIP:
		return archive_read_support_format_zip(archive) == ARCHIVE_OK;
	case SOURCE_RAW:
		/* `empty`: compressed nothing is then said to be empty, not unrecognized. */
		return archive_read_support_format_raw(archive) == ARCHIVE_OK &&
		       archive_read_support_format_empty(archive) == ARCHIVE_OK;
	}
	return false;
}

bool source_archive_open(
	struct image_source *source, enum source_format format, struct failure *failure)
{
	uint8_t magic[3];

	source_archive_close(source);
	if (pread(source->fd, magic, sizeof(magic), 0) != sizeof(magic))
		magic[0] = 0;
	if (lseek(source->fd, 0, SEEK_SET) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot read %s", source->path);
	source->archive = archive_read_new();
	if (source->archive == NULL)
		return failure_set(failure, ERROR_MEMORY, "no memory for libarchive");
	if (!support_filters(source->archive) || !support_format(source->archive, format))
		return source_archive_failed(source, failure);
	if (gzip_magic(magic, sizeof(magic))) {
		source->gzip = gzip_reader_create(source->fd);
		if (source->gzip == NULL)
			return failure_set(failure, ERROR_MEMORY, "no memory for zlib");
	} else if (archive_read_set_seek_callback(source->archive, seek_file) != ARCHIVE_OK) {
		return source_archive_failed(source, failure);
	}
	source->format = format;
	if (archive_read_open(source->archive, source, NULL, read_block, NULL) != ARCHIVE_OK)
		return source_archive_failed(source, failure);
	return true;
}

void source_archive_close(struct image_source *source)
{
	if (source->archive != NULL)
		archive_read_free(source->archive);
	source->archive = NULL;
	source->gzip = gzip_reader_destroy(source->gzip);
}

/* The next regular file's entry; NULL at the end (*failed false) or on an error. */
static struct archive_entry *next_file(
	struct image_source *source, bool *failed, struct failure *failure)
{
	struct archive_entry *entry;

	*failed = false;
	for (;;) {
		int result = archive_read_next_header(source->archive, &entry);

		if (result == ARCHIVE_EOF)
			return NULL;
		if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
			*failed = true;
			source_archive_failed(source, failure);
			return NULL;
		}
		/* Hard links have the type of a file, but no content. */
		if (source->format == SOURCE_RAW || (archive_entry_filetype(entry) == AE_IFREG &&
							    archive_entry_hardlink(entry) == NULL))
			return entry;
	}
}

static const char *entry_name(struct archive_entry *entry)
{
	const char *name = archive_entry_pathname(entry);

	return name == NULL ? "(unnamed)" : name;
}

/* Control characters of names must not reach a terminal. */
static void names_add(char *names, size_t capacity, size_t *count, const char *name)
{
	size_t used = strlen(names);

	if (++*count <= MEMBERS_SHOWN_MAX && used + 1 < capacity)
		snprintf(names + used, capacity - used, "%s%.60s", used > 0 ? ", " : "", name);
	for (char *at = names + used; *at != '\0'; at++)
		if ((uint8_t)*at < ' ' || *at == 0x7f)
			*at = '?';
}

bool source_archive_find_member(struct image_source *source, struct failure *failure)
{
	char names[128] = "";
	size_t count = 0;
	bool failed;
	struct archive_entry *entry;

	while ((entry = next_file(source, &failed, failure)) != NULL) {
		if (source->format != SOURCE_RAW && source->member != NULL &&
			strcmp(entry_name(entry), source->member) != 0) {
			names_add(names, sizeof(names), &count, entry_name(entry));
			continue;
		}
		source->length_bytes = archive_entry_size_is_set(entry)
					       ? (uint64_t)archive_entry_size(entry)
					       : SOURCE_LENGTH_UNKNOWN;
		return true;
	}
	if (failed)
		return false;
	if (source->format == SOURCE_RAW)
		return failure_set(failure, ERROR_FORMAT, "%s: nothing is in it", source->path);
	if (source->member == NULL)
		return failure_set(
			failure, ERROR_FORMAT, "%s: no regular file is in it", source->path);
	return failure_set(failure, ERROR_NOT_FOUND, "%s has no file %.60s; it has %zu: %s",
		source->path, source->member, count, names);
}

bool source_archive_finish(struct image_source *source, struct failure *failure)
{
	char names[128] = "";
	size_t count = 0;
	bool failed;
	struct archive_entry *entry;

	if (source->member != NULL)
		return true;
	while ((entry = next_file(source, &failed, failure)) != NULL)
		names_add(names, sizeof(names), &count, entry_name(entry));
	if (failed)
		return false;
	if (count > 0)
		return failure_set(failure, ERROR_USAGE,
			"%s has %zu more files (%s): choose one with --member NAME", source->path,
			count, names);
	return true;
}
