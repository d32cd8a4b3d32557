/* SPDX-License-Identifier: Apache-2.0 */
/* Two importers of the second and the third rack are killed, at a third and at two thirds. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	sim_racked_usual(world, SIM_RACKED_BYTES_PER_S);
	sim_racked_importers_expect_nothing(world);
}

static void watch(struct sim_world *world)
{
	sim_racked_importers_end(world, sim_node_kill);
}

static void judge(struct sim_world *world)
{
	sim_judge_uplinks(world, 400);
}

const struct sim_scenario sim_scenario_racks_importers_killed = {
	.name = "racks_importers_killed",
	.shows = "two importers killed: the rest finish, no more than 4 copies cross",
	.nodes_max = 33,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.watch = watch,
	.judge = judge,
};
