/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may ask us for blocks. No tit-for-tat: slots go to those who have least, then to those who
 * wait longest, and go round by turns of about a piece each.
 *
 * Few slots make each piece leave quickly, so that it can be passed on soon; too few leave the link
 * idle when receivers are busy with others. How many it takes to fill the link is found by trying:
 * more when less leaves than ever did, fewer when as much leaves, and one more now and then to see
 * whether that brings more. In a crowd it is a fixed few, who take from a few: intake.c.
 */
#include "swarm/engine.h"

#define SLOT_MIN_NS	    (500 * NS_PER_MS) /* from a choke to the next unchoke of one peer */
#define TURN_BYTES	    MIB
#define TURN_IDLE_NS	    (300 * NS_PER_MS) /* a turn that is not used ends */
#define UNSENT_BYTES	    (128 * KIB)	      /* handed to the driver when a turn ends, at most */
#define SLOTS_MIN	    6
#define SLOTS_FOR_ALL	    16 /* no more peers than these: nobody waits */
#define NEED_STEPS	    16
#define EPOCH_NS	    (400 * NS_PER_MS)
#define PROBE_EPOCHS	    4
#define CROWD_SLOTS_ORIGIN  3
#define CROWD_TURN_PIECES   8
#define CROWD_TURN_NS	    (10 * NS_PER_S)
#define CROWD_TURN_MAX_NS   (120 * NS_PER_S) /* in the middle of a piece */
#define CROWD_STALL_NS	    (2 * NS_PER_S)
#define CROWD_IDLE_FIRST_NS (100 * NS_PER_MS)
#define CROWD_IDLE_NS	    (20 * NS_PER_MS)

/* In a crowd: more than a peer takes from, since not every offer is taken. What the origin offers
 * nobody else has. */
static uint32_t crowd_slots(const struct swarm *s)
{
	if (s->settings.origin)
		return (uint32_t)u64_max(CROWD_SLOTS_ORIGIN, intake_suppliers(s));
	return intake_suppliers(s) + intake_suppliers(s) / 4 + 1;
}

/* As far as we know: those who have everything let go of each other. What leaves here first nobody
 * else can pass on before it is whole; an origin sees to that by what it grants. */
static bool alone_with_all(const struct swarm *s)
{
	return s->complete && s->seeds_count == 0 && !s->settings.origin;
}

/* A few peers all have a slot: going round costs more than it brings. */
static uint32_t slots_max(const struct swarm *s)
{
	if (crowded(s))
		return (uint32_t)u64_min(s->limits.upload_slots, crowd_slots(s));
	if (bitset_count(&s->interested) <= SLOTS_FOR_ALL && !alone_with_all(s))
		return s->limits.upload_slots;
	return (uint32_t)u64_min(s->climb.slots, s->limits.upload_slots);
}

/* For how long an offer stands. In a crowd not much longer than the answer takes. */
static uint64_t idle_ns(const struct swarm *s, const struct peer *p)
{
	if (!crowded(s))
		return TURN_IDLE_NS;
	if (p->answer_ns == 0)
		return CROWD_IDLE_FIRST_NS;
	return u64_min(u64_max(2 * p->answer_ns, CROWD_IDLE_NS), TURN_IDLE_NS);
}

/* It asks for something: how long the offer took to be taken, even if too long. */
void upload_answered(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];
	uint64_t answer_ns = s->now_ns - p->unchoked_ns;

	if (p->answered || p->unchoked_ns == 0)
		return;
	p->answered = true;
	p->answer_ns = p->answer_ns == 0 ? u64_max(answer_ns, 1)
					 : p->answer_ns - p->answer_ns / 4 + answer_ns / 4;
}

static void choke(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	p->unchoked = false;
	bitset_clear(&s->unchoked, peer);
	bitset_set(&s->serve, peer); /* refusals */
	p->slot_ns = s->now_ns;
	s->slots_count--;
	origin_choked(s, peer);
	send_plain(s, peer, PEER_CHOKE);
	if (p->fast)
		p->rejecting = p->incoming_count > 0;
	else
		p->incoming_count = 0;
	s->work |= WORK_UPLOAD;
}

