/* SPDX-License-Identifier: Apache-2.0 */
/* Every node loses power twice at moments of the seed's choice and comes back some seconds later.
 */
#include "sim/scenario.h"

#define NODES	 8
#define CUTS	 2
#define WITHIN_S 30

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 96 * MIB, MIB, 6, 10);
	sim_node_traits_default(&traits);
	traits.old_system = true;
	uint32_t first = sim_room(world, NODES, &traits);

	for (uint32_t i = 0; i < NODES * CUTS; i++) {
		uint64_t at_ns = rng_below(&world->rng, WITHIN_S * NS_PER_S);
		uint64_t off_ns = rng_below(&world->rng, 5 * NS_PER_S);

		sim_node_power_cut_at(world->nodes[first + i % NODES], at_ns);
		sim_node_boot_at(world->nodes[first + i % NODES], at_ns + off_ns);
	}
}

const struct sim_scenario sim_scenario_power_cuts_at_random = {
	.name = "power_cuts_at_random",
	.shows = "eight nodes lose power at random, twice each; all finish",
	.nodes_max = 9,
	.limit_ns = 400 * NS_PER_S,
	.build = build,
};
