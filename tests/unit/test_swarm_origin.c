/* SPDX-License-Identifier: Apache-2.0 */
/* The origin's grants, and how a node follows them. */
#include "tests/support/pair.h"

#define PIECES	    64
#define PIECE_BYTES ((uint32_t)(64 * KIB))
#define BLOCK	    ((uint32_t)PEER_BLOCK_BYTES)

static struct rig rig;

static int end(void **state)
{
	(void)state;
	rig.swarm = swarm_destroy(rig.swarm);
	return 0;
}

static void say_extended(struct guest guest, bool origin)
{
	struct peer_extended_handshake handshake = {
		.request_bytes_max = PEER_BLOCK_BYTES, .origin = origin};
	uint8_t bytes[256];

	guest_say_message(&rig, guest,
		&(struct peer_message){.id = PEER_EXTENDED,
			.bytes = bytes,
			.bytes_count =
				peer_extended_handshake_write(&handshake, bytes, sizeof(bytes))});
}

static struct guest own_leech(uint8_t number)
{
	struct guest guest = guest_come(&rig, number, true);

	say_extended(guest, false);
	guest_say(&rig, guest, PEER_HAVE_NONE);
	guest_say(&rig, guest, PEER_INTERESTED);
	return guest;
}

static void begin_origin(void)
{
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);

	settings.origin = true;
	settings.all_durable = true;
	rig_create(&rig, &settings);
	rig_input(&rig, SWARM_IN_START);
}

/* Asks for each piece that it is granted, and has it, until it is granted no more; counts them. */
static void take_all_granted(struct guest guest, uint32_t granted[static PIECES])
{
	const struct peer_message *grant;

	for (uint32_t nth = 0; (grant = rig_said(&rig, guest.peer, PEER_SUGGEST, nth)) != NULL;
		nth++) {
		uint32_t piece = grant->index;

		granted[piece]++;
		for (uint32_t begin = 0; begin < PIECE_BYTES; begin += BLOCK)
			guest_say_triple(&rig, guest, PEER_REQUEST, piece, begin, BLOCK);
		guest_say_index(&rig, guest, PEER_HAVE, piece);
	}
}

static void grants_go_once_each_and_before_the_unchoke(void **state)
{
	bool granted[PIECES] = {false};

	(void)state;
	begin_origin();
	struct guest leeches[3];

	for (uint32_t i = 0; i < 3; i++)
		leeches[i] = own_leech((uint8_t)(2 + i));

	for (uint32_t i = 0; i < 3; i++) {
		const struct peer_message *grant;

		assert_int_not_equal(rig_said_count(&rig, leeches[i].peer, PEER_SUGGEST), 0);
		for (uint32_t nth = 0;
			(grant = rig_said(&rig, leeches[i].peer, PEER_SUGGEST, nth)) != NULL;
			nth++) {
			assert_false(granted[grant->index]);
			granted[grant->index] = true;
		}
		assert_true(rig_said(&rig, leeches[i].peer, PEER_SUGGEST, 0) <
			    rig_said(&rig, leeches[i].peer, PEER_UNCHOKE, 0));
	}
}

/* All that a swarm can be at once takes the most memory, and the most pieces of it. */
static void an_origin_may_have_a_place(void **state)
{
	(void)state;
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);

	settings.origin = settings.leaves = settings.frames = true;
	memcpy(settings.rack, "r1", 3);
	memcpy(settings.site, "s1", 3);
	rig_create(&rig, &settings);
	rig_begin(&rig);
}

/* It would be looked after as one for ever, and nothing else. */
static void a_peer_may_take_back_that_it_is_the_origin(void **state)
{
	(void)state;
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);

	rig_create(&rig, &settings);
	rig_begin(&rig);
	struct guest guest = guest_come(&rig, 2, true);

	say_extended(guest, true);
	say_extended(guest, false);
	guest_say_index(&rig, guest, PEER_HAVE, 1);
	guest_say(&rig, guest, PEER_UNCHOKE);
	assert_int_not_equal(rig_said_count(&rig, guest.peer, PEER_REQUEST), 0);
	guest_say(&rig, guest, PEER_CHOKE);
	guest_say_triple(&rig, guest, PEER_REJECT, 1, 0, BLOCK);
	rig_pass(&rig, 10 * NS_PER_S);
}

