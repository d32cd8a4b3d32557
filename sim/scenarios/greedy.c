/* SPDX-License-Identifier: Apache-2.0 */
/* Far more requests than may be queued. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 48 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 6, &traits);
	for (uint32_t i = 0; i < 2; i++)
		sim_bad_peer_add(world, SIM_PEER_GREEDY, &traits, 1);
}

const struct sim_scenario sim_scenario_greedy = {
	.name = "greedy",
	.shows = "peers that request everything all the time do no harm",
	.nodes_max = 9,
	.limit_ns = 300 * NS_PER_S,
	.build = build,
};
