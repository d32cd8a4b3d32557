/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four racks of eight whose uplinks are as thin as one node's link. Three copies must cross, into
 * each rack but the origin's; a swarm that knew no racks would send 25.
 */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	sim_racked_usual(world, SIM_RACKED_BYTES_PER_S);
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
