/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many nodes with little memory on links of 1 Mbit/s behind shapers, and pieces of two blocks: a
 * second is eight blocks, whoever is asked for more than that from everybody waits for minutes.
 */
#include "sim/scenario.h"

#define RATE_BYTES_PER_S 119000 /* 1 Mbit/s without headers */

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 8 * MIB, 32 * KIB, 0, 0);
	world->window_bytes = 64 * KIB;
	sim_node_traits_default(&traits);
	traits.up_bytes_per_s = RATE_BYTES_PER_S;
	traits.down_bytes_per_s = RATE_BYTES_PER_S;
	traits.up_queue_bytes = RATE_BYTES_PER_S / 5;
	traits.limits.requests_per_peer_max = 64;
	traits.limits.incoming_requests_max = 128;
	traits.limits.peers_max = 48;
	traits.limits.buffers_count = 110;
	sim_room(world, 100, &traits);
}

static void judge(struct sim_world *world)
{
	sim_judge_ratio(world, 220);
}

const struct sim_scenario sim_scenario_crowd_on_slow_links = {
	.name = "crowd_on_slow_links",
	.shows = "100 nodes on links of 1 Mbit/s: the last finishes within 2.2 of the bound",
	.nodes_max = 101,
	.limit_ns = 300 * NS_PER_S,
	.build = build,
	.judge = judge,
};
