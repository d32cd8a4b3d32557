/* SPDX-License-Identifier: Apache-2.0 */
/* Assessment finds every piece. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, MIB, 5, 5);
	sim_node_traits_default(&traits);
	sim_room(world, 2, &traits);
	traits.holds_image = true;
	sim_node_boot_at(sim_node_add(world, "again", &traits), 0);
}

static void judge(struct sim_world *world)
{
	if (world->nodes[3]->payload_received_bytes > 0)
		sim_violation(world, "again", "a whole disk was downloaded again");
}

const struct sim_scenario sim_scenario_disk_holds_the_image = {
	.name = "disk_holds_the_image",
	.shows = "a disk that holds the image already is not downloaded",
	.nodes_max = 4,
	.limit_ns = 60 * NS_PER_S,
	.build = build,
	.judge = judge,
};
