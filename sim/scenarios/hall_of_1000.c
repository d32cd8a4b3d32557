/* SPDX-License-Identifier: Apache-2.0 */
/* A thousand machines on gigabit links, in coarse chunks so that it ends within a minute. */
#include "sim/scenario.h"

#define NODES		    1000
#define GIGABIT_BYTES_PER_S 125000000

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 256 * MIB, MIB, 0, 0);
	world->chunk_bytes = 64 * KIB;
	world->window_bytes = MIB;
	sim_node_traits_default(&traits);
	traits.up_bytes_per_s = GIGABIT_BYTES_PER_S;
	traits.down_bytes_per_s = GIGABIT_BYTES_PER_S;
	traits.limits.block_bytes = 128 * KIB;
	sim_room(world, NODES, &traits);
}

const struct sim_scenario sim_scenario_hall_of_1000 = {
	.name = "hall_of_1000",
	.shows = "a thousand nodes on gigabit links all finish",
	.nodes_max = NODES + 1,
	.limit_ns = 60 * NS_PER_S,
	.build = build,
	.large = true,
};
