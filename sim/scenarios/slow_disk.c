/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that takes a tenth of what the link brings. */
#include "sim/scenario.h"

#define SLOW_BYTES_PER_S 625000

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 48 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 3, &traits);
	traits.disk.write_bytes_per_s = SLOW_BYTES_PER_S;
	traits.disk.flush_ns = 200 * NS_PER_MS;
	sim_node_boot_at(sim_node_add(world, "slow", &traits), 0);
}

static void judge(struct sim_world *world)
{
	uint64_t copy_ns =
		world->image.distinct_bytes * NS_PER_S / world->nodes[1]->link.up_bytes_per_s;

	for (uint32_t i = 1; i <= 3; i++)
		if (world->nodes[i]->finished_ns > 2 * copy_ns)
			sim_violation(world, "pace", "%s waited for the slow disk",
				world->nodes[i]->name);
}

const struct sim_scenario sim_scenario_slow_disk = {
	.name = "slow_disk",
	.shows = "one disk at a tenth of the wire: bounded memory, it finishes at its own pace, "
		 "the others at theirs",
	.nodes_max = 5,
	.limit_ns = 300 * NS_PER_S,
	.build = build,
	.judge = judge,
};
