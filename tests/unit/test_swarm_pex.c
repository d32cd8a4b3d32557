/* SPDX-License-Identifier: Apache-2.0 */
/* Peer exchange: who is told of whom and when, and what is believed of what others say. */
#include "tests/support/pair.h"
#include "wire/peer_pex.h"

#define PIECES	    4
#define PIECE_BYTES ((uint32_t)(64 * KIB))
#define THEIR_ID    9 /* under which guests take ut_pex */

static struct rig rig;

static int end(void **state)
{
	(void)state;
	rig.swarm = swarm_destroy(rig.swarm);
	return 0;
}

static void begin_with(uint32_t addresses_max, bool pex)
{
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);

	settings.pex = pex;
	settings.limits.addresses_max = addresses_max;
	rig_create(&rig, &settings);
	rig_begin(&rig);
}

static void begin(void)
{
	begin_with(1024, true);
}

struct manner {
	bool own;
	bool silent; /* takes no ut_pex */
	const char *rack;
	const char *site;
};

static void introduce(struct guest guest, const struct manner *manner)
{
	struct peer_extended_handshake handshake = {.listen_port = 6881,
		.request_bytes_max = manner->own ? PEER_BLOCK_BYTES : 0,
		.id_pex = manner->silent ? 0 : THEIR_ID};
	uint8_t bytes[256];

	if (manner->rack != NULL)
		memcpy(handshake.rack, manner->rack, strlen(manner->rack) + 1);
	if (manner->site != NULL)
		memcpy(handshake.site, manner->site, strlen(manner->site) + 1);
	guest_say_message(&rig, guest,
		&(struct peer_message){.id = PEER_EXTENDED,
			.bytes = bytes,
			.bytes_count =
				peer_extended_handshake_write(&handshake, bytes, sizeof(bytes))});
}

static struct guest come(uint8_t number, const struct manner *manner)
{
	struct guest guest = guest_come(&rig, number, true);

	guest_say(&rig, guest, PEER_HAVE_NONE);
	introduce(guest, manner);
	return guest;
}

static const struct manner own = {.own = true};
static const struct manner foreign = {.own = false};

/* The rig's log borrows what messages hold until the next input: so the engine is asked directly.
 */
static uint32_t messages_to(struct guest guest)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < rig.log_count; i++)
		count += rig.log[i].kind == SWARM_EFFECT_SEND && rig.log[i].peer == guest.peer &&
			 rig.log[i].message.id == PEER_EXTENDED &&
			 rig.log[i].message.extended_id == THEIR_ID;
	return count;
}

/* Feeds one input and reads the ut_pex message to the guest that follows from it, if there is one.
 */
static bool pex_after(const struct swarm_input *input, struct guest guest, struct peer_pex *pex)
{
	struct swarm_effect effect;
	bool found = false;

	swarm_handle(rig.swarm, rig.now_ns, input);
	while (swarm_next_effect(rig.swarm, &effect)) {
		if (effect.kind != SWARM_EFFECT_SEND || effect.peer != guest.peer ||
			effect.message.id != PEER_EXTENDED ||
			effect.message.extended_id != THEIR_ID)
			continue;
		found = true;
		assert_true(peer_pex_parse(pex, effect.message.bytes, effect.message.bytes_count));
	}
	return found;
}

/* The next message to the guest within the time. */
static bool pex_within(uint64_t ns, struct guest guest, struct peer_pex *pex)
{
	uint64_t end_ns = rig.now_ns + ns;
	const struct swarm_input tick = {.kind = SWARM_IN_TICK};

	while (swarm_deadline_ns(rig.swarm) <= end_ns) {
		rig.now_ns = u64_max(rig.now_ns, swarm_deadline_ns(rig.swarm));
		if (pex_after(&tick, guest, pex))
			return true;
	}
	rig.now_ns = end_ns;
	return pex_after(&tick, guest, pex);
}

static bool names(const struct peer_pex *pex, uint8_t number)
{
	struct peer_address address = guest_address(number);

	for (uint32_t i = 0; i < pex->added_count; i++)
		if (peer_address_equal(&pex->added[i].address, &address))
			return true;
	return false;
}

static void say_pex(struct guest guest, const struct peer_pex *pex)
{
	uint8_t bytes[PEX_BYTES_MAX];

	guest_say_message(&rig, guest,
		&(struct peer_message){.id = PEER_EXTENDED,
			.extended_id = PEER_EXTENSION_PEX,
			.bytes = bytes,
			.bytes_count = peer_pex_write(pex, bytes, sizeof(bytes))});
}

