/* SPDX-License-Identifier: Apache-2.0 */
/* The least that the engine accepts. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 32 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	traits.limits.buffers_count = 2;
	sim_room(world, 5, &traits);
}

const struct sim_scenario sim_scenario_little_memory = {
	.name = "little_memory",
	.shows = "two piece buffers are enough",
	.nodes_max = 6,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
};
