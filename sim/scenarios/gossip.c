/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three who tell everybody, all the time, of machines that are nowhere. The tracker is dead when
 * half of the nodes boot: what true peers say must not drown.
 */
#include <inttypes.h>

#include "sim/scenario.h"

#define EARLY	8
#define LATE	4
#define GOSSIPS 3
#define DIES_NS (5 * NS_PER_S)
#define LATE_NS (8 * NS_PER_S)
/* Everybody there is, and 50 nowhere by each gossip; what failed may have made way for others. */
#define KNOWN_MOST (EARLY + LATE + GOSSIPS + 1 + GOSSIPS * 50)

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	traits.knows = world->nodes[sim_room(world, EARLY, &traits)];
	for (uint32_t i = 0; i < LATE; i++)
		sim_node_boot_at(sim_node_add(world, "late", &traits), LATE_NS);
	traits.knows = NULL;
	for (uint32_t i = 0; i < GOSSIPS; i++)
		sim_bad_peer_add(world, SIM_PEER_GOSSIP, &traits, 1);
}

static void watch(struct sim_world *world)
{
	if (world->trackers[0].alive && world->now_ns > DIES_NS)
		sim_tracker_die(world, 0, false);
}

static void judge(struct sim_world *world)
{
	for (uint32_t i = 1; i <= EARLY + LATE; i++) {
		const struct sim_node *node = world->nodes[i];
		struct swarm_status status;

		swarm_status(node->swarm, &status);
		if (status.known_addresses_count > KNOWN_MOST)
			sim_violation(world, "book", "%s knows %u addresses", node->name,
				status.known_addresses_count);
	}
	sim_judge_ratio(world, 250);
}

const struct sim_scenario sim_scenario_gossip = {
	.name = "gossip",
	.shows = "peers that tell of peers that are nowhere: nobody is held up by it",
	.nodes_max = EARLY + LATE + GOSSIPS + 1,
	.limit_ns = 180 * NS_PER_S,
	.build = build,
	.watch = watch,
	.judge = judge,
};
