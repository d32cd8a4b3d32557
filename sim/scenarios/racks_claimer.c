/* SPDX-License-Identifier: Apache-2.0 */
/* In the second rack one says of every piece, again and again, that it imports it. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_racked_usual(world, SIM_RACKED_BYTES_PER_S);
	sim_racked_traits(&traits);
	traits.rack = 2;
	sim_bad_peer_add(world, SIM_PEER_CLAIMER, &traits, 1);
}

static void judge(struct sim_world *world)
{
	sim_judge_uplinks(world, 400);
	sim_judge_ratio(world, 170);
}

const struct sim_scenario sim_scenario_racks_claimer = {
	.name = "racks_claimer",
	.shows = "a rack-mate that says it imports everything: the rack imports all the same",
	.nodes_max = 34,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.judge = judge,
};
