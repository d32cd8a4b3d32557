/* SPDX-License-Identifier: Apache-2.0 */
/* Two importers of the second and the third rack are killed, at a third and at two thirds. */
#include "sim/scenario.h"

#define RATE_BYTES_PER_S (25 * 1000 * 1000 / 8)

#define FIRST_VICTIM  10
#define SECOND_VICTIM 20

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 64 * MIB, 256 * KIB, 0, 0);
	sim_node_traits_default(&traits);
	traits.up_bytes_per_s = RATE_BYTES_PER_S;
	traits.down_bytes_per_s = RATE_BYTES_PER_S;
	sim_racked(world, 4, 8, RATE_BYTES_PER_S, &traits);
	world->nodes[FIRST_VICTIM]->traits.expect = SIM_EXPECT_NOTHING;
	world->nodes[SECOND_VICTIM]->traits.expect = SIM_EXPECT_NOTHING;
}

static void kill_at(struct sim_world *world, uint32_t victim, uint64_t durable_bytes)
{
	struct sim_node *node = world->nodes[victim];

	if (node->state != SIM_OFF && sim_durable_bytes(node) >= durable_bytes)
		sim_node_kill(node);
}

static void watch(struct sim_world *world)
{
	kill_at(world, FIRST_VICTIM, world->image.length_bytes / 3);
	kill_at(world, SECOND_VICTIM, world->image.length_bytes / 3 * 2);
}

static void judge(struct sim_world *world)
{
	sim_judge_uplinks(world, 400);
}

const struct sim_scenario sim_scenario_racks_importers_killed = {
	.name = "racks_importers_killed",
	.shows = "two importers killed: the rest finish, no more than 4 copies cross",
	.nodes_max = 33,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.watch = watch,
	.judge = judge,
};
