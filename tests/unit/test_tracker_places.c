/* SPDX-License-Identifier: Apache-2.0 */
/* Where peers stand, who says so, and who is therefore named to whom. */
#include "tests/unit/tracker_fixture.h"
#include "tracker/choice_core.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct announce_reply reply;
static const uint8_t hash_a[SHA1_BYTES] = {'a'};

static struct tracker_core *make(uint32_t places_max)
{
	return fixture_core(&(struct tracker_core_settings){.swarms_max = 4,
		.peers_max = 4000,
		.interval_s = 5,
		.places_max = places_max,
		.addresses_max = 100,
		.subnets_max = 10,
		.replicated = true,
		.seed = 7});
}

static void come(struct tracker_core *core, uint32_t number, const char *site, const char *rack)
{
	struct announce announce = fixture_announce(hash_a, 9);

	fixture_stand(&announce, site, rack);
	fixture_send(core, 1000, number, &announce, &reply);
	assert_string_equal(reply.failure, "");
}

/* What the tracker has written down for a peer, by the record that it would tell others. */
static void assert_stands(
	struct tracker_core *core, uint32_t number, const char *site, const char *rack)
{
	struct tracker_record record;
	uint64_t cursor = 0;

	while (tracker_core_walk(core, 1000, &cursor, &record))
		if (fixture_number(&record.address) == number) {
			assert_string_equal(record.site, site);
			assert_string_equal(record.rack, rack);
			return;
		}
	fail_msg("peer %u is not there", number);
}

static uint32_t named_between(uint32_t first, uint32_t end)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < reply.peers_count; i++) {
		uint32_t number = fixture_number(&reply.peers[i]);

		count += number >= first && number < end;
	}
	return count;
}

/* Two sites of 10 racks of 20: peer 1000 s + 20 r + i. */
static struct tracker_core *make_hall(void)
{
	struct tracker_core *core = make(0);
	char rack[16];

	for (uint32_t r = 0; r < 10; r++)
		for (uint32_t i = 0; i < 20; i++) {
			snprintf(rack, sizeof(rack), "r%u", r);
			come(core, 1000 + 20 * r + i, "east", rack);
			come(core, 2000 + 20 * r + i, "west", rack);
		}
	return core;
}

static void a_node_gets_its_rack_then_its_site_and_few_others(void **state)
{
	struct tracker_core *core = make_hall();

	(void)state;
	for (int round = 0; round < 50; round++) {
		come(core, 1000, "east", "r0");
		assert_int_equal(reply.peers_count, TRACKER_NUMWANT_DEFAULT);
		assert_int_equal(named_between(1000, 1020), 19); /* all but itself */
		assert_in_range(named_between(2000, 2200), 6, 7);
		assert_int_equal(named_between(1000, 1001), 0);
		/* Racks of one name in two sites are two racks. */
		assert_in_range(named_between(2000, 2020), 0, 7);
	}
	free(core);
}

/* Who calls only the first half calls both its rack and others. */
static void the_rack_and_others_take_turns(void **state)
{
	struct tracker_core *core = make_hall();

	(void)state;
	come(core, 1000, "east", "r0");
	for (uint32_t i = 0; i < 38; i++) {
		uint32_t number = fixture_number(&reply.peers[i]);

		assert_int_equal(number >= 1000 && number < 1020, i % 2 == 0);
	}
	for (uint32_t i = 0; i < reply.peers_count; i++)
		for (uint32_t k = 0; k < i; k++)
			assert_int_not_equal(
				fixture_number(&reply.peers[i]), fixture_number(&reply.peers[k]));
	free(core);
}

static void other_racks_are_named_evenly_and_in_small_groups(void **state)
{
	struct tracker_core *core = make_hall();
	uint32_t racks_seen = 0;
	uint32_t of_rack[10] = {0};

	(void)state;
	for (int round = 0; round < 200; round++) {
		come(core, 1000, "east", "r0");
		for (uint32_t r = 1; r < 10; r++) {
			uint32_t named = named_between(1000 + 20 * r, 1020 + 20 * r);

			of_rack[r] += named;
			racks_seen += named > 0;
		}
	}
	/* 24 of 180 in groups of 4 at most: six racks a reply or more, and every rack as often. */
	assert_true(racks_seen >= 200 * 5);
	for (uint32_t r = 1; r < 10; r++)
		assert_in_range(of_rack[r], 200 * 24 / 9 / 2, 200 * 24 / 9 * 2);
	free(core);
}

