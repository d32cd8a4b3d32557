/* SPDX-License-Identifier: Apache-2.0 */
/* The server's machine reboots in the middle. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 96 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 5, &traits);
	sim_node_power_cut_at(world->nodes[0], 5 * NS_PER_S + rng_below(&world->rng, 3 * NS_PER_S));
	sim_node_boot_at(world->nodes[0], 28 * NS_PER_S);
}

const struct sim_scenario sim_scenario_origin_returns = {
	.name = "origin_returns",
	.shows = "the origin is off for twenty seconds: the nodes wait and finish",
	.nodes_max = 6,
	.limit_ns = 300 * NS_PER_S,
	.build = build,
};
