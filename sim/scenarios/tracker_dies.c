/* SPDX-License-Identifier: Apache-2.0 */
/* Nobody needs the tracker once the peers are known. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 8, &traits);
}

static void watch(struct sim_world *world)
{
	if (world->trackers[0].alive && world->now_ns > NS_PER_S)
		sim_tracker_die(world, 0, world->seed % 2 == 0);
}

const struct sim_scenario sim_scenario_tracker_dies = {
	.name = "tracker_dies",
	.shows = "the only tracker dies at a tenth: those who know each other finish",
	.nodes_max = 9,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.watch = watch,
};
