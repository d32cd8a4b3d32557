/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a cluster: where they are, whom they answer, and what is said of them. */
#include "tests/support/cluster_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define RELAY 2 /* no member: what is sent to its address is an enemy's */

static struct world world;
static bool relaying;

static struct cluster_statistics statistics_of(uint32_t number)
{
	struct cluster_statistics statistics;

	cluster_core_statistics(world.members[number].core, &statistics);
	return statistics;
}

static void receive(
	uint32_t to, const struct peer_address *from, const uint8_t *bytes, size_t count)
{
	cluster_core_receive(
		world.members[to].core, world_clock(&world.members[to]), from, bytes, count);
}

/* Greetings that went by. */
static struct {
	uint8_t bytes[64][SYNC_DATAGRAM_BYTES_MAX];
	size_t bytes_count[64];
	uint32_t from[64];
	uint32_t count;
} heard;

static void listen_to_greetings(
	struct world *w, uint32_t from, uint32_t to, const uint8_t *bytes, size_t bytes_count)
{
	(void)w;
	(void)to;
	if (bytes[5] > SYNC_PROOF || heard.count == ARRAY_COUNT(heard.bytes))
		return;
	memcpy(heard.bytes[heard.count], bytes, bytes_count);
	heard.from[heard.count] = from;
	heard.bytes_count[heard.count++] = bytes_count;
}

static uint32_t heard_of(uint32_t from, enum sync_type type)
{
	for (uint32_t i = 0; i < heard.count; i++)
		if (heard.from[i] == from && heard.bytes[i][5] == (uint8_t)type)
			return i;
	fail_msg("nothing of type %d came from member %u", (int)type, from);
	return 0;
}

static void hear_greetings(uint64_t seed, bool group)
{
	heard.count = 0;
	world_create(&world, seed, 2);
	world.group = group;
	world.tap = listen_to_greetings;
	world_start(&world, 0);
	world_start(&world, 1);
	world_run(&world, 1000);
	world.tap = NULL;
	assert_int_equal(statistics_of(0).members_met, 1);
	assert_int_equal(statistics_of(1).members_met, 1);
}

/* Whoever recorded greetings of members that have died can say them again, as often as it likes. */
static void a_flood_of_old_greetings_keeps_nobody_out(void **state)
{
	(void)state;
	for (uint32_t both = 0; both < 2; both++) {
		hear_greetings(20, false);
		uint32_t hello = heard_of(0, SYNC_HELLO);
		uint32_t challenge = heard_of(0, SYNC_CHALLENGE);

		world_kill(&world, 0);
		if (both == 1)
			world_kill(&world, 1);
		world_start(&world, 0);
		if (both == 1)
			world_start(&world, 1);
		for (uint32_t step = 0; step < 200; step++) {
			for (uint32_t i = 0; i < 100; i++) {
				uint32_t which = i % 2 == 0 ? hello : challenge;

				receive(1, &world.members[0].address, heard.bytes[which],
					heard.bytes_count[which]);
			}
			world_step(&world);
		}
		assert_int_equal(statistics_of(0).members_met, 1);
		assert_int_equal(statistics_of(1).members_met, both == 1 ? 1 : 2);
		/* Ten a second to each. */
		assert_in_range(statistics_of(1).challenges_sent, 1, 40);
		world_destroy(&world);
	}
}

/* Nobody is challenged, and nobody gets a proof, at an address that is in no list. */
static void without_a_group_there_are_none_but_the_listed(void **state)
{
	(void)state;
	for (uint32_t group = 0; group < 2; group++) {
		hear_greetings(21, group == 1);
		uint32_t hello = heard_of(0, SYNC_HELLO);
		uint32_t challenge = heard_of(1, SYNC_CHALLENGE);
		struct peer_address elsewhere = world.members[0].address;

		elsewhere.port++;
		/* Member 1 is known to 0, and where it is: it need not prove itself elsewhere. */
		uint64_t sent = statistics_of(0).datagrams_sent;

		receive(0, &elsewhere, heard.bytes[challenge], heard.bytes_count[challenge]);
		assert_int_equal(statistics_of(0).datagrams_sent, sent);
		receive(0, &world.members[1].address, heard.bytes[challenge],
			heard.bytes_count[challenge]);
		assert_int_equal(statistics_of(0).datagrams_sent, sent + 1);
		world_kill(&world, 1);
		world_link(&world, 0, 1, true);
		world_run(&world, 2000);
		sent = statistics_of(0).datagrams_sent;
		receive(0, &elsewhere, heard.bytes[challenge], heard.bytes_count[challenge]);
		assert_int_equal(statistics_of(0).datagrams_sent, sent + group);
		/* One that has just started knows nobody. */
		world_start(&world, 1);
		receive(1, &elsewhere, heard.bytes[hello], heard.bytes_count[hello]);
		assert_int_equal(statistics_of(1).challenges_sent, group);
		assert_int_equal(statistics_of(1).strange, 1 - group);
		receive(1, &world.members[0].address, heard.bytes[hello], heard.bytes_count[hello]);
		assert_int_equal(statistics_of(1).challenges_sent, group + 1);
		world_destroy(&world);
	}
}

