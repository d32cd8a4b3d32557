/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for runs of blocks: who gets them, how long they are, and what becomes of a run of which
 * some blocks came from elsewhere, or nobody wants any more. */
#include "tests/fuzz/check.h"
#include "tests/support/engine_check.h"
#include "tests/support/pair.h"

#define BLOCK	     ((uint32_t)PEER_BLOCK_BYTES)
#define PIECE_BLOCKS 64
#define PIECE_BYTES  (PIECE_BLOCKS * BLOCK)

static struct rig rig;

static void begin(uint32_t pieces_count)
{
	struct swarm_settings settings = rig_settings(pieces_count, PIECE_BYTES);

	rig_create(&rig, &settings);
	rig_begin(&rig);
}

static int end(void **state)
{
	(void)state;
	rig.swarm = swarm_destroy(rig.swarm);
	return 0;
}

static void guest_extended(struct guest guest, uint32_t request_bytes_max)
{
	struct peer_extended_handshake handshake = {.request_bytes_max = request_bytes_max};
	uint8_t bytes[128];
	struct peer_message message = {.id = PEER_EXTENDED, .bytes = bytes};

	message.bytes_count = peer_extended_handshake_write(&handshake, bytes, sizeof(bytes));
	guest_say_message(&rig, guest, &message);
}

/* A seed that says how large a request it answers; 0: a foreign one. */
static struct guest seed_of(uint8_t number, uint32_t request_bytes_max)
{
	struct guest guest = guest_come(&rig, number, true);

	if (request_bytes_max != 0)
		guest_extended(guest, request_bytes_max);
	guest_say(&rig, guest, PEER_HAVE_ALL);
	guest_say(&rig, guest, PEER_UNCHOKE);
	return guest;
}

/* Answers `count` requests from the nth on, one every `every_ns`. Returns the next one's number. */
static uint32_t answer(struct guest guest, uint32_t nth, uint32_t count, uint64_t every_ns)
{
	for (; count > 0 && rig_said(&rig, guest.peer, PEER_REQUEST, nth) != NULL; nth++, count--) {
		struct peer_message request = *rig_said(&rig, guest.peer, PEER_REQUEST, nth);

		rig.now_ns += every_ns;
		(void)guest_send(&rig, guest, &request);
		engine_check(rig.swarm);
	}
	return nth;
}

static uint32_t longest_request(struct guest guest)
{
	const struct peer_message *request;
	uint32_t longest = 0;

	for (uint32_t nth = 0; (request = rig_said(&rig, guest.peer, PEER_REQUEST, nth)) != NULL;
		nth++)
		longest = (uint32_t)u64_max(longest, request->length);
	return longest;
}

static void offers_what_it_answers(void **state)
{
	(void)state;
	begin(4);
	struct guest guest = guest_come(&rig, 2, true);
	const struct peer_message *said = rig_said(&rig, guest.peer, PEER_EXTENDED, 0);

	assert_non_null(said);
	assert_int_equal(rig.swarm->limits.request_bytes, MIB);
	assert_int_equal(upload_bytes_max(rig.swarm), PEER_REQUEST_BYTES_MAX);
}

static void a_fast_peer_of_our_own_is_asked_for_runs(void **state)
{
	(void)state;
	begin(16);
	struct guest guest = seed_of(2, MIB);

	assert_int_equal(longest_request(guest), BLOCK); /* nothing is known of it yet */
	answer(guest, 0, 400, NS_PER_MS / 2);
	assert_int_equal(longest_request(guest), 256 * KIB);
	answer(guest, 400, UINT32_MAX, NS_PER_MS);
	assert_int_equal(rig.completes_count, 1);
	assert_int_equal(rig.swarm->status.wasted_bytes, 0);
	assert_int_equal(rig.swarm->status.received_bytes, 16 * PIECE_BYTES);
}

static void a_run_is_no_longer_than_the_peer_answers(void **state)
{
	(void)state;
	begin(16);
	struct guest guest = seed_of(2, 64 * KIB);

	answer(guest, 0, 400, NS_PER_MS / 2);
	assert_int_equal(longest_request(guest), 64 * KIB);
}

static void a_slow_peer_is_asked_for_single_blocks(void **state)
{
	(void)state;
	begin(4);
	struct guest guest = seed_of(2, MIB);

	answer(guest, 0, 100, 16 * NS_PER_MS); /* 1 MB/s */
	assert_int_equal(longest_request(guest), BLOCK);
}

