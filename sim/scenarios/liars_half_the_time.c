/* SPDX-License-Identifier: Apache-2.0 */
/* Mostly right, which is harder to find than always wrong. */
#include "sim/scenario.h"

#define HONEST 8

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 48 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, HONEST, &traits);
	for (uint32_t i = 0; i < 3; i++)
		sim_bad_peer_add(world, SIM_PEER_LIAR, &traits, 10);
}

static void judge(struct sim_world *world)
{
	uint64_t wasted_bytes = 0;

	sim_judge_bans(world, 3);
	for (uint32_t i = 1; i <= HONEST; i++) {
		struct swarm_status status;

		swarm_status(world->nodes[i]->swarm, &status);
		wasted_bytes += status.wasted_bytes;
	}
	/* Not whole pieces: what was right in them is kept. */
	if (wasted_bytes > HONEST * MIB)
		sim_violation(world, "waste", "%llu bytes were fetched for nothing",
			(unsigned long long)wasted_bytes);
}

const struct sim_scenario sim_scenario_liars_half_the_time = {
	.name = "liars_half_the_time",
	.shows = "three liars that lie in one block of ten are found and banned",
	.nodes_max = 12,
	.limit_ns = 300 * NS_PER_S,
	.build = build,
	.judge = judge,
};
