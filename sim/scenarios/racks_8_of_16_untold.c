/* SPDX-License-Identifier: Apache-2.0 */
/* racks_8_of_16 with a tracker that nobody tells where it stands: what such a tracker costs. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	world->places_untold = true;
	sim_image_make(world, 64 * MIB, 256 * KIB, 0, 0);
	sim_racked_traits(&traits);
	sim_racked(world, 8, 16, 2 * SIM_RACKED_BYTES_PER_S, &traits);
}

const struct sim_scenario sim_scenario_racks_8_of_16_untold = {
	.name = "racks_8_of_16_untold",
	.shows = "8 racks of 16 and a tracker that does not know them: all finish",
	.nodes_max = 129,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.large = true,
};
