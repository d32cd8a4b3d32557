/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a cluster: how they meet, what they believe, how fast they tell, and what they ask for
 * again. */
#include "tests/support/cluster_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct world world;

static struct cluster_statistics statistics_of(uint32_t number)
{
	struct cluster_statistics statistics;

	cluster_core_statistics(world.members[number].core, &statistics);
	return statistics;
}

static void begin(uint64_t seed, uint32_t members_count)
{
	world_create(&world, seed, members_count);
	for (uint32_t i = 0; i < members_count; i++)
		world_start(&world, i);
}

static void begin_and_meet(uint64_t seed, uint32_t members_count)
{
	begin(seed, members_count);
	world_run(&world, 1000);
	for (uint32_t i = 0; i < members_count; i++)
		assert_int_equal(statistics_of(i).members_met, members_count - 1);
}

static void announces_reach_all_at_once(void **state)
{
	(void)state;
	begin_and_meet(1, 3);
	for (uint32_t peer = 0; peer < 60; peer++) {
		assert_true(
			world_announce(&world, peer % 3, 1, peer, peer % 4 == 0, ANNOUNCE_STARTED));
		world_run(&world, 100);
		for (uint32_t i = 0; i < 3; i++)
			assert_int_equal(world_peers(&world, i), peer + 1);
	}
	/* Who stopped is gone everywhere, and stays away. */
	for (uint32_t peer = 0; peer < 30; peer++)
		assert_true(
			world_announce(&world, (peer + 1) % 3, 1, peer, false, ANNOUNCE_STOPPED));
	world_run(&world, 100);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(world_peers(&world, i), 30);
	world_run(&world, 3000);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(world_peers(&world, i), 30);
		assert_int_equal(statistics_of(i).lost, 0);
		assert_int_equal(statistics_of(i).forged + statistics_of(i).replayed +
					 statistics_of(i).malformed,
			0);
	}
	world_destroy(&world);
}

static void a_group_works_as_well(void **state)
{
	(void)state;
	world_create(&world, 2, 4);
	world.group = true;
	for (uint32_t i = 0; i < 4; i++)
		world_start(&world, i);
	world_run(&world, 1000);
	uint64_t before = statistics_of(0).datagrams_sent;

	assert_true(world_announce(&world, 0, 1, 7, true, ANNOUNCE_STARTED));
	world_run(&world, 100);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(world_peers(&world, i), 1);
	/* One batch to all, a state to each of three, perhaps a greeting. */
	assert_true(statistics_of(0).datagrams_sent - before <= 5);
	world_destroy(&world);
}

static void what_is_lost_is_asked_for(void **state)
{
	(void)state;
	begin_and_meet(3, 3);
	world.loss_per_1000 = 150;
	for (uint32_t peer = 0; peer < 300; peer++) {
		assert_true(world_announce(&world, peer % 3, 1, peer, false, ANNOUNCE_STARTED));
		world_run(&world, 10);
	}
	world.loss_per_1000 = 0;
	world_run(&world, CLUSTER_SYNC_INTERVAL_MS);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(world_peers(&world, i), 300);
		assert_true(statistics_of(i).lost > 0);
		assert_true(statistics_of(i).repaired > 0);
		/* Only the first one, of members that start. */
		assert_int_equal(statistics_of(i).catch_ups, 1);
	}
	world_destroy(&world);
}

/* One told one of two others, and died. */
static void the_dead_are_quoted(void **state)
{
	(void)state;
	begin_and_meet(4, 3);
	world_link(&world, 0, 2, true);
	for (uint32_t peer = 0; peer < 50; peer++)
		assert_true(world_announce(&world, 0, 1, peer, false, ANNOUNCE_STARTED));
	world_run(&world, 60);
	world_kill(&world, 0);
	assert_int_equal(world_peers(&world, 1), 50);
	world_run(&world, CLUSTER_SYNC_INTERVAL_MS);
	assert_int_equal(world_peers(&world, 2), 50);
	assert_true(statistics_of(1).passed_on > 0);
	world_destroy(&world);
}

