/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets whom: of so many peers of each kind in each place, how many of which are named to one
 * that announces. Pure; what is left to chance is drawn from the given generator. Which of equal
 * ones are taken is for who keeps them (draw_core.c).
 *
 * Places. Near peers come first: the asker's rack, then the rest of its site and those of whom no
 * site is known, then other sites. Half of a reply, but CHOICE_NEAR_ENOUGH at most, is kept for
 * near racks, because a rack gets each piece over links to other racks; an eighth is kept for other
 * sites, and no more goes to them, unless the asker would have less than choice_neighbours_min
 * peers without. Who is in no known site takes from all sites as they come.
 *
 * Kinds. A leecher gets up to a quarter of seeders, so that nobody is cut off from the source, and
 * one that is far behind up to half: it can take anything, and leechers have less of it. Peers that
 * are paused (BEP 21: they hold a part and want no more) count as seeders then, after them. The
 * rest is leechers; where these are few, seeders again. Who does not fetch gets leechers only.
 */
#ifndef TRACKER_CHOICE_CORE_H
#define TRACKER_CHOICE_CORE_H

#include "lib/rng.h"

#define CHOICE_NEAR_ENOUGH 24

enum choice_kind { CHOICE_LEECHER, CHOICE_SEEDER, CHOICE_PAUSED, CHOICE_KINDS };
enum choice_place { CHOICE_RACK, CHOICE_NEAR, CHOICE_OTHER, CHOICE_PLACES };

struct choice_asker {
	bool fetches; /* a leecher: neither complete nor paused */
	bool far_behind;
	bool site_known;
	uint32_t numwant;
};

/* Peers that can be connected to by the asker: it is not among them itself. */
struct choice_counts {
	uint32_t peers[CHOICE_KINDS][CHOICE_PLACES];
};

/* take: as many as numwant, or as may be taken. */
void choice_make(const struct choice_asker *asker, const struct choice_counts *there,
	struct rng *rng, struct choice_counts *take);

/* Not less than ln(peers_count): with as many neighbours chosen at random a graph is connected. */
uint32_t choice_neighbours_min(uint32_t peers_count);

/* Seven eighths or more of the image are missing. Its length is not told to trackers: it is taken
 * to be the most that anybody said to be left. Who says too much delays what seeders do for those
 * who begin, and nothing else. */
bool choice_far_behind(uint64_t left_bytes, uint64_t left_most_bytes);

/* whole * part / all, the remainder by chance; all must not be 0, and part not more. */
uint32_t choice_share(struct rng *rng, uint32_t whole, uint32_t part, uint32_t all);

#endif
