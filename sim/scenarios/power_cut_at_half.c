/* SPDX-License-Identifier: Apache-2.0 */
/* Power goes at half; unflushed writes are lost in part, torn at sector size. */
#include "sim/power_cut.h"

static void build(struct sim_world *world)
{
	sim_power_cut_build(world, MIB, false);
}

const struct sim_scenario sim_scenario_power_cut_at_half = {
	.name = "power_cut_at_half",
	.shows = "after a power cut at half, head, tail and at most 32 MiB come again",
	.nodes_max = 3,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.watch = sim_power_cut_watch,
	.judge = sim_power_cut_judge,
};
