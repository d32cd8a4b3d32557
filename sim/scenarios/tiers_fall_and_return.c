/* SPDX-License-Identifier: Apache-2.0 */
/* Two sites with two trackers each. Those of the first die, and come back later. */
#include "sim/scenario.h"

#define NODES_A_SITE 8
#define INTERVAL_S   2
#define DIE_NS	     (5 * NS_PER_S)
#define FALLEN_NS    (DIE_NS + (INTERVAL_S + 3) * NS_PER_S)
#define BACK_NS	     (20 * NS_PER_S)
#define RETURNED_NS  (BACK_NS + 26 * NS_PER_S) /* twice the time between probes, and a stop */
#define LATE_NS	     (50 * NS_PER_S)	       /* keeps the world going */

static void add_site(struct sim_world *world, uint32_t site, const struct sim_node_traits *traits)
{
	struct sim_node_traits node = *traits;
	struct sim_node_traits origin = *traits;

	node.site = origin.site = site;
	origin.origin = true;
	origin.holds_image = true;
	origin.disk.holdback = false;
	sim_node_boot_at(sim_node_add(world, "origin", &origin), 0);
	/* Some come while the trackers are away. */
	for (uint32_t i = 0; i < NODES_A_SITE; i++)
		sim_node_boot_at(sim_node_add(world, "node", &node),
			i % 2 == 0 ? 0 : rng_below(&world->rng, BACK_NS));
}

static void build(struct sim_world *world)
{
	struct sim_node_traits traits;

	sim_image_make(world, 48 * MIB, MIB, 0, 0);
	for (uint32_t site = 1; site <= 2; site++) {
		(void)sim_site_add(world, 0, 0, 5 * NS_PER_MS);
		sim_tracker_add_for(world, INTERVAL_S, site, 0, site);
		sim_tracker_add_for(world, INTERVAL_S, site, 0, site);
	}
	sim_node_traits_default(&traits);
	add_site(world, 1, &traits);
	add_site(world, 2, &traits);
	traits.site = 1;
	sim_node_boot_at(sim_node_add(world, "late", &traits), LATE_NS);
}

/* Whether every node of the site that runs is with the trackers of `with`, and with no others. */
static void expect(struct sim_world *world, uint32_t site, uint32_t with, const char *when)
{
	for (uint32_t i = 0; i < world->nodes_count; i++) {
		const struct sim_node *node = world->nodes[i];

		if (!node->listening || sim_site_of(node) != site ||
			world->now_ns < node->started_ns + 3 * NS_PER_S)
			continue;
		for (uint32_t of = 1; of <= 2; of++)
			if (sim_tracker_knows(world, 2 * (of - 1), node) != (of == with))
				sim_violation(world, "tiers",
					"%s %s with the trackers of site %u %s", node->name,
					of == with ? "is not" : "is", of, when);
	}
}

static void watch(struct sim_world *world)
{
	bool silent = world->seed % 2 == 0;

	if (world->now_ns > 3 * NS_PER_S)
		expect(world, 2, 2, "all the time");
	if (world->now_ns > 3 * NS_PER_S && world->now_ns < DIE_NS)
		expect(world, 1, 1, "at first");
	if (world->tally[0] == 0 && world->now_ns >= DIE_NS) {
		world->tally[0] = 1;
		sim_tracker_die(world, 0, silent);
		sim_tracker_die(world, 1, silent);
	}
	if (world->now_ns > FALLEN_NS && world->now_ns < BACK_NS)
		expect(world, 1, 2, "while its own are dead");
	if (world->tally[0] == 1 && world->now_ns >= BACK_NS) {
		world->tally[0] = 2;
		sim_tracker_revive(world, 0);
		sim_tracker_revive(world, 1);
	}
	if (world->now_ns > RETURNED_NS)
		expect(world, 1, 1, "when they are back");
}

static void judge(struct sim_world *world)
{
	/* The interval, and two seconds until another site's tracker is asked. */
	sim_judge_trackers(world, (INTERVAL_S + 3) * NS_PER_S);
	if (world->tally[0] < 2 || world->now_ns < RETURNED_NS)
		sim_violation(world, "tiers", "the world ended before they were back");
}

const struct sim_scenario sim_scenario_tiers_fall_and_return = {
	.name = "tiers_fall_and_return",
	.shows = "a site's trackers die: its nodes use the other site's within 3 s, and return",
	.nodes_max = 2 * (NODES_A_SITE + 1) + 1,
	.limit_ns = 120 * NS_PER_S,
	.build = build,
	.watch = watch,
	.judge = judge,
};
