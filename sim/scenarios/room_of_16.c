/* SPDX-License-Identifier: Apache-2.0 */
/* The room at wire speed: 16 nodes, 50 Mbit/s, 192 MiB that nobody has. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 192 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 16, &traits);
}

static void judge(struct sim_world *world)
{
	sim_judge_ratio(world, 115);
	sim_judge_copies(world, 125);
}

const struct sim_scenario sim_scenario_room_of_16 = {
	.name = "room_of_16",
	.shows = "16 equal nodes: the last finishes within 1.15 of the bound, the origin sends "
		 "1.25 copies",
	.nodes_max = 17,
	.limit_ns = 60 * NS_PER_S,
	.build = build,
	.judge = judge,
};
