/* SPDX-License-Identifier: Apache-2.0 */
/* Finds out what a file is by its first bytes, decompressed, and reads the image in it. The format
 * is chosen here and not by libarchive, which takes a disk that begins with zeros for an empty tar.
 */
#include "images/source_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct signature_bytes {
	const char *what;
	size_t offset;
	const char *bytes;
	size_t bytes_count;
};

/* What is a disk image, but not a raw one; and what is still compressed. */
static const struct signature_bytes refused[] = {
	{"a qcow2 image; make it raw first: qemu-img convert -O raw", 0, "QFI\xfb", 4},
	{"a VMDK image; make it raw first: qemu-img convert -O raw", 0, "KDMV", 4},
	{"a VHDX image; make it raw first: qemu-img convert -O raw", 0, "vhdxfile", 8},
	{"a VHD image; make it raw first: qemu-img convert -O raw", 0, "conectix", 8},
	{"a VDI image; make it raw first: qemu-img convert -O raw", 0x40, "\x7f\x10\xda\xbe", 4},
	{"an Android sparse image; make it raw first: simg2img", 0, "\x3a\xff\x26\xed", 4},
	{"compressed once more (gzip): unpack the outer layer first", 0, "\x1f\x8b\x08", 3},
	{"compressed once more (xz): unpack the outer layer first", 0,
		"\xfd"
		"7zXZ\0",
		6},
	{"compressed once more (zstd): unpack the outer layer first", 0, "\x28\xb5\x2f\xfd", 4},
	{"compressed once more (bzip2): unpack the outer layer first", 0, "BZh", 3},
	{"a 7z archive; unpack it first", 0, "7z\xbc\xaf\x27\x1c", 6},
};

static bool content_check(struct image_source *source, const uint8_t *head, size_t head_bytes,
	struct failure *failure)
{
	for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
		const struct signature_bytes *signature = &refused[i];

		if (head_bytes >= signature->offset + signature->bytes_count &&
			memcmp(head + signature->offset, signature->bytes,
				signature->bytes_count) == 0)
			return failure_set(failure, ERROR_UNSUPPORTED, "%s is %s", source->path,
				signature->what);
	}
	return true;
}

/* POSIX ustar's checksum field: old tars have no magic, but all have this. */
static bool is_tar(const uint8_t *head, size_t head_bytes)
{
	uint64_t sum = 8 * ' ';
	uint64_t stored = 0;
	size_t at = 148;

	if (head_bytes < 512 || head[0] == 0)
		return false;
	for (size_t i = 0; i < 512; i++)
		sum += i >= 148 && i < 156 ? 0 : head[i];
	while (at < 156 && head[at] == ' ')
		at++;
	for (; at < 156 && head[at] >= '0' && head[at] <= '7'; at++)
		stored = stored * 8 + (uint64_t)(head[at] - '0');
	return stored == sum;
}

static enum source_format format_of(const uint8_t *head, size_t head_bytes)
{
	if (is_tar(head, head_bytes))
		return SOURCE_TAR;
	if (head_bytes >= 4 && memcmp(head, "PK\x03\x04", 4) == 0)
		return SOURCE_ZIP;
	return SOURCE_RAW;
}

/* Reads from the archive's current member until the buffer is full or the member ends. */
static bool archive_fill(struct image_source *source, uint8_t *buffer, size_t bytes_count,
	size_t *bytes_read, struct failure *failure)
{
	while (*bytes_read < bytes_count) {
		la_ssize_t got = archive_read_data(
			source->archive, buffer + *bytes_read, bytes_count - *bytes_read);

		if (got < 0)
			return source_archive_failed(source, failure);
		if (got == 0)
			return true;
		*bytes_read += (size_t)got;
	}
	return true;
}

static bool direct_fill(struct image_source *source, uint8_t *buffer, size_t bytes_count,
	size_t *bytes_read, struct failure *failure)
{
	while (*bytes_read < bytes_count) {
		ssize_t got = pread(source->fd, buffer + *bytes_read, bytes_count - *bytes_read,
			(off_t)(source->position + *bytes_read));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return failure_errno(failure, ERROR_SYSTEM, "cannot read %s", source->path);
		if (got == 0)
			return true;
		*bytes_read += (size_t)got;
	}
	return true;
}

bool image_source_read(struct image_source *source, uint8_t *buffer, size_t bytes_count,
	size_t *bytes_read, struct failure *failure)
{
	*bytes_read = 0;
	bool filled = source->direct
			      ? direct_fill(source, buffer, bytes_count, bytes_read, failure)
			      : archive_fill(source, buffer, bytes_count, bytes_read, failure);
	if (!filled)
		return false;
	if (source->checked && source->position == 0 &&
		!content_check(source, buffer, *bytes_read, failure))
		return false;
	source->position += *bytes_read;
	return true;
}

