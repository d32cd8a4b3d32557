/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where arriving blocks go, and what their arrival tells about the peer. While a block is on its
 * way into a buffer nobody else's copy of it goes there, and the piece is not hashed.
 */
#include "swarm/engine.h"

#define SURPLUS_BLOCKS_MAX 64
#define STALL_MIN_NS	   (3 * NS_PER_S) /* in the middle of one block */
#define STALL_MAX_NS	   (10 * NS_PER_S)
#define SOURCE_PATIENCE_NS (3 * NS_PER_S)
#define WINDOW_NS	   (50 * NS_PER_MS)

/* A block that was asked for and given up (late, cancelled, choked) is taken if it is still wanted.
 */
static uint32_t find_late(
	const struct swarm *s, uint32_t peer, const struct peer_message *message, uint32_t *block)
{
	uint32_t buffer = s->pieces[s->pieces[message->index].leader].buffer;

	if (buffer == SWARM_BUFFER_NONE || s->buffers[buffer].state != BUFFER_ARRIVING ||
		s->buffers[buffer].piece != message->index ||
		message->begin % s->limits.request_bytes != 0 || !blame_may_send(s, buffer, peer))
		return SWARM_BUFFER_NONE;
	*block = message->begin / s->limits.request_bytes;
	return buffer;
}

static enum swarm_place place(struct swarm *s, uint32_t peer, const struct peer_message *message,
	uint32_t buffer, uint32_t block, uint64_t asked_ns)
{
	struct peer *p = &s->peers[peer];
	struct buffer *b = &s->buffers[buffer];
	struct block *target = buffer_block(s, buffer, block);

	if (message->length != block_length(s, message->index, block))
		return SWARM_PLACE_VIOLATION;
	if (target->state != BLOCK_WANTED)
		return SWARM_PLACE_DISCARD;
	if (target->holders_count == 0)
		b->blocks_free--;
	target->state = BLOCK_RECEIVING;
	b->receiving_count++;
	p->receiving = true;
	p->receiving_buffer = buffer;
	p->receiving_block = block;
	p->receiving_ns = s->now_ns;
	p->receiving_asked_ns = asked_ns;
	wake_at(s, s->now_ns + STALL_MIN_NS);
	return SWARM_PLACE_BUFFER;
}

static enum swarm_place place_block(struct swarm *s, uint32_t peer,
	const struct peer_message *piece, uint32_t *buffer, uint32_t *offset_bytes)
{
	struct peer *p = &s->peers[peer];

	if (piece->id == PEER_FRAME && !s->settings.frames)
		return SWARM_PLACE_VIOLATION;
	if (piece->index >= s->pieces_count || piece->length == 0 || p->receiving ||
		(uint64_t)piece->begin + piece->length > piece_length(s, piece->index))
		return SWARM_PLACE_VIOLATION;
	uint32_t at = request_find(s, p, piece->index, piece->begin);
	uint32_t block = BLOCK_NONE;
	uint64_t asked_ns = 0;

	if (at != BLOCK_NONE) {
		*buffer = request_at(s, p, at)->buffer;
		block = request_at(s, p, at)->block;
		asked_ns = request_at(s, p, at)->sent_ns;
	} else if (p->stale_blocks > 0) {
		p->stale_blocks--;
		*buffer = find_late(s, peer, piece, &block);
	} else {
		*buffer = SWARM_BUFFER_NONE;
		if (++p->surplus_blocks > SURPLUS_BLOCKS_MAX)
			return SWARM_PLACE_VIOLATION;
	}
	if (*buffer == SWARM_BUFFER_NONE)
		return SWARM_PLACE_DISCARD;
	enum swarm_place answer = place(s, peer, piece, *buffer, block, asked_ns);

	if (at != BLOCK_NONE)
		request_remove(s, peer, at);
	*offset_bytes = piece->begin;
	return answer;
}

enum swarm_place swarm_place_block(struct swarm *s, uint32_t peer, uint32_t generation,
	const struct peer_message *piece, uint32_t *buffer, uint32_t *offset_bytes)
{
	if (peer >= s->limits.peers_max || s->peers[peer].generation != generation ||
		s->peers[peer].state != PEER_OPEN)
		return SWARM_PLACE_DISCARD;
	enum swarm_place answer = place_block(s, peer, piece, buffer, offset_bytes);

	if (answer == SWARM_PLACE_VIOLATION)
		note_offence(s, peer);
	return answer;
}