static void too_much_to_send_again_is_caught_up(void **state)
{
	(void)state;
	world_create(&world, 5, 2);
	world.ring_batches = 4;
	world_start(&world, 0);
	world_start(&world, 1);
	world_run(&world, 1000);
	world_link(&world, 0, 1, true);
	for (uint32_t peer = 0; peer < 900; peer++) {
		assert_true(world_announce(&world, 0, 1, peer, false, ANNOUNCE_STARTED));
		world_run(&world, 5);
	}
	assert_int_equal(world_peers(&world, 1), 0);
	world_link(&world, 0, 1, false);
	world_run(&world, 2 * CLUSTER_SYNC_INTERVAL_MS);
	assert_int_equal(world_peers(&world, 1), 900);
	assert_int_equal(statistics_of(1).catch_ups, 2);
	assert_int_equal(statistics_of(0).catch_ups, 1);
	world_destroy(&world);
}

static void who_starts_again_takes_everything(void **state)
{
	(void)state;
	begin_and_meet(6, 3);
	for (uint32_t peer = 0; peer < 2000; peer++)
		assert_true(world_announce(
			&world, peer % 3, peer % 9, peer, peer % 2 == 0, ANNOUNCE_STARTED));
	world_run(&world, 500);
	world_kill(&world, 1);
	world_run(&world, 100);
	world_start(&world, 1);
	world_run(&world, CLUSTER_SYNC_INTERVAL_MS);
	assert_int_equal(world_peers(&world, 1), 2000);
	/* And is believed, under its new boot. */
	assert_true(world_announce(&world, 1, 1, 3000, true, ANNOUNCE_STARTED));
	world_run(&world, 100);
	assert_int_equal(world_peers(&world, 0), 2001);
	assert_int_equal(world_peers(&world, 2), 2001);
	world_destroy(&world);
}

/* Datagrams wait for one that is stopped; what they tell has become older meanwhile. */
static void what_waited_is_as_old_as_it_is(void **state)
{
	(void)state;
	begin_and_meet(7, 2);
	assert_true(world_announce(&world, 0, 1, 1, false, ANNOUNCE_STARTED));
	world_stop(&world, 1, true);
	world_run(&world, 10000);
	world_stop(&world, 1, false);
	world_run(&world, 50);
	assert_int_equal(world_peers(&world, 1), 1);
	uint64_t cursor = 0;
	struct tracker_record record;

	assert_true(tracker_core_walk(
		world.members[1].book, world_clock(&world.members[1]), &cursor, &record));
	assert_in_range(record.age_ms, 10000, 10200);
	world_destroy(&world);
}

/* What an enemy on the link has heard. */
static struct {
	uint8_t bytes[4096][SYNC_DATAGRAM_BYTES_MAX];
	uint32_t bytes_count[4096];
	uint32_t count;
} heard;

static void listen_to_0_and_1(
	struct world *w, uint32_t from, uint32_t to, const uint8_t *bytes, size_t bytes_count)
{
	(void)w;
	if (from != 0 || to != 1 || heard.count == ARRAY_COUNT(heard.bytes))
		return;
	memcpy(heard.bytes[heard.count], bytes, bytes_count);
	heard.bytes_count[heard.count++] = (uint32_t)bytes_count;
}

static void hear_it_all(uint64_t seed, uint32_t peers_count)
{
	heard.count = 0;
	world_create(&world, seed, 2);
	world.tap = listen_to_0_and_1;
	world_start(&world, 0);
	world_start(&world, 1);
	world_run(&world, 200);
	for (uint32_t peer = 0; peer < peers_count; peer++) {
		assert_true(world_announce(&world, 0, 1, peer, false, ANNOUNCE_STARTED));
		world_run(&world, 20);
	}
	world_run(&world, 60);
	assert_int_equal(world_peers(&world, 1), peers_count);
	assert_true(heard.count > peers_count && heard.count < ARRAY_COUNT(heard.bytes));
	world.tap = NULL;
}

