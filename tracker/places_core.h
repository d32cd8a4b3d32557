/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of racks and sites as small numbers, and who is known to stand where; private to the
 * tracker's core. Pure, memory is given.
 *
 * A place is a site, or a rack (in a site, or in one that is not known); number 0 is nowhere. A
 * place exists as long as somebody holds it. Names that only announces bring ("guests") get at most
 * half of the room, so that nobody can crowd out what the operator named.
 */
#ifndef TRACKER_PLACES_CORE_H
#define TRACKER_PLACES_CORE_H

#include "wire/peer_address.h"
#include "wire/peer_wire.h"

#define PLACE_NOWHERE	 0
#define PLACES_SITES_MAX 32 /* named ones */

struct place {
	char site[PEER_PLACE_MAX + 1];
	char rack[PEER_PLACE_MAX + 1];
	bool guest;
	uint16_t site_place; /* of its site; of a site itself: itself; PLACE_NOWHERE: not known */
	uint16_t next;	     /* in its bucket; free ones: the next free one */
	uint32_t holders_count;
};

/* An address or a subnet that is known to stand somewhere. */
struct placement {
	uint8_t ip[16];
	uint16_t place; /* held; never nowhere when used */
	uint8_t prefix_bits;
	bool used;
	uint32_t asked_at; /* by placements.asked_count; that wraps: what is idle for weeks may look
			      young */
};

struct placements {
	struct placement *slots;
	uint32_t slots_count;
	uint32_t used_count;
	uint32_t used_max;
	uint32_t asked_count; /* how often one was put or found */
	bool oldest_goes;     /* when all are used, for one more: who was not asked for longest */
};

#define PREFIX_LENGTHS 129

struct places {
	struct place *entries;
	uint16_t *buckets;
	uint32_t entries_max; /* with nowhere; at most 65,535 */
	uint32_t fresh;	      /* from here on none was ever used */
	uint16_t free;	      /* PLACE_NOWHERE: none */
	uint16_t sites[PLACES_SITES_MAX];
	uint32_t sites_count;
	uint32_t guests_count;
	uint32_t guest_sites_count;
	uint64_t hash_key;
	struct placements addresses;
	struct placements subnets;
	uint32_t lengths_used[PREFIX_LENGTHS]; /* subnets of each length */
};

/* The arrays are given; sets the rest. */
void places_create(struct places *places);

/* The place of that name, held once more; PLACE_NOWHERE when both are "" or there is no room. */
uint16_t places_take(struct places *places, const char *site, const char *rack, bool guest);
void places_hold(struct places *places, uint16_t place);
void places_release(struct places *places, uint16_t place);

/* False when there is no room. Names "" and "": nothing is known of it any more, and its slot is
 * free. prefix_bits counts from the start of the 16 bytes. */
MUST_USE bool places_put(struct places *places, struct placements *placements, const uint8_t ip[16],
	uint32_t prefix_bits, const char *site, const char *rack);
void places_forget(struct places *places, struct placements *placements);

/* Where a peer stands, held: as its address was placed, else as it says itself, else as its subnet
 * was placed. */
uint16_t places_find(
	struct places *places, const uint8_t ip[16], const char *site, const char *rack);

#endif
