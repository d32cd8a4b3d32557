/* SPDX-License-Identifier: Apache-2.0 */
/* From the third on no flush succeeds: an error, never a complete. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_room(world, 3, &traits);
	struct sim_node *victim = world->nodes[1];

	victim->traits.disk.flush_fail_from = 3;
	victim->traits.disk.flush_fail_count = UINT64_MAX;
	victim->disk.traits = victim->traits.disk;
	victim->traits.expect = SIM_EXPECT_ERROR;
}

const struct sim_scenario sim_scenario_flush_always_fails = {
	.name = "flush_always_fails",
	.shows = "a disk whose flushes keep failing is reported; the others finish",
	.nodes_max = 4,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
};
