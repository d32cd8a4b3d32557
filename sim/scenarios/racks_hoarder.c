/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The origin's only rack-mate has all but one piece, as it says, and keeps everybody choked: the
 * origin takes the pieces for given, so the other racks have to help themselves.
 */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, 256 * KIB, 0, 0);
	sim_racked_traits(&traits);
	sim_racked(world, 4, 0, SIM_RACKED_BYTES_PER_S, &traits);
	for (uint32_t rack = 2; rack <= 4; rack++)
		sim_racked_machines(world, rack, 8, &traits);
	traits.rack = 1;
	sim_bad_peer_add(world, SIM_PEER_HOARDER, &traits, 1);
}

static void judge(struct sim_world *world)
{
	sim_judge_uplinks(world, 450);
	sim_judge_ratio(world, 450);
}

const struct sim_scenario sim_scenario_racks_hoarder = {
	.name = "racks_hoarder",
	.shows = "beside the origin one that has nearly all and gives nothing: all finish",
	.nodes_max = 26,
	.limit_ns = 240 * NS_PER_S,
	.build = build,
	.judge = judge,
};
