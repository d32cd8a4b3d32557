/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Piece verification. A run of zeros at a piece's beginning is only counted, and hashed once
 * something else follows: a blank disk is assessed at the speed of reading.
 */
#include "runtime/hash.h"

#include <pthread.h>

#include "runtime/memory.h"
#include "wire/merkle.h"

static const uint8_t zeros[MERKLE_LEAF_BYTES];

struct piece_hasher {
	struct piece_hasher *next_idle;
	const struct metainfo *metainfo;
	uint32_t piece;
	uint64_t zero_bytes; /* so far all were, and none of them is hashed yet */
	bool only_zeros;
	bool was_zeros; /* to the end of the piece */
	uint32_t leaves_count;
	uint8_t (*leaves)[SHA256_BYTES];
	struct crypto_digest *sha1; /* when there is no SHA-256 */
	uint8_t zero_leaf[SHA256_BYTES];
};

struct hasher_pool {
	const struct metainfo *metainfo;
	pthread_mutex_t mutex;
	struct piece_hasher *idle;
};

struct piece_hasher *piece_hasher_create(const struct metainfo *metainfo)
{
	struct piece_hasher *hasher = memory_allocate(1, sizeof(*hasher));

	hasher->metainfo = metainfo;
	if (metainfo->pieces_sha256 != NULL) {
		size_t leaves_max = u64_div_up(metainfo->piece_bytes, MERKLE_LEAF_BYTES);

		hasher->leaves = memory_allocate(leaves_max, SHA256_BYTES);
		crypto_digest_ops.sha256(hasher->zero_leaf, zeros, sizeof(zeros));
	} else {
		hasher->sha1 = crypto_digest_create(false);
		if (hasher->sha1 == NULL)
			memory_exhausted(0);
	}
	return hasher;
}

struct piece_hasher *piece_hasher_destroy(struct piece_hasher *hasher)
{
	if (hasher == NULL)
		return NULL;
	crypto_digest_destroy(hasher->sha1);
	free(hasher->leaves);
	free(hasher);
	return NULL;
}

void piece_hasher_begin(struct piece_hasher *hasher, uint32_t piece)
{
	uint8_t unused[SHA1_BYTES];

	hasher->piece = piece;
	hasher->zero_bytes = 0;
	hasher->only_zeros = true;
	hasher->leaves_count = 0;
	if (hasher->sha1 != NULL)
		crypto_digest_final(hasher->sha1, unused);
}

/* Whole leaves, but for the piece's last one. */
static void digest_run(struct piece_hasher *hasher, const uint8_t *bytes, size_t bytes_count)
{
	if (hasher->sha1 != NULL) {
		crypto_digest_update(hasher->sha1, bytes, bytes_count);
		return;
	}
	if (bytes == zeros && bytes_count == MERKLE_LEAF_BYTES)
		memcpy(hasher->leaves[hasher->leaves_count++], hasher->zero_leaf, SHA256_BYTES);
	else
		hasher->leaves_count += (uint32_t)merkle_leaves(&crypto_digest_ops,
			hasher->leaves + hasher->leaves_count, bytes, bytes_count);
}

static void digest_zeros(struct piece_hasher *hasher)
{
	hasher->only_zeros = false;
	while (hasher->zero_bytes > 0) {
		size_t run_bytes = (size_t)u64_min(hasher->zero_bytes, sizeof(zeros));

		digest_run(hasher, zeros, run_bytes);
		hasher->zero_bytes -= run_bytes;
	}
}

void piece_hasher_update(struct piece_hasher *hasher, const void *bytes, size_t bytes_count)
{
	if (hasher->only_zeros && bytes_all_zero(bytes, bytes_count)) {
		hasher->zero_bytes += bytes_count;
		return;
	}
	digest_zeros(hasher);
	digest_run(hasher, bytes, bytes_count);
}

bool hash_leaves_match(const struct metainfo *metainfo, uint32_t piece,
	const uint8_t (*leaves)[SHA256_BYTES], size_t leaves_count)
{
	static const uint8_t pad[SHA256_BYTES];
	size_t leaves_wanted = metainfo->piece_bytes / MERKLE_LEAF_BYTES;
	uint8_t hash[SHA256_BYTES];

	/* BEP 52: a file of one piece pads only to its own power of two. */
	if (metainfo->pieces_count == 1)
		for (leaves_wanted = 1; leaves_wanted < leaves_count;)
			leaves_wanted *= 2;
	merkle_root(&crypto_digest_ops, hash, leaves, leaves_count, leaves_wanted, pad);
	return memcmp(hash, metainfo->pieces_sha256 + (size_t)piece * SHA256_BYTES, SHA256_BYTES) ==
	       0;
}

