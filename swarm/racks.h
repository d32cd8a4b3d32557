/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Racks and sites: what the engine keeps of places whose inside is cheap and whose uplink is not
 * (docs/racks.md).
 *
 * There are two levels, the rack and the site, and one rule for both. A peer's distance is 0 in our
 * rack, 1 in another rack of our site, 2 in another site; a node that is in no rack (no site) takes
 * everybody for near. From a peer at distance d > 0 a piece may be taken only when it is importable
 * at level d - 1: nobody inside our rack (site) has it, and it is ours to import. Whose it is says
 * rendezvous hashing over the members that are connected; a member that is dead or drags is passed
 * over, and who has begun says so to the others.
 */
#ifndef SWARM_RACKS_H
#define SWARM_RACKS_H

#include "swarm/swarm.h"

enum { LEVEL_RACK, LEVEL_SITE, LEVELS_COUNT };

#define IMPORTER_NONE	 UINT16_MAX
#define IMPORTER_SELF	 (UINT16_MAX - 1)
#define IMPORTS_SAID_MAX 64
#define CLAIM_LAPSED	 0x80 /* in claims: who had it let the time pass */

struct level {
	bool active;
	uint64_t place;		  /* of our rack or site */
	uint64_t origin_place;	  /* of the origin's, when it is outside; else 0 */
	struct bitset inside;	  /* pieces that somebody inside has */
	struct bitset outside;	  /* pieces that somebody at this level's distance has */
	struct bitset waiting;	  /* we lack it, outside has it, inside has not */
	struct bitset importable; /* of these: ours to take from outside, now */
	struct bitset spread;	  /* of these: two places outside have it */
	uint32_t *since_ms;	  /* when it began to wait */
	uint32_t *begun_ms;	  /* when its import began */
	uint16_t *importer;	  /* who imports it: a peer, ourselves, nobody */
	uint8_t *claims;	  /* how often it was left to others who said they import it */
	uint32_t cursor;	  /* in waiting */
	uint64_t settled_ns;	  /* nobody new for a moment: from then on we import */
	uint64_t import_ns;	  /* what an import takes, smoothed */
	uint64_t spread_ns;	  /* from one place having a piece to a second having it */
};

#define LINK_GROUPS_MAX 64

/* How many nodes we are connected to, by where they are. */
struct links {
	uint32_t ours_count; /* in our rack */
	uint32_t elsewhere_count;
	uint64_t groups[LINK_GROUPS_MAX];
	uint32_t counts[LINK_GROUPS_MAX];
	uint32_t groups_count;
};

struct rack_import {
	uint32_t piece;
	uint8_t level;
};

struct racks {
	bool active;	      /* we are in a rack or a site */
	bool due;	      /* who is where, or has what, is to be counted anew */
	bool starved;	      /* the rules are suspended */
	uint64_t starved_ns;  /* since when, or when last */
	uint64_t relapsed_ns; /* again, soon after: for a while then, whatever comes */
	uint8_t distance_max; /* of whom we know nothing yet */
	uint64_t member;      /* we, among the members */
	uint64_t first_ns;    /* the first peer */
	uint64_t tick_ns;
	struct level levels[LEVELS_COUNT];
	struct rack_import said[IMPORTS_SAID_MAX]; /* to be said to the members, a ring */
	uint32_t said_first, said_count;
};

#endif
