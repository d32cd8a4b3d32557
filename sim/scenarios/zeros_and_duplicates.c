/* SPDX-License-Identifier: Apache-2.0 */
/* A third zeros, a quarter repeats. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 96 * MIB + 12345, MIB, 3, 4);
	sim_node_traits_default(&traits);
	traits.old_system = true;
	sim_room(world, 4, &traits);
}

static void judge(struct sim_world *world)
{
	for (uint32_t i = 1; i < world->nodes_count; i++) {
		const struct sim_node *node = world->nodes[i];

		/* Endgame may bring a few blocks twice. */
		if (node->payload_received_bytes > world->image.distinct_bytes + 4 * MIB)
			sim_violation(world, "again", "%s received %llu bytes of %llu", node->name,
				(unsigned long long)node->payload_received_bytes,
				(unsigned long long)world->image.distinct_bytes);
	}
}

const struct sim_scenario sim_scenario_zeros_and_duplicates = {
	.name = "zeros_and_duplicates",
	.shows = "pieces of zeros and equal pieces cross the wire at most once",
	.nodes_max = 5,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.judge = judge,
};
