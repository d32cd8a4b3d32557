/* SPDX-License-Identifier: Apache-2.0 */
/* What one address may take of the tracker's room, and that others have the rest. */
#include "tests/unit/tracker_fixture.h"

#include "lib/rng.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { PEERS_MAX = 1000, SHARE = 250, SWARMS_MAX = 100, SWARMS_SHARE = 25, STOPPED_SHARE = 19 };

static struct announce_reply reply;

static struct tracker_core *make(uint32_t percent)
{
	return fixture_core(&(struct tracker_core_settings){.swarms_max = SWARMS_MAX,
		.peers_max = PEERS_MAX,
		.interval_s = 5,
		.share_percent = percent,
		.replicated = true,
		.seed = 7});
}

/* Peer `port` of an address. False when it was refused for the address' share. */
static bool come(struct tracker_core *core, uint64_t now_ms, const struct peer_address *address,
	uint32_t swarm, uint16_t port, enum announce_event event)
{
	uint8_t infohash[SHA1_BYTES] = {'s', (uint8_t)(swarm >> 8), (uint8_t)swarm};
	struct announce announce = fixture_announce(infohash, 9);

	announce.port = port;
	announce.event = event;
	tracker_core_announce(core, now_ms, &announce, address->ip, &reply);
	if (reply.failure[0] != '\0')
		assert_string_equal(reply.failure, TRACKER_REFUSED_SHARE_TEXT);
	return reply.failure[0] == '\0';
}

/* Not too many for one swarm. */
static uint32_t swarm_of(uint16_t port)
{
	return 1 + port / 50U;
}

/* How many of so many ports, or of so many swarms, are taken. */
static uint32_t fill(struct tracker_core *core, uint64_t now_ms, const struct peer_address *address)
{
	uint32_t taken = 0;

	for (uint16_t port = 1; port <= PEERS_MAX; port++)
		taken += come(core, now_ms, address, swarm_of(port), port, ANNOUNCE_STARTED);
	return taken;
}

static uint32_t open_swarms(
	struct tracker_core *core, const struct peer_address *address, uint32_t first)
{
	uint32_t taken = 0;

	for (uint32_t swarm = first; swarm < first + SWARMS_MAX; swarm++)
		taken += come(core, 1000, address, swarm, 1, ANNOUNCE_STARTED);
	return taken;
}

static void one_address_has_a_quarter_of_the_peers(void **state)
{
	struct tracker_core *core = make(0);
	struct peer_address greedy = fixture_address(1, false);
	struct peer_address other = fixture_address(2, false);

	(void)state;
	assert_int_equal(fill(core, 1000, &greedy), SHARE);
	assert_int_equal(tracker_core_peers_count(core), SHARE);
	/* Those it has are renewed, and others are as welcome as ever. */
	assert_int_equal(fill(core, 2000, &greedy), SHARE);
	assert_true(come(core, 2000, &other, 1, 1, ANNOUNCE_STARTED));
	assert_int_equal(reply.peers_count, 49);
	assert_true(come(core, 2000, &other, 90, 1, ANNOUNCE_STARTED));
	/* In other swarms it has no more. Without a port it is answered, as anybody is. */
	assert_false(come(core, 2000, &greedy, 90, 1, ANNOUNCE_STARTED));
	assert_true(come(core, 2000, &greedy, 90, 0, ANNOUNCE_STARTED));
	assert_int_equal(reply.peers_count, 1);
	free(core);
}

