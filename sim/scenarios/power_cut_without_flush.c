/* SPDX-License-Identifier: Apache-2.0 */
/* The disk answers flushes and does nothing. With the checkers of durability silenced, the count of
 * what comes again must catch it. */
#include "sim/power_cut.h"

static void build(struct sim_world *world)
{
	sim_power_cut_build(world, MIB, true);
	world->muted = "durable complete finished";
}

const struct sim_scenario sim_scenario_power_cut_without_flush = {
	.name = "power_cut_without_flush",
	.shows = "the same with flushes that do nothing comes again too much, and is caught",
	.nodes_max = 3,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.watch = sim_power_cut_watch,
	.judge = sim_power_cut_judge,
	.must_violate = "again",
};
