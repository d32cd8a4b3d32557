/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where arriving blocks go, and what their arrival tells about the peer. While a block is on its
 * way into a buffer nobody else's copy of it goes there, and the piece is not hashed.
 */
#include "swarm/engine.h"

#define SURPLUS_BLOCKS_MAX  64
#define STALL_MIN_NS	    (3 * NS_PER_S) /* in the middle of one block */
#define STALL_MAX_NS	    (10 * NS_PER_S)
#define STALL_BYTES_PER_S   (64 * KIB)
#define TRICKLE_BYTES_PER_S KIB /* less is as good as nothing */
#define OUTRUN_TIMES	    4
#define SOURCE_PATIENCE_NS  (3 * NS_PER_S)
#define COMING_PATIENCE_NS  (4 * NS_PER_S)
#define WINDOW_NS	    (50 * NS_PER_MS)

/* A block that was asked for and given up (late, cancelled, choked) is taken if it is still wanted.
 */
static uint32_t find_late(const struct swarm *s, uint32_t peer, const struct peer_message *message)
{
	uint32_t buffer = s->pieces[s->pieces[message->index].leader].buffer;

	if (buffer == SWARM_BUFFER_NONE || s->buffers[buffer].state != BUFFER_ARRIVING ||
		s->buffers[buffer].piece != message->index ||
		message->begin % s->limits.block_bytes != 0 || !blame_may_send(s, buffer, peer))
		return SWARM_BUFFER_NONE;
	return buffer;
}

/* Takes what is wanted of a run of blocks, as bits. */
static uint64_t take_wanted(struct swarm *s, uint32_t buffer, uint32_t first, uint32_t blocks_count)
{
	struct buffer *b = &s->buffers[buffer];
	uint64_t wanted = 0;

	for (uint32_t i = 0; i < blocks_count; i++) {
		struct block *block = buffer_block(s, buffer, first + i);

		if (block->state != BLOCK_WANTED)
			continue;
		if (block->holders_count == 0)
			b->blocks_free--;
		block->state = BLOCK_RECEIVING;
		b->receiving_count++;
		wanted |= (uint64_t)1 << i;
	}
	return wanted;
}

static enum swarm_place place(struct swarm *s, uint32_t peer, const struct peer_message *message,
	struct swarm_placement *placement, uint64_t asked_ns)
{
	struct peer *p = &s->peers[peer];
	uint32_t block = message->begin / s->limits.block_bytes;
	uint64_t blocks_count = u64_div_up(message->length, s->limits.block_bytes);

	if (blocks_count > SWARM_RUN_BLOCKS_MAX ||
		message->length != run_length(s, message->index, block, (uint32_t)blocks_count))
		return SWARM_PLACE_VIOLATION;
	placement->wanted = take_wanted(s, placement->buffer, block, (uint32_t)blocks_count);
	if (placement->wanted == 0)
		return SWARM_PLACE_DISCARD;
	placement->offset_bytes = message->begin;
	placement->block_bytes = s->limits.block_bytes;
	p->receiving = true;
	p->receiving_buffer = placement->buffer;
	p->receiving_block = block;
	p->receiving_wanted = placement->wanted;
	p->receiving_bytes = message->length;
	p->receiving_wire_bytes = peer_block_wire_bytes(message);
	p->receiving_ns = p->coming_ns = s->now_ns;
	p->come_bytes = 0;
	p->receiving_asked_ns = asked_ns;
	wake_peer_at(s, peer, s->now_ns + STALL_MIN_NS);
	return SWARM_PLACE_BUFFER;
}

