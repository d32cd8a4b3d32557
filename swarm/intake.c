/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many peers we take pieces from at a time. Where everybody sends to everybody at once, each
 * piece takes as many times longer as there are senders, and only then can it be passed on: the
 * larger the room, the longer until its links are full. So in a crowd each node serves a few peers
 * (slots.c) and takes from a few, at first: the more pieces there are to choose from, the more
 * suppliers keep the link full, so there are more of them as the image fills. An offer beyond that
 * (UNCHOKE) is declined at once by NOT_INTERESTED, so that the slot goes to somebody else;
 * INTERESTED follows when one of the few is about to be done, early enough that the answer is here
 * in time.
 */
#include "swarm/engine.h"

#define CROWD_MIN     18 /* peers; with fewer, taking from all is faster */
#define SUPPLIERS_MIN 2
#define SUPPLIERS_MAX 8
#define SUPPLY_BYTES  (256 * KIB) /* of small pieces, more are under way */
#define GROWTH_PIECES 8		  /* that the others have on average: one supplier more */
#define GROWTH_LOST                                                                                \
	40	    /* more for each piece that the link could carry while an offer is answered */
#define LEAD_MS 100 /* of a supplier's rate: a control message waits behind queued blocks */
#define RACK_ROUND_S                                                                               \
	20 /* everybody in a rack serves everybody where a piece of each takes longer */
#define SILENT_NS (2 * NS_PER_S) /* who answers nothing for so long is not counted */

uint32_t intake_suppliers(const struct swarm *s)
{
	const struct intake *in = &s->intake;
	uint64_t first = u64_max(SUPPLY_BYTES / s->settings.piece_bytes, SUPPLIERS_MIN);
	/* What the link could carry while an offer is answered, in pieces. */
	uint64_t lost_bytes = in->bytes_per_s / 1000 * (in->answer_ns / NS_PER_US) / 1000;
	uint64_t more = u64_min(in->progress_pieces / GROWTH_PIECES,
		GROWTH_LOST * lost_bytes / s->settings.piece_bytes);

	return (uint32_t)u64_min(first + more, SUPPLIERS_MAX);
}

/* How far the others are, how long they take to answer an offer, and what passes meanwhile. */
void intake_tick(struct swarm *s)
{
	struct intake *in = &s->intake;
	uint64_t bytes = u64_max(s->status.received_bytes, s->status.sent_bytes);
	uint64_t elapsed_ms = (s->now_ns - in->looked_ns) / NS_PER_MS;
	uint64_t pieces = 0;
	uint64_t answer_ns = 0;
	uint32_t count = 0;
	uint32_t answers_count = 0;
	uint64_t near_bytes = 0;
	uint64_t near_rate = 0;

	BITSET_FOREACH (i, &s->open) {
		const struct peer *p = &s->peers[i];

		if (!p->own || p->origin)
			continue;
		pieces += p->has_count;
		count++;
		answer_ns += p->answer_ns;
		near_bytes += p->distance == 0 ? s->settings.piece_bytes : 0;
		near_rate = u64_max(near_rate, p->distance == 0 ? p->rate_bytes_per_s : 0);
		answers_count += p->answer_ns > 0;
	}
	in->progress_pieces = pieces / u64_max(count, 1);
	in->answer_ns = answer_ns / u64_max(answers_count, 1);
	if (elapsed_ms > 0)
		in->bytes_per_s = (bytes - in->looked_bytes) * 1000 / elapsed_ms;
	in->round_slow = near_rate > 0 && near_bytes > RACK_ROUND_S * near_rate;
	in->looked_ns = s->now_ns;
	in->looked_bytes = bytes;
}

/* In a rack the crowd is those in it. Where all of them take long to serve in turn, everybody
 * serves everybody: who waits for its turn must not be taken for one that gives nothing (racks.c).
 */
