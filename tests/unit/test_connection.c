/* SPDX-License-Identifier: Apache-2.0 */
/* One connection over a socket pair: framing however the bytes come, order of what goes, and what
 * becomes of blocks that are cancelled or cannot be read. */
#include "tests/support/socket_peer.h"

/* Handshake, HAVE, two blocks back to back, HAVE: whatever the packets are. */
static void frames_are_found_in_runs_of(struct fixture *fixture, size_t run_bytes)
{
	static uint8_t bytes[2 * 16384 + 256];
	struct peer_message have = {.id = PEER_HAVE, .index = 3};
	struct peer_message block = {.id = PEER_PIECE, .index = 1, .length = 16384};
	size_t used = 0;

	fixture->seen = (struct seen){0};
	used = add(bytes, used, &have);
	for (int i = 0; i < 2; i++) {
		block.begin = (uint32_t)i * 16384;
		used = add(bytes, used, &block);
		for (int j = 0; j < 16384; j++)
			bytes[used++] = (uint8_t)(j + i);
	}
	have.index = 4;
	used = add(bytes, used, &have);
	peer_says(fixture, bytes, used, run_bytes);
	assert_string_equal(fixture->seen.failed, "");
	assert_int_equal(fixture->seen.messages, 2);
	assert_int_equal(fixture->seen.last.index, 4);
	assert_int_equal(fixture->seen.blocks, 2);
	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 16384; j++)
			assert_int_equal(fixture->seen.piece[i * 16384 + j], (uint8_t)(j + i));
}

static void messages_are_framed_however_the_bytes_come(void **state)
{
	static const size_t runs[] = {1, 7, 64, 4096, 100000};
	struct fixture *fixture = *state;

	peer_greets(fixture, 1);
	assert_int_equal(fixture->seen.handshakes, 1);
	for (size_t i = 0; i < ARRAY_COUNT(runs); i++)
		frames_are_found_in_runs_of(fixture, runs[i]);
}

/* A frame goes where it is told like a block, however its bytes come; before there is room for it,
 * nothing behind it is read. */
static void a_frame_waits_for_room(void **state)
{
	static const size_t runs[] = {600, 100000}; /* the socket must hold it */
	struct fixture *fixture = *state;
	struct peer_message have = {.id = PEER_HAVE, .index = 3};
	struct peer_message frame = {.id = PEER_FRAME,
		.extended_id = PEER_EXTENSION_FRAME,
		.index = 1,
		.begin = 16384,
		.length = 16384,
		.frame_bytes = 5000};
	uint8_t bytes[6000];

	peer_greets(fixture, 1);
	for (size_t i = 0; i < ARRAY_COUNT(runs); i++) {
		size_t used = add(bytes, 0, &frame);

		for (int j = 0; j < 5000; j++)
			bytes[used++] = (uint8_t)(j * 7);
		used = add(bytes, used, &have);
		fixture->seen = (struct seen){.roomless = true};
		peer_says(fixture, bytes, used, runs[i]);
		assert_int_equal(fixture->seen.blocks + fixture->seen.messages, 0);
		fixture->seen.roomless = false;
		connection_resume(fixture->connection);
		for (int turns = 0; turns < 8; turns++)
			turn(fixture);
		assert_string_equal(fixture->seen.failed, "");
		assert_int_equal(fixture->seen.blocks, 1);
		assert_int_equal(fixture->seen.messages, 1);
		for (int j = 0; j < 5000; j++)
			assert_int_equal(fixture->seen.piece[16384 + j], (uint8_t)(j * 7));
	}
}

static void unwanted_blocks_are_read_and_thrown_away(void **state)
{
	struct fixture *fixture = *state;
	static uint8_t bytes[200000 + 64];
	struct peer_message block = {.id = PEER_PIECE, .index = 1, .length = 200000};
	struct peer_message have = {.id = PEER_HAVE, .index = 9};
	size_t used = add(bytes, 0, &block);

	peer_greets(fixture, 100);
	fixture->seen.discard = true;
	used = add(bytes, used + 200000, &have);
	peer_says(fixture, bytes, used, 5000);
	assert_int_equal(fixture->seen.discarded, 1);
	assert_int_equal(fixture->seen.last.index, 9);
}

