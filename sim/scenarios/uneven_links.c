/* SPDX-License-Identifier: Apache-2.0 */
/* Rates over a factor of ten, latencies over a factor of a thousand. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	traits.up_bytes_per_s *= 4;
	sim_room(world, 1, &traits);
	for (uint32_t i = 0; i < 11; i++) {
		traits.up_bytes_per_s = (1 + rng_below(&world->rng, 20)) * 1000 * 1000;
		traits.down_bytes_per_s = (1 + rng_below(&world->rng, 20)) * 1000 * 1000;
		traits.latency_ns = 50 * NS_PER_US << rng_below(&world->rng, 10);
		sim_node_boot_at(sim_node_add(world, "uneven", &traits),
			rng_below(&world->rng, 10 * NS_PER_S));
	}
}

const struct sim_scenario sim_scenario_uneven_links = {
	.name = "uneven_links",
	.shows = "fast and slow links, near and far: all finish, the slow ones at their own pace",
	.nodes_max = 13,
	.limit_ns = 300 * NS_PER_S,
	.build = build,
};
