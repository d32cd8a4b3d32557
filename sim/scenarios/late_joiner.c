/* SPDX-License-Identifier: Apache-2.0 */
/* The others keep serving: the origin hardly notices the late one. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 4, &traits);
	sim_node_boot_at(sim_node_add(world, "late", &traits), 25 * NS_PER_S);
}

static void judge(struct sim_world *world)
{
	const struct sim_node *late = world->nodes[5];
	uint64_t copy_ns = world->image.distinct_bytes * NS_PER_S / late->link.down.bytes_per_s;

	if ((late->finished_ns - late->started_ns) * 100 > copy_ns * 115)
		sim_violation(world, "late", "the late node was slow");
}

const struct sim_scenario sim_scenario_late_joiner = {
	.name = "late_joiner",
	.shows = "a node that comes when the others have finished is served by them",
	.nodes_max = 6,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.judge = judge,
};
