/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SHA-256 merkle tree of BEP 52: leaves are 16 KiB blocks (the last one as short as the file
 * is), padded with zero hashes up to a power of two; a piece's hash is the node that covers it.
 */
#ifndef WIRE_MERKLE_H
#define WIRE_MERKLE_H

#include "lib/digest.h"

#define MERKLE_LEAF_BYTES (16 * KIB)

/* Root over leaf hashes, padded with the given zero-subtree rule up to leaves_wanted (a power of
 * two). `hashes` is scratch: overwritten. */
void merkle_root(const struct digest_ops *digest, uint8_t root[static SHA256_BYTES],
	uint8_t (*hashes)[SHA256_BYTES], size_t hashes_count, size_t leaves_wanted,
	const uint8_t pad[static SHA256_BYTES]);

/* Hash of one piece's bytes. piece_bytes is the torrent's power-of-two piece length; bytes_count is
 * less only for the last piece. A file shorter than one piece pads only to its own power of two
 * when `single` (BEP 52: then the piece hash is the root). Leaf hashes go to `leaves`
 * (piece_bytes / 16 KiB of them), which is also scratch. */
void merkle_piece(const struct digest_ops *digest, uint8_t hash[static SHA256_BYTES],
	const void *bytes, size_t bytes_count, size_t piece_bytes, bool single,
	uint8_t (*leaves)[SHA256_BYTES]);

/* Root of a whole file from its piece layer. `layer_scratch` holds pieces_count hashes and is
 * overwritten. */
void merkle_root_from_pieces(const struct digest_ops *digest, uint8_t root[static SHA256_BYTES],
	uint8_t (*layer_scratch)[SHA256_BYTES], size_t pieces_count, size_t piece_bytes);

#endif
