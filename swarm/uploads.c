/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serving: whose requests are taken, and which block leaves next. Peers with a slot are served in
 * turn, a few blocks each.
 */
#include "swarm/engine.h"

#define SENDS_A_PEER	    8 /* blocks handed to the driver per peer */
#define REJECTS_A_UNIT	    64
#define IDLE_REQUESTS_EXTRA 1024

struct incoming *incoming_at(const struct swarm *s, const struct peer *p, uint32_t at)
{
	return &p->incoming[(p->incoming_first + at) % s->limits.incoming_requests_max];
}

static struct incoming incoming_remove(struct swarm *s, struct peer *p, uint32_t at)
{
	struct incoming removed = *incoming_at(s, p, at);

	for (; at > 0; at--)
		*incoming_at(s, p, at) = *incoming_at(s, p, at - 1);
	p->incoming_first = (p->incoming_first + 1) % s->limits.incoming_requests_max;
	p->incoming_count--;
	return removed;
}

static void reject(struct swarm *s, uint32_t peer, const struct incoming *what)
{
	if (s->peers[peer].fast)
		send_triple(s, peer, PEER_REJECT, what->index, what->begin, what->length);
}

/* ---- requests ---- */

/* What we say that we answer; foreign clients, which ask for 128 KiB at most, get as much. */
uint32_t upload_bytes_max(const struct swarm *s)
{
	return (uint32_t)u64_max(PEER_REQUEST_BYTES_MAX, s->limits.block_bytes);
}

static bool within_piece(const struct swarm *s, const struct incoming *what)
{
	return what->length > 0 && what->length <= upload_bytes_max(s) &&
	       (uint64_t)what->begin + what->length <= piece_length(s, what->index);
}

void upload_requested(struct swarm *s, uint32_t peer, const struct peer_message *message)
{
	struct peer *p = &s->peers[peer];
	struct incoming what = {message->index, message->begin, message->length};

	if (!within_piece(s, &what)) {
		peer_offends(s, peer, "a request outside of its piece");
		return;
	}
	upload_answered(s, peer);
	if (p->unchoked && piece_have(s, what.index) &&
		p->incoming_count < s->limits.incoming_requests_max) {
		p->incoming_count++;
		*incoming_at(s, p, p->incoming_count - 1) = what;
		bitset_set(&s->serve, peer);
		p->idle_requests = 0;
		origin_requested(s, peer, what.index, what.length);
		s->work |= WORK_UPLOAD;
		return;
	}
	/* It crossed our choke, or it asks for what we do not have, or for too much at a time. That
	 * happens; without end it does not. */
	if (++p->idle_requests > s->limits.incoming_requests_max + IDLE_REQUESTS_EXTRA)
		peer_offends(s, peer, "it asks for what it cannot have");
	else
		reject(s, peer, &what);
}

static bool is_same(const struct incoming *what, const struct peer_message *message)
{
	return what->index == message->index && what->begin == message->begin &&
	       what->length == message->length;
}

void upload_cancelled(struct swarm *s, uint32_t peer, const struct peer_message *message)
{
	struct peer *p = &s->peers[peer];

	for (uint32_t i = 0; i < p->incoming_count; i++) {
		if (!is_same(incoming_at(s, p, i), message))
			continue;
		struct incoming what = incoming_remove(s, p, i);

		origin_cancelled(s, peer, what.index, what.length);
		reject(s, peer, &what);
		return;
	}
	for (uint32_t i = 0; i < p->sends_count; i++) {
		if (!is_same(&p->sends[i].what, message) || p->sends[i].cancelled)
			continue;
		p->sends[i].cancelled = true;
		struct swarm_effect *effect = effect_peer(s, SWARM_EFFECT_CANCEL_SEND, peer);

		effect->message = *message;
		effect->message.id = PEER_PIECE;
		return;
	}
}

/* ---- sending ---- */

static void release_send(struct swarm *s, uint32_t peer, uint32_t at)
{
	struct peer *p = &s->peers[peer];
	uint32_t buffer = p->sends[at].buffer;

	p->sends_count--;
	memmove(&p->sends[at], &p->sends[at + 1],
		(p->sends_count - at) * sizeof(struct outgoing_block));
	bitset_set(&s->serve, peer);
	if (buffer != SWARM_BUFFER_NONE) {
		s->buffers[buffer].sends_count--;
		buffer_settle(s, buffer);
	}
	s->work |= WORK_UPLOAD;
}

static uint32_t find_send(const struct peer *p, const struct peer_message *message)
{
	for (uint32_t i = 0; i < p->sends_count; i++)
		if (is_same(&p->sends[i].what, message))
			return i;
	return SENDS_MAX;
}

/* Handed to the driver, and none of it left. */
static void not_sent(struct swarm *s, uint32_t peer, uint32_t at)
{
	const struct incoming *what = &s->peers[peer].sends[at].what;

	throttle_give_back(s, &s->up, what->length);
	origin_cancelled(s, peer, what->index, what->length);
	reject(s, peer, what);
}

