/* SPDX-License-Identifier: Apache-2.0 */
/* When a member of a cluster takes another's whole book, when it does not, and how old what it gets
 * is. */
#include "tests/support/cluster_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct world world;

static uint64_t catch_ups_of(uint32_t number)
{
	struct cluster_statistics statistics;

	cluster_core_statistics(world.members[number].core, &statistics);
	return statistics.catch_ups;
}

static void begin(uint64_t seed, uint32_t members_count, uint32_t ring_batches)
{
	world_create(&world, seed, members_count);
	world.ring_batches = ring_batches;
	world.peers_max = 20000;
	for (uint32_t i = 0; i < members_count; i++)
		world_start(&world, i);
	world_run(&world, 1000);
	for (uint32_t i = 0; i < members_count; i++)
		assert_int_equal(catch_ups_of(i), 1);
}

/* Peers that no batch speaks of. */
static void put_into_book(uint32_t number, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct tracker_record record = {.infohash = "somewhere else"};
		uint8_t ip[4] = {192, 168, (uint8_t)(i >> 8), (uint8_t)i};

		peer_address_from4(&record.address, ip, 6881);
		tracker_core_record(
			world.members[number].book, world_clock(&world.members[number]), &record);
	}
}

/* More batches than are kept. */
static void announce_many(uint32_t number, uint32_t count)
{
	for (uint32_t peer = 0; peer < count; peer++) {
		assert_true(world_announce(&world, number, 1, peer, false, ANNOUNCE_STARTED));
		world_run(&world, WORLD_STEP_MS);
	}
}

/* One died while it was known to another alone, which goes on speaking of it. */
static void the_dead_are_caught_up_once(void **state)
{
	(void)state;
	begin(30, 3, 4);
	announce_many(0, 300);
	world_kill(&world, 2);
	world_kill(&world, 0);
	world_start(&world, 2);
	world_run(&world, 1000);
	assert_int_equal(world_peers(&world, 2), 300);
	assert_int_equal(catch_ups_of(2), 1);
	world_run(&world, 500000);
	assert_int_equal(catch_ups_of(2), 1);
	assert_int_equal(catch_ups_of(1), 1);
	world_destroy(&world);
}

static void a_fuller_book_does_not_put_off_other_catch_ups(void **state)
{
	(void)state;
	begin(31, 2, 4);
	put_into_book(0, 100);
	world_run(&world, 3000);
	assert_int_equal(world_peers(&world, 1), 100);
	assert_int_equal(catch_ups_of(1), 2);
	world_link(&world, 0, 1, true);
	announce_many(0, 300);
	world_link(&world, 0, 1, false);
	world_run(&world, 2 * CLUSTER_SYNC_INTERVAL_MS);
	assert_int_equal(world_peers(&world, 1), 400);
	world_destroy(&world);
}

static uint64_t behind_most(uint32_t number)
{
	struct cluster_member members[CLUSTER_MEMBERS_MAX];
	uint32_t count = cluster_core_members(
		world.members[number].core, world_clock(&world.members[number]), members);
	uint64_t most = 0;

	for (uint32_t i = 0; i < count; i++)
		most = u64_max(most, members[i].behind);
	return most;
}

/* One told nobody something, then one of two something more, and died. */
static void a_gap_that_nobody_fills_hides_no_fuller_book(void **state)
{
	(void)state;
	begin(32, 3, 0);
	world_link(&world, 0, 1, true);
	world_link(&world, 0, 2, true);
	assert_true(world_announce(&world, 0, 1, 0, false, ANNOUNCE_STARTED));
	world_run(&world, 60);
	world_link(&world, 0, 1, false);
	assert_true(world_announce(&world, 0, 1, 1, false, ANNOUNCE_STARTED));
	for (uint32_t step = 0; step < 20 && world_peers(&world, 1) == 0; step++)
		world_step(&world);
	world_kill(&world, 0);
	assert_int_equal(world_peers(&world, 1), 1);
	world_run(&world, 6000);
	assert_int_equal(world_peers(&world, 2), 1);
	assert_int_equal(behind_most(1), 2);
	put_into_book(2, 100);
	world_run(&world, 3000);
	assert_int_equal(world_peers(&world, 1), 101);
	world_destroy(&world);
}

/* A source that is slow, because the other takes what it gets slowly: a second for each frame. */
static void what_waits_for_the_next_frame_grows_older(void **state)
{
	(void)state;
	struct catchup_source source;
	struct catchup_sink sink;
	uint8_t greeting[SYNC_GREETING_BYTES];
	uint8_t request[SYNC_REQUEST_BYTES];
	uint8_t nonce[SYNC_NONCE_BYTES] = "a nonce";
	uint8_t frame[SYNC_FRAME_BYTES_MAX];
	struct tracker_record record;
	uint64_t cursor = 0;
	uint32_t records = 0;
	uint32_t frames = 0;

	begin(33, 2, 0);
	struct world_member *from = &world.members[0];
	struct world_member *to = &world.members[1];
	uint64_t began_ms = world.now_ms;

	for (uint32_t peer = 0; peer < 8000; peer++)
		assert_true(world_announce(&world, 0, 1, peer, false, ANNOUNCE_STARTED));
	catchup_source_start(
		&source, from->core, from->book, world_streams_key, crypto_hmac_sha256, nonce);
	catchup_source_greet(&source, greeting);
	catchup_sink_start(
		&sink, to->core, from->boot_id, world_streams_key, crypto_hmac_sha256, nonce);
	assert_true(catchup_sink_request(&sink, greeting, request));
	assert_true(catchup_source_accept(&source, request));
	for (enum catchup_result result = CATCHUP_MORE; result == CATCHUP_MORE; frames++) {
		size_t bytes_count = catchup_source_frame(&source, world_clock(from), frame);

		result = catchup_sink_frame(&sink, world_clock(to), frame, bytes_count);
		assert_int_not_equal(result, CATCHUP_WRONG);
		world.now_ms += 1000;
	}
	assert_in_range(frames, 5, 10);
	while (tracker_core_walk(to->book, world_clock(to), &cursor, &record)) {
		assert_int_equal(record.age_ms, world.now_ms - began_ms);
		records++;
	}
	assert_int_equal(records, 8000);
	assert_int_equal(sink.records_count, 8000);
	world_destroy(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_dead_are_caught_up_once),
		cmocka_unit_test(a_fuller_book_does_not_put_off_other_catch_ups),
		cmocka_unit_test(a_gap_that_nobody_fills_hides_no_fuller_book),
		cmocka_unit_test(what_waits_for_the_next_frame_grows_older),
	};

	return cmocka_run_group_tests_name("cluster_repair", tests, NULL, NULL);
}
