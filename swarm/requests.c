/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What we have asked each peer for: its pipeline, how deep it is, and what happens to requests that
 * are refused or late. A late peer loses all its requests to the others and is then asked for one
 * block at a time until it answers; a block that comes after all is still taken if it is wanted.
 *
 * One request asks for one block, or our own nodes for a run of them: as much as the peer sends in
 * a moment, so that a fast link costs few messages and a slow one is not held for long.
 */
#include "swarm/engine.h"

#define DEPTH_FIRST	       8
#define DEPTH_FRAMES	       2 /* whole runs */
#define DEPTH_MIN	       4
#define HORIZON_NS	       (500 * NS_PER_MS) /* of queue at a peer, beyond the round trip */
#define LATENCY_HORIZON_MAX_NS NS_PER_S
#define ESTIMATE_FIRST_NS      (3 * NS_PER_S)
#define PATIENCE_MIN_NS	       (4 * NS_PER_S)
#define PATIENCE_MAX_NS	       (60 * NS_PER_S)
#define QUIET_NS	       (250 * NS_PER_MS)
#define REJECTS_ROW_MAX	       3
#define REQUESTS_A_UNIT	       64
#define RUN_MS		       16 /* of a peer's rate: what one request asks for */

struct request *request_at(const struct swarm *s, const struct peer *p, uint32_t at)
{
	return &p->requests[(p->requests_first + at) % s->limits.requests_per_peer_max];
}

void refill(struct swarm *s, uint32_t peer)
{
	bitset_set(&s->refill, peer);
	s->work |= WORK_REQUEST;
}

void refill_origins(struct swarm *s)
{
	BITSET_FOREACH (i, &s->origins)
		refill(s, i);
}

void refill_all(struct swarm *s)
{
	bitset_add(&s->refill, &s->askable);
	s->work |= WORK_REQUEST;
}

/* ---- the ring ---- */

uint32_t request_find(const struct swarm *s, const struct peer *p, uint32_t index, uint32_t begin)
{
	if (begin % s->limits.block_bytes != 0)
		return BLOCK_NONE;
	uint32_t block = begin / s->limits.block_bytes;

	for (uint32_t i = 0; i < p->requests_count; i++) {
		const struct request *r = request_at(s, p, i);

		if (r->block == block && s->buffers[r->buffer].piece == index)
			return i;
	}
	return BLOCK_NONE;
}

uint32_t request_covering(
	const struct swarm *s, const struct peer *p, uint32_t buffer, uint32_t block)
{
	for (uint32_t i = 0; i < p->requests_count; i++) {
		const struct request *r = request_at(s, p, i);

		if (r->buffer == buffer && block >= r->block && block - r->block < r->blocks_count)
			return i;
	}
	return BLOCK_NONE;
}

uint32_t request_length(const struct swarm *s, const struct request *r)
{
	return run_length(s, s->buffers[r->buffer].piece, r->block, r->blocks_count);
}

static void drop_holder(struct swarm *s, uint32_t peer, uint32_t buffer, uint32_t block)
{
	struct block *b = buffer_block(s, buffer, block);

	if (b->holders[0] == peer)
		b->holders[0] = b->holders[1];
	b->holders_count--;
	if (b->holders_count == 0 && b->state == BLOCK_WANTED)
		block_freed(s, buffer, block);
}

struct request request_remove(struct swarm *s, uint32_t peer, uint32_t at)
{
	struct peer *p = &s->peers[peer];
	struct request removed = *request_at(s, p, at);

	/* Answers come in order: what is removed is nearly always the first. */
	for (; at > 0; at--)
		*request_at(s, p, at) = *request_at(s, p, at - 1);
	p->requests_first = (p->requests_first + 1) % s->limits.requests_per_peer_max;
	p->requests_count--;
	if (p->requests_count == 0)
		bitset_clear(&s->asked, peer);
	s->work |= WORK_REQUEST; /* there may be room for another */
	p->requests_bytes -= request_length(s, &removed);
	s->requested_bytes -= request_length(s, &removed);
	for (uint32_t i = 0; i < removed.blocks_count; i++)
		drop_holder(s, peer, removed.buffer, removed.block + i);
	return removed;
}

/* It will not be answered, or later than anybody reckons with. */
static struct request request_give_up(struct swarm *s, uint32_t peer, uint32_t at)
{
	struct request removed = request_remove(s, peer, at);

	throttle_given_up(s);
	return removed;
}

/* Gives up the one for that block without a word; it may still be answered. */
void request_forget(struct swarm *s, uint32_t peer, uint32_t buffer, uint32_t block)
{
	struct peer *p = &s->peers[peer];

	request_give_up(s, peer, request_covering(s, p, buffer, block));
	p->stale_blocks++;
	refill(s, peer);
}

static void send_request(
	struct swarm *s, uint32_t peer, enum peer_message_id id, const struct request *r)
{
	send_triple(s, peer, id, s->buffers[r->buffer].piece, r->block * s->limits.block_bytes,
		request_length(s, r));
}