static void say_it_again(uint32_t to)
{
	for (uint32_t i = 0; i < heard.count; i++)
		cluster_core_receive(world.members[to].core, world_clock(&world.members[to]),
			&world.members[0].address, heard.bytes[i], heard.bytes_count[i]);
}

static void what_was_heard_before_is_dropped(void **state)
{
	(void)state;
	hear_it_all(8, 100);
	for (uint32_t peer = 0; peer < 100; peer++)
		assert_true(world_announce(&world, 0, 1, peer, false, ANNOUNCE_STOPPED));
	world_run(&world, 100);
	assert_int_equal(world_peers(&world, 1), 0);
	struct cluster_statistics before = statistics_of(1);

	say_it_again(1);
	assert_int_equal(world_peers(&world, 1), 0);
	assert_int_equal(statistics_of(1).records_received, before.records_received);
	/* All but greetings count. */
	assert_in_range(statistics_of(1).replayed - before.replayed, heard.count - 8, heard.count);
	world_destroy(&world);
}

/* Neither to a member that started again, nor as a member that died. */
static void another_boot_believes_none_of_it(void **state)
{
	(void)state;
	hear_it_all(9, 100);
	world_kill(&world, 1);
	world_kill(&world, 0);
	world_start(&world, 1);
	world_run(&world, 100);
	for (int round = 0; round < 20; round++) {
		say_it_again(1);
		world_run(&world, 500);
	}
	assert_int_equal(world_peers(&world, 1), 0);
	assert_int_equal(statistics_of(1).members_met, 0);
	assert_true(statistics_of(1).strange > heard.count);
	/* It is not made to shout: a few challenges a second at most. */
	assert_true(statistics_of(1).challenges_sent <= 20 * 32);
	world_destroy(&world);
}

/* The boot that was replaced is never believed again, not even with its own proof in time. */
static void who_was_replaced_stays_out(void **state)
{
	(void)state;
	hear_it_all(10, 10);
	world_kill(&world, 0);
	world_start(&world, 0);
	world_run(&world, 300);
	assert_int_equal(statistics_of(1).members_met, 2);
	struct cluster_statistics before = statistics_of(1);

	say_it_again(1);
	world_run(&world, 300);
	assert_int_equal(statistics_of(1).members_met, 2);
	assert_int_equal(statistics_of(1).records_received, before.records_received);
	world_destroy(&world);
}

static void hold_back_proofs(
	struct world *w, uint32_t from, uint32_t to, const uint8_t *bytes, size_t bytes_count)
{
	if (from != 0 || to != 1 || bytes[5] != SYNC_PROOF)
		return;
	memcpy(heard.bytes[0], bytes, bytes_count);
	heard.bytes_count[0] = (uint32_t)bytes_count;
	heard.count = 1;
	w->cut[0][1] = true;
}

/* A proof that was held back on its way meets nobody later on. */
static void a_proof_is_good_for_seconds(void **state)
{
	(void)state;
	for (uint64_t wait_ms = 100; wait_ms <= 10100; wait_ms += 10000) {
		heard.count = 0;
		world_create(&world, 14, 2);
		world.tap = hold_back_proofs;
		world_start(&world, 0);
		world_start(&world, 1);
		world_run(&world, 100);
		assert_int_equal(heard.count, 1);
		world_kill(&world, 0);
		world_run(&world, wait_ms);
		assert_int_equal(statistics_of(1).members_met, 0);
		/* Nor does it from elsewhere. */
		struct peer_address elsewhere = world.members[0].address;

		elsewhere.port++;
		cluster_core_receive(world.members[1].core, world_clock(&world.members[1]),
			&elsewhere, heard.bytes[0], heard.bytes_count[0]);
		assert_int_equal(statistics_of(1).members_met, 0);
		say_it_again(1);
		assert_int_equal(statistics_of(1).members_met, wait_ms == 100);
		world_destroy(&world);
	}
}

