/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metainfo as the wire room writes and reads it, for conformance tests:
 *
 *   metainfo_tool write FILE PIECE_BYTES OUT [TRACKER...]   each tracker is a tier
 *   metainfo_tool show TORRENT                              what the parser found, key=value lines
 *   metainfo_tool check TORRENT FILE                        every hash against the file's bytes
 */
#include "runtime/crypto.h"
#include "wire/merkle.h"

#include <stdio.h>
#include <stdlib.h>

static const struct digest_ops *const digest = &crypto_digest_ops;

struct content {
	uint8_t *bytes;
	size_t bytes_count;
};

static void *must_allocate(size_t bytes_count)
{
	void *memory = malloc(bytes_count == 0 ? 1 : bytes_count);

	if (memory == NULL) {
		fprintf(stderr, "metainfo_tool: out of memory\n");
		exit(2);
	}
	return memory;
}

static struct content read_file(const char *path)
{
	struct content content = {0};
	FILE *file = fopen(path, "rb");

	if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
		perror(path);
		exit(2);
	}
	content.bytes_count = (size_t)ftell(file);
	rewind(file);
	content.bytes = must_allocate(content.bytes_count);
	if (fread(content.bytes, 1, content.bytes_count, file) != content.bytes_count ||
		fclose(file) != 0) {
		perror(path);
		exit(2);
	}
	return content;
}

/* SHA-256 of piece number `piece`, as BEP 52 wants it. */
static void hash_piece(uint8_t hash[static SHA256_BYTES], const struct content *content,
	size_t piece_bytes, size_t piece, uint8_t (*leaves)[SHA256_BYTES])
{
	size_t at = piece * piece_bytes;

	merkle_piece(digest, hash, content->bytes + at,
		(size_t)u64_min(piece_bytes, content->bytes_count - at), piece_bytes,
		content->bytes_count <= piece_bytes, leaves);
}

static int write_metainfo(int count, char **arguments)
{
	struct content content = read_file(arguments[0]);
	size_t piece_bytes = strtoul(arguments[1], NULL, 10);
	size_t pieces = (size_t)u64_div_up(content.bytes_count, piece_bytes);
	uint8_t(*sha1)[SHA1_BYTES] = must_allocate(pieces * SHA1_BYTES);
	uint8_t(*sha256)[SHA256_BYTES] = must_allocate(pieces * SHA256_BYTES);
	uint8_t(*leaves)[SHA256_BYTES] = must_allocate(piece_bytes);
	struct tracker_url trackers[METAINFO_TRACKERS_MAX] = {0};
	uint32_t trackers_count = 0;
	const char *slash = strrchr(arguments[0], '/');
	struct metainfo_source source = {.name = slash == NULL ? arguments[0] : slash + 1,
		.length_bytes = content.bytes_count,
		.piece_bytes = (uint32_t)piece_bytes,
		.pieces_sha1 = sha1[0],
		.pieces_sha256 = sha256[0],
		.sector_bytes = 512,
		.created_unix_s = 1700000000,
		.generation = 1};

	for (size_t i = 0; i < pieces; i++) {
		size_t at = i * piece_bytes;

		digest->sha1(sha1[i], content.bytes + at,
			(size_t)u64_min(piece_bytes, content.bytes_count - at));
		hash_piece(sha256[i], &content, piece_bytes, i, leaves);
	}
	merkle_root_from_pieces(digest, source.sha256_root, (const uint8_t(*)[SHA256_BYTES])sha256,
		pieces, piece_bytes);
	for (int i = 3; i < count && trackers_count < METAINFO_TRACKERS_MAX; i++) {
		snprintf(trackers[trackers_count].url, METAINFO_URL_MAX, "%s", arguments[i]);
		trackers[trackers_count].tier = trackers_count;
		trackers_count++;
	}
	size_t capacity = metainfo_bytes_max((uint32_t)pieces);
	uint8_t *info = must_allocate(capacity);
	uint8_t *bytes = must_allocate(capacity);
	size_t info_bytes = metainfo_write_info(&source, info, capacity);
	struct signature signature = {0};
	size_t bytes_count = metainfo_write(&source, info, info_bytes, trackers, trackers_count,
		&signature, 1, bytes, capacity);
	FILE *file = fopen(arguments[2], "wb");

	if (info_bytes == 0 || bytes_count == 0 || file == NULL ||
		fwrite(bytes, 1, bytes_count, file) != bytes_count || fclose(file) != 0) {
		fprintf(stderr, "metainfo_tool: cannot write %s\n", arguments[2]);
		return 2;
	}
	free(sha1);
	free(sha256);
	free(leaves);
	free(info);
	free(bytes);
	free(content.bytes);
	return 0;
}

