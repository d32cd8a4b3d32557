/* SPDX-License-Identifier: Apache-2.0 */
/* The origin's grants, how a node follows them, and two engines that talk to each other. */
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
	struct guest leech = own_leech(2);
	const struct peer_message *grant;

	for (uint32_t nth = 0; (grant = rig_said(&rig, leech.peer, PEER_SUGGEST, nth)) != NULL;
		nth++) {
		uint32_t piece = grant->index;

		granted[piece]++;
		for (uint32_t begin = 0; begin < PIECE_BYTES; begin += BLOCK)
			guest_say_triple(&rig, leech, PEER_REQUEST, piece, begin, BLOCK);
		guest_say_index(&rig, leech, PEER_HAVE, piece);
	}
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

/* ---- two engines ---- */

struct wire {
	struct rig ends[2];
	struct guest others[2]; /* as the other end numbers it */
	uint32_t read[2];	/* of each log */
};

static void deliver(struct wire *wire, uint32_t to, const struct swarm_effect *effect)
{
	struct rig *end = &wire->ends[to];
	struct swarm_input input = {.peer = wire->others[to].peer,
		.generation = wire->others[to].generation,
		.message = &effect->message};
	struct peer_handshake handshake = {.peer_id = {(uint8_t)(2 - to)}};

	switch (effect->kind) {
	case SWARM_EFFECT_SEND_HANDSHAKE:
		peer_reserved_set_ours(handshake.reserved);
		input.kind = SWARM_IN_HANDSHAKE;
		input.handshake = &handshake;
		rig_feed(end, &input);
		break;
	case SWARM_EFFECT_SEND:
		input.kind = SWARM_IN_MESSAGE;
		rig_feed(end, &input);
		break;
	case SWARM_EFFECT_SEND_BLOCK:
		assert_int_not_equal(
			guest_send(end, wire->others[to], &effect->message), SWARM_PLACE_VIOLATION);
		break;
	case SWARM_EFFECT_DISCONNECT:
		input.kind = SWARM_IN_DISCONNECTED;
		rig_feed(end, &input);
		break;
	default:
		break;
	}
}

/* A message's payload is good until the next input: it is copied when it is logged. */
static void connect_ends(struct wire *wire)
{
	struct guest *accepted = &wire->others[1];

	rig_feed(&wire->ends[0],
		&(struct swarm_input){.kind = SWARM_IN_ADDRESS, .address = guest_address(1)});
	const struct swarm_effect *connect = rig_find(&wire->ends[0], SWARM_EFFECT_CONNECT);

	assert_non_null(connect);
	wire->others[0] = (struct guest){connect->peer, connect->generation};
	rig_feed(&wire->ends[1], &(struct swarm_input){.kind = SWARM_IN_ACCEPTED,
					 .address = guest_address(0),
					 .accepted_peer = &accepted->peer,
					 .accepted_generation = &accepted->generation});
	rig_feed(&wire->ends[0], &(struct swarm_input){.kind = SWARM_IN_CONNECTED,
					 .peer = wire->others[0].peer,
					 .generation = wire->others[0].generation});
}

static void a_node_fetches_everything_from_another(void **state)
{
	struct wire *wire = calloc(1, sizeof(*wire));
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);
	struct swarm_status status;

	(void)state;
	assert_non_null(wire);
	settings.peer_id[0] = 1;
	rig_create(&wire->ends[0], &settings);
	settings.peer_id[0] = 2;
	settings.all_durable = true;
	settings.origin = true;
	rig_create(&wire->ends[1], &settings);
	rig_begin(&wire->ends[0]);
	rig_input(&wire->ends[1], SWARM_IN_START);
	connect_ends(wire);
	for (bool moved = true; moved;) {
		moved = false;
		for (uint32_t from = 0; from < 2; from++) {
			while (wire->read[from] < wire->ends[from].log_count) {
				struct swarm_effect effect =
					wire->ends[from].log[wire->read[from]++];

				deliver(wire, 1 - from, &effect);
				moved = true;
			}
		}
	}
	assert_int_equal(wire->ends[0].completes_count, 1);
	swarm_status(wire->ends[0].swarm, &status);
	assert_int_equal(status.received_bytes, PIECES * PIECE_BYTES);
	assert_int_equal(status.received_from_origin_bytes, PIECES * PIECE_BYTES);
	assert_int_equal(status.wasted_bytes, 0);
	assert_int_equal(status.left_bytes, 0);
	swarm_status(wire->ends[1].swarm, &status);
	assert_int_equal(status.sent_bytes, PIECES * PIECE_BYTES);
	for (uint32_t piece = 0; piece < PIECES; piece++)
		assert_int_equal(wire->ends[0].writes_count[piece], 1);
	wire->ends[0].swarm = swarm_destroy(wire->ends[0].swarm);
	wire->ends[1].swarm = swarm_destroy(wire->ends[1].swarm);
	free(wire);
}

static uint64_t run_digest(uint64_t seed)
{
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);
	uint64_t digest = 0;

	settings.seed = seed;
	rig_create(&rig, &settings);
	rig_begin(&rig);
	struct guest guest = guest_seed(&rig, 2);

	guest_answer_all(&rig, guest);
	for (uint32_t i = 0; i < rig.log_count; i++)
		digest = (digest ^ rig.log[i].kind ^ (uint64_t)rig.log[i].message.index << 8 ^
				 (uint64_t)rig.log[i].piece << 20) *
			 0x100000001b3;
	rig.swarm = swarm_destroy(rig.swarm);
	return digest;
}

static void same_seed_same_effects(void **state)
{
	(void)state;
	assert_int_equal(run_digest(5), run_digest(5));
	assert_int_not_equal(run_digest(5), run_digest(6));
}

static void contradictory_settings_are_refused(void **state)
{
	struct swarm_allocator allocator = {.allocate = rig_allocate, .release = rig_release};
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);

	(void)state;
	settings.pieces_count++;
	assert_null(swarm_create(&settings, &allocator));
	settings = rig_settings(PIECES, PIECE_BYTES);
	settings.limits.buffers_count = 1;
	assert_null(swarm_create(&settings, &allocator));
	settings = rig_settings(PIECES, PIECE_BYTES);
	settings.limits.request_bytes = 20000;
	assert_null(swarm_create(&settings, &allocator));
	settings = rig_settings(PIECES, PIECE_BYTES);
	settings.length_bytes = 0;
	assert_null(swarm_create(&settings, &allocator));
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
		cmocka_unit_test_teardown(zero_pieces_and_copies_are_not_granted, end),
		cmocka_unit_test_teardown(a_node_takes_from_the_origin_what_it_suggests, end),
		cmocka_unit_test_teardown(
			a_node_without_suggestions_asks_the_origin_only_when_nobody_else_keeps_it_busy,
			end),
		cmocka_unit_test(a_node_fetches_everything_from_another),
		cmocka_unit_test(same_seed_same_effects),
		cmocka_unit_test(contradictory_settings_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
