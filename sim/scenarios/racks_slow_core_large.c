/* SPDX-License-Identifier: Apache-2.0 */
/*
 * racks_slow_core in racks so large that a node would take from a few of them at a time: where each
 * piece takes seconds, who waits for its turn must not be taken for one that gives nothing.
 */
#include "sim/scenario.h"

#define RATE_BYTES_PER_S 119000 /* 1 Mbit/s without headers */

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 16 * MIB, 256 * KIB, 0, 0);
	sim_node_traits_default(&traits);
	traits.up_bytes_per_s = RATE_BYTES_PER_S;
	traits.down_bytes_per_s = RATE_BYTES_PER_S;
	traits.up_queue_bytes = RATE_BYTES_PER_S / 5;
	sim_racked(world, 2, 24, RATE_BYTES_PER_S, &traits);
}

static void judge(struct sim_world *world)
{
	sim_judge_ratio(world, 450);
}

const struct sim_scenario sim_scenario_racks_slow_core_large = {
	.name = "racks_slow_core_large",
	.shows = "2 racks of 24 behind 1 Mbit/s: they finish",
	.nodes_max = 49,
	.limit_ns = 900 * NS_PER_S,
	.build = build,
	.judge = judge,
};
