/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for leaf layers, and the layers themselves. */
#include "wire/peer_leaves.h"

bool peer_leaves_parse(struct peer_leaves *leaves, const uint8_t *bytes, size_t bytes_count)
{
	if (bytes_count < PEER_LEAVES_HEAD_BYTES || bytes[0] > PEER_LEAVES_REFUSE)
		return false;
	size_t hashes_bytes = bytes_count - PEER_LEAVES_HEAD_BYTES;

	*leaves = (struct peer_leaves){.kind = (enum peer_leaves_kind)bytes[0],
		.piece = be32_read(bytes + 1),
		.hashes = bytes + PEER_LEAVES_HEAD_BYTES,
		.hashes_count = hashes_bytes / PEER_LEAF_HASH_BYTES};
	if (leaves->kind != PEER_LEAVES_LAYER)
		return hashes_bytes == 0;
	return hashes_bytes > 0 && hashes_bytes % PEER_LEAF_HASH_BYTES == 0;
}

void peer_leaves_write_head(
	uint8_t bytes[static PEER_LEAVES_HEAD_BYTES], enum peer_leaves_kind kind, uint32_t piece)
{
	bytes[0] = (uint8_t)kind;
	be32_write(bytes + 1, piece);
}
