/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: who is asked for what, late and lying peers, the end of a transfer, the origin's part.
 */
#include "tests/support/pair.h"

#define PIECES		 16
#define PIECE_BYTES	 ((uint32_t)(64 * KIB))
#define BLOCK		 ((uint32_t)PEER_BLOCK_BYTES)
#define BLOCKS_PER_PIECE (PIECE_BYTES / BLOCK)

static struct rig rig;

static void begin(uint32_t pieces_count, uint32_t buffers_count)
{
	struct swarm_settings settings = rig_settings(pieces_count, PIECE_BYTES);

	settings.limits.buffers_count = buffers_count;
	rig_create(&rig, &settings);
	rig_begin(&rig);
}

static int end(void **state)
{
	(void)state;
	rig.swarm = swarm_destroy(rig.swarm);
	return 0;
}

static void no_block_is_asked_for_twice_in_good_times(void **state)
{
	bool asked[PIECES * BLOCKS_PER_PIECE] = {false};

	(void)state;
	begin(PIECES, 8);
	struct guest first = guest_seed(&rig, 2);
	struct guest second = guest_seed(&rig, 3);
	const struct peer_message *request;

	for (uint32_t round = 0; round < 2000 && rig.completes_count == 0; round++) {
		struct guest guest = round % 2 == 0 ? first : second;

		if ((request = rig_said(&rig, guest.peer, PEER_REQUEST, round / 2)) == NULL)
			continue;
		uint32_t block = request->index * BLOCKS_PER_PIECE + request->begin / BLOCK;
		struct peer_message copy = *request;

		assert_false(asked[block]);
		asked[block] = true;
		rig.now_ns += NS_PER_MS;
		assert_int_equal(guest_send(&rig, guest, &copy), SWARM_PLACE_BUFFER);
	}
	assert_int_equal(rig.completes_count, 1);
}

static void begun_pieces_are_finished_first(void **state)
{
	(void)state;
	begin(PIECES, 8);
	struct guest guest = guest_seed(&rig, 2);
	uint32_t pieces_count = 0;
	uint32_t last = UINT32_MAX;

	assert_int_equal(rig_said_count(&rig, guest.peer, PEER_REQUEST) % BLOCKS_PER_PIECE, 0);
	for (uint32_t nth = 0; rig_said(&rig, guest.peer, PEER_REQUEST, nth) != NULL; nth++) {
		uint32_t piece = rig_said(&rig, guest.peer, PEER_REQUEST, nth)->index;

		pieces_count += piece != last;
		last = piece;
	}
	assert_int_equal(
		pieces_count, rig_said_count(&rig, guest.peer, PEER_REQUEST) / BLOCKS_PER_PIECE);
}

static void the_rarest_piece_comes_first(void **state)
{
	(void)state;
	begin(PIECES, 8);
	struct guest leech = guest_come(&rig, 2, true);

	for (uint32_t piece = 0; piece < PIECES; piece++)
		if (piece != 11)
			guest_say_index(&rig, leech, PEER_HAVE, piece);
	struct guest seed = guest_seed(&rig, 3);

	assert_int_equal(rig_said(&rig, seed.peer, PEER_REQUEST, 0)->index, 11);
}

static void a_choke_of_a_plain_peer_frees_its_blocks_for_others(void **state)
{
	(void)state;
	begin(2, 2);
	struct guest plain = guest_come(&rig, 2, false);
	uint8_t all = 0xc0;

	guest_say_message(&rig, plain,
		&(struct peer_message){.id = PEER_BITFIELD, .bytes = &all, .bytes_count = 1});
	guest_say(&rig, plain, PEER_UNCHOKE);
	uint32_t asked = rig_said_count(&rig, plain.peer, PEER_REQUEST);

	assert_int_equal(asked, 2 * BLOCKS_PER_PIECE);
	struct guest seed = guest_seed(&rig, 3);

	assert_int_equal(rig_said_count(&rig, seed.peer, PEER_REQUEST), 0);
	guest_say(&rig, plain, PEER_CHOKE);
	assert_int_equal(rig_said_count(&rig, seed.peer, PEER_REQUEST), asked);
}

