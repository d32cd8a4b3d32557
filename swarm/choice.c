/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which block to ask a peer for next. In this order: the piece it works on; what the origin
 * suggests (from the origin only that, while suggestions last); pieces begun, the fullest first;
 * the rarest new piece; at the very end, blocks that a slower peer was asked for.
 */
#include "swarm/engine.h"

#define LEFT_NS		    (5 * NS_PER_S)
#define PATIENCE_UNKNOWN_NS (10 * NS_PER_S) /* what to expect of a peer that was never measured */

bool may_take_from(const struct swarm *s, uint32_t buffer, uint32_t peer)
{
	const struct buffer *b = &s->buffers[buffer];

	return b->state == BUFFER_ARRIVING && bitset_has(&s->peers[peer].has, b->piece) &&
	       rack_may_take(s, &s->peers[peer], b->piece) && blame_may_send(s, buffer, peer);
}

static uint32_t free_block_of(struct swarm *s, uint32_t peer, uint32_t buffer)
{
	if (s->buffers[buffer].blocks_free == 0 || !may_take_from(s, buffer, peer))
		return BLOCK_NONE;
	return buffer_free_block(s, buffer);
}

static uint32_t take(struct swarm *s, uint32_t peer, uint32_t buffer, uint32_t *chosen)
{
	uint32_t block = free_block_of(s, peer, buffer);

	if (block != BLOCK_NONE) {
		*chosen = s->peers[peer].buffer = buffer;
		s->peers[peer].buffer_piece = s->buffers[buffer].piece;
	}
	return block;
}

/* A piece that this peer has; perhaps its leaf layer first. BUFFER_NONE: there is no room now. */
static uint32_t begin(struct swarm *s, uint32_t peer, uint32_t piece)
{
	if (leaves_wanted(s, peer, piece) && !leaves_room(s, peer))
		return SWARM_BUFFER_NONE;
	uint32_t buffer = buffer_begin(s, piece);

	if (buffer != SWARM_BUFFER_NONE)
		leaves_ask(s, buffer, peer);
	return buffer;
}

/* ---- suggestions ---- */

void peer_suggested(struct swarm *s, uint32_t peer, uint32_t piece)
{
	struct peer *p = &s->peers[peer];

	if (!p->origin || p->suggested_count == SUGGESTED_MAX || !bitset_has(&p->has, piece))
		return;
	p->suggested[p->suggested_count++] = piece;
	p->suggested_ns = s->now_ns;
	rack_granted(s, p, piece);
	refill(s, peer);
}

/* What is not assessed yet waits until that is known, or is not worth knowing. */
static bool suggestion_waits(struct swarm *s, uint32_t piece)
{
	return s->pieces[piece].state == SWARM_PIECE_UNKNOWN && !assess_skip(s, piece);
}

static uint32_t take_suggested(struct swarm *s, uint32_t peer, uint32_t *chosen)
{
	struct peer *p = &s->peers[peer];
	uint32_t block = BLOCK_NONE;
	uint32_t at = 0;

	while (at < p->suggested_count && block == BLOCK_NONE) {
		uint32_t piece = p->suggested[at];

		if (suggestion_waits(s, piece)) {
			at++;
			continue;
		}
		uint32_t buffer = s->pieces[s->pieces[piece].leader].buffer;

		if (picker_wants(&s->picker, piece)) {
			buffer = begin(s, peer, piece);
			if (buffer == SWARM_BUFFER_NONE)
				return BLOCK_NONE; /* when there is room again */
		}
		if (buffer != SWARM_BUFFER_NONE)
			block = take(s, peer, buffer, chosen);
		p->suggested_count--;
		memmove(p->suggested + at, p->suggested + at + 1,
			(p->suggested_count - at) * sizeof(uint32_t));
	}
	return block;
}

/* ---- pieces begun ---- */

static uint32_t take_begun(struct swarm *s, uint32_t peer, uint32_t *chosen)
{
	uint32_t best = SWARM_BUFFER_NONE;

	BITSET_FOREACH (i, &s->arriving) {
		const struct buffer *b = &s->buffers[i];

		if (b->blocks_free == 0 || !may_take_from(s, i, peer))
			continue;
		if (best == SWARM_BUFFER_NONE || b->blocks_free < s->buffers[best].blocks_free)
			best = i;
	}
	return best == SWARM_BUFFER_NONE ? BLOCK_NONE : take(s, peer, best, chosen);
}

