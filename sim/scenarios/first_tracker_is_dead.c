/* SPDX-License-Identifier: Apache-2.0 */
/* A tracker that is silent from the start, and one that works. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 48 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 6, &traits);
	sim_tracker_add(world, 2);
	sim_tracker_die(world, 0, world->seed % 2 == 0);
}

const struct sim_scenario sim_scenario_first_tracker_is_dead = {
	.name = "first_tracker_is_dead",
	.shows = "the first of two trackers never answers: the second serves",
	.nodes_max = 7,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
};
