/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of scenarios with racks: rooms behind uplinks, and how much those may carry. */
#include <inttypes.h>

#include "sim/scenario.h"

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
	for (uint32_t i = 0; i < racks_count * nodes_per_rack; i++) {
		struct sim_node_traits node = *traits;

		node.rack = 1 + i / nodes_per_rack;
		sim_node_boot_at(sim_node_add(world, "node", &node), 0);
	}
}

void sim_judge_uplinks(struct sim_world *world, uint64_t percent_max)
{
	struct sim_result result;

	sim_measure(world, &result);
	if (result.racks_in_bytes * 100 > result.distinct_bytes * percent_max)
		sim_violation(world, "uplinks", "%" PRIu64 " %% of the image went into racks",
			result.racks_in_bytes * 100 / result.distinct_bytes);
}