bool piece_hasher_only_zeros(const struct piece_hasher *hasher)
{
	return hasher->was_zeros;
}

bool piece_hasher_matches(struct piece_hasher *hasher)
{
	uint8_t hash[SHA1_BYTES];

	hasher->was_zeros = hasher->only_zeros;
	if (hasher->only_zeros)
		digest_zeros(hasher);
	if (hasher->sha1 == NULL)
		return hash_leaves_match(hasher->metainfo, hasher->piece,
			(const uint8_t(*)[SHA256_BYTES])hasher->leaves, hasher->leaves_count);
	crypto_digest_final(hasher->sha1, hash);
	return memcmp(hash, hasher->metainfo->pieces_sha1 + (size_t)hasher->piece * SHA1_BYTES,
		       SHA1_BYTES) == 0;
}

/* ---- hashers for a moment ---- */

struct hasher_pool *hasher_pool_create(const struct metainfo *metainfo)
{
	struct hasher_pool *pool = memory_allocate(1, sizeof(*pool));

	pool->metainfo = metainfo;
	pthread_mutex_init(&pool->mutex, NULL);
	return pool;
}

struct hasher_pool *hasher_pool_destroy(struct hasher_pool *pool)
{
	if (pool == NULL)
		return NULL;
	while (pool->idle != NULL) {
		struct piece_hasher *hasher = pool->idle;

		pool->idle = hasher->next_idle;
		piece_hasher_destroy(hasher);
	}
	pthread_mutex_destroy(&pool->mutex);
	free(pool);
	return NULL;
}

struct piece_hasher *hasher_pool_take(struct hasher_pool *pool)
{
	pthread_mutex_lock(&pool->mutex);
	struct piece_hasher *hasher = pool->idle;

	if (hasher != NULL)
		pool->idle = hasher->next_idle;
	pthread_mutex_unlock(&pool->mutex);
	return hasher != NULL ? hasher : piece_hasher_create(pool->metainfo);
}

void hasher_pool_put(struct hasher_pool *pool, struct piece_hasher *hasher)
{
	pthread_mutex_lock(&pool->mutex);
	hasher->next_idle = pool->idle;
	pool->idle = hasher;
	pthread_mutex_unlock(&pool->mutex);
}

/* ---- zero pieces ---- */

/* The hash that a piece of zeros would have at that place. */
static void zero_hash(const struct metainfo *metainfo, uint32_t piece, uint8_t *hash)
{
	uint32_t piece_bytes = metainfo_piece_length(metainfo, piece);
	uint8_t *bytes = memory_allocate(piece_bytes, 1);

	if (metainfo->pieces_sha256 != NULL) {
		uint8_t(*leaves)[SHA256_BYTES] = memory_allocate(
			u64_div_up(metainfo->piece_bytes, MERKLE_LEAF_BYTES), SHA256_BYTES);

		merkle_piece(&crypto_digest_ops, hash, bytes, piece_bytes, metainfo->piece_bytes,
			metainfo->pieces_count == 1, leaves);
		free(leaves);
	} else {
		crypto_digest_ops.sha1(hash, bytes, piece_bytes);
	}
	free(bytes);
}

void hash_find_zero_pieces(const struct metainfo *metainfo, struct bitset *zero_pieces)
{
	const uint8_t *hashes = metainfo->pieces_sha256;
	size_t hash_bytes = SHA256_BYTES;
	uint8_t zero[SHA256_BYTES];
	uint32_t last = metainfo->pieces_count - 1;

	if (hashes == NULL) {
		hashes = metainfo->pieces_sha1;
		hash_bytes = SHA1_BYTES;
	}
	zero_hash(metainfo, 0, zero);
	for (uint32_t piece = 0; piece < last; piece++)
		if (memcmp(hashes + piece * hash_bytes, zero, hash_bytes) == 0)
			bitset_set(zero_pieces, piece);
	zero_hash(metainfo, last, zero);
	if (memcmp(hashes + last * hash_bytes, zero, hash_bytes) == 0)
		bitset_set(zero_pieces, last);
}
