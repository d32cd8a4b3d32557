/* SPDX-License-Identifier: Apache-2.0 */
/* A sixth of hall_of_1200 in racks and a quarter in bytes: what a change of the engine or of the
 * model does to halls shows here within seconds. */
#include "sim/scenario.h"

#define RACKS	    5
#define IMAGE_BYTES GIB

static void build(struct sim_world *world)
{
	sim_hall_build(world, &(struct sim_hall){.racks_count = RACKS,
				      .image_bytes = IMAGE_BYTES,
				      .together = 1,
				      .disk_bytes_per_s = UINT64_C(500000000)});
}

static void judge(struct sim_world *world)
{
	sim_judge_ratio(world, 150);
}

const struct sim_scenario sim_scenario_hall_of_200 = {
	.name = "hall_of_200",
	.shows = "200 nodes in 5 racks, 1 Gbit/s, uplinks of 10 Gbit/s, 1 GiB: all finish in 1.5 "
		 "of the bound",
	.nodes_max = SIM_HALL_NODES(RACKS),
	.limit_ns = SIM_HALL_LIMIT_NS(IMAGE_BYTES),
	.build = build,
	.judge = judge,
	.large = true,
};