static void unchoke(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	p->unchoked = true;
	bitset_set(&s->unchoked, peer);
	p->slot_ns = s->now_ns;
	p->idle_requests = 0;
	p->turn_bytes = 0;
	p->unchoked_ns = s->now_ns;
	p->answered = false;
	s->slots_count++;
	haves_flush(s, peer);
	origin_suggest(s, peer); /* before it chooses for itself */
	send_plain(s, peer, PEER_UNCHOKE);
	wake_at(s, s->now_ns + idle_ns(s, p));
}

static uint32_t need(const struct swarm *s, const struct peer *p)
{
	return (uint32_t)((uint64_t)(s->pieces_count - p->has_count) * NEED_STEPS /
			  s->pieces_count);
}

/* Who gets the next slot. Wakes when somebody must wait a moment before it may change again. */
static uint32_t neediest(struct swarm *s)
{
	uint32_t best = SWARM_PEER_NONE;
	uint32_t best_need = 0;
	bool crowd = crowded(s);

	BITSET_FOREACH (i, &s->interested) {
		const struct peer *p = &s->peers[i];

		if (bitset_has(&s->unchoked, i) || p->rejecting)
			continue;
		if ((!crowd || p->idled) && p->slot_ns != 0 &&
			s->now_ns < p->slot_ns + SLOT_MIN_NS) {
			wake_at(s, p->slot_ns + SLOT_MIN_NS);
			continue;
		}
		uint32_t p_need = need(s, p);

		if (best != SWARM_PEER_NONE &&
			(p_need < best_need ||
				(p_need == best_need && p->slot_ns >= s->peers[best].slot_ns)))
			continue;
		best = i;
		best_need = p_need;
	}
	return best;
}

void upload_interest(struct swarm *s, uint32_t peer, bool interested)
{
	struct peer *p = &s->peers[peer];

	if (p->peer_interested == interested)
		return;
	p->peer_interested = interested;
	if (interested)
		bitset_set(&s->interested, peer);
	else
		bitset_clear(&s->interested, peer);
	haves_idle(s, peer);
	if (!interested && p->unchoked)
		choke(s, peer);
	s->work |= WORK_UPLOAD;
}

/* ---- turns ---- */

static uint64_t unsent_bytes(const struct peer *p)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < p->sends_count; i++)
		bytes += p->sends[i].what.length;
	return bytes;
}

/* Who takes nothing, or little at a time, does not hold one of few slots. But a piece that is begun
 * is of use to nobody before it is whole, and nobody may have time for it later. */
static bool crowd_turn_over(const struct swarm *s, uint32_t peer)
{
	const struct peer *p = &s->peers[peer];

	if (s->now_ns >= u64_max(p->slot_ns, p->block_sent_ns) + CROWD_STALL_NS ||
		s->now_ns >= p->slot_ns + CROWD_TURN_MAX_NS)
		return true;
	return s->now_ns >= p->slot_ns + CROWD_TURN_NS &&
	       upload_next_piece(s, peer) != p->turn_piece;
}

static bool turn_over(const struct swarm *s, uint32_t peer)
{
	const struct peer *p = &s->peers[peer];

	if (p->incoming_count == 0 && p->sends_count == 0 && p->layers_serving_count == 0 &&
		s->now_ns >= p->slot_ns + idle_ns(s, p))
		return true;
	if (crowded(s) && crowd_turn_over(s, peer))
		return true;
	/* With large requests turns would go round faster than the link. */
	if (unsent_bytes(p) > UNSENT_BYTES)
		return false;
	if (p->grants_count > 0)
		return p->turn_bytes > 0 && p->incoming_count == 0 && origin_all_requested(s, p);
	if (crowded(s)) /* a pair that is at it goes on: changing costs time */
		return p->turn_bytes >= (uint64_t)CROWD_TURN_PIECES * s->settings.piece_bytes &&
		       upload_next_piece(s, peer) != p->turn_piece;
	/* Not in the middle of a piece, if that can be helped. */
	return p->turn_bytes >= 2 * u64_max(TURN_BYTES, s->settings.piece_bytes) ||
	       (p->turn_bytes >= TURN_BYTES && upload_next_piece(s, peer) != p->turn_piece);
}