static enum swarm_place place_block(struct swarm *s, uint32_t peer,
	const struct peer_message *piece, struct swarm_placement *placement)
{
	struct peer *p = &s->peers[peer];

	if (piece->id == PEER_FRAME && !s->settings.frames)
		return SWARM_PLACE_VIOLATION;
	if (piece->index >= s->pieces_count || piece->length == 0 || p->receiving ||
		(uint64_t)piece->begin + piece->length > piece_length(s, piece->index))
		return SWARM_PLACE_VIOLATION;
	uint32_t at = request_find(s, p, piece->index, piece->begin);
	uint64_t asked_ns = 0;

	throttle_take(s, &s->down, peer_block_wire_bytes(piece));
	if (at != BLOCK_NONE && piece->length != request_length(s, request_at(s, p, at))) {
		if (p->stale_blocks == 0)
			return SWARM_PLACE_VIOLATION;
		at = BLOCK_NONE; /* the answer to an earlier request, which began there as well */
	}
	if (at != BLOCK_NONE) {
		placement->buffer = request_at(s, p, at)->buffer;
		asked_ns = request_at(s, p, at)->sent_ns;
	} else if (p->stale_blocks > 0) {
		p->stale_blocks--;
		placement->buffer = find_late(s, peer, piece);
	} else {
		placement->buffer = SWARM_BUFFER_NONE;
		if (++p->surplus_blocks > SURPLUS_BLOCKS_MAX)
			return SWARM_PLACE_VIOLATION;
	}
	if (placement->buffer == SWARM_BUFFER_NONE)
		return SWARM_PLACE_DISCARD;
	enum swarm_place answer = place(s, peer, piece, placement, asked_ns);

	if (at != BLOCK_NONE)
		request_remove(s, peer, at);
	return answer;
}

enum swarm_place swarm_place_block(struct swarm *s, uint32_t peer, uint32_t generation,
	const struct peer_message *piece, struct swarm_placement *placement)
{
	if (peer >= s->limits.peers_max || s->peers[peer].generation != generation ||
		s->peers[peer].state != PEER_OPEN)
		return SWARM_PLACE_DISCARD;
	enum swarm_place answer = place_block(s, peer, piece, placement);

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

		if (p->state == PEER_OPEN && !p->origin && !p->snubbed && rack_useful(s, p) &&
			(!p->peer_choking || p->declined ||
				s->now_ns < p->choked_ns + SOURCE_PATIENCE_NS))
			return false;
	}
	return true;
}

static void count_received(
	struct swarm *s, struct peer *p, const struct peer_message *message, uint32_t wasted_bytes)
{
	uint32_t bytes = message->length;

	s->status.received_bytes += bytes;
	s->status.received_wire_bytes += peer_block_wire_bytes(message);
	s->received_ns = p->received_ns = s->now_ns;
	if (p->origin)
		s->status.received_from_origin_bytes += bytes;
	if (p->distance > 0 || p->near_alone)
		s->status.received_from_elsewhere_bytes += bytes;
	s->status.wasted_bytes += wasted_bytes;
	p->snubbed = false;
	p->late_row = 0;
	p->rejects_row = 0;
}

/* What was wanted of the run is here. Returns the bytes of the rest. */
static uint32_t run_received(struct swarm *s, struct peer *p, uint32_t sender)
{
	uint32_t buffer = p->receiving_buffer;
	struct buffer *b = &s->buffers[buffer];
	uint32_t blocks_count = 0;
	uint32_t surplus_bytes = p->receiving_bytes;

	p->receiving = false;
	b->progress_ns = s->now_ns;
	for (uint32_t i = 0; i < SWARM_RUN_BLOCKS_MAX; i++) {
		uint32_t block = p->receiving_block + i;

		if ((p->receiving_wanted >> i & 1) == 0)
			continue;
		buffer_block(s, buffer, block)->state = BLOCK_RECEIVED;
		buffer_block(s, buffer, block)->sender = (uint8_t)sender;
		surplus_bytes -= run_length(s, b->piece, block, 1);
		blocks_count++;
	}
	for (uint32_t i = 0; i < SWARM_RUN_BLOCKS_MAX; i++)
		if ((p->receiving_wanted >> i & 1) != 0)
			block_cancel_others(s, buffer, p->receiving_block + i);
	b->receiving_count -= blocks_count;
	buffer_blocks_received(s, buffer, blocks_count);
	return surplus_bytes;
}

