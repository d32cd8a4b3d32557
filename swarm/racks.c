/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pieces wait outside of our rack or site. What comes piece by piece is counted at once; when
 * somebody comes, goes or changes place, all is counted anew.
 */
#include "swarm/engine.h"

#define TICK_NS		  (100 * NS_PER_MS)
#define STARVED_NS	  (20 * NS_PER_S)
#define RELAPSE_AFTER_NS  (5 * NS_PER_S)
#define RELAPSE_WITHIN_NS (60 * NS_PER_S)
#define RELAPSE_NS	  (10 * NS_PER_S)
#define SILENT_NS	  (5 * NS_PER_S) /* a member that chokes us and says nothing gives nothing */
#define HELD_NS		  (10 * NS_PER_S) /* nor does one that chokes us so long, and nothing comes */
#define IDLE_NS		  (5 * NS_PER_S)
#define HELD_MAX_NS	  (20 * NS_PER_S) /* even if something comes */
#define LINGER_NS	  NS_PER_S	  /* interest stays for the next piece */
#define JUDGED_MAX	  512		  /* pieces looked at in one tick */

void racks_recount(struct swarm *s)
{
	if (!s->racks.active)
		return;
	s->racks.due = true;
	s->work |= WORK_RACKS;
}

/* ---- pieces that wait ---- */

uint32_t rack_now_ms(const struct swarm *s)
{
	return (uint32_t)((s->now_ns - s->racks.first_ns) / NS_PER_MS);
}

uint64_t rack_waited_ns(const struct swarm *s, uint32_t since_ms)
{
	return (uint64_t)(rack_now_ms(s) - since_ms) * NS_PER_MS;
}

static void smooth(uint64_t *average_ns, uint64_t sample_ns)
{
	*average_ns = *average_ns - *average_ns / 8 + sample_ns / 8;
}

/* Tells those it could be taken from whether it can. */
static void set_importable(struct swarm *s, uint32_t at, uint32_t piece, bool importable)
{
	struct level *level = &s->racks.levels[at];

	if (bitset_has(&level->importable, piece) == importable)
		return;
	if (importable)
		bitset_set(&level->importable, piece);
	else
		bitset_clear(&level->importable, piece);
	for (uint32_t i = 0; i < s->peers_top && !s->racks.due; i++) {
		struct peer *p = &s->peers[i];

		if (p->state != PEER_OPEN || p->distance != at + 1 || !bitset_has(&p->has, piece))
			continue;
		p->importable_count += importable ? 1 : UINT32_MAX;
		p->importable_ns = s->now_ns;
		peer_update_interest(s, i);
		if (importable)
			refill(s, i);
	}
}

static void begin_waiting(struct swarm *s, struct level *level, uint32_t piece)
{
	bitset_set(&level->waiting, piece);
	bitset_clear(&level->spread, piece);
	level->since_ms[piece] = rack_now_ms(s);
	s->racks.tick_ns = u64_min(s->racks.tick_ns, s->now_ns + TICK_NS);
	wake_at(s, s->racks.tick_ns);
}

static void stop_waiting(struct swarm *s, uint32_t at, uint32_t piece)
{
	struct level *level = &s->racks.levels[at];

	if (!bitset_has(&level->waiting, piece))
		return;
	if (level->importer[piece] != IMPORTER_NONE)
		smooth(&level->import_ns, rack_waited_ns(s, level->begun_ms[piece]));
	set_importable(s, at, piece, false);
	bitset_clear(&level->waiting, piece);
	rack_set_importer(s, at, piece, IMPORTER_NONE);
}

void rack_judge(struct swarm *s, uint32_t at, uint32_t piece)
{
	struct level *level = &s->racks.levels[at];

	if (!bitset_has(&level->spread, piece) && rack_places_count(s, at, piece) > 1) {
		bitset_set(&level->spread, piece);
		if (!s->racks.due)
			smooth(&level->spread_ns, rack_waited_ns(s, level->since_ms[piece]));
	}
	set_importable(s, at, piece, rack_is_ours(s, at, piece));
}

void rack_piece_changed(struct swarm *s, uint32_t piece)
{
	if (!s->racks.active)
		return;
	for (uint32_t i = 0; i < LEVELS_COUNT; i++) {
		struct level *level = &s->racks.levels[i];

		if (!level->active)
			continue;
		if (!piece_lacking(s, piece)) {
			stop_waiting(s, i, piece);
		} else if (bitset_has(&level->outside, piece) &&
			   !bitset_has(&level->inside, piece)) {
			begin_waiting(s, level, piece);
			rack_judge(s, i, piece);
		}
	}
}