static void print_hex(const char *key, const uint8_t *bytes, size_t bytes_count)
{
	char hex[2 * SHA256_BYTES + 1];

	hex_write(hex, bytes, bytes_count);
	printf("%s=%s\n", key, hex);
}

static bool parse(struct metainfo *metainfo, const struct content *content)
{
	struct failure failure;

	if (metainfo_parse(metainfo, content->bytes, content->bytes_count, digest, &failure))
		return true;
	printf("error=%s\ntext=%s\n", error_name(failure.error), failure.text);
	return false;
}

static int show(const char *path)
{
	struct content content = read_file(path);
	struct metainfo metainfo;
	bool good = parse(&metainfo, &content);

	if (good) {
		print_hex("infohash", metainfo.infohash, SHA1_BYTES);
		print_hex("infohash_v2", metainfo.infohash_v2, SHA256_BYTES);
		print_hex("swarm_hash", metainfo_swarm_hash(&metainfo), SHA1_BYTES);
		print_hex("sha256_root", metainfo.sha256_root, SHA256_BYTES);
		printf("has_v1=%d\nhas_v2=%d\n", metainfo.has_v1, metainfo.has_v2);
		printf("has_sha256=%d\n", metainfo.pieces_sha256 != NULL);
		printf("name=%s\nlength=%llu\n", metainfo.name,
			(unsigned long long)metainfo.length_bytes);
		printf("piece_bytes=%u\npieces=%u\n", metainfo.piece_bytes, metainfo.pieces_count);
		for (uint32_t i = 0; i < metainfo.trackers_count; i++)
			printf("tracker%u=%u %s\n", i, metainfo.trackers[i].tier,
				metainfo.trackers[i].url);
	}
	free(content.bytes);
	return good ? 0 : 1;
}

static int check(const char *torrent_path, const char *file_path)
{
	struct content torrent = read_file(torrent_path);
	struct content file = read_file(file_path);
	struct metainfo metainfo;
	int wrong = 0;

	if (!parse(&metainfo, &torrent) || metainfo.length_bytes != file.bytes_count)
		return 1;
	uint8_t(*leaves)[SHA256_BYTES] = must_allocate(metainfo.piece_bytes);
	uint8_t(*layer)[SHA256_BYTES] = must_allocate((size_t)metainfo.pieces_count * SHA256_BYTES);
	uint8_t root[SHA256_BYTES];

	for (uint32_t i = 0; i < metainfo.pieces_count; i++) {
		uint8_t sha1[SHA1_BYTES];
		size_t at = (size_t)i * metainfo.piece_bytes;

		digest->sha1(sha1, file.bytes + at, metainfo_piece_length(&metainfo, i));
		if (metainfo.pieces_sha1 != NULL)
			wrong += memcmp(sha1, metainfo.pieces_sha1 + i * SHA1_BYTES, SHA1_BYTES) !=
				 0;
		if (metainfo.pieces_sha256 == NULL)
			continue;
		hash_piece(layer[i], &file, metainfo.piece_bytes, i, leaves);
		wrong += memcmp(layer[i], metainfo.pieces_sha256 + i * SHA256_BYTES,
				 SHA256_BYTES) != 0;
	}
	if (metainfo.pieces_sha256 != NULL) {
		merkle_root_from_pieces(digest, root, (const uint8_t(*)[SHA256_BYTES])layer,
			metainfo.pieces_count, metainfo.piece_bytes);
		wrong += memcmp(root, metainfo.sha256_root, SHA256_BYTES) != 0;
	}
	printf("wrong=%d\n", wrong);
	free(leaves);
	free(layer);
	free(torrent.bytes);
	free(file.bytes);
	return wrong == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc >= 5 && strcmp(argv[1], "write") == 0)
		return write_metainfo(argc - 2, argv + 2);
	if (argc == 3 && strcmp(argv[1], "show") == 0)
		return show(argv[2]);
	if (argc == 4 && strcmp(argv[1], "check") == 0)
		return check(argv[2], argv[3]);
	fprintf(stderr, "usage: metainfo_tool write FILE PIECE_BYTES OUT [TRACKER...] | "
			"show TORRENT | check TORRENT FILE\n");
	return 2;
}