static void a_reject_sends_the_request_elsewhere(void **state)
{
	(void)state;
	begin(1, 2);
	struct guest first = guest_seed(&rig, 2);
	struct guest second = guest_seed(&rig, 3);
	struct peer_message request = *rig_said(&rig, first.peer, PEER_REQUEST, 0);

	guest_say_triple(&rig, first, PEER_REJECT, request.index, request.begin, request.length);
	const struct peer_message *again = rig_said(&rig, second.peer, PEER_REQUEST, 0);

	assert_non_null(again);
	assert_int_equal(again->begin, request.begin);
}

static void a_peer_that_rejects_everything_is_not_asked_in_a_tight_loop(void **state)
{
	(void)state;
	begin(PIECES, 4);
	struct guest guest = guest_seed(&rig, 2);
	uint32_t rejected = 0;
	const struct peer_message *request;

	for (uint32_t steps = 0; steps < 1000; steps++) {
		if ((request = rig_said(&rig, guest.peer, PEER_REQUEST, rejected)) == NULL)
			break;
		struct peer_message copy = *request;

		rejected++;
		guest_say_triple(&rig, guest, PEER_REJECT, copy.index, copy.begin, copy.length);
	}
	assert_in_range(rejected, 1, 100);
}

static void a_staller_loses_its_requests_to_the_others(void **state)
{
	(void)state;
	begin(4, 4);
	struct guest staller = guest_seed(&rig, 2);
	struct guest seed = guest_seed(&rig, 3);

	uint32_t lost = rig_said_count(&rig, staller.peer, PEER_REQUEST);

	assert_int_not_equal(lost, 0);
	guest_answer_all(&rig, seed);
	assert_int_equal(rig.completes_count, 0);
	rig_clear(&rig);
	rig_pass(&rig, 7 * NS_PER_S);
	assert_int_equal(rig_said_count(&rig, staller.peer, PEER_CANCEL), lost);
	guest_answer_all(&rig, seed);
	assert_int_equal(rig.completes_count, 1);
}

static void a_late_block_is_taken_if_it_is_still_wanted(void **state)
{
	(void)state;
	begin(1, 2);
	struct guest slow = guest_seed(&rig, 2);
	struct peer_message request = *rig_said(&rig, slow.peer, PEER_REQUEST, 3);

	rig_pass(&rig, 10 * NS_PER_S);
	assert_int_not_equal(rig_said_count(&rig, slow.peer, PEER_CANCEL), 0);
	assert_int_equal(guest_send(&rig, slow, &request), SWARM_PLACE_BUFFER);
	assert_int_equal(guest_send(&rig, slow, &request), SWARM_PLACE_DISCARD);
}

static void half_a_block_is_not_waited_for(void **state)
{
	struct swarm_placement placement;

	(void)state;
	begin(1, 2);
	struct guest half = guest_seed(&rig, 2);
	struct peer_message block = *rig_said(&rig, half.peer, PEER_REQUEST, 0);

	block.id = PEER_PIECE;
	assert_int_equal(
		swarm_place_block(rig.swarm, half.peer, half.generation, &block, &placement),
		SWARM_PLACE_BUFFER);
	rig_pass(&rig, 11 * NS_PER_S);
	assert_true(rig_disconnected(&rig, half.peer));
	struct guest seed = guest_seed(&rig, 3);

	guest_answer_all(&rig, seed);
	assert_int_equal(rig.completes_count, 1);
}

/* ---- liars ---- */