void block_arrived(struct swarm *s, uint32_t peer, const struct peer_message *message)
{
	struct peer *p = &s->peers[peer];

	if (!p->receiving)
		return;
	uint32_t sender = SENDERS_MAX;

	if (s->buffers[p->receiving_buffer].state == BUFFER_ARRIVING)
		sender = blame_sender(s, p->receiving_buffer, peer);
	if (sender == SENDERS_MAX) {
		receiving_abandon(s, peer);
		count_received(s, p, message, message->length);
	} else {
		p->useful = true;
		count_received(s, p, message, run_received(s, p, sender));
	}
	measure(s, p, message->length, p->receiving_asked_ns);
	rack_arrived(s, p);
	frame_learn(s, p, message);
	refill(s, peer);
}

/* It is at it: what it was asked for behind this is not late yet. */
void block_coming(struct swarm *s, uint32_t peer, uint32_t bytes_count)
{
	struct peer *p = &s->peers[peer];

	if (!p->receiving || bytes_count <= p->come_bytes)
		return;
	p->come_bytes = bytes_count;
	p->coming_ns = p->received_ns = s->received_ns = s->now_ns;
	for (uint32_t i = 0; i < p->requests_count; i++) {
		struct request *r = request_at(s, p, i);

		r->due_ns = u64_max(r->due_ns, s->now_ns + COMING_PATIENCE_NS);
	}
}

void block_discarded(struct swarm *s, uint32_t peer, const struct peer_message *message)
{
	struct peer *p = &s->peers[peer];

	count_received(s, p, message, message->length);
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

	p->receiving = false;
	for (uint32_t i = 0; i < SWARM_RUN_BLOCKS_MAX; i++) {
		if ((p->receiving_wanted >> i & 1) == 0)
			continue;
		b->receiving_count--;
		if (b->state != BUFFER_ARRIVING)
			continue;
		struct block *block = buffer_block(s, p->receiving_buffer, p->receiving_block + i);

		block->state = BLOCK_WANTED;
		if (block->holders_count == 0)
			block_freed(s, p->receiving_buffer, p->receiving_block + i);
	}
	buffer_settle(s, p->receiving_buffer);
}

/* Nothing is left to begin, and others bring much more than this one. */
static bool outrun(const struct swarm *s, uint32_t peer, uint64_t rate_bytes_per_s)
{
	uint32_t piece = s->buffers[s->peers[peer].receiving_buffer].piece;

	if (picker_wanted_count(&s->picker) > 0)
		return false;
	BITSET_FOREACH (i, &s->askable) {
		const struct peer *other = &s->peers[i];

		if (i != peer && !other->snubbed && bitset_has(&other->has, piece) &&
			other->rate_bytes_per_s >= OUTRUN_TIMES * rate_bytes_per_s)
			return true;
	}
	return false;
}

/* Nobody else can fill a block that is half here: whoever stops there has to go. A large run may
 * take long on a slow link, and as long as it comes that is no offence, unless it is the end that
 * waits for it. */
void receiving_tick(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	if (!p->receiving)
		return;
	uint64_t patience_ns = p->receiving_bytes * NS_PER_S / STALL_BYTES_PER_S;
	/* In the bytes that it will be, as rates are. */
	uint64_t come_bytes =
		(uint64_t)p->come_bytes * p->receiving_bytes / u64_max(p->receiving_wire_bytes, 1);
	uint64_t rate = come_bytes * 1000 / u64_max((s->now_ns - p->receiving_ns) / NS_PER_MS, 1);
	bool slow = rate < TRICKLE_BYTES_PER_S || outrun(s, peer, rate);
	uint64_t since_ns = slow ? p->receiving_ns : p->coming_ns;

	if (p->rate_bytes_per_s > 0)
		patience_ns = u64_max(
			patience_ns, 4 * NS_PER_S * p->receiving_bytes / p->rate_bytes_per_s);
	patience_ns = u64_min(u64_max(patience_ns, STALL_MIN_NS), STALL_MAX_NS);
	if (s->now_ns >= since_ns + patience_ns)
		peer_offends(s, peer, "it stalled in the middle of a block");
	else
		wake_peer_at(s, peer, since_ns + patience_ns);
}
