/* SPDX-License-Identifier: Apache-2.0 */
/* hall_of_200_long with two pieces as one: what the coarser model makes of the same hall. */
#include "sim/scenario.h"

#define RACKS	    5
#define IMAGE_BYTES (8 * GIB)

static void build(struct sim_world *world)
{
	sim_hall_build(world, &(struct sim_hall){.racks_count = RACKS,
				      .image_bytes = IMAGE_BYTES,
				      .together = 2,
				      .disk_bytes_per_s = UINT64_C(500000000)});
}

const struct sim_scenario sim_scenario_hall_of_200_in_twos = {
	.name = "hall_of_200_in_twos",
	.shows = "200 nodes in 5 racks, 8 GiB, two pieces as one: all finish",
	.nodes_max = SIM_HALL_NODES(RACKS),
	.limit_ns = SIM_HALL_LIMIT_NS(IMAGE_BYTES),
	.build = build,
	.manual = true,
};
