/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Racks of one, three and twelve, and four nodes that were told of no rack: those take from
 * anybody, so each of them may cost the uplinks of those it takes from a copy.
 */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 32 * MIB, 256 * KIB, 0, 0);
	sim_racked_traits(&traits);
	sim_racked(world, 3, 1, SIM_RACKED_BYTES_PER_S, &traits);
	sim_racked_machines(world, 2, 2, &traits);
	sim_racked_machines(world, 3, 11, &traits);
	sim_racked_machines(world, SIM_RACK_NONE, 4, &traits);
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