/* Behind a gateway there may be more: they are told of others, and nobody of them. */
static void in_one_swarm_an_ip_has_so_many_ports(void **state)
{
	struct tracker_core *core = make(0);
	struct peer_address gateway = fixture_address(1, false);
	struct peer_address other = fixture_address(2, false);

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (uint16_t port = 1; port <= 100; port++)
			assert_true(come(core, 1000, &gateway, 1, port, ANNOUNCE_STARTED));
		assert_int_equal(reply.peers_count, TRACKER_NUMWANT_DEFAULT);
		assert_int_equal(reply.leechers_count, TRACKER_PORTS_MAX);
	}
	assert_true(come(core, 1000, &other, 1, 1, ANNOUNCE_STARTED));
	assert_true(come(core, 1000, &gateway, 2, 1, ANNOUNCE_STARTED));
	assert_int_equal(tracker_core_peers_count(core), TRACKER_PORTS_MAX + 2);
	/* Nor are other addresses of its /64 meant. */
	for (uint32_t i = 0; i < 2 * TRACKER_PORTS_MAX; i++) {
		other = fixture_address(i, true);
		assert_true(come(core, 1000, &other, 1, 1, ANNOUNCE_STARTED));
	}
	assert_int_equal(tracker_core_peers_count(core), 3 * TRACKER_PORTS_MAX + 2);
	free(core);
}

/* Counts are by hashes: hardly anybody is counted together with who took all it could. */
static void others_are_recorded_beside_who_takes_all(void **state)
{
	enum { OTHERS = 6000 };
	struct tracker_core *core = fixture_core(&(struct tracker_core_settings){
		.swarms_max = SWARMS_MAX, .peers_max = 8000, .interval_s = 5, .seed = 7});
	struct peer_address address = fixture_address(1, false);

	(void)state;
	for (uint32_t swarm = 1; swarm <= SWARMS_SHARE; swarm++)
		for (uint16_t port = 1; port <= TRACKER_PORTS_MAX; port++)
			assert_true(come(core, 1000, &address, swarm, port, ANNOUNCE_STARTED));
	uint32_t greedy = tracker_core_peers_count(core);

	assert_int_equal(greedy, SWARMS_SHARE * TRACKER_PORTS_MAX);
	for (uint32_t i = 2; i < OTHERS + 2; i++) {
		address = fixture_address(i, false);
		assert_true(come(core, 1000, &address, 1, 1, ANNOUNCE_STARTED));
	}
	assert_in_range(tracker_core_peers_count(core) - greedy, OTHERS - 3, OTHERS);
	free(core);
}

static void on_loopback_nobody_counts_ports(void **state)
{
	struct tracker_core *core = make(0);
	struct peer_address local = {.ip = {[15] = 1}};

	(void)state;
	for (int family = 0; family < 2; family++) {
		for (uint16_t port = 1; port <= 100; port++)
			assert_true(come(core, 1000, &local, 1, port, ANNOUNCE_STARTED));
		peer_address_from4(&local, (const uint8_t[]){127, 0, 0, 1}, 0);
	}
	assert_int_equal(tracker_core_peers_count(core), 200);
	free(core);
}

static void what_is_silent_counts_no_more(void **state)
{
	struct tracker_core *core = make(0);
	struct peer_address greedy = fixture_address(1, false);
	uint64_t now_ms = 1000;

	(void)state;
	for (int round = 0; round < 5; round++) {
		assert_int_equal(fill(core, now_ms, &greedy), SHARE);
		for (uint16_t port = 1; port <= SHARE; port += 2)
			assert_true(come(
				core, now_ms, &greedy, swarm_of(port), port, ANNOUNCE_STOPPED));
		/* Who comes back has a place still: its own tombstone's. */
		assert_true(come(
			core, now_ms, &greedy, swarm_of(SHARE - 1), SHARE - 1, ANNOUNCE_STARTED));
		now_ms += UINT64_C(1000) * (2 * 5 + TRACKER_EXPIRY_SLACK_S + 2);
	}
	free(core);
}

