/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Racks of one, three and twelve, and four nodes that were told of no rack: those take from
 * anybody, so each of them may cost the uplinks of those it takes from a copy.
 */
#include "sim/scenario.h"

#define RATE_BYTES_PER_S (25 * 1000 * 1000 / 8)

static void add(struct sim_world *world, uint32_t rack, uint32_t count)
{
	struct sim_node_traits traits;

	sim_node_traits_default(&traits);
	traits.up_bytes_per_s = RATE_BYTES_PER_S;
	traits.down_bytes_per_s = RATE_BYTES_PER_S;
	traits.rack = rack;
	for (uint32_t i = 0; i < count; i++)
		sim_node_boot_at(sim_node_add(world, "node", &traits), 0);
}

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 32 * MIB, 256 * KIB, 0, 0);
	sim_node_traits_default(&traits);
	traits.up_bytes_per_s = RATE_BYTES_PER_S;
	traits.down_bytes_per_s = RATE_BYTES_PER_S;
	sim_racked(world, 3, 1, RATE_BYTES_PER_S, &traits);
	add(world, 2, 2);
	add(world, 3, 11);
	add(world, SIM_RACK_NONE, 4);
}

static void judge(struct sim_world *world)
{
	sim_judge_uplinks(world, 300);
	sim_judge_ratio(world, 200);
}

const struct sim_scenario sim_scenario_racks_unequal = {
	.name = "racks_unequal",
	.shows = "racks of 1, 3 and 12 and 4 nodes in none: all finish",
	.nodes_max = 21,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.judge = judge,
};
