/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links of half a Mbit/s, shared by several receivers: a run of a megabyte, though compressed
 * twice, is under way for most of a minute. As long as it comes, its sender has not stalled.
 */
#include "sim/scenario.h"

#define RATE_BYTES_PER_S 60000

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 12 * MIB, MIB, 0, 0);
	world->image.frame_ratio = 2;
	sim_node_traits_default(&traits);
	traits.up_bytes_per_s = traits.down_bytes_per_s = RATE_BYTES_PER_S;
	traits.decode_bytes_per_s = 1000 * MIB;
	traits.encode_bytes_per_s = 300 * MIB;
	sim_room(world, 5, &traits);
}

static void judge(struct sim_world *world)
{
	sim_judge_ratio(world, 100);
	sim_judge_copies(world, 200);
}

const struct sim_scenario sim_scenario_frames_on_slow_links = {
	.name = "frames_on_slow_links",
	.shows = "runs that take long on slow links arrive",
	.nodes_max = 6,
	.limit_ns = 1800 * NS_PER_S,
	.build = build,
	.judge = judge,
};