/* Somebody has one more piece. */
void rack_has(struct swarm *s, uint32_t peer, uint32_t piece)
{
	struct peer *p = &s->peers[peer];

	for (uint32_t i = 0; i < LEVELS_COUNT; i++) {
		struct level *level = &s->racks.levels[i];

		if (!level->active || p->distance > i + 1)
			continue;
		if (p->distance <= i && p->left_out)
			continue;
		if (p->distance <= i) {
			rack_fulfilled(s, peer, i, piece);
			bitset_set(&level->inside, piece);
			stop_waiting(s, i, piece);
			continue;
		}
		if (!s->racks.due && bitset_has(&level->importable, piece))
			p->importable_count++;
		if (p->given_up_ns != 0)
			continue;
		bitset_set(&level->outside, piece);
		if (!bitset_has(&level->inside, piece) && piece_lacking(s, piece) &&
			!bitset_has(&level->waiting, piece))
			begin_waiting(s, level, piece);
		if (bitset_has(&level->waiting, piece))
			rack_judge(s, i, piece);
	}
}

static void take_over(struct swarm *s, uint32_t at, uint32_t piece)
{
	rack_set_importer(s, at, piece, IMPORTER_SELF);
	s->racks.levels[at].begun_ms[piece] = rack_now_ms(s);
	set_importable(s, at, piece, true);
}

/* The origin says that we are to take it from there, wherever it is. */
void rack_granted(struct swarm *s, const struct peer *origin, uint32_t piece)
{
	if (origin->distance == 0 || !piece_lacking(s, piece))
		return;
	uint32_t at = origin->distance - 1U;
	struct level *level = &s->racks.levels[at];

	if (bitset_has(&level->inside, piece))
		return;
	if (!bitset_has(&level->waiting, piece))
		begin_waiting(s, level, piece);
	take_over(s, at, piece);
}

/* ---- counting anew ---- */

static void join(struct bitset *all, const struct bitset *some)
{
	for (size_t i = 0; i < BITSET_WORDS(all->bits_count); i++)
		all->words[i] |= some->words[i];
}

static void find_holdings(struct swarm *s, uint32_t at)
{
	struct level *level = &s->racks.levels[at];

	bitset_clear_all(&level->inside);
	bitset_clear_all(&level->outside);
	level->origin_place = 0;
	for (uint32_t i = 0; i < s->peers_top; i++) {
		const struct peer *p = &s->peers[i];

		if (p->state != PEER_OPEN)
			continue;
		if (p->distance == at + 1 && p->origin)
			level->origin_place = p->places[at];
		if (p->distance <= at && !p->near_alone && !p->left_out && !s->racks.starved)
			join(&level->inside, &p->has);
		else if (p->distance == at + 1 &&
			 ((!p->origin && p->given_up_ns == 0) || s->racks.starved))
			join(&level->outside, &p->has);
	}
}

static void find_waiting(struct swarm *s, uint32_t at)
{
	struct level *level = &s->racks.levels[at];

	BITSET_FOREACH (piece, &level->waiting)
		if (bitset_has(&level->inside, piece) ||
			(!bitset_has(&level->outside, piece) &&
				level->importer[piece] != IMPORTER_SELF))
			stop_waiting(s, at, piece);
	for (size_t i = 0; i < BITSET_WORDS(s->pieces_count); i++) {
		uint64_t word = level->outside.words[i] & ~level->inside.words[i] &
				~level->waiting.words[i] & ~s->have.words[i];

		for (; word != 0; word &= word - 1) {
			uint32_t piece = (uint32_t)(i * 64) + (uint32_t)__builtin_ctzll(word);

			if (piece_lacking(s, piece))
				begin_waiting(s, level, piece);
		}
	}
	BITSET_FOREACH (piece, &level->waiting) {
		bitset_clear(&level->spread, piece);
		rack_judge(s, at, piece);
	}
}

static void count_importable(struct swarm *s, struct peer *p)
{
	const struct level *level = &s->racks.levels[p->distance - 1];

	p->importable_count = 0;
	for (size_t i = 0; i < BITSET_WORDS(s->pieces_count); i++)
		p->importable_count += (uint32_t)__builtin_popcountll(
			p->has.words[i] & level->importable.words[i]);
}

bool racks_work(struct swarm *s)
{
	uint32_t before = s->effects_count;

	if (s->racks.due) {
		for (uint32_t i = 0; i < s->peers_top; i++)
			if (s->peers[i].state == PEER_OPEN && s->peers[i].origin)
				rack_place(s, &s->peers[i]);
		for (uint32_t i = 0; i < LEVELS_COUNT; i++) {
			if (!s->racks.levels[i].active)
				continue;
			find_holdings(s, i);
			find_waiting(s, i);
		}
		s->racks.due = false;
		for (uint32_t i = 0; i < s->peers_top; i++) {
			if (s->peers[i].state != PEER_OPEN)
				continue;
			if (s->peers[i].distance > 0)
				count_importable(s, &s->peers[i]);
			peer_update_interest(s, i);
			refill(s, i);
		}
	} else if (!roster_say(s)) {
		s->work &= ~(uint32_t)WORK_RACKS;
	}
	return s->effects_count != before;
}