/* The rate over windows that begin when the pipeline fills: up at once, down slowly. */
static void measure(struct swarm *s, struct peer *p, uint32_t bytes, uint64_t asked_ns)
{
	p->window_bytes += bytes;
	uint64_t elapsed_ns = s->now_ns - p->window_ns;

	if (elapsed_ns >= WINDOW_NS) {
		uint64_t rate = p->window_bytes * (NS_PER_S / NS_PER_US) /
				u64_max(elapsed_ns / NS_PER_US, 1);

		if (rate > p->rate_bytes_per_s)
			p->rate_bytes_per_s = (p->rate_bytes_per_s + rate + 1) / 2;
		else
			p->rate_bytes_per_s -= (p->rate_bytes_per_s - rate) / 8;
		p->rate_bytes_per_s = u64_max(p->rate_bytes_per_s, 1);
		p->window_ns = s->now_ns;
		p->window_bytes = 0;
	}
	if (asked_ns == 0)
		return;
	uint64_t latency_ns = s->now_ns - asked_ns;

	if (p->latency_min_ns == 0 || latency_ns < p->latency_min_ns)
		p->latency_min_ns = u64_max(latency_ns, 1);
	if (latency_ns > p->latency_ns)
		p->latency_ns += (latency_ns - p->latency_ns + 1) / 2;
	else
		p->latency_ns -= (p->latency_ns - latency_ns) / 8;
}

/* No other peer is a source for what we lack: none has it, or those who do are late, or have kept
 * us choked for a while, or nothing at all comes. A slow peer is no reason: what the origin sends
 * twice, the whole site waits for. */
bool hungry(const struct swarm *s)
{
	if (s->now_ns >= s->received_ns + SOURCE_PATIENCE_NS)
		return true;
	for (uint32_t i = 0; i < s->peers_top; i++) {
		const struct peer *p = &s->peers[i];

		if (p->state == PEER_OPEN && !p->origin && !p->snubbed && p->useful_count > 0 &&
			(!p->peer_choking || s->now_ns < p->choked_ns + SOURCE_PATIENCE_NS))
			return false;
	}
	return true;
}

static void count_received(
	struct swarm *s, struct peer *p, const struct peer_message *message, bool wasted)
{
	uint32_t bytes = message->length;

	s->status.received_bytes += bytes;
	s->status.received_wire_bytes += peer_block_wire_bytes(message);
	s->received_ns = s->now_ns;
	if (p->origin)
		s->status.received_from_origin_bytes += bytes;
	if (wasted)
		s->status.wasted_bytes += bytes;
	p->snubbed = false;
	p->late_row = 0;
	p->rejects_row = 0;
}

void block_arrived(struct swarm *s, uint32_t peer, const struct peer_message *message)
{
	struct peer *p = &s->peers[peer];

	if (!p->receiving)
		return;
	uint32_t buffer = p->receiving_buffer;
	uint32_t block = p->receiving_block;
	struct buffer *b = &s->buffers[buffer];

	if (b->state != BUFFER_ARRIVING || !blame_sender(s, buffer, peer)) {
		receiving_abandon(s, peer);
		count_received(s, p, message, true);
	} else {
		p->receiving = false;
		b->receiving_count--;
		count_received(s, p, message, false);
		b->progress_ns = s->now_ns;
		p->useful = true;
		block_cancel_others(s, buffer, block);
		buffer_block_received(s, buffer, block);
	}
	measure(s, p, message->length, p->receiving_asked_ns);
	refill(s, peer);
}

void block_discarded(struct swarm *s, uint32_t peer, const struct peer_message *message)
{
	struct peer *p = &s->peers[peer];

	count_received(s, p, message, true);
	refill(s, peer);
}

/* No other peer had a hand in it, so there is nothing to find out. */
void block_bad(struct swarm *s, uint32_t peer)
{
	peer_offends(s, peer, "it sent a frame that does not decode");
}

void receiving_abandon(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	if (!p->receiving)
		return;
	struct buffer *b = &s->buffers[p->receiving_buffer];
	struct block *block = buffer_block(s, p->receiving_buffer, p->receiving_block);

	p->receiving = false;
	b->receiving_count--;
	if (b->state == BUFFER_ARRIVING) {
		block->state = BLOCK_WANTED;
		if (block->holders_count == 0)
			block_freed(s, p->receiving_buffer, p->receiving_block);
	}
	buffer_settle(s, p->receiving_buffer);
}

/* Nobody else can fill a block that is half here: whoever stops there has to go. */
void receiving_tick(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	if (!p->receiving)
		return;
	uint64_t patience_ns = STALL_MIN_NS;

	if (p->rate_bytes_per_s > 0)
		patience_ns = u64_min(
			u64_max(4 * NS_PER_S * s->limits.request_bytes / p->rate_bytes_per_s,
				STALL_MIN_NS),
			STALL_MAX_NS);
	if (s->now_ns >= p->receiving_ns + patience_ns)
		peer_offends(s, peer, "it stalled in the middle of a block");
	else
		wake_at(s, p->receiving_ns + patience_ns);
}
