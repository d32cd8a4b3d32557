/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From verified to durable: what is written when, flushes, and what a failure takes back.
 *
 * A flush makes durable what was WRITTEN before it was issued. After a failed write or flush
 * nothing that is not DURABLE is believed any more. Zero pieces and copies wait until a first piece
 * was fetched and verified (or nothing is left to fetch): the first write may wipe the old system.
 */
#include "swarm/engine.h"

#define WRITES_MAX	       16 /* WRITE and WRITE_ZEROES at the device at a time */
#define WRITES_A_UNIT	       16
#define QUEUED_SORTED_MAX      256
#define SETTLED_A_UNIT	       64
#define FAILURES_ROW_MAX       3
#define PAUSE_AFTER_FAILURE_NS (250 * NS_PER_MS)

void piece_write(struct swarm *s, uint32_t piece)
{
	piece_set_state(s, piece, SWARM_PIECE_VERIFIED);
	list_insert(s, LIST_QUEUED, piece);
	if (!s->pieces[piece].zero)
		s->buffers[s->pieces[s->pieces[piece].leader].buffer].writes_count++;
	s->work |= WORK_WRITE;
}

void content_verified(struct swarm *s, uint32_t piece)
{
	uint32_t member = piece;

	s->content_in_hand = true;
	s->work |= WORK_COPY;
	do {
		if (piece_lacking(s, member) && !s->disk_failed)
			piece_write(s, member);
		member = s->pieces[member].next_same;
	} while (member != piece);
}

/* The buffer of a piece is done with one of its writes. */
static void release_content(struct swarm *s, uint32_t piece)
{
	if (s->pieces[piece].zero)
		return;
	uint32_t buffer = s->pieces[s->pieces[piece].leader].buffer;

	s->buffers[buffer].writes_count--;
	buffer_settle(s, buffer);
}

static void count(struct swarm *s, uint32_t piece)
{
	s->pieces[piece].counted = true;
	s->undurable_bytes += piece_length(s, piece);
	s->undurable_count++;
}

void piece_uncount(struct swarm *s, uint32_t piece)
{
	if (!s->pieces[piece].counted)
		return;
	s->pieces[piece].counted = false;
	s->undurable_bytes -= piece_length(s, piece);
	s->undurable_count--;
	s->work |= WORK_WRITE;
}

/* ---- failures ---- */

static void lose(struct swarm *s, uint32_t piece)
{
	bool had = piece_have(s, piece);

	if (s->pieces[piece].state == SWARM_PIECE_VERIFIED)
		release_content(s, piece);
	piece_uncount(s, piece);
	list_remove(s, piece);
	piece_missing(s, piece);
	if (had)
		piece_announce(s, piece);
}

static void disk_failed(struct swarm *s)
{
	s->disk_failed = true;
	effect_push(s, SWARM_EFFECT_DISK_FAILED);
	for (uint32_t piece = 0; piece < s->pieces_count; piece++)
		piece_unwant(s, piece);
	for (uint32_t i = 0; i < s->limits.buffers_count; i++)
		if (s->buffers[i].state == BUFFER_ARRIVING || s->buffers[i].state == BUFFER_LAYER ||
			s->buffers[i].state == BUFFER_READING)
			buffer_give_up(s, i);
	for (uint32_t i = 0; i < s->peers_top; i++)
		if (s->peers[i].state == PEER_OPEN)
			peer_update_interest(s, i);
}

/* Everything that is not durable is missing again. What is at the device now comes back first. */
static void take_back(struct swarm *s)
{
	static const enum piece_list lists[] = {LIST_QUEUED, LIST_DIRTY, LIST_FLUSHING};
	uint32_t piece;

	s->failures_row++;
	s->writes_from_ns = s->now_ns + PAUSE_AFTER_FAILURE_NS * s->failures_row;
	s->flush_stale = s->flushing;
	s->dirty_bytes = 0;
	for (piece = list_first(s, LIST_WRITING); piece < s->pieces_count;
		piece = s->pieces[piece].list_next)
		s->pieces[piece].doomed = true;
	/* LIST_QUEUED fills again from buffers: its old end is where to stop. */
	for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
		uint32_t last = s->pieces[s->pieces_count + (uint32_t)lists[i]].list_previous;

		while ((piece = list_first(s, lists[i])) != PIECE_NONE) {
			lose(s, piece);
			if (piece == last)
				break;
		}
	}
	s->work |= WORK_WRITE;
	if (s->failures_row >= FAILURES_ROW_MAX && !s->disk_failed)
		disk_failed(s);
}

/* ---- writes ---- */

void piece_is_written(struct swarm *s, uint32_t piece)
{
	piece_set_state(s, piece, SWARM_PIECE_WRITTEN);
	if (list_first(s, LIST_DIRTY) == PIECE_NONE)
		s->dirty_since_ns = s->now_ns;
	list_insert(s, LIST_DIRTY, piece);
	piece_announce(s, piece);
	s->work |= WORK_WRITE;
}

void piece_written(struct swarm *s, uint32_t piece, bool ok)
{
	struct piece *p = &s->pieces[piece];

	if (!p->writing)
		return;
	bool doomed = p->doomed;

	p->writing = p->doomed = false;
	s->writes_count--;
	s->work |= WORK_WRITE;
	if (ok && !doomed) {
		release_content(s, piece);
		s->dirty_bytes += p->counted ? piece_length(s, piece) : 0;
		piece_is_written(s, piece);
		return;
	}
	lose(s, piece);
	if (!ok && !doomed)
		take_back(s);
}

