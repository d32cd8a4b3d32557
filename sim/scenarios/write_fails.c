/* SPDX-License-Identifier: Apache-2.0 */
/* Some writes fail and leave torn pieces behind. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 3, &traits);
	struct sim_node *victim = world->nodes[1];

	victim->traits.disk.write_fail_from = 5 + rng_below(&world->rng, 20);
	victim->traits.disk.write_fail_count = 2;
	victim->disk.traits = victim->traits.disk;
	victim->traits.expect = SIM_EXPECT_FINISH_OR_ERROR;
}

const struct sim_scenario sim_scenario_write_fails = {
	.name = "write_fails",
	.shows = "a few failed writes: the pieces are fetched and written again",
	.nodes_max = 4,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
};
