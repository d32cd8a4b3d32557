/* SPDX-License-Identifier: Apache-2.0 */
/* Every block of the liar is wrong. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 48 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 6, &traits);
	for (uint32_t i = 0; i < 1; i++)
		sim_bad_peer_add(world, SIM_PEER_LIAR, &traits, 1);
}

static void judge(struct sim_world *world)
{
	sim_judge_bans(world, 1);
}

const struct sim_scenario sim_scenario_liar = {
	.name = "liar",
	.shows = "a peer that sends wrong bytes costs time, never correctness",
	.nodes_max = 8,
	.limit_ns = 300 * NS_PER_S,
	.build = build,
	.judge = judge,
};