/* The slot that has been held longest, of those whose turn is over. */
static uint32_t most_served(struct swarm *s)
{
	uint32_t longest = SWARM_PEER_NONE;

	BITSET_FOREACH (i, &s->unchoked) {
		const struct peer *p = &s->peers[i];

		if (!turn_over(s, i))
			continue;
		if (longest == SWARM_PEER_NONE || p->slot_ns < s->peers[longest].slot_ns)
			longest = i;
	}
	return longest;
}

bool slots_work(struct swarm *s)
{
	uint32_t next = neediest(s);

	if (next != SWARM_PEER_NONE && s->slots_count < slots_max(s)) {
		unchoke(s, next);
		return true;
	}
	uint32_t done = next == SWARM_PEER_NONE ? SWARM_PEER_NONE : most_served(s);

	s->climb.wanted |= next != SWARM_PEER_NONE;
	if (done != SWARM_PEER_NONE) {
		s->peers[done].idled = s->peers[done].turn_bytes == 0;
		choke(s, done);
		return true;
	}
	/* Nobody waits: who is done goes on. */
	uint32_t before = s->effects_count;

	for (uint32_t i = bitset_next_set(&s->unchoked, 0);
		s->settings.origin && i != BITSET_NONE && s->effects_count == before;
		i = bitset_next_set(&s->unchoked, i + 1))
		origin_suggest(s, i);
	return s->effects_count != before;
}

/* ---- how many ---- */

static void adjust(struct climb *c, uint64_t rate)
{
	c->epochs++;
	if (c->probing) {
		c->probing = rate > c->peak_rate + c->peak_rate / 20;
		c->slots += c->probing ? 1 : 0;
		c->slots -= c->probing ? 0 : 2;
	} else if (rate < c->peak_rate - c->peak_rate / 10) {
		c->slots += (c->slots + 3) / 4;
	} else if (c->epochs % PROBE_EPOCHS == 0) {
		c->probing = true;
		c->slots++;
	}
	c->slots = (uint32_t)u64_max(c->slots, SLOTS_MIN);
	c->peak_rate = u64_max(c->peak_rate - c->peak_rate / 128, rate);
}

void slots_tick(struct swarm *s)
{
	struct climb *c = &s->climb;

	s->work |= WORK_UPLOAD;
	if (s->slots_count == 0) {
		c->epoch_ns = 0;
		/* Who serves nobody takes all the same. */
		if (s->now_ns >= s->intake.looked_ns + EPOCH_NS)
			intake_tick(s);
		return;
	}
	if (c->epoch_ns != 0 && s->now_ns >= c->epoch_ns + EPOCH_NS) {
		uint64_t bytes = s->status.sent_bytes - c->sent_bytes;
		uint64_t rate = bytes * 1000 / ((s->now_ns - c->epoch_ns) / NS_PER_MS);

		if (c->wanted)
			adjust(c, rate);
		c->slots = (uint32_t)u64_min(c->slots, s->limits.upload_slots);
		c->epoch_ns = 0;
	}
	if (c->epoch_ns == 0) {
		intake_tick(s);
		c->epoch_ns = s->now_ns;
		c->sent_bytes = s->status.sent_bytes;
		c->wanted = false;
	}
	wake_at(s, c->epoch_ns + EPOCH_NS);
}

void slots_create(struct swarm *s)
{
	s->climb.slots = SLOTS_MIN;
}
