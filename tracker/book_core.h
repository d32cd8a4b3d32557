/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tracker's book of swarms and peers; private to tracker_core.c (what is answered) and
 * book_core.c (how it is kept).
 *
 * Peers live in one pool and hang in two hash tables: by (swarm, address), to find the one that
 * announces, and by (list, place in the list), which makes every list of a swarm an array: a place
 * is found in constant time, so samples are uniform, and lists of all swarms share one memory. A
 * swarm has four lists: leechers and seeders, IPv4 and IPv6. All peers also hang in one chain from
 * the longest silent to the newest, which is the order in which they expire.
 */
#ifndef TRACKER_BOOK_CORE_H
#define TRACKER_BOOK_CORE_H

#include "lib/rng.h"
#include "tracker/tracker_core.h"

#define NONE UINT32_MAX /* no peer, no swarm */

enum { LISTS_PER_SWARM = 4, LIST_SEEDERS = 1, LIST_IPV6 = 2 };

struct peer {
	struct peer_address address;
	uint8_t peer_id[20];
	uint32_t swarm;
	uint32_t list;	       /* of its swarm */
	uint32_t place;	       /* in the list */
	uint32_t next_address; /* in its bucket of by_address; free peers: the next free one */
	uint32_t next_place;   /* in its bucket of by_place */
	uint32_t older;
	uint32_t newer;
	uint32_t announced_s;
};

struct swarm_entry {
	uint8_t infohash[SHA1_BYTES];
	uint32_t counts[LISTS_PER_SWARM];
	uint32_t completed_count;
	uint32_t next; /* in its bucket; free swarms: the next free one */
	bool used;
	bool pinned;
};

struct tracker_core {
	struct tracker_core_settings settings;
	struct rng rng;
	uint64_t hash_keys[2];
	struct swarm_entry *swarms;
	struct peer *peers;
	uint32_t *by_infohash;
	uint32_t *by_address;
	uint32_t *by_place;
	uint32_t swarm_buckets; /* powers of two */
	uint32_t peer_buckets;
	uint32_t free_swarm;
	uint32_t free_peer;
	uint32_t swarms_count;
	uint32_t peers_count;
	uint32_t oldest;
	uint32_t newest;
};

/* The swarm of an infohash, or NONE. */
uint32_t book_swarm_find(const struct tracker_core *core, const uint8_t *infohash);
/* NONE when there is no room: empty swarms make place for others, pinned ones do not. */
uint32_t book_swarm_find_or_add(struct tracker_core *core, const uint8_t *infohash);

/* The peer at a place of a swarm's list; place < counts[list]. */
uint32_t book_list_at(
	const struct tracker_core *core, uint32_t swarm, uint32_t list, uint32_t place);

/* The peer of a swarm that has this address, or NONE. */
uint32_t book_peer_find(
	const struct tracker_core *core, uint32_t swarm, const struct peer_address *address);
/* NONE when there is no room. */
uint32_t book_peer_add(struct tracker_core *core, uint64_t now_s, uint32_t swarm, uint32_t list,
	const struct peer_address *address);
/* The peer announced now, and belongs into this list. */
void book_peer_renew(struct tracker_core *core, uint64_t now_s, uint32_t index, uint32_t list);
void book_peer_remove(struct tracker_core *core, uint32_t index);

#endif
