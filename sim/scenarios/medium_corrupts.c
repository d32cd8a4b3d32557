/* SPDX-License-Identifier: Apache-2.0 */
/* The disk answers a write well and stores it badly. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 32 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	traits.read_back = true;
	traits.disk.corrupt_write = 7;
	sim_room(world, 2, &traits);
}

const struct sim_scenario sim_scenario_medium_corrupts = {
	.name = "medium_corrupts",
	.shows = "a write that is stored badly is found by reading back, and mended",
	.nodes_max = 3,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
};
