/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of us begins with which piece when nobody but complete peers has it, and no origin says so.
 * By chance several nodes would fetch the same one, and what a seed sends twice it does not send to
 * somebody who waits for something new. So each piece belongs to the one of us whose identifier
 * weighs most with it (rendezvous hashing): all who know each other come to the same answer without
 * a word, and when one leaves only its pieces change hands. It is a preference: who has none left
 * takes what belongs to others.
 */
#include "swarm/engine.h"

#define TRIES_MAX 64

/* The finaliser of splitmix64 (Vigna, public domain): every bit of the result depends on all. */
static uint64_t mix(uint64_t value)
{
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
	return value ^ (value >> 31);
}

static uint64_t weight(const uint8_t id[PEER_ID_BYTES], uint32_t piece)
{
	uint64_t sum = mix(be64_read(id) + piece);

	sum = mix(sum ^ be64_read(id + 8));
	return mix(sum ^ be32_read(id + 16));
}

static bool belongs_to_us(const struct swarm *s, uint32_t piece)
{
	uint64_t ours = weight(s->settings.peer_id, piece);

	BITSET_FOREACH (i, &s->open) {
		const struct peer *p = &s->peers[i];

		if (p->own && p->has_count < s->pieces_count && weight(p->id, piece) > ours)
			return false;
	}
	return true;
}

uint32_t share_choose(struct swarm *s, const struct peer *p)
{
	uint32_t count = s->picker.bucket_start[1];

	if (!p->all_seen || p->origin || count == 0)
		return PIECE_NONE;
	uint32_t offset = (uint32_t)rng_below(&s->rng, count);

	for (uint32_t i = 0; i < u64_min(count, TRIES_MAX); i++) {
		uint32_t piece = s->picker.order[(offset + i) % count];

		if (belongs_to_us(s, piece))
			return piece;
	}
	return PIECE_NONE;
}
