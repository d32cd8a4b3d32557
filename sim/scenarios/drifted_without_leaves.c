/* SPDX-License-Identifier: Apache-2.0 */
/* Nobody else knows leaf layers. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	traits.no_leaves = true;
	sim_room(world, 1, &traits);
	traits.no_leaves = false;
	traits.holds_image = true;
	struct sim_node *node = sim_node_add(world, "stale", &traits);

	sim_disk_drift(&node->disk, 40, 2);
	for (uint32_t piece = 0; piece < world->image.pieces_count; piece++)
		world->tally[0] += !sim_disk_piece_readable(&node->disk, piece);
	sim_node_boot_at(node, 0);
}

static void judge(struct sim_world *world)
{
	const struct sim_node *node = world->nodes[2];

	if (node->payload_received_bytes > (world->tally[0] + 1) * MIB)
		sim_violation(world, "again", "%llu bytes for %llu changed pieces",
			(unsigned long long)node->payload_received_bytes,
			(unsigned long long)world->tally[0]);
}

const struct sim_scenario sim_scenario_drifted_without_leaves = {
	.name = "drifted_without_leaves",
	.shows = "from peers without leaf layers, changed pieces are fetched whole",
	.nodes_max = 3,
	.limit_ns = 60 * NS_PER_S,
	.build = build,
	.judge = judge,
};
