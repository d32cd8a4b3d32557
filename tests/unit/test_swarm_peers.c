/* SPDX-License-Identifier: Apache-2.0 */
/* How the engine deals with peers: what it says when, what it forgives, and what it does not. */
#include "tests/support/pair.h"

#define PIECES	    8
#define PIECE_BYTES ((uint32_t)(64 * KIB))
#define BLOCK	    ((uint32_t)PEER_BLOCK_BYTES)

static struct rig rig;

static void begin_leech(void)
{
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);

	rig_create(&rig, &settings);
	rig_begin(&rig);
}

static void begin_seed(uint32_t upload_slots)
{
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);

	settings.all_durable = true;
	settings.limits.upload_slots = upload_slots;
	rig_create(&rig, &settings);
	rig_input(&rig, SWARM_IN_START);
}

static int end(void **state)
{
	(void)state;
	rig.swarm = swarm_destroy(rig.swarm);
	return 0;
}

static struct guest interested_guest(uint8_t number, bool fast)
{
	struct guest guest = guest_come(&rig, number, fast);

	guest_say(&rig, guest, PEER_INTERESTED);
	return guest;
}

static void a_seed_says_have_all_only_to_fast_peers(void **state)
{
	(void)state;
	begin_seed(4);
	struct guest fast = guest_come(&rig, 2, true);
	struct guest plain = guest_come(&rig, 3, false);

	assert_int_equal(rig_said_count(&rig, fast.peer, PEER_HAVE_ALL), 1);
	assert_int_equal(rig_said_count(&rig, fast.peer, PEER_BITFIELD), 0);
	assert_int_equal(rig_said_count(&rig, plain.peer, PEER_HAVE_ALL), 0);
	assert_int_equal(rig_said_count(&rig, plain.peer, PEER_BITFIELD), 1);
	assert_int_equal(rig_said_count(&rig, plain.peer, PEER_EXTENDED), 0);
}

static void an_empty_node_says_have_none_or_nothing(void **state)
{
	(void)state;
	begin_leech();
	struct guest fast = guest_come(&rig, 2, true);
	struct guest plain = guest_come(&rig, 3, false);

	assert_int_equal(rig_said_count(&rig, fast.peer, PEER_HAVE_NONE), 1);
	assert_int_equal(rig_said_count(&rig, plain.peer, PEER_BITFIELD), 0);
}

static void serves_an_unchoked_peer_in_order(void **state)
{
	(void)state;
	begin_seed(4);
	struct guest guest = interested_guest(2, true);

	assert_int_equal(rig_said_count(&rig, guest.peer, PEER_UNCHOKE), 1);
	for (uint32_t i = 0; i < 4; i++)
		guest_say_triple(&rig, guest, PEER_REQUEST, 5, i * BLOCK, BLOCK);
	uint32_t sent = 0;

	for (uint32_t i = 0; i < rig.log_count; i++)
		if (rig.log[i].kind == SWARM_EFFECT_SEND_BLOCK)
			assert_int_equal(rig.log[i].message.begin, sent++ * BLOCK);
	assert_int_equal(sent, 4);
}

static void rejects_requests_of_a_choked_fast_peer_and_is_silent_to_a_plain_one(void **state)
{
	(void)state;
	begin_seed(4);
	struct guest fast = guest_come(&rig, 2, true);
	struct guest plain = guest_come(&rig, 3, false);

	guest_say_triple(&rig, fast, PEER_REQUEST, 1, 0, BLOCK);
	guest_say_triple(&rig, plain, PEER_REQUEST, 1, 0, BLOCK);
	assert_int_equal(rig_said_count(&rig, fast.peer, PEER_REJECT), 1);
	assert_int_equal(rig_said_count(&rig, plain.peer, PEER_REJECT), 0);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_SEND_BLOCK), 0);
	assert_false(rig_disconnected(&rig, plain.peer));
}

static void a_choke_rejects_every_queued_request_once(void **state)
{
	(void)state;
	begin_seed(1);
	rig.hold_sends = true;
	struct guest first = interested_guest(2, true);

	for (uint32_t i = 0; i < 20; i++)
		guest_say_triple(&rig, first, PEER_REQUEST, i / 4, i % 4 * BLOCK, BLOCK);
	uint32_t sending = rig_count(&rig, SWARM_EFFECT_SEND_BLOCK);

	assert_in_range(sending, 1, 19);
	guest_say(&rig, first, PEER_NOT_INTERESTED);
	assert_int_equal(rig_said_count(&rig, first.peer, PEER_CHOKE), 1);
	assert_int_equal(rig_said_count(&rig, first.peer, PEER_REJECT), 20 - sending);
}