static bool all_received(struct swarm *s, const struct request *r)
{
	for (uint32_t i = 0; i < r->blocks_count; i++)
		if (buffer_block(s, r->buffer, r->block + i)->state != BLOCK_RECEIVED)
			return false;
	return true;
}

/* The block is here. A run of which something is still wanted stays with whom it was asked from. */
void block_cancel_others(struct swarm *s, uint32_t buffer, uint32_t block)
{
	const struct block *b = buffer_block(s, buffer, block);
	uint32_t i = 0;

	while (i < b->holders_count) {
		uint32_t peer = b->holders[i];
		const struct peer *p = &s->peers[peer];
		struct request r = *request_at(s, p, request_covering(s, p, buffer, block));

		if (!all_received(s, &r)) {
			i++;
			continue;
		}
		send_request(s, peer, PEER_CANCEL, &r);
		request_forget(s, peer, buffer, block);
	}
}

void requests_drop(struct swarm *s, uint32_t peer, bool cancel)
{
	struct peer *p = &s->peers[peer];

	while (p->requests_count > 0) {
		struct request r = request_give_up(s, peer, 0);

		p->stale_blocks++;
		if (cancel)
			send_request(s, peer, PEER_CANCEL, &r);
	}
	/* Pieces that only this peer may fill would wait for it for ever. */
	BITSET_FOREACH (i, &s->arriving)
		if (s->buffers[i].exclusive_peer == peer)
			buffer_give_up(s, i);
	p->buffer = SWARM_BUFFER_NONE;
}

/* ---- depth and patience ---- */

static bool has_room(const struct swarm *s, const struct peer *p)
{
	uint32_t most = (uint32_t)u64_min(s->limits.requests_per_peer_max, p->requests_max);

	if (p->snubbed)
		return p->requests_count == 0;
	if (frames_expected(s, p) && p->requests_count < u64_min(DEPTH_FRAMES, most))
		return true;
	if (p->rate_bytes_per_s == 0)
		return p->requests_count < u64_min(DEPTH_FIRST, most) && !frames_expected(s, p);
	if (p->requests_count < u64_min(DEPTH_MIN, most) && !frames_expected(s, p))
		return true;
	uint64_t horizon_ns = HORIZON_NS + 2 * u64_min(p->latency_min_ns, LATENCY_HORIZON_MAX_NS);
	uint64_t bytes = p->rate_bytes_per_s / 1000 * (horizon_ns / NS_PER_MS);
	uint64_t bytes_max = (uint64_t)s->limits.requests_per_peer_max * s->limits.block_bytes;

	return p->requests_count < most && p->requests_bytes <= bytes &&
	       p->requests_bytes < bytes_max;
}

/* How many blocks one request to it asks for at most. */
static uint32_t run_blocks_max(const struct swarm *s, const struct peer *p)
{
	uint64_t bytes_max = u64_min(s->limits.request_bytes, p->request_bytes_max);
	uint64_t bytes = p->rate_bytes_per_s / 1000 * RUN_MS;
	uint32_t blocks = 1;

	if (p->snubbed)
		return 1;
	bytes = u64_min(bytes, bytes_max);
	while (2 * blocks <= SWARM_RUN_BLOCKS_MAX && 2ull * blocks * s->limits.block_bytes <= bytes)
		blocks *= 2;
	return blocks;
}

/* When a request that is sent now, the last of those that are out, should long have been answered.
 */
static uint64_t due(const struct swarm *s, const struct peer *p)
{
	uint64_t estimate_ns = p->latency_ns;

	if (p->rate_bytes_per_s == 0) {
		estimate_ns = ESTIMATE_FIRST_NS;
	} else {
		uint64_t queue_ns = p->requests_bytes * NS_PER_S / p->rate_bytes_per_s;

		estimate_ns = u64_max(estimate_ns, u64_min(queue_ns, PATIENCE_MAX_NS));
	}
	uint64_t patience_ns = u64_max(2 * estimate_ns, PATIENCE_MIN_NS) << u64_min(p->late_row, 5);

	return s->now_ns + u64_min(patience_ns, PATIENCE_MAX_NS);
}

/* ---- asking ---- */

/* The blocks from `block` on that are like it: wanted, and held by nobody or by the same one. */
static uint32_t run_of(struct swarm *s, const struct peer *p, uint32_t buffer, uint32_t block)
{
	const struct block *first = buffer_block(s, buffer, block);
	/* A second request is for what is late, no more. */
	uint32_t most = frames_expected(s, p) && first->holders_count == 0 && !p->snubbed
				? frame_run_blocks(s, block)
				: run_blocks_max(s, p);
	uint32_t left = s->buffers[buffer].blocks_count - block;
	uint32_t count = 1;

	for (; count < most && count < left; count++) {
		const struct block *next = buffer_block(s, buffer, block + count);

		if (next->state != BLOCK_WANTED || next->holders_count != first->holders_count ||
			(first->holders_count > 0 && next->holders[0] != first->holders[0]))
			break;
	}
	return count;
}