/* A run of 16 KiB blocks, of which the second, the fifth and the last are not wanted. */
static void parts_of_a_run_are_thrown_away(struct fixture *fixture, size_t run_bytes)
{
	enum { RUN_BYTES = 9 * 16384 + 5000 };
	static uint8_t bytes[RUN_BYTES + 64];
	struct peer_message block = {.id = PEER_PIECE, .index = 1, .begin = 16384};
	struct peer_message have = {.id = PEER_HAVE, .index = 9};
	size_t used;

	block.length = RUN_BYTES;
	fixture->seen = (struct seen){.unwanted = 1 << 1 | 1 << 4 | 1 << 9};
	used = add(bytes, 0, &block);
	for (size_t i = 0; i < RUN_BYTES; i++)
		bytes[used++] = (uint8_t)(1 + i / 16384);
	used = add(bytes, used, &have);
	peer_says(fixture, bytes, used, run_bytes);
	assert_string_equal(fixture->seen.failed, "");
	assert_int_equal(fixture->seen.blocks, 1);
	assert_int_equal(fixture->seen.last.index, 9);
	for (size_t i = 0; i < RUN_BYTES; i++) {
		bool wanted = (fixture->seen.unwanted >> (i / 16384) & 1) == 0;

		assert_int_equal(fixture->seen.piece[16384 + i], wanted ? 1 + i / 16384 : 0);
	}
}

static void only_wanted_parts_of_a_run_are_kept(void **state)
{
	static const size_t runs[] = {1, 13, 5000, 16384, 1000000};
	struct fixture *fixture = *state;

	peer_greets(fixture, 100);
	for (size_t i = 0; i < ARRAY_COUNT(runs); i++)
		parts_of_a_run_are_thrown_away(fixture, runs[i]);
}

static void offences_close_the_connection(void **state)
{
	struct fixture *fixture = *state;
	static const uint8_t too_long[] = {0, 1, 0, 0, 20, 0};

	peer_greets(fixture, 100);
	peer_says(fixture, too_long, sizeof(too_long), 100);
	assert_null(fixture->connection);
	assert_string_not_equal(fixture->seen.failed, "");
}

static void another_protocol_is_refused_at_its_first_bytes(void **state)
{
	struct fixture *fixture = *state;

	peer_says(fixture, (const uint8_t *)"GET / HTTP", 10, 100);
	assert_null(fixture->connection);
}

static void a_block_nobody_asked_for_closes_it(void **state)
{
	struct fixture *fixture = *state;
	uint8_t bytes[64];
	struct peer_message block = {.id = PEER_PIECE, .index = 1, .length = 16384};
	size_t used = add(bytes, 0, &block);

	peer_greets(fixture, 100);
	fixture->seen.refuse = true;
	peer_says(fixture, bytes, used, 100);
	assert_null(fixture->connection);
}

static void a_block_that_takes_long_is_heard_of_meanwhile(void **state)
{
	struct fixture *fixture = *state;
	uint8_t bytes[64];
	struct peer_message block = {.id = PEER_PIECE, .index = 1, .length = PIECE_BYTES};
	uint32_t said_bytes = 0;

	peer_greets(fixture, 100);
	peer_says(fixture, bytes, add(bytes, 0, &block), 100);
	/* A byte at a time, and slowly: what is told after a second needs a second. */
	for (; fixture->seen.coming_bytes == 0 && said_bytes + 1 < PIECE_BYTES; said_bytes++) {
		peer_says(fixture, bytes, 1, 1);
		usleep(2000);
	}
	assert_int_equal(fixture->seen.coming_bytes, said_bytes);
	assert_int_equal(fixture->seen.blocks, 0);
}

