/* SPDX-License-Identifier: Apache-2.0 */
/* Announces to tracker tiers, whatever becomes of the trackers. */
#include "tests/support/pair.h"

#define PIECES	    4
#define PIECE_BYTES ((uint32_t)(32 * KIB))

static struct rig rig;
static const uint32_t tiers[] = {0, 0, 1};

static void begin(uint32_t trackers_count, bool seed)
{
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);

	settings.trackers_count = trackers_count;
	settings.tracker_tiers = tiers;
	settings.all_durable = seed;
	rig_create(&rig, &settings);
	rig_begin(&rig);
}

static int end(void **state)
{
	(void)state;
	rig.swarm = swarm_destroy(rig.swarm);
	return 0;
}

/* The announce that is out; the log is empty afterwards. */
static struct swarm_effect taken_announce(void)
{
	const struct swarm_effect *effect = rig_find(&rig, SWARM_EFFECT_ANNOUNCE);

	assert_non_null(effect);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_ANNOUNCE), 1);
	struct swarm_effect copy = *effect;

	rig_clear(&rig);
	return copy;
}

/* Until the next announce, which is not answered long enough for others to follow. */
static struct swarm_effect next_announce(uint64_t within_ns)
{
	uint64_t end_ns = rig.now_ns + within_ns;

	while (rig_count(&rig, SWARM_EFFECT_ANNOUNCE) == 0 && rig.now_ns < end_ns)
		rig_pass(&rig, 50 * NS_PER_MS);
	return taken_announce();
}

static void reply(uint32_t tracker, bool ok, uint32_t interval_s)
{
	rig_feed(&rig, &(struct swarm_input){.kind = SWARM_IN_TRACKER_REPLY,
			       .tracker = tracker,
			       .ok = ok,
			       .interval_s = interval_s});
}

static void all_trackers_are_tried_within_one_announce(void **state)
{
	bool tried[3] = {false};

	(void)state;
	begin(3, false);
	for (uint32_t i = 0; i < 3; i++) {
		struct swarm_effect announce = taken_announce();

		assert_int_equal(announce.event, ANNOUNCE_STARTED);
		assert_false(tried[announce.tracker]);
		assert_true(i < 2 ? announce.tracker < 2 : announce.tracker == 2);
		tried[announce.tracker] = true;
		reply(announce.tracker, false, 0);
	}
	/* Then a pause, and all again. */
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_ANNOUNCE), 0);
	rig_pass(&rig, 2 * NS_PER_S);
	assert_int_equal(taken_announce().event, ANNOUNCE_STARTED);
}

static void the_tracker_that_answers_moves_to_the_front(void **state)
{
	(void)state;
	begin(3, false);
	uint32_t first = taken_announce().tracker;

	reply(first, false, 0);
	uint32_t second = taken_announce().tracker;

	assert_int_equal(second, 1 - first);
	reply(second, true, 10);
	struct swarm_effect announce = next_announce(10 * NS_PER_S);

	assert_int_equal(announce.tracker, second);
	assert_int_equal(announce.event, ANNOUNCE_NONE);
}

static void intervals_are_clamped(void **state)
{
	(void)state;
	begin(1, true);
	reply(taken_announce().tracker, true, 0);
	rig_pass(&rig, 800 * NS_PER_MS);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_ANNOUNCE), 0);
	rig_pass(&rig, 300 * NS_PER_MS);
	reply(taken_announce().tracker, true, UINT32_MAX);
	rig_pass(&rig, 20 * 60 * NS_PER_S);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_ANNOUNCE), 0);
	rig_pass(&rig, 11 * 60 * NS_PER_S);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_ANNOUNCE), 1);
}

static void who_lacks_pieces_and_has_nobody_to_ask_does_not_wait_long(void **state)
{
	(void)state;
	begin(1, false);
	reply(taken_announce().tracker, true, 1800);
	rig_pass(&rig, 16 * NS_PER_S);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_ANNOUNCE), 1);
}

static void pauses_grow_while_nobody_answers(void **state)
{
	uint32_t announces_count = 0;

	(void)state;
	begin(1, false);
	for (uint32_t second = 0; second < 600; second++) {
		if (rig_count(&rig, SWARM_EFFECT_ANNOUNCE) > 0) {
			announces_count++;
			reply(taken_announce().tracker, false, 0);
		}
		rig_pass(&rig, NS_PER_S);
	}
	assert_in_range(announces_count, 8, 40);
}