void upload_sent(struct swarm *s, uint32_t peer, const struct peer_message *message, bool ok)
{
	struct peer *p = &s->peers[peer];
	uint32_t at = find_send(p, message);

	if (at == SENDS_MAX)
		return;
	p->useful |= ok;
	if (ok) {
		p->block_sent_ns = s->now_ns;
		lending_takes(s, p, message->length);
		s->status.sent_bytes += message->length;
		s->status.sent_wire_bytes += peer_block_wire_bytes(message);
		throttle_give_back(s, &s->up, frame_saved_bytes(message));
	} else {
		not_sent(s, peer, at);
	}
	release_send(s, peer, at);
}

void upload_unreadable(struct swarm *s, uint32_t peer, const struct peer_message *message)
{
	struct peer *p = &s->peers[peer];
	uint32_t at = find_send(p, message);

	if (at == SENDS_MAX)
		return;
	not_sent(s, peer, at);
	release_send(s, peer, at);
	if (!p->fast)
		peer_close(s, peer, "a block that was promised cannot be read");
}

static void send_block(struct swarm *s, uint32_t peer, const struct incoming *what)
{
	struct peer *p = &s->peers[peer];
	struct swarm_effect *effect = effect_peer(s, SWARM_EFFECT_SEND_BLOCK, peer);
	uint32_t buffer = buffer_of(s, what->index);

	throttle_take(s, &s->up, what->length);
	p->turn_bytes += what->length;
	p->turn_piece = what->index;
	effect->message.id = PEER_PIECE;
	effect->message.index = what->index;
	effect->message.begin = what->begin;
	effect->message.length = what->length;
	effect->message.extended_id = p->id_frame;
	effect->buffer = buffer;
	p->sends[p->sends_count++] = (struct outgoing_block){.what = *what, .buffer = buffer};
	if (buffer != SWARM_BUFFER_NONE) {
		s->buffers[buffer].sends_count++;
		s->buffers[buffer].used_ns = s->now_ns;
	}
}

/* What its next block belongs to. */
uint32_t upload_next_piece(const struct swarm *s, uint32_t peer)
{
	const struct peer *p = &s->peers[peer];

	return p->incoming_count > 0 ? incoming_at(s, p, 0)->index : PIECE_NONE;
}

static void serve(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	if (p->rejecting) {
		for (uint32_t i = 0; i < REJECTS_A_UNIT && p->incoming_count > 0; i++) {
			struct incoming what = incoming_remove(s, p, 0);

			reject(s, peer, &what);
		}
		p->rejecting = p->incoming_count > 0;
		return;
	}
	while (p->unchoked && p->incoming_count > 0 && p->sends_count < SENDS_A_PEER &&
		throttle_open(s, &s->up)) {
		struct incoming what = incoming_remove(s, p, 0);

		if (piece_have(s, what.index))
			send_block(s, peer, &what);
		else /* lost since it was asked for */
			reject(s, peer, &what);
	}
	haves_idle(s, peer);
}

/* Of what was handed to the driver one block may be on its way, nobody knows how far: at least the
 * others were never sent. */
static void give_back_unsent(struct swarm *s, const struct peer *p)
{
	uint64_t unsent_bytes = 0;
	uint32_t largest_bytes = 0;

	for (uint32_t i = 0; i < p->sends_count; i++) {
		unsent_bytes += p->sends[i].what.length;
		largest_bytes = (uint32_t)u64_max(largest_bytes, p->sends[i].what.length);
	}
	throttle_give_back(s, &s->up, unsent_bytes - largest_bytes);
}

void upload_leave(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	give_back_unsent(s, p);
	while (p->sends_count > 0)
		release_send(s, peer, p->sends_count - 1);
	p->incoming_count = 0;
	p->peer_interested = p->rejecting = false;
	if (p->unchoked)
		s->slots_count--;
	p->unchoked = false;
	bitset_clear(&s->unchoked, peer);
	bitset_clear(&s->interested, peer);
	bitset_clear(&s->serve, peer);
	s->work |= WORK_UPLOAD;
}

bool uploads_work(struct swarm *s)
{
	uint32_t before = s->effects_count;

	for (;;) {
		uint32_t peer = bitset_next_set(&s->serve, s->upload_cursor);

		if (peer == BITSET_NONE)
			peer = bitset_next_set(&s->serve, 0);
		if (peer == BITSET_NONE)
			break;
		serve(s, peer);
		if (s->effects_count != before) {
			s->upload_cursor = peer + 1;
			return true;
		}
		bitset_clear(&s->serve, peer);
	}
	if (slots_work(s))
		return true;
	s->work &= ~(uint32_t)WORK_UPLOAD;
	return false;
}