static void control_messages_overtake_blocks(void **state)
{
	struct fixture *fixture = *state;
	static uint8_t heard[2 * (13 + 16384) + 9];
	struct peer_message first = piece_message(0, 0, 16384);
	struct peer_message second = piece_message(2, 16384, 16384);
	struct peer_message have = {.id = PEER_HAVE, .index = 5};

	peer_greets(fixture, 100);
	connection_send_block(fixture->connection, &first, fixture->image);
	connection_send_block(fixture->connection, &second, NULL);
	connection_send(fixture->connection, &have);
	connection_flush(fixture->connection);
	assert_int_equal(peer_hears(fixture, heard, sizeof(heard)), sizeof(heard));
	assert_int_equal(heard[4], PEER_HAVE);
	assert_int_equal(heard[9 + 4], PEER_PIECE);
	assert_memory_equal(heard + 9 + 13, fixture->image, 16384);
	assert_memory_equal(
		heard + 9 + 13 + 16384 + 13, fixture->image + 2 * PIECE_BYTES + 16384, 16384);
	assert_int_equal(fixture->seen.results[OUTPUT_SENT], 2);
}

/* More than one read, more than a socket holds, next to each other and not. */
static void blocks_from_the_device_are_whole_and_in_order(void **state)
{
	struct fixture *fixture = *state;
	static const uint32_t begins[] = {0, 65536, 131072, 400000, 1};
	static const uint32_t lengths[] = {65536, 65536, 262144, 100000, 300000};
	static uint8_t heard[5 * 13 + 65536 + 65536 + 262144 + 100000 + 300000];
	size_t at = 0;

	peer_greets(fixture, 100);
	for (size_t i = 0; i < 5; i++) {
		struct peer_message piece = piece_message(3, begins[i], lengths[i]);

		connection_send_block(fixture->connection, &piece, NULL);
	}
	connection_flush(fixture->connection);
	assert_int_equal(peer_hears(fixture, heard, sizeof(heard)), sizeof(heard));
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(be32_read(heard + at + 9), begins[i]);
		assert_memory_equal(
			heard + at + 13, fixture->image + 3 * PIECE_BYTES + begins[i], lengths[i]);
		at += 13 + lengths[i];
	}
	assert_int_equal(fixture->seen.results[OUTPUT_SENT], 5);
}

static void a_cancelled_block_is_not_sent_and_is_answered(void **state)
{
	struct fixture *fixture = *state;
	static uint8_t heard[2 * (13 + 16384) + 1];
	struct peer_message blocks[3] = {piece_message(1, 0, 16384), piece_message(1, 16384, 16384),
		piece_message(1, 32768, 16384)};

	peer_greets(fixture, 100);
	for (int i = 0; i < 3; i++)
		connection_send_block(fixture->connection, &blocks[i], NULL);
	connection_flush(fixture->connection); /* all three are being read */
	connection_cancel_block(fixture->connection, &blocks[1]);
	assert_int_equal(peer_hears(fixture, heard, 2 * (13 + 16384)), 2 * (13 + 16384));
	assert_int_equal(be32_read(heard + 9), 0);
	assert_int_equal(be32_read(heard + 13 + 16384 + 9), 32768);
	assert_memory_equal(heard + 2 * 13 + 16384, fixture->image + PIECE_BYTES + 32768, 16384);
	assert_int_equal(fixture->seen.results[OUTPUT_SENT], 2);
	assert_int_equal(fixture->seen.results[OUTPUT_CANCELLED], 1);
}

static void what_cannot_be_read_is_said_and_the_rest_is_sent(void **state)
{
	struct fixture *fixture = *state;
	static uint8_t heard[13 + 16384];
	struct peer_message bad = piece_message(1, 0, 16384);
	struct peer_message good = piece_message(2, 0, 16384);

	peer_greets(fixture, 100);
	connection_send_block(fixture->connection, &bad, NULL);
	connection_send_block(fixture->connection, &good, NULL);
	connection_flush(fixture->connection);
	assert_int_equal(peer_hears(fixture, heard, sizeof(heard)), sizeof(heard));
	assert_int_equal(be32_read(heard + 5), 2);
	assert_int_equal(fixture->seen.results[OUTPUT_UNREADABLE], 1);
	assert_int_equal(fixture->seen.results[OUTPUT_SENT], 1);
}