static void who_says_nothing_is_near_to_everybody(void **state)
{
	struct tracker_core *core = make(0);

	(void)state;
	for (uint32_t i = 0; i < 40; i++)
		come(core, i, "east", "r0");
	for (uint32_t i = 100; i < 140; i++)
		come(core, i, "", "");
	come(core, 0, "east", "r0");
	assert_int_equal(named_between(100, 140), CHOICE_NEAR_ENOUGH);
	come(core, 100, "", "");
	assert_int_equal(reply.peers_count, 50);
	assert_in_range(named_between(0, 40), 15, 35);
	free(core);
}

static void the_operator_is_believed_first_and_subnets_last(void **state)
{
	struct tracker_core *core = make(0);
	struct peer_address subnet = fixture_address(0x010000, false);
	struct peer_address host = fixture_address(0x010203, false);

	(void)state;
	assert_true(tracker_core_place_subnet(core, subnet.ip, 16, "east", ""));
	assert_true(tracker_core_place_subnet(
		core, fixture_address(0x010200, false).ip, 24, "east", "r2"));
	come(core, 0x010101, "", "");
	assert_stands(core, 0x010101, "east", "");
	come(core, 0x010203, "", "");
	assert_stands(core, 0x010203, "east", "r2"); /* the longer prefix */
	come(core, 0x020203, "", "");
	assert_stands(core, 0x020203, "", "");
	come(core, 0x010203, "west", "r9");
	assert_stands(core, 0x010203, "west", "r9");
	assert_true(tracker_core_place_address(core, host.ip, "north", "r1"));
	come(core, 0x010203, "west", "r9");
	assert_stands(core, 0x010203, "north", "r1");
	assert_true(tracker_core_place_address(core, host.ip, "", ""));
	come(core, 0x010203, "west", "r9");
	assert_stands(core, 0x010203, "west", "r9");
	tracker_core_forget_subnets(core);
	come(core, 0x010101, "", "");
	assert_stands(core, 0x010101, "", "");
	assert_false(tracker_core_place_subnet(core, subnet.ip, 33, "east", ""));
	free(core);
}

static bool put(struct tracker_core *core, uint32_t number, const char *site, const char *rack)
{
	return tracker_core_place_address(core, fixture_address(number, false).ip, site, rack);
}

/* There is room for 100: who has announced, or was placed, least lately makes it for one more. */
static void of_placed_addresses_the_idlest_makes_room(void **state)
{
	struct tracker_core *core = make(0);

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		assert_true(put(core, i, "east", "r1"));
	assert_true(put(core, 7, "east", "r2"));
	for (uint32_t i = 0; i < 100; i++)
		if (i != 40) {
			come(core, i, "", "");
			assert_stands(core, i, "east", i == 7 ? "r2" : "r1");
		}
	assert_true(put(core, 100, "east", "r3"));
	come(core, 40, "", "");
	assert_stands(core, 40, "", "");
	for (uint32_t i = 0; i <= 100; i++)
		if (i != 40) {
			come(core, i, "", "");
			assert_stands(core, i, "east", i == 7 ? "r2" : i == 100 ? "r3" : "r1");
		}
	free(core);
}

/* Years of addresses that change, some of them taken back, beside one that stays. */
static void placed_addresses_never_run_out(void **state)
{
	struct tracker_core *core = make(20);
	char rack[16];

	(void)state;
	assert_true(put(core, 0, "east", "server"));
	for (uint32_t i = 1; i < 20000; i++) {
		snprintf(rack, sizeof(rack), "r%u", i / 20);
		assert_true(put(core, i, "east", rack));
		if (i % 10 == 0) {
			come(core, 0, "", "");
			assert_stands(core, 0, "east", "server");
		}
		if (i % 3 == 0)
			assert_true(put(core, i - 1, "", ""));
		if (i % 500 == 0)
			for (uint32_t last = i - 50; last <= i; last++) {
				struct announce stop = fixture_announce(hash_a, 9);

				come(core, last, "", "");
				snprintf(rack, sizeof(rack), "r%u", last / 20);
				assert_stands(core, last, last % 3 == 2 && last < i ? "" : "east",
					last % 3 == 2 && last < i ? "" : rack);
				stop.event = ANNOUNCE_STOPPED;
				fixture_send(core, 1000, last, &stop, &reply);
			}
	}
	free(core);
}

