/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which piece is ours to import into our rack or site, and from whom next.
 *
 * Within: the members order themselves for each piece by a hash of both; the first one imports it.
 * One that is gone is not in the order; one of whom nothing is heard for twice the time of an
 * import while the piece waits is passed over; who has nothing to import of its own takes over what
 * has waited that long. Without: as long as one place alone has a piece, only one other place
 * fetches it there, the first in an order of the same kind; so the origin's rack sends each piece
 * once, and the others exchange.
 */
#include "swarm/engine.h"

#define PATIENCE_MIN_NS	  NS_PER_S
#define PATIENCE_MAX_NS	  (15 * NS_PER_S)
#define PLACES_MAX	  32
#define CLAIMS_MAX	  3  /* a piece is left to others so often, whoever they are */
#define CLAIMS_OPEN_MAX	  64 /* to one of them at a time */
#define CLAIMS_LAPSED_MAX 8  /* more than that of its pieces did not come: it is not believed */
#define CANDIDATES_MAX	  128
#define WINDOW_BYTES_MIN  (64 * KIB) /* asked for outside, not yet here */
#define WINDOW_NS	  (200 * NS_PER_MS)
#define WINDOW_SLOW_NS	  (2 * NS_PER_S) /* from a request to its block */

static uint64_t weight(uint64_t key, uint32_t piece)
{
	uint64_t mixed = key ^ ((uint64_t)piece + 1) * UINT64_C(0x9e3779b97f4a7c15);

	mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
	return mixed ^ mixed >> 31;
}

static uint64_t patience_ns(uint64_t estimate_ns)
{
	return u64_min(u64_max(2 * estimate_ns, PATIENCE_MIN_NS), PATIENCE_MAX_NS);
}

static bool is_member(const struct peer *p, uint32_t level)
{
	return p->state == PEER_OPEN && p->distance <= level && !p->near_alone && !p->origin &&
	       p->member != 0 && !p->left_out;
}

/* ---- within our place ---- */

void rack_set_importer(struct swarm *s, uint32_t at, uint32_t piece, uint16_t importer)
{
	struct level *level = &s->racks.levels[at];
	uint16_t before = level->importer[piece];

	if (before < s->limits.peers_max && (level->claims[piece] & CLAIM_LAPSED) == 0)
		s->peers[before].claims_open--;
	level->claims[piece] &= (uint8_t)~CLAIM_LAPSED;
	if (importer < s->limits.peers_max)
		s->peers[importer].claims_open++;
	level->importer[piece] = importer;
}

static bool is_overdue(const struct level *level, const struct swarm *s, uint32_t piece)
{
	return rack_waited_ns(s, level->begun_ms[piece]) >= patience_ns(level->import_ns);
}

/* What was left to another has not come in time. */
void rack_lapse(struct swarm *s, uint32_t at, uint32_t piece)
{
	struct level *level = &s->racks.levels[at];
	uint16_t importer = level->importer[piece];

	if (importer >= s->limits.peers_max || (level->claims[piece] & CLAIM_LAPSED) != 0 ||
		!is_overdue(level, s, piece))
		return;
	level->claims[piece] |= CLAIM_LAPSED;
	s->peers[importer].claims_open--;
	s->peers[importer].claims_lapsed++;
}

/* Who said it has the piece. */
void rack_fulfilled(struct swarm *s, uint32_t peer, uint32_t at, uint32_t piece)
{
	struct peer *p = &s->peers[peer];

	if (s->racks.levels[at].importer[piece] == peer && p->claims_lapsed > 0)
		p->claims_lapsed--;
}

/* Members that come before us for the piece and may still see to it: whether there are no more than
 * so many. Most often the first few that are looked at say no. */
static bool members_before(const struct swarm *s, uint32_t at, uint32_t piece, uint64_t most)
{
	const struct level *level = &s->racks.levels[at];
	uint64_t ours = weight(s->racks.member, piece);
	uint64_t wait_ns = patience_ns(level->import_ns);
	bool overdue = rack_waited_ns(s, level->since_ms[piece]) >= wait_ns;
	uint64_t count = 0;

	for (uint32_t i = 0; i < s->peers_top && count <= most; i++) {
		const struct peer *p = &s->peers[i];

		if (is_member(p, at) && weight(p->member, piece) > ours)
			count += !overdue || s->now_ns < p->news_ns + wait_ns;
	}
	return count <= most;
}

static bool others_import(const struct swarm *s, uint32_t at, uint32_t piece)
{
	const struct level *level = &s->racks.levels[at];
	uint16_t importer = level->importer[piece];

	return importer != IMPORTER_NONE && importer != IMPORTER_SELF &&
	       is_member(&s->peers[importer], at) && !is_overdue(level, s, piece);
}

