/* SPDX-License-Identifier: Apache-2.0 */
/* Metainfo: written, read back, cut, bent; and foreign files as far as they serve. */
#include "runtime/crypto.h"
#include "wire/merkle.h"
#include "wire/metainfo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define PIECES_MAX 9
#define FILE_MAX   (32 * 1024)

struct sample {
	uint8_t sha1[PIECES_MAX][SHA1_BYTES];
	uint8_t sha256[PIECES_MAX][SHA256_BYTES];
	struct metainfo_source source;
	struct tracker_url trackers[4];
	struct signature signatures[2];
	uint8_t info[FILE_MAX];
	size_t info_bytes;
	uint8_t file[FILE_MAX];
	size_t file_bytes;
};

static struct sample sample;

static void make_sample(uint64_t length_bytes)
{
	uint32_t pieces = (uint32_t)u64_div_up(length_bytes, MIB);

	memset(&sample, 0, sizeof(sample));
	memset(sample.sha1, 0x11, sizeof(sample.sha1));
	for (size_t i = 0; i < PIECES_MAX; i++)
		memset(sample.sha256[i], (int)i + 1, SHA256_BYTES);
	sample.source = (struct metainfo_source){.name = "disk image.raw",
		.length_bytes = length_bytes,
		.piece_bytes = MIB,
		.pieces_sha1 = sample.sha1[0],
		.pieces_sha256 = sample.sha256[0],
		.sector_bytes = 512,
		.created_unix_s = 1700000000,
		.generation = 3};
	merkle_root_from_pieces(&crypto_digest_ops, sample.source.sha256_root,
		(const uint8_t(*)[SHA256_BYTES])sample.sha256, pieces, MIB);
	strcpy(sample.trackers[0].url, "udp://[fd00::1]:6969");
	sample.trackers[0].tier = 7;
	strcpy(sample.trackers[1].url, "http://10.0.0.1:8080/announce");
	strcpy(sample.trackers[2].url, "http://10.0.0.2:8080/announce");
	sample.trackers[2].tier = 7;
	memset(sample.signatures, 0x5a, sizeof(sample.signatures));
	sample.info_bytes = metainfo_write_info(&sample.source, sample.info, FILE_MAX);
	assert_true(sample.info_bytes > 0);
	sample.file_bytes = metainfo_write(&sample.source, sample.info, sample.info_bytes,
		sample.trackers, 3, sample.signatures, 2, sample.file, FILE_MAX);
	assert_true(sample.file_bytes > 0);
	assert_true(sample.file_bytes <= metainfo_bytes_max(pieces));
}

static enum error parse(struct metainfo *metainfo, const uint8_t *bytes, size_t bytes_count)
{
	struct failure failure = {.error = ERROR_NONE};
	uint8_t *copy = malloc(bytes_count == 0 ? 1 : bytes_count);

	assert_non_null(copy);
	memcpy(copy, bytes, bytes_count);
	bool good = metainfo_parse(metainfo, copy, bytes_count, &crypto_digest_ops, &failure);
	free(copy); /* a borrowed pointer that is used now is seen by the sanitizer */
	assert_int_equal(good, failure.error == ERROR_NONE);
	assert_true(good || failure.text[0] != '\0');
	return failure.error;
}

static enum error parse_text(const char *text)
{
	struct metainfo metainfo;

	return parse(&metainfo, (const uint8_t *)text, strlen(text));
}

static void check_sample(const struct metainfo *metainfo, uint32_t pieces)
{
	uint8_t digest[SHA256_BYTES];

	assert_int_equal(metainfo->info_bytes, sample.info_bytes);
	assert_memory_equal(metainfo->info, sample.info, sample.info_bytes);
	crypto_digest_ops.sha1(digest, sample.info, sample.info_bytes);
	assert_memory_equal(metainfo->infohash, digest, SHA1_BYTES);
	assert_ptr_equal(metainfo_swarm_hash(metainfo), metainfo->infohash);
	crypto_digest_ops.sha256(digest, sample.info, sample.info_bytes);
	assert_memory_equal(metainfo->infohash_v2, digest, SHA256_BYTES);
	assert_true(metainfo->has_v1 && !metainfo->has_v2);
	assert_string_equal(metainfo->name, "disk image.raw");
	assert_int_equal(metainfo->length_bytes, sample.source.length_bytes);
	assert_int_equal(metainfo->piece_bytes, MIB);
	assert_int_equal(metainfo->pieces_count, pieces);
	assert_memory_equal(metainfo->pieces_sha1, sample.sha1, pieces * SHA1_BYTES);
	assert_memory_equal(metainfo->pieces_sha256, sample.sha256, pieces * SHA256_BYTES);
	assert_memory_equal(metainfo->sha256_root, sample.source.sha256_root, SHA256_BYTES);
	assert_int_equal(metainfo->sector_bytes, 512);
	assert_int_equal(metainfo->created_unix_s, 1700000000);
	assert_int_equal(metainfo->generation, 3);
	assert_int_equal(metainfo->signatures_count, 2);
	assert_memory_equal(metainfo->signatures, sample.signatures, 2 * sizeof(struct signature));
}