static void a_foreign_peer_is_asked_for_single_blocks(void **state)
{
	(void)state;
	begin(16);
	struct guest guest = seed_of(2, 0);

	answer(guest, 0, UINT32_MAX, NS_PER_MS / 4);
	assert_int_equal(longest_request(guest), BLOCK);
	assert_int_equal(rig.completes_count, 1);
}

/* Answers until a request for a run of at least so many blocks is out, and returns its number. */
static uint32_t run_asked(struct guest guest, uint32_t blocks_count)
{
	for (uint32_t nth = 0;; nth = answer(guest, nth, 1, NS_PER_MS / 2)) {
		const struct peer_message *request;

		assert_non_null(rig_said(&rig, guest.peer, PEER_REQUEST, nth));
		for (uint32_t at = nth;
			(request = rig_said(&rig, guest.peer, PEER_REQUEST, at)) != NULL; at++)
			if (request->length >= blocks_count * BLOCK)
				return at;
	}
}

static void a_rejected_run_goes_elsewhere_whole(void **state)
{
	(void)state;
	begin(4);
	struct guest first = seed_of(2, MIB);
	struct peer_message run = *rig_said(&rig, first.peer, PEER_REQUEST, run_asked(first, 8));

	/* A refusal of something else that begins there changes nothing. */
	uint64_t asked_bytes = rig.swarm->peers[first.peer].requests_bytes;

	guest_say_triple(&rig, first, PEER_REJECT, run.index, run.begin, BLOCK);
	assert_int_equal(rig.swarm->peers[first.peer].requests_bytes, asked_bytes);
	guest_say_triple(&rig, first, PEER_REJECT, run.index, run.begin, run.length);
	engine_check(rig.swarm);
	assert_int_equal(rig.swarm->peers[first.peer].requests_bytes, asked_bytes - run.length);
	struct guest second = seed_of(3, MIB);

	uint32_t nth = answer(second, 0, UINT32_MAX, NS_PER_MS);

	rig_pass(&rig, 10 * NS_PER_S); /* the first is late with the others */
	answer(second, nth, UINT32_MAX, NS_PER_MS);
	assert_int_equal(rig.completes_count, 1);
}

/* Puts one block of the run into the buffer as if another peer's answer had come late. */
static void take_late_block(struct guest other, const struct peer_message *run, uint32_t block)
{
	struct peer_message piece = {.id = PEER_PIECE,
		.index = run->index,
		.begin = run->begin + block * BLOCK,
		.length = BLOCK};

	rig.swarm->peers[other.peer].stale_blocks = 1;
	assert_int_equal(guest_send(&rig, other, &piece), SWARM_PLACE_BUFFER);
	engine_check(rig.swarm);
}

static void only_the_wanted_blocks_of_a_run_are_taken(void **state)
{
	(void)state;
	begin(4);
	struct guest first = seed_of(2, MIB);
	struct peer_message run = *rig_said(&rig, first.peer, PEER_REQUEST, run_asked(first, 8));
	struct guest second = seed_of(3, MIB);
	struct swarm_placement placement;
	uint64_t wasted_bytes = rig.swarm->status.wasted_bytes;

	take_late_block(second, &run, 1);
	take_late_block(second, &run, 5);
	assert_int_equal(rig_said_count(&rig, first.peer, PEER_CANCEL), 0);
	run.id = PEER_PIECE;
	assert_int_equal(
		swarm_place_block(rig.swarm, first.peer, first.generation, &run, &placement),
		SWARM_PLACE_BUFFER);
	assert_int_equal(placement.wanted,
		(((uint64_t)1 << run.length / BLOCK) - 1) & ~(uint64_t)(1 << 1 | 1 << 5));
	assert_int_equal(placement.block_bytes, BLOCK);
	assert_int_equal(placement.offset_bytes, run.begin);
	engine_check(rig.swarm);
	rig_feed(&rig, &(struct swarm_input){.kind = SWARM_IN_BLOCK,
			       .peer = first.peer,
			       .generation = first.generation,
			       .message = &run});
	engine_check(rig.swarm);
	assert_int_equal(rig.swarm->status.wasted_bytes - wasted_bytes, 2 * BLOCK);
}

