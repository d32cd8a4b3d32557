/* SPDX-License-Identifier: Apache-2.0 */
/* The same without a word: nobody is told, and connections to them hang for 20 s. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	sim_racked_usual(world, SIM_RACKED_BYTES_PER_S);
	sim_racked_importers_expect_nothing(world);
}

static void watch(struct sim_world *world)
{
	sim_racked_importers_end(world, sim_node_power_cut);
}

static void judge(struct sim_world *world)
{
	sim_judge_uplinks(world, 400);
}

const struct sim_scenario sim_scenario_racks_importers_lose_power = {
	.name = "racks_importers_lose_power",
	.shows = "two importers cut off without a word: the rest finish, no more than 4 copies "
		 "cross",
	.nodes_max = 33,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.watch = watch,
	.judge = judge,
};