static void round_trip(void **state)
{
	static const uint64_t lengths[] = {1, 512, MIB - 1, MIB, MIB + 1, 2 * MIB, 9 * MIB - 512};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
		struct metainfo metainfo;
		struct metainfo again;
		struct failure failure;
		uint8_t file[FILE_MAX];
		uint32_t pieces = (uint32_t)u64_div_up(lengths[i], MIB);

		make_sample(lengths[i]);
		assert_true(metainfo_parse(
			&metainfo, sample.file, sample.file_bytes, &crypto_digest_ops, &failure));
		check_sample(&metainfo, pieces);
		assert_int_equal(
			metainfo_piece_length(&metainfo, pieces - 1), (lengths[i] - 1) % MIB + 1);
		assert_int_equal(metainfo.trackers_count, 3);
		assert_string_equal(metainfo.trackers[0].url, sample.trackers[1].url);
		assert_int_equal(metainfo.trackers[0].tier, 0);
		assert_string_equal(metainfo.trackers[1].url, sample.trackers[0].url);
		assert_int_equal(metainfo.trackers[1].tier, 1);
		assert_int_equal(metainfo.trackers[2].tier, 1);
		size_t file_bytes =
			metainfo_write_with_trackers(&metainfo, sample.trackers, 1, file, FILE_MAX);

		assert_true(metainfo_parse(&again, file, file_bytes, &crypto_digest_ops, &failure));
		check_sample(&again, pieces);
		assert_int_equal(again.trackers_count, 1);
		file_bytes = metainfo_write_with_trackers(&metainfo, NULL, 0, file, FILE_MAX);
		assert_true(metainfo_parse(&again, file, file_bytes, &crypto_digest_ops, &failure));
		check_sample(&again, pieces);
		assert_int_equal(again.trackers_count, 0);
	}
}

static void private_is_said_and_read(void **state)
{
	struct metainfo metainfo;
	struct failure failure;

	(void)state;
	make_sample(3 * MIB);
	assert_true(metainfo_parse(
		&metainfo, sample.file, sample.file_bytes, &crypto_digest_ops, &failure));
	assert_false(metainfo.is_private);
	sample.source.is_private = true;
	sample.info_bytes = metainfo_write_info(&sample.source, sample.info, FILE_MAX);
	sample.file_bytes = metainfo_write(&sample.source, sample.info, sample.info_bytes,
		sample.trackers, 3, sample.signatures, 2, sample.file, FILE_MAX);
	assert_true(metainfo_parse(
		&metainfo, sample.file, sample.file_bytes, &crypto_digest_ops, &failure));
	assert_true(metainfo.is_private);
	check_sample(&metainfo, 3);
}

static void writers_need_their_room(void **state)
{
	(void)state;
	make_sample(3 * MIB);
	for (size_t capacity = 0; capacity < sample.file_bytes; capacity++) {
		uint8_t *exact = malloc(capacity == 0 ? 1 : capacity);

		assert_non_null(exact);
		if (capacity < sample.info_bytes)
			assert_int_equal(metainfo_write_info(&sample.source, exact, capacity), 0);
		assert_int_equal(metainfo_write(&sample.source, sample.info, sample.info_bytes,
					 sample.trackers, 3, sample.signatures, 2, exact, capacity),
			0);
		free(exact);
	}
}