/* Whoever began to send it has stopped, and nobody is asked for the rest. */
static bool is_left(const struct swarm *s, const struct buffer *b)
{
	return b->blocks_received > 0 && b->blocks_free + b->blocks_received == b->blocks_count &&
	       s->now_ns >= b->progress_ns + LEFT_NS;
}

/* The rest of what only this peer has: it was begun there, and then the peer was late. */
static uint32_t take_orphan(struct swarm *s, uint32_t peer, uint32_t *chosen)
{
	BITSET_FOREACH (i, &s->arriving) {
		const struct buffer *b = &s->buffers[i];

		if (b->blocks_free > 0 &&
			(s->picker.availability[b->piece] == 0 ||
				(!s->peers[peer].origin && is_left(s, b))) &&
			may_take_from(s, i, peer))
			return take(s, peer, i, chosen);
	}
	return BLOCK_NONE;
}

static uint32_t choose_new(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	if (p->distance > 0)
		return p->startable_count > 0 ? rack_choose(s, p) : PIECE_NONE;
	if (p->startable_count == 0 && !assess_guess(s, peer))
		return PIECE_NONE;
	uint32_t piece = share_choose(s, p);

	return piece != PIECE_NONE ? piece : picker_rarest(&s->picker, &p->has, false);
}

static uint32_t take_new(struct swarm *s, uint32_t peer, uint32_t *chosen)
{
	struct peer *p = &s->peers[peer];

	uint32_t block = BLOCK_NONE;

	/* Those that wait for their leaf layer give no block yet. */
	while (block == BLOCK_NONE) {
		if (!buffer_available(s))
			return BLOCK_NONE;
		uint32_t piece = choose_new(s, peer);
		uint32_t buffer = piece == PIECE_NONE ? SWARM_BUFFER_NONE : begin(s, peer, piece);

		if (buffer == SWARM_BUFFER_NONE)
			return BLOCK_NONE;
		rack_begins(s, p, piece);
		block = take(s, peer, buffer, chosen);
		if (block == BLOCK_NONE && s->buffers[buffer].state != BUFFER_LAYER)
			return BLOCK_NONE;
	}
	return block;
}

/* ---- the end ---- */

/* A peer on a fast link answers everything before its rate is known; then its latency says enough.
 */
static bool measured(const struct peer *p)
{
	return p->rate_bytes_per_s != 0 || p->latency_ns != 0;
}

/* Until this peer has answered requests for so many bytes. */
static uint64_t queue_ns(const struct swarm *s, const struct peer *p, uint64_t bytes)
{
	if (p->snubbed || !measured(p))
		return PATIENCE_UNKNOWN_NS;
	if (p->rate_bytes_per_s == 0)
		return u64_div_up(bytes, s->limits.block_bytes) * p->latency_ns;
	return bytes * NS_PER_S / p->rate_bytes_per_s;
}

/* The first block of a request that is still to come and that nobody else was asked for. */
static uint32_t undoubled_block(struct swarm *s, const struct request *r)
{
	for (uint32_t i = 0; i < r->blocks_count; i++) {
		const struct block *block = buffer_block(s, r->buffer, r->block + i);

		if (block->state == BLOCK_WANTED && block->holders_count == 1)
			return r->block + i;
	}
	return BLOCK_NONE;
}

/* The last block in a holder's queue that this peer would bring in less than half the time. */
static uint32_t take_from_queue(
	struct swarm *s, uint32_t peer, const struct peer *holder, uint32_t *chosen)
{
	const struct peer *p = &s->peers[peer];
	uint64_t ours_ns = queue_ns(s, p, p->requests_bytes + s->limits.block_bytes);
	uint64_t theirs_bytes = holder->requests_bytes;

	for (uint32_t i = holder->requests_count; i-- > 0;) {
		const struct request *r = request_at(s, holder, i);

		if (queue_ns(s, holder, theirs_bytes) / 2 <= ours_ns)
			break;
		theirs_bytes -= request_length(s, r);
		if (!may_take_from(s, r->buffer, peer))
			continue;
		uint32_t block = undoubled_block(s, r);

		if (block == BLOCK_NONE)
			continue;
		*chosen = r->buffer;
		return block;
	}
	return BLOCK_NONE;
}