static void completion_and_stop_are_announced(void **state)
{
	(void)state;
	begin(1, false);
	struct swarm_effect announce = taken_announce();

	assert_int_equal(announce.left_bytes, PIECES * PIECE_BYTES);
	assert_true(announce.numwant > 0);
	reply(announce.tracker, true, 1800);
	struct guest seed = guest_seed(&rig, 2);

	guest_answer_all(&rig, seed);
	assert_int_equal(rig.completes_count, 1);
	announce = taken_announce();
	assert_int_equal(announce.event, ANNOUNCE_COMPLETED);
	assert_int_equal(announce.left_bytes, 0);
	reply(announce.tracker, true, 1800);
	rig_input(&rig, SWARM_IN_STOP);
	assert_int_equal(taken_announce().event, ANNOUNCE_STOPPED);
	rig_pass(&rig, 3600 * NS_PER_S);
	assert_int_equal(rig.log_count, 0);
}

static void who_stops_at_once_has_completed_all_the_same(void **state)
{
	(void)state;
	begin(1, false);
	reply(taken_announce().tracker, true, 1800);
	struct guest seed = guest_seed(&rig, 2);

	guest_answer_all(&rig, seed);
	assert_int_equal(taken_announce().event, ANNOUNCE_COMPLETED);
	rig_input(&rig, SWARM_IN_STOP);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_ANNOUNCE), 0);
	reply(0, true, 1800);
	assert_int_equal(taken_announce().event, ANNOUNCE_STOPPED);
}

static void a_seed_never_says_completed(void **state)
{
	(void)state;
	begin(1, true);
	assert_int_equal(rig.completes_count, 1);
	struct swarm_effect announce = taken_announce();

	assert_int_equal(announce.event, ANNOUNCE_STARTED);
	assert_int_equal(announce.left_bytes, 0);
	reply(announce.tracker, true, 5);
	rig_pass(&rig, 6 * NS_PER_S);
	assert_int_equal(taken_announce().event, ANNOUNCE_NONE);
}

/* ---- slow, silent, dead and back again ---- */

static uint32_t announces_count(void)
{
	return rig_count(&rig, SWARM_EFFECT_ANNOUNCE);
}

/* Both of the first tier are silent and the second tier's answers. */
static void fall_to_the_second_tier(void)
{
	begin(3, false);
	rig_pass(&rig, 2 * NS_PER_S);
	rig_clear(&rig);
	reply(2, true, 5);
}

static void a_silent_tracker_is_not_waited_for(void **state)
{
	(void)state;
	begin(3, false);
	uint32_t first = taken_announce().tracker;

	rig_pass(&rig, 900 * NS_PER_MS);
	assert_int_equal(announces_count(), 0);
	rig_pass(&rig, 100 * NS_PER_MS);
	uint32_t second = taken_announce().tracker;

	assert_int_equal(second, 1 - first);
	reply(second, true, 10);
	/* It shares what it knows with the first, which is not told that we left. */
	reply(first, true, 10);
	assert_int_equal(announces_count(), 0);
	assert_int_equal(next_announce(10 * NS_PER_S).tracker, second);
}

static void a_silent_tier_is_left_after_two_seconds(void **state)
{
	(void)state;
	begin(3, false);
	rig_pass(&rig, 1900 * NS_PER_MS);
	assert_int_equal(announces_count(), 2);
	rig_clear(&rig);
	rig_pass(&rig, 100 * NS_PER_MS);
	struct swarm_effect announce = taken_announce();

	assert_int_equal(announce.tracker, 2);
	assert_int_equal(announce.event, ANNOUNCE_STARTED);
}

static void one_refusal_does_not_shorten_the_patience_with_its_tier(void **state)
{
	(void)state;
	begin(3, false);
	uint32_t first = taken_announce().tracker;

	rig_pass(&rig, NS_PER_S);
	reply(taken_announce().tracker, false, 0);
	rig_pass(&rig, 900 * NS_PER_MS);
	assert_int_equal(announces_count(), 0);
	/* Now the other has refused, too. */
	reply(first, false, 0);
	assert_int_equal(taken_announce().tracker, 2);
}