static void forgeries_are_counted_and_dropped(void **state)
{
	(void)state;
	hear_it_all(11, 100);
	struct cluster_statistics before = statistics_of(1);
	uint64_t made = 0;

	for (uint32_t i = 0; i < heard.count; i++)
		for (uint32_t at = 0; at < heard.bytes_count[i]; at += 7) {
			heard.bytes[i][at] ^= (uint8_t)(1 << at % 8);
			cluster_core_receive(world.members[1].core, world_clock(&world.members[1]),
				&world.members[0].address, heard.bytes[i], heard.bytes_count[i]);
			heard.bytes[i][at] ^= (uint8_t)(1 << at % 8);
			made++;
		}
	assert_int_equal(statistics_of(1).forged - before.forged, made);
	assert_int_equal(statistics_of(1).datagrams_sent, before.datagrams_sent);
	assert_int_equal(statistics_of(1).records_received, before.records_received);
	world_destroy(&world);
}

/* The book's memory of changes is small: the others take everything. */
static void a_flood_of_changes_is_not_lost(void **state)
{
	(void)state;
	world_create(&world, 12, 2);
	world.peers_max = 200000;
	world_start(&world, 0);
	world_start(&world, 1);
	world_run(&world, 1000);
	for (uint32_t peer = 0; peer < 65536; peer++)
		assert_true(
			world_announce(&world, 0, 1 + peer / 32768, peer, false, ANNOUNCE_STARTED));
	world_run(&world, 3 * CLUSTER_SYNC_INTERVAL_MS);
	assert_int_equal(world_peers(&world, 1), 65536);
	world_destroy(&world);
}

static void nobody_without_the_key_catches_up(void **state)
{
	(void)state;
	struct catchup_source source;
	struct catchup_sink sink;
	uint8_t greeting[SYNC_GREETING_BYTES];
	uint8_t request[SYNC_REQUEST_BYTES];
	uint8_t nonce[SYNC_NONCE_BYTES] = "a nonce";
	uint8_t frame[SYNC_FRAME_BYTES_MAX];

	begin_and_meet(13, 2);
	assert_true(world_announce(&world, 0, 1, 1, false, ANNOUNCE_STARTED));
	struct world_member *from = &world.members[0];
	struct world_member *to = &world.members[1];

	catchup_source_start(
		&source, from->core, from->book, world_streams_key, crypto_hmac_sha256, nonce);
	catchup_source_greet(&source, greeting);
	catchup_sink_start(&sink, to->core, from->boot_id, world_key, crypto_hmac_sha256, nonce);
	assert_true(catchup_sink_request(&sink, greeting, request));
	assert_false(catchup_source_accept(&source, request));
	catchup_sink_start(
		&sink, to->core, from->boot_id, world_streams_key, crypto_hmac_sha256, nonce);
	assert_true(catchup_sink_request(&sink, greeting, request));
	request[8] ^= 1;
	assert_false(catchup_source_accept(&source, request));
	request[8] ^= 1;
	assert_true(catchup_source_accept(&source, request));
	/* Who is meant has died, and another is at its place. */
	sink.source_boot ^= 1;
	assert_true(catchup_sink_request(&sink, greeting, request));
	assert_false(catchup_source_accept(&source, request));
	sink.source_boot ^= 1;
	assert_true(catchup_sink_request(&sink, greeting, request));
	assert_true(catchup_source_accept(&source, request));
	/* A request does for one greeting only. */
	struct catchup_source other = source;

	other.nonce[0] ^= 1;
	assert_false(catchup_source_accept(&other, request));
	size_t bytes_count = catchup_source_frame(&source, 5, frame);

	frame[bytes_count / 2] ^= 1;
	assert_int_equal(catchup_sink_frame(&sink, 5, frame, bytes_count), CATCHUP_WRONG);
	frame[bytes_count / 2] ^= 1;
	assert_int_equal(catchup_sink_frame(&sink, 5, frame, bytes_count), CATCHUP_MORE);
	/* Each frame once, and in its place. */
	assert_int_equal(catchup_sink_frame(&sink, 5, frame, bytes_count), CATCHUP_WRONG);
	world_destroy(&world);
}