static void all_pieces_are_granted_once_while_requests_flow(void **state)
{
	uint32_t granted[PIECES] = {0};

	(void)state;
	begin_origin();
	take_all_granted(own_leech(2), granted);
	for (uint32_t piece = 0; piece < PIECES; piece++)
		assert_int_equal(granted[piece], 1);
}

static void a_grant_whose_receiver_vanished_counts_as_never_given(void **state)
{
	bool granted[PIECES] = {false};

	(void)state;
	begin_origin();
	struct guest first = own_leech(2);
	uint32_t lost[PIECES];
	uint32_t lost_count = rig_said_count(&rig, first.peer, PEER_SUGGEST);

	for (uint32_t i = 0; i < lost_count; i++)
		lost[i] = rig_said(&rig, first.peer, PEER_SUGGEST, i)->index;
	guest_go(&rig, first);
	rig_clear(&rig);
	struct guest second = own_leech(3);
	const struct peer_message *grant;

	for (uint32_t nth = 0; (grant = rig_said(&rig, second.peer, PEER_SUGGEST, nth)) != NULL;
		nth++) {
		uint32_t piece = grant->index;

		granted[piece] = true;
		for (uint32_t begin = 0; begin < PIECE_BYTES; begin += BLOCK)
			guest_say_triple(&rig, second, PEER_REQUEST, piece, begin, BLOCK);
		guest_say_index(&rig, second, PEER_HAVE, piece);
	}
	for (uint32_t i = 0; i < lost_count; i++)
		assert_true(granted[lost[i]]);
}

/* What was with the driver already and never left was not given either. */
static void a_grant_that_was_cancelled_on_its_way_out_counts_as_never_given(void **state)
{
	uint32_t granted[PIECES] = {0};
	const struct peer_message *grant;

	(void)state;
	begin_origin();
	rig.hold_sends = true;
	struct guest first = own_leech(2);

	for (uint32_t nth = 0;
		(grant = rig_said(&rig, first.peer, PEER_SUGGEST, nth)) != NULL && nth < PIECES / 2;
		nth++) {
		uint32_t piece = grant->index;

		for (uint32_t begin = 0; begin < PIECE_BYTES; begin += BLOCK)
			guest_say_triple(&rig, first, PEER_REQUEST, piece, begin, BLOCK);
		for (uint32_t begin = 0; begin < PIECE_BYTES; begin += BLOCK)
			guest_say_triple(&rig, first, PEER_CANCEL, piece, begin, BLOCK);
	}
	assert_int_not_equal(rig_count(&rig, SWARM_EFFECT_CANCEL_SEND), 0);
	for (uint32_t i = 0; i < rig.log_count; i++)
		if (rig.log[i].kind == SWARM_EFFECT_CANCEL_SEND)
			rig_feed(&rig, &(struct swarm_input){.kind = SWARM_IN_BLOCK_SENT,
					       .peer = first.peer,
					       .generation = first.generation,
					       .message = &rig.log[i].message});
	guest_say(&rig, first, PEER_NOT_INTERESTED);
	rig_clear(&rig);
	rig.hold_sends = false;
	take_all_granted(own_leech(3), granted);
	for (uint32_t piece = 0; piece < PIECES; piece++)
		assert_int_equal(granted[piece], 1);
}

/* A slot may end while requests wait: of a piece that has not left, all is still to be given. */
static void a_grant_that_still_waited_at_a_choke_counts_as_never_given(void **state)
{
	bool leaving[PIECES] = {false};
	bool asked[PIECES] = {false};
	const struct peer_message *grant;
	uint32_t waited_count = 0;

	(void)state;
	begin_origin();
	rig.hold_sends = true;
	struct guest first = own_leech(2);

	for (uint32_t nth = 0; (grant = rig_said(&rig, first.peer, PEER_SUGGEST, nth)) != NULL;
		nth++) {
		asked[grant->index] = true;
		for (uint32_t begin = 0; begin < PIECE_BYTES; begin += BLOCK)
			guest_say_triple(&rig, first, PEER_REQUEST, grant->index, begin, BLOCK);
	}
	for (uint32_t i = 0; i < rig.log_count; i++)
		if (rig.log[i].kind == SWARM_EFFECT_SEND_BLOCK)
			leaving[rig.log[i].message.index] = true;
	guest_say(&rig, first, PEER_NOT_INTERESTED);
	rig_clear(&rig);
	struct guest second = own_leech(3);

	for (uint32_t nth = 0; (grant = rig_said(&rig, second.peer, PEER_SUGGEST, nth)) != NULL;
		nth++) {
		asked[grant->index] = false;
		guest_say_index(&rig, second, PEER_HAVE, grant->index);
	}
	for (uint32_t piece = 0; piece < PIECES; piece++) {
		assert_true(!asked[piece] || leaving[piece]);
		waited_count += !leaving[piece];
	}
	assert_int_not_equal(waited_count, 0);
}