/* Names `count` machines, beginning with 10.<net>.0.0. */
static void say_machines(struct guest guest, uint8_t net, uint32_t count)
{
	struct peer_pex pex = {.added_count = count};

	for (uint32_t i = 0; i < count; i++)
		peer_address_from4(&pex.added[i].address,
			(uint8_t[4]){10, net, (uint8_t)(i >> 8), (uint8_t)i}, 6881);
	say_pex(guest, &pex);
}

static uint32_t known_count(void)
{
	struct swarm_status status;

	swarm_status(rig.swarm, &status);
	return status.known_addresses_count;
}

static uint64_t learnt_count(void)
{
	struct swarm_status status;

	swarm_status(rig.swarm, &status);
	return status.learnt_count[SWARM_SOURCE_PEX];
}

/* ---- telling ---- */

static void one_of_ours_hears_of_the_others_at_once(void **state)
{
	struct peer_pex pex;

	(void)state;
	begin();
	(void)come(2, &own);
	(void)come(3, &foreign);
	rig_pass(&rig, 10 * NS_PER_S);
	rig_clear(&rig);
	struct guest late = come(4, &own);

	assert_int_equal(messages_to(late), 1);
	/* What it was told shows in what it is not told again. */
	assert_false(pex_within(30 * NS_PER_S, late, &pex));
	(void)come(5, &own);
	assert_true(pex_within(6 * NS_PER_S, late, &pex));
	assert_int_equal(pex.added_count, 1);
	assert_true(names(&pex, 5));
}

static void who_goes_is_dropped(void **state)
{
	struct peer_pex pex;

	(void)state;
	begin();
	struct guest stays = come(2, &own);
	struct guest goes = come(3, &own);
	struct peer_address gone = guest_address(3);

	assert_true(pex_within(6 * NS_PER_S, stays, &pex));
	assert_true(names(&pex, 3));
	guest_go(&rig, goes);
	assert_true(pex_within(6 * NS_PER_S, stays, &pex));
	assert_int_equal(pex.added_count, 0);
	assert_int_equal(pex.dropped_count, 1);
	assert_true(peer_address_equal(&pex.dropped[0], &gone));
	assert_false(pex_within(60 * NS_PER_S, stays, &pex));
}

static void others_hear_once_a_minute(void **state)
{
	struct peer_pex pex;
	uint32_t count = 0;

	(void)state;
	begin();
	struct guest guest = come(2, &foreign);

	for (uint8_t i = 0; i < 36; i++) {
		if (i % 2 == 0)
			(void)come((uint8_t)(i + 3), &own);
		count += pex_within(5 * NS_PER_S, guest, &pex);
		guest_say(&rig, guest, PEER_KEEP_ALIVE);
		rig_clear(&rig);
	}
	assert_in_range(count, 3, 4); /* in 180 s */
}

static void who_takes_none_is_told_nothing(void **state)
{
	struct manner silent = {.own = true, .silent = true};
	struct peer_pex pex;

	(void)state;
	begin();
	struct guest guest = come(2, &silent);

	(void)come(3, &own);
	assert_false(pex_within(120 * NS_PER_S, guest, &pex));
}

static void who_turns_it_off_and_on_is_told_again(void **state)
{
	struct manner silent = {.own = true, .silent = true};
	struct peer_pex pex;

	(void)state;
	begin();
	struct guest guest = come(2, &own);
	struct guest goes = come(3, &own);

	(void)come(4, &own);
	assert_true(pex_within(6 * NS_PER_S, guest, &pex));
	assert_int_equal(pex.added_count, 2);
	introduce(guest, &silent);
	assert_false(pex_within(20 * NS_PER_S, guest, &pex));
	guest_go(&rig, goes);
	introduce(guest, &own);
	assert_true(pex_within(6 * NS_PER_S, guest, &pex));
	assert_int_equal(pex.added_count, 1);
	assert_true(names(&pex, 4));
	/* Nor is it told that somebody has gone of whom it does not know. */
	assert_int_equal(pex.dropped_count, 0);
}

static void without_it_nothing_is_said_or_heard(void **state)
{
	struct peer_pex pex;

	(void)state;
	begin_with(1024, false);
	struct guest guest = come(2, &own);

	(void)come(3, &own);
	assert_false(pex_within(120 * NS_PER_S, guest, &pex));
	say_machines(guest, 9, 20);
	assert_int_equal(known_count(), 2);
}

