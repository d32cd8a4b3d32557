/* SPDX-License-Identifier: Apache-2.0 */
/* racks_thin_core as TCP would have it: losses where queues are full, and windows that recover. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, 256 * KIB, 0, 0);
	sim_shaped(world, &traits, SIM_RACKED_BYTES_PER_S);
	traits.up_queue_bytes = SIM_RACKED_BYTES_PER_S / 10;
	sim_racked(world, 4, 8, SIM_RACKED_BYTES_PER_S, &traits);
}

static void judge(struct sim_world *world)
{
	sim_judge_uplinks(world, 330);
	sim_judge_copies(world, 115);
	sim_judge_ratio(world, 155);
}

const struct sim_scenario sim_scenario_racks_thin_tcp = {
	.name = "racks_thin_tcp",
	.shows = "4 racks of 8 behind thin uplinks that lose what does not fit: 3.3 copies cross",
	.nodes_max = 33,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.judge = judge,
};