/* ---- among the places ---- */

static bool seen_before(uint64_t *places, uint32_t *count, uint64_t place)
{
	for (uint32_t i = 0; i < *count; i++)
		if (places[i] == place)
			return true;
	if (*count < PLACES_MAX)
		places[(*count)++] = place;
	return false;
}

/* Who has the piece out there, and may be expected to give it. */
static bool is_holder(const struct peer *p, uint32_t at, uint32_t piece)
{
	return p->state == PEER_OPEN && p->distance == at + 1 && p->given_up_ns == 0 &&
	       bitset_has(&p->has, piece);
}

uint32_t rack_places_count(const struct swarm *s, uint32_t at, uint32_t piece)
{
	uint64_t places[PLACES_MAX];
	uint32_t count = 0;

	for (uint32_t i = 0; i < s->peers_top && count < 2; i++) {
		const struct peer *p = &s->peers[i];

		if (is_holder(p, at, piece))
			(void)seen_before(places, &count, p->places[at]);
	}
	return count;
}

/* Other places that lack the piece and come before ours for it. */
static uint32_t places_before(const struct swarm *s, uint32_t at, uint32_t piece)
{
	uint64_t ours = weight(s->racks.levels[at].place, piece);
	uint64_t places[PLACES_MAX];
	uint32_t places_count = 0;
	uint32_t before = 0;

	for (uint32_t i = 0; i < s->peers_top; i++) {
		const struct peer *p = &s->peers[i];

		/* The holder's place comes out as one that does not count. */
		if (is_holder(p, at, piece))
			(void)seen_before(places, &places_count, p->places[at]);
	}
	for (uint32_t i = 0; i < s->peers_top; i++) {
		const struct peer *p = &s->peers[i];

		if (p->state == PEER_OPEN && p->distance == at + 1 && !p->origin &&
			p->places[at] != 0 && weight(p->places[at], piece) > ours)
			before += !seen_before(places, &places_count, p->places[at]);
	}
	return before;
}

static bool our_places_turn(const struct swarm *s, uint32_t at, uint32_t piece)
{
	const struct level *level = &s->racks.levels[at];

	if (bitset_has(&level->spread, piece))
		return true;
	uint32_t before = places_before(s, at, piece);

	return before == 0 ||
	       rack_waited_ns(s, level->since_ms[piece]) >= before * patience_ns(level->spread_ns);
}

bool rack_is_ours(const struct swarm *s, uint32_t at, uint32_t piece)
{
	const struct level *level = &s->racks.levels[at];

	if (level->importer[piece] == IMPORTER_SELF || s->racks.starved)
		return true;
	if (s->now_ns < level->settled_ns || others_import(s, at, piece))
		return false;
	/* The others of its site know nobody to import from. */
	if (s->settings.relay && at == LEVEL_SITE)
		return our_places_turn(s, at, piece);
	return members_before(s, at, piece, 0) && our_places_turn(s, at, piece);
}

/* With nothing of our own to import: one piece that has waited too long for its owner, the longer
 * the further we are from being it. */
uint32_t rack_find_overdue(struct swarm *s, uint32_t at)
{
	const struct level *level = &s->racks.levels[at];
	uint32_t from = (uint32_t)rng_below(&s->rng, s->pieces_count);

	for (uint32_t i = 0; i < CANDIDATES_MAX; i++) {
		uint32_t piece = bitset_next_set(&level->waiting, from);

		if (piece == BITSET_NONE)
			return PIECE_NONE;
		from = piece + 1;
		uint64_t turns =
			rack_waited_ns(s, level->since_ms[piece]) / patience_ns(level->import_ns);

		if (!others_import(s, at, piece) && members_before(s, at, piece, turns) &&
			our_places_turn(s, at, piece))
			return piece;
	}
	return PIECE_NONE;
}

/* ---- what to import next ---- */

/* Little is under way at a time: who imports shares the uplink with the rack, and what waits in it
 * holds up everybody. */
bool rack_window_open(const struct swarm *s)
{
	uint64_t asked_bytes = 0;
	uint64_t least = WINDOW_BYTES_MIN;
	uint64_t rate = 0;

	BITSET_FOREACH (i, &s->open) {
		const struct peer *p = &s->peers[i];

		if (p->distance == 0)
			continue;
		/* Where an uplink is slow for so many, each asks for a block at a time. */
		if (p->late_row > 0 || p->latency_ns >= WINDOW_SLOW_NS)
			least = s->limits.block_bytes;
		if (p->requests_count == 0)
			continue;
		asked_bytes += p->requests_bytes;
		rate += p->rate_bytes_per_s;
	}
	return asked_bytes < u64_max(least, rate / 1000 * (WINDOW_NS / NS_PER_MS));
}

