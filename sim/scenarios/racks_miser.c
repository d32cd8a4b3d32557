/* SPDX-License-Identifier: Apache-2.0 */
/* In the second rack one has everything, as it says, and keeps all others choked for ever. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_racked_usual(world, SIM_RACKED_BYTES_PER_S);
	sim_racked_traits(&traits);
	traits.rack = 2;
	sim_bad_peer_add(world, SIM_PEER_MISER, &traits, 1);
}

static void judge(struct sim_world *world)
{
	sim_judge_uplinks(world, 400);
	sim_judge_ratio(world, 230);
}

const struct sim_scenario sim_scenario_racks_miser = {
	.name = "racks_miser",
	.shows = "a rack-mate that has everything and gives nothing: the rack imports without it",
	.nodes_max = 34,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.judge = judge,
};