static void a_64_of_ipv6_is_one_address(void **state)
{
	struct tracker_core *core = make(0);
	struct peer_address address = fixture_address(0, true);
	uint32_t taken = 0;

	(void)state;
	for (uint32_t i = 0; i < PEERS_MAX; i++) {
		be64_write(address.ip + 8, UINT64_C(0x9e3779b97f4a7c15) * i);
		taken += come(core, 1000, &address, 1, 1, ANNOUNCE_STARTED);
	}
	assert_int_equal(taken, SHARE);
	address.ip[7] ^= 1;
	assert_true(come(core, 1000, &address, 1, 1, ANNOUNCE_STARTED));
	/* IPv4 is in one /64, too, and is not meant. */
	for (uint32_t i = 0; i < SHARE + 100; i++) {
		address = fixture_address(i, false);
		assert_true(come(core, 1000, &address, 1, 1, ANNOUNCE_STARTED));
	}
	free(core);
}

static void one_address_opens_a_quarter_of_the_swarms(void **state)
{
	struct tracker_core *core = make(0);
	struct peer_address greedy = fixture_address(1, false);
	struct peer_address other = fixture_address(2, false);

	(void)state;
	assert_int_equal(open_swarms(core, &greedy, 1), SWARMS_SHARE);
	assert_int_equal(tracker_core_swarms_count(core), SWARMS_SHARE);
	assert_int_equal(open_swarms(core, &greedy, 1), SWARMS_SHARE);
	/* What others have opened is open to it. */
	assert_true(come(core, 1000, &other, 500, 1, ANNOUNCE_STARTED));
	assert_true(come(core, 1000, &greedy, 500, 1, ANNOUNCE_STARTED));
	/* One that it leaves makes room, whoever is there meanwhile does not. */
	assert_true(come(core, 1000, &other, 1, 1, ANNOUNCE_STARTED));
	assert_true(come(core, 1000, &greedy, 1, 1, ANNOUNCE_STOPPED));
	assert_false(come(core, 1000, &greedy, 501, 1, ANNOUNCE_STARTED));
	assert_true(come(core, 1000, &greedy, 2, 1, ANNOUNCE_STOPPED));
	assert_true(come(core, 1000, &greedy, 501, 1, ANNOUNCE_STARTED));
	assert_false(come(core, 1000, &greedy, 2, 1, ANNOUNCE_STARTED));
	free(core);
}

static void what_is_pinned_is_nobodys(void **state)
{
	struct tracker_core *core = make(0);
	struct peer_address server = fixture_address(1, false);

	(void)state;
	for (uint32_t swarm = 1; swarm <= 50; swarm++) {
		uint8_t infohash[SHA1_BYTES] = {'s', 0, (uint8_t)swarm};

		assert_true(tracker_core_allow(core, infohash));
		assert_true(come(core, 1000, &server, swarm, 1, ANNOUNCE_STARTED));
	}
	assert_int_equal(open_swarms(core, &server, 51), SWARMS_SHARE);
	free(core);
}

/* Strangers took all the places: the smallest of their swarms goes. */
static void what_is_pinned_finds_room(void **state)
{
	struct tracker_core *core = make(0);
	struct scrape_entry entry;
	uint8_t infohash[SHA1_BYTES] = {'s', 0, 70};

	(void)state;
	for (uint32_t i = 0; i < SWARMS_MAX / SWARMS_SHARE; i++) {
		struct peer_address address = fixture_address(i, false);

		for (uint32_t swarm = i * SWARMS_SHARE; swarm < (i + 1) * SWARMS_SHARE; swarm++)
			for (uint16_t port = 1; port <= (swarm == 70 ? 1 : 2); port++)
				assert_true(
					come(core, 1000, &address, swarm, port, ANNOUNCE_STARTED));
	}
	assert_int_equal(tracker_core_swarms_count(core), SWARMS_MAX);
	assert_true(tracker_core_allow(core, (const uint8_t[SHA1_BYTES]){'p'}));
	assert_int_equal(tracker_core_swarms_count(core), SWARMS_MAX);
	assert_true(tracker_core_scrape(core, 1000, infohash, &entry));
	assert_int_equal(entry.leechers_count, 0);
	infohash[2]++;
	assert_true(tracker_core_scrape(core, 1000, infohash, &entry));
	assert_int_equal(entry.leechers_count, 2);
	for (uint32_t i = 1; i < SWARMS_MAX; i++)
		assert_true(tracker_core_allow(core, (const uint8_t[SHA1_BYTES]){'p', (uint8_t)i}));
	assert_false(tracker_core_allow(core, (const uint8_t[SHA1_BYTES]){'q'}));
	assert_int_equal(tracker_core_peers_count(core), 0);
	free(core);
}

