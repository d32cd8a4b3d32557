/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rarest first over buckets of equal availability: `order` holds the wanted pieces bucket by
 * bucket, so that a piece whose availability changes by one is swapped across one border.
 */
#include "swarm/picker.h"

void picker_init(
	struct picker *picker, uint32_t pieces_count, uint32_t buckets_count, struct rng *rng)
{
	picker->pieces_count = pieces_count;
	picker->buckets_count = buckets_count;
	picker->rng = rng;
	memset(picker->bucket_start, 0, ((size_t)buckets_count + 1) * sizeof(uint32_t));
	memset(picker->availability, 0, (size_t)pieces_count * sizeof(uint16_t));
	memset(picker->position, 0xff, (size_t)pieces_count * sizeof(uint32_t));
}

static void place(struct picker *picker, uint32_t piece, uint32_t position)
{
	picker->order[position] = piece;
	picker->position[piece] = position;
}

static void swap(struct picker *picker, uint32_t a, uint32_t b)
{
	uint32_t piece_a = picker->order[a];
	uint32_t piece_b = picker->order[b];

	place(picker, piece_a, b);
	place(picker, piece_b, a);
}

void picker_want(struct picker *picker, uint32_t piece)
{
	if (picker_wants(picker, piece))
		return;
	/* Each bucket above moves its first piece to its end, which opens a hole one bucket lower.
	 */
	uint32_t hole = picker->bucket_start[picker->buckets_count]++;

	for (uint32_t bucket = picker->buckets_count - 1; bucket > picker->availability[piece];
		bucket--) {
		uint32_t start = picker->bucket_start[bucket]++;

		if (start != hole)
			place(picker, picker->order[start], hole);
		hole = start;
	}
	place(picker, piece, hole);
}

void picker_unwant(struct picker *picker, uint32_t piece)
{
	if (!picker_wants(picker, piece))
		return;
	uint32_t hole = picker->position[piece];

	for (uint32_t bucket = picker->availability[piece]; bucket < picker->buckets_count;
		bucket++) {
		uint32_t last = --picker->bucket_start[bucket + 1];

		if (last != hole)
			place(picker, picker->order[last], hole);
		hole = last;
	}
	picker->position[piece] = PIECE_NONE;
}

void picker_available(struct picker *picker, uint32_t piece)
{
	uint32_t bucket = picker->availability[piece];

	if (bucket + 1 >= picker->buckets_count)
		return;
	if (picker_wants(picker, piece))
		swap(picker, picker->position[piece], --picker->bucket_start[bucket + 1]);
	picker->availability[piece]++;
}

void picker_unavailable(struct picker *picker, uint32_t piece)
{
	uint32_t bucket = picker->availability[piece];

	if (bucket == 0)
		return;
	if (picker_wants(picker, piece))
		swap(picker, picker->position[piece], picker->bucket_start[bucket]++);
	picker->availability[piece]--;
}

uint32_t picker_rarest(struct picker *picker, const struct bitset *has, bool lacking)
{
	for (uint32_t bucket = 0; bucket < picker->buckets_count; bucket++) {
		uint32_t start = picker->bucket_start[bucket];
		uint32_t count = picker->bucket_start[bucket + 1] - start;

		if (count == 0)
			continue;
		/* A random place to begin at breaks ties differently on every node. */
		uint32_t offset = (uint32_t)rng_below(picker->rng, count);

		for (uint32_t i = 0; i < count; i++) {
			uint32_t piece = picker->order[start + (offset + i) % count];

			if (bitset_has(has, piece) != lacking)
				return piece;
		}
	}
	return PIECE_NONE;
}