/* From its own address, to the other member: later than what goes straight. */
static void relay(
	struct world *w, uint32_t from, uint32_t to, const uint8_t *bytes, size_t bytes_count)
{
	if (relaying && from != RELAY && to == RELAY)
		world_put(w, RELAY, 1 - from, bytes, bytes_count, 10);
}

static bool is_at(uint32_t number, uint32_t place)
{
	struct cluster_member members[CLUSTER_MEMBERS_MAX];
	uint32_t count = cluster_core_members(
		world.members[number].core, world_clock(&world.members[number]), members);

	return count == 1 && members[0].met && members[0].live &&
	       peer_address_equal(&members[0].address, &world.members[place].address);
}

static void announce_for(uint64_t ms, uint32_t first)
{
	for (uint32_t peer = first; peer < first + ms / 50; peer++) {
		assert_true(world_announce(&world, peer % 2, 1, peer, false, ANNOUNCE_STARTED));
		world_run(&world, 50);
	}
}

/* Two members of a group that cannot hear each other, and who passes on what they say. */
static void meet_by_relay(uint64_t seed)
{
	world_create(&world, seed, 3);
	world.group = true;
	world.tap = relay;
	relaying = true;
	world_link(&world, 0, 1, true);
	world_start(&world, 0);
	world_start(&world, 1);
	world_run(&world, 1000);
	assert_true(is_at(0, RELAY));
	assert_true(is_at(1, RELAY));
}

static void who_was_met_elsewhere_is_found_where_it_is(void **state)
{
	(void)state;
	for (uint32_t quiet = 0; quiet < 2; quiet++) {
		meet_by_relay(22);
		uint64_t met = statistics_of(0).members_met;

		relaying = false;
		world_link(&world, 0, 1, false);
		if (quiet == 1)
			world_run(&world, CLUSTER_SILENT_MS + CLUSTER_SYNC_INTERVAL_MS);
		else
			announce_for(CLUSTER_SYNC_INTERVAL_MS, 0);
		assert_true(is_at(0, 1));
		assert_true(is_at(1, 0));
		/* What was said before still counts once. */
		assert_int_equal(statistics_of(0).members_met, met);
		assert_true(world_announce(&world, 0, 1, 500, false, ANNOUNCE_STARTED));
		world_run(&world, 100);
		assert_int_equal(world_peers(&world, 1), world_peers(&world, 0));
		/* And it stays there, whatever is said again from elsewhere. */
		relaying = true;
		for (uint32_t peer = 600; peer < 660; peer++) {
			announce_for(50, peer);
			assert_true(is_at(0, 1));
			assert_true(is_at(1, 0));
		}
		assert_true(statistics_of(0).replayed > 0);
		world_destroy(&world);
	}
}

/* Who passes on between listed members, to one under another's address: what MOVED says to JUDGE
 * as said by ROBBED, the challenge to ROBBED that comes of it as made for MOVED, and its proof. */
enum { JUDGE, MOVED, ROBBED, LISTED };

static struct {
	enum sync_type first; /* what it begins with */
	enum { PASS_NOTHING, PASS_FIRST, PASS_CHALLENGE, PASS_PROOF, PASSED } stage;
	uint8_t heard[SYNC_DATAGRAM_BYTES_MAX]; /* from ROBBED, before that */
	size_t heard_bytes;
} passing;

static void pass_on(
	struct world *w, uint32_t from, uint32_t to, const uint8_t *bytes, size_t bytes_count)
{
	if (from == ROBBED && to == JUDGE && bytes[5] == SYNC_STATE &&
		passing.stage == PASS_NOTHING) {
		memcpy(passing.heard, bytes, bytes_count);
		passing.heard_bytes = bytes_count;
	} else if (from == MOVED && to == JUDGE && bytes[5] == (uint8_t)passing.first &&
		   passing.stage == PASS_FIRST) {
		world_put(w, ROBBED, JUDGE, bytes, bytes_count, 1);
		w->cut[MOVED][JUDGE] = true; /* this comes first */
		passing.stage = PASS_CHALLENGE;
	} else if (from == JUDGE && to == ROBBED && bytes[5] == SYNC_CHALLENGE &&
		   passing.stage == PASS_CHALLENGE) {
		world_put(w, JUDGE, MOVED, bytes, bytes_count, 1);
		w->cut[MOVED][JUDGE] = false;
		passing.stage = PASS_PROOF;
	} else if (from == MOVED && to == JUDGE && bytes[5] == SYNC_PROOF &&
		   passing.stage == PASS_PROOF) {
		world_put(w, ROBBED, JUDGE, bytes, bytes_count, 1);
		passing.stage = PASSED;
	}
}

