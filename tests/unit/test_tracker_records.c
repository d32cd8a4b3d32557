/* SPDX-License-Identifier: Apache-2.0 */
/* What trackers tell each other: the youngest wins, nothing is lost unsaid, members agree. */
#include "tests/unit/tracker_fixture.h"

#include "lib/rng.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct announce_reply reply;
static struct tracker_record record;
static const uint8_t hash_a[SHA1_BYTES] = {'a'};

static struct tracker_core *make(uint32_t peers_max, uint64_t seed)
{
	return fixture_core(&(struct tracker_core_settings){.swarms_max = 4,
		.peers_max = peers_max,
		.interval_s = 5,
		.replicated = true,
		.seed = seed});
}

static void come(struct tracker_core *core, uint64_t now_ms, uint32_t number, uint64_t left_bytes,
	enum announce_event event)
{
	struct announce announce = fixture_announce(hash_a, left_bytes);

	announce.event = event;
	fixture_stand(&announce, "east", number % 2 ? "r1" : "r0");
	fixture_send(core, now_ms, number, &announce, &reply);
}

static struct tracker_record told(uint32_t number, uint32_t age_ms)
{
	struct tracker_record made = {
		.address = fixture_address(number, false), .age_ms = age_ms, .site = "east"};

	memcpy(made.infohash, hash_a, SHA1_BYTES);
	return made;
}

static void assert_counts(
	struct tracker_core *core, uint64_t now_ms, uint32_t seeders, uint32_t leechers)
{
	struct scrape_entry entry;

	assert_true(tracker_core_scrape(core, now_ms, hash_a, &entry));
	assert_int_equal(entry.seeders_count, seeders);
	assert_int_equal(entry.leechers_count, leechers);
}

static void a_local_announce_is_a_change_and_another_trackers_record_is_none(void **state)
{
	struct tracker_core *core = make(100, 1);

	(void)state;
	come(core, 1000, 1, 9, ANNOUNCE_STARTED);
	assert_true(tracker_core_next_change(core, 1250, &record));
	assert_memory_equal(record.infohash, hash_a, SHA1_BYTES);
	assert_int_equal(fixture_number(&record.address), 1);
	assert_int_equal(record.address.port, 6881);
	assert_int_equal(record.age_ms, 250);
	assert_false(record.seeder || record.paused || record.stopped);
	assert_string_equal(record.site, "east");
	assert_string_equal(record.rack, "r1");
	assert_false(tracker_core_next_change(core, 1250, &record));
	come(core, 1300, 1, 0, ANNOUNCE_COMPLETED);
	assert_true(tracker_core_next_change(core, 1300, &record));
	assert_true(record.seeder);
	come(core, 1400, 1, 0, ANNOUNCE_STOPPED);
	assert_true(tracker_core_next_change(core, 1400, &record));
	assert_true(record.stopped);
	record = told(5, 10);
	tracker_core_record(core, 1500, &record);
	assert_false(tracker_core_next_change(core, 1500, &record));
	assert_counts(core, 1500, 0, 1);
	free(core);
}

static void the_youngest_record_wins(void **state)
{
	struct tracker_core *core = make(100, 1);
	struct tracker_record older = told(1, 600);
	struct tracker_record younger = told(1, 400);

	(void)state;
	come(core, 10000, 1, 9, ANNOUNCE_STARTED);
	older.seeder = true;
	tracker_core_record(core, 10500, &older); /* announced 100 ms before ours */
	assert_counts(core, 10500, 0, 1);
	younger.seeder = true;
	tracker_core_record(core, 10500, &younger);
	assert_counts(core, 10500, 1, 0);
	older.stopped = true;
	tracker_core_record(core, 10500, &older);
	assert_counts(core, 10500, 1, 0);
	younger.stopped = true; /* as young: who stopped, stopped */
	tracker_core_record(core, 10500, &younger);
	assert_counts(core, 10500, 0, 0);
	younger.stopped = false;
	tracker_core_record(core, 10500, &younger);
	assert_counts(core, 10500, 0, 0);
	free(core);
}

