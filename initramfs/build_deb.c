/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a Debian package (deb(5)): an ar archive with data.tar.* in it, itself an archive. */
#include "initramfs/build_parts.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>

#define ENTRY_BYTES_MAX (256 * MIB)

/* The inner archive reads its bytes from the current entry of the outer one. */
static la_ssize_t inner_read(struct archive *inner, void *context, const void **bytes)
{
	struct archive *outer = context;
	size_t bytes_count;
	la_int64_t offset;

	switch (archive_read_data_block(outer, bytes, &bytes_count, &offset)) {
	case ARCHIVE_OK:
		return (la_ssize_t)bytes_count;
	case ARCHIVE_EOF:
		return 0;
	default:
		archive_set_error(inner, archive_errno(outer), "%s", archive_error_string(outer));
		return ARCHIVE_FATAL;
	}
}

static bool entry_take(struct kernel *kernel, struct archive *inner, struct archive_entry *entry,
	struct bytes_buffer *file, struct failure *failure)
{
	const char *path = archive_entry_pathname(entry);
	uint8_t chunk[65536];
	la_ssize_t got;

	if (path == NULL || archive_entry_filetype(entry) != AE_IFREG || !kernel_wants(path))
		return true;
	file->count = 0;
	while ((got = archive_read_data(inner, chunk, sizeof(chunk))) > 0) {
		bytes_buffer_add(file, chunk, (size_t)got);
		if (file->count > ENTRY_BYTES_MAX)
			return failure_set(failure, ERROR_LIMIT, "%s is too large", path);
	}
	if (got < 0)
		return failure_set(failure, ERROR_FORMAT, "cannot read %s: %s", path,
			archive_error_string(inner));
	return kernel_take(kernel, path, file->bytes, file->count, failure);
}

static bool data_read(struct kernel *kernel, struct archive *outer, struct failure *failure)
{
	struct archive *inner = archive_read_new();
	struct archive_entry *entry;
	struct bytes_buffer file = {0};
	bool good = true;
	int result;

	if (inner == NULL)
		abort();
	archive_read_support_filter_all(inner);
	archive_read_support_format_tar(inner);
	result = archive_read_open(inner, outer, NULL, inner_read, NULL);
	while (result == ARCHIVE_OK && good) {
		result = archive_read_next_header(inner, &entry);
		/* A warning is about a name's character set; the entry is whole. */
		if (result == ARCHIVE_WARN)
			result = ARCHIVE_OK;
		if (result == ARCHIVE_OK)
			good = entry_take(kernel, inner, entry, &file, failure);
	}
	if (good && result != ARCHIVE_EOF)
		good = failure_set(failure, ERROR_FORMAT, "the package's data cannot be read: %s",
			archive_error_string(inner));
	bytes_buffer_free(&file);
	archive_read_free(inner);
	return good;
}

bool kernel_read_deb(struct kernel *kernel, const char *path, struct failure *failure)
{
	struct archive *outer = archive_read_new();
	struct archive_entry *entry;
	bool found = false;
	bool good = true;
	int result;

	if (outer == NULL)
		abort();
	archive_read_support_format_ar(outer);
	result = archive_read_open_filename(outer, path, 65536);
	while (result == ARCHIVE_OK && !found) {
		result = archive_read_next_header(outer, &entry);
		const char *name = result == ARCHIVE_OK ? archive_entry_pathname(entry) : NULL;

		if (name != NULL && strncmp(name, "data.tar", 8) == 0) {
			found = true;
			good = data_read(kernel, outer, failure);
		}
	}
	if (!found)
		good = failure_set(failure, ERROR_FORMAT, "%s is not a Debian package: %s", path,
			result == ARCHIVE_EOF ? "it has no data.tar" : archive_error_string(outer));
	archive_read_free(outer);
	return good;
}
