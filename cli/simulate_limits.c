/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lower bound of a wave, of the whole image and not of a sample: what must pass through each
 * thing (sim/bound.h), and the read-back at each node. The longest of these times is what limits
 * the wave; a wave far above its bound is in its own way.
 */
#include <stdlib.h>

#include "cli/simulate.h"
#include "lib/cleanup.h"
#include "runtime/memory.h"

/* As an operator knows them. */
static const char *const names[BOUND_PARTS] = {
	[BOUND_SOURCE] = "the origin's link",
	[BOUND_DOWNLINK] = "the nodes' links",
	[BOUND_UPLINKS] = "all uplinks together",
	[BOUND_RACK] = "the racks' uplinks",
	[BOUND_SITE] = "the sites' uplinks",
	[BOUND_DISK] = "the nodes' disks",
	[BOUND_READ] = "the origin's disk",
	[BOUND_DIGEST] = "hashing and unpacking",
};

static int longest_first(const void *left, const void *right)
{
	const struct simulate_limit *a = left;
	const struct simulate_limit *b = right;

	return (a->seconds < b->seconds) - (a->seconds > b->seconds);
}

/* In bytes of the image: fewer pass over the wire. */
static uint64_t wire_rate(const struct simulate_model *model, uint64_t bytes_per_s)
{
	return (uint64_t)((double)simulate_payload_rate(bytes_per_s) *
			  (double)model->written_bytes / (double)model->wire_bytes);
}

static uint64_t digest_rate(const struct simulate_description *d)
{
	double seconds_per_byte = 1 / (double)d->hash_bytes_per_s;

	if (d->compress_times > 1)
		seconds_per_byte += 1 / (double)SIMULATE_DECODE_BYTES_PER_S;
	return (uint64_t)(1 / seconds_per_byte);
}

static void describe(struct bound_node *nodes, const struct simulate_description *d,
	const struct simulate_model *model)
{
	nodes[0] = (struct bound_node){
		.up_bytes_per_s = wire_rate(model, d->origin_bytes_per_s),
		.down_bytes_per_s = wire_rate(model, d->origin_bytes_per_s),
		.rack = BOUND_NOWHERE,
		.site = BOUND_NOWHERE,
		.source = true,
	};
	for (uint64_t i = 0; i < d->nodes_count; i++)
		nodes[1 + i] = (struct bound_node){
			.up_bytes_per_s = wire_rate(model, d->up_bytes_per_s),
			.down_bytes_per_s = wire_rate(model, d->down_bytes_per_s),
			.disk_bytes_per_s = d->disk_write_bytes_per_s,
			.digest_bytes_per_s = digest_rate(d),
			.start_ns = simulate_start_ns(d, i),
			.rack = simulate_rack(d, i),
			.site = BOUND_NOWHERE,
			.bytes = model->written_bytes,
		};
}

void simulate_bound_find(struct simulate_bound *to, const struct simulate_description *d,
	const struct simulate_model *model)
{
	SCOPED(free) struct bound_node *nodes = memory_allocate(d->nodes_count + 1, sizeof(*nodes));
	SCOPED(free) struct bound_cut *racks = memory_allocate(d->racks_count, sizeof(*racks));
	uint64_t rack_rate = wire_rate(model, d->rack_bytes_per_s);
	struct bound_case given = {
		.fetch_bytes = model->written_bytes,
		.write_bytes = model->written_bytes,
		.piece_bytes = model->piece_bytes,
		.nodes = nodes,
		.nodes_count = (uint32_t)d->nodes_count + 1,
		.racks = racks,
		.racks_count = (uint32_t)d->racks_count,
	};
	struct bound bound;

	describe(nodes, d, model);
	for (uint64_t i = 0; i < d->racks_count; i++)
		racks[i] = (struct bound_cut){rack_rate, rack_rate};
	bound_compute(&given, &bound);
	*to = (struct simulate_bound){0};
	for (uint32_t i = 0; i < BOUND_PARTS; i++)
		if (bound.part_ns[i] > 0)
			to->limits[to->limits_count++] = (struct simulate_limit){
				names[i], (double)bound.part_ns[i] / (double)NS_PER_S};
	qsort(to->limits, to->limits_count, sizeof(to->limits[0]), longest_first);
	to->read_back_s =
		d->read_back ? (double)model->written_bytes / (double)d->disk_read_bytes_per_s : 0;
	to->seconds = (double)bound.total_ns / (double)NS_PER_S + to->read_back_s;
}
