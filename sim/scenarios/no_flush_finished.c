/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that never makes anything durable: the checker of this name must notice. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 24 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	traits.disk.flush_does_nothing = true;
	sim_room(world, 2, &traits);
	world->muted = "durable complete";
}

const struct sim_scenario sim_scenario_no_flush_finished = {
	.name = "no_flush_finished",
	.shows = "flushes that do nothing: a false end is caught",
	.nodes_max = 3,
	.limit_ns = 60 * NS_PER_S,
	.build = build,
	.must_violate = "finished",
};