/* The longest name, as many and as long trackers and as many signatures as there may be. */
static void largest_fits_the_promised_size(void **state)
{
	static struct tracker_url trackers[METAINFO_TRACKERS_MAX];
	static struct signature signatures[SIGNATURES_MAX];
	char name[METAINFO_NAME_MAX] = "";
	struct metainfo metainfo;

	(void)state;
	make_sample(1);
	memset(name, 'n', sizeof(name) - 1);
	sample.source.name = name;
	sample.source.length_bytes = MIB;
	sample.source.created_unix_s = sample.source.generation = UINT64_MAX;
	for (uint32_t i = 0; i < METAINFO_TRACKERS_MAX; i++) {
		memset(trackers[i].url, 'u', METAINFO_URL_MAX - 1);
		memcpy(trackers[i].url, "http://", 7);
		trackers[i].tier = UINT32_MAX - i;
	}
	size_t capacity = metainfo_bytes_max(1);

	sample.info_bytes = metainfo_write_info(&sample.source, sample.info, capacity);
	sample.file_bytes = metainfo_write(&sample.source, sample.info, sample.info_bytes, trackers,
		METAINFO_TRACKERS_MAX, signatures, SIGNATURES_MAX, sample.file, capacity);
	assert_int_equal(parse(&metainfo, sample.file, sample.file_bytes), ERROR_NONE);
	assert_string_equal(metainfo.name, name);
	assert_int_equal(metainfo.trackers_count, METAINFO_TRACKERS_MAX);
	assert_string_equal(metainfo.trackers[31].url, trackers[0].url);
	assert_int_equal(metainfo.trackers[31].tier, 31);
	assert_int_equal(metainfo.signatures_count, SIGNATURES_MAX);
	assert_int_equal(metainfo.generation, UINT64_MAX);
}

static void every_truncation_is_refused(void **state)
{
	struct metainfo metainfo;

	(void)state;
	make_sample(3 * MIB);
	for (size_t cut = 0; cut < sample.file_bytes; cut++)
		assert_int_equal(parse(&metainfo, sample.file, cut), ERROR_FORMAT);
	sample.file[sample.file_bytes] = 'x';
	assert_int_equal(parse(&metainfo, sample.file, sample.file_bytes + 1), ERROR_FORMAT);
}

