/* SPDX-License-Identifier: Apache-2.0 */
/* A sixth of hall_of_1200 in racks and a quarter in bytes: what a change of the engine or of the
 * model does to halls shows here within seconds. */
#include "sim/scenario.h"

#define RACKS		 5
#define NODES_PER_RACK	 40
#define GIGABIT		 (UINT64_C(125000000) * 1448 / 1538)
#define PIECE_BYTES	 (4 * MIB)
#define DISK_BYTES_PER_S UINT64_C(500000000)

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_node_traits_default(&traits);
	sim_count_in_pieces(world, &traits, PIECE_BYTES);
	sim_image_make(world, GIB, PIECE_BYTES, 0, 0);
	traits.up_bytes_per_s = traits.down_bytes_per_s = GIGABIT;
	traits.disk.write_bytes_per_s = DISK_BYTES_PER_S;
	sim_racked(world, RACKS, NODES_PER_RACK, 10 * GIGABIT, &traits);
}

const struct sim_scenario sim_scenario_hall_of_200 = {
	.name = "hall_of_200",
	.shows = "200 nodes in 5 racks, 1 Gbit/s, uplinks of 10 Gbit/s, 1 GiB: all finish",
	.nodes_max = RACKS * NODES_PER_RACK + 1,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.large = true,
};
