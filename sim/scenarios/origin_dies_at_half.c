/* SPDX-License-Identifier: Apache-2.0 */
/* Data that is nowhere cannot be complete. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 96 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	traits.expect = SIM_EXPECT_UNFINISHED;
	sim_room(world, 5, &traits);
}

static void watch(struct sim_world *world)
{
	if (world->now_ns > 7 * NS_PER_S && world->nodes[0]->listening)
		sim_node_power_cut(world->nodes[0]);
}

const struct sim_scenario sim_scenario_origin_dies_at_half = {
	.name = "origin_dies_at_half",
	.shows = "the origin dies before anybody could have everything: nobody claims to be "
		 "complete",
	.nodes_max = 6,
	.limit_ns = 60 * NS_PER_S,
	.build = build,
	.watch = watch,
};