static void a_tombstone_outlives_what_is_older(void **state)
{
	struct tracker_core *core = make(100, 1);
	uint32_t life_ms = (2 * 5 + TRACKER_EXPIRY_SLACK_S) * 1000;
	struct tracker_record alive = told(1, 1);

	(void)state;
	come(core, 100000, 1, 9, ANNOUNCE_STARTED);
	come(core, 100001, 1, 9, ANNOUNCE_STOPPED);
	for (uint32_t at_ms = 2; at_ms <= life_ms + 5000; at_ms += 100) {
		alive.age_ms = at_ms; /* announced at 100,000 */
		tracker_core_record(core, 100000 + at_ms, &alive);
		assert_counts(core, 100000 + at_ms, 0, 0);
	}
	/* Who comes back is there at once. */
	come(core, 200000, 1, 9, ANNOUNCE_STARTED);
	come(core, 200001, 1, 9, ANNOUNCE_STOPPED);
	alive.age_ms = 5;
	tracker_core_record(core, 200010, &alive);
	assert_counts(core, 200010, 0, 1);
	free(core);
}

static void tombstones_are_bounded_and_no_peers(void **state)
{
	struct tracker_core *core = make(64, 1);
	uint64_t cursor = 0;
	uint32_t stopped = 0;

	(void)state;
	for (uint32_t i = 0; i < 10000; i++) {
		come(core, 1000, i, 9, ANNOUNCE_STARTED);
		assert_string_equal(reply.failure, "");
		come(core, 1000, i, 9, ANNOUNCE_STOPPED);
		assert_int_equal(reply.peers_count, 0);
	}
	assert_int_equal(tracker_core_peers_count(core), 0);
	while (tracker_core_walk(core, 1000, &cursor, &record))
		stopped += record.stopped;
	assert_in_range(stopped, 1, 64 / 16 + 16);
	/* They take no peer's room. */
	for (uint32_t i = 0; i < 64; i++) {
		come(core, 1000, i, 9, ANNOUNCE_STARTED);
		assert_string_equal(reply.failure, "");
		assert_int_equal(reply.peers_count, u64_min(i, TRACKER_NUMWANT_DEFAULT));
	}
	come(core, 1000, 9999, 9, ANNOUNCE_STARTED);
	assert_string_equal(reply.failure, "the tracker is full");
	free(core);
}

static void what_was_not_drained_is_counted_as_lost(void **state)
{
	struct tracker_core *core = make(1000, 1);
	uint32_t drained = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		come(core, 1000, i, 9, ANNOUNCE_STARTED);
	while (tracker_core_next_change(core, 1000, &record))
		drained++;
	assert_in_range(drained, 64, 999);
	assert_int_equal(tracker_core_changes_lost(core) + drained, 1000);
	free(core);
}

static void records_that_cannot_be_are_dropped(void **state)
{
	struct tracker_core *core = make(10, 1);
	struct tracker_record made = told(1, 25001);

	(void)state;
	tracker_core_record(core, 100000, &made); /* it has expired */
	made.age_ms = UINT32_MAX;
	tracker_core_record(core, 100000, &made);
	made.age_ms = 0;
	made.address.port = 0;
	tracker_core_record(core, 100000, &made);
	assert_counts(core, 100000, 0, 0);
	for (uint32_t i = 0; i < 50; i++) {
		made = told(i, 0);
		memset(made.site, 'x', sizeof(made.site)); /* no NUL at its end */
		memset(made.rack, 'x', sizeof(made.rack));
		tracker_core_record(core, 100000, &made);
	}
	assert_counts(core, 100000, 0, 10);
	free(core);
}

static void a_peer_may_be_older_than_the_trackers_clock(void **state)
{
	struct tracker_core *core = make(10, 1);
	struct tracker_record made = told(1, 20000);

	(void)state;
	tracker_core_record(core, 100, &made); /* this machine has just booted */
	assert_counts(core, 100, 0, 1);
	assert_counts(core, 5100, 0, 1);
	assert_counts(core, 6200, 0, 0);
	free(core);
}

