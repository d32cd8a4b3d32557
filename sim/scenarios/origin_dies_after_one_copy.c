/* SPDX-License-Identifier: Apache-2.0 */
/* One copy outside the origin is enough. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, MIB, 10, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 8, &traits);
}

static void watch(struct sim_world *world)
{
	if (!world->nodes[0]->listening || !sim_one_copy_outside_origin(world))
		return;
	sim_node_power_cut(world->nodes[0]);
}

const struct sim_scenario sim_scenario_origin_dies_after_one_copy = {
	.name = "origin_dies_after_one_copy",
	.shows = "the origin dies as soon as its pieces are among the nodes: all finish",
	.nodes_max = 9,
	.limit_ns = 300 * NS_PER_S,
	.build = build,
	.watch = watch,
};
