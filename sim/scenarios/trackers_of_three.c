/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster of three trackers, of which one after another dies or falls silent for a while. */
#include "sim/scenario.h"

#define TRACKERS   3
#define INTERVAL_S 2

enum { TALLY_DEAD, TALLY_NEXT_MS, TALLY_ROUNDS };

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;
	struct sim_node_traits origin;

	sim_image_make(world, 48 * MIB, MIB, 0, 0);
	for (uint32_t i = 0; i < TRACKERS; i++)
		sim_tracker_add_for(world, INTERVAL_S, SIM_SITE_NONE, 0, 1);
	sim_node_traits_default(&traits);
	origin = traits;
	origin.origin = true;
	origin.holds_image = true;
	origin.disk.holdback = false;
	sim_node_boot_at(sim_node_add(world, "origin", &origin), 0);
	for (uint32_t i = 0; i < 16; i++)
		sim_node_boot_at(sim_node_add(world, "node", &traits),
			rng_below(&world->rng, 30 * NS_PER_S));
}

/* At any time one of them is away, for two to six seconds. */
static void watch(struct sim_world *world)
{
	uint64_t *tally = world->tally;

	if (world->now_ns / NS_PER_MS < tally[TALLY_NEXT_MS])
		return;
	if (tally[TALLY_ROUNDS]++ > 0)
		sim_tracker_revive(world, (uint32_t)tally[TALLY_DEAD]);
	tally[TALLY_DEAD] = rng_below(&world->rng, TRACKERS);
	sim_tracker_die(world, (uint32_t)tally[TALLY_DEAD], rng_below(&world->rng, 2) == 0);
	tally[TALLY_NEXT_MS] = world->now_ns / NS_PER_MS + 2000 + rng_below(&world->rng, 4000);
}

static void judge(struct sim_world *world)
{
	/* The interval, and what it takes to turn to another one. */
	sim_judge_trackers(world, (INTERVAL_S + 2) * NS_PER_S);
}

const struct sim_scenario sim_scenario_trackers_of_three = {
	.name = "trackers_of_three",
	.shows = "of three trackers one is always dead or silent: nobody is without one for 2 s",
	.nodes_max = 17,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.watch = watch,
	.judge = judge,
};
