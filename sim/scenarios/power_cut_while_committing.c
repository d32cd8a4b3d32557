/* SPDX-License-Identifier: Apache-2.0 */
/* The commit itself is torn: the tail, the head, or the moment between them. */
#include "sim/scenario.h"

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 24 * MIB, MIB, 0, 0);
	sim_node_traits_default(&traits);
	traits.old_system = true;
	/* A commit takes a while on this disk. */
	traits.disk.write_bytes_per_s = 4 * MIB;
	sim_room(world, 2, &traits);
}

static void watch(struct sim_world *world)
{
	struct sim_node *victim = world->nodes[1];

	if (world->tally[0] != 0 || victim->state != SIM_COMPLETE)
		return;
	world->tally[0] = 1;
	/* Two commits of a MiB at 4 MiB/s: half a second. */
	sim_node_power_cut_at(victim, world->now_ns + rng_below(&world->rng, NS_PER_S / 2));
	sim_node_boot_at(victim, world->now_ns + 2 * NS_PER_S);
}

static void judge(struct sim_world *world)
{
	if (world->nodes[1]->boots_count != 2)
		sim_violation(world, "scenario", "the power was never cut");
}

const struct sim_scenario sim_scenario_power_cut_while_committing = {
	.name = "power_cut_while_committing",
	.shows = "power goes while head and tail are committed: never a half-written disk that "
		 "boots",
	.nodes_max = 3,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.watch = watch,
	.judge = judge,
};
