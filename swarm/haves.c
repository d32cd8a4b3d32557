/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling peers what we have. Foreign ones hear of each piece at once (HAVE). Our own hear of
 * several at a time (sb_haves, docs/peer-wire.md): pieces wait in a log in which each peer has a
 * place, until the batch is full, a moment has passed, or the peer has nothing else to take from
 * us. So a piece spreads as quickly as ever while peers are idle, and costs few messages while they
 * are busy.
 */
#include "swarm/engine.h"

#define WINDOW_MAX_NS (100 * NS_PER_MS)
#define WINDOW_PIECES_MAX                                                                          \
	8 /* pieces a window, once an image has so many that it does not matter                    \
	   */
#define PIECES_PER_STEP 256

/* Longest wait of a piece for others: a few times what it takes for the next to come, and no wait
 * at all where the image has few pieces and each delay counts. */
static uint64_t window_ns(const struct swarm *s)
{
	uint64_t pieces = u64_min(s->pieces_count / PIECES_PER_STEP, WINDOW_PIECES_MAX);

	return u64_min(pieces * s->haves.interval_ns, WINDOW_MAX_NS);
}

static uint32_t log_at(const struct swarm *s, uint32_t number)
{
	return s->haves.log[number % HAVES_LOG];
}

/* What it has not been told, as far as we still have it. */
uint32_t haves_gather(const struct swarm *s, uint32_t from, uint32_t *pieces)
{
	uint32_t count = 0;

	for (uint32_t number = from; number != s->haves.end; number++)
		if (piece_have(s, log_at(s, number)))
			pieces[count++] = log_at(s, number);
	return count;
}

void haves_flush(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];
	uint32_t pieces[PEER_HAVES_MAX];
	uint32_t from = p->haves_from;

	if (from == s->haves.end)
		return;
	p->haves_from = s->haves.end;
	uint32_t count = haves_gather(s, from, pieces);

	if (count == 1) {
		send_index(s, peer, PEER_HAVE, pieces[0]);
	} else if (count > 1) {
		struct peer_message *message = &effect_peer(s, SWARM_EFFECT_SEND, peer)->message;

		message->id = PEER_EXTENDED;
		message->extended_id = p->id_haves;
		message->begin = PEER_EXTENSION_HAVES; /* what it is, whatever its id there */
		message->index = from;
	}
}

/* It can use the news now: it takes nothing from us, or is about to run dry. */
static bool is_urgent(const struct peer *p)
{
	return !p->peer_interested || (p->unchoked && p->incoming_count == 0);
}

void haves_idle(struct swarm *s, uint32_t peer)
{
	if (s->peers[peer].state == PEER_OPEN && is_urgent(&s->peers[peer]))
		haves_flush(s, peer);
}

/* Of a new piece. */
static void tell(struct swarm *s, uint32_t peer, uint32_t piece)
{
	struct peer *p = &s->peers[peer];

	if (p->id_haves == 0) {
		p->haves_from = s->haves.end;
		send_index(s, peer, PEER_HAVE, piece);
	} else if (is_urgent(p) || window_ns(s) == 0 ||
		   s->haves.end - p->haves_from == PEER_HAVES_MAX) {
		haves_flush(s, peer);
	}
}

void haves_add(struct swarm *s, uint32_t piece)
{
	struct haves *h = &s->haves;
	uint64_t interval_ns = s->now_ns - h->last_ns;

	h->interval_ns =
		h->last_ns == 0 ? 0 : (3 * h->interval_ns + u64_min(interval_ns, NS_PER_S)) / 4;
	h->last_ns = s->now_ns;
	h->log[h->end++ % HAVES_LOG] = piece;
	BITSET_FOREACH (peer, &s->open)
		tell(s, peer, piece);
	if (h->due_ns == 0 && window_ns(s) > 0) {
		h->due_ns = s->now_ns + window_ns(s);
		wake_at(s, h->due_ns);
	}
}

bool haves_work(struct swarm *s)
{
	uint32_t before = s->effects_count;

	if (s->haves.due_ns == 0)
		return false;
	if (s->now_ns < s->haves.due_ns) {
		wake_at(s, s->haves.due_ns);
		return false;
	}
	s->haves.due_ns = 0;
	BITSET_FOREACH (peer, &s->open)
		haves_flush(s, peer);
	return s->effects_count != before;
}