/* Empty swarms have no place of their own: who fills one again opens it. */
static void empty_swarms_do_not_add_up(void **state)
{
	struct tracker_core *core = make(0);
	struct peer_address greedy = fixture_address(1, false);
	uint32_t taken = 0;

	(void)state;
	for (uint32_t swarm = 0; swarm < SWARMS_MAX; swarm++) {
		assert_true(come(core, 1000, &greedy, swarm, 1, ANNOUNCE_STARTED));
		assert_true(come(core, 1000, &greedy, swarm, 1, ANNOUNCE_STOPPED));
	}
	for (uint32_t swarm = 0; swarm < SWARMS_MAX; swarm++)
		taken += come(core, 1000, &greedy, swarm, 1, ANNOUNCE_STARTED);
	assert_int_equal(taken, SWARMS_SHARE);
	free(core);
}

static void what_other_trackers_tell_is_counted_and_taken(void **state)
{
	struct tracker_core *core = make(0);
	struct tracker_record record = {
		.address = fixture_address(1, false), .infohash = {'s', 0, 1}};

	(void)state;
	for (record.address.port = 1; record.address.port <= SHARE + 50; record.address.port++)
		tracker_core_record(core, 1000, &record);
	assert_int_equal(tracker_core_peers_count(core), SHARE + 50);
	assert_false(come(core, 1000, &record.address, 2, 5000, ANNOUNCE_STARTED));
	assert_true(come(core, 1000, &record.address, 1, 1, ANNOUNCE_NONE));
	assert_int_equal(tracker_core_peers_count(core), SHARE + 50);
	free(core);
}

/* Ports that never came say that they leave: it gives them no place, in one swarm or in many. */
static void who_stops_without_having_come_gains_nothing(void **state)
{
	struct peer_address greedy = fixture_address(1, false);
	struct peer_address other = fixture_address(2, false);
	struct tracker_core *core = make(0);

	(void)state;
	assert_true(come(core, 1000, &other, 1, 1, ANNOUNCE_STARTED));
	for (uint16_t port = 1; port <= PEERS_MAX; port++) {
		assert_true(come(core, 1000, &greedy, 1, port, ANNOUNCE_STOPPED));
		assert_true(come(core, 1000, &greedy, 1, port, ANNOUNCE_STARTED));
	}
	assert_int_equal(tracker_core_peers_count(core), 1 + TRACKER_PORTS_MAX);
	free(core);
	core = make(0);
	assert_int_equal(fill(core, 1000, &greedy), SHARE);
	for (uint16_t port = SHARE + 1; port <= PEERS_MAX; port++) {
		(void)come(core, 1000, &other, swarm_of(port), 1, ANNOUNCE_STARTED);
		assert_true(come(core, 1000, &greedy, swarm_of(port), port, ANNOUNCE_STOPPED));
		assert_false(come(core, 1000, &greedy, swarm_of(port), port, ANNOUNCE_STARTED));
	}
	assert_true(come(core, 1000, &greedy, 1, 1, ANNOUNCE_STOPPED));
	assert_true(come(core, 1000, &greedy, 1, 1, ANNOUNCE_STARTED));
	free(core);
}

/* One tracker has no place for it, another one may: it is told that it stopped, and keeps nothing.
 */
