/* SPDX-License-Identifier: Apache-2.0 */
/* Three nodes: few enough that each could fetch everything from the origin. It must not. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 128 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 3, &traits);
}

static void judge(struct sim_world *world)
{
	sim_judge_copies(world, 125);
}

const struct sim_scenario sim_scenario_three_nodes_origin_copies = {
	.name = "three_nodes_origin_copies",
	.shows = "three nodes at once: the origin sends at most 1.25 copies",
	.nodes_max = 4,
	.limit_ns = 60 * NS_PER_S,
	.build = build,
	.judge = judge,
};