static void zero_pieces_and_copies_are_not_granted(void **state)
{
	uint64_t words[BITSET_WORDS(PIECES)];
	struct bitset zeroes;
	uint8_t hashes[PIECES * 4];
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);

	(void)state;
	bitset_init(&zeroes, words, PIECES);
	bitset_set_all(&zeroes);
	bitset_clear(&zeroes, 7);
	bitset_clear(&zeroes, 9);
	memset(hashes, 1, sizeof(hashes));
	settings.zero_pieces = &zeroes;
	settings.piece_hashes = hashes;
	settings.piece_hash_bytes = 4;
	settings.origin = true;
	settings.all_durable = true;
	rig_create(&rig, &settings);
	rig_input(&rig, SWARM_IN_START);
	struct guest leech = own_leech(2);

	assert_int_equal(rig_said_count(&rig, leech.peer, PEER_SUGGEST), 1);
	assert_int_equal(rig_said(&rig, leech.peer, PEER_SUGGEST, 0)->index, 7);
}

static void a_node_takes_from_the_origin_what_it_suggests(void **state)
{
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);

	(void)state;
	rig_create(&rig, &settings);
	rig_begin(&rig);
	struct guest origin = guest_come(&rig, 2, true);

	say_extended(origin, true);
	guest_say(&rig, origin, PEER_HAVE_ALL);
	guest_say_index(&rig, origin, PEER_SUGGEST, 21);
	guest_say_index(&rig, origin, PEER_SUGGEST, 4);
	guest_say(&rig, origin, PEER_UNCHOKE);
	for (uint32_t i = 0; i < PIECE_BYTES / BLOCK; i++) {
		assert_int_equal(rig_said(&rig, origin.peer, PEER_REQUEST, i)->index, 21);
		assert_int_equal(
			rig_said(&rig, origin.peer, PEER_REQUEST, i + PIECE_BYTES / BLOCK)->index,
			4);
	}
}

static void a_node_without_suggestions_asks_the_origin_only_when_nobody_else_keeps_it_busy(
	void **state)
{
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);

	(void)state;
	rig_create(&rig, &settings);
	rig_begin(&rig);
	struct guest seed = guest_seed(&rig, 3);
	struct guest origin = guest_come(&rig, 2, true);

	for (uint32_t i = 0; i < 4; i++) {
		struct peer_message copy = *rig_said(&rig, seed.peer, PEER_REQUEST, i);

		rig.now_ns += 400 * NS_PER_MS;
		(void)guest_send(&rig, seed, &copy);
	}
	say_extended(origin, true);
	guest_say(&rig, origin, PEER_HAVE_ALL);
	guest_say(&rig, origin, PEER_UNCHOKE);
	assert_int_equal(rig_said_count(&rig, origin.peer, PEER_REQUEST), 0);
	guest_go(&rig, seed);
	assert_int_not_equal(rig_said_count(&rig, origin.peer, PEER_REQUEST), 0);
}

/* It is asked for as soon as it is known to be absent: nobody else gets it for a while. */
static void what_is_suggested_before_the_assessment_is_not_forgotten(void **state)
{
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);

	(void)state;
	rig_create(&rig, &settings);
	rig_input(&rig, SWARM_IN_START);
	struct guest origin = guest_come(&rig, 2, true);

	rig_feed(&rig, &(struct swarm_input){.kind = SWARM_IN_PIECE_ABSENT, .piece = 0});
	for (uint32_t piece = 1; piece < PIECES; piece++)
		rig_feed(&rig,
			&(struct swarm_input){.kind = SWARM_IN_PIECE_CHECKING, .piece = piece});
	say_extended(origin, true);
	guest_say(&rig, origin, PEER_HAVE_ALL);
	guest_say_index(&rig, origin, PEER_SUGGEST, 40);
	guest_say(&rig, origin, PEER_UNCHOKE);
	uint32_t before_count = rig_said_count(&rig, origin.peer, PEER_REQUEST);

	rig_input(&rig, SWARM_IN_ASSESS_DONE);
	assert_non_null(rig_said(&rig, origin.peer, PEER_REQUEST, before_count));
	assert_int_equal(rig_said(&rig, origin.peer, PEER_REQUEST, before_count)->index, 40);
}

