/* SPDX-License-Identifier: Apache-2.0 */
/* Peer wire: every message there and back, every truncation, every wrong length. */
#include "wire/peer_address.h"
#include "wire/peer_leaves.h"
#include "wire/peer_roster.h"
#include "wire/peer_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define MESSAGE_MAX 1024
#define BLOCK_MAX   (16 * 1024)

static enum peer_parse parse(
	struct peer_message *message, const uint8_t *bytes, size_t bytes_count, size_t *used)
{
	size_t needed;
	/* An exact heap copy lets the sanitizer see reads past the end. */
	uint8_t *copy = malloc(bytes_count == 0 ? 1 : bytes_count);

	assert_non_null(copy);
	memcpy(copy, bytes, bytes_count);
	enum peer_parse result = peer_message_parse(
		message, copy, bytes_count, MESSAGE_MAX, BLOCK_MAX, used, &needed);

	if (result == PEER_PARSE_MORE)
		assert_true(needed > bytes_count);
	else if (result != PEER_PARSE_BAD)
		assert_true(*used == needed && *used <= bytes_count);
	message->bytes = NULL; /* borrowed from the copy */
	free(copy);
	return result;
}

static void handshake_round_trip(void **state)
{
	struct peer_handshake ours = {.infohash = "12345678901234567890", .peer_id = "-SB"};
	struct peer_handshake theirs;
	uint8_t bytes[PEER_HANDSHAKE_BYTES];

	(void)state;
	peer_reserved_set_ours(ours.reserved);
	assert_true(PEER_RESERVED_EXTENDED(ours.reserved) && PEER_RESERVED_FAST(ours.reserved));
	peer_handshake_write(bytes, &ours);
	assert_int_equal(bytes[0], 19);
	assert_true(peer_handshake_parse(&theirs, bytes));
	assert_memory_equal(&ours, &theirs, sizeof(ours));
	for (size_t i = 0; i < 20; i++) {
		bytes[i] ^= 1;
		assert_false(peer_handshake_parse(&theirs, bytes));
		bytes[i] ^= 1;
	}
}

static const struct peer_message samples[] = {
	{.id = PEER_KEEP_ALIVE},
	{.id = PEER_CHOKE},
	{.id = PEER_UNCHOKE},
	{.id = PEER_INTERESTED},
	{.id = PEER_NOT_INTERESTED},
	{.id = PEER_HAVE, .index = 0x01020304},
	{.id = PEER_BITFIELD, .bytes = (const uint8_t *)"\xff\x80", .bytes_count = 2},
	{.id = PEER_REQUEST, .index = 1, .begin = UINT32_MAX, .length = 16384},
	{.id = PEER_CANCEL, .index = UINT32_MAX, .begin = 2, .length = 3},
	{.id = PEER_PORT, .index = 6881},
	{.id = PEER_SUGGEST, .index = 7},
	{.id = PEER_HAVE_ALL},
	{.id = PEER_HAVE_NONE},
	{.id = PEER_REJECT, .index = 4, .begin = 5, .length = 6},
	{.id = PEER_ALLOWED_FAST, .index = 8},
	{.id = PEER_EXTENDED, .extended_id = 3, .bytes = (const uint8_t *)"de", .bytes_count = 2},
	{.id = PEER_EXTENDED, .extended_id = 0},
};

