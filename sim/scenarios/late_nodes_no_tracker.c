/* SPDX-License-Identifier: Apache-2.0 */
/* The tracker is dead when half of the nodes boot; each of those hears of one machine of the room.
 */
#include <inttypes.h>

#include "sim/scenario.h"

#define EARLY	    8
#define LATE	    8
#define DIES_NS	    (5 * NS_PER_S)
#define LATE_NS	    (8 * NS_PER_S)
#define LEARNT_MIN  4 /* beside the one */
#define COPIES_MOST 3 /* that the one sends: others are found by what it says */

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	traits.knows = world->nodes[sim_room(world, EARLY, &traits)];
	for (uint32_t i = 0; i < LATE; i++)
		sim_node_boot_at(sim_node_add(world, "late", &traits), LATE_NS);
}

static void watch(struct sim_world *world)
{
	if (world->trackers[0].alive && world->now_ns > DIES_NS)
		sim_tracker_die(world, 0, world->seed % 2 == 0);
}

static void judge(struct sim_world *world)
{
	uint64_t sent_bytes = world->nodes[1]->payload_sent_bytes;

	for (uint32_t i = EARLY + 1; i < world->nodes_count; i++) {
		struct swarm_status status;

		swarm_status(world->nodes[i]->swarm, &status);
		if (status.learnt_count[SWARM_SOURCE_PEX] < LEARNT_MIN)
			sim_violation(world, "pex", "%s learnt of %" PRIu64 " others",
				world->nodes[i]->name, status.learnt_count[SWARM_SOURCE_PEX]);
	}
	if (sent_bytes > COPIES_MOST * world->image.distinct_bytes)
		sim_violation(world, "pex", "the one that all knew sent %" PRIu64 " %% of a copy",
			sent_bytes * 100 / world->image.distinct_bytes);
	sim_judge_ratio(world, 200);
}

const struct sim_scenario sim_scenario_late_nodes_no_tracker = {
	.name = "late_nodes_no_tracker",
	.shows =
		"no tracker when half of the nodes boot, one acquaintance each: peer exchange does",
	.nodes_max = EARLY + LATE + 1,
	.limit_ns = 180 * NS_PER_S,
	.build = build,
	.watch = watch,
	.judge = judge,
};
