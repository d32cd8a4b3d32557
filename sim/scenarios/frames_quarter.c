/* SPDX-License-Identifier: Apache-2.0 */
/* An image that compresses four times: eight nodes need a quarter of the time. */
#include "sim/scenario.h"

#define RATIO 4

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 256 * MIB, MIB, 0, 0);
	world->image.frame_ratio = RATIO;
	sim_node_traits_default(&traits);
	traits.decode_bytes_per_s = 1000 * MIB;
	traits.encode_bytes_per_s = 300 * MIB;
	sim_room(world, 8, &traits);
}

/* The bound is that of the bytes as they are in the image. */
static void judge(struct sim_world *world)
{
	sim_judge_ratio(world, 30);
	sim_judge_copies(world, 105);
}

const struct sim_scenario sim_scenario_frames_quarter = {
	.name = "frames_quarter",
	.shows = "blocks that compress four times take a quarter of the time",
	.nodes_max = 9,
	.limit_ns = 60 * NS_PER_S,
	.build = build,
	.judge = judge,
};