bool crowded(const struct swarm *s)
{
	return s->near_count >= CROWD_MIN && !(s->racks.active && s->intake.round_slow);
}

/* At the end whoever has a block that another is slow with may be asked for it. */
static bool bounding(const struct swarm *s)
{
	return crowded(s) && picker_wanted_count(&s->picker) > 0;
}

static bool bounded(const struct swarm *s, const struct peer *p)
{
	return p->own && p->distance == 0 && bounding(s);
}

static bool piece_unasked(const struct swarm *s, const struct peer *p)
{
	return p->buffer != SWARM_BUFFER_NONE && s->buffers[p->buffer].state == BUFFER_ARRIVING &&
	       s->buffers[p->buffer].piece == p->buffer_piece &&
	       s->buffers[p->buffer].blocks_free > 0;
}

static bool about_done(const struct swarm *s, const struct peer *p)
{
	uint64_t lead_bytes =
		u64_min(p->rate_bytes_per_s / 1000 * LEAD_MS, s->settings.piece_bytes / 2);

	return !piece_unasked(s, p) && p->requests_bytes <= lead_bytes;
}

static uint64_t best_rate(const struct swarm *s)
{
	uint64_t best = 0;

	BITSET_FOREACH (i, &s->open)
		best = u64_max(best, s->peers[i].rate_bytes_per_s);
	return best;
}

/* Whether as many as may be, without `but`, are at it. Who is much slower than others, or silent,
 * takes nobody's place. */
static bool full(struct swarm *s, uint32_t but)
{
	uint64_t slow = best_rate(s) / 4;
	uint32_t count = 0;

	BITSET_FOREACH (i, &s->open) {
		const struct peer *p = &s->peers[i];

		if (i == but || !p->own || p->distance > 0 || p->requests_count == 0 ||
			about_done(s, p) ||
			(p->rate_bytes_per_s != 0 && p->rate_bytes_per_s < slow))
			continue;
		uint64_t silent_ns = request_at(s, p, 0)->sent_ns + SILENT_NS;

		if (s->now_ns >= silent_ns)
			continue;
		wake_peer_at(s, i, silent_ns);
		count++;
	}
	return count >= intake_suppliers(s);
}

static void decline(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	if (!bounded(s, p) || p->declined || p->requests_count > 0)
		return;
	p->declined = true;
	s->declined_count++;
	p->peer_choking = true; /* it will say so, and then offer again */
	p->suggested_count = 0;
	peer_update_askable(s, peer);
	peer_update_interest(s, peer);
}

bool intake_room(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	if (!bounded(s, p) || piece_unasked(s, p))
		return true;
	if (!about_done(s, p))
		return false;
	if (!full(s, peer))
		return true;
	decline(s, peer);
	return false;
}

void intake_nothing(struct swarm *s, uint32_t peer)
{
	const struct peer *p = &s->peers[peer];

	if (!p->origin && p->layers_asked_count == 0 &&
		(p->startable_count == 0 || !buffer_available(s)))
		decline(s, peer);
}

/* What another is slow with, or left behind. */
static bool has_begun(const struct swarm *s, uint32_t peer)
{
	BITSET_FOREACH (i, &s->arriving)
		if (s->buffers[i].blocks_free > 0 && may_take_from(s, i, peer))
			return true;
	return false;
}

void intake_resume(struct swarm *s)
{
	bool still = bounding(s);

	if (s->declined_count == 0 || (still && (!buffer_available(s) || full(s, SWARM_PEER_NONE))))
		return;
	BITSET_FOREACH (i, &s->open) {
		struct peer *p = &s->peers[i];

		if (!p->declined || (still && p->startable_count == 0 && !has_begun(s, i)))
			continue;
		intake_forget(s, i);
		peer_update_interest(s, i);
	}
}

void intake_forget(struct swarm *s, uint32_t peer)
{
	if (!s->peers[peer].declined)
		return;
	s->peers[peer].declined = false;
	s->declined_count--;
}
