/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which piece next: the wanted pieces, ordered by how many peers have them. Knows nothing of peers,
 * blocks or time; answers from arrays. Adding, removing and counting are O(1) or O(buckets).
 */
#ifndef SWARM_PICKER_H
#define SWARM_PICKER_H

#include "lib/bitset.h"
#include "lib/rng.h"

#define PIECE_NONE UINT32_MAX

struct picker {
	uint32_t *order;	/* wanted pieces, the rarest first */
	uint32_t *position;	/* of a piece in order, or PIECE_NONE: not wanted */
	uint16_t *availability; /* of every piece, wanted or not */
	uint32_t *bucket_start; /* of bucket b in order; buckets_count + 1 of them */
	uint32_t pieces_count;
	uint32_t buckets_count;
	struct rng *rng; /* borrowed; breaks ties */
};

/* All arrays are the caller's: order, position and availability of pieces_count, bucket_start of
 * buckets_count + 1. Availability is counted up to buckets_count - 1. */
void picker_init(
	struct picker *picker, uint32_t pieces_count, uint32_t buckets_count, struct rng *rng);

void picker_want(struct picker *picker, uint32_t piece);	/* no effect when wanted */
void picker_unwant(struct picker *picker, uint32_t piece);	/* no effect when not wanted */
void picker_available(struct picker *picker, uint32_t piece);	/* one more has it */
void picker_unavailable(struct picker *picker, uint32_t piece); /* one fewer has it */

static inline bool picker_wants(const struct picker *picker, uint32_t piece)
{
	return picker->position[piece] != PIECE_NONE;
}

static inline uint32_t picker_wanted_count(const struct picker *picker)
{
	return picker->bucket_start[picker->buckets_count];
}

/* The rarest wanted piece that is in `has` (or, with lacking, that is not in it), ties broken by
 * the generator; PIECE_NONE when there is none. */
uint32_t picker_rarest(struct picker *picker, const struct bitset *has, bool lacking);

#endif