static void issue_write(struct swarm *s, uint32_t piece)
{
	struct piece *p = &s->pieces[piece];
	struct swarm_effect *effect =
		effect_push(s, p->zero ? SWARM_EFFECT_WRITE_ZEROES : SWARM_EFFECT_WRITE);

	effect->piece = piece;
	if (!p->zero) {
		effect->buffer = s->pieces[p->leader].buffer;
		count(s, piece);
		s->write_cursor = piece + 1;
	}
	p->writing = true;
	s->writes_count++;
	list_insert(s, LIST_WRITING, piece);
}

static bool may_change_device(const struct swarm *s)
{
	return s->content_in_hand || (s->assessed && s->lacking_count == 0);
}

static bool may_write_more(const struct swarm *s)
{
	return s->undurable_count < 2 ||
	       s->undurable_bytes + s->settings.piece_bytes <= s->limits.undurable_bytes_max;
}

static uint32_t next_zero_piece(struct swarm *s)
{
	if (s->zeroes_due_count == 0)
		return PIECE_NONE;
	uint32_t piece = bitset_next_set(&s->zeroes_due, s->zeroes_cursor);

	if (piece == BITSET_NONE)
		piece = bitset_next_set(&s->zeroes_due, 0);
	s->zeroes_cursor = piece + 1;
	bitset_clear(&s->zeroes_due, piece);
	s->zeroes_due_count--;
	return piece;
}

/* Of the pieces that wait, the next behind the one that was written last, round and round: the head
 * of a disk moves one way, and nobody waits longer than a round. */
static uint32_t next_queued(const struct swarm *s)
{
	uint32_t lowest = PIECE_NONE;
	uint32_t next = PIECE_NONE;
	uint32_t piece = list_first(s, LIST_QUEUED);

	for (uint32_t i = 0; i < QUEUED_SORTED_MAX && piece < s->pieces_count; i++) {
		if (piece < lowest)
			lowest = piece;
		if (piece >= s->write_cursor && piece < next)
			next = piece;
		piece = s->pieces[piece].list_next;
	}
	return next != PIECE_NONE ? next : lowest;
}

/* Content first: zeroes cost the device little and free no buffer. */
static bool write_some(struct swarm *s)
{
	uint32_t written = 0;

	for (; written < WRITES_A_UNIT && s->writes_count < WRITES_MAX; written++) {
		uint32_t piece = next_queued(s);

		if (piece == PIECE_NONE || !may_write_more(s)) {
			piece = next_zero_piece(s);
			if (piece == PIECE_NONE)
				break;
			piece_set_state(s, piece, SWARM_PIECE_VERIFIED);
		}
		issue_write(s, piece);
	}
	return written > 0;
}

/* ---- flushes ---- */

void flush_done(struct swarm *s, uint64_t flush_id, bool ok)
{
	if (!s->flushing || flush_id != s->flush_id)
		return;
	bool stale = s->flush_stale;

	s->flushing = s->flush_stale = false;
	s->work |= WORK_WRITE | WORK_SETTLE;
	if (stale)
		return;
	if (!ok) {
		take_back(s);
		return;
	}
	if (list_first(s, LIST_FLUSHING) != PIECE_NONE)
		s->failures_row = 0;
	list_splice(s, LIST_SETTLED, LIST_FLUSHING);
}

bool durability_settle_work(struct swarm *s)
{
	uint32_t piece = list_first(s, LIST_SETTLED);

	if (piece == PIECE_NONE) {
		s->work &= ~(uint32_t)WORK_SETTLE;
		return false;
	}
	for (uint32_t i = 0; i < SETTLED_A_UNIT && piece != PIECE_NONE; i++) {
		list_remove(s, piece);
		piece_uncount(s, piece);
		piece_set_state(s, piece, SWARM_PIECE_DURABLE);
		effect_push(s, SWARM_EFFECT_PIECE_DURABLE)->piece = piece;
		piece = list_first(s, LIST_SETTLED);
	}
	return true;
}

static bool flush_due(struct swarm *s)
{
	uint64_t due_ns = s->dirty_since_ns + s->limits.flush_interval_ns;
	bool queued = list_first(s, LIST_QUEUED) != PIECE_NONE;

	if (s->flushing || list_first(s, LIST_DIRTY) == PIECE_NONE)
		return false;
	if (s->dirty_bytes >= s->limits.flush_bytes || s->now_ns >= due_ns ||
		(queued && !may_write_more(s)))
		return true;
	/* Nothing more to come: no reason to wait. */
	if (s->assessed && s->lacking_count == 0 && s->zeroes_due_count == 0 && !queued &&
		s->writes_count == 0)
		return true;
	wake_at(s, due_ns);
	return false;
}

bool durability_work(struct swarm *s)
{
	s->work &= ~(uint32_t)WORK_WRITE;
	if (s->stopped)
		return false;
	if (flush_due(s)) {
		s->flushing = true;
		effect_push(s, SWARM_EFFECT_FLUSH)->flush_id = ++s->flush_id;
		list_splice(s, LIST_FLUSHING, LIST_DIRTY);
		s->dirty_bytes = 0;
		s->work |= WORK_WRITE;
		return true;
	}
	if (s->disk_failed || !may_change_device(s))
		return false;
	if (s->now_ns < s->writes_from_ns) {
		wake_at(s, s->writes_from_ns);
		return false;
	}
	if (!write_some(s))
		return false;
	s->work |= WORK_WRITE;
	return true;
}