static void what_finds_no_place_is_told_when_it_stops(void **state)
{
	struct peer_address gateway = fixture_address(1, false);
	struct tracker_core *core = make(0);
	struct tracker_record record;
	uint64_t cursor = 0;
	uint32_t known = 0;

	(void)state;
	for (uint16_t port = 1; port <= TRACKER_PORTS_MAX; port++)
		assert_true(come(core, 1000, &gateway, 1, port, ANNOUNCE_STARTED));
	while (tracker_core_next_change(core, 1000, &record))
		known++;
	assert_int_equal(known, TRACKER_PORTS_MAX);
	assert_true(come(core, 1000, &gateway, 1, 999, ANNOUNCE_STOPPED));
	assert_true(tracker_core_next_change(core, 1000, &record));
	assert_true(record.stopped);
	assert_int_equal(record.address.port, 999);
	while (tracker_core_walk(core, 1000, &cursor, &record))
		assert_int_not_equal(record.address.port, 999);
	free(core);
}

/* A tombstone that another member told of is nobody's way in. */
static void tombstones_of_other_trackers_give_no_places(void **state)
{
	struct tracker_core *core = make(0);
	struct tracker_record record = {
		.address = fixture_address(1, false), .infohash = {'s', 0, 1}};

	(void)state;
	for (uint16_t port = 1; port <= TRACKER_PORTS_MAX; port++)
		assert_true(come(core, 1000, &record.address, 1, port, ANNOUNCE_STARTED));
	record.stopped = true;
	for (record.address.port = 100; record.address.port < 110; record.address.port++)
		tracker_core_record(core, 1000, &record);
	for (uint16_t port = 100; port < 110; port++)
		assert_true(come(core, 2000, &record.address, 1, port, ANNOUNCE_STARTED));
	assert_int_equal(tracker_core_peers_count(core), TRACKER_PORTS_MAX);
	free(core);

	core = make(0);
	assert_int_equal(fill(core, 1000, &record.address), SHARE);
	for (record.address.port = 300; record.address.port < 310; record.address.port++)
		tracker_core_record(core, 1000, &record);
	for (uint16_t port = 300; port < 310; port++)
		assert_false(come(core, 2000, &record.address, 1, port, ANNOUNCE_STARTED));
	free(core);
}

/* Whoever tells of them: those of others stay, and raise nobody from the dead. */
static void one_address_has_a_share_of_the_tombstones(void **state)
{
	(void)state;
	for (int told = 0; told < 2; told++) {
		struct tracker_core *core = make(0);
		struct peer_address other = fixture_address(2, false);
		struct tracker_record record = {
			.address = fixture_address(1, false), .stopped = true};

		for (uint32_t swarm = 1; swarm <= 9; swarm++)
			assert_true(come(core, 1000, &other, swarm, 1, ANNOUNCE_STARTED));
		for (uint16_t port = 1; port <= 400; port++) {
			record.infohash[0] = 's';
			record.infohash[2] = (uint8_t)swarm_of(port);
			record.address.port = port;
			if (told)
				tracker_core_record(core, 1000, &record);
			else
				assert_true(come(core, 1000, &record.address, swarm_of(port), port,
					ANNOUNCE_STOPPED));
		}
		assert_int_equal(tracker_core_peers_count(core), 9);
		assert_true(come(core, 2000, &other, 9, 1, ANNOUNCE_STOPPED));
		record = (struct tracker_record){
			.address = other, .infohash = {'s', 0, 9}, .age_ms = 1500};
		record.address.port = 1;
		tracker_core_record(core, 2100, &record);
		assert_int_equal(tracker_core_peers_count(core), 8);
		free(core);
	}
}

