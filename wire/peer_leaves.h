/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sb_leaves`: the leaf layer of a piece, asked for and given (docs/peer-wire.md). It is the
 * payload of an EXTENDED message, after the sub-id:
 *
 *   <be8 kind><be32 piece>              kind 0: a request; 2: it cannot be had
 *   <be8 1><be32 piece><32 bytes each>  the SHA-256 of each 16 KiB of the piece, in order (BEP 52)
 *
 * What a layer says is proven by the piece's own hash, which is its merkle root (wire/merkle.h).
 */
#ifndef WIRE_PEER_LEAVES_H
#define WIRE_PEER_LEAVES_H

#include "lib/bytes.h"

#define PEER_LEAF_BYTES	       (16 * KIB) /* that one hash stands for */
#define PEER_LEAF_HASH_BYTES   32
#define PEER_LEAVES_HEAD_BYTES 5

enum peer_leaves_kind { PEER_LEAVES_ASK = 0, PEER_LEAVES_LAYER = 1, PEER_LEAVES_REFUSE = 2 };

struct peer_leaves {
	enum peer_leaves_kind kind;
	uint32_t piece;
	const uint8_t *hashes; /* LAYER: borrowed from the message */
	size_t hashes_count;
};

/* False: the payload is none of these. */
MUST_USE bool peer_leaves_parse(
	struct peer_leaves *leaves, const uint8_t *bytes, size_t bytes_count);
/* All of a request or refusal, and what comes before the hashes of a layer. */
void peer_leaves_write_head(
	uint8_t bytes[static PEER_LEAVES_HEAD_BYTES], enum peer_leaves_kind kind, uint32_t piece);

/* How many hashes the layer of so many bytes has, and how long its payload is. */
static inline size_t peer_leaves_count(uint64_t piece_bytes)
{
	return (size_t)u64_div_up(piece_bytes, PEER_LEAF_BYTES);
}

static inline size_t peer_leaves_layer_bytes(uint64_t piece_bytes)
{
	return PEER_LEAVES_HEAD_BYTES + peer_leaves_count(piece_bytes) * PEER_LEAF_HASH_BYTES;
}

#endif
