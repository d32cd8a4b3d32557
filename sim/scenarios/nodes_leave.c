/* SPDX-License-Identifier: Apache-2.0 */
/* What the lost ones alone had got must be sent once more. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 9, &traits);
}

static void watch(struct sim_world *world)
{
	uint32_t gone = (uint32_t)world->tally[0];

	if (gone == 3 || world->now_ns < (3 + 2 * gone) * NS_PER_S)
		return;
	world->tally[0]++;
	world->nodes[1 + gone]->traits.expect = SIM_EXPECT_NOTHING;
	sim_node_power_cut(world->nodes[1 + gone]);
}

const struct sim_scenario sim_scenario_nodes_leave = {
	.name = "nodes_leave",
	.shows = "three of nine nodes lose power for good on the way: the others finish",
	.nodes_max = 10,
	.limit_ns = 200 * NS_PER_S,
	.build = build,
	.watch = watch,
};
