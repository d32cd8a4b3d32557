/* SPDX-License-Identifier: Apache-2.0 */
/* How finely, and how much of, a wave is simulated: by its size, so that the answer comes soon. */
#include "cli/simulate.h"
#include "lib/cleanup.h"
#include "runtime/budget.h"
#include "runtime/memory.h"

#define FRAME_BYTES	 1538 /* on the wire, with preamble and gap */
#define FRAME_PAYLOAD	 1448
#define COARSE_BYTES_MAX (64 * KIB)
#define WINDOW_BYTES_MIN (256 * KIB)
/* Before a node knows how fast its peers are it asks several for several blocks each; a larger
 * block must not make that take longer than it would. */
#define BLOCKS_PER_SECOND 512
/* In blocks and news about pieces: some seconds of an ordinary processor. */
#define FINE_WORK_MAX	  2000000
#define SAMPLE_WORK_MAX	  3000000
#define SAMPLE_PIECES_MIN 128
#define NEIGHBOURS	  48 /* that hear of every piece, about */
#define STAGGER_SHARE	  20 /* a sample must last so many times as long as the nodes' starts */

uint64_t simulate_payload_rate(uint64_t bytes_per_s)
{
	return u64_max(1, bytes_per_s * FRAME_PAYLOAD / FRAME_BYTES);
}

/* The largest power of two that suits the links and divides a piece. */
static uint32_t coarse_bytes(const struct simulate_description *d)
{
	uint64_t rate = simulate_payload_rate(u64_min(d->up_bytes_per_s, d->origin_bytes_per_s));
	uint64_t bytes = PEER_BLOCK_BYTES;

	while (2 * bytes <= COARSE_BYTES_MAX && d->piece_bytes % (2 * bytes) == 0 &&
		2 * bytes * BLOCKS_PER_SECOND <= rate)
		bytes *= 2;
	return (uint32_t)bytes;
}

/* What production makes of a node's memory. */
static void plan_memory(struct simulate_model *model, const struct simulate_description *d)
{
	struct metainfo metainfo = {
		.length_bytes = d->image_bytes,
		.piece_bytes = (uint32_t)d->piece_bytes,
		.pieces_count = (uint32_t)u64_div_up(d->image_bytes, d->piece_bytes),
	};
	SCOPED(free) uint8_t *hashes = memory_allocate(metainfo.pieces_count, SHA256_BYTES);
	struct budget budget;

	metainfo.pieces_sha256 = hashes;
	swarm_limits_default(&model->limits);
	budget_plan(&budget, d->memory_bytes, 0, &metainfo, false, &model->limits);
}

static uint64_t work_per_piece(const struct simulate_description *d, uint64_t block_bytes)
{
	return d->nodes_count *
	       (u64_div_up(d->piece_bytes, block_bytes) + u64_min(d->nodes_count, NEIGHBOURS));
}

/* UINT64_MAX: all of them. */
static uint64_t sample_pieces(
	const struct simulate_description *d, const struct simulate_model *model, bool fine)
{
	if (d->sample_pieces_count != SIMULATE_SAMPLE_AUTO)
		return d->sample_pieces_count;
	if (fine)
		return UINT64_MAX;
	uint64_t pieces = u64_max(
		SAMPLE_PIECES_MIN, SAMPLE_WORK_MAX / work_per_piece(d, model->limits.block_bytes));
	double sample_s = (double)(pieces * d->piece_bytes) /
			  ((double)simulate_payload_rate(d->down_bytes_per_s) * model->wire_gain *
				  (double)d->compress_times);
	double stagger_s = (double)d->stagger_ns / (double)NS_PER_S;

	return stagger_s * STAGGER_SHARE > sample_s ? UINT64_MAX : pieces;
}

void simulate_model_choose(struct simulate_model *model, const struct simulate_description *d)
{
	uint64_t zero_bytes =
		(uint64_t)((double)d->image_bytes * (double)d->zero_millionths / MILLION);

	*model = (struct simulate_model){.piece_bytes = (uint32_t)d->piece_bytes};
	model->written_bytes = u64_max(d->image_bytes - zero_bytes, 1);
	model->wire_bytes =
		model->written_bytes - u64_min(d->duplicate_bytes, model->written_bytes - 1);
	model->wire_gain = (double)model->written_bytes / (double)model->wire_bytes;
	model->wire_bytes = u64_max(1, model->wire_bytes / d->compress_times);
	model->pieces_count = (uint32_t)u64_div_up(model->written_bytes, d->piece_bytes);
	plan_memory(model, d);
	bool fine =
		d->detail == SIMULATE_DETAIL_FINE ||
		(d->detail == SIMULATE_DETAIL_AUTO &&
			model->pieces_count * work_per_piece(d, PEER_BLOCK_BYTES) <= FINE_WORK_MAX);

	model->limits.block_bytes = fine ? PEER_BLOCK_BYTES : coarse_bytes(d);
	model->window_bytes = u64_max(WINDOW_BYTES_MIN, 2 * (uint64_t)model->limits.request_bytes);
	model->sample_pieces_count = model->pieces_count;
	model->sample_bytes = model->written_bytes;
	uint64_t sample = sample_pieces(d, model, fine);

	if (d->sample_pieces_count == SIMULATE_SAMPLE_AUTO && sample > model->pieces_count / 2)
		sample = model->pieces_count;
	if (sample < model->pieces_count) {
		model->sample_pieces_count = (uint32_t)sample;
		model->sample_bytes = sample * d->piece_bytes;
	}
	model->limits.buffers_count = (uint32_t)u64_max(
		2, u64_min(model->limits.buffers_count, model->sample_pieces_count));
}
