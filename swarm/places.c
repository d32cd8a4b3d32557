/* SPDX-License-Identifier: Apache-2.0 */
/* Who is where: the places that nodes say they are in, and how far they are from ours. */
#include "swarm/engine.h"

#define SETTLE_NS	(500 * NS_PER_MS) /* after the last member that came */
#define SETTLE_MAX_NS	(2 * NS_PER_S)	  /* after the first peer */
#define IMPORT_FIRST_NS NS_PER_S

/* ---- creation ---- */

static uint64_t key_of(uint64_t hash, const void *bytes, size_t bytes_count)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < bytes_count; i++)
		hash = (hash ^ at[i]) * 0x100000001b3;
	return hash == 0 ? 1 : hash;
}

#define KEY_START UINT64_C(0xcbf29ce484222325)

/* A rack's name means something within its site only. */
static void places_of(uint64_t places[static LEVELS_COUNT], const char *rack, const char *site)
{
	uint64_t of_site = key_of(KEY_START, site, strlen(site));

	places[LEVEL_SITE] = site[0] == '\0' ? 0 : of_site;
	places[LEVEL_RACK] = rack[0] == '\0' ? 0 : key_of(of_site + 1, rack, strlen(rack));
}

static bool level_create(struct swarm *s, struct level *level)
{
	size_t words = BITSET_WORDS(s->pieces_count);
	struct bitset *sets[] = {&level->inside, &level->outside, &level->waiting,
		&level->importable, &level->spread};
	uint64_t *memory = swarm_allocate(s, ARRAY_COUNT(sets) * words, sizeof(uint64_t));

	level->since_ms = swarm_allocate(s, s->pieces_count, sizeof(uint32_t));
	level->begun_ms = swarm_allocate(s, s->pieces_count, sizeof(uint32_t));
	level->importer = swarm_allocate(s, s->pieces_count, sizeof(uint16_t));
	level->claims = swarm_allocate(s, s->pieces_count, sizeof(uint8_t));
	if (memory == NULL || level->since_ms == NULL || level->begun_ms == NULL ||
		level->importer == NULL || level->claims == NULL)
		return false;
	for (size_t i = 0; i < ARRAY_COUNT(sets); i++)
		bitset_init(sets[i], memory + i * words, s->pieces_count);
	memset(level->importer, 0xff, s->pieces_count * sizeof(uint16_t));
	level->import_ns = level->spread_ns = IMPORT_FIRST_NS;
	level->settled_ns = NEVER;
	return true;
}

bool racks_create(struct swarm *s)
{
	struct racks *racks = &s->racks;
	uint64_t places[LEVELS_COUNT];

	places_of(places, s->settings.rack, s->settings.site);
	racks->member = key_of(KEY_START, s->settings.peer_id, PEER_ID_BYTES);
	for (uint32_t i = 0; i < LEVELS_COUNT; i++) {
		struct level *level = &racks->levels[i];

		level->place = places[i];
		level->active = places[i] != 0;
		if (!level->active)
			continue;
		racks->active = true;
		racks->distance_max = (uint8_t)(i + 1);
		if (!level_create(s, level))
			return false;
	}
	return true;
}

/* ---- who is where ---- */

static bool same_place(const struct peer *a, const struct peer *b)
{
	return a->places[LEVEL_RACK] == b->places[LEVEL_RACK] &&
	       a->places[LEVEL_SITE] == b->places[LEVEL_SITE];
}

/* An origin that shares its place with nobody gives to all places alike. */
bool rack_alone(const struct swarm *s, const struct peer *origin)
{
	if (origin->places[LEVEL_RACK] == 0 && origin->places[LEVEL_SITE] == 0)
		return true;
	for (uint32_t i = 0; i < s->peers_top; i++) {
		const struct peer *p = &s->peers[i];

		if (p->state == PEER_OPEN && !p->origin && same_place(p, origin))
			return false;
	}
	return s->now_ns >= s->racks.first_ns + SETTLE_MAX_NS;
}

static uint8_t distance_of(const struct swarm *s, const struct peer *p)
{
	const struct level *levels = s->racks.levels;

	for (uint32_t i = LEVELS_COUNT; i-- > 0;)
		if (levels[i].active && p->places[i] != levels[i].place)
			return (uint8_t)(i + 1);
	return 0;
}

/* What an origin has begun to give us goes on, though others are to be served by it from now on. */
static void keep_grants(struct swarm *s, struct peer *origin)
{
	for (uint32_t i = 0; i < s->limits.buffers_count; i++)
		if (s->buffers[i].state == BUFFER_ARRIVING && origin->buffer == i)
			rack_granted(s, origin, s->buffers[i].piece);
	for (uint32_t i = 0; i < origin->suggested_count; i++)
		rack_granted(s, origin, origin->suggested[i]);
}

void rack_place(struct swarm *s, struct peer *p)
{
	uint8_t before = p->distance;

	p->near_alone = p->origin && distance_of(s, p) > 0 && rack_alone(s, p);
	p->distance = p->near_alone ? 0 : distance_of(s, p);
	if (p->state == PEER_OPEN) {
		s->near_count += (p->distance == 0);
		s->near_count -= (before == 0);
	}
	if (p->origin && before == 0 && p->distance > 0)
		keep_grants(s, p);
}

void rack_introduced(
	struct swarm *s, uint32_t peer, const struct peer_extended_handshake *handshake)
{
	struct racks *racks = &s->racks;
	struct peer *p = &s->peers[peer];

	p->id_roster = handshake->id_roster;
	if (p->member != 0) { /* said once for all; whether it is an origin may change */
		racks_recount(s);
		return;
	}
	places_of(p->places, handshake->rack, handshake->site);
	p->member = key_of(KEY_START, p->id, PEER_ID_BYTES);
	p->news_ns = s->now_ns;
	lending_comes(s, p);
	s->connect_look_ns = 0; /* whom to look for may be another */
	if (racks->first_ns == 0)
		racks->first_ns = s->now_ns;
	if (!racks->active)
		return;
	rack_place(s, p);
	for (uint32_t i = p->distance; i < LEVELS_COUNT; i++)
		racks->levels[i].settled_ns =
			u64_min(s->now_ns + SETTLE_NS, racks->first_ns + SETTLE_MAX_NS);
	for (uint32_t i = 0; i < LEVELS_COUNT; i++)
		if (racks->levels[i].settled_ns == NEVER)
			racks->levels[i].settled_ns = s->now_ns + SETTLE_NS;
	roster_welcome(s, peer);
	racks_recount(s);
	link_introduced(s, peer);
}

void rack_peer_reset(const struct swarm *s, struct peer *p)
{
	p->distance = s->racks.distance_max;
}

void rack_peer_left(struct swarm *s, uint32_t peer)
{
	for (uint32_t i = 0; i < LEVELS_COUNT; i++) {
		struct level *level = &s->racks.levels[i];

		if (!level->active)
			continue;
		/* A peer imports nothing but what waits: stop_waiting ends it. */
		BITSET_FOREACH (piece, &level->waiting)
			if (level->importer[piece] == peer)
				rack_set_importer(s, i, piece, IMPORTER_NONE);
	}
	racks_recount(s);
}
