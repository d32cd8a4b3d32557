/* SPDX-License-Identifier: Apache-2.0 */
/* 400 machines whose engines know nothing of racks, as foreign clients, and a tracker that knows as
 * little: what it is worth to them that it knows shows beside hall_of_400_unaware_told. */
#include "sim/scenario.h"

#define RACKS	    10
#define IMAGE_BYTES (256 * MIB)

static void build(struct sim_world *world)
{
	world->places_untold = true;
	sim_hall_build(world, &(struct sim_hall){.racks_count = RACKS,
				      .image_bytes = IMAGE_BYTES,
				      .together = 1,
				      .disk_bytes_per_s = UINT64_C(500000000),
				      .unaware = true});
}

const struct sim_scenario sim_scenario_hall_of_400_unaware = {
	.name = "hall_of_400_unaware",
	.shows = "400 nodes in 10 racks, 256 MiB, racks that nobody knows: all finish",
	.nodes_max = SIM_HALL_NODES(RACKS),
	.limit_ns = SIM_HALL_LIMIT_NS(IMAGE_BYTES),
	.build = build,
	.large = true,
};
