/* SPDX-License-Identifier: Apache-2.0 */
/* hall_of_800 with a tracker that nobody tells where it stands. */
#include "sim/scenario.h"

#define RACKS	    20
#define IMAGE_BYTES (512 * MIB)

static void build(struct sim_world *world)
{
	world->places_untold = true;
	sim_hall_build(world, &(struct sim_hall){.racks_count = RACKS,
				      .image_bytes = IMAGE_BYTES,
				      .together = 1,
				      .disk_bytes_per_s = UINT64_C(500000000)});
}

const struct sim_scenario sim_scenario_hall_of_800_untold = {
	.name = "hall_of_800_untold",
	.shows = "800 nodes in 20 racks, 512 MiB, a tracker that does not know the racks: all "
		 "finish",
	.nodes_max = SIM_HALL_NODES(RACKS),
	.limit_ns = SIM_HALL_LIMIT_NS(IMAGE_BYTES),
	.build = build,
	.manual = true,
};
