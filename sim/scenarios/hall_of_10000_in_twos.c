/* SPDX-License-Identifier: Apache-2.0 */
/* hall_of_10000 with two pieces as one. */
#include "sim/scenario.h"

#define RACKS	    250
#define IMAGE_BYTES (12800 * 4 * MIB)

static void build(struct sim_world *world)
{
	sim_hall_build(world, &(struct sim_hall){.racks_count = RACKS,
				      .image_bytes = IMAGE_BYTES,
				      .together = 2,
				      .disk_bytes_per_s = UINT64_C(500000000),
				      .slow_disk_bytes_per_s = UINT64_C(150000000),
				      .slow_one_in = 4,
				      .fails_one_in = 100,
				      .peers_max = 32});
}

const struct sim_scenario sim_scenario_hall_of_10000_in_twos = {
	.name = "hall_of_10000_in_twos",
	.shows = "10,000 nodes, 50 GB, two pieces as one: all finish",
	.nodes_max = SIM_HALL_NODES(RACKS),
	.limit_ns = SIM_HALL_LIMIT_NS(IMAGE_BYTES),
	.build = build,
	.manual = true,
};
