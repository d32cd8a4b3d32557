/* SPDX-License-Identifier: Apache-2.0 */
/* Two sites of two racks each, with a link between them as thin as half of one node's. */
#include <inttypes.h>

#include "sim/scenario.h"

#define NODES_A_RACK 6

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 32 * MIB, 256 * KIB, 0, 0);
	sim_tracker_add(world, 2);
	for (uint32_t i = 0; i < 2; i++)
		(void)sim_site_add(world, SIM_RACKED_BYTES_PER_S / 2, SIM_RACKED_BYTES_PER_S / 2,
			5 * NS_PER_MS);
	for (uint32_t i = 0; i < 4; i++)
		(void)sim_rack_add(
			world, 2 * SIM_RACKED_BYTES_PER_S, 2 * SIM_RACKED_BYTES_PER_S, 1 + i / 2);
	sim_racked_traits(&traits);
	sim_racked_add(world, 4, NODES_A_RACK, &traits);
}

static void judge(struct sim_world *world)
{
	uint64_t crossed_bytes = world->sites[1].down.block_bytes;

	if (crossed_bytes * 100 > world->image.distinct_bytes * 110)
		sim_violation(world, "uplinks",
			"%" PRIu64 " %% of the image went to the second site",
			crossed_bytes * 100 / world->image.distinct_bytes);
	sim_judge_uplinks(world, 350);
	sim_judge_ratio(world, 160);
}

const struct sim_scenario sim_scenario_sites_two = {
	.name = "sites_two",
	.shows = "two sites and a thin link: 1.1 copies go to the second",
	.nodes_max = 25,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.judge = judge,
};