/* ---- from the page cache ---- */

/* The image is in the page cache, and a block of ours from memory fills the socket, so that what is
 * queued behind it has its run but is not sent yet. */
static void fill_socket(struct fixture *fixture, const struct peer_message *behind, unsigned count)
{
	static uint8_t bytes[IMAGE_BYTES];
	struct peer_message filler = piece_message(0, 0, PIECE_BYTES);
	struct failure failure;

	assert_true(block_device_read(fixture->device, bytes, 0, IMAGE_BYTES, &failure));
	peer_greets(fixture, 100);
	connection_send_block(fixture->connection, &filler, fixture->image);
	for (unsigned i = 0; i < count; i++)
		connection_send_block(fixture->connection, &behind[i], NULL);
	connection_flush(fixture->connection);
	assert_int_equal(fixture->seen.results[OUTPUT_SENT], 0);
	assert_true(fixture->connection->output.runs_count > 0);
	assert_true(fixture->connection->output.runs[0]->mapped);
}

#define FILLER_BYTES (13 + PIECE_BYTES)

static void check_hears(struct fixture *fixture, const struct peer_message *pieces, unsigned count)
{
	static uint8_t heard[FILLER_BYTES + IMAGE_BYTES];
	size_t bytes_count = FILLER_BYTES;
	size_t at = FILLER_BYTES;

	for (unsigned i = 0; i < count; i++)
		bytes_count += 13 + pieces[i].length;
	assert_int_equal(peer_hears(fixture, heard, bytes_count), bytes_count);
	assert_memory_equal(heard + 13, fixture->image, PIECE_BYTES);
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(be32_read(heard + at), 9 + pieces[i].length);
		assert_int_equal(be32_read(heard + at + 9), pieces[i].begin);
		assert_memory_equal(heard + at + 13,
			fixture->image + pieces[i].index * PIECE_BYTES + pieces[i].begin,
			pieces[i].length);
		at += 13 + pieces[i].length;
	}
	assert_int_equal(fixture->seen.results[OUTPUT_SENT], 1 + count);
}

static void what_is_cached_is_sent_from_there(void **state)
{
	static const struct peer_message pieces[] = {
		{.id = PEER_PIECE, .index = 1, .begin = 5, .length = 400000},
		{.id = PEER_PIECE, .index = 2, .begin = 16384, .length = 16384},
		{.id = PEER_PIECE, .index = 2, .begin = 32768, .length = 16384},
		{.id = PEER_PIECE, .index = 3, .begin = 0, .length = PIECE_BYTES}};

	fill_socket(*state, pieces, ARRAY_COUNT(pieces));
	check_hears(*state, pieces, ARRAY_COUNT(pieces));
}

/* What the peer hears until the connection ends are right bytes, and not all of them. */
static void a_file_cut_short_ends_a_block_that_has_begun(void **state)
{
	struct fixture *fixture = *state;
	static uint8_t heard[FILLER_BYTES + 13 + PIECE_BYTES];
	struct peer_message piece = piece_message(1, 0, PIECE_BYTES);

	fill_socket(fixture, &piece, 1);
	assert_int_equal(truncate(fixture->path, PIECE_BYTES + 131072), 0);
	size_t got = peer_hears(fixture, heard, sizeof(heard));

	assert_in_range(got, FILLER_BYTES + 13, sizeof(heard) - 1);
	assert_memory_equal(
		heard + FILLER_BYTES + 13, fixture->image + PIECE_BYTES, got - FILLER_BYTES - 13);
	assert_null(fixture->connection);
	assert_string_equal(fixture->seen.failed, "the disk cannot be read for it");
}