static void messages_round_trip_and_wait_for_their_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(samples); i++) {
		const struct peer_message *sent = &samples[i];
		struct peer_message got;
		uint8_t bytes[64];
		size_t used;
		size_t needed;
		size_t length = peer_message_write(sent, bytes, sizeof(bytes));

		assert_true(length >= 4);
		assert_int_equal(be32_read(bytes) + 4, length);
		for (size_t cut = 0; cut < length; cut++) {
			assert_int_equal(parse(&got, bytes, cut, &used), PEER_PARSE_MORE);
			assert_int_equal(used, 0);
			assert_int_equal(peer_message_write(sent, bytes, cut), 0);
		}
		assert_int_equal(peer_message_parse(&got, bytes, sizeof(bytes), MESSAGE_MAX,
					 BLOCK_MAX, &used, &needed),
			PEER_PARSE_MESSAGE);
		assert_int_equal(used, length);
		assert_int_equal(got.id, sent->id);
		assert_int_equal(got.index, sent->index);
		assert_int_equal(got.begin, sent->begin);
		assert_int_equal(got.length, sent->length);
		assert_int_equal(got.extended_id, sent->extended_id);
		assert_int_equal(got.bytes_count, sent->bytes_count);
		if (sent->bytes_count > 0)
			assert_memory_equal(got.bytes, sent->bytes, sent->bytes_count);
	}
}

