/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The origin's part in a swarm of our own nodes: it says by SUGGEST (BEP 6) which piece each should
 * take from it, so that nothing leaves twice before everything has left once. A piece counts as
 * held by the peers that have it and by those it is granted to; what nobody holds goes next. So a
 * grant whose receiver vanished counts as never given. When everything has been given once, nodes
 * take from the origin what they cannot get elsewhere.
 */
#include "swarm/engine.h"

#define OPEN_PIECES_MIN	 2
#define OPEN_BYTES_MIN	 MIB
#define DOUBLE_BYTES_MIN (128 * KIB)
#define GRANT_TIMEOUT_NS (20 * NS_PER_S)
#define LAPSE_NS	 (60 * NS_PER_S) /* who let a grant lapse gets no other for so long */

bool origin_create(struct swarm *s)
{
	uint32_t count = s->pieces_count;
	uint32_t buckets_count = 2 * s->limits.peers_max + 2;

	if (!s->settings.origin)
		return true;
	s->grants.order = swarm_allocate(s, count, sizeof(uint32_t));
	s->grants.position = swarm_allocate(s, count, sizeof(uint32_t));
	s->grants.availability = swarm_allocate(s, count, sizeof(uint16_t));
	s->grants.bucket_start = swarm_allocate(s, buckets_count + 1, sizeof(uint32_t));
	if (s->grants.order == NULL || s->grants.position == NULL ||
		s->grants.availability == NULL || s->grants.bucket_start == NULL)
		return false;
	picker_init(&s->grants, count, buckets_count, &s->rng);
	for (uint32_t piece = 0; piece < count; piece++)
		if (!s->pieces[piece].zero && s->pieces[piece].leader == piece)
			picker_want(&s->grants, piece);
	return true;
}

static void grant(struct swarm *s, struct peer *p, uint32_t piece)
{
	p->grants[p->grants_count++] = (struct grant){.piece = piece, .given_ns = s->now_ns};
	bitset_set(&p->covered, piece);
	picker_available(&s->grants, piece);
	wake_peer_at(s, (uint32_t)(p - s->peers), s->now_ns + GRANT_TIMEOUT_NS);
}

static void take_back(struct swarm *s, struct peer *p, uint32_t at)
{
	uint32_t piece = p->grants[at].piece;

	picker_unavailable(&s->grants, piece);
	if (!bitset_has(&p->has, piece))
		bitset_clear(&p->covered, piece);
	p->grants_count--;
	memmove(&p->grants[at], &p->grants[at + 1], (p->grants_count - at) * sizeof(struct grant));
}

/* It has the piece now: a holder instead of a grant. */
void origin_piece_has(struct swarm *s, uint32_t peer, uint32_t piece)
{
	struct peer *p = &s->peers[peer];

	bitset_set(&p->covered, piece);
	for (uint32_t i = p->grants_count; i-- > 0;)
		if (p->grants[i].piece == piece)
			take_back(s, p, i);
	s->work |= WORK_UPLOAD;
}

static bool is_open(const struct swarm *s, const struct grant *grant)
{
	return grant->requested_bytes < piece_length(s, grant->piece);
}

void origin_requested(struct swarm *s, uint32_t peer, uint32_t piece, uint32_t length)
{
	struct peer *p = &s->peers[peer];

	for (uint32_t i = 0; i < p->grants_count; i++) {
		struct grant *grant = &p->grants[i];

		if (grant->piece != piece)
			continue;
		if (!is_open(s, grant))
			return; /* asking again wins no time */
		grant->requested_bytes += length;
		grant->given_ns = s->now_ns;
		return;
	}
}

/* It does not want that now, perhaps because it came too late. */
void origin_cancelled(struct swarm *s, uint32_t peer, uint32_t piece, uint32_t length)
{
	struct peer *p = &s->peers[peer];

	for (uint32_t i = 0; i < p->grants_count; i++)
		if (p->grants[i].piece == piece)
			p->grants[i].requested_bytes -=
				(uint32_t)u64_min(length, p->grants[i].requested_bytes);
}

void origin_leave(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	while (p->grants_count > 0)
		take_back(s, p, p->grants_count - 1);
}

