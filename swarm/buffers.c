/* SPDX-License-Identifier: Apache-2.0 */
/* The life of piece buffers, and the state of the blocks in them. */
#include "swarm/engine.h"

struct block *buffer_block(struct swarm *s, uint32_t buffer, uint32_t block)
{
	return &s->blocks[(size_t)buffer * s->blocks_per_piece + block];
}

uint32_t run_length(const struct swarm *s, uint32_t piece, uint32_t block, uint32_t blocks_count)
{
	uint32_t begin = block * s->limits.block_bytes;
	uint64_t bytes = (uint64_t)blocks_count * s->limits.block_bytes;

	return (uint32_t)u64_min(bytes, piece_length(s, piece) - begin);
}

void buffer_set_state(struct swarm *s, uint32_t buffer, enum buffer_state state)
{
	s->buffers[buffer].state = state;
	if (state == BUFFER_ARRIVING)
		bitset_set(&s->arriving, buffer);
	else
		bitset_clear(&s->arriving, buffer);
}

uint32_t buffer_of(const struct swarm *s, uint32_t piece)
{
	uint32_t buffer = s->pieces[s->pieces[piece].leader].buffer;

	if (buffer == SWARM_BUFFER_NONE || s->buffers[buffer].state != BUFFER_HOLDING)
		return SWARM_BUFFER_NONE;
	return buffer;
}

static bool evictable(const struct buffer *b)
{
	return b->state == BUFFER_HOLDING && b->writes_count == 0 && b->sends_count == 0;
}

/* Begun, and nothing came of it: its peers choked us or left. */
static bool abandoned(const struct buffer *b)
{
	return b->state == BUFFER_ARRIVING && b->blocks_received == 0 &&
	       b->blocks_free == b->blocks_count;
}

/* A free one, else the one whose content was used longest ago and that nobody needs. */
static uint32_t find_available(const struct swarm *s)
{
	uint32_t found = SWARM_BUFFER_NONE;

	for (uint32_t i = 0; i < s->limits.buffers_count; i++) {
		const struct buffer *b = &s->buffers[i];

		if (b->state == BUFFER_FREE || abandoned(b))
			return i;
		if (evictable(b) &&
			(found == SWARM_BUFFER_NONE || b->used_ns < s->buffers[found].used_ns))
			found = i;
	}
	return found;
}

bool buffer_available(const struct swarm *s)
{
	for (uint32_t i = 0; i < s->limits.buffers_count; i++)
		if (s->buffers[i].state == BUFFER_FREE || evictable(&s->buffers[i]) ||
			abandoned(&s->buffers[i]))
			return true;
	return false;
}

bool buffer_replaceable(const struct swarm *s, uint32_t buffer)
{
	const struct buffer *b = &s->buffers[buffer];

	return (b->receiving_count == 0 && !b->busy) || buffer_available(s);
}

uint32_t buffer_begin(struct swarm *s, uint32_t piece)
{
	uint32_t found = find_available(s);

	if (found == SWARM_BUFFER_NONE)
		return SWARM_BUFFER_NONE;
	struct buffer *b = &s->buffers[found];

	if (b->state == BUFFER_ARRIVING)
		buffer_give_up(s, found);
	else if (b->state == BUFFER_HOLDING)
		s->pieces[s->pieces[b->piece].leader].buffer = SWARM_BUFFER_NONE;
	uint32_t blocks_count = (uint32_t)u64_div_up(piece_length(s, piece), s->limits.block_bytes);

	*b = (struct buffer){.senders = b->senders};
	buffer_set_state(s, found, BUFFER_ARRIVING);
	b->piece = piece;
	b->blocks_count = b->blocks_free = blocks_count;
	b->exclusive_peer = SWARM_PEER_NONE;
	b->twin = PIECE_NONE;
	b->progress_ns = s->now_ns;
	wake_at(s, s->now_ns + BUFFER_STUCK_NS);
	memset(buffer_block(s, found, 0), 0, blocks_count * sizeof(struct block));
	s->pieces[s->pieces[piece].leader].buffer = found;
	group_unwant(s, piece);
	piece_set_state(s, piece, SWARM_PIECE_ARRIVING);
	return found;
}

uint32_t buffer_free_block(struct swarm *s, uint32_t buffer)
{
	struct buffer *b = &s->buffers[buffer];

	if (b->blocks_free == 0)
		return BLOCK_NONE;
	for (; b->free_from < b->blocks_count; b->free_from++) {
		const struct block *block = buffer_block(s, buffer, b->free_from);

		if (block->state == BLOCK_WANTED && block->holders_count == 0)
			return b->free_from;
	}
	return BLOCK_NONE;
}

