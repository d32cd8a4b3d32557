/* SPDX-License-Identifier: Apache-2.0 */
/* A flush fails once and drops some of what it was to make durable, though reads still return it.
 */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 3, &traits);
	world->nodes[1]->disk.traits.flush_fail_from = 2 + rng_below(&world->rng, 3);
	world->nodes[1]->disk.traits.flush_fail_count = 1;
	world->nodes[1]->traits.expect = SIM_EXPECT_FINISH_OR_ERROR;
	world->nodes[1]->traits.disk = world->nodes[1]->disk.traits;
}

const struct sim_scenario sim_scenario_flush_fails = {
	.name = "flush_fails",
	.shows = "one failed flush: what was not durable is fetched and written again",
	.nodes_max = 4,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
};
