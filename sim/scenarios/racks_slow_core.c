/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Racks of sixteen whose links and uplinks carry 1 Mbit/s: what sixteen importers ask for at once
 * takes longer than anybody waits, and what is asked for again waits behind it.
 */
#include "sim/scenario.h"

#define RATE_BYTES_PER_S 119000 /* 1 Mbit/s without headers */

static void slow_racks(struct sim_world *world, uint32_t racks_count, uint32_t nodes_per_rack)
{
	struct sim_node_traits traits;

	sim_image_make(world, 16 * MIB, 256 * KIB, 0, 0);
	sim_node_traits_default(&traits);
	traits.up_bytes_per_s = RATE_BYTES_PER_S;
	traits.down_bytes_per_s = RATE_BYTES_PER_S;
	traits.up_queue_bytes = RATE_BYTES_PER_S / 5;
	sim_racked(world, racks_count, nodes_per_rack, RATE_BYTES_PER_S, &traits);
}

static void build(struct sim_world *world)
{
	slow_racks(world, 3, 16);
}

static void judge(struct sim_world *world)
{
	sim_judge_uplinks(world, 500);
	sim_judge_ratio(world, 450);
}

const struct sim_scenario sim_scenario_racks_slow_core = {
	.name = "racks_slow_core",
	.shows = "3 racks of 16 behind 1 Mbit/s: they finish, 5 copies cross where 2 must",
	.nodes_max = 49,
	.limit_ns = 900 * NS_PER_S,
	.build = build,
	.judge = judge,
};

/* So many in a rack that a node would take from a few of them at a time: where each piece takes
 * seconds, who waits for its turn must not be taken for one that gives nothing. */
static void build_large(struct sim_world *world)
{
	slow_racks(world, 2, 24);
}

static void judge_large(struct sim_world *world)
{
	sim_judge_ratio(world, 450);
}

const struct sim_scenario sim_scenario_racks_slow_core_large = {
	.name = "racks_slow_core_large",
	.shows = "2 racks of 24 behind 1 Mbit/s: they finish",
	.nodes_max = 49,
	.limit_ns = 900 * NS_PER_S,
	.build = build_large,
	.judge = judge_large,
};