static void request_run(struct swarm *s, uint32_t peer, uint32_t buffer, uint32_t block)
{
	struct peer *p = &s->peers[peer];
	struct request r = {
		.buffer = buffer,
		.block = block,
		.blocks_count = run_of(s, p, buffer, block),
		.sent_ns = s->now_ns,
	};

	if (p->requests_count == 0) { /* idle time says nothing about its rate */
		p->window_ns = s->now_ns;
		p->window_bytes = 0;
	}
	blame_involve(s, buffer, peer);
	for (uint32_t i = 0; i < r.blocks_count; i++) {
		struct block *b = buffer_block(s, buffer, block + i);

		if (b->holders_count == 0)
			s->buffers[buffer].blocks_free--;
		b->holders[b->holders_count++] = (uint16_t)peer;
	}
	p->requests_count++;
	bitset_set(&s->asked, peer);
	p->requests_bytes += request_length(s, &r);
	s->requested_bytes += request_length(s, &r);
	r.due_ns = due(s, p);
	*request_at(s, p, p->requests_count - 1) = r;
	wake_peer_at(s, peer, r.due_ns);
	send_request(s, peer, PEER_REQUEST, &r);
}

static bool is_late(const struct swarm *s, const struct peer *p)
{
	return p->requests_count > 0 && s->now_ns >= request_at(s, p, 0)->due_ns;
}

static void peer_late(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	p->snubbed = true;
	p->late_row++;
	requests_drop(s, peer, true);
}

static void peer_refill(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];
	uint32_t asked = 0;

	if (p->state != PEER_OPEN)
		return;
	if (is_late(s, p))
		peer_late(s, peer);
	if (p->peer_choking || !p->am_interested || s->disk_failed ||
		p->request_bytes_max < s->limits.block_bytes)
		return;
	if (s->now_ns < p->quiet_until_ns) {
		wake_peer_at(s, peer, p->quiet_until_ns);
		return;
	}
	if (frames_elsewhere(s, p)) {
		wake_peer_at(s, peer, s->now_ns + NS_PER_S);
		return;
	}
	for (; asked < REQUESTS_A_UNIT && has_room(s, p); asked++) {
		uint32_t buffer;

		if (!throttle_may_ask(s, p) || !intake_room(s, peer))
			return;
		uint32_t block = choose_block(s, peer, &buffer);

		if (block == BLOCK_NONE) {
			intake_nothing(s, peer);
			return;
		}
		request_run(s, peer, buffer, block);
	}
	if (asked == REQUESTS_A_UNIT)
		refill(s, peer);
}

bool requests_work(struct swarm *s)
{
	uint32_t before = s->effects_count;

	while (s->effects_count == before) {
		uint32_t peer = bitset_next_set(&s->refill, s->refill_cursor);

		if (peer == BITSET_NONE)
			peer = bitset_next_set(&s->refill, 0);
		if (peer == BITSET_NONE) {
			intake_resume(s);
			s->work &= bitset_count(&s->refill) > 0 ? ~0u : ~(uint32_t)WORK_REQUEST;
			return s->effects_count != before;
		}
		bitset_clear(&s->refill, peer);
		s->refill_cursor = peer + 1;
		peer_refill(s, peer);
		if (!s->peers[peer].origin && s->peers[peer].requests_count == 0)
			refill_origins(s); /* they may have to help out */
	}
	return true;
}

void requests_tick(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];
	bool quiet_over = p->quiet_until_ns != 0 && s->now_ns >= p->quiet_until_ns;
	bool late = is_late(s, p);

	if (quiet_over)
		p->quiet_until_ns = 0;
	if (late || quiet_over)
		refill(s, peer);
	s->work |= WORK_REQUEST; /* who is silent makes room for others */
	if (p->requests_count > 0 && !late)
		wake_peer_at(s, peer, request_at(s, p, 0)->due_ns);
}

/* ---- refusals ---- */

void request_rejected(struct swarm *s, uint32_t peer, const struct peer_message *message)
{
	struct peer *p = &s->peers[peer];
	uint32_t at = request_find(s, p, message->index, message->begin);

	refill(s, peer);
	if (at == BLOCK_NONE || request_length(s, request_at(s, p, at)) != message->length) {
		if (p->stale_blocks > 0)
			p->stale_blocks--;
		return;
	}
	(void)request_give_up(s, peer, at);
	if (p->peer_choking)
		return;
	/* It unchoked us and refuses all the same: not at once again, and soon not this piece. */
	p->rejects_row++;
	p->quiet_until_ns = s->now_ns + (QUIET_NS << u64_min(p->rejects_row, 5));
	if (p->rejects_row >= REJECTS_ROW_MAX)
		peer_has_not(s, peer, message->index);
}
