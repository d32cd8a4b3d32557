/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of pieces: their states, the groups of equal ones, which of them are wanted, and how
 * much of that each peer has to offer. Medium errors come in here; assessment in assess.c.
 */
#include "swarm/engine.h"

/* ---- lists ---- */

static uint32_t list_head(const struct swarm *s, enum piece_list list)
{
	return s->pieces_count + (uint32_t)list;
}

void list_remove(struct swarm *s, uint32_t piece)
{
	struct piece *p = &s->pieces[piece];

	s->pieces[p->list_previous].list_next = p->list_next;
	s->pieces[p->list_next].list_previous = p->list_previous;
	p->list_next = p->list_previous = piece;
}

void list_insert(struct swarm *s, enum piece_list list, uint32_t piece)
{
	uint32_t head = list_head(s, list);

	list_remove(s, piece);
	s->pieces[piece].list_next = head;
	s->pieces[piece].list_previous = s->pieces[head].list_previous;
	s->pieces[s->pieces[head].list_previous].list_next = piece;
	s->pieces[head].list_previous = piece;
}

uint32_t list_first(const struct swarm *s, enum piece_list list)
{
	uint32_t first = s->pieces[list_head(s, list)].list_next;

	return first < s->pieces_count ? first : PIECE_NONE;
}

void list_splice(struct swarm *s, enum piece_list to, enum piece_list from)
{
	uint32_t source = list_head(s, from);
	uint32_t target = list_head(s, to);
	uint32_t first = s->pieces[source].list_next;
	uint32_t last = s->pieces[source].list_previous;

	if (first == source)
		return;
	s->pieces[first].list_previous = s->pieces[target].list_previous;
	s->pieces[s->pieces[target].list_previous].list_next = first;
	s->pieces[last].list_next = target;
	s->pieces[target].list_previous = last;
	s->pieces[source].list_next = s->pieces[source].list_previous = source;
}

/* ---- states ---- */

uint32_t piece_length(const struct swarm *s, uint32_t piece)
{
	uint64_t start = (uint64_t)piece * s->settings.piece_bytes;

	return (uint32_t)u64_min(s->settings.piece_bytes, s->settings.length_bytes - start);
}

bool piece_have(const struct swarm *s, uint32_t piece)
{
	return s->pieces[piece].state >= SWARM_PIECE_WRITTEN;
}

/* Must come from a peer and has not yet. */
bool piece_lacking(const struct swarm *s, uint32_t piece)
{
	const struct piece *p = &s->pieces[piece];

	return !p->zero && p->state >= SWARM_PIECE_MISSING && p->state <= SWARM_PIECE_VERIFYING;
}

static void count_useful(struct swarm *s, uint32_t piece, bool useful)
{
	s->lacking_count += useful ? 1 : UINT32_MAX;
	if (s->copies_due_count > 0)
		s->work |= WORK_COPY;
	BITSET_FOREACH (i, &s->open) {
		struct peer *peer = &s->peers[i];

		if (!bitset_has(&peer->has, piece))
			continue;
		peer->useful_count += useful ? 1 : UINT32_MAX;
		peer_update_interest(s, i);
	}
}

void piece_set_state(struct swarm *s, uint32_t piece, enum swarm_piece_state state)
{
	struct piece *p = &s->pieces[piece];
	bool was_lacking = piece_lacking(s, piece);
	bool was_durable = p->state == SWARM_PIECE_DURABLE;

	p->state = (uint8_t)state;
	bitset_clear(&s->unassessed, piece);
	if (state >= SWARM_PIECE_WRITTEN)
		bitset_set(&s->have, piece);
	else
		bitset_clear(&s->have, piece);
	if (piece_lacking(s, piece) != was_lacking)
		count_useful(s, piece, !was_lacking);
	if (piece_lacking(s, piece) != was_lacking)
		rack_piece_changed(s, piece);
	if ((state == SWARM_PIECE_DURABLE) == was_durable)
		return;
	if (was_durable) {
		s->durable_count--;
		s->status.durable_bytes -= piece_length(s, piece);
		if (s->complete)
			addresses_retry(s);
		s->complete = false;
	} else {
		s->durable_count++;
		s->status.durable_bytes += piece_length(s, piece);
		s->work |= WORK_COMPLETE;
	}
}

