/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disks that write a third of what gigabit links bring, one of them a thirtieth, and an image of
 * which half is zeros (which these disks write like everything else): what the slow one was given
 * to pass on keeps the others waiting a little, and no more than that.
 */
#include <inttypes.h>

#include "sim/scenario.h"

#define NODES		    8
#define GIGABIT_BYTES_PER_S 119000000
#define DISK_BYTES_PER_S    40000000

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, GIB, MIB, 2, 0);
	world->chunk_bytes = 64 * KIB;
	world->window_bytes = MIB;
	sim_node_traits_default(&traits);
	traits.up_bytes_per_s = traits.down_bytes_per_s = GIGABIT_BYTES_PER_S;
	traits.limits.buffers_count = 48;
	traits.disk.write_bytes_per_s = DISK_BYTES_PER_S;
	sim_room(world, NODES, &traits);
	world->nodes[NODES]->disk.traits.write_bytes_per_s = DISK_BYTES_PER_S / 10;
}

static void judge(struct sim_world *world)
{
	uint64_t written_ns = world->image.length_bytes * NS_PER_S / DISK_BYTES_PER_S;

	for (uint32_t i = 1; i < NODES; i++)
		if (world->nodes[i]->finished_ns > written_ns + written_ns / 2)
			sim_violation(world, "pace", "%s: %" PRIu64 " ms, its disk needs %" PRIu64,
				world->nodes[i]->name, world->nodes[i]->finished_ns / NS_PER_MS,
				written_ns / NS_PER_MS);
}

const struct sim_scenario sim_scenario_disks_slower_than_links = {
	.name = "disks_slower_than_links",
	.shows = "disks slower than links, one ten times slower than the others: the others finish "
		 "within 1.5 of what their own take",
	.nodes_max = NODES + 1,
	.limit_ns = 300 * NS_PER_S,
	.build = build,
	.judge = judge,
};
