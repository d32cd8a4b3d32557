/* SPDX-License-Identifier: Apache-2.0 */
/* 1024 small pieces, so that HAVEs travel in batches: nobody may run dry for want of news. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, (uint32_t)(64 * KIB), 0, 0);
	sim_node_traits_default(&traits);
	traits.limits.buffers_count = 256;
	sim_room(world, 12, &traits);
}

static void judge(struct sim_world *world)
{
	sim_judge_ratio(world, 120);
	sim_judge_copies(world, 120);
}

const struct sim_scenario sim_scenario_many_pieces = {
	.name = "many_pieces",
	.shows = "1024 pieces, HAVEs in batches: the last finishes within 1.2 of the bound",
	.nodes_max = 13,
	.limit_ns = 60 * NS_PER_S,
	.build = build,
	.judge = judge,
};
