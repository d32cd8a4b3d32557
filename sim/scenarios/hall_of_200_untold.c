/* SPDX-License-Identifier: Apache-2.0 */
/* hall_of_200 with a tracker that nobody tells where it stands. */
#include "sim/scenario.h"

#define RACKS	    5
#define IMAGE_BYTES GIB

static void build(struct sim_world *world)
{
	world->places_untold = true;
	sim_hall_build(world, &(struct sim_hall){.racks_count = RACKS,
				      .image_bytes = IMAGE_BYTES,
				      .together = 1,
				      .disk_bytes_per_s = UINT64_C(500000000)});
}

const struct sim_scenario sim_scenario_hall_of_200_untold = {
	.name = "hall_of_200_untold",
	.shows = "200 nodes in 5 racks, 1 GiB, a tracker that does not know the racks: all "
		 "finish",
	.nodes_max = SIM_HALL_NODES(RACKS),
	.limit_ns = SIM_HALL_LIMIT_NS(IMAGE_BYTES),
	.build = build,
	.large = true,
};
