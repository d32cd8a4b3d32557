/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom an origin gives pieces to where there are racks. To the machines of its own rack as long as
 * any of them takes some: from there on each piece crosses each uplink once. Who stalls, takes next
 * to nothing, or takes and never has any more for it, is waited for by nobody. And those elsewhere
 * who get nothing offer themselves to the origin.
 */
#include "swarm/engine.h"

#define ORIGIN_WAIT_NS	  (2 * NS_PER_S) /* for its own rack to show up */
#define HOLD_NS		  (5 * NS_PER_S) /* others wait for one that takes nothing */
#define HOLD_MS_PER_BLOCK 1000		 /* 16 KiB a second are enough to hold */
#define FRUITLESS_PIECES  8		 /* taken without one more that it has */
#define FRUITLESS_BYTES	  (32 * MIB)	 /* and so much */
#define COURT_AFTER_NS	  (5 * NS_PER_S) /* nothing came */
#define COURT_NS	  (5 * NS_PER_S) /* after the last suggestion */

/* ---- the origin's side ---- */

void lending_comes(struct swarm *s, struct peer *p)
{
	p->taking_until_ns = s->now_ns + HOLD_NS;
}

/* A block is in its socket. */
void lending_takes(struct swarm *s, struct peer *p, uint32_t bytes)
{
	uint64_t worth_ns = (uint64_t)bytes * HOLD_MS_PER_BLOCK / PEER_BLOCK_BYTES * NS_PER_MS;

	p->taken_bytes += bytes;
	p->taking_until_ns =
		u64_min(u64_max(p->taking_until_ns, s->now_ns) + worth_ns, s->now_ns + HOLD_NS);
}

/* It has more than ever. What is taken back and had again is no progress. */
void lending_gains(struct swarm *s, struct peer *p)
{
	if (p->has_count <= p->has_most_count)
		return;
	p->has_most_count = p->has_count;
	p->news_ns = s->now_ns;
	p->taken_bytes = 0;
	p->grants_from_ns = 0;
}

static bool is_taking(const struct swarm *s, const struct peer *p)
{
	uint64_t fruitless_bytes =
		u64_max((uint64_t)FRUITLESS_PIECES * s->settings.piece_bytes, FRUITLESS_BYTES);

	return p->own && p->has_count < s->pieces_count && p->taken_bytes <= fruitless_bytes &&
	       s->now_ns < p->taking_until_ns;
}

/* An origin that is alone where it is gives to all, a moment later. */
bool rack_origin_grants(struct swarm *s, const struct peer *p)
{
	const struct racks *racks = &s->racks;

	if (!racks->active || p->distance == 0)
		return true;
	for (uint32_t i = 0; i < s->peers_top; i++) {
		const struct peer *other = &s->peers[i];

		if (other->state != PEER_OPEN || other->distance >= p->distance ||
			!is_taking(s, other))
			continue;
		wake_at(s, other->taking_until_ns);
		return false;
	}
	if (s->now_ns >= racks->first_ns + ORIGIN_WAIT_NS)
		return true;
	wake_at(s, racks->first_ns + ORIGIN_WAIT_NS);
	return false;
}

/* ---- the other side ---- */

/* Whether to be interested in an origin elsewhere though it suggests nothing: it may have nobody
 * else to give to. */
bool rack_courts(const struct swarm *s, const struct peer *origin)
{
	uint64_t heard_ns = u64_max(s->received_ns, s->racks.first_ns);

	return origin->useful_count > 0 &&
	       (s->now_ns >= heard_ns + COURT_AFTER_NS ||
		       (origin->suggested_ns != 0 && s->now_ns < origin->suggested_ns + COURT_NS));
}
