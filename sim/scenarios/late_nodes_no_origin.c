/* SPDX-License-Identifier: Apache-2.0 */
/* Tracker and origin are dead when half of the nodes boot; the pieces are among the others. */
#include "sim/scenario.h"

#define EARLY 6
#define LATE  6

enum { TALLY_LATE_BOOTED };

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 48 * MIB, MIB, 10, 0);
	sim_node_traits_default(&traits);
	traits.knows = world->nodes[sim_room(world, EARLY, &traits)];
	for (uint32_t i = 0; i < LATE; i++)
		(void)sim_node_add(world, "late", &traits);
}

static void watch(struct sim_world *world)
{
	if (world->tally[TALLY_LATE_BOOTED] != 0 || !sim_one_copy_outside_origin(world))
		return;
	world->tally[TALLY_LATE_BOOTED] = 1;
	sim_tracker_die(world, 0, world->seed % 2 == 0);
	sim_node_power_cut(world->nodes[0]);
	for (uint32_t i = EARLY + 1; i < world->nodes_count; i++)
		sim_node_boot_at(world->nodes[i], world->now_ns + 2 * NS_PER_S);
}

const struct sim_scenario sim_scenario_late_nodes_no_origin = {
	.name = "late_nodes_no_origin",
	.shows = "no tracker and no origin when half of the nodes boot, one acquaintance each",
	.nodes_max = EARLY + LATE + 1,
	.limit_ns = 300 * NS_PER_S,
	.build = build,
	.watch = watch,
};
