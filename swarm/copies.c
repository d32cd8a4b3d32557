/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A piece that is missing while another with the same content is on the device is not fetched: the
 * other is read, hashed like anything that was collected, and written. Like zeros, copies wait
 * until a first piece was fetched and verified, or nothing is left to fetch: the first write may
 * wipe the old system.
 */
#include "swarm/engine.h"

#define READING_MAX 2

static uint32_t find_twin(const struct swarm *s, uint32_t piece)
{
	uint32_t member = s->pieces[piece].next_same;

	while (member != piece && !piece_have(s, member))
		member = s->pieces[member].next_same;
	return member == piece ? PIECE_NONE : member;
}

static void due(struct swarm *s, uint32_t piece)
{
	if (!bitset_has(&s->copies_due, piece)) {
		bitset_set(&s->copies_due, piece);
		s->copies_due_count++;
	}
	s->work |= WORK_COPY;
}

void copies_undue(struct swarm *s, uint32_t piece)
{
	if (!bitset_has(&s->copies_due, piece))
		return;
	bitset_clear(&s->copies_due, piece);
	s->copies_due_count--;
}

/* Missing, and in no buffer. False: nothing on the device has its content. */
bool copies_take(struct swarm *s, uint32_t piece)
{
	if (find_twin(s, piece) == PIECE_NONE)
		return false;
	due(s, piece);
	return true;
}

/* This piece was found on the device: its likes that nobody has begun need no fetching. */
void copies_found(struct swarm *s, uint32_t piece)
{
	for (uint32_t member = s->pieces[piece].next_same; member != piece;
		member = s->pieces[member].next_same) {
		if (!picker_wants(&s->picker, member))
			continue;
		piece_unwant(s, member);
		due(s, member);
	}
}

static bool may_copy(const struct swarm *s)
{
	return !s->disk_failed && !s->stopped && s->copies_reading_count < READING_MAX &&
	       (s->content_in_hand || (s->assessed && s->lacking_count == s->copies_due_count));
}

static void begin(struct swarm *s, uint32_t piece, uint32_t twin)
{
	uint32_t buffer = buffer_begin(s, piece);
	struct buffer *b = &s->buffers[buffer];
	struct swarm_effect *effect = effect_push(s, SWARM_EFFECT_READ);

	buffer_set_state(s, buffer, BUFFER_READING);
	b->busy = true;
	b->twin = twin;
	s->copies_reading_count++;
	effect->piece = piece;
	effect->buffer = buffer;
	effect->twin = twin;
}

bool copies_work(struct swarm *s)
{
	s->work &= ~(uint32_t)WORK_COPY;
	if (!may_copy(s))
		return false;
	uint32_t piece = bitset_next_set(&s->copies_due, 0);

	if (piece == BITSET_NONE || !buffer_available(s))
		return false;
	uint32_t twin = find_twin(s, piece);

	s->work |= WORK_COPY;
	copies_undue(s, piece);
	if (twin != PIECE_NONE) {
		begin(s, piece, twin);
		return true;
	}
	group_want(s, piece); /* the other was lost meanwhile */
	return false;
}

void copies_read(struct swarm *s, uint32_t buffer, uint32_t piece, bool ok)
{
	struct buffer *b = &s->buffers[buffer];

	if (!b->busy || b->twin == PIECE_NONE || b->piece != piece)
		return;
	b->busy = false;
	s->copies_reading_count--;
	s->work |= WORK_COPY;
	if (b->state != BUFFER_READING) { /* given up meanwhile */
		buffer_settle(s, buffer);
	} else if (ok) {
		s->status.copied_bytes += piece_length(s, piece);
		buffer_collected(s, buffer);
	} else {
		buffer_failed(s, buffer);
	}
}
