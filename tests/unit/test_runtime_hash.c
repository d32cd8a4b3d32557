/* SPDX-License-Identifier: Apache-2.0 */
/* Piece verification run by run, against digests of the whole piece. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/rng.h"
#include "runtime/hash.h"
#include "wire/merkle.h"

#define PIECE_BYTES (128 * 1024)
#define LENGTH	    (3 * PIECE_BYTES + 5000)
#define PIECES	    4

struct image {
	uint8_t *bytes;
	uint8_t sha1[PIECES * SHA1_BYTES];
	uint8_t sha256[PIECES * SHA256_BYTES];
	struct metainfo metainfo;
};

/* Piece 0: random; 1: zeros, then random; 2: zeros; 3 (short): random after one block of zeros...
 * or all of it, as `last_zero` says. */
static void image_make(struct image *image, bool sha256, bool last_zero)
{
	uint8_t leaves[PIECE_BYTES / MERKLE_LEAF_BYTES][SHA256_BYTES];
	struct rng rng;

	rng_seed(&rng, 7);
	image->bytes = calloc(1, LENGTH);
	assert_non_null(image->bytes);
	image->metainfo = (struct metainfo){
		.length_bytes = LENGTH, .piece_bytes = PIECE_BYTES, .pieces_count = PIECES};
	for (size_t i = 0; i < LENGTH; i++)
		if (i < PIECE_BYTES || (i > 2 * PIECE_BYTES - 20000 && i < 2 * PIECE_BYTES) ||
			(i > 3 * PIECE_BYTES && !last_zero))
			image->bytes[i] = (uint8_t)rng_next(&rng);
	for (uint32_t piece = 0; piece < PIECES; piece++) {
		const uint8_t *bytes = image->bytes + piece * PIECE_BYTES;
		uint32_t bytes_count = metainfo_piece_length(&image->metainfo, piece);

		crypto_digest_ops.sha1(image->sha1 + piece * SHA1_BYTES, bytes, bytes_count);
		merkle_piece(&crypto_digest_ops, image->sha256 + piece * SHA256_BYTES, bytes,
			bytes_count, PIECE_BYTES, false, leaves);
	}
	image->metainfo.pieces_sha1 = image->sha1;
	image->metainfo.pieces_sha256 = sha256 ? image->sha256 : NULL;
}

static bool matches(struct piece_hasher *hasher, const struct image *image, uint32_t piece,
	const uint8_t *bytes, uint32_t run_bytes)
{
	uint32_t left_bytes = metainfo_piece_length(&image->metainfo, piece);

	piece_hasher_begin(hasher, piece);
	while (left_bytes > 0) {
		uint32_t now_bytes = (uint32_t)u64_min(left_bytes, run_bytes);

		piece_hasher_update(hasher, bytes, now_bytes);
		bytes += now_bytes;
		left_bytes -= now_bytes;
	}
	return piece_hasher_matches(hasher);
}

static void check_all(bool sha256)
{
	static const uint32_t runs[] = {16384, 3 * 16384, PIECE_BYTES};
	struct image image;

	image_make(&image, sha256, false);

	struct piece_hasher *hasher = piece_hasher_create(&image.metainfo);

	for (size_t i = 0; i < ARRAY_COUNT(runs); i++)
		for (uint32_t piece = 0; piece < PIECES; piece++) {
			uint8_t *bytes = image.bytes + piece * PIECE_BYTES;
			uint32_t last = metainfo_piece_length(&image.metainfo, piece) - 1;

			assert_true(matches(hasher, &image, piece, bytes, runs[i]));
			bytes[0] ^= 1;
			assert_false(matches(hasher, &image, piece, bytes, runs[i]));
			bytes[0] ^= 1;
			bytes[last] ^= 0x80;
			assert_false(matches(hasher, &image, piece, bytes, runs[i]));
			bytes[last] ^= 0x80;
		}
	piece_hasher_destroy(hasher);
	free(image.bytes);
}

static void pieces_match_their_sha256_in_runs_of_any_size(void **state)
{
	(void)state;
	check_all(true);
}

static void pieces_match_their_sha1_in_runs_of_any_size(void **state)
{
	(void)state;
	check_all(false);
}

static void check_zero_pieces(bool sha256, bool last_zero)
{
	uint64_t words[BITSET_WORDS(PIECES)];
	struct bitset zero_pieces;
	struct image image;

	image_make(&image, sha256, last_zero);
	bitset_init(&zero_pieces, words, PIECES);
	hash_find_zero_pieces(&image.metainfo, &zero_pieces);
	assert_false(bitset_has(&zero_pieces, 0));
	assert_false(bitset_has(&zero_pieces, 1));
	assert_true(bitset_has(&zero_pieces, 2));
	assert_int_equal(bitset_has(&zero_pieces, 3), last_zero);
	free(image.bytes);
}

static void zero_pieces_are_known_by_their_hash(void **state)
{
	(void)state;
	check_zero_pieces(true, false);
	check_zero_pieces(true, true);
	check_zero_pieces(false, false);
	check_zero_pieces(false, true);
}

static void a_single_short_piece_pads_to_its_own_size(void **state)
{
	uint8_t bytes[3 * MERKLE_LEAF_BYTES + 1];
	uint8_t leaves[64][SHA256_BYTES];
	uint8_t sha256[SHA256_BYTES];
	struct metainfo metainfo = {.length_bytes = sizeof(bytes),
		.piece_bytes = MIB,
		.pieces_count = 1,
		.pieces_sha256 = sha256};
	struct piece_hasher *hasher = piece_hasher_create(&metainfo);

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	merkle_piece(&crypto_digest_ops, sha256, bytes, sizeof(bytes), MIB, true, leaves);
	piece_hasher_begin(hasher, 0);
	piece_hasher_update(hasher, bytes, sizeof(bytes));
	assert_true(piece_hasher_matches(hasher));
	piece_hasher_destroy(hasher);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_match_their_sha256_in_runs_of_any_size),
		cmocka_unit_test(pieces_match_their_sha1_in_runs_of_any_size),
		cmocka_unit_test(zero_pieces_are_known_by_their_hash),
		cmocka_unit_test(a_single_short_piece_pads_to_its_own_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
