/* SPDX-License-Identifier: Apache-2.0 */
/* Indices that do not exist, blocks nobody asked for, extension messages of noise. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 48 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 6, &traits);
	for (uint32_t i = 0; i < 3; i++)
		sim_bad_peer_add(world, SIM_PEER_GARBAGE, &traits, 1);
}

const struct sim_scenario sim_scenario_garbage = {
	.name = "garbage",
	.shows = "peers that send words without sense do no harm",
	.nodes_max = 10,
	.limit_ns = 300 * NS_PER_S,
	.build = build,
};
