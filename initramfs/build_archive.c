/* SPDX-License-Identifier: Apache-2.0 */
/* The initramfs itself: a newc cpio written by libarchive into memory, then one zstd frame. Owners,
 * times and inode numbers are fixed, so the same inputs give the same bytes. */
#include "initramfs/build_parts.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <zstd.h>

/* The kernel unpacks with at most a window of 128 MiB; 8 MiB keeps a machine of 256 MiB of RAM
 * going. */
#define ZSTD_LEVEL	15
#define ZSTD_WINDOW_LOG 23
/* The number of threads decides about the bytes, so it is fixed. */
#define ZSTD_THREADS 2

struct image_writer {
	struct archive *archive;
	struct bytes_buffer unpacked;
	struct texts directories;
	int64_t inode;
};

static la_ssize_t take_bytes(
	struct archive *archive, void *context, const void *bytes, size_t bytes_count)
{
	(void)archive;
	bytes_buffer_add(&((struct image_writer *)context)->unpacked, bytes, bytes_count);
	return (la_ssize_t)bytes_count;
}

struct image_writer *image_writer_open(struct failure *failure)
{
	struct image_writer *writer = build_allocate(sizeof(*writer));

	writer->archive = archive_write_new();
	if (writer->archive == NULL)
		abort();
	if (archive_write_set_format_cpio_newc(writer->archive) != ARCHIVE_OK ||
		archive_write_set_bytes_in_last_block(writer->archive, 1) != ARCHIVE_OK ||
		archive_write_open(writer->archive, writer, NULL, take_bytes, NULL) != ARCHIVE_OK) {
		failure_set(failure, ERROR_SYSTEM, "cannot start an archive: %s",
			archive_error_string(writer->archive));
		return image_writer_close(writer);
	}
	return writer;
}

struct image_writer *image_writer_close(struct image_writer *writer)
{
	if (writer == NULL)
		return NULL;
	archive_write_free(writer->archive);
	bytes_buffer_free(&writer->unpacked);
	texts_free(&writer->directories);
	free(writer);
	return NULL;
}

/* Writes header and content, and frees the entry. */
static bool entry_write(struct image_writer *writer, struct archive_entry *entry, const void *bytes,
	size_t bytes_count, struct failure *failure)
{
	archive_entry_set_mtime(entry, 0, 0);
	archive_entry_set_uid(entry, 0);
	archive_entry_set_gid(entry, 0);
	archive_entry_set_nlink(entry, 1);
	archive_entry_set_ino64(entry, ++writer->inode);
	archive_entry_set_size(entry, (la_int64_t)bytes_count);
	bool good = archive_write_header(writer->archive, entry) == ARCHIVE_OK &&
		    (bytes_count == 0 || archive_write_data(writer->archive, bytes, bytes_count) ==
						 (la_ssize_t)bytes_count);

	if (!good)
		failure_set(failure, ERROR_SYSTEM, "cannot add %s to the archive: %s",
			archive_entry_pathname(entry), archive_error_string(writer->archive));
	archive_entry_free(entry);
	return good;
}

static struct archive_entry *entry_new(const char *path, unsigned type, unsigned mode)
{
	struct archive_entry *entry = archive_entry_new();

	if (entry == NULL)
		abort();
	archive_entry_set_pathname(entry, path);
	archive_entry_set_filetype(entry, type);
	archive_entry_set_perm(entry, (__LA_MODE_T)mode);
	return entry;
}

/* The directories above path, each once. */
static bool add_parents(struct image_writer *writer, const char *path, struct failure *failure)
{
	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		char *parent = build_allocate((size_t)(slash - path) + 1);

		memcpy(parent, path, (size_t)(slash - path));
		bool good = image_add_directory(writer, parent, failure);

		free(parent);
		if (!good)
			return false;
	}
	return true;
}

bool image_add_directory(struct image_writer *writer, const char *path, struct failure *failure)
{
	for (size_t i = 0; i < writer->directories.count; i++)
		if (strcmp(writer->directories.items[i], path) == 0)
			return true;
	if (!add_parents(writer, path, failure))
		return false;
	texts_add(&writer->directories, path, strlen(path));
	return entry_write(writer, entry_new(path, AE_IFDIR, 0755), NULL, 0, failure);
}

bool image_add_file(struct image_writer *writer, const char *path, unsigned mode, const void *bytes,
	size_t bytes_count, struct failure *failure)
{
	return add_parents(writer, path, failure) &&
	       entry_write(writer, entry_new(path, AE_IFREG, mode), bytes, bytes_count, failure);
}

bool image_add_link(
	struct image_writer *writer, const char *path, const char *target, struct failure *failure)
{
	if (!add_parents(writer, path, failure))
		return false;
	struct archive_entry *entry = entry_new(path, AE_IFLNK, 0777);

	archive_entry_set_symlink(entry, target);
	return entry_write(writer, entry, NULL, 0, failure);
}

bool image_add_character_device(struct image_writer *writer, const char *path, unsigned mode,
	unsigned major, unsigned minor, struct failure *failure)
{
	if (!add_parents(writer, path, failure))
		return false;
	struct archive_entry *entry = entry_new(path, AE_IFCHR, mode);

	archive_entry_set_rdevmajor(entry, major);
	archive_entry_set_rdevminor(entry, minor);
	return entry_write(writer, entry, NULL, 0, failure);
}

static bool compress(const struct bytes_buffer *unpacked, struct bytes_buffer *compressed,
	struct failure *failure)
{
	size_t capacity = ZSTD_compressBound(unpacked->count);
	ZSTD_CCtx *context = ZSTD_createCCtx();

	if (context == NULL)
		abort();
	compressed->bytes = build_resize(compressed->bytes, capacity);
	compressed->capacity = capacity;
	ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, ZSTD_LEVEL);
	ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, ZSTD_WINDOW_LOG);
	ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
	/* A zstd library without threads says no, and then compresses in one. */
	ZSTD_CCtx_setParameter(context, ZSTD_c_nbWorkers, ZSTD_THREADS);
	size_t result = ZSTD_compress2(
		context, compressed->bytes, capacity, unpacked->bytes, unpacked->count);

	ZSTD_freeCCtx(context);
	if (ZSTD_isError(result))
		return failure_set(failure, ERROR_SYSTEM, "cannot compress the initramfs: %s",
			ZSTD_getErrorName(result));
	compressed->count = result;
	return true;
}

bool image_writer_finish(struct image_writer *writer, struct bytes_buffer *compressed,
	uint64_t *unpacked_bytes, struct failure *failure)
{
	if (archive_write_close(writer->archive) != ARCHIVE_OK)
		return failure_set(failure, ERROR_SYSTEM, "cannot end the archive: %s",
			archive_error_string(writer->archive));
	*unpacked_bytes = writer->unpacked.count;
	return compress(&writer->unpacked, compressed, failure);
}