/* What is there all the time comes in every walk, whatever happens in between. */
static void a_walk_misses_nothing_that_stays(void **state)
{
	enum { STAYS = 3000, COMES_AND_GOES = 3000 };
	struct tracker_core *core = make(STAYS + COMES_AND_GOES, 1);
	static bool seen[STAYS + COMES_AND_GOES];
	struct rng rng;

	(void)state;
	rng_seed(&rng, 3);
	for (uint32_t i = 0; i < STAYS + COMES_AND_GOES; i++)
		come(core, 1000, i, 9, ANNOUNCE_STARTED);
	for (int round = 0; round < 10; round++) {
		uint64_t cursor = 0;

		memset(seen, 0, sizeof(seen));
		while (tracker_core_walk(core, 1000, &cursor, &record)) {
			uint32_t stays = (uint32_t)rng_below(&rng, STAYS);
			uint32_t other = STAYS + (uint32_t)rng_below(&rng, COMES_AND_GOES);

			seen[fixture_number(&record.address)] = true;
			come(core, 1000, other, rng_below(&rng, 2),
				rng_below(&rng, 2) ? ANNOUNCE_STOPPED : ANNOUNCE_NONE);
			come(core, 1000, stays, rng_below(&rng, 2), ANNOUNCE_NONE);
		}
		for (uint32_t i = 0; i < STAYS; i++)
			assert_true(seen[i]);
	}
	free(core);
}

/* Three members of a cluster, peers that announce to any of them, and changes that reach the others
 * late: when all have been told, all hold the same. */
static void members_that_were_told_everything_agree(void **state)
{
	enum { MEMBERS = 3, PEERS = 200, STEPS = 20000 };
	struct tracker_core *cores[MEMBERS];
	struct rng rng;
	uint64_t now_ms = 50000;

	(void)state;
	rng_seed(&rng, 11);
	for (uint32_t i = 0; i < MEMBERS; i++)
		cores[i] = make(1000, 100 + i);
	for (int step = 0; step < STEPS; step++) {
		uint32_t member = (uint32_t)rng_below(&rng, MEMBERS);

		come(cores[member], now_ms, (uint32_t)rng_below(&rng, PEERS), rng_below(&rng, 2),
			rng_below(&rng, 4) == 0 ? ANNOUNCE_STOPPED : ANNOUNCE_NONE);
		now_ms += 1 + rng_below(&rng, 5);
		member = (uint32_t)rng_below(&rng, MEMBERS);
		while (rng_below(&rng, 8) > 0 &&
			tracker_core_next_change(cores[member], now_ms, &record))
			for (uint32_t other = 0; other < MEMBERS; other++)
				if (other != member)
					tracker_core_record(cores[other], now_ms, &record);
		if (step % 1000 != 999)
			continue;
		for (member = 0; member < MEMBERS; member++)
			while (tracker_core_next_change(cores[member], now_ms, &record))
				for (uint32_t other = 0; other < MEMBERS; other++)
					tracker_core_record(cores[other], now_ms, &record);
		struct scrape_entry entries[MEMBERS];

		for (member = 0; member < MEMBERS; member++) {
			assert_int_equal(tracker_core_changes_lost(cores[member]), 0);
			assert_true(tracker_core_scrape(
				cores[member], now_ms, hash_a, &entries[member]));
			assert_int_equal(entries[member].seeders_count, entries[0].seeders_count);
			assert_int_equal(entries[member].leechers_count, entries[0].leechers_count);
		}
		assert_true(entries[0].seeders_count + entries[0].leechers_count > PEERS / 4);
	}
	for (uint32_t i = 0; i < MEMBERS; i++)
		free(cores[i]);
}

static void a_completion_is_counted_once_by_every_member(void **state)
{
	struct tracker_core *cores[2] = {make(10, 1), make(10, 2)};
	struct scrape_entry entry;

	(void)state;
	come(cores[0], 1000, 1, 9, ANNOUNCE_STARTED);
	assert_true(tracker_core_next_change(cores[0], 1000, &record));
	tracker_core_record(cores[1], 1000, &record);
	come(cores[0], 2000, 1, 0, ANNOUNCE_COMPLETED);
	for (int i = 0; i < 3; i++) {
		come(cores[1], 2001 + (uint64_t)i, 1, 0, ANNOUNCE_COMPLETED);
		for (int member = 0; member < 2; member++)
			while (tracker_core_next_change(cores[member], 2010, &record))
				tracker_core_record(cores[1 - member], 2010, &record);
	}
	for (int member = 0; member < 2; member++) {
		assert_true(tracker_core_scrape(cores[member], 2020, hash_a, &entry));
		assert_int_equal(entry.completed_count, 1);
		free(cores[member]);
	}
}

