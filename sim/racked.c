/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of scenarios with racks: rooms behind uplinks, and how much those may carry. */
#include <inttypes.h>

#include "sim/scenario.h"

#define FIRST_IMPORTER	10
#define SECOND_IMPORTER 20

void sim_racked_traits(struct sim_node_traits *traits)
{
	sim_node_traits_default(traits);
	traits->up_bytes_per_s = SIM_RACKED_BYTES_PER_S;
	traits->down_bytes_per_s = SIM_RACKED_BYTES_PER_S;
}

void sim_racked_usual(struct sim_world *world, uint64_t uplink_bytes_per_s)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, 256 * KIB, 0, 0);
	sim_racked_traits(&traits);
	sim_racked(world, 4, 8, uplink_bytes_per_s, &traits);
}

void sim_racked(struct sim_world *world, uint32_t racks_count, uint32_t nodes_per_rack,
	uint64_t uplink_bytes_per_s, const struct sim_node_traits *traits)
{
	sim_tracker_add(world, 2);
	for (uint32_t i = 0; i < racks_count; i++)
		(void)sim_rack_add(world, uplink_bytes_per_s, uplink_bytes_per_s, SIM_SITE_NONE);
	sim_racked_add(world, racks_count, nodes_per_rack, traits);
}

void sim_racked_add(struct sim_world *world, uint32_t racks_count, uint32_t nodes_per_rack,
	const struct sim_node_traits *traits)
{
	struct sim_node_traits origin = *traits;

	origin.origin = true;
	origin.holds_image = true;
	origin.rack = 1;
	sim_disk_traits_default(&origin.disk);
	origin.disk.holdback = false;
	sim_node_boot_at(sim_node_add(world, "origin", &origin), 0);
	for (uint32_t i = 0; i < racks_count; i++)
		sim_racked_machines(world, 1 + i, nodes_per_rack, traits);
}

void sim_racked_machines(struct sim_world *world, uint32_t rack, uint32_t count,
	const struct sim_node_traits *traits)
{
	struct sim_node_traits node = *traits;

	node.rack = rack;
	for (uint32_t i = 0; i < count; i++)
		sim_node_boot_at(sim_node_add(world, "node", &node), 0);
}

void sim_racked_importers_expect_nothing(struct sim_world *world)
{
	world->nodes[FIRST_IMPORTER]->traits.expect = SIM_EXPECT_NOTHING;
	world->nodes[SECOND_IMPORTER]->traits.expect = SIM_EXPECT_NOTHING;
}

static void end_at(struct sim_node *node, uint64_t durable_bytes, void (*end)(struct sim_node *))
{
	if (node->state != SIM_OFF && sim_durable_bytes(node) >= durable_bytes)
		end(node);
}

void sim_racked_importers_end(struct sim_world *world, void (*end)(struct sim_node *node))
{
	end_at(world->nodes[FIRST_IMPORTER], world->image.length_bytes / 3, end);
	end_at(world->nodes[SECOND_IMPORTER], world->image.length_bytes / 3 * 2, end);
}

void sim_judge_uplinks(struct sim_world *world, uint64_t percent_max)
{
	struct sim_result result;

	sim_measure(world, &result);
	if (result.racks_in_bytes * 100 > result.distinct_bytes * percent_max)
		sim_violation(world, "uplinks", "%" PRIu64 " %% of the image went into racks",
			result.racks_in_bytes * 100 / result.distinct_bytes);
}
