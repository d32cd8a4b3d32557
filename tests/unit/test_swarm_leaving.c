/* SPDX-License-Identifier: Apache-2.0 */
/* What others gain at once when a peer leaves, and when one has something new. */
#include "tests/support/pair.h"

#define PIECE_BYTES ((uint32_t)(64 * KIB))
#define BLOCK	    ((uint32_t)PEER_BLOCK_BYTES)

static struct rig rig;

static int end(void **state)
{
	(void)state;
	rig.swarm = swarm_destroy(rig.swarm);
	return 0;
}

static struct guest receiver(uint8_t number)
{
	struct guest guest = guest_come(&rig, number, true);

	guest_say(&rig, guest, PEER_HAVE_NONE);
	guest_say(&rig, guest, PEER_INTERESTED);
	return guest;
}

static uint32_t sends_to(struct guest guest)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < rig.log_count; i++)
		count +=
			rig.log[i].kind == SWARM_EFFECT_SEND_BLOCK && rig.log[i].peer == guest.peer;
	return count;
}

/* Of two blocks that were paid for at least one has not left. */
static void who_leaves_gives_back_what_was_not_sent(void **state)
{
	struct swarm_settings settings = rig_settings(8, PIECE_BYTES);

	(void)state;
	settings.all_durable = true;
	settings.limits.up_bytes_per_s = BLOCK; /* one a second */
	rig_create(&rig, &settings);
	rig.hold_sends = true;
	rig_begin(&rig);
	struct guest gone = receiver(2);
	struct guest next = receiver(3);

	for (uint32_t i = 0; i < 2; i++)
		guest_say_triple(&rig, gone, PEER_REQUEST, i, 0, BLOCK);
	rig_pass(&rig, 1100 * NS_PER_MS);
	assert_int_equal(sends_to(gone), 2);
	guest_say_triple(&rig, next, PEER_REQUEST, 2, 0, BLOCK);
	assert_int_equal(sends_to(next), 0);
	guest_go(&rig, gone);
	rig_pass(&rig, 100 * NS_PER_MS);
	assert_int_equal(sends_to(next), 1);
}

/* One block may be on its way: a limit is not passed by those who come and go. */
static void who_leaves_with_one_block_gives_nothing_back(void **state)
{
	struct swarm_settings settings = rig_settings(8, PIECE_BYTES);

	(void)state;
	settings.all_durable = true;
	settings.limits.up_bytes_per_s = BLOCK;
	rig_create(&rig, &settings);
	rig.hold_sends = true;
	rig_begin(&rig);
	struct guest gone = receiver(2);
	struct guest next = receiver(3);

	guest_say_triple(&rig, gone, PEER_REQUEST, 0, 0, BLOCK);
	guest_say_triple(&rig, next, PEER_REQUEST, 2, 0, BLOCK);
	guest_go(&rig, gone);
	rig_pass(&rig, 900 * NS_PER_MS);
	assert_int_equal(sends_to(next), 0);
	rig_pass(&rig, 200 * NS_PER_MS);
	assert_int_equal(sends_to(next), 1);
}

static struct guest own_seed(uint8_t number)
{
	struct peer_extended_handshake handshake = {.request_bytes_max = BLOCK};
	struct guest guest = guest_come(&rig, number, true);
	uint8_t bytes[128];
	struct peer_message message = {.id = PEER_EXTENDED, .bytes = bytes};

	message.bytes_count = peer_extended_handshake_write(&handshake, bytes, sizeof(bytes));
	guest_say_message(&rig, guest, &message);
	guest_say(&rig, guest, PEER_HAVE_ALL);
	return guest;
}

/* In a crowd offers are declined; with one peer fewer it is none any more. */
static void who_leaves_ends_a_crowd_at_once(void **state)
{
	struct swarm_settings settings = rig_settings(64, PIECE_BYTES);
	struct guest guests[18];
	uint32_t declined_count = 0;
	uint32_t wanted_count = 0;
	uint32_t leaver = 0;

	(void)state;
	settings.limits.buffers_count = 64;
	rig_create(&rig, &settings);
	rig_begin(&rig);
	for (uint8_t i = 0; i < 18; i++)
		guests[i] = own_seed((uint8_t)(i + 2));
	for (uint32_t i = 0; i < 18; i++)
		guest_say(&rig, guests[i], PEER_UNCHOKE);
	for (uint32_t i = 0; i < 18; i++)
		if (rig_said_count(&rig, guests[i].peer, PEER_NOT_INTERESTED) > 0) {
			declined_count++;
			leaver = i;
		}
	assert_in_range(declined_count, 5, 17);
	rig_clear(&rig);
	guest_go(&rig, guests[leaver]);
	for (uint32_t i = 0; i < 18; i++)
		wanted_count += rig_said_count(&rig, guests[i].peer, PEER_INTERESTED);
	assert_int_equal(wanted_count, declined_count - 1);
}

/* Pieces that nobody has looked at are guessed to be absent, also those that a peer gets later; not
 * one that is being looked at. */
static void what_a_peer_gets_may_be_guessed(void **state)
{
	struct swarm_settings settings = rig_settings(64, PIECE_BYTES);

	(void)state;
	settings.limits.assess_bytes_min = 2 * PIECE_BYTES;
	rig_create(&rig, &settings);
	rig_input(&rig, SWARM_IN_START);
	for (uint32_t piece = 0; piece < 3; piece++)
		rig_feed(
			&rig, &(struct swarm_input){.kind = SWARM_IN_PIECE_ABSENT, .piece = piece});
	rig_feed(&rig, &(struct swarm_input){.kind = SWARM_IN_PIECE_CHECKING, .piece = 3});
	struct guest guest = guest_come(&rig, 2, true);

	for (uint32_t piece = 0; piece < 4; piece++)
		guest_say_index(&rig, guest, PEER_HAVE, piece);
	guest_say(&rig, guest, PEER_UNCHOKE);
	for (uint32_t nth = 0; nth < 2 * PIECE_BYTES / BLOCK; nth++) {
		struct peer_message request = *rig_said(&rig, guest.peer, PEER_REQUEST, nth);

		assert_int_equal(guest_send(&rig, guest, &request), SWARM_PLACE_BUFFER);
	}
	assert_int_equal(rig_said_count(&rig, guest.peer, PEER_REQUEST), 3 * PIECE_BYTES / BLOCK);
	rig_clear(&rig);
	guest_say_index(&rig, guest, PEER_HAVE, 63);
	assert_int_equal(rig_said_count(&rig, guest.peer, PEER_REQUEST), PIECE_BYTES / BLOCK);
	assert_int_equal(rig_said(&rig, guest.peer, PEER_REQUEST, 0)->index, 63);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(who_leaves_gives_back_what_was_not_sent, end),
		cmocka_unit_test_teardown(who_leaves_with_one_block_gives_nothing_back, end),
		cmocka_unit_test_teardown(who_leaves_ends_a_crowd_at_once, end),
		cmocka_unit_test_teardown(what_a_peer_gets_may_be_guessed, end),
	};

	return cmocka_run_group_tests_name("leaving", tests, NULL, NULL);
}