void origin_tick(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	for (uint32_t i = p->grants_count; i-- > 0;) {
		uint64_t due_ns = p->grants[i].given_ns + GRANT_TIMEOUT_NS;

		if (s->now_ns >= due_ns) {
			p->grants_from_ns = s->now_ns + LAPSE_NS;
			take_back(s, p, i);
		} else {
			wake_peer_at(s, peer, due_ns);
		}
	}
}

/* What it did not ask for yet goes to others; the rest is with it, or on the way. */
void origin_choked(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	/* What waits here will be refused. */
	for (uint32_t i = 0; p->grants_count > 0 && i < p->incoming_count; i++)
		origin_cancelled(
			s, peer, incoming_at(s, p, i)->index, incoming_at(s, p, i)->length);
	for (uint32_t i = p->grants_count; i-- > 0;)
		if (is_open(s, &p->grants[i]))
			take_back(s, p, i);
}

bool origin_has_unsent(const struct swarm *s)
{
	return s->grants.bucket_start[1] > 0;
}

bool origin_all_requested(const struct swarm *s, const struct peer *p)
{
	for (uint32_t i = 0; i < p->grants_count; i++)
		if (is_open(s, &p->grants[i]))
			return false;
	return true;
}

static bool enough_open(const struct swarm *s, const struct peer *p)
{
	uint32_t open_count = 0;
	uint64_t open_bytes = 0;

	for (uint32_t i = 0; i < p->grants_count; i++) {
		if (!is_open(s, &p->grants[i]))
			continue;
		open_count++;
		open_bytes += piece_length(s, p->grants[i].piece) - p->grants[i].requested_bytes;
	}
	return open_count >= OPEN_PIECES_MIN && open_bytes >= OPEN_BYTES_MIN;
}

/* What has not left yet of a piece that the peer was granted. */
static uint32_t unsent_of(const struct swarm *s, const struct peer *p, const struct grant *grant)
{
	uint32_t bytes = piece_length(s, grant->piece) -
			 (uint32_t)u64_min(piece_length(s, grant->piece), grant->requested_bytes);

	for (uint32_t i = 0; i < p->incoming_count; i++) {
		const struct incoming *what = incoming_at(s, p, i);

		if (what->index == grant->piece)
			bytes += what->length;
	}
	return bytes;
}

/* Whether most of those who were granted pieces have all of them: the rest wait for few. */
static bool nearly_given(const struct swarm *s)
{
	uint32_t waiting_count = 0;

	BITSET_FOREACH (i, &s->unchoked)
		waiting_count += s->peers[i].grants_count > 0;
	return 2 * waiting_count <= s->slots_count;
}

/* Everything was given once, and the link idles while a slow peer takes the last of it, for which
 * everybody waits: one that takes nothing gets that, too. */
static void double_grant(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];
	struct grant *most = NULL;
	uint32_t most_bytes = (uint32_t)u64_min(DOUBLE_BYTES_MIN, s->settings.piece_bytes / 2) - 1;

	if (p->grants_count > 0 || p->incoming_count > 0 || !nearly_given(s))
		return;
	BITSET_FOREACH (i, &s->unchoked) {
		struct peer *other = &s->peers[i];

		for (uint32_t at = 0; at < other->grants_count; at++) {
			struct grant *grant = &other->grants[at];
			uint32_t bytes = unsent_of(s, other, grant);

			if (grant->doubled || bitset_has(&p->covered, grant->piece) ||
				bytes <= most_bytes)
				continue;
			most = grant;
			most_bytes = bytes;
		}
	}
	if (most == NULL)
		return;
	most->doubled = true;
	grant(s, p, most->piece);
	p->grants[p->grants_count - 1].doubled = true;
	send_index(s, peer, PEER_SUGGEST, most->piece);
}

/* Tops up the peer's open grants with pieces that nobody else has or was granted. */
void origin_suggest(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	if (!s->settings.origin || s->seeds_count > 0 || !p->own || !p->fast || !p->unchoked ||
		s->now_ns < p->grants_from_ns || !rack_origin_grants(s, p))
		return;
	while (origin_has_unsent(s) && p->grants_count < SUGGESTED_MAX && !enough_open(s, p)) {
		uint32_t piece = picker_rarest(&s->grants, &p->covered, true);

		if (piece == PIECE_NONE || s->grants.availability[piece] > 0)
			return;
		grant(s, p, piece);
		send_index(s, peer, PEER_SUGGEST, piece);
	}
	if (!origin_has_unsent(s))
		double_grant(s, peer);
}