static void listed_meet(uint64_t seed)
{
	memset(&passing, 0, sizeof(passing));
	world_create(&world, seed, LISTED);
	world.tap = pass_on;
	for (uint32_t i = 0; i < LISTED; i++)
		world_start(&world, i);
	world_run(&world, 5000);
	assert_int_equal(statistics_of(JUDGE).members_met, LISTED - 1);
	assert_true(passing.heard_bytes > 0);
}

static void pass_from(enum sync_type first)
{
	passing.first = first;
	passing.stage = PASS_FIRST;
	for (uint32_t i = 0; i < 100 && passing.stage != PASSED; i++)
		world_step(&world);
	assert_int_equal(passing.stage, PASSED);
	world_run(&world, 10);
}

static uint32_t live_at(uint32_t number)
{
	struct cluster_member members[CLUSTER_MEMBERS_MAX];
	uint32_t count = cluster_core_members(
		world.members[number].core, world_clock(&world.members[number]), members);
	uint32_t live = 0;

	for (uint32_t i = 0; i < count; i++)
		live += members[i].live;
	return live;
}

static void assert_all_hear_all(uint32_t first_peer)
{
	for (uint32_t i = 0; i < LISTED; i++) {
		assert_int_equal(live_at(i), LISTED - 1);
		assert_true(world_announce(&world, i, 1, first_peer + i, false, ANNOUNCE_STARTED));
	}
	world_run(&world, 100);
	for (uint32_t i = 1; i < LISTED; i++)
		assert_int_equal(world_peers(&world, i), world_peers(&world, 0));
}

static void a_proof_that_is_passed_on_puts_no_live_member_out(void **state)
{
	(void)state;
	listed_meet(24);
	pass_from(SYNC_STATE);
	assert_int_equal(live_at(JUDGE), LISTED - 1);
	world_run(&world, 2 * CLUSTER_SILENT_MS);
	assert_all_hear_all(10);
	assert_int_equal(statistics_of(JUDGE).members_met, LISTED - 1);
	world_destroy(&world);
}

/* One that has just started is met at once where it seems to be. Who was there comes back, and what
 * it said before counts no second time. */
static void who_was_put_out_by_a_new_boot_comes_back(void **state)
{
	(void)state;
	listed_meet(25);
	world_kill(&world, MOVED);
	world_start(&world, MOVED);
	pass_from(SYNC_HELLO);
	assert_int_equal(statistics_of(JUDGE).members_met, LISTED);
	world_run(&world, 5000);
	assert_all_hear_all(10);
	assert_int_equal(statistics_of(JUDGE).members_met, LISTED + 1);
	assert_int_equal(statistics_of(ROBBED).replayed, 0);
	uint64_t replayed = statistics_of(JUDGE).replayed;

	receive(JUDGE, &world.members[ROBBED].address, passing.heard, passing.heard_bytes);
	assert_int_equal(statistics_of(JUDGE).replayed, replayed + 1);
	world_destroy(&world);
}

static void told(uint32_t count, uint32_t places, bool is_live)
{
	struct peer_address address;
	uint32_t seen = 0;
	bool live;

	for (uint32_t i = 0; i < count; i++) {
		assert_true(cluster_core_news(
			world.members[0].core, world_clock(&world.members[0]), &address, &live));
		assert_int_equal(live, is_live);
		seen |= UINT32_C(1) << (address.ip[15] - 1);
	}
	assert_int_equal(seen, places);
	assert_false(cluster_core_news(
		world.members[0].core, world_clock(&world.members[0]), &address, &live));
}

static void each_is_named_when_it_comes_and_when_it_is_silent(void **state)
{
	(void)state;
	for (uint32_t group = 0; group < 2; group++) {
		world_create(&world, 23, 4);
		world.group = group == 1;
		world_start(&world, 0);
		told(0, 0, true);
		for (uint32_t i = 1; i < 4; i++) {
			world_start(&world, i);
			world_run(&world, 1000);
			told(1, UINT32_C(1) << i, true);
		}
		world_kill(&world, 2);
		world_run(&world, 2000);
		told(1, 4, false);
		world_start(&world, 2);
		world_kill(&world, 1);
		world_start(&world, 1);
		world_run(&world, 1000);
		told(1, 4, true);
		world_destroy(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_of_old_greetings_keeps_nobody_out),
		cmocka_unit_test(without_a_group_there_are_none_but_the_listed),
		cmocka_unit_test(who_was_met_elsewhere_is_found_where_it_is),
		cmocka_unit_test(a_proof_that_is_passed_on_puts_no_live_member_out),
		cmocka_unit_test(who_was_put_out_by_a_new_boot_comes_back),
		cmocka_unit_test(each_is_named_when_it_comes_and_when_it_is_silent),
	};

	return cmocka_run_group_tests_name("cluster_members", tests, NULL, NULL);
}
