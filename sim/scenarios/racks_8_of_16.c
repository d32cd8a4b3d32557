/* SPDX-License-Identifier: Apache-2.0 */
/* Eight racks of sixteen: more nodes than one can be connected to. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, 256 * KIB, 0, 0);
	sim_racked_traits(&traits);
	sim_racked(world, 8, 16, 2 * SIM_RACKED_BYTES_PER_S, &traits);
}

static void judge(struct sim_world *world)
{
	sim_judge_uplinks(world, 840);
}

const struct sim_scenario sim_scenario_racks_8_of_16 = {
	.name = "racks_8_of_16",
	.shows = "8 racks of 16: 8.4 copies cross where 7 must",
	.nodes_max = 129,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.judge = judge,
	.large = true,
};
