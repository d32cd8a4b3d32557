/* SPDX-License-Identifier: Apache-2.0 */
/* Every third piece equals an earlier one, and of those only the earlier one is still on the disk.
 */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 96 * MIB, MIB, 8, 3);
	const struct sim_image *image = &world->image;

	sim_node_traits_default(&traits);
	sim_room(world, 1, &traits);
	traits.holds_image = true;
	/* The second one has something to fetch as well. */
	for (uint32_t i = 0; i < 2; i++) {
		struct sim_node *node = sim_node_add(world, "stale", &traits);

		for (uint32_t piece = 0; piece < image->pieces_count; piece++) {
			uint32_t first = piece * image->granules_per_piece;
			bool zero = bitset_has(&image->zero_pieces, piece);
			bool unique = image->marks[first] == first + 1;

			bool fetched = i == 1 && unique && world->tally[1] == 0;

			if (zero || (unique && !fetched))
				continue;
			sim_disk_spoil(&node->disk, first);
			world->tally[1] += fetched ? image->granule_bytes : 0;
		}
		sim_node_boot_at(node, 0);
	}
}

static void judge(struct sim_world *world)
{
	for (uint32_t i = 0; i < 2; i++)
		if (world->nodes[2 + i]->payload_received_bytes > world->tally[i])
			sim_violation(world, "again", "%s received %llu bytes, not %llu",
				world->nodes[2 + i]->name,
				(unsigned long long)world->nodes[2 + i]->payload_received_bytes,
				(unsigned long long)world->tally[i]);
}

const struct sim_scenario sim_scenario_twins_on_the_disk = {
	.name = "twins_on_the_disk",
	.shows = "a piece is copied from its equal on the disk, not fetched",
	.nodes_max = 4,
	.limit_ns = 60 * NS_PER_S,
	.build = build,
	.judge = judge,
};
