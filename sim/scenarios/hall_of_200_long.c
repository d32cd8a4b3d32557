/* SPDX-License-Identifier: Apache-2.0 */
/* With as many pieces as it takes to set hall_of_200_in_twos beside it. */
#include "sim/scenario.h"

#define RACKS	    5
#define IMAGE_BYTES (8 * GIB)

static void build(struct sim_world *world)
{
	sim_hall_build(world, &(struct sim_hall){.racks_count = RACKS,
				      .image_bytes = IMAGE_BYTES,
				      .together = 1,
				      .disk_bytes_per_s = UINT64_C(500000000)});
}

const struct sim_scenario sim_scenario_hall_of_200_long = {
	.name = "hall_of_200_long",
	.shows = "200 nodes in 5 racks, 8 GiB: all finish",
	.nodes_max = SIM_HALL_NODES(RACKS),
	.limit_ns = SIM_HALL_LIMIT_NS(IMAGE_BYTES),
	.build = build,
	.manual = true,
};
