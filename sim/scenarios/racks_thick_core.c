/* SPDX-License-Identifier: Apache-2.0 */
/* The racks of racks_thin_core with uplinks of any width: what that one is measured against. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	sim_racked_usual(world, 0);
}

static void judge(struct sim_world *world)
{
	sim_judge_uplinks(world, 330);
	sim_judge_copies(world, 105);
	sim_judge_ratio(world, 140);
}

const struct sim_scenario sim_scenario_racks_thick_core = {
	.name = "racks_thick_core",
	.shows = "4 racks of 8, uplinks of any width: still 3.3 copies, and no slower",
	.nodes_max = 33,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.judge = judge,
};
