/* SPDX-License-Identifier: Apache-2.0 */
/* The one-pass merkle code against a plain full tree, for every small shape. */
#include "runtime/crypto.h"
#include "wire/merkle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define LEAVES_MAX 64

typedef uint8_t hash_t[SHA256_BYTES];

/* The definition: fill up with pad, then halve level by level. */
static void plain_root(hash_t root, hash_t *hashes, size_t count, size_t wanted, const hash_t pad)
{
	hash_t level[LEAVES_MAX];

	for (size_t i = 0; i < wanted; i++)
		memcpy(level[i], i < count ? hashes[i] : pad, SHA256_BYTES);
	for (; wanted > 1; wanted /= 2)
		for (size_t i = 0; i < wanted / 2; i++)
			crypto_digest_ops.sha256(level[i], level[2 * i], sizeof(hash_t) * 2);
	memcpy(root, level[0], SHA256_BYTES);
}

static void fill(hash_t *hashes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		memset(hashes[i], (int)(i + 1), SHA256_BYTES);
}

static void equals_a_plain_tree(void **state)
{
	hash_t hashes[LEAVES_MAX];
	hash_t pad;

	(void)state;
	fill(hashes, LEAVES_MAX);
	memset(pad, 0xa5, sizeof(pad));
	for (size_t wanted = 1; wanted <= LEAVES_MAX; wanted *= 2)
		for (size_t count = 0; count <= wanted; count++) {
			hash_t ours;
			hash_t plain;

			merkle_root(&crypto_digest_ops, ours, (const hash_t *)hashes, count, wanted,
				pad);
			plain_root(plain, hashes, count, wanted, pad);
			assert_memory_equal(ours, plain, SHA256_BYTES);
		}
}

/* A file's root is the same whether computed from its leaves or from its piece layer. */
static void pieces_add_up_to_the_file(void **state)
{
	static const size_t piece_sizes[] = {16384, 32768, 131072};
	static uint8_t file[LEAVES_MAX * 16384];
	hash_t zero = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(file); i++)
		file[i] = (uint8_t)(i * 31 + i / 16384);
	for (size_t p = 0; p < ARRAY_COUNT(piece_sizes); p++)
		for (size_t length = 16384 * 9 - 2; length <= 16384 * 20; length += 8191) {
			size_t piece_bytes = piece_sizes[p];
			hash_t scratch[8];
			hash_t layer[LEAVES_MAX];
			hash_t leaves[LEAVES_MAX];
			hash_t from_leaves;
			hash_t from_pieces;
			size_t pieces = 0;
			size_t leaf = 0;

			for (size_t at = 0; at < length; at += 16384)
				crypto_digest_ops.sha256(leaves[leaf++], file + at,
					(size_t)u64_min(16384, length - at));
			plain_root(from_leaves, leaves, leaf, leaf <= 16 ? 16 : 32, zero);
			for (size_t at = 0; at < length; at += piece_bytes)
				merkle_piece(&crypto_digest_ops, layer[pieces++], file + at,
					(size_t)u64_min(piece_bytes, length - at), piece_bytes,
					false, scratch);
			merkle_root_from_pieces(&crypto_digest_ops, from_pieces,
				(const hash_t *)layer, pieces, piece_bytes);
			assert_memory_equal(from_pieces, from_leaves, SHA256_BYTES);
		}
}

/* A file of one piece pads only to its own power of two. */
static void a_single_piece_is_its_own_root(void **state)
{
	static uint8_t file[65536];
	hash_t leaves[16];
	hash_t hash;
	hash_t plain;
	hash_t zero = {0};

	(void)state;
	memset(file, 7, sizeof(file));
	merkle_piece(&crypto_digest_ops, hash, file, 1000, 262144, true, leaves);
	crypto_digest_ops.sha256(plain, file, 1000);
	assert_memory_equal(hash, plain, SHA256_BYTES);
	merkle_piece(&crypto_digest_ops, hash, file, 40000, 262144, true, leaves);
	plain_root(plain, leaves, 3, 4, zero);
	assert_memory_equal(hash, plain, SHA256_BYTES);
	merkle_piece(&crypto_digest_ops, hash, file, 40000, 262144, false, leaves);
	plain_root(plain, leaves, 3, 16, zero);
	assert_memory_equal(hash, plain, SHA256_BYTES);
	merkle_piece(&crypto_digest_ops, hash, file, sizeof(file), sizeof(file), true, leaves);
	merkle_piece(&crypto_digest_ops, plain, file, sizeof(file), sizeof(file), false, leaves);
	assert_memory_equal(hash, plain, SHA256_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_a_plain_tree),
		cmocka_unit_test(pieces_add_up_to_the_file),
		cmocka_unit_test(a_single_piece_is_its_own_root),
	};

	return cmocka_run_group_tests_name("merkle", tests, NULL, NULL);
}