static void sites_are_kept_apart(void **state)
{
	struct manner here = {.own = true, .site = "s1", .rack = "r1"};
	struct manner there = {.own = true, .site = "s2", .rack = "r1"};
	struct peer_pex pex;

	(void)state;
	begin();
	struct guest one = come(2, &here);
	struct guest other = come(3, &there);

	(void)come(4, &here);
	(void)come(5, &foreign);
	assert_true(pex_within(6 * NS_PER_S, one, &pex));
	assert_true(names(&pex, 4) && !names(&pex, 3) && names(&pex, 5));
	/* The other was told of nobody but the one who is nowhere. */
	(void)come(6, &here);
	(void)come(7, &there);
	assert_true(pex_within(20 * NS_PER_S, other, &pex));
	assert_true(names(&pex, 7) && !names(&pex, 6));
}

static void one_that_has_not_said_where_it_is_is_not_told_of(void **state)
{
	struct manner here = {.own = true, .site = "s1"};
	struct manner there = {.own = true, .site = "s2"};
	struct peer_pex pex;

	(void)state;
	begin();
	struct guest one = come(2, &here);
	struct guest silent = guest_come(&rig, 3, true);

	assert_false(pex_within(20 * NS_PER_S, one, &pex));
	introduce(silent, &there);
	assert_false(pex_within(20 * NS_PER_S, one, &pex));
}

/* ---- listening ---- */

static void what_is_named_is_tried(void **state)
{
	(void)state;
	begin();
	struct guest guest = come(2, &own);

	rig_clear(&rig);
	say_machines(guest, 9, 5);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_CONNECT), 5);
	assert_int_equal(learnt_count(), 5);
}

static void one_teller_has_its_share_and_no_more(void **state)
{
	(void)state;
	begin();
	struct guest guest = come(2, &own);

	for (uint8_t net = 20; net < 26; net++)
		say_machines(guest, net, 50);
	assert_int_equal(learnt_count(), 50);
	struct guest other = come(3, &own);

	say_machines(other, 30, 10);
	assert_int_equal(learnt_count(), 60);
}

static void tellers_leave_room_for_trackers(void **state)
{
	(void)state;
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);
	struct guest guests[8];

	settings.pex = true;
	settings.limits.addresses_max = 40;
	settings.limits.peers_wanted = ARRAY_COUNT(guests); /* nobody is dialled */
	rig_create(&rig, &settings);
	rig_begin(&rig);
	for (uint8_t i = 0; i < ARRAY_COUNT(guests); i++)
		guests[i] = come((uint8_t)(2 + i), &own);
	for (uint8_t i = 0; i < ARRAY_COUNT(guests); i++)
		say_machines(guests[i], (uint8_t)(20 + i), 50);
	assert_int_equal(learnt_count(), 10); /* a quarter of the book */
	/* And in a full book they go first. */
	for (uint8_t i = 0; i < 40; i++) {
		struct swarm_input input = {.kind = SWARM_IN_ADDRESS};

		peer_address_from4(&input.address, (uint8_t[4]){10, 99, 0, i}, 6881);
		rig_feed(&rig, &input);
	}
	struct swarm_status status;

	swarm_status(rig.swarm, &status);
	assert_int_equal(status.known_addresses_count, 40);
	assert_int_equal(status.learnt_count[SWARM_SOURCE_TRACKER], 32);
}

static void no_machine_is_named_often(void **state)
{
	struct peer_pex pex = {.added_count = 50};

	(void)state;
	begin();
	for (uint16_t i = 0; i < 50; i++)
		peer_address_from4(
			&pex.added[i].address, (uint8_t[4]){192, 0, 2, 1}, (uint16_t)(1000 + i));
	say_pex(come(2, &own), &pex);
	assert_int_equal(learnt_count(), 4);
}

static void places_where_nobody_can_be_are_not_tried(void **state)
{
	static const uint8_t places[][4] = {
		{127, 0, 0, 1}, {0, 0, 0, 0}, {0, 1, 2, 3}, {224, 0, 0, 1}, {255, 255, 255, 255}};
	struct peer_pex pex = {.added_count = ARRAY_COUNT(places) + 3};

	(void)state;
	begin();
	for (uint32_t i = 0; i < ARRAY_COUNT(places); i++)
		peer_address_from4(&pex.added[i].address, places[i], 6881);
	struct peer_pex_peer *more = &pex.added[ARRAY_COUNT(places)];

	peer_address_from4(&more[0].address, (uint8_t[4]){10, 9, 9, 9}, 0);
	more[1].address = (struct peer_address){.ip = {0xfe, 0x80, [15] = 1}, .port = 6881};
	more[2].address = (struct peer_address){.ip = {0xff, 0x02, [15] = 1}, .port = 6881};
	say_pex(come(2, &own), &pex);
	assert_int_equal(learnt_count(), 0);
}

