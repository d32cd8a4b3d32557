/* SPDX-License-Identifier: Apache-2.0 */
/* Half a block comes, the connection stays open. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 48 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 6, &traits);
	for (uint32_t i = 0; i < 2; i++)
		sim_bad_peer_add(world, SIM_PEER_HALF_BLOCK, &traits, 1);
}

const struct sim_scenario sim_scenario_half_block = {
	.name = "half_block",
	.shows = "peers that stop in the middle of a block hold no piece hostage",
	.nodes_max = 9,
	.limit_ns = 300 * NS_PER_S,
	.build = build,
};
