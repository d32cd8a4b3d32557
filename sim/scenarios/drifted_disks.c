/* SPDX-License-Identifier: Apache-2.0 */
/* A room is imaged again: on each disk other leaves have changed, a few in a hundred, in clusters.
 */
#include "sim/scenario.h"

#define CHANGED_ONE_IN	 30
#define CLUSTER_GRANULES 3

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 192 * MIB, MIB, 6, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 0, &traits);
	traits.holds_image = true;
	for (uint32_t i = 0; i < 6; i++) {
		struct sim_node *node = sim_node_add(world, "stale", &traits);

		world->tally[i] = sim_disk_drift(&node->disk, CHANGED_ONE_IN, CLUSTER_GRANULES);
		sim_node_boot_at(node, 0);
	}
}

static void judge(struct sim_world *world)
{
	for (uint32_t i = 1; i < world->nodes_count; i++) {
		const struct sim_node *node = world->nodes[i];
		uint64_t changed_bytes = world->tally[i - 1] * world->image.granule_bytes;
		struct swarm_status status;

		swarm_status(node->swarm, &status);
		if ((node->payload_received_bytes + status.layer_bytes) * 10 > changed_bytes * 12)
			sim_violation(world, "again",
				"%s received %llu bytes and %llu of layers; %llu had changed",
				node->name, (unsigned long long)node->payload_received_bytes,
				(unsigned long long)status.layer_bytes,
				(unsigned long long)changed_bytes);
	}
}

const struct sim_scenario sim_scenario_drifted_disks = {
	.name = "drifted_disks",
	.shows = "of a piece that has changed here and there, only the changed leaves are fetched",
	.nodes_max = 7,
	.limit_ns = 60 * NS_PER_S,
	.build = build,
	.judge = judge,
};
