/* SPDX-License-Identifier: Apache-2.0 */
/* From a file to an image: read once, hash and write on all cores, describe, sign. */
#include "images/import.h"

#include "images/image_hasher.h"
#include "images/source.h"
#include "lib/cleanup.h"
#include "lib/units.h"
#include "wire/merkle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#define SECTOR_BYTES_DEFAULT 512

/* What is known of an image's content after a pass over it. */
struct content {
	uint64_t length_bytes;
	uint32_t piece_bytes;
	uint32_t gpt_sector_bytes; /* 0: no GPT */
	struct image_hasher *hasher;
};

static bool stopped(const struct import_request *request, struct failure *failure)
{
	if (request->stop == NULL || *request->stop == 0)
		return false;
	failure_set(failure, ERROR_ABORTED, "stopped on request; nothing was left behind");
	return true;
}

/* The GPT header lies in the second logical sector, which tells the sector size it was made for. */
static uint32_t gpt_sector_bytes(const uint8_t *head, size_t head_bytes)
{
	static const uint32_t sizes[] = {512, 4096};

	for (size_t i = 0; i < ARRAY_COUNT(sizes); i++)
		if (head_bytes >= sizes[i] + 8 && memcmp(head + sizes[i], "EFI PART", 8) == 0)
			return sizes[i];
	return 0;
}

static bool feed_piece(
	struct image_source *source, struct content *content, bool *ended, struct failure *failure)
{
	size_t got = 0;

	if (image_source_skip_hole(source, content->piece_bytes)) {
		content->length_bytes += content->piece_bytes;
		return image_hasher_submit_zero(content->hasher, failure);
	}
	uint8_t *buffer = image_hasher_buffer(content->hasher);
	bool read = image_source_read(source, buffer, content->piece_bytes, &got, failure);
	if (!read)
		got = 0;
	if (content->length_bytes == 0)
		content->gpt_sector_bytes = gpt_sector_bytes(buffer, got);
	content->length_bytes += got;
	*ended = got < content->piece_bytes;
	/* Also without bytes: it gives the buffer back. */
	return image_hasher_submit(content->hasher, buffer, got, read ? failure : NULL) && read;
}

/* Reads the source to its end through the hasher. content->piece_bytes is given. */
static bool pass(struct image_source *source, const struct import_request *request, int target_fd,
	struct content *content, struct failure *failure)
{
	bool ended = false;

	content->length_bytes = 0;
	content->gpt_sector_bytes = 0;
	content->hasher = image_hasher_create(content->piece_bytes, target_fd, failure);
	if (content->hasher == NULL)
		return false;
	while (!ended) {
		if (stopped(request, failure) || !feed_piece(source, content, &ended, failure))
			return false;
		if (request->progress != NULL)
			request->progress(request->progress_context,
				image_source_file_position(source),
				image_source_file_bytes(source));
	}
	return image_source_finish(source, failure) &&
	       image_hasher_finish(content->hasher, failure) && !stopped(request, failure);
}

static bool check_content(const struct import_request *request, const struct content *content,
	uint32_t *sector_bytes, struct failure *failure)
{
	uint32_t gpt = content->gpt_sector_bytes;

	*sector_bytes = request->sector_bytes;
	if (*sector_bytes == 0)
		*sector_bytes = gpt != 0 ? gpt : SECTOR_BYTES_DEFAULT;
	if (gpt != 0 && *sector_bytes != gpt)
		return failure_set(failure, ERROR_USAGE,
			"the image's partition table is made for sectors of %u bytes, not %u", gpt,
			*sector_bytes);
	if (content->length_bytes == 0)
		return failure_set(failure, ERROR_FORMAT, "the image is empty");
	if (content->length_bytes % *sector_bytes != 0)
		return failure_set(failure, ERROR_FORMAT,
			"the image has %llu bytes, which is not a multiple of its sector size, %u: "
			"it is cut off, or not a disk image",
			(unsigned long long)content->length_bytes, *sector_bytes);
	return true;
}

