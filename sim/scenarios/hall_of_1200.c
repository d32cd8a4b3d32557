/* SPDX-License-Identifier: Apache-2.0 */
/* Almost 1,200 servers, 40 to a rack, on gigabit links behind 10 Gbit/s uplinks; 4 GB. */
#include "sim/scenario.h"

#define RACKS	    30
#define IMAGE_BYTES UINT64_C(4000000000)

static void build(struct sim_world *world)
{
	sim_hall_build(world, &(struct sim_hall){.racks_count = RACKS,
				      .image_bytes = IMAGE_BYTES,
				      .together = 1,
				      .disk_bytes_per_s = UINT64_C(500000000)});
}

const struct sim_scenario sim_scenario_hall_of_1200 = {
	.name = "hall_of_1200",
	.shows = "1,200 nodes in 30 racks, 1 Gbit/s, uplinks of 10 Gbit/s, 4 GB: all finish",
	.nodes_max = SIM_HALL_NODES(RACKS),
	.limit_ns = SIM_HALL_LIMIT_NS(IMAGE_BYTES),
	.build = build,
	.manual = true,
};
