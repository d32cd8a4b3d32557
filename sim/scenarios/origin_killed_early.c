/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The origin is killed as soon as it has sent a twentieth more than the image: it must not have
 * sent anything twice by then that matters, nor half of a piece here and half of it there.
 */
#include "sim/scenario.h"

#define RATE_BYTES_PER_S 5977000 /* 50 Mbit/s without headers */

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 128 * MIB, MIB, 0, 0);
	sim_shaped(world, &traits, RATE_BYTES_PER_S);
	sim_room(world, 16, &traits);
}

static void watch(struct sim_world *world)
{
	const struct sim_node *origin = world->nodes[0];
	uint64_t enough = world->image.distinct_bytes + world->image.distinct_bytes / 20;

	if (origin->listening && origin->payload_sent_bytes >= enough)
		sim_node_power_cut(world->nodes[0]);
}

const struct sim_scenario sim_scenario_origin_killed_early = {
	.name = "origin_killed_early",
	.shows = "the origin is killed when it has sent 1.05 copies: all finish",
	.nodes_max = 17,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.watch = watch,
};