/* Writes and syncs a new file. */
static bool write_file(
	const char *path, const uint8_t *bytes, size_t bytes_count, struct failure *failure)
{
	SCOPED(fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	size_t done = 0;

	if (fd < 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot make %s", path);
	while (done < bytes_count) {
		ssize_t written = write(fd, bytes + done, bytes_count - done);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return failure_errno(failure, ERROR_SYSTEM, "cannot write %s", path);
		done += (size_t)written;
	}
	if (fsync(fd) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot write %s", path);
	return true;
}

/* Fills bytes (metainfo_bytes_max) and the result. Returns the metainfo's length, 0 on failure. */
static size_t describe(const struct import_request *request, const struct content *content,
	const struct site_key *key, struct import_result *result, const char *torrent_name,
	uint8_t *info, uint8_t *bytes, struct failure *failure)
{
	struct signature signature;
	struct metainfo_source source = {.name = torrent_name,
		.length_bytes = content->length_bytes,
		.piece_bytes = content->piece_bytes,
		.pieces_sha1 = image_hasher_sha1(content->hasher),
		.pieces_sha256 = image_hasher_sha256(content->hasher),
		.sector_bytes = result->sector_bytes,
		.created_unix_s = (uint64_t)time(NULL),
		.generation = 1,
		.is_private = request->is_private};
	size_t capacity = metainfo_bytes_max(result->pieces_count);

	if (result->pieces_count == 1)
		memcpy(source.sha256_root, source.pieces_sha256, SHA256_BYTES);
	else
		merkle_root_from_pieces(&crypto_digest_ops, source.sha256_root,
			(const uint8_t(*)[SHA256_BYTES])source.pieces_sha256, result->pieces_count,
			content->piece_bytes);
	size_t info_bytes = metainfo_write_info(&source, info, capacity);
	if (info_bytes == 0 || (key != NULL && !site_key_sign(key, info, info_bytes, &signature))) {
		failure_set(failure, ERROR_SYSTEM, "cannot write or sign the metainfo");
		return 0;
	}
	crypto_digest_ops.sha1(result->infohash, info, info_bytes);
	size_t bytes_count = metainfo_write(&source, info, info_bytes, request->trackers,
		request->trackers_count, &signature, key != NULL, bytes, capacity);
	if (bytes_count == 0)
		failure_set(failure, ERROR_LIMIT, "the metainfo is too large");
	return bytes_count;
}

/* Checks the content, writes its metainfo to `path`. */
static bool finish(const struct import_request *request, const struct content *content,
	const struct site_key *key, const char *torrent_name, const char *path,
	struct import_result *result, struct failure *failure)
{
	if (!check_content(request, content, &result->sector_bytes, failure))
		return false;
	result->length_bytes = content->length_bytes;
	result->piece_bytes = content->piece_bytes;
	result->pieces_count = image_hasher_pieces_count(content->hasher);
	size_t capacity = metainfo_bytes_max(result->pieces_count);
	SCOPED(free) uint8_t *info = malloc(capacity);
	SCOPED(free) uint8_t *bytes = malloc(capacity);
	if (info == NULL || bytes == NULL)
		return failure_set(failure, ERROR_MEMORY, "no memory for the metainfo");
	size_t bytes_count =
		describe(request, content, key, result, torrent_name, info, bytes, failure);
	return bytes_count > 0 && write_file(path, bytes, bytes_count, failure);
}

/* "/images/debian-12.raw.xz" -> "debian-12". */
static void name_from_file(const char *file, char name[static IMAGE_NAME_MAX + 1])
{
	static const char *const endings[] = {".gz", ".xz", ".zst", ".bz2", ".lz4", ".tgz", ".txz",
		".zip", ".tar", ".raw", ".img", ".disk", ".dd", ".iso"};
	const char *base = strrchr(file, '/') == NULL ? file : strrchr(file, '/') + 1;
	size_t length = strlen(base);
	bool cut = true;

	while (cut) {
		cut = false;
		for (size_t i = 0; i < ARRAY_COUNT(endings); i++) {
			size_t ending = strlen(endings[i]);

			if (length > ending &&
				strncmp(base + length - ending, endings[i], ending) == 0) {
				length -= ending;
				cut = true;
			}
		}
	}
	snprintf(name, IMAGE_NAME_MAX + 1, "%.*s", (int)u64_min(length, IMAGE_NAME_MAX), base);
}

static uint32_t piece_bytes_for(
	const struct import_request *request, const struct image_source *source)
{
	uint64_t length_bytes = image_source_length_bytes(source);

	if (request->piece_bytes != 0)
		return request->piece_bytes;
	/* A guess: disks compress to about half. A wrong one costs a second pass. */
	if (length_bytes == SOURCE_LENGTH_UNKNOWN)
		length_bytes = 2 * image_source_file_bytes(source);
	return metainfo_default_piece_bytes(length_bytes);
}

/* Hashes the stored disk once more, when its length asks for other pieces than were guessed. */
static bool pass_again(const struct import_request *request, const char *disk_path,
	struct content *content, struct failure *failure)
{
	uint32_t piece_bytes = request->piece_bytes != 0
				       ? request->piece_bytes
				       : metainfo_default_piece_bytes(content->length_bytes);

	if (piece_bytes == content->piece_bytes)
		return true;
	content->hasher = image_hasher_destroy(content->hasher);
	content->piece_bytes = piece_bytes;
	struct image_source *source = image_source_open_raw(disk_path, failure);
	bool passed = source != NULL && pass(source, request, -1, content, failure);
	image_source_close(source);
	return passed;
}

static bool store_content(struct image_source *source, const struct import_request *request,
	const char *disk_path, struct content *content, struct failure *failure)
{
	SCOPED(fd) int fd = open(disk_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot make %s", disk_path);
	if (!pass(source, request, fd, content, failure))
		return false;
	if (ftruncate(fd, (off_t)content->length_bytes) != 0 || fsync(fd) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot write %s", disk_path);
	return true;
}

static void explain_no_space(const struct image_store *store, struct failure *failure)
{
	struct statvfs space;
	char free_text[UNITS_TEXT_MAX];

	if (failure == NULL || failure->error != ERROR_NO_SPACE ||
		statvfs(store->images, &space) != 0)
		return;
	failure_set(failure, ERROR_NO_SPACE,
		"no space left in %.150s (%s free again): remove an image or use another --state",
		store->images, size_format(free_text, (uint64_t)space.f_bavail * space.f_frsize));
}

static bool import_into(const struct image_store *store, struct store_import *import,
	const struct import_request *request, const struct site_key *key,
	struct image_source *source, struct import_result *result, struct failure *failure)
{
	struct content content = {.piece_bytes = piece_bytes_for(request, source)};
	bool imported = store_content(source, request, import->disk_path, &content, failure) &&
			pass_again(request, import->disk_path, &content, failure) &&
			finish(request, &content, key, result->name, import->metainfo_path, result,
				failure) &&
			!stopped(request, failure) && store_import_commit(store, import, failure);

	image_hasher_destroy(content.hasher);
	return imported;
}

bool image_import(const struct image_store *store, const struct import_request *request,
	struct import_result *result, struct failure *failure)
{
	char key_path[STORE_PATH_MAX];
	struct store_import import;

	*result = (struct import_result){0};
	if (request->name != NULL)
		snprintf(result->name, sizeof(result->name), "%s", request->name);
	else
		name_from_file(request->file, result->name);
	if (request->name != NULL && strlen(request->name) > IMAGE_NAME_MAX)
		return failure_set(
			failure, ERROR_USAGE, "a name has at most %d characters", IMAGE_NAME_MAX);
	struct image_source *source = image_source_open(request->file, request->member, failure);
	if (source == NULL)
		return false;
	struct site_key *key = store_path(store, "keys/site.key", key_path, failure)
				       ? site_key_open(key_path, true, failure)
				       : NULL;
	bool imported = key != NULL && store_import_begin(store, result->name, &import, failure);
	if (imported) {
		imported = import_into(store, &import, request, key, source, result, failure);
		store_import_abandon(&import);
	}
	site_key_close(key);
	image_source_close(source);
	if (!imported)
		explain_no_space(store, failure);
	return imported;
}

/* The metainfo replaces what lies at `out`, which must not be the image itself or a device. */
static bool may_replace(const char *out, const char *file, struct failure *failure)
{
	struct stat there;
	struct stat image;

	if (stat(out, &there) != 0)
		return errno == ENOENT ||
		       failure_errno(failure, ERROR_SYSTEM, "cannot write %s", out);
	if (!S_ISREG(there.st_mode))
		return failure_set(failure, ERROR_USAGE, "--out: %s is not a regular file", out);
	if (stat(file, &image) == 0 && image.st_dev == there.st_dev && image.st_ino == there.st_ino)
		return failure_set(
			failure, ERROR_USAGE, "--out: %s is the image that is to be read", out);
	return true;
}

bool image_metainfo_for_file(const struct import_request *request, const char *out,
	const struct site_key *key, struct import_result *result, struct failure *failure)
{
	char temporary[STORE_PATH_MAX];
	struct content content = {0};
	const char *slash = strrchr(request->file, '/');
	const char *name = request->name != NULL ? request->name
			   : slash == NULL	 ? request->file
						 : slash + 1;

	*result = (struct import_result){0};
	if (strlen(name) >= METAINFO_NAME_MAX)
		return failure_set(failure, ERROR_USAGE, "the name is too long for a torrent");
	snprintf(result->name, sizeof(result->name), "%.*s", IMAGE_NAME_MAX, name);
	if (!may_replace(out, request->file, failure))
		return false;
	int used = snprintf(temporary, sizeof(temporary), "%s.%ld.new", out, (long)getpid());
	if (used < 0 || (size_t)used >= sizeof(temporary))
		return failure_set(failure, ERROR_USAGE, "the path of --out is too long");
	struct image_source *source = image_source_open_raw(request->file, failure);
	if (source == NULL)
		return false;
	content.piece_bytes = piece_bytes_for(request, source);
	bool written = pass(source, request, -1, &content, failure) &&
		       finish(request, &content, key, name, temporary, result, failure);
	if (written && rename(temporary, out) != 0)
		written = failure_errno(failure, ERROR_SYSTEM, "cannot make %s", out);
	if (!written && unlink(temporary) != 0 && errno != ENOENT)
		perror(temporary);
	image_hasher_destroy(content.hasher);
	image_source_close(source);
	return written;
}
