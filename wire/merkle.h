/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SHA-256 merkle tree of BEP 52: leaves are 16 KiB blocks (the last one as short as the file
 * is), padded with zero hashes up to a power of two; a piece's hash is the node that covers it.
 */
#ifndef WIRE_MERKLE_H
#define WIRE_MERKLE_H

#include "lib/digest.h"

#define MERKLE_LEAF_BYTES (16 * KIB)

/* Root over hashes_count hashes of one level, padded on the right with `pad` (what an absent
 * subtree of that level hashes to) up to leaves_wanted, a power of two that is not less than
 * hashes_count. Aborts when it is not: that is arithmetic of the caller, never data. */
void merkle_root(const struct digest_ops *digest, uint8_t root[static SHA256_BYTES],
	const uint8_t (*hashes)[SHA256_BYTES], size_t hashes_count, size_t leaves_wanted,
	const uint8_t pad[static SHA256_BYTES]);

/* Hashes of the leaves that bytes_count bytes, from a leaf's beginning on, make. Returns how many.
 */
size_t merkle_leaves(const struct digest_ops *digest, uint8_t (*leaves)[SHA256_BYTES],
	const void *bytes, size_t bytes_count);

/* Hash of one piece's bytes. piece_bytes is the torrent's piece length, a power of two of at least
 * 16 KiB; bytes_count is less only for the last piece. `single`: the file has only this piece and
 * pads only to its own power of two, so that the hash is the file's root. Leaf hashes go to
 * `leaves` (piece_bytes / 16 KiB of them). */
void merkle_piece(const struct digest_ops *digest, uint8_t hash[static SHA256_BYTES],
	const void *bytes, size_t bytes_count, size_t piece_bytes, bool single,
	uint8_t (*leaves)[SHA256_BYTES]);

/* Root of a whole file from its piece layer. */
void merkle_root_from_pieces(const struct digest_ops *digest, uint8_t root[static SHA256_BYTES],
	const uint8_t (*layer)[SHA256_BYTES], size_t pieces_count, size_t piece_bytes);

#endif
