/* SPDX-License-Identifier: Apache-2.0 */
/* Disks full of another system's bytes: no leaf is equal. */
#include "sim/scenario.h"

#define LAYERS_MAX 40 /* those in flight when it becomes clear that they do not help */

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 96 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	traits.old_system = true;
	traits.reassess = true;
	sim_room(world, 3, &traits);
}

static void judge(struct sim_world *world)
{
	for (uint32_t i = 1; i < world->nodes_count; i++) {
		struct swarm_status status;

		swarm_status(world->nodes[i]->swarm, &status);
		if (status.layer_bytes > LAYERS_MAX * 64 * 32 || status.layer_bytes == 0)
			sim_violation(world, "layers", "%s received %llu bytes of leaf layers",
				world->nodes[i]->name, (unsigned long long)status.layer_bytes);
	}
	sim_judge_ratio(world, 150);
}

const struct sim_scenario sim_scenario_another_system = {
	.name = "another_system",
	.shows = "on a disk that holds something else altogether, leaf layers are soon given up",
	.nodes_max = 4,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.judge = judge,
};