static void come_to(struct tracker_core *core, uint64_t now_ms, char swarm, uint32_t number,
	enum announce_event event)
{
	uint8_t infohash[SHA1_BYTES] = {(uint8_t)swarm};
	struct announce announce = fixture_announce(infohash, 9);

	announce.event = event;
	fixture_send(core, now_ms, number, &announce, &reply);
	assert_string_equal(reply.failure, "");
}

static uint32_t tell(struct tracker_core *from, struct tracker_core *to, uint64_t now_ms)
{
	uint32_t stopped = 0;

	while (tracker_core_next_change(from, now_ms, &record)) {
		stopped += record.stopped;
		tracker_core_record(to, now_ms, &record);
	}
	return stopped;
}

/* Tombstones are few: that somebody stopped is told all the same. */
static void who_stopped_is_told_without_a_tombstone(void **state)
{
	struct tracker_core *core = make(64, 1);
	struct tracker_core *other = make(64, 2);

	(void)state;
	for (uint32_t i = 0; i < 60; i++)
		come_to(core, 1000, 'a', i, ANNOUNCE_STARTED);
	come_to(core, 1000, 'b', 60, ANNOUNCE_STARTED);
	assert_int_equal(tell(core, other, 1000), 0);
	assert_int_equal(tracker_core_peers_count(other), 61);
	/* More at once than there are tombstones. */
	for (uint32_t i = 0; i < 60; i++)
		come_to(core, 2000, 'a', i, ANNOUNCE_STOPPED);
	assert_int_equal(tell(core, other, 2010), 60);
	assert_int_equal(tracker_core_peers_count(other), 1);
	/* All of them are another swarm's. */
	come_to(core, 3000, 'b', 60, ANNOUNCE_STOPPED);
	assert_true(tracker_core_next_change(core, 3010, &record));
	assert_true(record.stopped);
	assert_int_equal(record.infohash[0], 'b');
	assert_int_equal(fixture_number(&record.address), 60);
	assert_int_equal(record.age_ms, 10);
	tracker_core_record(other, 3010, &record);
	assert_int_equal(tracker_core_peers_count(other), 0);
	/* Who has come back is told to be there. */
	come_to(core, 4000, 'b', 60, ANNOUNCE_STOPPED);
	come_to(core, 4001, 'b', 60, ANNOUNCE_STARTED);
	assert_int_equal(tell(core, other, 4010), 0);
	assert_int_equal(tracker_core_peers_count(other), 1);
	free(core);
	free(other);
}

/* The number of the swarm that it left is another's by the time it is told. */
static void who_stopped_did_not_leave_another_swarm(void **state)
{
	struct tracker_core *core = make(64, 1);
	struct tracker_core *other = make(64, 2);

	(void)state;
	come_to(core, 1000, 'a', 1, ANNOUNCE_STARTED);
	assert_int_equal(tell(core, other, 1000), 0);
	come_to(core, 1001, 'a', 1, ANNOUNCE_STOPPED);
	for (char swarm = 'b'; swarm <= 'e'; swarm++)
		come_to(core, 1002, swarm, 2, ANNOUNCE_STARTED);
	assert_int_equal(tell(core, other, 1003), 0);
	free(core);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_local_announce_is_a_change_and_another_trackers_record_is_none),
		cmocka_unit_test(the_youngest_record_wins),
		cmocka_unit_test(a_tombstone_outlives_what_is_older),
		cmocka_unit_test(tombstones_are_bounded_and_no_peers),
		cmocka_unit_test(what_was_not_drained_is_counted_as_lost),
		cmocka_unit_test(records_that_cannot_be_are_dropped),
		cmocka_unit_test(a_peer_may_be_older_than_the_trackers_clock),
		cmocka_unit_test(a_walk_misses_nothing_that_stays),
		cmocka_unit_test(members_that_were_told_everything_agree),
		cmocka_unit_test(a_completion_is_counted_once_by_every_member),
		cmocka_unit_test(who_stopped_is_told_without_a_tombstone),
		cmocka_unit_test(who_stopped_did_not_leave_another_swarm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
