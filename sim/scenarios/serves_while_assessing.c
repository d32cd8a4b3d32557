/* SPDX-License-Identifier: Apache-2.0 */
/* No origin: a machine whose disk holds all but a piece or two takes a while to read it, and a
 * blank one takes from it what it has found so far. */
#include "sim/scenario.h"

#define PATIENCE_NS (2 * NS_PER_S)

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 48 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	sim_tracker_add(world, 2);
	traits.holds_image = true;
	traits.disk.read_bytes_per_s = 6 * MIB;
	sim_node_boot_at(sim_node_add(world, "old", &traits), 0);
	sim_node_traits_default(&traits);
	sim_node_boot_at(sim_node_add(world, "blank", &traits), 0);
}

static void watch(struct sim_world *world)
{
	if (world->now_ns < PATIENCE_NS || world->tally[0] != 0)
		return;
	world->tally[0] = 1;
	if (world->nodes[1]->payload_received_bytes == 0)
		sim_violation(world, "serving", "nothing was served %llu s after the start",
			(unsigned long long)(PATIENCE_NS / NS_PER_S));
}

/* Its disk reads for both: what is served and what is assessed. */
static void judge(struct sim_world *world)
{
	uint64_t reading_ns = world->image.length_bytes * NS_PER_S /
			      world->nodes[0]->traits.disk.read_bytes_per_s;

	if (world->nodes[1]->finished_ns > 2 * reading_ns + NS_PER_S)
		sim_violation(world, "ratio", "the blank one finished after %llu ms",
			(unsigned long long)(world->nodes[1]->finished_ns / NS_PER_MS));
}

const struct sim_scenario sim_scenario_serves_while_assessing = {
	.name = "serves_while_assessing",
	.shows = "what a disk holds is served while the rest of it is still being assessed",
	.nodes_max = 2,
	.limit_ns = 60 * NS_PER_S,
	.build = build,
	.watch = watch,
	.judge = judge,
};
