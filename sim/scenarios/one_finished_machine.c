/* SPDX-License-Identifier: Apache-2.0 */
/* The server is gone and one machine of an earlier wave still holds the image: it is a peer like
 * any other, not the origin, and sixteen more machines want all of it. */
#include "sim/scenario.h"

#define RATE_BYTES_PER_S 4782000 /* 40 Mbit/s without headers */
#define NODES		 16

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, MIB, 0, 0);
	sim_shaped(world, &traits, RATE_BYTES_PER_S);
	sim_tracker_add(world, 2);

	struct sim_node_traits finished = traits;

	finished.holds_image = true;
	sim_node_boot_at(sim_node_add(world, "finished", &finished), 0);
	for (uint32_t i = 0; i < NODES; i++)
		sim_node_boot_at(sim_node_add(world, "node", &traits), 2 * NS_PER_S);
}

static void judge(struct sim_world *world)
{
	sim_judge_ratio(world, 165);
}

const struct sim_scenario sim_scenario_one_finished_machine = {
	.name = "one_finished_machine",
	.shows = "16 nodes, no origin, one peer that has all: the last finishes within 1.65 of the "
		 "bound",
	.nodes_max = NODES + 1,
	.limit_ns = 200 * NS_PER_S,
	.build = build,
	.judge = judge,
};
