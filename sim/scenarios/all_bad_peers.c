/* SPDX-License-Identifier: Apache-2.0 */
/* Two of each kind, and lossy disks. */
#include "sim/scenario.h"

#define EACH 2

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 48 * MIB, MIB, 6, 10);
	sim_node_traits_default(&traits);
	sim_room(world, 7, &traits);
	for (uint32_t i = 0; i < EACH * SIM_BAD_PEERS_COUNT; i++)
		sim_bad_peer_add(world, (enum sim_bad_peer)(i / EACH), &traits, 3);
}

const struct sim_scenario sim_scenario_all_bad_peers = {
	.name = "all_bad_peers",
	.shows = "every kind of bad peer at once, beside eight nodes",
	.nodes_max = 8 + EACH * SIM_BAD_PEERS_COUNT,
	.limit_ns = 400 * NS_PER_S,
	.build = build,
};