static void a_run_that_all_came_from_elsewhere_is_cancelled_once(void **state)
{
	(void)state;
	begin(4);
	struct guest first = seed_of(2, MIB);
	struct peer_message run = *rig_said(&rig, first.peer, PEER_REQUEST, run_asked(first, 8));
	struct guest second = seed_of(3, MIB);

	for (uint32_t i = 0; i < run.length / BLOCK; i++)
		take_late_block(second, &run, i);
	assert_int_equal(rig_said_count(&rig, first.peer, PEER_CANCEL), 1);
	const struct peer_message *cancel = rig_said(&rig, first.peer, PEER_CANCEL, 0);

	assert_int_equal(cancel->begin, run.begin);
	assert_int_equal(cancel->length, run.length);
	assert_int_equal(guest_send(&rig, first, &run), SWARM_PLACE_DISCARD);
	engine_check(rig.swarm);
}

static void a_run_cut_off_half_way_is_asked_for_again(void **state)
{
	(void)state;
	begin(4);
	struct guest first = seed_of(2, MIB);
	struct peer_message run = *rig_said(&rig, first.peer, PEER_REQUEST, run_asked(first, 8));
	struct guest second = seed_of(3, MIB);
	struct swarm_placement placement;

	take_late_block(second, &run, 2);
	run.id = PEER_PIECE;
	assert_int_equal(
		swarm_place_block(rig.swarm, first.peer, first.generation, &run, &placement),
		SWARM_PLACE_BUFFER);
	guest_go(&rig, first);
	engine_check(rig.swarm);
	assert_int_equal(buffer_block(rig.swarm, placement.buffer, run.begin / BLOCK + 2)->state,
		BLOCK_RECEIVED);
	guest_answer_all(&rig, second);
	assert_int_equal(rig.completes_count, 1);
}

static void a_late_run_is_taken_though_others_are_asked_for_parts_of_it(void **state)
{
	(void)state;
	begin(4);
	struct guest first = seed_of(2, MIB);
	struct peer_message run = *rig_said(&rig, first.peer, PEER_REQUEST, run_asked(first, 8));
	struct guest second = seed_of(3, MIB);

	rig_pass(&rig, 10 * NS_PER_S);
	assert_int_not_equal(rig_said_count(&rig, first.peer, PEER_CANCEL), 0);
	assert_int_not_equal(rig_said_count(&rig, second.peer, PEER_REQUEST), 0);
	assert_int_equal(guest_send(&rig, first, &run), SWARM_PLACE_BUFFER);
	engine_check(rig.swarm);
	uint32_t nth = answer(second, 0, UINT32_MAX, NS_PER_MS);

	rig_pass(&rig, 10 * NS_PER_S); /* the first, believed again, is late again */
	answer(second, nth, UINT32_MAX, NS_PER_MS);
	assert_int_equal(rig.completes_count, 1);
}

static void an_answer_of_another_length_breaks_the_rules(void **state)
{
	(void)state;
	begin(4);
	struct guest guest = seed_of(2, MIB);
	struct peer_message run = *rig_said(&rig, guest.peer, PEER_REQUEST, run_asked(guest, 8));

	run.length -= BLOCK;
	assert_int_equal(guest_send(&rig, guest, &run), SWARM_PLACE_VIOLATION);
	engine_check(rig.swarm);
}

/* At the end a fast peer takes over what a slow one was asked for, in runs of its own. */
static void at_the_end_a_fast_peer_doubles_runs_and_wastes_little(void **state)
{
	(void)state;
	begin(16);
	struct guest slow = seed_of(2, MIB);
	struct guest fast = seed_of(3, MIB);
	uint32_t slow_nth = 0, fast_nth = 0;

	for (uint32_t step = 0; step < 100000 && rig.completes_count == 0; step++) {
		fast_nth = answer(fast, fast_nth, 1, 0);
		if (step % 64 == 0)
			slow_nth = answer(slow, slow_nth, 1, 0);
		rig_pass(&rig, 2 * NS_PER_MS);
	}
	assert_int_equal(rig.completes_count, 1);
	assert_true(longest_request(fast) > BLOCK);
	assert_in_range(rig.swarm->status.wasted_bytes, 0, 16 * PIECE_BYTES / 50);
}

