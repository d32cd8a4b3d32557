/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four racks of eight whose uplinks are as thin as one node's link. Three copies must cross, into
 * each rack but the origin's; a swarm that knew no racks would send 25.
 */
#include "sim/scenario.h"

#define RATE_BYTES_PER_S (25 * 1000 * 1000 / 8)

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, 256 * KIB, 0, 0);
	sim_node_traits_default(&traits);
	traits.up_bytes_per_s = RATE_BYTES_PER_S;
	traits.down_bytes_per_s = RATE_BYTES_PER_S;
	sim_racked(world, 4, 8, RATE_BYTES_PER_S, &traits);
}

static void judge(struct sim_world *world)
{
	sim_judge_uplinks(world, 330);
	sim_judge_copies(world, 105);
	sim_judge_ratio(world, 155);
}

const struct sim_scenario sim_scenario_racks_thin_core = {
	.name = "racks_thin_core",
	.shows = "4 racks of 8, uplinks like one link: 3.3 copies cross where 3 must",
	.nodes_max = 33,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.judge = judge,
};
