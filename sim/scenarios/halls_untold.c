/* SPDX-License-Identifier: Apache-2.0 */
/* hall_of_200 and hall_of_800 with a tracker that nobody tells where it stands. */
#include "sim/scenario.h"

#define RACKS		  5
#define IMAGE_BYTES	  GIB
#define RACKS_LARGE	  20
#define IMAGE_BYTES_LARGE (512 * MIB)

static void untold(struct sim_world *world, uint32_t racks_count, uint64_t image_bytes)
{
	world->places_untold = true;
	sim_hall_build(world, &(struct sim_hall){.racks_count = racks_count,
				      .image_bytes = image_bytes,
				      .together = 1,
				      .disk_bytes_per_s = UINT64_C(500000000)});
}

static void build(struct sim_world *world)
{
	untold(world, RACKS, IMAGE_BYTES);
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

static void build_large(struct sim_world *world)
{
	untold(world, RACKS_LARGE, IMAGE_BYTES_LARGE);
}

const struct sim_scenario sim_scenario_hall_of_800_untold = {
	.name = "hall_of_800_untold",
	.shows = "800 nodes in 20 racks, 512 MiB, a tracker that does not know the racks: all "
		 "finish",
	.nodes_max = SIM_HALL_NODES(RACKS_LARGE),
	.limit_ns = SIM_HALL_LIMIT_NS(IMAGE_BYTES_LARGE),
	.build = build_large,
	.manual = true,
};