static void who_was_fast_is_given_less_time(void **state)
{
	(void)state;
	begin(3, false);
	uint32_t first = taken_announce().tracker;

	reply(first, true, 10);
	assert_int_equal(next_announce(10 * NS_PER_S).tracker, first);
	assert_int_equal(next_announce(300 * NS_PER_MS).tracker, 1 - first);
}

static void an_earlier_tier_that_is_back_is_returned_to(void **state)
{
	(void)state;
	fall_to_the_second_tier();
	/* They were awaited all the time: now they are said to be silent. */
	reply(0, false, 0);
	reply(1, false, 0);
	rig_pass(&rig, 6 * NS_PER_S);
	bool probed[3] = {false};

	for (uint32_t i = 0; i < rig.log_count; i++)
		if (rig.log[i].kind == SWARM_EFFECT_ANNOUNCE)
			probed[rig.log[i].tracker] = true;
	assert_true(probed[0] && probed[1]);
	rig_clear(&rig);
	reply(0, true, 5);
	struct swarm_effect leave = taken_announce();

	assert_int_equal(leave.tracker, 2);
	assert_int_equal(leave.event, ANNOUNCE_STOPPED);
	assert_int_equal(leave.numwant, 0);
	reply(2, true, 5);
	/* Said once more: it may be the one that we took leave of, by another URL. */
	assert_int_equal(next_announce(NS_PER_S + 100 * NS_PER_MS).tracker, 0);
}

static void a_late_answer_of_an_earlier_tier_is_a_return_too(void **state)
{
	(void)state;
	fall_to_the_second_tier();
	reply(1, true, 5);
	struct swarm_effect leave = taken_announce();

	assert_int_equal(leave.tracker, 2);
	assert_int_equal(leave.event, ANNOUNCE_STOPPED);
}

static void a_late_answer_of_a_later_tier_is_taken_back(void **state)
{
	(void)state;
	begin(3, false);
	rig_pass(&rig, 2 * NS_PER_S);
	rig_clear(&rig);
	reply(0, true, 5);
	reply(2, true, 5);
	struct swarm_effect leave = taken_announce();

	assert_int_equal(leave.tracker, 2);
	assert_int_equal(leave.event, ANNOUNCE_STOPPED);
	reply(2, true, 5);
	assert_int_equal(next_announce(NS_PER_S + 100 * NS_PER_MS).tracker, 0);
}

/* The tracker names somebody, and we look whether he is there. */
static bool heeded(uint32_t tracker, uint8_t number)
{
	uint32_t before = rig_count(&rig, SWARM_EFFECT_CONNECT);

	rig_feed(&rig, &(struct swarm_input){.kind = SWARM_IN_TRACKER_PEER,
			       .tracker = tracker,
			       .address = guest_address(number)});
	return rig_count(&rig, SWARM_EFFECT_CONNECT) > before;
}

static void whom_a_later_tier_names_too_late_is_not_looked_for(void **state)
{
	(void)state;
	begin(3, false);
	rig_pass(&rig, 2 * NS_PER_S);
	rig_clear(&rig);
	assert_true(heeded(0, 10));
	reply(0, true, 5);
	assert_true(heeded(1, 11));
	assert_false(heeded(2, 12));
	/* Nor when the first tier is only asked anew, and may be silent this time. */
	assert_int_equal(next_announce(6 * NS_PER_S).tracker, 0);
	assert_false(heeded(2, 12));
	reply(2, true, 5);
	struct swarm_effect leave = taken_announce();

	assert_int_equal(leave.tracker, 2);
	assert_int_equal(leave.event, ANNOUNCE_STOPPED);
	assert_false(heeded(2, 12));
	reply(2, true, 5);
	/* It is silent: now he is welcome. */
	assert_int_equal(next_announce(2100 * NS_PER_MS).tracker, 2);
	assert_true(heeded(2, 12));
	reply(2, true, 5);
	assert_true(heeded(0, 13));
}

static void whom_nobody_was_asked_for_is_not_looked_for(void **state)
{
	(void)state;
	begin(3, false);
	uint32_t first = taken_announce().tracker;

	assert_false(heeded(2, 12));
	assert_false(heeded(7, 12));
	assert_true(heeded(first, 12));
	reply(first, true, 5);
	assert_false(heeded(first, 13));
}