static void a_cancel_is_answered_by_exactly_one_reject(void **state)
{
	(void)state;
	begin_seed(1);
	rig.hold_sends = true;
	struct guest guest = interested_guest(2, true);

	for (uint32_t i = 0; i < 12; i++)
		guest_say_triple(&rig, guest, PEER_REQUEST, i / 4, i % 4 * BLOCK, BLOCK);
	/* The last is queued, the first is with the driver, which drops it. */
	guest_say_triple(&rig, guest, PEER_CANCEL, 2, 3 * BLOCK, BLOCK);
	assert_int_equal(rig_said_count(&rig, guest.peer, PEER_REJECT), 1);
	guest_say_triple(&rig, guest, PEER_CANCEL, 0, 0, BLOCK);
	guest_say_triple(&rig, guest, PEER_CANCEL, 0, 0, BLOCK);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_CANCEL_SEND), 1);
	struct peer_message message = rig_find(&rig, SWARM_EFFECT_CANCEL_SEND)->message;

	rig_feed(&rig, &(struct swarm_input){.kind = SWARM_IN_BLOCK_SENT,
			       .peer = guest.peer,
			       .generation = guest.generation,
			       .message = &message,
			       .ok = false});
	assert_int_equal(rig_said_count(&rig, guest.peer, PEER_REJECT), 2);
}

static void slots_are_bounded_and_go_round(void **state)
{
	(void)state;
	begin_seed(1);
	struct guest first = interested_guest(2, true);
	struct guest second = interested_guest(3, true);

	assert_int_equal(rig_said_count(&rig, first.peer, PEER_UNCHOKE), 1);
	assert_int_equal(rig_said_count(&rig, second.peer, PEER_UNCHOKE), 0);
	rig_pass(&rig, 2 * NS_PER_S);
	assert_int_not_equal(rig_said_count(&rig, first.peer, PEER_CHOKE), 0);
	assert_int_not_equal(rig_said_count(&rig, second.peer, PEER_UNCHOKE), 0);
	int unchoked = 0;

	for (uint32_t i = 0; i < rig.log_count; i++) {
		if (rig.log[i].kind != SWARM_EFFECT_SEND)
			continue;
		unchoked += rig.log[i].message.id == PEER_UNCHOKE;
		unchoked -= rig.log[i].message.id == PEER_CHOKE;
		assert_in_range(unchoked, 0, 1);
	}
}

static void flapping_interest_does_not_flap_slots(void **state)
{
	(void)state;
	begin_seed(4);
	struct guest guest = guest_come(&rig, 2, true);

	for (uint32_t i = 0; i < 500; i++) {
		guest_say(&rig, guest, PEER_INTERESTED);
		guest_say(&rig, guest, PEER_NOT_INTERESTED);
	}
	assert_in_range(rig_said_count(&rig, guest.peer, PEER_UNCHOKE), 1, 2);
}

/* ---- violations ---- */

static void expect_offence(bool fast, const struct peer_message *message, uint32_t times)
{
	begin_leech();
	struct guest guest = guest_come(&rig, 2, fast);

	for (uint32_t i = 0; i < times; i++) {
		assert_false(rig_disconnected(&rig, guest.peer));
		guest_say_message(&rig, guest, message);
	}
	assert_true(rig_disconnected(&rig, guest.peer));
	/* It does not get in again at once, but after a while. */
	assert_int_equal(guest_come(&rig, 2, fast).peer, SWARM_PEER_NONE);
	rig_pass(&rig, 40 * NS_PER_S);
	assert_int_not_equal(guest_come(&rig, 2, fast).peer, SWARM_PEER_NONE);
	rig.swarm = swarm_destroy(rig.swarm);
}

static void offenders_are_disconnected_and_kept_out_for_a_while(void **state)
{
	uint8_t bitfield[2] = {0x01, 0};

	(void)state;
	expect_offence(true, &(struct peer_message){.id = PEER_HAVE, .index = PIECES}, 1);
	expect_offence(false, &(struct peer_message){.id = PEER_HAVE_ALL}, 1);
	expect_offence(true, &(struct peer_message){.id = PEER_HAVE_NONE}, 2);
	expect_offence(false, &(struct peer_message){.id = PEER_SUGGEST}, 1);
	expect_offence(true, &(struct peer_message){.id = PEER_REQUEST, .index = 1}, 1);
	expect_offence(true,
		&(struct peer_message){
			.id = PEER_REQUEST, .index = 1, .begin = UINT32_MAX, .length = 2},
		1);
	expect_offence(true,
		&(struct peer_message){.id = PEER_BITFIELD, .bytes = bitfield, .bytes_count = 2},
		1);
	expect_offence(true,
		&(struct peer_message){.id = PEER_EXTENDED, .bytes = bitfield, .bytes_count = 2},
		1);
}

