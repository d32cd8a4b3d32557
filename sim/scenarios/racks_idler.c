/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The origin has a rack-mate that is interested and asks for nothing, and one whose disk takes no
 * write: nobody there passes pieces on, so the other racks are to be given them by the origin.
 */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;
	struct sim_node_traits broken;

	sim_image_make(world, 64 * MIB, 256 * KIB, 0, 0);
	sim_racked_traits(&traits);
	sim_racked(world, 4, 0, SIM_RACKED_BYTES_PER_S, &traits);
	for (uint32_t rack = 2; rack <= 4; rack++)
		sim_racked_machines(world, rack, 8, &traits);
	traits.rack = 1;
	sim_bad_peer_add(world, SIM_PEER_IDLER, &traits, 1);
	broken = traits;
	broken.disk.write_fail_from = 1;
	broken.disk.write_fail_count = UINT64_MAX;
	broken.expect = SIM_EXPECT_ERROR;
	sim_racked_machines(world, 1, 1, &broken);
}

static void judge(struct sim_world *world)
{
	sim_judge_uplinks(world, 400);
	sim_judge_ratio(world, 200);
}

const struct sim_scenario sim_scenario_racks_idler = {
	.name = "racks_idler",
	.shows = "an idler and a broken disk beside the origin: the other racks are served",
	.nodes_max = 27,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.judge = judge,
};
