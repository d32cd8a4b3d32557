/* SPDX-License-Identifier: Apache-2.0 */
/* The lower bound against cases that are worked out by hand. */
#include "sim/bound.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define MEGA  UINT64_C(1000000)
#define NODES 16

struct room {
	struct bound_node nodes[NODES + 1];
	struct bound_case given;
	struct bound bound;
};

/* A source and `count` nodes, all links at 10 MB/s; 100 MB in pieces of 1 MB. */
static void room_of(struct room *room, uint32_t count)
{
	*room = (struct room){.given = {.fetch_bytes = 100 * MEGA,
				      .write_bytes = 100 * MEGA,
				      .piece_bytes = MEGA,
				      .nodes = room->nodes,
				      .nodes_count = count + 1}};
	for (uint32_t i = 0; i <= count; i++)
		room->nodes[i] = (struct bound_node){.up_bytes_per_s = 10 * MEGA,
			.down_bytes_per_s = 10 * MEGA,
			.rack = BOUND_NOWHERE,
			.site = BOUND_NOWHERE,
			.bytes = i == 0 ? 0 : 100 * MEGA,
			.source = i == 0};
}

static void assert_bound(struct room *room, uint64_t ms, enum bound_part by)
{
	bound_compute(&room->given, &room->bound);
	assert_string_equal(bound_part_name(room->bound.by), bound_part_name(by));
	assert_int_equal(room->bound.total_ns / NS_PER_MS, ms);
}

static void equal_links_take_a_copy_and_the_doublings(void **state)
{
	struct room room;

	(void)state;
	room_of(&room, 1);
	assert_bound(&room, 10000, BOUND_SOURCE);
	room_of(&room, 16);
	assert_bound(&room, 10400, BOUND_SOURCE); /* 4 pieces of 100 ms */
	room_of(&room, 15);
	assert_bound(&room, 10300, BOUND_SOURCE);
}

static void the_slowest_downlink_binds(void **state)
{
	struct room room;

	(void)state;
	room_of(&room, 8);
	room.nodes[3].down_bytes_per_s = 5 * MEGA;
	room.nodes[3].start_ns = 2 * NS_PER_S;
	assert_bound(&room, 22000, BOUND_DOWNLINK);
}

static void slow_uplinks_bind_together(void **state)
{
	struct room room;

	(void)state;
	room_of(&room, 16);
	for (uint32_t i = 1; i <= 16; i++)
		room.nodes[i].up_bytes_per_s = MEGA;
	assert_bound(&room, 1600000 / 26, BOUND_UPLINKS);
}

static void a_disk_binds_by_what_it_must_write(void **state)
{
	struct room room;

	(void)state;
	room_of(&room, 4);
	room.given.write_bytes = 150 * MEGA; /* a third of it twice */
	room.given.zero_bytes = 200 * MEGA;
	for (uint32_t i = 1; i <= 4; i++) {
		room.nodes[i].disk_bytes_per_s = 5 * MEGA;
		room.nodes[i].zeroes_bytes_per_s = 100 * MEGA;
	}
	assert_bound(&room, 32000, BOUND_DISK);
	/* A node that found half of it writes that much less. */
	for (uint32_t i = 1; i <= 4; i++)
		room.nodes[i].bytes = 50 * MEGA;
	assert_bound(&room, 22000, BOUND_DISK);
}

static void a_thin_rack_binds(void **state)
{
	struct bound_cut racks[2] = {{4 * MEGA, 4 * MEGA}, {4 * MEGA, 4 * MEGA}};
	struct room room;

	(void)state;
	room_of(&room, 8);
	room.given.racks = racks;
	room.given.racks_count = 2;
	for (uint32_t i = 0; i <= 8; i++)
		room.nodes[i].rack = i <= 4 ? 0 : 1;
	assert_bound(&room, 25000, BOUND_RACK); /* one copy in, one out */
	racks[1].in_bytes_per_s = 2 * MEGA;
	assert_bound(&room, 50000, BOUND_RACK);
	/* Nobody lacks anything in the thin rack: what it could take in does not matter. */
	for (uint32_t i = 5; i <= 8; i++)
		room.nodes[i].bytes = 0;
	assert_bound(&room, 10200, BOUND_SOURCE);
}

static void a_thin_site_binds(void **state)
{
	struct bound_cut sites[2] = {{0, MEGA}, {0, 0}};
	struct room room;

	(void)state;
	room_of(&room, 8);
	room.given.sites = sites;
	room.given.sites_count = 2;
	for (uint32_t i = 0; i <= 8; i++)
		room.nodes[i].site = i <= 4 ? 0 : 1;
	assert_bound(&room, 100000, BOUND_SITE);
}

static void the_sources_disk_and_digests_bind(void **state)
{
	struct room room;

	(void)state;
	room_of(&room, 2);
	room.nodes[0].disk_bytes_per_s = 2 * MEGA;
	assert_bound(&room, 50000, BOUND_READ);
	room.nodes[2].digest_bytes_per_s = MEGA;
	assert_bound(&room, 100000, BOUND_DIGEST);
}

static void large_numbers_do_not_overflow(void **state)
{
	struct room room;

	(void)state;
	room_of(&room, 1);
	room.nodes[1].bytes = room.given.fetch_bytes = 1000 * 1000 * 1000 * MEGA;
	bound_compute(&room.given, &room.bound);
	assert_int_equal(room.bound.total_ns / NS_PER_S, 100 * 1000 * MEGA / 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_links_take_a_copy_and_the_doublings),
		cmocka_unit_test(the_slowest_downlink_binds),
		cmocka_unit_test(slow_uplinks_bind_together),
		cmocka_unit_test(a_disk_binds_by_what_it_must_write),
		cmocka_unit_test(a_thin_rack_binds),
		cmocka_unit_test(a_thin_site_binds),
		cmocka_unit_test(the_sources_disk_and_digests_bind),
		cmocka_unit_test(large_numbers_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