/* The origin is late in the middle of a piece: others keep us busy, but only it has the rest. */
static void the_rest_of_a_piece_that_only_the_origin_has_is_asked_for_again(void **state)
{
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);
	const struct peer_message *request;

	(void)state;
	rig_create(&rig, &settings);
	rig_begin(&rig);
	struct guest other = guest_come(&rig, 3, true);
	struct guest origin = guest_come(&rig, 2, true);

	say_extended(other, false);
	for (uint32_t piece = 0; piece < 16; piece++)
		guest_say_index(&rig, other, PEER_HAVE, piece);
	guest_say(&rig, other, PEER_UNCHOKE);
	say_extended(origin, true);
	guest_say(&rig, origin, PEER_HAVE_ALL);
	guest_say_index(&rig, origin, PEER_SUGGEST, 21);
	guest_say(&rig, origin, PEER_UNCHOKE);
	uint32_t asked_count = rig_said_count(&rig, origin.peer, PEER_REQUEST);
	struct peer_message first = *rig_said(&rig, origin.peer, PEER_REQUEST, 0);

	(void)guest_send(&rig, origin, &first);
	for (uint32_t i = 0; rig_said(&rig, origin.peer, PEER_CANCEL, 0) == NULL; i++) {
		request = rig_said(&rig, other.peer, PEER_REQUEST, i);
		assert_non_null(request);
		struct peer_message copy = *request;

		(void)guest_send(&rig, other, &copy);
		rig_pass(&rig, 400 * NS_PER_MS);
	}
	request = rig_said(&rig, origin.peer, PEER_REQUEST, asked_count);
	assert_non_null(request);
	assert_int_equal(request->index, 21);
	assert_int_not_equal(request->begin, first.begin);
}

/* Everything is given, all but one have what they were given, and that one asks for nothing. */
static void the_last_grant_goes_to_an_idle_node_as_well(void **state)
{
	uint32_t granted[PIECES] = {0};
	const struct peer_message *grant;
	uint32_t twice_count = 0;

	(void)state;
	begin_origin();
	struct guest slow = own_leech(2);

	for (uint32_t nth = 0; (grant = rig_said(&rig, slow.peer, PEER_SUGGEST, nth)) != NULL;
		nth++)
		granted[grant->index]++;
	struct guest quick = own_leech(3);

	for (uint32_t nth = 0; (grant = rig_said(&rig, quick.peer, PEER_SUGGEST, nth)) != NULL;
		nth++) {
		uint32_t piece = grant->index;

		twice_count += granted[piece]++;
		for (uint32_t begin = 0; begin < PIECE_BYTES; begin += BLOCK)
			guest_say_triple(&rig, quick, PEER_REQUEST, piece, begin, BLOCK);
		guest_say_index(&rig, quick, PEER_HAVE, piece);
	}
	for (uint32_t piece = 0; piece < PIECES; piece++)
		assert_in_range(granted[piece], 1, 2);
	assert_int_not_equal(twice_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(grants_go_once_each_and_before_the_unchoke, end),
		cmocka_unit_test_teardown(an_origin_may_have_a_place, end),
		cmocka_unit_test_teardown(a_peer_may_take_back_that_it_is_the_origin, end),
		cmocka_unit_test_teardown(all_pieces_are_granted_once_while_requests_flow, end),
		cmocka_unit_test_teardown(
			a_grant_whose_receiver_vanished_counts_as_never_given, end),
		cmocka_unit_test_teardown(
			a_grant_that_was_cancelled_on_its_way_out_counts_as_never_given, end),
		cmocka_unit_test_teardown(
			a_grant_that_still_waited_at_a_choke_counts_as_never_given, end),
		cmocka_unit_test_teardown(zero_pieces_and_copies_are_not_granted, end),
		cmocka_unit_test_teardown(a_node_takes_from_the_origin_what_it_suggests, end),
		cmocka_unit_test_teardown(
			what_is_suggested_before_the_assessment_is_not_forgotten, end),
		cmocka_unit_test_teardown(
			the_rest_of_a_piece_that_only_the_origin_has_is_asked_for_again, end),
		cmocka_unit_test_teardown(the_last_grant_goes_to_an_idle_node_as_well, end),
		cmocka_unit_test_teardown(
			a_node_without_suggestions_asks_the_origin_only_when_nobody_else_keeps_it_busy,
			end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