bool image_source_skip_hole(struct image_source *source, uint64_t bytes_count)
{
	if (!source->direct || bytes_count > source->file_bytes ||
		source->position > source->file_bytes - bytes_count)
		return false;
	off_t data = lseek(source->fd, (off_t)source->position, SEEK_DATA);
	/* ENXIO: a hole up to the end of the file. */
	if (data < 0 ? errno != ENXIO : (uint64_t)data < source->position + bytes_count)
		return false;
	source->position += bytes_count;
	return true;
}

bool image_source_finish(struct image_source *source, struct failure *failure)
{
	if (source->length_bytes != SOURCE_LENGTH_UNKNOWN &&
		source->position != source->length_bytes)
		return failure_set(failure, ERROR_FORMAT,
			"%s ended after %llu of %llu bytes of the image", source->path,
			(unsigned long long)source->position,
			(unsigned long long)source->length_bytes);
	return source->direct || source_archive_finish(source, failure);
}

static bool file_open(struct image_source *source, const char *path, struct failure *failure)
{
	struct stat status;

	source->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (source->fd < 0 || fstat(source->fd, &status) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot read %s", source->path);
	if (S_ISDIR(status.st_mode))
		return failure_set(failure, ERROR_FORMAT, "%s is a directory", source->path);
	if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
		return failure_set(failure, ERROR_FORMAT,
			"%s is neither a regular file nor a block device", source->path);
	off_t end = lseek(source->fd, 0, SEEK_END);
	if (end < 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot read %s", source->path);
	if (end == 0)
		return failure_set(failure, ERROR_FORMAT, "%s is empty", source->path);
	source->file_bytes = (uint64_t)end;
	return true;
}

/* Looks at the first decompressed bytes, then opens the file as what it is. */
static bool format_open(struct image_source *source, struct failure *failure)
{
	uint8_t head[SOURCE_HEAD_BYTES];
	size_t head_bytes = 0;

	if (!source_archive_open(source, SOURCE_RAW, failure) ||
		!source_archive_find_member(source, failure) ||
		!archive_fill(source, head, sizeof(head), &head_bytes, failure))
		return false;
	bool filtered = source->gzip != NULL ||
			archive_filter_code(source->archive, 0) != ARCHIVE_FILTER_NONE;
	enum source_format format = format_of(head, head_bytes);
	if (format == SOURCE_RAW && source->member != NULL)
		return failure_set(failure, ERROR_USAGE,
			"--member: %s is neither a tar nor a zip archive", source->path);
	if (format == SOURCE_RAW && !filtered) {
		source_archive_close(source);
		source->direct = true;
		source->length_bytes = source->file_bytes;
		return true;
	}
	return source_archive_open(source, format, failure) &&
	       source_archive_find_member(source, failure);
}

static struct image_source *source_create(const char *path, struct failure *failure)
{
	struct image_source *source = calloc(1, sizeof(*source));

	if (source == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory to read %s", path);
		return NULL;
	}
	snprintf(source->path, sizeof(source->path), "%s", path);
	source->fd = -1;
	return file_open(source, path, failure) ? source : image_source_close(source);
}

struct image_source *image_source_open(
	const char *path, const char *member, struct failure *failure)
{
	struct image_source *source = source_create(path, failure);

	if (source == NULL)
		return NULL;
	source->member = member;
	source->checked = true;
	return format_open(source, failure) ? source : image_source_close(source);
}

struct image_source *image_source_open_raw(const char *path, struct failure *failure)
{
	struct image_source *source = source_create(path, failure);

	if (source == NULL)
		return NULL;
	source->direct = true;
	source->length_bytes = source->file_bytes;
	return source;
}

struct image_source *image_source_close(struct image_source *source)
{
	if (source == NULL)
		return NULL;
	source_archive_close(source);
	if (source->fd >= 0)
		close(source->fd);
	free(source);
	return NULL;
}

uint64_t image_source_length_bytes(const struct image_source *source)
{
	return source->length_bytes;
}

uint64_t image_source_file_position(const struct image_source *source)
{
	off_t position = source->direct ? (off_t)source->position : lseek(source->fd, 0, SEEK_CUR);

	return position < 0 ? 0 : (uint64_t)position;
}

uint64_t image_source_file_bytes(const struct image_source *source)
{
	return source->file_bytes;
}
