/* SPDX-License-Identifier: Apache-2.0 */
/* What a run came to, and what it could have come to at best. */
#include <stdlib.h>

#include "sim/scenario.h"

bool sim_receives(const struct sim_node *node)
{
	return node->actor == &sim_engine_actor && !node->traits.origin;
}

static void measure_node(const struct sim_node *node, struct sim_result *result)
{
	struct swarm_status status = {0};

	if (node->swarm != NULL)
		swarm_status(node->swarm, &status);
	if (node->effects_most_count > result->effects_most_count)
		result->effects_most_count = node->effects_most_count;
	result->bans_count += node->bans_count;
	if (node->traits.origin)
		result->origin_sent_bytes += node->payload_sent_bytes;
	if (!sim_receives(node))
		return;
	result->nodes_count++;
	result->received_bytes += node->payload_received_bytes;
	result->wasted_bytes += node->wasted_bytes + status.wasted_bytes;
	result->failed_count += node->state == SIM_FAILED;
	if (node->state != SIM_FINISHED)
		return;
	result->finished_count++;
	if (result->finished_count == 1 || node->finished_ns < result->first_finish_ns)
		result->first_finish_ns = node->finished_ns;
	result->last_finish_ns = u64_max(result->last_finish_ns, node->finished_ns);
}

static uint64_t zero_bytes(const struct sim_image *image)
{
	uint64_t bytes = 0;

	BITSET_FOREACH (piece, &image->zero_pieces)
		bytes += sim_piece_bytes(image, piece);
	return bytes;
}

/* Only who finished counts: what others would have taken nobody knows. */
static struct bound_node describe(const struct sim_node *node)
{
	const struct sim_world *world = node->world;
	const struct sim_node_traits *traits = &node->traits;
	uint32_t site =
		traits->rack != SIM_RACK_NONE ? world->racks[traits->rack - 1].site : traits->site;
	bool source = traits->holds_image;

	return (struct bound_node){
		.up_bytes_per_s = traits->up_bytes_per_s,
		.down_bytes_per_s = traits->down_bytes_per_s,
		.disk_bytes_per_s =
			source ? traits->disk.read_bytes_per_s : traits->disk.write_bytes_per_s,
		.zeroes_bytes_per_s = traits->disk.write_bytes_per_s,
		.digest_bytes_per_s = traits->hash_bytes_per_s,
		.start_ns = node->started_ns,
		.rack = traits->rack != SIM_RACK_NONE ? traits->rack - 1 : BOUND_NOWHERE,
		.site = site != SIM_SITE_NONE ? site - 1 : BOUND_NOWHERE,
		.bytes = !source && node->state == SIM_FINISHED ? node->needed_bytes : 0,
		.source = source,
	};
}

static void measure_bound(struct sim_world *world, struct sim_result *result)
{
	struct bound_node *nodes = sim_allocate(world->nodes_count, sizeof(*nodes));
	struct bound_cut *racks = sim_allocate(world->racks_count, sizeof(*racks));
	struct bound_cut *sites = sim_allocate(world->sites_count, sizeof(*sites));
	uint64_t zeros = zero_bytes(&world->image);
	struct bound_case given = {
		.fetch_bytes = world->image.distinct_bytes,
		.write_bytes = world->image.length_bytes - zeros,
		.zero_bytes = zeros,
		.piece_bytes = world->image.piece_bytes,
		.nodes = nodes,
		.nodes_count = world->nodes_count,
		.racks = racks,
		.racks_count = world->racks_count,
		.sites = sites,
		.sites_count = world->sites_count,
	};
	struct bound bound;

	for (uint32_t i = 0; i < world->nodes_count; i++)
		nodes[i] = describe(world->nodes[i]);
	for (uint32_t i = 0; i < world->racks_count; i++)
		racks[i] = (struct bound_cut){
			world->racks[i].down.bytes_per_s, world->racks[i].up.bytes_per_s};
	for (uint32_t i = 0; i < world->sites_count; i++)
		sites[i] = (struct bound_cut){
			world->sites[i].down.bytes_per_s, world->sites[i].up.bytes_per_s};
	bound_compute(&given, &bound);
	result->bound_ns = bound.total_ns;
	result->bound_by = bound.by;
	free(nodes);
	free(racks);
	free(sites);
}

void sim_measure(struct sim_world *world, struct sim_result *result)
{
	*result = (struct sim_result){.distinct_bytes = world->image.distinct_bytes,
		.events_count = world->events_fired_count,
		.end_ns = world->now_ns,
		.violation = world->violation};
	for (uint32_t i = 0; i < world->nodes_count; i++)
		measure_node(world->nodes[i], result);
	for (uint32_t i = 0; i < world->racks_count; i++)
		result->racks_in_bytes += world->racks[i].down.block_bytes;
	measure_bound(world, result);
}