/* The origin's place sends what it alone has; the rest comes from the others. */
static bool better_elsewhere(
	const struct swarm *s, const struct peer *p, uint32_t at, uint32_t piece)
{
	const struct level *level = &s->racks.levels[at];

	return level->origin_place != 0 && p->places[at] == level->origin_place &&
	       bitset_has(&level->spread, piece) &&
	       (level->importer[piece] != IMPORTER_SELF || !is_overdue(level, s, piece));
}

bool rack_may_take(const struct swarm *s, const struct peer *p, uint32_t piece)
{
	uint32_t at = p->distance - 1U;

	return p->distance == 0 || (bitset_has(&s->racks.levels[at].importable, piece) &&
					   !better_elsewhere(s, p, at, piece));
}

uint32_t rack_choose(struct swarm *s, const struct peer *p)
{
	uint32_t at = p->distance - 1U;
	const struct level *level = &s->racks.levels[at];
	uint32_t from = (uint32_t)rng_below(&s->rng, s->pieces_count);
	uint32_t best = PIECE_NONE;
	bool wrapped = false;

	if (p->importable_count == 0)
		return PIECE_NONE;
	for (uint32_t i = 0; i < CANDIDATES_MAX; i++) {
		uint32_t piece = bitset_next_set(&level->importable, from);

		if (piece == BITSET_NONE && wrapped)
			break;
		wrapped |= piece == BITSET_NONE;
		from = piece == BITSET_NONE ? 0 : piece + 1;
		if (piece == BITSET_NONE || !bitset_has(&p->has, piece) ||
			!picker_wants(&s->picker, piece) || better_elsewhere(s, p, at, piece))
			continue;
		if (best == PIECE_NONE ||
			s->picker.availability[piece] < s->picker.availability[best])
			best = piece;
	}
	return best;
}

/* The first block of it is asked for. */
void rack_begins(struct swarm *s, const struct peer *p, uint32_t piece)
{
	struct racks *racks = &s->racks;

	if (p->distance == 0)
		return;
	struct level *level = &racks->levels[p->distance - 1];

	rack_set_importer(s, p->distance - 1, piece, IMPORTER_SELF);
	level->begun_ms[piece] = rack_now_ms(s);
	if (racks->said_count == IMPORTS_SAID_MAX)
		return; /* the others find out when they see that we have it */
	uint32_t last = (racks->said_first + racks->said_count++) % IMPORTS_SAID_MAX;

	racks->said[last] = (struct rack_import){piece, (uint8_t)(p->distance - 1)};
	s->work |= WORK_RACKS;
}

/* A block from outside has come: there may be room for the next piece. */
void rack_arrived(struct swarm *s, const struct peer *from)
{
	for (uint32_t i = 0; from->distance > 0 && i < s->peers_top; i++)
		if (s->peers[i].state == PEER_OPEN && s->peers[i].importable_count > 0)
			refill(s, i);
}

/* Whether a word is worth waiting for. Saying it again buys no time; whoever they are, others get a
 * piece a few times only; and who lets pieces lapse is left no more of them. */
static bool is_heeded(const struct swarm *s, uint32_t peer, uint32_t at, uint32_t piece)
{
	const struct peer *p = &s->peers[peer];
	const struct level *level = &s->racks.levels[at];

	if (!bitset_has(&level->waiting, piece) || level->importer[piece] == peer ||
		(level->claims[piece] & ~CLAIM_LAPSED) >= CLAIMS_MAX)
		return false;
	if (level->importer[piece] == IMPORTER_SELF &&
		weight(s->racks.member, piece) > weight(p->member, piece))
		return false; /* we come first */
	return p->claims_open < CLAIMS_OPEN_MAX && p->claims_lapsed < CLAIMS_LAPSED_MAX;
}

/* Who is in our rack or site and imports the piece itself. */
void rack_others_begin(struct swarm *s, uint32_t peer, uint32_t at, uint32_t piece)
{
	struct peer *p = &s->peers[peer];

	if (at >= LEVELS_COUNT || !s->racks.levels[at].active || !is_member(p, at) ||
		!is_heeded(s, peer, at, piece))
		return;
	struct level *level = &s->racks.levels[at];

	p->news_ns = s->now_ns;
	rack_set_importer(s, at, piece, (uint16_t)peer);
	level->begun_ms[piece] = rack_now_ms(s);
	level->claims[piece]++;
	rack_judge(s, at, piece);
}
