/* SPDX-License-Identifier: Apache-2.0 */
/* The second site has the image; the first gets it through its relay alone, by a thin link. */
#include <inttypes.h>

#include "sim/scenario.h"

#define NODES_A_SITE 8
#define RELAY	     1 /* its number; 0 is the origin */

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;
	struct sim_node_traits special;

	sim_image_make(world, 32 * MIB, 256 * KIB, 0, 0);
	sim_racked_traits(&traits);
	for (uint32_t site = 1; site <= 2; site++) {
		(void)sim_site_add(world, SIM_RACKED_BYTES_PER_S / 2, SIM_RACKED_BYTES_PER_S / 2,
			5 * NS_PER_MS);
		sim_tracker_add_for(world, 2, site, 0, 0);
	}
	special = traits;
	special.site = 2;
	special.origin = true;
	special.holds_image = true;
	special.disk.holdback = false;
	sim_node_boot_at(sim_node_add(world, "origin", &special), 0);
	special = traits;
	special.site = 1;
	special.relay = true;
	sim_node_boot_at(sim_node_add(world, "relay", &special), 0);
	for (uint32_t i = 0; i < 2 * NODES_A_SITE; i++) {
		traits.site = 1 + i % 2;
		sim_node_boot_at(sim_node_add(world, "node", &traits), 0);
	}
}

/* Trackers 0 and 1 are those of sites 1 and 2. */
static void watch(struct sim_world *world)
{
	for (uint32_t i = 0; i < world->nodes_count; i++) {
		const struct sim_node *node = world->nodes[i];
		uint32_t other = sim_site_of(node) == 1 ? 1 : 0;

		if (i != RELAY && sim_tracker_knows(world, other, node))
			sim_violation(world, "relay", "%s is known to the tracker of site %u",
				node->name, other + 1);
	}
}

static void judge(struct sim_world *world)
{
	uint64_t crossed_bytes = world->sites[0].down.block_bytes;

	if (crossed_bytes * 100 > world->image.distinct_bytes * 105)
		sim_violation(world, "uplinks",
			"%" PRIu64 " %% of the image went to the first site",
			crossed_bytes * 100 / world->image.distinct_bytes);
	sim_judge_ratio(world, 160);
}

const struct sim_scenario sim_scenario_sites_relay = {
	.name = "sites_relay",
	.shows = "a site imports an image through its relay: one copy crosses, nobody else is seen",
	.nodes_max = 2 * NODES_A_SITE + 2,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.watch = watch,
	.judge = judge,
};