static void the_share_is_the_operators_business(void **state)
{
	struct tracker_core *core = make(100);
	struct peer_address gateway = fixture_address(1, false);

	(void)state;
	assert_int_equal(fill(core, 1000, &gateway), PEERS_MAX);
	for (uint16_t port = 1; port <= 50; port++)
		assert_true(come(core, 1000, &gateway, swarm_of(port), port, ANNOUNCE_STOPPED));
	for (uint16_t port = 101; port <= 150; port++)
		assert_true(come(core, 1000, &gateway, 2, port, ANNOUNCE_STARTED));
	assert_int_equal(tracker_core_peers_count(core), PEERS_MAX);
	free(core);
	core = make(10);
	assert_int_equal(fill(core, 1000, &gateway), PEERS_MAX / 10);
	free(core);
	core = make(1);
	assert_int_equal(fill(core, 1000, &gateway), TRACKER_SHARE_PEERS_MIN);
	gateway = fixture_address(2, false);
	assert_int_equal(open_swarms(core, &gateway, 10), TRACKER_SHARE_SWARMS_MIN);
	free(core);
}

/* Whatever comes, moves, goes and falls silent: in the end all of the share is free. */
static void nothing_of_a_share_is_lost(void **state)
{
	struct tracker_core *core = make(0);
	struct peer_address address = fixture_address(1, false);
	uint64_t now_ms = 1000;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 5);
	for (int step = 0; step < 50000; step++) {
		struct announce announce = fixture_announce((const uint8_t[SHA1_BYTES]){0}, 0);

		announce.infohash[0] = 's';
		announce.infohash[2] = (uint8_t)rng_below(&rng, SWARMS_MAX);
		announce.left_bytes = rng_below(&rng, 2);
		announce.port = (uint16_t)(1 + rng_below(&rng, 20));
		announce.event = rng_below(&rng, 3) == 0 ? ANNOUNCE_STOPPED : ANNOUNCE_NONE;
		fixture_stand(&announce, "east", rng_below(&rng, 2) ? "r1" : "r2");
		tracker_core_announce(core, now_ms, &announce, address.ip, &reply);
		now_ms += rng_below(&rng, 10) == 0 ? 500 : 0;
	}
	now_ms += 60000;
	assert_int_equal(fill(core, now_ms, &address), SHARE);
	now_ms += 60000;
	tracker_core_expire(core, now_ms);
	assert_int_equal(tracker_core_peers_count(core), 0);
	uint32_t opened = 0;

	for (uint32_t swarm = 0; swarm < SWARMS_MAX; swarm++)
		opened += come(core, now_ms, &address, swarm, 1, ANNOUNCE_STARTED);
	assert_int_equal(opened, SWARMS_SHARE);
	struct tracker_record record;
	uint32_t stopped = 0;

	for (uint16_t port = 2; port <= 40; port++)
		assert_true(come(core, now_ms, &address, 0, port, ANNOUNCE_STOPPED));
	for (uint64_t cursor = 0; tracker_core_walk(core, now_ms, &cursor, &record);)
		stopped += record.stopped;
	assert_int_equal(stopped, STOPPED_SHARE);
	free(core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_address_has_a_quarter_of_the_peers),
		cmocka_unit_test(in_one_swarm_an_ip_has_so_many_ports),
		cmocka_unit_test(others_are_recorded_beside_who_takes_all),
		cmocka_unit_test(on_loopback_nobody_counts_ports),
		cmocka_unit_test(what_is_silent_counts_no_more),
		cmocka_unit_test(a_64_of_ipv6_is_one_address),
		cmocka_unit_test(one_address_opens_a_quarter_of_the_swarms),
		cmocka_unit_test(what_is_pinned_is_nobodys),
		cmocka_unit_test(what_is_pinned_finds_room),
		cmocka_unit_test(empty_swarms_do_not_add_up),
		cmocka_unit_test(what_other_trackers_tell_is_counted_and_taken),
		cmocka_unit_test(who_stops_without_having_come_gains_nothing),
		cmocka_unit_test(what_finds_no_place_is_told_when_it_stops),
		cmocka_unit_test(tombstones_of_other_trackers_give_no_places),
		cmocka_unit_test(one_address_has_a_share_of_the_tombstones),
		cmocka_unit_test(the_share_is_the_operators_business),
		cmocka_unit_test(nothing_of_a_share_is_lost),
	};

	return cmocka_run_group_tests_name("tracker_shares", tests, NULL, NULL);
}
