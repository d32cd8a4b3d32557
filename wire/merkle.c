/* SPDX-License-Identifier: Apache-2.0 */
/* Merkle roots (BEP 52) computed in one pass with one pending hash a level, so that no level of the
 * tree is ever held in memory. */
#include "wire/merkle.h"

#include <stdlib.h>

#define LEVELS_MAX 64

/* hash = H(left || right); hash may be either of them. */
static void combine(const struct digest_ops *digest, uint8_t hash[static SHA256_BYTES],
	const uint8_t left[static SHA256_BYTES], const uint8_t right[static SHA256_BYTES])
{
	uint8_t pair[2 * SHA256_BYTES];

	memcpy(pair, left, SHA256_BYTES);
	memcpy(pair + SHA256_BYTES, right, SHA256_BYTES);
	digest->sha256(hash, pair, sizeof(pair));
}

static uint64_t power_of_two_up(uint64_t number)
{
	uint64_t power = 1;

	while (power < number)
		power *= 2;
	return power;
}

void merkle_root(const struct digest_ops *digest, uint8_t root[static SHA256_BYTES],
	const uint8_t (*hashes)[SHA256_BYTES], size_t hashes_count, size_t leaves_wanted,
	const uint8_t pad[static SHA256_BYTES])
{
	/* pending[l] waits for its right neighbour while bit l of the number of leaves is set. */
	uint8_t pending[LEVELS_MAX][SHA256_BYTES];
	uint8_t hash[SHA256_BYTES];
	uint8_t padding[SHA256_BYTES];

	if (leaves_wanted == 0 || (leaves_wanted & (leaves_wanted - 1)) != 0 ||
		hashes_count > leaves_wanted)
		abort(); /* the caller's arithmetic is wrong */
	for (size_t i = 0; i < hashes_count; i++) {
		unsigned level = 0;

		memcpy(hash, hashes[i], SHA256_BYTES);
		for (; (i >> level & 1) != 0; level++)
			combine(digest, hash, pending[level], hash);
		memcpy(pending[level], hash, SHA256_BYTES);
	}
	memcpy(padding, pad, SHA256_BYTES);
	memcpy(hash, pad, SHA256_BYTES);
	if (hashes_count == leaves_wanted) {
		unsigned top = 0;

		while (leaves_wanted >> top > 1)
			top++;
		memcpy(root, pending[top], SHA256_BYTES);
		return;
	}
	/* Climb the right edge: below it everything is padding or a complete left subtree. */
	for (unsigned level = 0; leaves_wanted >> level > 1; level++) {
		if ((hashes_count >> level & 1) != 0)
			combine(digest, hash, pending[level], hash);
		else
			combine(digest, hash, hash, padding);
		combine(digest, padding, padding, padding);
	}
	memcpy(root, hash, SHA256_BYTES);
}

size_t merkle_leaves(const struct digest_ops *digest, uint8_t (*leaves)[SHA256_BYTES],
	const void *bytes, size_t bytes_count)
{
	size_t whole_count = bytes_count / MERKLE_LEAF_BYTES;
	size_t whole_bytes = whole_count * MERKLE_LEAF_BYTES;

	digest->sha256_row(leaves, bytes, MERKLE_LEAF_BYTES, whole_count);
	if (whole_bytes == bytes_count)
		return whole_count;
	digest->sha256(leaves[whole_count], (const uint8_t *)bytes + whole_bytes,
		bytes_count - whole_bytes);
	return whole_count + 1;
}

void merkle_piece(const struct digest_ops *digest, uint8_t hash[static SHA256_BYTES],
	const void *bytes, size_t bytes_count, size_t piece_bytes, bool single,
	uint8_t (*leaves)[SHA256_BYTES])
{
	static const uint8_t zero[SHA256_BYTES];
	size_t leaves_count = merkle_leaves(digest, leaves, bytes, bytes_count);

	merkle_root(digest, hash, (const uint8_t(*)[SHA256_BYTES])leaves, leaves_count,
		single ? power_of_two_up(leaves_count) : piece_bytes / MERKLE_LEAF_BYTES, zero);
}

void merkle_root_from_pieces(const struct digest_ops *digest, uint8_t root[static SHA256_BYTES],
	const uint8_t (*layer)[SHA256_BYTES], size_t pieces_count, size_t piece_bytes)
{
	static const uint8_t zero[SHA256_BYTES];
	uint8_t pad[SHA256_BYTES];

	merkle_root(digest, pad, NULL, 0, piece_bytes / MERKLE_LEAF_BYTES, zero);
	merkle_root(digest, root, layer, pieces_count, power_of_two_up(pieces_count), pad);
}