static void count_startable(struct swarm *s, uint32_t piece, bool startable)
{
	BITSET_FOREACH (i, &s->open)
		if (bitset_has(&s->peers[i].has, piece))
			s->peers[i].startable_count += startable ? 1 : UINT32_MAX;
}

static void piece_want(struct swarm *s, uint32_t piece)
{
	if (picker_wants(&s->picker, piece) || s->disk_failed)
		return;
	picker_want(&s->picker, piece);
	count_startable(s, piece, true);
	refill_all(s);
}

void piece_unwant(struct swarm *s, uint32_t piece)
{
	if (!picker_wants(&s->picker, piece))
		return;
	picker_unwant(&s->picker, piece);
	count_startable(s, piece, false);
}

void group_want(struct swarm *s, uint32_t piece)
{
	uint32_t member = piece;

	do {
		if (piece_lacking(s, member) && !copies_take(s, member))
			piece_want(s, member);
		member = s->pieces[member].next_same;
	} while (member != piece);
}

void group_unwant(struct swarm *s, uint32_t piece)
{
	uint32_t member = piece;

	do {
		piece_unwant(s, member);
		copies_undue(s, member);
		member = s->pieces[member].next_same;
	} while (member != piece);
}

void piece_missing(struct swarm *s, uint32_t piece)
{
	struct piece *p = &s->pieces[piece];

	/* Its content is still in hand: not missing even for a moment, which every peer would hear
	 * of. */
	if (!p->zero && buffer_of(s, piece) != SWARM_BUFFER_NONE) {
		piece_write(s, piece);
		return;
	}
	piece_set_state(s, piece, SWARM_PIECE_MISSING);
	if (p->zero) {
		if (!bitset_has(&s->zeroes_due, piece)) {
			bitset_set(&s->zeroes_due, piece);
			s->zeroes_due_count++;
		}
		s->work |= WORK_WRITE;
	} else if (s->pieces[p->leader].buffer == SWARM_BUFFER_NONE && !copies_take(s, piece)) {
		piece_want(s, piece);
	}
}

/* The medium does not return it any more. */
void piece_bad(struct swarm *s, uint32_t piece)
{
	if (!piece_have(s, piece))
		return;
	piece_uncount(s, piece);
	list_remove(s, piece);
	piece_missing(s, piece);
	piece_announce(s, piece);
}

/* ---- announcing ---- */

/* Queues a piece for HAVE, or, when it is lost by then, for the opposite. */
void piece_announce(struct swarm *s, uint32_t piece)
{
	struct piece *p = &s->pieces[piece];

	if (p->have_queued)
		return;
	p->have_queued = true;
	p->have_next = PIECE_NONE;
	if (s->have_first == PIECE_NONE)
		s->have_first = piece;
	else
		s->pieces[s->have_last].have_next = piece;
	s->have_last = piece;
	s->work |= WORK_HAVE;
}

bool pieces_have_work(struct swarm *s)
{
	uint32_t piece = s->have_first;

	if (piece == PIECE_NONE) {
		s->work &= ~(uint32_t)WORK_HAVE;
		return haves_work(s);
	}
	s->have_first = s->pieces[piece].have_next;
	s->pieces[piece].have_queued = false;
	if (piece_have(s, piece)) {
		haves_add(s, piece);
		return true;
	}
	BITSET_FOREACH (i, &s->open) {
		if (s->peers[i].id_donthave != 0)
			send_donthave(s, i, piece);
		else /* It sees what we have when it comes back. */
			peer_close(s, i, "a piece that was announced is gone");
	}
	return true;
}

bool pieces_complete_work(struct swarm *s)
{
	s->work &= ~(uint32_t)WORK_COMPLETE;
	if (!s->started || s->complete || s->durable_count != s->pieces_count)
		return false;
	s->complete = true;
	effect_push(s, SWARM_EFFECT_COMPLETE);
	announcer_completed(s);
	for (uint32_t i = 0; i < s->peers_top; i++)
		peer_close_if_useless(s, i);
	return true;
}
