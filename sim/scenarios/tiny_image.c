/* SPDX-License-Identifier: Apache-2.0 */
/* Less than a sector more than nothing: head and tail are the same bytes. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 100 * KIB + 512, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 3, &traits);
}

const struct sim_scenario sim_scenario_tiny_image = {
	.name = "tiny_image",
	.shows = "an image of one short piece, all of it held back",
	.nodes_max = 4,
	.limit_ns = 30 * NS_PER_S,
	.build = build,
};
