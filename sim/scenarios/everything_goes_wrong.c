/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the seed draws. Nothing must be claimed that is not so. */
#include "sim/scenario.h"

#define NODES 8

static void disturb(struct sim_world *world, struct sim_node *node)
{
	uint64_t at_ns = rng_below(&world->rng, 20 * NS_PER_S);

	switch (rng_below(&world->rng, 4)) {
	case 0:
		sim_node_power_cut_at(node, at_ns);
		sim_node_boot_at(node, at_ns + rng_below(&world->rng, 30 * NS_PER_S));
		break;
	case 1:
		node->disk.traits.write_fail_one_in = 50;
		node->disk.traits.flush_fail_one_in = 10;
		node->traits.disk = node->disk.traits;
		node->traits.expect = SIM_EXPECT_FINISH_OR_ERROR;
		break;
	case 2:
		node->disk.traits.write_bytes_per_s = 2 * MIB;
		break;
	default:
		break;
	}
}

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;
	uint64_t at_ns = rng_below(&world->rng, 20 * NS_PER_S);

	sim_image_make(world, 40 * MIB + rng_below(&world->rng, 8 * MIB), MIB,
		(uint32_t)rng_below(&world->rng, 8), (uint32_t)rng_below(&world->rng, 8));
	sim_node_traits_default(&traits);
	traits.old_system = rng_below(&world->rng, 2) == 0;
	traits.reassess = rng_below(&world->rng, 2) == 0;
	traits.read_back = rng_below(&world->rng, 2) == 0;
	uint32_t first = sim_room(world, NODES, &traits);

	for (uint32_t i = 0; i < NODES; i++)
		disturb(world, world->nodes[first + i]);
	for (uint32_t i = 0; i < 3; i++)
		sim_bad_peer_add(world,
			(enum sim_bad_peer)rng_below(&world->rng, SIM_BAD_PEERS_COUNT), &traits,
			(uint32_t)rng_below(&world->rng, 10) + 1);
	if (rng_below(&world->rng, 2) == 0) {
		sim_node_power_cut_at(world->nodes[0], at_ns);
		sim_node_boot_at(world->nodes[0], at_ns + rng_below(&world->rng, 30 * NS_PER_S));
	}
}

const struct sim_scenario sim_scenario_everything_goes_wrong = {
	.name = "everything_goes_wrong",
	.shows = "deaths, faults, liars and lost power of the seed's choice: complete or an error",
	.nodes_max = 16,
	.limit_ns = 600 * NS_PER_S,
	.build = build,
};