static void a_tracker_that_was_silent_is_told_that_we_started(void **state)
{
	(void)state;
	begin(1, false);
	reply(taken_announce().tracker, true, 5);
	rig_pass(&rig, 5 * NS_PER_S);
	assert_int_equal(taken_announce().event, ANNOUNCE_NONE);
	reply(0, false, 0);
	rig_pass(&rig, 2 * NS_PER_S);
	assert_int_equal(taken_announce().event, ANNOUNCE_STARTED);
}

static void everybody_who_knows_us_hears_that_we_stop(void **state)
{
	(void)state;
	fall_to_the_second_tier();
	rig_clear(&rig);
	rig_input(&rig, SWARM_IN_STOP);
	assert_int_equal(announces_count(), 3);
	for (uint32_t i = 0; i < rig.log_count; i++)
		if (rig.log[i].kind == SWARM_EFFECT_ANNOUNCE)
			assert_int_equal(rig.log[i].event, ANNOUNCE_STOPPED);
}

static void a_relay_is_with_two_tiers_at_a_time(void **state)
{
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);
	bool asked[3] = {false};

	(void)state;
	settings.trackers_count = 3;
	settings.tracker_tiers = tiers;
	settings.relay = true;
	rig_create(&rig, &settings);
	rig_begin(&rig);
	assert_int_equal(announces_count(), 2);
	for (uint32_t i = 0; i < rig.log_count; i++)
		if (rig.log[i].kind == SWARM_EFFECT_ANNOUNCE)
			asked[rig.log[i].tracker] = true;
	assert_true(asked[2] && asked[0] != asked[1]);
	rig_clear(&rig);
	reply(asked[0] ? 0 : 1, true, 5);
	reply(2, true, 5);
	assert_int_equal(announces_count(), 0);
	/* And stays so, each with its own interval. */
	struct swarm_effect again = next_announce(5 * NS_PER_S);

	reply(again.tracker, true, 30);
	assert_int_equal(next_announce(5 * NS_PER_S).tracker == 2, again.tracker != 2);
}

static void stop_says_goodbye_to_everybody(void **state)
{
	(void)state;
	begin(0, true);
	struct guest first = guest_come(&rig, 2, true);
	struct guest second = guest_come(&rig, 3, true);

	rig_input(&rig, SWARM_IN_STOP);
	assert_true(rig_disconnected(&rig, first.peer));
	assert_true(rig_disconnected(&rig, second.peer));
	assert_int_equal(guest_come(&rig, 4, true).peer, SWARM_PEER_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(all_trackers_are_tried_within_one_announce, end),
		cmocka_unit_test_teardown(the_tracker_that_answers_moves_to_the_front, end),
		cmocka_unit_test_teardown(intervals_are_clamped, end),
		cmocka_unit_test_teardown(
			who_lacks_pieces_and_has_nobody_to_ask_does_not_wait_long, end),
		cmocka_unit_test_teardown(pauses_grow_while_nobody_answers, end),
		cmocka_unit_test_teardown(completion_and_stop_are_announced, end),
		cmocka_unit_test_teardown(who_stops_at_once_has_completed_all_the_same, end),
		cmocka_unit_test_teardown(a_seed_never_says_completed, end),
		cmocka_unit_test_teardown(a_silent_tracker_is_not_waited_for, end),
		cmocka_unit_test_teardown(a_silent_tier_is_left_after_two_seconds, end),
		cmocka_unit_test_teardown(
			one_refusal_does_not_shorten_the_patience_with_its_tier, end),
		cmocka_unit_test_teardown(who_was_fast_is_given_less_time, end),
		cmocka_unit_test_teardown(an_earlier_tier_that_is_back_is_returned_to, end),
		cmocka_unit_test_teardown(a_late_answer_of_an_earlier_tier_is_a_return_too, end),
		cmocka_unit_test_teardown(a_late_answer_of_a_later_tier_is_taken_back, end),
		cmocka_unit_test_teardown(whom_a_later_tier_names_too_late_is_not_looked_for, end),
		cmocka_unit_test_teardown(whom_nobody_was_asked_for_is_not_looked_for, end),
		cmocka_unit_test_teardown(a_tracker_that_was_silent_is_told_that_we_started, end),
		cmocka_unit_test_teardown(everybody_who_knows_us_hears_that_we_stop, end),
		cmocka_unit_test_teardown(a_relay_is_with_two_tiers_at_a_time, end),
		cmocka_unit_test_teardown(stop_says_goodbye_to_everybody, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