static void the_only_sender_of_a_bad_piece_is_banned(void **state)
{
	(void)state;
	begin(1, 2);
	struct guest liar = guest_seed(&rig, 2);

	rig.bad_hash = true;
	for (uint32_t nth = 0; nth < BLOCKS_PER_PIECE; nth++) {
		struct peer_message copy = *rig_said(&rig, liar.peer, PEER_REQUEST, nth);

		(void)guest_send(&rig, liar, &copy);
	}
	assert_true(rig_disconnected(&rig, liar.peer));
	const struct swarm_effect *banned = rig_find(&rig, SWARM_EFFECT_PEER_BANNED);

	assert_non_null(banned);
	struct peer_address address = guest_address(2);

	assert_true(peer_address_equal(&banned->address, &address));
	rig_pass(&rig, 24 * 3600 * NS_PER_S);
	assert_int_equal(guest_come(&rig, 2, true).peer, SWARM_PEER_NONE);
	rig.bad_hash = false;
	struct guest seed = guest_seed(&rig, 3);

	guest_answer_all(&rig, seed);
	assert_int_equal(rig.completes_count, 1);
}

static void after_a_bad_piece_of_several_it_comes_from_one_alone(void **state)
{
	(void)state;
	begin(1, 2);
	struct guest first = guest_seed(&rig, 2);
	struct guest second = guest_seed(&rig, 3);

	/* The first gives three blocks and refuses the fourth, which the second gives. */
	for (uint32_t nth = 0; nth < BLOCKS_PER_PIECE; nth++) {
		struct peer_message copy = *rig_said(&rig, first.peer, PEER_REQUEST, nth);

		if (nth + 1 < BLOCKS_PER_PIECE)
			(void)guest_send(&rig, first, &copy);
		else
			guest_say_triple(
				&rig, first, PEER_REJECT, copy.index, copy.begin, copy.length);
	}
	struct peer_message last = *rig_said(&rig, second.peer, PEER_REQUEST, 0);

	rig_clear(&rig);
	rig.bad_hash = true;
	(void)guest_send(&rig, second, &last);
	rig.bad_hash = false;
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_PEER_BANNED), 0);
	/* All of it is asked from one of them. */
	uint32_t of_first = rig_said_count(&rig, first.peer, PEER_REQUEST);
	uint32_t of_second = rig_said_count(&rig, second.peer, PEER_REQUEST);

	assert_int_equal(of_first + of_second, BLOCKS_PER_PIECE);
	assert_true(of_first == 0 || of_second == 0);
}

/* Piece 0 comes half from one, half from another, and is wrong; both go. */
static void spoil_piece_0(void)
{
	for (uint8_t number = 2; number <= 3; number++) {
		struct guest guest = guest_come(&rig, number, true);

		guest_say_index(&rig, guest, PEER_HAVE, 0);
		guest_say(&rig, guest, PEER_UNCHOKE);
		rig.bad_hash = number == 3;
		for (uint32_t nth = 0; nth < BLOCKS_PER_PIECE / 2; nth++) {
			struct peer_message copy = *rig_said(&rig, guest.peer, PEER_REQUEST, nth);

			assert_int_equal(guest_send(&rig, guest, &copy), SWARM_PLACE_BUFFER);
		}
		guest_go(&rig, guest);
		rig_clear(&rig);
	}
	rig.bad_hash = false;
}

/* A slow one has piece 0 for itself and sends a block of it, and a fast one, which has just sent
 * piece 1, has it too. How many blocks of it the fast one is asked for. */
