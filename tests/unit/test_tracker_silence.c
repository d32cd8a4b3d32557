/* SPDX-License-Identifier: Apache-2.0 */
/* Who is silent: judged by the longest interval that a peer can have been told, however few are
 * left of those for whom it was so long. */
#include "tests/unit/tracker_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Many are told 20 s, few 1 s. */
enum { MANY = 20 * TRACKER_PEERS_PER_INTERVAL_S, FEW = 100, INTERVAL_S = 1 };

#define FEW_LIVE_MS  ((2 * INTERVAL_S + TRACKER_EXPIRY_SLACK_S) * 1000)
#define MANY_LIVE_MS ((2 * 20 + TRACKER_EXPIRY_SLACK_S) * 1000)

static struct announce_reply reply;
static const uint8_t hash_a[SHA1_BYTES] = {'a'};

static struct tracker_core *make(uint32_t peers_max)
{
	return fixture_core(&(struct tracker_core_settings){.swarms_max = 1,
		.peers_max = peers_max,
		.interval_s = INTERVAL_S,
		.replicated = true,
		.seed = 7});
}

static void come(struct tracker_core *core, uint64_t now_ms, uint32_t first, uint32_t end,
	enum announce_event event)
{
	struct announce announce = fixture_announce(hash_a, 9);

	announce.event = event;
	announce.numwant = 0;
	for (uint32_t i = first; i < end; i++) {
		fixture_send(core, now_ms, i, &announce, &reply);
		assert_string_equal(reply.failure, "");
	}
}

static uint32_t there(struct tracker_core *core, uint64_t now_ms)
{
	tracker_core_expire(core, now_ms);
	return tracker_core_peers_count(core);
}

/* MANY come, and are told a long interval; all but FEW leave within a second. */
static struct tracker_core *shrunk(uint64_t now_ms)
{
	struct tracker_core *core = make(MANY);

	come(core, now_ms, 0, MANY, ANNOUNCE_STARTED);
	come(core, now_ms, 0, FEW, ANNOUNCE_NONE);
	assert_int_equal(reply.interval_s, 20);
	come(core, now_ms + 500, FEW, MANY, ANNOUNCE_STOPPED);
	assert_int_equal(tracker_core_interval_s(core), INTERVAL_S);
	return core;
}

static void who_was_told_a_long_interval_has_that_long(void **state)
{
	struct tracker_core *core = shrunk(100000);

	(void)state;
	for (uint64_t silent_ms = 1000; silent_ms <= MANY_LIVE_MS; silent_ms += 1000)
		assert_int_equal(there(core, 100000 + silent_ms), FEW);
	assert_int_equal(there(core, 100000 + MANY_LIVE_MS + 1000), 0);
	free(core);
}

/* They are also named to others, and told to other trackers. */
static void and_is_named_all_the_while(void **state)
{
	struct tracker_core *core = shrunk(100000);
	struct announce announce = fixture_announce(hash_a, 9);
	struct tracker_record record;
	uint64_t cursor = 0;
	uint32_t told = 0;

	(void)state;
	fixture_send(core, 120000, MANY, &announce, &reply);
	assert_int_equal(reply.leechers_count, FEW + 1);
	assert_int_equal(reply.peers_count, TRACKER_NUMWANT_DEFAULT);
	while (tracker_core_walk(core, 120000, &cursor, &record))
		told += !record.stopped;
	assert_int_equal(told, FEW + 1);
	free(core);
}

static void long_after_the_crowd_a_short_silence_is_one_again(void **state)
{
	struct tracker_core *core = shrunk(100000);
	uint64_t now_ms = 100500;

	(void)state;
	for (; now_ms < 100500 + 2 * MANY_LIVE_MS + 3000; now_ms += 1000)
		come(core, now_ms, 0, FEW, ANNOUNCE_NONE);
	now_ms -= 1000;
	assert_int_equal(there(core, now_ms + FEW_LIVE_MS), FEW);
	assert_int_equal(there(core, now_ms + FEW_LIVE_MS + 1000), 0);
	free(core);
}

static struct tracker_record told(uint32_t number, uint32_t age_ms)
{
	struct tracker_record record = {
		.address = fixture_address(number, false), .age_ms = age_ms};

	memcpy(record.infohash, hash_a, SHA1_BYTES);
	return record;
}

/* Who starts with an empty book, and is told of many, knows what those were told. */
static void what_a_large_tracker_tells_is_judged_by_its_interval(void **state)
{
	struct tracker_core *core = make(100);
	struct tracker_record old = told(1, FEW_LIVE_MS + 1);
	struct tracker_record older = told(2, MANY_LIVE_MS);
	struct tracker_record oldest = told(3, MANY_LIVE_MS + 1);

	(void)state;
	tracker_core_record(core, 100000, &old);
	assert_int_equal(there(core, 100000), 0);
	tracker_core_others_have(core, MANY);
	tracker_core_record(core, 100000, &old);
	tracker_core_record(core, 100000, &older);
	tracker_core_record(core, 100000, &oldest);
	assert_int_equal(there(core, 100000), 2);
	assert_int_equal(there(core, 101000), 1);
	assert_int_equal(tracker_core_interval_s(core), INTERVAL_S);
	free(core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_was_told_a_long_interval_has_that_long),
		cmocka_unit_test(and_is_named_all_the_while),
		cmocka_unit_test(long_after_the_crowd_a_short_silence_is_one_again),
		cmocka_unit_test(what_a_large_tracker_tells_is_judged_by_its_interval),
	};

	return cmocka_run_group_tests_name("tracker_silence", tests, NULL, NULL);
}
