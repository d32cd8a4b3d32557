/* SPDX-License-Identifier: Apache-2.0 */
/* Four times the machines. The limit guards what is reached, which is not yet what is possible. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 128 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 64, &traits);
}

static void judge(struct sim_world *world)
{
	sim_judge_ratio(world, 145);
	sim_judge_copies(world, 130);
}

const struct sim_scenario sim_scenario_room_of_64 = {
	.name = "room_of_64",
	.shows = "64 equal nodes: the last finishes within 1.45 of the bound",
	.nodes_max = 65,
	.limit_ns = 60 * NS_PER_S,
	.build = build,
	.judge = judge,
};
