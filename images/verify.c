/* SPDX-License-Identifier: Apache-2.0 */
/* Reads an image's disk through the same hashes as its import and compares. */
#include "images/import.h"

#include "images/image_hasher.h"
#include "images/source.h"

static bool feed(const struct image *image, struct image_source *source,
	struct image_hasher *hasher, uint32_t piece, struct failure *failure)
{
	uint32_t piece_bytes = metainfo_piece_length(&image->metainfo, piece);
	size_t got = 0;

	if (piece_bytes == image->metainfo.piece_bytes &&
		image_source_skip_hole(source, piece_bytes))
		return image_hasher_submit_zero(hasher, failure);
	uint8_t *buffer = image_hasher_buffer(hasher);
	bool read = image_source_read(source, buffer, piece_bytes, &got, failure);
	if (read && got < piece_bytes)
		read = failure_set(
			failure, ERROR_DIGEST_MISMATCH, "%s is too short", image->disk_path);
	return image_hasher_submit(hasher, buffer, read ? got : 0, read ? failure : NULL) && read;
}

static void compare(const struct image *image, const struct image_hasher *hasher,
	uint8_t *bad_pieces, uint32_t *bad_count)
{
	const struct metainfo *metainfo = &image->metainfo;
	const uint8_t *sha1 = image_hasher_sha1(hasher);
	const uint8_t *sha256 = image_hasher_sha256(hasher);

	*bad_count = 0;
	for (size_t i = 0; i < metainfo->pieces_count; i++) {
		bool bad = (metainfo->pieces_sha1 != NULL &&
				   memcmp(metainfo->pieces_sha1 + i * SHA1_BYTES,
					   sha1 + i * SHA1_BYTES, SHA1_BYTES) != 0) ||
			   (metainfo->pieces_sha256 != NULL &&
				   memcmp(metainfo->pieces_sha256 + i * SHA256_BYTES,
					   sha256 + i * SHA256_BYTES, SHA256_BYTES) != 0);

		bad_pieces[i] = bad;
		*bad_count += bad;
	}
}

bool image_verify_content(const struct image *image, uint8_t *bad_pieces, uint32_t *bad_count,
	void (*progress)(void *context, uint64_t done, uint64_t total), void *progress_context,
	const volatile sig_atomic_t *stop, struct failure *failure)
{
	const struct metainfo *metainfo = &image->metainfo;
	struct image_source *source = image_source_open_raw(image->disk_path, failure);

	if (source == NULL)
		return false;
	struct image_hasher *hasher = image_hasher_create(metainfo->piece_bytes, -1, failure);
	bool verified = hasher != NULL;
	for (uint32_t piece = 0; verified && piece < metainfo->pieces_count; piece++) {
		verified = stop == NULL || *stop == 0;
		if (!verified)
			failure_set(failure, ERROR_ABORTED, "stopped on request");
		verified = verified && feed(image, source, hasher, piece, failure);
		if (progress != NULL)
			progress(progress_context, image_source_file_position(source),
				metainfo->length_bytes);
	}
	verified = verified && image_hasher_finish(hasher, failure);
	if (verified)
		compare(image, hasher, bad_pieces, bad_count);
	image_hasher_destroy(hasher);
	image_source_close(source);
	return verified;
}
