/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assessment, beside fetching: what the driver finds on the device is served at once, what it does
 * not find is fetched at once, and what it has not looked at is left alone, since it may be there.
 * But where the disk reads no faster than the network brings, and nearly nothing of what was read
 * is of use, waiting for the disk would cost as much again as fetching: then a peer with nothing
 * else to bring is asked for pieces that nobody has looked at, which need not be read any more.
 */
#include "swarm/engine.h"

#define ABSENT_SHARE_MIN 8 /* all but one in so many, by bytes */
#define GUESSES_MAX	 4 /* places to look for a piece that the peer has */

static void assessed(struct swarm *s, uint32_t piece, bool absent)
{
	if (s->pieces[piece].zero)
		return;
	s->assessed_bytes += piece_length(s, piece);
	if (absent)
		s->absent_bytes += piece_length(s, piece);
}

void piece_checking(struct swarm *s, uint32_t piece)
{
	bitset_clear(&s->unassessed, piece);
}

void piece_absent(struct swarm *s, uint32_t piece, bool stale)
{
	if (s->pieces[piece].state != SWARM_PIECE_UNKNOWN)
		return;
	/* What may be of use is as good as there, as long as such pieces prove to be. */
	assessed(s, piece, !stale || !leaves_help(s));
	s->pieces[piece].stale = stale && !s->pieces[piece].zero;
	piece_missing(s, piece);
}

void piece_present(struct swarm *s, uint32_t piece)
{
	if (s->pieces[piece].state != SWARM_PIECE_UNKNOWN)
		return;
	assessed(s, piece, false);
	s->status.present_bytes += piece_length(s, piece);
	piece_is_written(s, piece);
	copies_found(s, piece);
}

void pieces_assess_done(struct swarm *s)
{
	if (s->assessed)
		return;
	s->assessed = true;
	for (uint32_t piece = 0; piece < s->pieces_count; piece++)
		piece_absent(s, piece, false);
	s->work |= WORK_WRITE | WORK_COMPLETE | WORK_COPY;
}

/* ---- not waiting for it ---- */

static bool nothing_is_there(const struct swarm *s)
{
	return s->assessed_bytes >= s->limits.assess_bytes_min &&
	       s->absent_bytes >= s->assessed_bytes - s->assessed_bytes / ABSENT_SHARE_MIN;
}

/* The first that the peer has and nobody has looked at, from a place on and round to it again. */
static uint32_t guess_from(const struct swarm *s, const struct peer *p, uint32_t from)
{
	size_t words_count = BITSET_WORDS(s->pieces_count);
	uint64_t mask = UINT64_MAX << from % 64;

	for (size_t i = 0; i <= words_count; i++) {
		size_t at = (from / 64 + i) % words_count;
		uint64_t both = s->unassessed.words[at] & p->has.words[at] & mask;

		if (both != 0)
			return (uint32_t)(at * 64) + (uint32_t)__builtin_ctzll(both);
		mask = UINT64_MAX;
	}
	return PIECE_NONE;
}

/* The rarest of a few that the peer has, from random places on: what other nodes guess is another
 * piece. */
static uint32_t guess(struct swarm *s, const struct peer *p)
{
	uint32_t best = PIECE_NONE;

	for (uint32_t i = 0; i < GUESSES_MAX; i++) {
		uint32_t piece = guess_from(s, p, (uint32_t)rng_below(&s->rng, s->pieces_count));

		if (piece == PIECE_NONE)
			return PIECE_NONE;
		if (best == PIECE_NONE ||
			s->picker.availability[piece] < s->picker.availability[best])
			best = piece;
	}
	return best;
}

/* Takes this one for absent if nobody has looked at it. False when there is no reason to. */
bool assess_skip(struct swarm *s, uint32_t piece)
{
	if (s->assessed || s->disk_failed || !bitset_has(&s->unassessed, piece) ||
		!nothing_is_there(s))
		return false;
	piece_missing(s, piece);
	return true;
}

/* Takes one that nobody has looked at for absent. False when there is no reason to. */
bool assess_guess(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];

	if (s->assessed || s->disk_failed || p->nothing_to_guess || !nothing_is_there(s))
		return false;
	uint32_t piece = guess(s, p);

	p->nothing_to_guess = piece == PIECE_NONE;
	if (p->nothing_to_guess)
		return false;
	piece_missing(s, piece);
	return true;
}
