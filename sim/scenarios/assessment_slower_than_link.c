/* SPDX-License-Identifier: Apache-2.0 */
/* Disks that read as slowly as the link brings: one blank, one that holds three pieces of four. */
#include "sim/scenario.h"

#define DISK_BYTES_PER_S (8 * MIB)
#define STALE_BOOTS_NS	 (60 * NS_PER_S) /* when the blank one has long finished */

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 96 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	traits.up_bytes_per_s = traits.down_bytes_per_s = 2 * DISK_BYTES_PER_S;
	traits.limits.assess_bytes_min = 8 * MIB;
	sim_room(world, 0, &traits);
	traits.reassess = true;
	traits.disk.read_bytes_per_s = traits.disk.write_bytes_per_s = DISK_BYTES_PER_S;
	sim_node_boot_at(sim_node_add(world, "blank", &traits), 0);
	traits.holds_image = true;
	struct sim_node *stale = sim_node_add(world, "stale", &traits);

	for (uint32_t piece = 0; piece < world->image.pieces_count; piece += 4)
		sim_disk_spoil(&stale->disk, piece * world->image.granules_per_piece);
	sim_node_boot_at(stale, STALE_BOOTS_NS);
}

static void judge(struct sim_world *world)
{
	uint64_t pass_ns = world->image.length_bytes * NS_PER_S / DISK_BYTES_PER_S;
	uint64_t changed_bytes = world->image.length_bytes / 4;

	if (world->nodes[1]->finished_ns * 10 > pass_ns * 13)
		sim_violation(world, "ratio", "the blank disk was written in %llu ms, not %llu",
			(unsigned long long)(world->nodes[1]->finished_ns / NS_PER_MS),
			(unsigned long long)(pass_ns / NS_PER_MS));
	if (world->nodes[2]->payload_received_bytes > changed_bytes + MIB)
		sim_violation(world, "again", "%llu bytes were fetched where %llu had changed",
			(unsigned long long)world->nodes[2]->payload_received_bytes,
			(unsigned long long)changed_bytes);
}

const struct sim_scenario sim_scenario_assessment_slower_than_link = {
	.name = "assessment_slower_than_link",
	.shows = "a blank slow disk is not read before it is written; what a disk holds is not "
		 "fetched",
	.nodes_max = 3,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.judge = judge,
};
