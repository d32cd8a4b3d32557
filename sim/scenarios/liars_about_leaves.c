/* SPDX-License-Identifier: Apache-2.0 */
/* Peers whose leaf layers are wrong, beside a drifted disk. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 0, &traits);
	world->nodes[0]->disk.traits.read_bytes_per_s = 100 * MIB; /* layers take a while */
	sim_bad_peer_add(world, SIM_PEER_LEAVES_LIAR, &traits, 0);
	sim_bad_peer_add(world, SIM_PEER_LEAVES_LIAR, &traits, 0);
	traits.holds_image = true;
	traits.limits.buffers_count = 120; /* more than may be asked of one peer */
	struct sim_node *node = sim_node_add(world, "stale", &traits);

	world->tally[0] = sim_disk_drift(&node->disk, 20, 3);
	sim_node_boot_at(node, 0);
}

static void judge(struct sim_world *world)
{
	const struct sim_node *node = world->nodes[3];
	uint64_t changed_bytes = world->tally[0] * world->image.granule_bytes;

	if (node->bans_count == 0)
		sim_violation(world, "bans", "%s bans nobody", node->name);
	if (node->payload_received_bytes * 10 > changed_bytes * 12)
		sim_violation(world, "again", "%llu bytes for %llu changed ones",
			(unsigned long long)node->payload_received_bytes,
			(unsigned long long)changed_bytes);
}

const struct sim_scenario sim_scenario_liars_about_leaves = {
	.name = "liars_about_leaves",
	.shows = "a leaf layer that does not prove itself bans its sender and harms nobody",
	.nodes_max = 4,
	.limit_ns = 60 * NS_PER_S,
	.build = build,
	.judge = judge,
};
