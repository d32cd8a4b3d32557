/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a scenario, measures it, and the parts that scenarios share. */
#include "sim/scenario.h"

#include <inttypes.h>

#include "sim/invariants.h"

#define COARSE_INCOMING	    32
#define COARSE_BUFFERS	    48
#define SHAPED_WINDOW_BYTES (4 * MIB)
#define PATIENCE_NS	    (10 * NS_PER_MS)

#define X(scenario_name) extern const struct sim_scenario sim_scenario_##scenario_name;
#include "sim/scenarios.def"
#undef X

const struct sim_scenario *const sim_scenarios[] = {
#define X(scenario_name) &sim_scenario_##scenario_name,
#include "sim/scenarios.def"
#undef X
};
const uint32_t sim_scenarios_count = ARRAY_COUNT(sim_scenarios);

const struct sim_scenario *sim_scenario_find(const char *name)
{
	for (uint32_t i = 0; i < sim_scenarios_count; i++)
		if (strcmp(sim_scenarios[i]->name, name) == 0)
			return sim_scenarios[i];
	return NULL;
}

static bool all_settled(struct sim_world *world)
{
	if (!world->settled_changed)
		return false;
	world->settled_changed = false;
	for (uint32_t i = 0; i < world->nodes_count; i++) {
		const struct sim_node *node = world->nodes[i];

		if (sim_receives(node) && node->traits.expect != SIM_EXPECT_NOTHING &&
			node->state != SIM_FINISHED && node->state != SIM_FAILED)
			return false;
	}
	return true;
}

static void watch_round(struct sim_world *world, void *context, uint64_t unused)
{
	(void)context;
	(void)unused;
	world->watch(world);
	sim_schedule(world, world->now_ns + SIM_WATCH_NS, watch_round, NULL, 0);
}

void sim_scenario_run(const struct sim_scenario *scenario, uint64_t seed, FILE *trace,
	FILE *timeline, struct sim_result *result)
{
	struct sim_world *world = sim_world_create(seed, scenario->nodes_max);

	world->trace = trace;
	world->watch = scenario->watch;
	scenario->build(world);
	if (scenario->watch != NULL)
		sim_schedule(world, 0, watch_round, NULL, 0);
	world->timeline = timeline;
	if (timeline != NULL)
		sim_timeline_start(world);
	sim_run(world, scenario->limit_ns, all_settled);
	if (world->violations_count == 0)
		sim_check_outcomes(world);
	if (world->violations_count == 0 && scenario->judge != NULL)
		scenario->judge(world);
	sim_measure(world, result);
	result->good = scenario->must_violate == NULL
			       ? world->violations_count == 0
			       : strcmp(world->violation.checker, scenario->must_violate) == 0;
	sim_world_destroy(world);
}

uint32_t sim_room(
	struct sim_world *world, uint32_t nodes_count, const struct sim_node_traits *traits)
{
	struct sim_node_traits origin = *traits;

	sim_tracker_add(world, 2);
	origin.origin = true;
	origin.holds_image = true;
	sim_disk_traits_default(&origin.disk);
	origin.disk.holdback = false;
	sim_node_boot_at(sim_node_add(world, "origin", &origin), 0);
	for (uint32_t i = 0; i < nodes_count; i++)
		sim_node_boot_at(sim_node_add(world, "node", traits), 0);
	return 1;
}

void sim_shaped(struct sim_world *world, struct sim_node_traits *traits, uint64_t link_bytes_per_s)
{
	sim_tcp_traits_default(&world->tcp);
	world->window_bytes = SHAPED_WINDOW_BYTES;
	sim_node_traits_default(traits);
	traits->up_bytes_per_s = link_bytes_per_s;
	traits->down_bytes_per_s = link_bytes_per_s;
}

void sim_count_in_pieces(
	struct sim_world *world, struct sim_node_traits *traits, uint32_t piece_bytes)
{
	struct swarm_limits *limits = &traits->limits;

	world->granule_bytes = piece_bytes;
	world->chunk_bytes = (uint32_t)MIB;
	world->window_bytes = piece_bytes;
	world->express = true;
	world->patience_ns = PATIENCE_NS;
	limits->block_bytes = piece_bytes;
	/* A peer is asked for the next when the one before is here: what several small requests
	 * would keep under way, in whole pieces, is several times too much. */
	limits->requests_per_peer_max = 1;
	limits->incoming_requests_max = COARSE_INCOMING;
	limits->buffers_count = COARSE_BUFFERS;
}

uint64_t sim_durable_bytes(const struct sim_node *node)
{
	struct swarm_status status;

	if (node->swarm == NULL)
		return 0;
	swarm_status(node->swarm, &status);
	return status.durable_bytes;
}

bool sim_one_copy_outside_origin(const struct sim_world *world)
{
	for (uint32_t piece = 0; piece < world->image.pieces_count; piece++) {
		bool held = bitset_has(&world->image.zero_pieces, piece);

		for (uint32_t i = 0; i < world->nodes_count && !held; i++)
			held = sim_receives(world->nodes[i]) && world->nodes[i]->listening &&
			       bitset_has(&world->nodes[i]->written, piece);
		if (!held)
			return false;
	}
	return true;
}

void sim_judge_ratio(struct sim_world *world, uint64_t percent_max)
{
	struct sim_result result;

	sim_measure(world, &result);
	if (result.last_finish_ns * 100 > result.bound_ns * percent_max)
		sim_violation(world, "ratio", "last finish %" PRIu64 " ms, bound %" PRIu64 " ms",
			result.last_finish_ns / NS_PER_MS, result.bound_ns / NS_PER_MS);
}

void sim_judge_copies(struct sim_world *world, uint64_t percent_max)
{
	struct sim_result result;

	sim_measure(world, &result);
	if (result.origin_sent_bytes * 100 > result.distinct_bytes * percent_max)
		sim_violation(world, "copies", "the origin sent %" PRIu64 " %% of the image",
			result.origin_sent_bytes * 100 / result.distinct_bytes);
}

void sim_judge_bans(struct sim_world *world, uint32_t liars_count)
{
	struct sim_result result;

	sim_measure(world, &result);
	if (2 * result.bans_count < liars_count * result.nodes_count)
		sim_violation(world, "bans", "%" PRIu32 " bans by %" PRIu32 " nodes",
			result.bans_count, result.nodes_count);
}