/* ---- time ---- */

/* It keeps us choked, whatever it says, and we get nothing elsewhere, or it goes on for very long.
 * Members wait long for each other where links are slow, but not while nothing comes at all. */
static bool holds_us_up(const struct swarm *s, const struct peer *p)
{
	uint64_t gave_ns = u64_max(p->interested_ns, p->receiving_ns);

	return p->am_interested && p->peer_choking && s->now_ns >= gave_ns + HELD_NS &&
	       (s->now_ns >= s->received_ns + IDLE_NS ||
		       s->now_ns >= u64_max(gave_ns, p->news_ns) + HELD_MAX_NS);
}

/* Given up once, it comes back by giving something: unchoking alone is a word like any other. */
static bool is_left_out(const struct swarm *s, struct peer *p)
{
	bool silent = p->am_interested && p->peer_choking &&
		      s->now_ns >= u64_max(p->received_ns, p->importable_ns) + SILENT_NS;

	if (p->given_up_ns != 0 && p->receiving_ns > p->given_up_ns)
		p->given_up_ns = 0;
	else if (p->given_up_ns == 0 && holds_us_up(s, p))
		p->given_up_ns = s->now_ns;
	return p->snubbed || silent || p->given_up_ns != 0;
}

/* Nothing has come for long: the rules are suspended, until a block comes. When that was all that
 * came, they are what keeps us from the rest: the second time it takes less, and lasts. */
static bool is_starved(struct swarm *s)
{
	struct racks *racks = &s->racks;
	uint64_t quiet_ns = s->now_ns - u64_max(s->received_ns, racks->first_ns);
	bool before = racks->starved_ns != 0 && s->now_ns < racks->starved_ns + RELAPSE_WITHIN_NS;
	bool lasts = racks->relapsed_ns != 0 && s->now_ns < racks->relapsed_ns + RELAPSE_NS;

	if (!racks->starved && quiet_ns >= (before ? RELAPSE_AFTER_NS : STARVED_NS)) {
		racks->relapsed_ns = before ? s->now_ns : 0;
		racks->starved_ns = s->now_ns;
		return true;
	}
	return racks->starved && (lasts || quiet_ns >= RELAPSE_AFTER_NS);
}

static void look_around(struct swarm *s)
{
	bool starved = is_starved(s);

	if (starved != s->racks.starved)
		racks_recount(s);
	s->racks.starved = starved;
	for (uint32_t i = 0; i < s->peers_top; i++) {
		struct peer *p = &s->peers[i];

		if (p->state != PEER_OPEN)
			continue;
		bool left_out = is_left_out(s, p);

		if (left_out != p->left_out || (p->origin && rack_alone(s, p) != p->near_alone))
			racks_recount(s);
		p->left_out = left_out;
		if (p->distance > 0)
			peer_update_interest(s, i);
	}
}

/* Time may have made some of them ours. */
static void look_at_waiting(struct swarm *s, uint32_t at)
{
	struct level *level = &s->racks.levels[at];
	uint32_t count = 0;

	for (; count < JUDGED_MAX; count++) {
		uint32_t piece = bitset_next_set(&level->waiting, level->cursor);

		level->cursor = piece == BITSET_NONE ? 0 : piece + 1;
		if (piece == BITSET_NONE)
			break;
		rack_lapse(s, at, piece);
		rack_judge(s, at, piece);
	}
	if (bitset_next_set(&level->importable, 0) != BITSET_NONE)
		return;
	uint32_t overdue = rack_find_overdue(s, at);

	if (overdue != PIECE_NONE)
		take_over(s, at, overdue);
}

void racks_tick(struct swarm *s)
{
	struct racks *racks = &s->racks;

	if (!racks->active || racks->first_ns == 0 || s->lacking_count == 0)
		return;
	if (s->now_ns >= racks->tick_ns) {
		racks->tick_ns = s->now_ns + TICK_NS;
		look_around(s);
		for (uint32_t i = 0; i < LEVELS_COUNT; i++)
			if (racks->levels[i].active)
				look_at_waiting(s, i);
	}
	wake_at(s, racks->tick_ns);
}

/* ---- what the rest of the engine asks ---- */

/* Pieces that we would take from it. */
bool rack_useful(const struct swarm *s, const struct peer *p)
{
	if (p->distance == 0)
		return p->useful_count > 0;
	if (p->origin && rack_courts(s, p))
		return true;
	if (p->origin && p->suggested_count == 0 && p->requests_count == 0 && !s->racks.starved)
		return false;
	return p->importable_count > 0 || (p->am_interested && p->useful_count > 0 &&
						  s->now_ns < p->importable_ns + LINGER_NS);
}
