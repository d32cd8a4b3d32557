/* SPDX-License-Identifier: Apache-2.0 */
/* Twenty nodes are a crowd, which is served few at a time and in turns; a piece of 4 MiB takes the
 * origin's link longer than a turn. */
#include "sim/scenario.h"

#define RATE_BYTES_PER_S	12000000
#define ORIGIN_RATE_BYTES_PER_S 1200000
#define NODES			20

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 128 * MIB, 4 * MIB, 0, 0);
	sim_shaped(world, &traits, RATE_BYTES_PER_S);
	sim_tracker_add(world, 2);

	struct sim_node_traits origin = traits;

	origin.origin = true;
	origin.holds_image = true;
	origin.up_bytes_per_s = ORIGIN_RATE_BYTES_PER_S;
	sim_node_boot_at(sim_node_add(world, "origin", &origin), 0);
	for (uint32_t i = 0; i < NODES; i++)
		sim_node_boot_at(sim_node_add(world, "node", &traits), 0);
}

static void judge(struct sim_world *world)
{
	sim_judge_ratio(world, 130);
	sim_judge_copies(world, 120);
}

const struct sim_scenario sim_scenario_crowd_with_large_pieces = {
	.name = "crowd_with_large_pieces",
	.shows = "20 nodes, pieces of 4 MiB, an origin behind 10 Mbit/s: no piece is begun in vain",
	.nodes_max = NODES + 1,
	.limit_ns = 400 * NS_PER_S,
	.build = build,
	.judge = judge,
};
