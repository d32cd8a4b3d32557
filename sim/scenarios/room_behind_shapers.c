/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links as traffic shapers make them, and TCP on them: 100 ms of queue in which requests wait
 * behind blocks, windows that begin small, and an image of few pieces, so that every idle moment
 * counts.
 */
#include "sim/scenario.h"

#define RATE_BYTES_PER_S 2391000 /* 20 Mbit/s without headers */

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 40 * MIB, MIB, 0, 0);
	sim_shaped(world, &traits, RATE_BYTES_PER_S);
	sim_room(world, 8, &traits);
}

static void judge(struct sim_world *world)
{
	sim_judge_ratio(world, 150);
	sim_judge_copies(world, 130);
}

const struct sim_scenario sim_scenario_room_behind_shapers = {
	.name = "room_behind_shapers",
	.shows = "8 nodes, 40 pieces, TCP behind queues of 100 ms: the last finishes within 1.5 of "
		 "the "
		 "bound",
	.nodes_max = 9,
	.limit_ns = 60 * NS_PER_S,
	.build = build,
	.judge = judge,
};
