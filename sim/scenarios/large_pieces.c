/* SPDX-License-Identifier: Apache-2.0 */
/* The usual size of a 50 GB image's pieces. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 130 * MIB, 4 * MIB, 5, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 3, &traits);
}

const struct sim_scenario sim_scenario_large_pieces = {
	.name = "large_pieces",
	.shows = "4 MiB pieces, with head and tail inside them",
	.nodes_max = 4,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
};
