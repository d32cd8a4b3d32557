/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing to fetch, and the end is reached all the same. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 8 * MIB, MIB, 1, 0);
	sim_node_traits_default(&traits);
	traits.old_system = true;
	sim_room(world, 2, &traits);
}

const struct sim_scenario sim_scenario_all_zeros = {
	.name = "all_zeros",
	.shows = "an image of nothing but zeros is written without a download",
	.nodes_max = 3,
	.limit_ns = 30 * NS_PER_S,
	.build = build,
};