static void a_file_cut_short_loses_only_blocks_that_have_not_begun(void **state)
{
	struct fixture *fixture = *state;
	static uint8_t heard[FILLER_BYTES + 9];
	struct peer_message have = {.id = PEER_HAVE, .index = 5};
	struct peer_message pieces[3];

	for (uint32_t i = 0; i < ARRAY_COUNT(pieces); i++)
		pieces[i] = piece_message(1, i * 16384, 16384);
	fill_socket(fixture, pieces, ARRAY_COUNT(pieces));
	assert_int_equal(truncate(fixture->path, PIECE_BYTES), 0);
	connection_send(fixture->connection, &have);
	assert_int_equal(peer_hears(fixture, heard, sizeof(heard)), sizeof(heard));
	assert_int_equal(heard[FILLER_BYTES + 4], PEER_HAVE);
	assert_non_null(fixture->connection);
	assert_int_equal(fixture->seen.results[OUTPUT_UNREADABLE], ARRAY_COUNT(pieces));
	assert_int_equal(fixture->connection->output.runs_count, 0);
}

static void a_cancelled_block_in_the_page_cache_is_passed_over(void **state)
{
	struct fixture *fixture = *state;
	static uint8_t heard[FILLER_BYTES + 13 + 100000];
	struct peer_message pieces[2] = {
		piece_message(1, 0, 200000), piece_message(1, 200000, 100000)};

	fill_socket(fixture, pieces, 2);
	connection_cancel_block(fixture->connection, &pieces[0]);
	assert_int_equal(peer_hears(fixture, heard, sizeof(heard)), sizeof(heard));
	assert_memory_equal(
		heard + FILLER_BYTES + 13, fixture->image + PIECE_BYTES + 200000, 100000);
	assert_int_equal(fixture->seen.results[OUTPUT_CANCELLED], 1);
	assert_int_equal(fixture->seen.results[OUTPUT_SENT], 2);
}

static void a_peer_that_reads_nothing_is_given_up_at_the_limit(void **state)
{
	struct fixture *fixture = *state;
	struct peer_message have = {.id = PEER_HAVE};

	peer_greets(fixture, 100);
	for (int i = 0; i < 1000000 && fixture->connection != NULL; i++) {
		connection_send(fixture->connection, &have);
		if (i % 1000 == 0)
			connection_flush(fixture->connection);
	}
	assert_null(fixture->connection);
	assert_string_equal(fixture->seen.failed, "does not take its messages");
}

static void more_blocks_than_may_be_queued_close_it(void **state)
{
	struct fixture *fixture = *state;
	struct peer_message block = piece_message(0, 0, 16384);

	peer_greets(fixture, 100);
	for (int i = 0; i < 9; i++)
		connection_send_block(fixture->connection, &block, NULL);
	connection_flush(fixture->connection);
	assert_null(fixture->connection);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(messages_are_framed_however_the_bytes_come),
		CASE(a_frame_waits_for_room),
		CASE(unwanted_blocks_are_read_and_thrown_away),
		CASE(only_wanted_parts_of_a_run_are_kept),
		CASE(offences_close_the_connection),
		CASE(another_protocol_is_refused_at_its_first_bytes),
		CASE(a_block_nobody_asked_for_closes_it),
		CASE(a_block_that_takes_long_is_heard_of_meanwhile),
		CASE(control_messages_overtake_blocks),
		CASE(blocks_from_the_device_are_whole_and_in_order),
		CASE(a_cancelled_block_is_not_sent_and_is_answered),
		cmocka_unit_test_setup_teardown(what_cannot_be_read_is_said_and_the_rest_is_sent,
			setup_unreadable, teardown),
		CASE(what_is_cached_is_sent_from_there),
		CASE(a_file_cut_short_ends_a_block_that_has_begun),
		CASE(a_file_cut_short_loses_only_blocks_that_have_not_begun),
		CASE(a_cancelled_block_in_the_page_cache_is_passed_over),
		CASE(a_peer_that_reads_nothing_is_given_up_at_the_limit),
		CASE(more_blocks_than_may_be_queued_close_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
