/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom to be connected to when we are in a rack or a site: all of our rack, and a few nodes in each
 * of a few other places, so that whoever imports a piece finds a holder. Where an address is shows
 * when it was connected to once; it is remembered, and what is enough of one place is not dialled.
 */
#include "swarm/engine.h"

#define PLACES_LINKED	8  /* other places at a time */
#define LINKS_ELSEWHERE 24 /* in all of them together */
#define LINKS_MIN	3  /* in each */
#define HEARSAY_MAX	ROSTER_MEMBERS_MAX
#define NUMBERS_SPARE	6 /* for those who come of themselves and may be of our rack */

static uint64_t group_of(const uint64_t places[static LEVELS_COUNT])
{
	return places[LEVEL_RACK] != 0 ? places[LEVEL_RACK] : places[LEVEL_SITE];
}

static bool is_ours(const struct swarm *s, const uint64_t places[static LEVELS_COUNT])
{
	return s->racks.levels[LEVEL_RACK].active &&
	       places[LEVEL_RACK] == s->racks.levels[LEVEL_RACK].place;
}

void links_count(const struct swarm *s, struct links *links)
{
	*links = (struct links){0};
	for (uint32_t i = 0; i < s->peers_top; i++) {
		const struct peer *p = &s->peers[i];
		uint32_t at = 0;

		if (p->state != PEER_OPEN || p->member == 0 || p->origin)
			continue;
		if (is_ours(s, p->places)) {
			links->ours_count++;
			continue;
		}
		while (at < links->groups_count && links->groups[at] != group_of(p->places))
			at++;
		links->elsewhere_count++;
		if (at == LINK_GROUPS_MAX)
			continue;
		if (at == links->groups_count)
			links->groups[links->groups_count++] = group_of(p->places);
		links->counts[at]++;
	}
}

static uint32_t count_of(const struct links *links, uint64_t group)
{
	for (uint32_t i = 0; i < links->groups_count; i++)
		if (links->groups[i] == group)
			return links->counts[i];
	return 0;
}

/* Links that we want to one other place. */
static uint32_t quota(const struct links *links)
{
	uint32_t groups = (uint32_t)u64_min(u64_max(links->groups_count, 1), PLACES_LINKED);

	return (uint32_t)u64_max(LINKS_ELSEWHERE / groups, LINKS_MIN);
}

bool link_wanted(const struct swarm *s, const struct links *links, const struct known_address *a)
{
	if (!s->racks.active)
		return true;
	/* In a swarm that fits, everybody is looked at once. */
	if (!a->told)
		return links->ours_count == 0 || links->elsewhere_count < LINKS_ELSEWHERE ||
		       s->addresses_count - s->source_counts[SWARM_SOURCE_PEX] <=
			       s->limits.peers_max;
	if (is_ours(s, a->places))
		return true;
	uint32_t count = count_of(links, group_of(a->places));

	return count < quota(links) && (count > 0 || links->groups_count < PLACES_LINKED);
}

bool links_open(const struct swarm *s)
{
	uint32_t most = s->limits.peers_wanted;

	if (s->racks.active)
		most = s->limits.peers_max - (uint32_t)u64_min(s->limits.peers_max, NUMBERS_SPARE);
	return s->peers_used_count < most;
}

static void told_of(struct swarm *s, const struct peer_address *address)
{
	uint32_t index = address_add(s, address, SWARM_SOURCE_ITSELF);

	if (index == ADDRESS_NONE || s->addresses[index].told)
		return;
	s->addresses[index].told = s->addresses[index].hearsay = true;
	for (uint32_t i = 0; i < LEVELS_COUNT; i++)
		s->addresses[index].places[i] = s->racks.levels[i].place;
}

/* A member of our rack says that these are there too. No more at a time than a rack may be, until
 * they were tried: the book has room for others. */
void links_told(struct swarm *s, const struct peer *teller, const struct peer_address *addresses,
	uint32_t count)
{
	uint32_t untried_count = 0;

	for (uint32_t i = 0; i < s->addresses_count; i++)
		untried_count += s->addresses[i].hearsay && s->addresses[i].failures == 0;
	for (uint32_t i = 0; i < count && untried_count + i < HEARSAY_MAX; i++)
		if (address_plausible(&addresses[i], teller))
			told_of(s, &addresses[i]);
}

/* It has said where it is: more than enough of there has to go, so that our own rack has room. What
 * came to us is borne longer than what we looked for. */
void link_introduced(struct swarm *s, uint32_t peer)
{
	struct peer *p = &s->peers[peer];
	struct links links;

	if (p->address_index != ADDRESS_NONE) {
		struct known_address *a = &s->addresses[p->address_index];

		a->told = true;
		a->hearsay = false;
		memcpy(a->places, p->places, sizeof(a->places));
	}
	if (!s->racks.active || p->origin || is_ours(s, p->places))
		return;
	links_count(s, &links);
	uint32_t count = count_of(&links, group_of(p->places));
	bool tight = s->peers_used_count + NUMBERS_SPARE >= s->limits.peers_max;

	if (count > (p->outgoing || tight ? 1 : 2) * quota(&links) ||
		(links.groups_count > PLACES_LINKED && count == 1 && (p->outgoing || tight))) {
		p->needless = true;
		peer_close(s, peer, "enough links to where it is");
	}
}