/* Blocks that a late or much slower peer was asked for: a second request, never a third. */
static uint32_t take_doubled(struct swarm *s, uint32_t peer, uint32_t *chosen)
{
	bool endgame = picker_wanted_count(&s->picker) == 0;

	BITSET_FOREACH (i, &s->asked) {
		const struct peer *holder = &s->peers[i];

		if (i == peer || !(endgame || holder->snubbed))
			continue;
		uint32_t block = take_from_queue(s, peer, holder, chosen);

		if (block != BLOCK_NONE)
			return block;
	}
	return BLOCK_NONE;
}

/* A piece that a late or much slower peer has for itself: it begins again with this one. Given up
 * for one that may not take it, it would go back to the first, and so on without end. */
static uint32_t take_over(struct swarm *s, uint32_t peer, uint32_t *chosen)
{
	struct peer *p = &s->peers[peer];
	bool endgame = picker_wanted_count(&s->picker) == 0;

	if (p->snubbed || !measured(p))
		return BLOCK_NONE;
	BITSET_FOREACH (i, &s->arriving) {
		const struct buffer *b = &s->buffers[i];
		uint32_t piece = b->piece;

		if (b->exclusive_peer == SWARM_PEER_NONE || b->exclusive_peer == peer ||
			!bitset_has(&p->has, piece) || !rack_may_take(s, p, piece) ||
			!buffer_replaceable(s, i))
			continue;
		const struct peer *holder = &s->peers[b->exclusive_peer];
		uint64_t block_bytes = s->limits.block_bytes;
		uint64_t theirs_ns =
			queue_ns(s, holder, (b->blocks_count - b->blocks_received) * block_bytes);
		uint64_t ours_ns =
			queue_ns(s, p, p->requests_bytes + b->blocks_count * block_bytes);

		if (!(endgame || holder->snubbed) || theirs_ns / 2 <= ours_ns)
			continue;
		buffer_give_up(s, i);
		uint32_t buffer = buffer_begin(s, piece);

		return buffer == SWARM_BUFFER_NONE ? BLOCK_NONE : take(s, peer, buffer, chosen);
	}
	return BLOCK_NONE;
}

/* Whether an origin is to be asked for more than it suggests. */
static bool hungry_for(const struct swarm *s, const struct peer *origin)
{
	return origin->distance > 0 ? s->racks.starved : hungry(s);
}

/* Nobody but complete peers has some pieces, and this is one of them: its link is for those. */
static bool is_scarce_at(const struct swarm *s, const struct peer *p)
{
	return p->all_seen && !p->origin && s->picker.bucket_start[1] > 0;
}

uint32_t choose_block(struct swarm *s, uint32_t peer, uint32_t *buffer)
{
	struct peer *p = &s->peers[peer];
	uint32_t block = BLOCK_NONE;

	if (p->distance > 0 && !rack_window_open(s))
		return BLOCK_NONE;
	if (p->buffer != SWARM_BUFFER_NONE)
		block = take(s, peer, p->buffer, buffer);
	if (block == BLOCK_NONE && p->origin)
		block = take_suggested(s, peer, buffer);
	if (block == BLOCK_NONE && p->origin)
		block = take_orphan(s, peer, buffer);
	if (block == BLOCK_NONE && p->origin && (p->suggested_count > 0 || !hungry_for(s, p)))
		return BLOCK_NONE;
	bool scarce = is_scarce_at(s, p);

	if (block == BLOCK_NONE && scarce)
		block = take_orphan(s, peer, buffer);
	if (block == BLOCK_NONE && !scarce)
		block = take_begun(s, peer, buffer);
	if (block == BLOCK_NONE)
		block = take_new(s, peer, buffer);
	if (block == BLOCK_NONE && scarce)
		block = take_begun(s, peer, buffer);
	if (block == BLOCK_NONE)
		block = take_doubled(s, peer, buffer);
	if (block == BLOCK_NONE)
		block = take_over(s, peer, buffer);
	return block;
}