static void a_flood_of_hopeless_requests_ends(void **state)
{
	(void)state;
	begin_leech();
	struct guest guest = guest_come(&rig, 2, true);

	for (uint32_t i = 0; i < 10000 && !rig_disconnected(&rig, guest.peer); i++)
		guest_say_triple(&rig, guest, PEER_REQUEST, 1, 0, BLOCK);
	assert_true(rig_disconnected(&rig, guest.peer));
}

static void blocks_that_nobody_asked_for_are_discarded_then_a_violation(void **state)
{
	struct peer_message block = {.index = 1, .length = BLOCK};
	uint32_t count = 0;

	(void)state;
	begin_leech();
	struct guest guest = guest_come(&rig, 2, true);

	while (count < 1000 && guest_send(&rig, guest, &block) == SWARM_PLACE_DISCARD)
		count++;
	assert_in_range(count, 1, 100);
}

static void one_machine_cannot_take_all_connections(void **state)
{
	struct guest guest;
	uint32_t accepted = 0;

	(void)state;
	begin_leech();
	for (uint16_t port = 1; port <= 64; port++) {
		struct peer_address address = guest_address(2);

		address.port = port;
		rig_feed(&rig, &(struct swarm_input){.kind = SWARM_IN_ACCEPTED,
				       .address = address,
				       .accepted_peer = &guest.peer,
				       .accepted_generation = &guest.generation});
		accepted += guest.peer != SWARM_PEER_NONE;
	}
	assert_int_equal(accepted, 8);
	assert_int_not_equal(guest_come(&rig, 3, true).peer, SWARM_PEER_NONE);
}

static void idlers_make_room_for_others(void **state)
{
	(void)state;
	begin_leech();
	for (uint8_t i = 1; i <= 64; i++)
		assert_int_not_equal(guest_come(&rig, i, true).peer, SWARM_PEER_NONE);
	assert_int_equal(guest_come(&rig, 100, true).peer, SWARM_PEER_NONE);
	rig_pass(&rig, 31 * NS_PER_S);
	assert_int_equal(guest_come(&rig, 100, true).peer, SWARM_PEER_NONE);
	assert_int_not_equal(guest_come(&rig, 100, true).peer, SWARM_PEER_NONE);
}

static void a_malformed_block_is_a_violation(void **state)
{
	(void)state;
	begin_leech();
	struct guest guest = guest_come(&rig, 2, true);
	struct peer_message block = {.index = 1, .begin = PIECE_BYTES - 1, .length = BLOCK};

	assert_int_equal(guest_send(&rig, guest, &block), SWARM_PLACE_VIOLATION);
}

/* ---- connections ---- */

static void does_not_talk_to_itself(void **state)
{
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);
	struct peer_handshake handshake;

	(void)state;
	rig_create(&rig, &settings);
	rig_begin(&rig);
	rig_feed(
		&rig, &(struct swarm_input){.kind = SWARM_IN_ADDRESS, .address = guest_address(9)});
	const struct swarm_effect *connect = rig_find(&rig, SWARM_EFFECT_CONNECT);

	assert_non_null(connect);
	struct swarm_input input = {.kind = SWARM_IN_CONNECTED,
		.peer = connect->peer,
		.generation = connect->generation,
		.handshake = &handshake};

	rig_feed(&rig, &input);
	memcpy(handshake.peer_id, settings.peer_id, sizeof(handshake.peer_id));
	input.kind = SWARM_IN_HANDSHAKE;
	rig_feed(&rig, &input);
	assert_true(rig_disconnected(&rig, input.peer));
	rig_clear(&rig);
	rig_pass(&rig, 3600 * NS_PER_S);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_CONNECT), 0);
}

static void two_connections_to_one_node_become_one(void **state)
{
	(void)state;
	begin_leech();
	struct guest first = guest_come(&rig, 2, true);
	struct guest second = guest_come(&rig, 2, true);

	assert_false(rig_disconnected(&rig, first.peer));
	assert_true(rig_disconnected(&rig, second.peer));
}

/* Says hello under the peer id of another guest. */
static void greet_as(uint32_t peer, uint32_t generation, uint8_t number)
{
	struct peer_handshake handshake = {.peer_id = {number}};

	rig_feed(&rig, &(struct swarm_input){.kind = SWARM_IN_HANDSHAKE,
			       .peer = peer,
			       .generation = generation,
			       .handshake = &handshake});
}

