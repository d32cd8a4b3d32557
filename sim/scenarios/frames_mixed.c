/* SPDX-License-Identifier: Apache-2.0 */
/* Half of the nodes do not know frames: they get blocks as ever, from the others as well. */
#include "sim/scenario.h"

#define NODES_COUNT 8

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;
	struct sim_node_traits plain;

	sim_image_make(world, 96 * MIB, MIB, 5, 0);
	world->image.frame_ratio = 4;
	sim_node_traits_default(&traits);
	plain = traits;
	traits.decode_bytes_per_s = 1000 * MIB;
	traits.encode_bytes_per_s = 300 * MIB;
	sim_room(world, NODES_COUNT / 2, &traits);
	for (uint32_t i = 0; i < NODES_COUNT / 2; i++)
		sim_node_boot(sim_node_add(world, "plain", &plain));
}

static void judge(struct sim_world *world)
{
	sim_judge_ratio(world, 130);
}

const struct sim_scenario sim_scenario_frames_mixed = {
	.name = "frames_mixed",
	.shows = "nodes that take frames and nodes that do not, in one swarm",
	.nodes_max = NODES_COUNT + 1,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.judge = judge,
};