static uint32_t taken_over(uint32_t buffers_count)
{
	struct swarm_placement placement;

	begin(2, buffers_count);
	spoil_piece_0();
	struct guest slow = guest_come(&rig, 4, true);
	struct guest fast = guest_come(&rig, 5, true);

	guest_say_index(&rig, slow, PEER_HAVE, 0);
	guest_say(&rig, slow, PEER_UNCHOKE);
	struct peer_message block = *rig_said(&rig, slow.peer, PEER_REQUEST, 0);

	rig.hold_disk = true;
	guest_say_index(&rig, fast, PEER_HAVE, 1);
	guest_say(&rig, fast, PEER_UNCHOKE);
	rig.now_ns += NS_PER_MS;
	guest_answer_all(&rig, fast);
	assert_int_equal(swarm_piece_state(rig.swarm, 1), SWARM_PIECE_VERIFYING);
	block.id = PEER_PIECE;
	assert_int_equal(
		swarm_place_block(rig.swarm, slow.peer, slow.generation, &block, &placement),
		SWARM_PLACE_BUFFER);
	guest_say_index(&rig, fast, PEER_HAVE, 0);
	assert_int_equal(swarm_piece_state(rig.swarm, 0), SWARM_PIECE_ARRIVING);
	return rig_said_count(&rig, fast.peer, PEER_REQUEST) - BLOCKS_PER_PIECE;
}

static void what_could_not_be_begun_anew_is_not_taken_over(void **state)
{
	(void)state;
	assert_int_equal(taken_over(2), 0);
	rig.swarm = swarm_destroy(rig.swarm);
	assert_int_equal(taken_over(3), BLOCKS_PER_PIECE);
}

/* ---- the end ---- */

static void at_the_end_two_are_asked_and_the_slower_is_cancelled(void **state)
{
	(void)state;
	begin(2, 4);
	struct guest slow = guest_seed(&rig, 2);
	uint32_t asked = rig_said_count(&rig, slow.peer, PEER_REQUEST);

	assert_int_equal(asked, 2 * BLOCKS_PER_PIECE);
	/* One block in a second: then the rest takes seven more. */
	rig_pass(&rig, NS_PER_S);
	struct peer_message request = *rig_said(&rig, slow.peer, PEER_REQUEST, 0);

	(void)guest_send(&rig, slow, &request);
	struct guest fast = guest_seed(&rig, 3);

	rig_pass(&rig, 20 * NS_PER_MS);
	for (uint32_t step = 0; step < 100 && rig.completes_count == 0; step++) {
		const struct peer_message *next = rig_said(&rig, fast.peer, PEER_REQUEST, step);

		if (next == NULL) {
			rig_pass(&rig, 500 * NS_PER_MS);
			next = rig_said(&rig, fast.peer, PEER_REQUEST, step);
		}
		if (next == NULL)
			break;
		request = *next;
		rig_pass(&rig, 20 * NS_PER_MS);
		(void)guest_send(&rig, fast, &request);
	}
	rig_pass(&rig, 12 * NS_PER_S);
	guest_answer_all(&rig, fast);
	assert_int_equal(rig.completes_count, 1);
	assert_int_not_equal(rig_said_count(&rig, slow.peer, PEER_CANCEL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(no_block_is_asked_for_twice_in_good_times, end),
		cmocka_unit_test_teardown(begun_pieces_are_finished_first, end),
		cmocka_unit_test_teardown(the_rarest_piece_comes_first, end),
		cmocka_unit_test_teardown(a_choke_of_a_plain_peer_frees_its_blocks_for_others, end),
		cmocka_unit_test_teardown(a_reject_sends_the_request_elsewhere, end),
		cmocka_unit_test_teardown(
			a_peer_that_rejects_everything_is_not_asked_in_a_tight_loop, end),
		cmocka_unit_test_teardown(a_staller_loses_its_requests_to_the_others, end),
		cmocka_unit_test_teardown(a_late_block_is_taken_if_it_is_still_wanted, end),
		cmocka_unit_test_teardown(half_a_block_is_not_waited_for, end),
		cmocka_unit_test_teardown(the_only_sender_of_a_bad_piece_is_banned, end),
		cmocka_unit_test_teardown(
			after_a_bad_piece_of_several_it_comes_from_one_alone, end),
		cmocka_unit_test_teardown(what_could_not_be_begun_anew_is_not_taken_over, end),
		cmocka_unit_test_teardown(
			at_the_end_two_are_asked_and_the_slower_is_cancelled, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