void block_freed(struct swarm *s, uint32_t buffer, uint32_t block)
{
	struct buffer *b = &s->buffers[buffer];

	b->blocks_free++;
	if (block < b->free_from)
		b->free_from = block;
	refill_all(s);
}

void buffer_settle(struct swarm *s, uint32_t buffer)
{
	struct buffer *b = &s->buffers[buffer];

	if (b->state == BUFFER_DRAINING && b->receiving_count == 0 && !b->busy)
		buffer_set_state(s, buffer, BUFFER_FREE);
	if (b->state != BUFFER_FREE && !evictable(b))
		return;
	if (s->copies_due_count > 0)
		s->work |= WORK_COPY;
	refill_all(s);
}

static void content_dropped(struct swarm *s, uint32_t buffer)
{
	uint32_t piece = s->buffers[buffer].piece;

	s->pieces[s->pieces[piece].leader].buffer = SWARM_BUFFER_NONE;
	piece_set_state(s, piece, SWARM_PIECE_MISSING);
	group_want(s, piece);
}

static void count_wasted(struct swarm *s, uint32_t buffer)
{
	const struct buffer *b = &s->buffers[buffer];

	for (uint32_t i = 0; i < b->blocks_count; i++) {
		const struct block *block = buffer_block(s, buffer, i);

		if (block->state == BLOCK_RECEIVED && !block->local)
			s->status.wasted_bytes += run_length(s, b->piece, i, 1);
	}
}

void buffer_give_up(struct swarm *s, uint32_t buffer)
{
	struct buffer *b = &s->buffers[buffer];

	for (uint32_t i = 0; i < b->blocks_count; i++) {
		struct block *block = buffer_block(s, buffer, i);

		while (block->holders_count > 0)
			request_forget(s, block->holders[0], buffer, i);
	}
	count_wasted(s, buffer);
	s->layers_count -= b->state == BUFFER_LAYER;
	buffer_set_state(s, buffer, BUFFER_DRAINING);
	content_dropped(s, buffer);
	buffer_settle(s, buffer);
}

/* Those who could finish it may not (probation), and those who may do not: begin again. */
void buffers_tick(struct swarm *s)
{
	BITSET_FOREACH (i, &s->arriving) {
		struct buffer *b = &s->buffers[i];

		if (b->blocks_free == 0) /* somebody is asked for all of it, and is late in time */
			b->progress_ns = s->now_ns;
		if (b->receiving_count == 0 && s->now_ns >= b->progress_ns + BUFFER_STUCK_NS)
			buffer_give_up(s, i);
		else
			wake_at(s, u64_max(b->progress_ns + BUFFER_STUCK_NS, s->now_ns + NS_PER_S));
	}
}

/* So many more of its blocks are BLOCK_RECEIVED, and nobody is asked for them any more. */
void buffer_blocks_received(struct swarm *s, uint32_t buffer, uint32_t blocks_count)
{
	struct buffer *b = &s->buffers[buffer];

	b->blocks_received += blocks_count;
	if (b->blocks_received == b->blocks_count)
		buffer_collected(s, buffer);
}

/* Whatever it took, the whole piece is in it now. */
void buffer_collected(struct swarm *s, uint32_t buffer)
{
	struct buffer *b = &s->buffers[buffer];

	buffer_set_state(s, buffer, BUFFER_HASHING);
	piece_set_state(s, b->piece, SWARM_PIECE_VERIFYING);
	struct swarm_effect *effect = effect_push(s, SWARM_EFFECT_HASH);

	effect->piece = b->piece;
	effect->buffer = buffer;
}

/* What was collected is wrong, and nobody says where. */
void buffer_failed(struct swarm *s, uint32_t buffer)
{
	count_wasted(s, buffer);
	buffer_set_state(s, buffer, BUFFER_FREE);
	if (s->buffers[buffer].twin != PIECE_NONE)
		piece_bad(s, s->buffers[buffer].twin);
	blame_bad(s, buffer);
	content_dropped(s, buffer);
	buffer_settle(s, buffer);
}

void buffer_hashed(struct swarm *s, uint32_t buffer, uint32_t piece, bool ok)
{
	struct buffer *b = &s->buffers[buffer];

	if (b->state != BUFFER_HASHING || b->piece != piece)
		return;
	b->used_ns = s->now_ns;
	if (ok) {
		buffer_set_state(s, buffer, BUFFER_HOLDING);
		blame_good(s, buffer);
		content_verified(s, piece);
	} else if (!leaves_blame(s, buffer)) {
		buffer_failed(s, buffer);
	}
	buffer_settle(s, buffer);
}
