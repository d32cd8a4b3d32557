/* SPDX-License-Identifier: Apache-2.0 */
/* The power cut at half with the 4 MiB pieces of a 50 GB image. */
#include "sim/power_cut.h"

static void build(struct sim_world *world)
{
	sim_power_cut_build(world, 4 * MIB, false);
}

const struct sim_scenario sim_scenario_power_cut_large_pieces = {
	.name = "power_cut_large_pieces",
	.shows = "the power cut at half with 4 MiB pieces",
	.nodes_max = 3,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.watch = sim_power_cut_watch,
	.judge = sim_power_cut_judge,
};
