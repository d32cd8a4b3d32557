/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does the target hold already? Every piece is read and checked while the engine fetches what
 * is known to be absent, and serves what was found. Runs of pieces come in random order: so that
 * the pieces that a room of blank machines wants first are not the same ones, and a disk still
 * reads in sequence. What the engine did not wait for is not read.
 */
#include "runtime/memory.h"
#include "runtime/transfer.h"

#include "lib/rng.h"

#define RUN_BYTES (32 * MIB)

static void assess_more(struct transfer *transfer);

static void assess_end(struct transfer *transfer)
{
	transfer->assessment.running = false;
	transfer->assessment.done = true;
	transfer_input(transfer, &(struct swarm_input){.kind = SWARM_IN_ASSESS_DONE});
	transfer_tell(transfer, TRANSFER_ASSESSED, NULL, NULL);
}

/* One more piece of which is known whether it is there. True when that was the last. */
static bool count_done(struct transfer *transfer, uint32_t piece)
{
	struct assessment *assessment = &transfer->assessment;

	assessment->pieces_done_count++;
	assessment->bytes += metainfo_piece_length(transfer->metainfo, piece);
	if (assessment->pieces_done_count < transfer->metainfo->pieces_count)
		return false;
	assess_end(transfer);
	return true;
}

static void on_checked(struct work *work)
{
	struct piece_check *check = (struct piece_check *)work;
	struct transfer *transfer = check->owner;
	struct assessment *assessment = &transfer->assessment;
	uint32_t piece = check->piece;
	bool present = check->readable && check->matches;

	transfer->disk_jobs_count--;
	check->busy = false;
	if (!assessment->running)
		return;
	if (!check->readable)
		log_warning(
			"what cannot be read is fetched and written anew: %s", check->failure.text);
	if (swarm_piece_state(transfer->swarm, piece) == SWARM_PIECE_UNKNOWN)
		transfer_input(transfer,
			&(struct swarm_input){
				.kind = present ? SWARM_IN_PIECE_PRESENT : SWARM_IN_PIECE_ABSENT,
				.piece = piece,
				.stale = check->readable && !check->blank});
	if (!count_done(transfer, piece))
		assess_more(transfer);
}

/* The next piece to look at, or BITSET_NONE. */
static uint32_t next_piece(struct transfer *transfer)
{
	struct assessment *assessment = &transfer->assessment;

	while (assessment->run < assessment->runs_count) {
		uint32_t piece = assessment->runs[assessment->run] * assessment->run_pieces_count +
				 assessment->run_piece;

		if (assessment->run_piece < assessment->run_pieces_count &&
			piece < transfer->metainfo->pieces_count) {
			assessment->run_piece++;
			return piece;
		}
		assessment->run++;
		assessment->run_piece = 0;
	}
	return BITSET_NONE;
}

static void assess_more(struct transfer *transfer)
{
	struct piece_check *check;

	while ((check = transfer_idle_check(transfer)) != NULL) {
		uint32_t piece = next_piece(transfer);

		if (piece == BITSET_NONE)
			return;
		/* The engine did not wait for this one. */
		if (swarm_piece_state(transfer->swarm, piece) != SWARM_PIECE_UNKNOWN) {
			if (count_done(transfer, piece))
				return;
			continue;
		}
		transfer_input(transfer,
			&(struct swarm_input){.kind = SWARM_IN_PIECE_CHECKING, .piece = piece});
		transfer_check(transfer, check, piece, false, on_checked);
	}
}

void assess_start(struct transfer *transfer)
{
	struct assessment *assessment = &transfer->assessment;
	const struct metainfo *metainfo = transfer->metainfo;
	struct rng rng;

	rng_seed(&rng, transfer->seed_of_choices ^ 1);
	assessment->run_pieces_count =
		(uint32_t)u64_max(1, RUN_BYTES / u64_max(metainfo->piece_bytes, 1));
	assessment->runs_count =
		(uint32_t)u64_div_up(metainfo->pieces_count, assessment->run_pieces_count);
	assessment->runs = memory_allocate(assessment->runs_count, sizeof(*assessment->runs));
	for (uint32_t i = 0; i < assessment->runs_count; i++) {
		uint32_t j = (uint32_t)rng_below(&rng, i + 1);

		assessment->runs[i] = assessment->runs[j];
		assessment->runs[j] = i;
	}
	assessment->running = true;
	assess_more(transfer);
}

void assess_close(struct transfer *transfer)
{
	transfer->assessment.running = false;
	free(transfer->assessment.runs);
	transfer->assessment.runs = NULL;
}
