/* SPDX-License-Identifier: Apache-2.0 */
/* 10,000 machines in 250 racks, 50 GB, fast and slow disks; one in a hundred loses power and boots
 * again. Takes hours and gigabytes. */
#include "sim/scenario.h"

#define RACKS		 250
#define NODES_PER_RACK	 40
#define GIGABIT		 (UINT64_C(125000000) * 1448 / 1538)
#define PIECE_BYTES	 (4 * MIB)
#define PIECES		 12800
#define FAST_BYTES_PER_S UINT64_C(500000000)
#define SLOW_BYTES_PER_S UINT64_C(150000000)
#define SLOW_ONE_IN	 4
#define FAILS_ONE_IN	 100
#define COPY_NS		 (PIECES * PIECE_BYTES / GIGABIT * NS_PER_S)
#define OUTAGE_NS	 (30 * NS_PER_S)

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_node_traits_default(&traits);
	sim_count_in_pieces(world, &traits, PIECE_BYTES);
	sim_image_make(world, PIECES * PIECE_BYTES, PIECE_BYTES, 0, 0);
	traits.up_bytes_per_s = traits.down_bytes_per_s = GIGABIT;
	traits.disk.write_bytes_per_s = FAST_BYTES_PER_S;
	traits.limits.peers_max = 32;
	traits.limits.peers_wanted = 16;
	traits.limits.addresses_max = 128;
	sim_racked(world, RACKS, NODES_PER_RACK, 10 * GIGABIT, &traits);
	for (uint32_t i = 1; i < world->nodes_count; i++) {
		struct sim_node *node = world->nodes[i];

		if (rng_below(&world->rng, SLOW_ONE_IN) == 0)
			node->disk.traits.write_bytes_per_s = SLOW_BYTES_PER_S;
		node->traits.disk = node->disk.traits;
		if (rng_below(&world->rng, FAILS_ONE_IN) != 0)
			continue;
		uint64_t at_ns = rng_below(&world->rng, COPY_NS);

		sim_node_power_cut_at(node, at_ns);
		sim_node_boot_at(node, at_ns + OUTAGE_NS);
	}
}

const struct sim_scenario sim_scenario_hall_of_10000 = {
	.name = "hall_of_10000",
	.shows = "10,000 nodes, 50 GB, mixed disks, 1 % lose power: all finish",
	.nodes_max = RACKS * NODES_PER_RACK + 1,
	.limit_ns = 20 * COPY_NS,
	.build = build,
	.manual = true,
};