static void piece_is_reported_by_its_head(void **state)
{
	struct peer_message sent = {.id = PEER_PIECE, .index = 9, .begin = 32768, .length = 16384};
	struct peer_message got;
	uint8_t bytes[PEER_PIECE_HEAD_BYTES];
	size_t used;

	(void)state;
	assert_int_equal(peer_message_write(&sent, bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(be32_read(bytes), 16384 + 9);
	for (size_t cut = 0; cut < sizeof(bytes); cut++)
		assert_int_equal(parse(&got, bytes, cut, &used), PEER_PARSE_MORE);
	assert_int_equal(parse(&got, bytes, sizeof(bytes), &used), PEER_PARSE_MESSAGE);
	assert_int_equal(used, PEER_PIECE_HEAD_BYTES);
	assert_true(got.id == PEER_PIECE && got.index == 9 && got.begin == 32768 &&
		    got.length == 16384);
	be32_write(bytes, BLOCK_MAX + 9 + 1);
	assert_int_equal(parse(&got, bytes, sizeof(bytes), &used), PEER_PARSE_BAD);
	be32_write(bytes, UINT32_MAX);
	assert_int_equal(parse(&got, bytes, sizeof(bytes), &used), PEER_PARSE_BAD);
	for (uint32_t length = 1; length < 10;
		length++) { /* no block at all, or less than a head */
		be32_write(bytes, length);
		assert_int_equal(parse(&got, bytes, sizeof(bytes), &used), PEER_PARSE_BAD);
	}
	sent.length = UINT32_MAX - 8;
	assert_int_equal(peer_message_write(&sent, bytes, sizeof(bytes)), 0);
}

static void frame_is_reported_by_its_head(void **state)
{
	struct peer_message sent = {.id = PEER_FRAME,
		.extended_id = PEER_EXTENSION_FRAME,
		.index = 9,
		.begin = 32768,
		.length = 16384,
		.frame_bytes = 5000};
	struct peer_message got;
	uint8_t bytes[PEER_FRAME_HEAD_BYTES];
	size_t used;

	(void)state;
	assert_int_equal(peer_message_write(&sent, bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(be32_read(bytes), 5000 + PEER_FRAME_HEAD_BYTES - 4);
	assert_int_equal(bytes[4], PEER_EXTENDED);
	for (size_t cut = 0; cut < sizeof(bytes); cut++)
		assert_int_equal(parse(&got, bytes, cut, &used), PEER_PARSE_MORE);
	assert_int_equal(parse(&got, bytes, sizeof(bytes), &used), PEER_PARSE_MESSAGE);
	assert_int_equal(used, PEER_FRAME_HEAD_BYTES);
	assert_memory_equal(&got, &sent, sizeof(got));
	assert_int_equal(peer_block_wire_bytes(&got), 5000);
	got.id = PEER_PIECE;
	assert_int_equal(peer_block_wire_bytes(&got), 16384);
	for (uint32_t length = 2; length <= PEER_FRAME_HEAD_BYTES - 4; length++) {
		be32_write(bytes, length); /* less than a head, or nothing behind it */
		assert_int_equal(parse(&got, bytes, sizeof(bytes), &used), PEER_PARSE_BAD);
	}
	be32_write(bytes, BLOCK_MAX + PEER_FRAME_HEAD_BYTES - 4 + 1);
	assert_int_equal(parse(&got, bytes, sizeof(bytes), &used), PEER_PARSE_BAD);
	sent.frame_bytes = sent.length; /* no smaller than the block */
	(void)peer_message_write(&sent, bytes, sizeof(bytes));
	assert_int_equal(parse(&got, bytes, sizeof(bytes), &used), PEER_PARSE_BAD);
	sent.frame_bytes = 100; /* a block that nobody asks for */
	sent.length = BLOCK_MAX + 1;
	(void)peer_message_write(&sent, bytes, sizeof(bytes));
	assert_int_equal(parse(&got, bytes, sizeof(bytes), &used), PEER_PARSE_BAD);
	sent.frame_bytes = UINT32_MAX;
	assert_int_equal(peer_message_write(&sent, bytes, sizeof(bytes)), 0);
}

/* Each id with each short length and some absurd ones: only the right length is a message. */
static void wrong_lengths_are_violations(void **state)
{
	static const struct {
		uint8_t id;
		uint32_t length;
	} fixed[] = {{0, 1}, {1, 1}, {2, 1}, {3, 1}, {4, 5}, {6, 13}, {8, 13}, {9, 3}, {13, 5},
		{14, 1}, {15, 1}, {16, 13}, {17, 5}};
	uint8_t bytes[32] = {0};
	struct peer_message got;
	size_t used;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(fixed); i++) {
		bytes[4] = fixed[i].id;
		for (uint32_t length = 1; length <= 20; length++) {
			be32_write(bytes, length);
			assert_int_equal(parse(&got, bytes, sizeof(bytes), &used),
				length == fixed[i].length ? PEER_PARSE_MESSAGE : PEER_PARSE_BAD);
		}
		be32_write(bytes, UINT32_MAX);
		assert_int_equal(parse(&got, bytes, 5, &used), PEER_PARSE_BAD);
	}
	bytes[4] = PEER_EXTENDED; /* without its sub-id */
	be32_write(bytes, 1);
	assert_int_equal(parse(&got, bytes, sizeof(bytes), &used), PEER_PARSE_BAD);
	bytes[4] = PEER_BITFIELD;
	be32_write(bytes, MESSAGE_MAX + 1);
	assert_int_equal(parse(&got, bytes, sizeof(bytes), &used), PEER_PARSE_BAD);
	be32_write(bytes, MESSAGE_MAX);
	assert_int_equal(parse(&got, bytes, sizeof(bytes), &used), PEER_PARSE_MORE);
}

static void unknown_messages_are_skipped_whole(void **state)
{
	uint8_t bytes[] = {0, 0, 0, 3, 99, 1, 2, 0, 0, 0, 0};
	struct peer_message got;
	size_t used;

	(void)state;
	for (size_t cut = 0; cut < 7; cut++)
		assert_int_equal(parse(&got, bytes, cut, &used), PEER_PARSE_MORE);
	assert_int_equal(parse(&got, bytes, sizeof(bytes), &used), PEER_PARSE_UNKNOWN);
	assert_int_equal(used, 7);
	be32_write(bytes, MESSAGE_MAX + 1);
	assert_int_equal(parse(&got, bytes, sizeof(bytes), &used), PEER_PARSE_BAD);
	got = (struct peer_message){.id = (enum peer_message_id)99};
	assert_int_equal(peer_message_write(&got, bytes, sizeof(bytes)), 0);
}

static void assert_same_handshake(
	const struct peer_extended_handshake *a, const struct peer_extended_handshake *b)
{
	assert_int_equal(a->listen_port, b->listen_port);
	assert_int_equal(a->requests_max, b->requests_max);
	assert_int_equal(a->request_bytes_max, b->request_bytes_max);
	assert_int_equal(a->upload_only, b->upload_only);
	assert_int_equal(a->origin, b->origin);
	assert_int_equal(a->id_donthave, b->id_donthave);
	assert_int_equal(a->id_haves, b->id_haves);
	assert_int_equal(a->id_pex, b->id_pex);
	assert_int_equal(a->id_frame, b->id_frame);
	assert_int_equal(a->id_roster, b->id_roster);
	assert_string_equal(a->rack, b->rack);
	assert_string_equal(a->site, b->site);
	assert_string_equal(a->client, b->client);
}

static void extended_handshake_round_trip(void **state)
{
	const struct peer_extended_handshake ours = {.listen_port = 65535,
		.requests_max = UINT32_MAX,
		.request_bytes_max = PEER_REQUEST_BYTES_MAX,
		.upload_only = true,
		.origin = true,
		.id_donthave = PEER_EXTENSION_DONTHAVE,
		.id_haves = PEER_EXTENSION_HAVES,
		.id_pex = 255,
		.id_roster = PEER_EXTENSION_ROSTER,
		.rack = "row-7/rack-12",
		.site = "01234567890123456789012345678901",
		.id_frame = PEER_EXTENSION_FRAME,
		.client = "swarmboot 1.0"};
	struct peer_extended_handshake theirs;
	uint8_t bytes[256];
	size_t length = peer_extended_handshake_write(&ours, bytes, sizeof(bytes));

	(void)state;
	assert_true(length > 0);
	assert_true(peer_extended_handshake_parse(&theirs, bytes, length));
	assert_same_handshake(&ours, &theirs);
	for (size_t cut = 0; cut < length; cut++) {
		struct peer_extended_handshake partial;

		assert_false(peer_extended_handshake_parse(&partial, bytes, cut));
		assert_int_equal(peer_extended_handshake_write(&ours, bytes, cut), 0);
	}
	const struct peer_extended_handshake none = {0};

	length = peer_extended_handshake_write(&none, bytes, sizeof(bytes));
	assert_int_equal(length, 7);
	assert_memory_equal(bytes, "d1:mdee", 7);
	assert_true(peer_extended_handshake_parse(&theirs, bytes, length));
	assert_same_handshake(&none, &theirs);
}

static void extended_handshake_ignores_nonsense(void **state)
{
	static const char foreign[] =
		"d1:md11:lt_donthavei256e6:ut_pexi-1ee1:pi65536e4:reqqi99999999999e"
		"9:sb_originli1ee10:sb_request4:many11:upload_onlyi2e1:v70:"
		"0123456789012345678901234567890123456789012345678901234567890123456789"
		"6:yourip4:\1\2\3\4e";
	static const char nowhere[] =
		"d7:sb_rack5:a b c7:sb_site33:012345678901234567890123456789012e";
	static const char binary[] = "d1:v4:a\0\xff"
				     "be";
	struct peer_extended_handshake theirs;

	(void)state;
	assert_true(peer_extended_handshake_parse(
		&theirs, (const uint8_t *)foreign, sizeof(foreign) - 1));
	assert_int_equal(theirs.id_donthave, 0);
	assert_int_equal(theirs.id_pex, 0);
	assert_int_equal(theirs.listen_port, 0);
	assert_int_equal(theirs.requests_max, UINT32_MAX);
	assert_false(theirs.origin);
	assert_int_equal(theirs.request_bytes_max, 0);
	assert_true(theirs.upload_only);
	assert_int_equal(strlen(theirs.client), sizeof(theirs.client) - 1);
	assert_true(peer_extended_handshake_parse(
		&theirs, (const uint8_t *)nowhere, sizeof(nowhere) - 1));
	assert_string_equal(theirs.rack, "");
	assert_string_equal(theirs.site, "");
	assert_true(peer_extended_handshake_parse(
		&theirs, (const uint8_t *)binary, sizeof(binary) - 1));
	assert_string_equal(theirs.client, "a??b");
	assert_false(peer_extended_handshake_parse(&theirs, (const uint8_t *)"le", 2));
	assert_false(peer_extended_handshake_parse(&theirs, (const uint8_t *)"", 0));
}

static void rosters_round_trip(void **state)
{
	static struct peer_roster members = {.kind = ROSTER_MEMBERS};
	static struct peer_roster again;
	const struct peer_roster importing = {.kind = ROSTER_IMPORTING, .level = 1, .piece = 70000};
	uint8_t bytes[ROSTER_BYTES_MAX];
	uint8_t four[] = {10, 0, 0, 1, 0x1a, 0xe1};

	(void)state;
	assert_int_equal(peer_roster_write(&importing, bytes, sizeof(bytes)), 6);
	assert_memory_equal(bytes, "\1\1\0\1\x11\x70", 6);
	assert_true(peer_roster_parse(&again, bytes, 6));
	assert_true(again.kind == ROSTER_IMPORTING && again.level == 1 && again.piece == 70000);
	for (size_t cut = 0; cut < 6; cut++) {
		assert_false(peer_roster_parse(&again, bytes, cut));
		assert_int_equal(peer_roster_write(&importing, bytes, cut), 0);
	}
	for (uint32_t i = 0; i < ROSTER_MEMBERS_MAX; i++)
		peer_address_from_compact4(&members.members[members.members_count++], four);
	assert_int_equal(peer_roster_write(&members, bytes, sizeof(bytes)), ROSTER_BYTES_MAX);
	assert_true(peer_roster_parse(&again, bytes, ROSTER_BYTES_MAX));
	assert_int_equal(again.members_count, ROSTER_MEMBERS_MAX);
	assert_true(peer_address_equal(&again.members[63], &members.members[63]));
	assert_false(peer_roster_parse(&again, bytes, ROSTER_BYTES_MAX - 1));
	assert_int_equal(peer_roster_write(&members, bytes, sizeof(bytes) - 1), 0);
	members.members_count++;
	assert_int_equal(peer_roster_write(&members, bytes, sizeof(bytes)), 0);
	assert_true(peer_roster_parse(&again, (const uint8_t *)"\7later", 6));
	assert_int_equal(again.kind, ROSTER_OTHER);
}

static void addresses_in_compact_form(void **state)
{
	static const uint8_t four[] = {10, 0, 0, 1, 0x1a, 0xe1};
	uint8_t six[PEER_COMPACT6_BYTES] = {0x20, 0x01, [15] = 7, [16] = 0xff, [17] = 0xfe};
	struct peer_address a;
	struct peer_address b;
	uint8_t bytes[PEER_COMPACT6_BYTES];

	(void)state;
	peer_address_from_compact4(&a, four);
	assert_true(peer_address_is4(&a));
	assert_int_equal(a.port, 6881);
	assert_memory_equal(a.ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1", 16);
	peer_address_to_compact4(&a, bytes);
	assert_memory_equal(bytes, four, sizeof(four));
	peer_address_from4(&b, four, 6881);
	assert_true(peer_address_equal(&a, &b));
	b.port++;
	assert_false(peer_address_equal(&a, &b));
	peer_address_from_compact6(&b, six);
	assert_false(peer_address_is4(&b));
	assert_int_equal(b.port, 65534);
	peer_address_to_compact6(&b, bytes);
	assert_memory_equal(bytes, six, sizeof(six));
}

static void haves_are_read_as_written(void **state)
{
	const uint32_t pieces[] = {7, 0, 1999, 7};
	uint32_t read[PEER_HAVES_MAX];
	uint8_t bytes[4 * PEER_HAVES_MAX + 4] = {0};
	size_t length = peer_haves_write(pieces, 4, bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(length, 16);
	assert_int_equal(peer_haves_parse(read, bytes, length, 2000), 4);
	assert_memory_equal(read, pieces, sizeof(pieces));
	assert_int_equal(peer_haves_write(pieces, 4, bytes, 15), 0);
}

static void haves_that_make_no_sense_are_refused(void **state)
{
	const uint32_t pieces[] = {7, 2000};
	uint32_t read[PEER_HAVES_MAX];
	uint8_t bytes[4 * PEER_HAVES_MAX + 4] = {0};

	(void)state;
	(void)peer_haves_write(pieces, 2, bytes, sizeof(bytes));
	assert_int_equal(peer_haves_parse(read, bytes, 8, 2000), 0);
	assert_int_equal(peer_haves_parse(read, bytes, 8, 2001), 2);
	assert_int_equal(peer_haves_parse(read, bytes, 0, 2000), 0);
	assert_int_equal(peer_haves_parse(read, bytes, 6, 2000), 0);
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(peer_haves_parse(read, bytes, 4 * PEER_HAVES_MAX, 1), PEER_HAVES_MAX);
	assert_int_equal(peer_haves_parse(read, bytes, sizeof(bytes), 1), 0);
}

static void leaf_layers_are_bounded_and_exact(void **state)
{
	uint8_t bytes[PEER_LEAVES_HEAD_BYTES + 2 * PEER_LEAF_HASH_BYTES] = {0};
	struct peer_leaves leaves;

	(void)state;
	peer_leaves_write_head(bytes, PEER_LEAVES_ASK, 0x01020304);
	assert_true(peer_leaves_parse(&leaves, bytes, PEER_LEAVES_HEAD_BYTES));
	assert_int_equal(leaves.kind, PEER_LEAVES_ASK);
	assert_int_equal(leaves.piece, 0x01020304);
	assert_false(peer_leaves_parse(&leaves, bytes, PEER_LEAVES_HEAD_BYTES - 1));
	assert_false(peer_leaves_parse(&leaves, bytes, PEER_LEAVES_HEAD_BYTES + 1));
	peer_leaves_write_head(bytes, PEER_LEAVES_LAYER, 7);
	assert_true(peer_leaves_parse(&leaves, bytes, sizeof(bytes)));
	assert_int_equal(leaves.hashes_count, 2);
	assert_ptr_equal(leaves.hashes, bytes + PEER_LEAVES_HEAD_BYTES);
	assert_false(peer_leaves_parse(&leaves, bytes, sizeof(bytes) - 1));
	assert_false(peer_leaves_parse(&leaves, bytes, PEER_LEAVES_HEAD_BYTES));
	bytes[0] = PEER_LEAVES_REFUSE + 1;
	assert_false(peer_leaves_parse(&leaves, bytes, PEER_LEAVES_HEAD_BYTES));
	assert_int_equal(peer_leaves_layer_bytes(MIB), PEER_LEAVES_HEAD_BYTES + 64 * 32);
	assert_int_equal(peer_leaves_layer_bytes(MIB + 1), PEER_LEAVES_HEAD_BYTES + 65 * 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(haves_are_read_as_written),
		cmocka_unit_test(haves_that_make_no_sense_are_refused),
		cmocka_unit_test(handshake_round_trip),
		cmocka_unit_test(messages_round_trip_and_wait_for_their_end),
		cmocka_unit_test(piece_is_reported_by_its_head),
		cmocka_unit_test(frame_is_reported_by_its_head),
		cmocka_unit_test(wrong_lengths_are_violations),
		cmocka_unit_test(unknown_messages_are_skipped_whole),
		cmocka_unit_test(extended_handshake_round_trip),
		cmocka_unit_test(extended_handshake_ignores_nonsense),
		cmocka_unit_test(rosters_round_trip),
		cmocka_unit_test(addresses_in_compact_form),
		cmocka_unit_test(leaf_layers_are_bounded_and_exact),
	};

	return cmocka_run_group_tests_name("peer_wire", tests, NULL, NULL);
}
