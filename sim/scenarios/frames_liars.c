/* SPDX-License-Identifier: Apache-2.0 */
/* Two peers whose frames do not decode, or decode to wrong bytes. */
#include "sim/scenario.h"

#define LIARS_COUNT 2

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 48 * MIB, MIB, 0, 0);
	world->image.frame_ratio = 4;
	sim_node_traits_default(&traits);
	traits.decode_bytes_per_s = 1000 * MIB;
	traits.encode_bytes_per_s = 300 * MIB;
	sim_room(world, 6, &traits);
	for (uint32_t i = 0; i < LIARS_COUNT; i++)
		sim_bad_peer_add(world, SIM_PEER_FRAME_LIAR, &traits, 2);
}

static void judge(struct sim_world *world)
{
	sim_judge_ratio(world, 80);
}

const struct sim_scenario sim_scenario_frames_liars = {
	.name = "frames_liars",
	.shows = "bad frames cost time, never correctness",
	.nodes_max = 9,
	.limit_ns = 300 * NS_PER_S,
	.build = build,
	.judge = judge,
};