/* A simulation may count in pieces: one message each. */
static void blocks_may_be_as_large_as_a_piece(void **state)
{
	struct swarm_settings settings = rig_settings(4, PIECE_BYTES);

	(void)state;
	settings.limits.block_bytes = PIECE_BYTES;
	rig_create(&rig, &settings);
	rig_begin(&rig);
	struct guest guest = seed_of(2, PIECE_BYTES);

	guest_answer_all(&rig, guest);
	assert_int_equal(rig.completes_count, 1);
	assert_int_equal(rig_said_count(&rig, guest.peer, PEER_REQUEST), 4);
}

/* ---- a block that takes long ---- */

/* The head of its first request's block comes, and a few more bytes of it every second. */
static struct guest trickler(uint8_t number)
{
	struct guest guest = guest_seed(&rig, number);
	struct peer_message piece = *rig_said(&rig, guest.peer, PEER_REQUEST, 0);
	struct swarm_placement placement;

	piece.id = PEER_PIECE;
	assert_int_equal(
		swarm_place_block(rig.swarm, guest.peer, guest.generation, &piece, &placement),
		SWARM_PLACE_BUFFER);
	return guest;
}

static void comes(struct guest guest, uint32_t seconds, uint32_t bytes_per_s)
{
	for (uint32_t i = 1; i <= seconds; i++) {
		rig_pass(&rig, NS_PER_S);
		rig_feed(&rig, &(struct swarm_input){.kind = SWARM_IN_BLOCK_COMING,
				       .peer = guest.peer,
				       .generation = guest.generation,
				       .bytes_count = i * bytes_per_s});
	}
}

static void what_keeps_coming_has_not_stalled(void **state)
{
	(void)state;
	begin(8);
	struct guest slow = trickler(2);

	rig_clear(&rig);
	comes(slow, 8, 2000);
	assert_false(rig_disconnected(&rig, slow.peer));
	assert_int_equal(rig_said_count(&rig, slow.peer, PEER_CANCEL), 0); /* nor is it late */
	rig_pass(&rig, 4 * NS_PER_S);					   /* now it stops */
	assert_true(rig_disconnected(&rig, slow.peer));
}

static void next_to_nothing_is_a_stall(void **state)
{
	(void)state;
	begin(8);
	struct guest slow = trickler(2);

	comes(slow, 5, 900);
	assert_true(rig_disconnected(&rig, slow.peer));
}

/* Nothing else is left to do, and somebody much faster has the piece. */
static void the_end_does_not_wait_for_the_slow(void **state)
{
	(void)state;
	begin(1);
	struct guest slow = trickler(2);
	struct guest fast = guest_seed(&rig, 3);

	rig.swarm->peers[fast.peer].rate_bytes_per_s = MIB;
	comes(slow, 5, 2000);
	assert_true(rig_disconnected(&rig, slow.peer));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(offers_what_it_answers, end),
		cmocka_unit_test_teardown(a_fast_peer_of_our_own_is_asked_for_runs, end),
		cmocka_unit_test_teardown(a_run_is_no_longer_than_the_peer_answers, end),
		cmocka_unit_test_teardown(a_slow_peer_is_asked_for_single_blocks, end),
		cmocka_unit_test_teardown(a_foreign_peer_is_asked_for_single_blocks, end),
		cmocka_unit_test_teardown(a_rejected_run_goes_elsewhere_whole, end),
		cmocka_unit_test_teardown(only_the_wanted_blocks_of_a_run_are_taken, end),
		cmocka_unit_test_teardown(
			a_run_that_all_came_from_elsewhere_is_cancelled_once, end),
		cmocka_unit_test_teardown(a_run_cut_off_half_way_is_asked_for_again, end),
		cmocka_unit_test_teardown(
			a_late_run_is_taken_though_others_are_asked_for_parts_of_it, end),
		cmocka_unit_test_teardown(an_answer_of_another_length_breaks_the_rules, end),
		cmocka_unit_test_teardown(
			at_the_end_a_fast_peer_doubles_runs_and_wastes_little, end),
		cmocka_unit_test_teardown(blocks_may_be_as_large_as_a_piece, end),
		cmocka_unit_test_teardown(what_keeps_coming_has_not_stalled, end),
		cmocka_unit_test_teardown(next_to_nothing_is_a_stall, end),
		cmocka_unit_test_teardown(the_end_does_not_wait_for_the_slow, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