static void subnets_have_a_limit(void **state)
{
	struct tracker_core *core = make(0);

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		assert_true(tracker_core_place_subnet(
			core, fixture_address(i << 8, false).ip, 24, "east", "r1"));
	assert_false(tracker_core_place_subnet(
		core, fixture_address(10 << 8, false).ip, 24, "east", "r1"));
	/* One that is taken back makes room. */
	assert_true(tracker_core_place_subnet(core, fixture_address(3 << 8, false).ip, 24, "", ""));
	assert_true(tracker_core_place_subnet(
		core, fixture_address(10 << 8, false).ip, 24, "east", "r2"));
	for (uint32_t i = 0; i <= 10; i++) {
		come(core, i << 8 | 1, "", "");
		assert_stands(core, i << 8 | 1, i == 3 ? "" : "east",
			i == 3	  ? ""
			: i == 10 ? "r2"
				  : "r1");
	}
	free(core);
}

/* Strangers invent racks without end: they are counted in, the operator's racks find room. */
static void invented_names_do_not_crowd_out_others(void **state)
{
	struct tracker_core *core = make(20);
	char name[16];
	uint32_t with_rack = 0;
	struct tracker_record record;
	uint64_t cursor = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "x%u", i);
		come(core, i, i % 3 == 0 ? name : "", name);
	}
	assert_int_equal(tracker_core_peers_count(core), 1000);
	while (tracker_core_walk(core, 1000, &cursor, &record))
		with_rack += record.rack[0] != '\0';
	assert_in_range(with_rack, 1, 10);
	for (uint32_t i = 0; i < 9; i++) {
		snprintf(name, sizeof(name), "r%u", i);
		assert_true(tracker_core_place_address(
			core, fixture_address(5000 + i, false).ip, "east", name));
		come(core, 5000 + i, "", "");
		assert_stands(core, 5000 + i, "east", name);
	}
	free(core);
}

/* Names are free again when nobody stands there any more. */
static void names_come_and_go(void **state)
{
	struct tracker_core *core = make(20);
	char name[16];

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		struct announce stop = fixture_announce(hash_a, 9);

		snprintf(name, sizeof(name), "x%u", i);
		come(core, 1, name, name);
		assert_stands(core, 1, name, name);
		if (i % 2 == 0) {
			stop.event = ANNOUNCE_STOPPED;
			fixture_send(core, 1000, 1, &stop, &reply);
		}
	}
	free(core);
}

/* More racks, swarms and kinds than there are lists: peers are kept and named all the same. */
static void with_too_many_racks_peers_are_kept_all_the_same(void **state)
{
	struct tracker_core *core = fixture_core(&(struct tracker_core_settings){
		.swarms_max = 2, .peers_max = 600, .interval_s = 5, .places_max = 2000, .seed = 7});
	char name[16];

	(void)state;
	for (int round = 0; round < 3; round++)
		for (uint32_t i = 0; i < 600; i++) {
			snprintf(name, sizeof(name), "x%u", (i + (uint32_t)round) % 600);
			come(core, i, "east", name);
			assert_true(reply.peers_count >= u64_min(i, 10));
		}
	assert_int_equal(tracker_core_peers_count(core), 600);
	for (uint32_t i = 0; i < 600; i++) {
		struct announce stop = fixture_announce(hash_a, 9);

		stop.event = ANNOUNCE_STOPPED;
		fixture_send(core, 1000, i, &stop, &reply);
		assert_int_equal(tracker_core_peers_count(core), 599 - i);
	}
	free(core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_gets_its_rack_then_its_site_and_few_others),
		cmocka_unit_test(the_rack_and_others_take_turns),
		cmocka_unit_test(other_racks_are_named_evenly_and_in_small_groups),
		cmocka_unit_test(who_says_nothing_is_near_to_everybody),
		cmocka_unit_test(the_operator_is_believed_first_and_subnets_last),
		cmocka_unit_test(of_placed_addresses_the_idlest_makes_room),
		cmocka_unit_test(placed_addresses_never_run_out),
		cmocka_unit_test(subnets_have_a_limit),
		cmocka_unit_test(invented_names_do_not_crowd_out_others),
		cmocka_unit_test(names_come_and_go),
		cmocka_unit_test(with_too_many_racks_peers_are_kept_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
