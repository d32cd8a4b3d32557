/* SPDX-License-Identifier: Apache-2.0 */
/* Origin and tracker die together and return together, with an empty tracker. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 96 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 5, &traits);
}

static void watch(struct sim_world *world)
{
	struct sim_node *origin = world->nodes[0];

	if (world->tally[0] == 0 && world->now_ns > 4 * NS_PER_S) {
		world->tally[0] = 1;
		sim_node_kill(origin);
		sim_tracker_die(world, 0, rng_below(&world->rng, 2) == 0);
		sim_node_boot_at(origin, world->now_ns + 3 * NS_PER_S);
	}
	if (world->tally[0] == 1 && world->now_ns > 7 * NS_PER_S) {
		world->tally[0] = 2;
		sim_tracker_revive(world, 0);
	}
}

const struct sim_scenario sim_scenario_server_restarts = {
	.name = "server_restarts",
	.shows = "the server's process, tracker and origin, is killed and starts again: all finish",
	.nodes_max = 6,
	.limit_ns = 300 * NS_PER_S,
	.build = build,
	.watch = watch,
};