/* Bend every bit: whatever is still accepted has either another infohash or the same promises. */
static void every_bent_bit_shows(void **state)
{
	struct metainfo good;
	struct metainfo bent;

	(void)state;
	make_sample(3 * MIB);
	assert_int_equal(parse(&good, sample.file, sample.file_bytes), ERROR_NONE);
	for (size_t bit = 0; bit < sample.file_bytes * 8; bit++) {
		sample.file[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (parse(&bent, sample.file, sample.file_bytes) == ERROR_NONE &&
			memcmp(bent.infohash, good.infohash, SHA1_BYTES) == 0) {
			assert_non_null(bent.pieces_sha256);
			assert_memory_equal(bent.sha256_root, good.sha256_root, SHA256_BYTES);
			assert_int_equal(bent.length_bytes, good.length_bytes);
		}
		sample.file[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void the_layer_must_be_there_and_match(void **state)
{
	struct metainfo metainfo;

	(void)state;
	make_sample(3 * MIB);
	sample.sha256[2][5] ^= 1;
	size_t bytes_count = metainfo_write(&sample.source, sample.info, sample.info_bytes, NULL, 0,
		NULL, 0, sample.file, FILE_MAX);

	assert_int_equal(parse(&metainfo, sample.file, bytes_count), ERROR_DIGEST_MISMATCH);
	sample.source.pieces_sha256 = NULL;
	bytes_count = metainfo_write(&sample.source, sample.info, sample.info_bytes, NULL, 0, NULL,
		0, sample.file, FILE_MAX);
	assert_int_equal(parse(&metainfo, sample.file, bytes_count), ERROR_FORMAT);
}

/* d 4:info d <middle> e e around what a case is about. */
static enum error parse_info(const char *middle)
{
	char text[2048];

	snprintf(text, sizeof(text), "d4:infod%see", middle);
	return parse_text(text);
}

#define SHA1_TEXT   "aaaaaaaaaaaaaaaaaaaa"
#define SHA256_TEXT "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr"
#define PIECES_1    "6:pieces20:" SHA1_TEXT
#define PIECES_2    "6:pieces40:" SHA1_TEXT SHA1_TEXT
#define PLAIN_HEAD  "6:lengthi16385e4:name1:n12:piece lengthi16384e"

static void foreign_version_1_files_serve(void **state)
{
	struct metainfo metainfo;
	static const char text[] =
		"d7:comment2:hi4:infod6:md5sum2:xx" PLAIN_HEAD PIECES_2 "7:privatei1eee";

	(void)state;
	assert_int_equal(parse(&metainfo, (const uint8_t *)text, sizeof(text) - 1), ERROR_NONE);
	assert_true(metainfo.has_v1 && !metainfo.has_v2);
	assert_null(metainfo.pieces_sha256);
	assert_int_equal(metainfo.sector_bytes, 0);
	assert_int_equal(metainfo.trackers_count, 0);
	assert_int_equal(metainfo.pieces_count, 2);
	/* Any order of keys; the first of equal ones counts. */
	assert_int_equal(
		parse_info(PIECES_2 "12:piece lengthi16384e4:name1:n6:lengthi16385e"), ERROR_NONE);
	assert_int_equal(parse_info(PLAIN_HEAD PIECES_2 PIECES_1), ERROR_NONE);
	assert_int_equal(parse_info(PLAIN_HEAD PIECES_1 PIECES_2), ERROR_FORMAT);
	/* 48 KiB: a foreign piece length that is no power of two. */
	assert_int_equal(
		parse_info("6:lengthi5e4:name1:n12:piece lengthi49152e" PIECES_1), ERROR_NONE);
}

static void inconsistent_files_are_refused(void **state)
{
	static const struct {
		const char *info;
		enum error error;
	} cases[] = {
		{"", ERROR_FORMAT}, {PLAIN_HEAD, ERROR_FORMAT}, {PLAIN_HEAD PIECES_1, ERROR_FORMAT},
		{PLAIN_HEAD "6:piecesi1e", ERROR_FORMAT}, {PLAIN_HEAD "6:pieces0:", ERROR_FORMAT},
		{PLAIN_HEAD "5:filesle" PIECES_2, ERROR_UNSUPPORTED},
		{PLAIN_HEAD "12:meta versioni3e" PIECES_2, ERROR_UNSUPPORTED},
		{PLAIN_HEAD "12:meta version1:2" PIECES_2, ERROR_UNSUPPORTED},
		{PLAIN_HEAD "12:meta versioni2e" PIECES_2, ERROR_FORMAT},
		{"6:lengthi0e4:name1:n12:piece lengthi16384e6:pieces0:", ERROR_UNSUPPORTED},
		{"6:lengthi-1e4:name1:n12:piece lengthi16384e" PIECES_1, ERROR_FORMAT},
		{"6:length1:14:name1:n12:piece lengthi16384e" PIECES_1, ERROR_FORMAT},
		{"6:lengthi1e4:name1:n12:piece lengthi0e" PIECES_1, ERROR_FORMAT},
		{"6:lengthi1e4:name1:n12:piece lengthi-16384e" PIECES_1, ERROR_FORMAT},
		{"6:lengthi1e4:name1:n12:piece lengthi16383e" PIECES_1, ERROR_UNSUPPORTED},
		{"6:lengthi1e4:name1:n12:piece lengthi67125248e" PIECES_1, ERROR_LIMIT},
		{"6:lengthi1e4:name1:n12:piece lengthi18446744073709535232e" PIECES_1, ERROR_LIMIT},
		{"6:lengthi18446744073709551615e4:name1:n12:piece lengthi16384e" PIECES_1,
			ERROR_LIMIT},
		{"6:lengthi18446744073709551616e4:name1:n12:piece lengthi16384e" PIECES_1,
			ERROR_FORMAT},
		{"6:lengthi1e4:name0:12:piece lengthi16384e" PIECES_1, ERROR_FORMAT},
		{"6:lengthi1e4:name1:.12:piece lengthi16384e" PIECES_1, ERROR_FORMAT},
		{"6:lengthi1e4:name2:..12:piece lengthi16384e" PIECES_1, ERROR_FORMAT},
		{"6:lengthi1e4:name3:a/b12:piece lengthi16384e" PIECES_1, ERROR_FORMAT},
		{"6:lengthi1e4:name3:a\033b12:piece lengthi16384e" PIECES_1, ERROR_FORMAT},
		{"6:lengthi1e4:namei1e12:piece lengthi16384e" PIECES_1, ERROR_FORMAT},
		{PLAIN_HEAD PIECES_2 "9:swarmbooti1e", ERROR_FORMAT},
		{PLAIN_HEAD PIECES_2 "9:swarmbootde", ERROR_FORMAT},
		{PLAIN_HEAD PIECES_2 "9:swarmbootd7:createdi1e10:generationi1ee", ERROR_FORMAT},
		{PLAIN_HEAD PIECES_2 "9:swarmbootd7:createdi1e10:generationi1e"
				     "11:sha256 root32:" SHA256_TEXT "e",
			ERROR_FORMAT}, /* no layer */
		{PLAIN_HEAD PIECES_2 "9:swarmbootd7:createdi1e10:generationi1e"
				     "11:sector sizei511e11:sha256 root32:" SHA256_TEXT "e",
			ERROR_FORMAT},
		{"6:lengthi5e4:name1:n12:piece lengthi49152e" PIECES_1
		 "9:swarmbootd7:createdi1e10:generationi1e11:sha256 root32:" SHA256_TEXT "e",
			ERROR_FORMAT}, /* 48 KiB with a merkle root */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		if (parse_info(cases[i].info) != cases[i].error)
			fail_msg("case %zu: error %s: %s", i, error_name(parse_info(cases[i].info)),
				cases[i].info);
	assert_int_equal(parse_text("de"), ERROR_FORMAT);
	assert_int_equal(parse_text("le"), ERROR_FORMAT);
	assert_int_equal(parse_text("d4:info2:dee"), ERROR_FORMAT);
}

#define V2_HEAD(tree)	"9:file treed" tree "e12:meta versioni2e4:name1:n12:piece lengthi16384e"
#define V2_FILE(length) "1:nd0:d6:lengthi" length "e11:pieces root32:" SHA256_TEXT "ee"

static void version_2_files(void **state)
{
	static const struct {
		const char *info;
		enum error error;
	} cases[] = {
		{V2_HEAD(V2_FILE("100")), ERROR_NONE},
		{V2_HEAD(V2_FILE("100")) "6:lengthi100e" PIECES_1, ERROR_NONE},
		{V2_HEAD(V2_FILE("100")) "6:lengthi101e" PIECES_1, ERROR_FORMAT},
		{V2_HEAD(V2_FILE("16385")), ERROR_UNSUPPORTED}, /* no layer, no SHA-1 */
		{V2_HEAD(V2_FILE("16385")) PIECES_2, ERROR_NONE},
		{V2_HEAD(V2_FILE("0")), ERROR_UNSUPPORTED},
		{V2_HEAD("1:nd0:d6:lengthi100eee"), ERROR_FORMAT},
		{V2_HEAD("1:nd0:d6:lengthi0eee"), ERROR_UNSUPPORTED},
		{V2_HEAD(V2_FILE("100") "1:o"
					"d0:d6:lengthi0eee"),
			ERROR_UNSUPPORTED},
		{V2_HEAD("1:nd" V2_FILE("100") "e"), ERROR_UNSUPPORTED},
		{V2_HEAD("1:nde"), ERROR_FORMAT},
		{V2_HEAD(""), ERROR_FORMAT},
		{V2_HEAD("1:ni1e"), ERROR_FORMAT},
		{V2_HEAD(V2_FILE("100")) "9:swarmbootd7:createdi1e10:generationi1e11:sha256 "
					 "root32:" SHA256_TEXT "e",
			ERROR_NONE},
		{V2_HEAD(V2_FILE("100")) "9:swarmbootd7:createdi1e10:generationi1e"
					 "11:sha256 root32:xrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrre",
			ERROR_FORMAT},
	};
	struct metainfo metainfo;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		if (parse_info(cases[i].info) != cases[i].error)
			fail_msg("case %zu: error %s: %s", i, error_name(parse_info(cases[i].info)),
				cases[i].info);
	static const char text[] = "d4:infod" V2_HEAD(V2_FILE("100")) "ee";

	assert_int_equal(parse(&metainfo, (const uint8_t *)text, sizeof(text) - 1), ERROR_NONE);
	assert_true(metainfo.has_v2 && !metainfo.has_v1);
	assert_ptr_equal(metainfo_swarm_hash(&metainfo), metainfo.infohash_v2);
	assert_memory_equal(metainfo.sha256_root, SHA256_TEXT, SHA256_BYTES);
}

static void trackers_and_signatures_of_foreign_files(void **state)
{
	static const char text[] =
		"d8:announce13:http://main/a13:announce-list"
		"l"
		"le"
		"l9:wss://x/ae"
		"i1e"
		"l11:udp://a:1/ai7e6:udp://e"
		"l7:http://e"
		"l12:http://b c/ae"
		"l10:https://ccee"
		"4:infod" PLAIN_HEAD PIECES_2 "e"
		"10:signaturesli1ed3:key1:x9:signature1:yed3:key32:" SHA256_TEXT "eee";
	struct metainfo metainfo;

	(void)state;
	assert_int_equal(parse(&metainfo, (const uint8_t *)text, sizeof(text) - 1), ERROR_NONE);
	assert_int_equal(metainfo.trackers_count, 2);
	assert_string_equal(metainfo.trackers[0].url, "udp://a:1/a");
	assert_int_equal(metainfo.trackers[0].tier, 0);
	assert_string_equal(metainfo.trackers[1].url, "https://cc");
	assert_int_equal(metainfo.trackers[1].tier, 1);
	assert_int_equal(metainfo.signatures_count, 0);
	/* BEP 35 has a dictionary there; an announce-list without use falls back to announce. */
	static const char other[] =
		"d8:announce9:udp://a:113:announce-listle4:infod" PLAIN_HEAD PIECES_2
		"e10:signaturesd1:ad11:certificate1:xeee";

	assert_int_equal(parse(&metainfo, (const uint8_t *)other, sizeof(other) - 1), ERROR_NONE);
	assert_int_equal(metainfo.trackers_count, 1);
	assert_int_equal(metainfo.signatures_count, 0);
}

static void hashes_are_kept_alone(void **state)
{
	static const uint64_t lengths[] = {1, 3 * MIB + 1};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
		struct metainfo metainfo;
		struct failure failure;

		make_sample(lengths[i]);
		uint8_t *bytes = malloc(sample.file_bytes);

		assert_non_null(bytes);
		memcpy(bytes, sample.file, sample.file_bytes);
		assert_true(metainfo_parse(
			&metainfo, bytes, sample.file_bytes, &crypto_digest_ops, &failure));
		assert_int_equal(metainfo_keep_hashes(&metainfo, bytes),
			metainfo.pieces_count * SHA256_BYTES);
		assert_ptr_equal(metainfo.pieces_sha256, bytes);
		assert_memory_equal(bytes, sample.sha256, metainfo.pieces_count * SHA256_BYTES);
		assert_null(metainfo.pieces_sha1);
		assert_null(metainfo.info);
		assert_true(metainfo.has_v1);
		free(bytes);
	}
}

static void default_piece_sizes(void **state)
{
	(void)state;
	assert_int_equal(metainfo_default_piece_bytes(0), MIB);
	assert_int_equal(metainfo_default_piece_bytes(1), MIB);
	assert_int_equal(metainfo_default_piece_bytes(16 * GIB), MIB);
	assert_int_equal(metainfo_default_piece_bytes(16 * GIB + 1), 2 * MIB);
	assert_int_equal(metainfo_default_piece_bytes(UINT64_C(50000000000)), 4 * MIB);
	assert_int_equal(metainfo_default_piece_bytes(2 * TIB), 8 * MIB);
	assert_int_equal(metainfo_default_piece_bytes(UINT64_MAX), 8 * MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(private_is_said_and_read),
		cmocka_unit_test(writers_need_their_room),
		cmocka_unit_test(largest_fits_the_promised_size),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(every_bent_bit_shows),
		cmocka_unit_test(the_layer_must_be_there_and_match),
		cmocka_unit_test(foreign_version_1_files_serve),
		cmocka_unit_test(inconsistent_files_are_refused),
		cmocka_unit_test(version_2_files),
		cmocka_unit_test(trackers_and_signatures_of_foreign_files),
		cmocka_unit_test(hashes_are_kept_alone),
		cmocka_unit_test(default_piece_sizes),
	};

	return cmocka_run_group_tests_name("metainfo", tests, NULL, NULL);
}
