/* SPDX-License-Identifier: Apache-2.0 */
/* Who borrows the origin's peer id, and calls everybody before they have found the origin. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 48 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 6, &traits);
	sim_bad_peer_add(world, SIM_PEER_NAMESAKE, &traits, 1);
}

const struct sim_scenario sim_scenario_namesake = {
	.name = "namesake",
	.shows = "a peer under the origin's peer id keeps nobody from the origin",
	.nodes_max = 8,
	.limit_ns = 300 * NS_PER_S,
	.build = build,
};