static void a_borrowed_peer_id_keeps_nobody_away(void **state)
{
	struct guest borrower;

	(void)state;
	begin_leech();
	rig_feed(&rig, &(struct swarm_input){.kind = SWARM_IN_ACCEPTED,
			       .address = guest_address(7),
			       .accepted_peer = &borrower.peer,
			       .accepted_generation = &borrower.generation});
	greet_as(borrower.peer, borrower.generation, 2);
	/* Whose it is calls, and another one is called. */
	struct guest caller = guest_come(&rig, 2, true);

	rig_feed(
		&rig, &(struct swarm_input){.kind = SWARM_IN_ADDRESS, .address = guest_address(3)});
	struct swarm_effect connect = *rig_find(&rig, SWARM_EFFECT_CONNECT);

	rig_feed(&rig, &(struct swarm_input){.kind = SWARM_IN_CONNECTED,
			       .peer = connect.peer,
			       .generation = connect.generation});
	greet_as(connect.peer, connect.generation, 2);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_DISCONNECT), 0);
	/* From one machine it is still one. */
	assert_true(rig_disconnected(&rig, guest_come(&rig, 2, true).peer));
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_DISCONNECT), 1);
	assert_false(rig_disconnected(&rig, caller.peer));
}

static void keeps_alive_and_gives_up_the_silent(void **state)
{
	(void)state;
	begin_leech();
	struct guest guest = guest_come(&rig, 2, true);

	rig_pass(&rig, 99 * NS_PER_S);
	assert_int_equal(rig_said_count(&rig, guest.peer, PEER_KEEP_ALIVE), 0);
	rig_pass(&rig, 2 * NS_PER_S);
	assert_int_equal(rig_said_count(&rig, guest.peer, PEER_KEEP_ALIVE), 1);
	guest_say(&rig, guest, PEER_KEEP_ALIVE);
	rig_pass(&rig, 149 * NS_PER_S);
	assert_false(rig_disconnected(&rig, guest.peer));
	rig_pass(&rig, 2 * NS_PER_S);
	assert_true(rig_disconnected(&rig, guest.peer));
}

static void a_connection_without_a_handshake_ends(void **state)
{
	struct guest guest;

	(void)state;
	begin_leech();
	rig_feed(&rig, &(struct swarm_input){.kind = SWARM_IN_ACCEPTED,
			       .address = guest_address(3),
			       .accepted_peer = &guest.peer,
			       .accepted_generation = &guest.generation});
	rig_pass(&rig, 20 * NS_PER_S);
	assert_true(rig_disconnected(&rig, guest.peer));
}

static void late_news_of_an_earlier_connection_changes_nothing(void **state)
{
	(void)state;
	begin_leech();
	struct guest old = guest_seed(&rig, 2);

	guest_go(&rig, old);
	struct guest now = guest_come(&rig, 3, true);

	assert_int_equal(old.peer, now.peer);
	rig_clear(&rig);
	guest_say_index(&rig, old, PEER_HAVE, PIECES);
	guest_go(&rig, old);
	assert_int_equal(rig.log_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_seed_says_have_all_only_to_fast_peers, end),
		cmocka_unit_test_teardown(an_empty_node_says_have_none_or_nothing, end),
		cmocka_unit_test_teardown(serves_an_unchoked_peer_in_order, end),
		cmocka_unit_test_teardown(
			rejects_requests_of_a_choked_fast_peer_and_is_silent_to_a_plain_one, end),
		cmocka_unit_test_teardown(a_choke_rejects_every_queued_request_once, end),
		cmocka_unit_test_teardown(a_cancel_is_answered_by_exactly_one_reject, end),
		cmocka_unit_test_teardown(slots_are_bounded_and_go_round, end),
		cmocka_unit_test_teardown(flapping_interest_does_not_flap_slots, end),
		cmocka_unit_test(offenders_are_disconnected_and_kept_out_for_a_while),
		cmocka_unit_test_teardown(a_flood_of_hopeless_requests_ends, end),
		cmocka_unit_test_teardown(
			blocks_that_nobody_asked_for_are_discarded_then_a_violation, end),
		cmocka_unit_test_teardown(one_machine_cannot_take_all_connections, end),
		cmocka_unit_test_teardown(idlers_make_room_for_others, end),
		cmocka_unit_test_teardown(a_malformed_block_is_a_violation, end),
		cmocka_unit_test_teardown(does_not_talk_to_itself, end),
		cmocka_unit_test_teardown(two_connections_to_one_node_become_one, end),
		cmocka_unit_test_teardown(a_borrowed_peer_id_keeps_nobody_away, end),
		cmocka_unit_test_teardown(keeps_alive_and_gives_up_the_silent, end),
		cmocka_unit_test_teardown(a_connection_without_a_handshake_ends, end),
		cmocka_unit_test_teardown(late_news_of_an_earlier_connection_changes_nothing, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
