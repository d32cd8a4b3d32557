/* SPDX-License-Identifier: Apache-2.0 */
/* Writing metainfo files, keys in byte order. */
#include "wire/metainfo.h"

uint32_t metainfo_default_piece_bytes(uint64_t length_bytes)
{
	uint64_t piece_bytes = 1 * MIB;

	while (piece_bytes < 8 * MIB && u64_div_up(length_bytes, piece_bytes) > 16384)
		piece_bytes *= 2;
	return (uint32_t)piece_bytes;
}

size_t metainfo_bytes_max(uint32_t pieces_count)
{
	/* Name, trackers (twice the first one), signatures and keys together stay below 16 KiB. */
	return (size_t)pieces_count * (SHA1_BYTES + SHA256_BYTES) + 16 * KIB;
}

size_t metainfo_write_info(const struct metainfo_source *source, uint8_t *bytes, size_t capacity)
{
	struct ben_writer writer;
	uint64_t pieces_count = u64_div_up(source->length_bytes, source->piece_bytes);

	ben_writer_init(&writer, bytes, capacity);
	ben_write_dict(&writer);
	ben_put_unsigned(&writer, "length", source->length_bytes);
	ben_put_text(&writer, "name", source->name);
	ben_put_unsigned(&writer, "piece length", source->piece_bytes);
	ben_put_bytes(&writer, "pieces", source->pieces_sha1, (size_t)pieces_count * SHA1_BYTES);
	if (source->is_private)
		ben_put_unsigned(&writer, "private", 1);
	ben_write_text(&writer, "swarmboot");
	ben_write_dict(&writer);
	ben_put_unsigned(&writer, "created", source->created_unix_s);
	ben_put_unsigned(&writer, "generation", source->generation);
	if (source->sector_bytes != 0)
		ben_put_unsigned(&writer, "sector size", source->sector_bytes);
	ben_put_bytes(&writer, "sha256 root", source->sha256_root, SHA256_BYTES);
	ben_write_end(&writer);
	ben_write_end(&writer);
	return writer.overflow ? 0 : writer.used;
}

/* announce and announce-list, tiers in ascending order whatever order they are given in. */
static void write_trackers(
	struct ben_writer *writer, const struct tracker_url *trackers, uint32_t trackers_count)
{
	bool first = true;
	uint64_t tier = 0;

	if (trackers_count == 0)
		return;
	for (;;) {
		uint64_t next_tier = UINT64_MAX;
		bool open = false;

		for (uint32_t i = 0; i < trackers_count; i++)
			if (trackers[i].tier >= tier)
				next_tier = u64_min(next_tier, trackers[i].tier);
		if (next_tier == UINT64_MAX)
			break;
		for (uint32_t i = 0; i < trackers_count; i++) {
			if (trackers[i].tier != next_tier)
				continue;
			if (first) {
				ben_put_text(writer, "announce", trackers[i].url);
				ben_write_text(writer, "announce-list");
				ben_write_list(writer);
				first = false;
			}
			if (!open)
				ben_write_list(writer);
			open = true;
			ben_write_text(writer, trackers[i].url);
		}
		ben_write_end(writer);
		tier = next_tier + 1;
	}
	ben_write_end(writer);
}

void signatures_write(
	struct ben_writer *writer, const struct signature *signatures, uint32_t signatures_count)
{
	ben_write_list(writer);
	for (uint32_t i = 0; i < signatures_count; i++) {
		ben_write_dict(writer);
		ben_put_bytes(writer, "key", signatures[i].key, sizeof(signatures[i].key));
		ben_put_bytes(writer, "signature", signatures[i].signature,
			sizeof(signatures[i].signature));
		ben_write_end(writer);
	}
	ben_write_end(writer);
}

/* What surrounds the info dictionary. pieces_sha256 may be NULL: then there is no layer. */
struct surroundings {
	const uint8_t *info;
	size_t info_bytes;
	const uint8_t *sha256_root;
	const uint8_t *pieces_sha256;
	uint64_t pieces_count;
	const struct tracker_url *trackers;
	uint32_t trackers_count;
	const struct signature *signatures;
	uint32_t signatures_count;
};

static size_t write_file(const struct surroundings *file, uint8_t *bytes, size_t capacity)
{
	struct ben_writer writer;
	const struct ben info = {
		.type = BEN_DICT, .start = file->info, .end = file->info + file->info_bytes};

	ben_writer_init(&writer, bytes, capacity);
	ben_write_dict(&writer);
	write_trackers(&writer, file->trackers, file->trackers_count);
	ben_write_text(&writer, "info");
	ben_write_raw(&writer, &info);
	if (file->pieces_sha256 != NULL) {
		ben_write_text(&writer, "piece layers");
		ben_write_dict(&writer);
		if (file->pieces_count > 1) {
			ben_write_bytes(&writer, file->sha256_root, SHA256_BYTES);
			ben_write_bytes(&writer, file->pieces_sha256,
				(size_t)file->pieces_count * SHA256_BYTES);
		}
		ben_write_end(&writer);
	}
	if (file->signatures_count > 0) {
		ben_write_text(&writer, "signatures");
		signatures_write(&writer, file->signatures, file->signatures_count);
	}
	ben_write_end(&writer);
	return writer.overflow ? 0 : writer.used;
}

size_t metainfo_write(const struct metainfo_source *source, const uint8_t *info, size_t info_bytes,
	const struct tracker_url *trackers, uint32_t trackers_count,
	const struct signature *signatures, uint32_t signatures_count, uint8_t *bytes,
	size_t capacity)
{
	const struct surroundings file = {
		.info = info,
		.info_bytes = info_bytes,
		.sha256_root = source->sha256_root,
		.pieces_sha256 = source->pieces_sha256,
		.pieces_count = u64_div_up(source->length_bytes, source->piece_bytes),
		.trackers = trackers,
		.trackers_count = trackers_count,
		.signatures = signatures,
		.signatures_count = signatures_count,
	};

	return write_file(&file, bytes, capacity);
}

size_t metainfo_write_with_trackers(const struct metainfo *metainfo,
	const struct tracker_url *trackers, uint32_t trackers_count, uint8_t *bytes,
	size_t capacity)
{
	const struct surroundings file = {
		.info = metainfo->info,
		.info_bytes = metainfo->info_bytes,
		.sha256_root = metainfo->sha256_root,
		.pieces_sha256 = metainfo->pieces_sha256,
		.pieces_count = metainfo->pieces_count,
		.trackers = trackers,
		.trackers_count = trackers_count,
		.signatures = metainfo->signatures,
		.signatures_count = metainfo->signatures_count,
	};

	return write_file(&file, bytes, capacity);
}