/* A book that is empty judges what it is told by the interval that the peers of the other can have
 * been told, however few are left. */
static void a_catch_up_says_first_how_many_there_were(void **state)
{
	(void)state;
	struct catchup_source source;
	struct catchup_sink sink;
	struct sync_record old = {.address = {.port = 1}};
	uint8_t greeting[SYNC_GREETING_BYTES];
	uint8_t request[SYNC_REQUEST_BYTES];
	uint8_t frame[SYNC_FRAME_BYTES_MAX];

	begin_and_meet(14, 2);
	const struct world_member *from = &world.members[0];
	struct world_member *to = &world.members[1];

	tracker_core_others_have(from->book, 1000000); /* they were told 50 s */
	catchup_source_start(&source, from->core, from->book, world_streams_key, crypto_hmac_sha256,
		(const uint8_t[SYNC_NONCE_BYTES]){1});
	catchup_source_greet(&source, greeting);
	catchup_sink_start(&sink, to->core, from->boot_id, world_streams_key, crypto_hmac_sha256,
		(const uint8_t[SYNC_NONCE_BYTES]){2});
	assert_true(catchup_sink_request(&sink, greeting, request));
	assert_true(catchup_source_accept(&source, request));
	size_t bytes_count = catchup_source_frame(&source, world_clock(from), frame);

	cluster_core_apply(to->core, world_clock(to), &old, 50000);
	assert_int_equal(world_peers(&world, 1), 0);
	assert_int_equal(
		catchup_sink_frame(&sink, world_clock(to), frame, bytes_count), CATCHUP_MORE);
	cluster_core_apply(to->core, world_clock(to), &old, 50000);
	assert_int_equal(world_peers(&world, 1), 1);
	world_destroy(&world);
}

static void settings_are_checked(void **state)
{
	(void)state;
	struct cluster_core_settings settings = {
		.boot_id = 1, .mac = crypto_hmac_sha256, .send = world_send};

	assert_true(cluster_core_bytes(&settings) > 0);
	/* Whatever the cluster does, this is all it takes. */
	assert_true(cluster_core_bytes(&settings) < 9 * MIB);
	settings.ring_batches = 1;
	assert_int_equal(cluster_core_bytes(&settings), 0);
	settings.ring_batches = 2;
	settings.members_count = CLUSTER_MEMBERS_MAX;
	assert_int_equal(cluster_core_bytes(&settings), 0);
	settings.members_count = 1;
	settings.boot_id = 0;
	assert_int_equal(cluster_core_bytes(&settings), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(announces_reach_all_at_once),
		cmocka_unit_test(a_group_works_as_well),
		cmocka_unit_test(what_is_lost_is_asked_for),
		cmocka_unit_test(the_dead_are_quoted),
		cmocka_unit_test(too_much_to_send_again_is_caught_up),
		cmocka_unit_test(who_starts_again_takes_everything),
		cmocka_unit_test(what_waited_is_as_old_as_it_is),
		cmocka_unit_test(what_was_heard_before_is_dropped),
		cmocka_unit_test(another_boot_believes_none_of_it),
		cmocka_unit_test(who_was_replaced_stays_out),
		cmocka_unit_test(a_proof_is_good_for_seconds),
		cmocka_unit_test(forgeries_are_counted_and_dropped),
		cmocka_unit_test(a_flood_of_changes_is_not_lost),
		cmocka_unit_test(nobody_without_the_key_catches_up),
		cmocka_unit_test(a_catch_up_says_first_how_many_there_were),
		cmocka_unit_test(settings_are_checked),
	};

	return cmocka_run_group_tests_name("cluster_core", tests, NULL, NULL);
}