static void who_talks_without_end_is_not_heeded(void **state)
{
	(void)state;
	begin();
	struct guest guest = come(2, &own);

	for (uint8_t i = 0; i < 40; i++)
		say_machines(guest, (uint8_t)(100 + i), 1);
	assert_int_equal(learnt_count(), 6);
	rig_pass(&rig, 8 * NS_PER_S);
	say_machines(guest, 200, 1);
	assert_int_equal(learnt_count(), 7);
	assert_false(rig_disconnected(&rig, guest.peer));
	guest_say_message(&rig, guest,
		&(struct peer_message){.id = PEER_EXTENDED,
			.extended_id = PEER_EXTENSION_PEX,
			.bytes = (const uint8_t *)"x",
			.bytes_count = 1});
	assert_true(rig_disconnected(&rig, guest.peer));
}

/* Somebody comes in between, so that there is something else to wake up for. */
static void who_refused_is_tried_again_whatever_else_happens(void **state)
{
	struct swarm_input input = {.kind = SWARM_IN_ADDRESS};

	(void)state;
	begin();
	peer_address_from4(&input.address, (uint8_t[4]){10, 50, 0, 1}, 6881);
	rig_feed(&rig, &input);
	const struct swarm_effect connect = *rig_find(&rig, SWARM_EFFECT_CONNECT);

	rig_feed(&rig, &(struct swarm_input){.kind = SWARM_IN_CONNECT_FAILED,
			       .peer = connect.peer,
			       .generation = connect.generation});
	(void)come(2, &own);
	rig_clear(&rig);
	rig_pass(&rig, 3 * NS_PER_S);
	assert_non_null(rig_find(&rig, SWARM_EFFECT_CONNECT));
}

static void trackers_are_believed_first(void **state)
{
	struct swarm_input input = {.kind = SWARM_IN_ADDRESS};

	(void)state;
	begin();
	struct guest guest = come(2, &own);

	say_machines(guest, 9, 40); /* sixteen at a time */
	rig_clear(&rig);
	peer_address_from4(&input.address, (uint8_t[4]){10, 50, 0, 1}, 6881);
	rig_feed(&rig, &input);
	assert_null(rig_find(&rig, SWARM_EFFECT_CONNECT));
	/* The next number that is free is for it. */
	rig_feed(&rig,
		&(struct swarm_input){
			.kind = SWARM_IN_CONNECT_FAILED, .peer = guest.peer + 1, .generation = 1});
	assert_non_null(rig_find(&rig, SWARM_EFFECT_CONNECT));
	assert_true(
		peer_address_equal(&rig_find(&rig, SWARM_EFFECT_CONNECT)->address, &input.address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(one_of_ours_hears_of_the_others_at_once, end),
		cmocka_unit_test_teardown(who_goes_is_dropped, end),
		cmocka_unit_test_teardown(others_hear_once_a_minute, end),
		cmocka_unit_test_teardown(who_takes_none_is_told_nothing, end),
		cmocka_unit_test_teardown(who_turns_it_off_and_on_is_told_again, end),
		cmocka_unit_test_teardown(without_it_nothing_is_said_or_heard, end),
		cmocka_unit_test_teardown(sites_are_kept_apart, end),
		cmocka_unit_test_teardown(one_that_has_not_said_where_it_is_is_not_told_of, end),
		cmocka_unit_test_teardown(what_is_named_is_tried, end),
		cmocka_unit_test_teardown(one_teller_has_its_share_and_no_more, end),
		cmocka_unit_test_teardown(tellers_leave_room_for_trackers, end),
		cmocka_unit_test_teardown(no_machine_is_named_often, end),
		cmocka_unit_test_teardown(places_where_nobody_can_be_are_not_tried, end),
		cmocka_unit_test_teardown(who_talks_without_end_is_not_heeded, end),
		cmocka_unit_test_teardown(who_refused_is_tried_again_whatever_else_happens, end),
		cmocka_unit_test_teardown(trackers_are_believed_first, end),
	};

	return cmocka_run_group_tests_name("swarm_pex", tests, NULL, NULL);
}
