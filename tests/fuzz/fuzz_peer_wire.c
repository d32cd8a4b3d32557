/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as what a peer sends: first byte chooses, then a handshake or a stream of messages. */
#include "tests/fuzz/check.h"
#include "wire/peer_leaves.h"
#include "wire/peer_roster.h"
#include "wire/peer_wire.h"

#define MESSAGE_MAX (64 * 1024)
#define PIECES	    0x01000000

static void check_extended(const uint8_t *bytes, size_t bytes_count)
{
	struct peer_extended_handshake handshake;
	struct peer_extended_handshake again;
	uint8_t copy[512];
	uint8_t copy_again[512];

	if (!peer_extended_handshake_parse(&handshake, bytes, bytes_count))
		return;
	size_t written = peer_extended_handshake_write(&handshake, copy, sizeof(copy));

	CHECK(written > 0);
	CHECK(peer_extended_handshake_parse(&again, copy, written));
	CHECK(peer_extended_handshake_write(&again, copy_again, sizeof(copy_again)) == written);
	CHECK(memcmp(copy, copy_again, written) == 0);
}

static void check_haves(const uint8_t *bytes, size_t bytes_count)
{
	uint32_t pieces[PEER_HAVES_MAX];
	uint8_t copy[PEER_HAVES_MAX * sizeof(uint32_t)];
	uint32_t count = peer_haves_parse(pieces, bytes, bytes_count, PIECES);

	for (uint32_t i = 0; i < count; i++)
		CHECK(pieces[i] < PIECES);
	if (count == 0)
		return;
	CHECK(peer_haves_write(pieces, count, copy, sizeof(copy)) == bytes_count);
	CHECK(memcmp(copy, bytes, bytes_count) == 0);
}

static void check_leaves(const uint8_t *bytes, size_t bytes_count)
{
	struct peer_leaves leaves;
	uint8_t head[PEER_LEAVES_HEAD_BYTES];

	if (!peer_leaves_parse(&leaves, bytes, bytes_count))
		return;
	peer_leaves_write_head(head, leaves.kind, leaves.piece);
	CHECK(memcmp(head, bytes, sizeof(head)) == 0);
	CHECK(leaves.hashes_count * PEER_LEAF_HASH_BYTES + sizeof(head) == bytes_count);
	CHECK((leaves.hashes_count > 0) == (leaves.kind == PEER_LEAVES_LAYER));
}

static void check_roster(const uint8_t *bytes, size_t bytes_count)
{
	static struct peer_roster roster;
	uint8_t copy[ROSTER_BYTES_MAX];

	if (!peer_roster_parse(&roster, bytes, bytes_count) || roster.kind == ROSTER_OTHER)
		return;
	size_t written = peer_roster_write(&roster, copy, sizeof(copy));

	CHECK(written > 0 && written <= bytes_count);
	CHECK(memcmp(copy, bytes, written) == 0);
}

static void check_handshake(const uint8_t *data, size_t size)
{
	struct peer_handshake handshake;
	uint8_t copy[PEER_HANDSHAKE_BYTES];

	if (size < PEER_HANDSHAKE_BYTES || !peer_handshake_parse(&handshake, data))
		return;
	peer_handshake_write(copy, &handshake);
	CHECK(memcmp(copy, data, sizeof(copy)) == 0);
}

static void check_stream(const uint8_t *data, size_t size)
{
	static uint8_t copy[MESSAGE_MAX + 4];

	while (true) {
		struct peer_message message;
		size_t used;
		size_t needed;
		enum peer_parse result = peer_message_parse(
			&message, data, size, MESSAGE_MAX, PEER_BLOCK_BYTES, &used, &needed);

		if (result == PEER_PARSE_BAD)
			return;
		if (result == PEER_PARSE_MORE) {
			CHECK(needed > size && used == 0);
			return;
		}
		CHECK(used > 0 && used <= size && used == needed);
		if (result == PEER_PARSE_MESSAGE) {
			CHECK(peer_message_write(&message, copy, sizeof(copy)) == used);
			CHECK(memcmp(copy, data, used) == 0);
			if (message.id == PEER_EXTENDED && message.extended_id == 0)
				check_extended(message.bytes, message.bytes_count);
			if (message.id == PEER_EXTENDED &&
				message.extended_id == PEER_EXTENSION_HAVES)
				check_haves(message.bytes, message.bytes_count);
			if (message.id == PEER_EXTENDED &&
				message.extended_id == PEER_EXTENSION_LEAVES)
				check_leaves(message.bytes, message.bytes_count);
		}
		data += used;
		size -= used;
		if (result == PEER_PARSE_MESSAGE &&
			(message.id == PEER_PIECE || message.id == PEER_FRAME)) {
			size_t block = (size_t)u64_min(peer_block_wire_bytes(&message), size);

			data += block;
			size -= block;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == 'h')
		check_handshake(data + 1, size - 1);
	else if (data[0] == 'l')
		check_leaves(data + 1, size - 1);
	else if (data[0] == 'x')
		check_extended(data + 1, size - 1);
	else if (data[0] == 'r')
		check_roster(data + 1, size - 1);
	else
		check_stream(data + 1, size - 1);
	return 0;
}
