/* SPDX-License-Identifier: Apache-2.0 */
/* 800 machines in 20 racks, far more than one can be connected to: what it is worth that the
 * tracker knows the racks shows beside hall_of_800_untold. */
#include "sim/scenario.h"

#define RACKS	    20
#define IMAGE_BYTES (512 * MIB)

static void build(struct sim_world *world)
{
	sim_hall_build(world, &(struct sim_hall){.racks_count = RACKS,
				      .image_bytes = IMAGE_BYTES,
				      .together = 1,
				      .disk_bytes_per_s = UINT64_C(500000000)});
}

const struct sim_scenario sim_scenario_hall_of_800 = {
	.name = "hall_of_800",
	.shows = "800 nodes in 20 racks, 512 MiB: all finish",
	.nodes_max = SIM_HALL_NODES(RACKS),
	.limit_ns = SIM_HALL_LIMIT_NS(IMAGE_BYTES),
	.build = build,
	.manual = true,
};
