/* SPDX-License-Identifier: Apache-2.0 */
/* Faults of the seed's choice on every disk. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, MIB, 8, 12);
	sim_node_traits_default(&traits);
	traits.disk.write_fail_one_in = 60;
	traits.disk.flush_fail_one_in = 12;
	traits.expect = SIM_EXPECT_FINISH_OR_ERROR;
	sim_room(world, 6, &traits);
}

const struct sim_scenario sim_scenario_disks_fail_sometimes = {
	.name = "disks_fail_sometimes",
	.shows = "writes and flushes fail at random: complete or an error, never a false complete",
	.nodes_max = 7,
	.limit_ns = 300 * NS_PER_S,
	.build = build,
};
