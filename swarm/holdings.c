/* SPDX-License-Identifier: Apache-2.0 */
/* What each peer has: its bit set, its counts, and its share in the availability of pieces. */
#include "swarm/engine.h"

static void count_piece(struct swarm *s, struct peer *p, uint32_t piece)
{
	p->has_count++;
	p->nothing_to_guess = false;
	if (piece_lacking(s, piece))
		p->useful_count++;
	if (picker_wants(&s->picker, piece))
		p->startable_count++;
	picker_available(&s->picker, piece);
	if (s->settings.origin)
		picker_available(&s->grants, piece);
	if (s->settings.origin)
		bitset_set(&p->covered, piece);
}

static void uncount_availability(struct swarm *s, uint32_t piece)
{
	picker_unavailable(&s->picker, piece);
	if (s->settings.origin)
		picker_unavailable(&s->grants, piece);
}

void peer_has(struct swarm *s, uint32_t peer, uint32_t piece)
{
	struct peer *p = &s->peers[peer];

	p->have_seen = true;
	if (bitset_has(&p->has, piece))
		return;
	bitset_set(&p->has, piece);
	count_piece(s, p, piece);
	if (s->settings.origin)
		origin_piece_has(s, peer, piece);
	lending_gains(s, p);
	rack_has(s, peer, piece);
	peer_update_interest(s, peer);
	refill(s, peer);
	if (p->has_count == s->pieces_count)
		peer_close_if_useless(s, peer);
}

bool peer_has_bitfield(struct swarm *s, uint32_t peer, const uint8_t *bytes, size_t bytes_count)
{
	struct peer *p = &s->peers[peer];

	if (!bitset_from_bitfield(&p->has, bytes, bytes_count))
		return false;
	p->have_seen = true;
	if (bitset_count(&p->has) == s->pieces_count) {
		peer_has_all(s, peer);
		return true;
	}
	BITSET_FOREACH (piece, &p->has)
		count_piece(s, p, piece);
	racks_recount(s);
	peer_update_interest(s, peer);
	return true;
}

void peer_has_all(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	p->have_seen = true;
	p->all_seen = true;
	p->nothing_to_guess = false;
	bitset_set_all(&p->has);
	if (s->settings.origin)
		bitset_set_all(&p->covered);
	s->seeds_count++;
	p->has_count = s->pieces_count;
	p->useful_count = s->lacking_count;
	p->startable_count = picker_wanted_count(&s->picker);
	racks_recount(s);
	peer_update_interest(s, peer);
	peer_close_if_useless(s, peer);
}

void peer_has_not(struct swarm *s, uint32_t peer, uint32_t piece)
{
	struct peer *p = &s->peers[peer];

	if (!bitset_has(&p->has, piece))
		return;
	if (p->all_seen) {
		/* No longer counted as one that has everything, but piece by piece. */
		p->all_seen = false;
		s->seeds_count--;
		p->has_count = p->useful_count = p->startable_count = 0;
		BITSET_FOREACH (each, &p->has)
			count_piece(s, p, each);
	}
	bitset_clear(&p->has, piece);
	if (s->settings.origin)
		bitset_clear(&p->covered, piece);
	uncount_availability(s, piece);
	racks_recount(s);
	p->has_count--;
	if (piece_lacking(s, piece))
		p->useful_count--;
	if (picker_wants(&s->picker, piece))
		p->startable_count--;
	uint32_t buffer = s->pieces[s->pieces[piece].leader].buffer;

	/* A piece that only this peer may fill would wait for it for ever. */
	if (buffer != SWARM_BUFFER_NONE && s->buffers[buffer].state == BUFFER_ARRIVING &&
		s->buffers[buffer].piece == piece && s->buffers[buffer].exclusive_peer == peer)
		buffer_give_up(s, buffer);
	peer_update_interest(s, peer);
}

void peer_has_nothing(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	if (p->all_seen)
		s->seeds_count--;
	else
		BITSET_FOREACH (piece, &p->has)
			uncount_availability(s, piece);
	p->all_seen = false;
	bitset_clear_all(&p->has);
	p->has_count = p->useful_count = p->startable_count = 0;
}
