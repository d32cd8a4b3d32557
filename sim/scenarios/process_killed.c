/* SPDX-License-Identifier: Apache-2.0 */
/* The process dies at half, its host does not: what the page cache holds is flushed, then counted.
 */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 96 * MIB, MIB, 10, 10);
	sim_node_traits_default(&traits);
	sim_room(world, 3, &traits);
}

static void watch(struct sim_world *world)
{
	struct sim_node *victim = world->nodes[1];

	if (world->tally[0] != 0 || sim_durable_bytes(victim) < world->image.length_bytes / 2)
		return;
	world->tally[0] = 1;
	sim_node_kill(victim);
	sim_node_boot_at(victim, world->now_ns + NS_PER_S);
}

const struct sim_scenario sim_scenario_process_killed = {
	.name = "process_killed",
	.shows = "a killed process starts again from what its disk holds",
	.nodes_max = 4,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.watch = watch,
};
