/* SPDX-License-Identifier: Apache-2.0 */
/* One of sixteen links loses 2 % of its frames: who is behind it is slow, and nobody else is. */
#include <inttypes.h>

#include "sim/scenario.h"

#define NODES		    16
#define LOSSY		    5
#define RATE_BYTES_PER_S    5978000 /* 50 Mbit/s without headers */
#define LOSS_PER_MILLION    20000
#define HEALTHY_PERCENT_MAX 130

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 128 * MIB, MIB, 0, 0);
	sim_shaped(world, &traits, RATE_BYTES_PER_S);
	sim_room(world, NODES, &traits);
	world->nodes[LOSSY]->traits.loss_per_million = LOSS_PER_MILLION;
}

static void judge(struct sim_world *world)
{
	struct sim_result result;
	uint64_t healthy_ns = 0;

	sim_measure(world, &result);
	for (uint32_t i = 1; i <= NODES; i++)
		if (i != LOSSY)
			healthy_ns = u64_max(healthy_ns, world->nodes[i]->finished_ns);
	if (healthy_ns * 100 > result.bound_ns * HEALTHY_PERCENT_MAX)
		sim_violation(world, "ratio", "the healthy nodes took %" PRIu64 " ms of %" PRIu64,
			healthy_ns / NS_PER_MS, result.bound_ns / NS_PER_MS);
}

const struct sim_scenario sim_scenario_lossy_link = {
	.name = "lossy_link",
	.shows = "a link that loses 2 % of its frames slows its own node only",
	.nodes_max = NODES + 1,
	.limit_ns = 300 * NS_PER_S,
	.build = build,
	.judge = judge,
};
