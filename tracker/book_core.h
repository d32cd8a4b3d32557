/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tracker's book of swarms and peers; private to the tracker's core: tracker_core.c (what is
 * answered), records_core.c (what other trackers are told), draw_core.c (which of a list are
 * named), book_core.c (memory and swarms), lists_core.c (lists of peers) and peers_core.c (how a
 * peer is found and forgotten).
 *
 * A peer is a record of 12 bytes (IPv4) or 24 (IPv6) in a chunk of 16 or 8. All in a chunk are of
 * one swarm, one category (leecher, seeder, paused or stopped; IPv4 or IPv6) and one rack: the
 * chunk's head says so once for all of them. A rack's list is an array of full chunks but for the
 * last; the chunks of all racks of a site are in the site's list, too. That a list is an array is
 * the work of two hash tables for all lists, by (list, position): memory is shared, any position is
 * found at once, and neighbours in a chunk are read together.
 *
 * A peer is found by (swarm, address) through one open table of 32 bits each: the slot it is in,
 * and a tag in the bits that are left, so that hardly ever a record is looked at in vain.
 */
#ifndef TRACKER_BOOK_CORE_H
#define TRACKER_BOOK_CORE_H

#include "lib/rng.h"
#include "tracker/keyed_hash.h"
#include "tracker/places_core.h"
#include "tracker/tracker_core.h"

#define NONE UINT32_MAX /* no peer, no swarm, no list, no chunk */

enum { KIND_LEECHER, KIND_SEEDER, KIND_PAUSED, KIND_STOPPED, KINDS };
/* A category is a kind and a family. */
enum { CATEGORY_IPV6 = KINDS, CATEGORIES = 2 * KINDS };
enum level { LEVEL_RACK, LEVEL_SITE, LEVELS };

#define CHUNK_BYTES  192
#define CHUNK_SLOTS  16 /* peers are numbered by chunk * CHUNK_SLOTS + place in it */
#define CHUNK_SLOTS6 8

struct record4 {
	uint8_t ip[4];
	uint32_t announced_ms; /* of time that wraps: silent peers do not live for weeks */
	uint16_t port;
	uint16_t place; /* held */
};

struct record6 {
	uint8_t ip[16];
	uint32_t announced_ms;
	uint16_t port;
	uint16_t place;
};

union chunk_records {
	struct record4 v4[CHUNK_SLOTS];
	struct record6 v6[CHUNK_SLOTS6];
};

_Static_assert(sizeof(union chunk_records) == CHUNK_BYTES, "no byte of a chunk is wasted");

struct chunk {
	uint32_t swarm;
	uint32_t lists[LEVELS];	    /* LEVEL_SITE: NONE for tombstones; free chunks: [0] is NONE */
	uint32_t positions[LEVELS]; /* in them */
	uint32_t next[LEVELS];	    /* in its bucket of chunks_at; free chunks: [0] the next free */
	uint32_t oldest_ms;	    /* none in it announced before */
	uint16_t place;		    /* the list's: nowhere when there was no list for its rack */
	uint8_t category;
	uint8_t count;
};

/* Lists of nowhere are one for each category and level in every swarm; others come and go. */
struct list {
	uint32_t swarm;
	uint32_t chunks_count;
	uint32_t peers_count;
	uint32_t next; /* in its bucket; free lists: the next free one */
	uint16_t place;
	uint8_t category;
	uint8_t level;
};

struct swarm_entry {
	uint8_t infohash[SHA1_BYTES];
	uint32_t counts[CATEGORIES];
	uint32_t peers_count; /* without tombstones */
	uint32_t completed_count;
	uint64_t changes_begin;	  /* changes before that are of a swarm that made place */
	uint64_t left_most_bytes; /* that anybody said to be left */
	uint32_t next;		  /* in its bucket; free swarms: the next free one */
	uint32_t opener;	  /* the share that it counts in; NONE: in nobody's */
	uint32_t idle_older;	  /* of those without peers that are not pinned */
	uint32_t idle_newer;
	bool used;
	bool pinned;
	bool idle;
};

/* What one address has, with the few others that the keyed hash puts beside it. */
struct share {
	uint32_t peers_count; /* with tombstones */
	uint32_t stopped_count;
	uint32_t swarms_count;
};

/* A local announce, to be told: the peer is looked up when it is. One that stopped is told even if
 * there was no room for its tombstone. */
struct change {
	uint32_t swarm;
	uint32_t announced_ms;
	struct peer_address address;
	bool stopped;
};

struct tracker_core {
	struct tracker_core_settings settings;
	struct rng rng;
	uint64_t hash_key;
	uint64_t swept_ms;
	bool swept;

	struct swarm_entry *swarms;
	uint32_t *swarm_buckets;
	uint32_t swarms_fresh; /* from here on none was ever used */
	uint32_t swarm_free;
	uint32_t swarms_count;
	uint32_t idle_oldest;
	uint32_t idle_newest;

	struct list *lists; /* first those of nowhere: LISTS_PER_SWARM for each swarm */
	uint32_t *list_buckets;
	uint32_t lists_max;
	uint32_t list_buckets_count;
	uint32_t lists_fresh;
	uint32_t list_free;

	struct chunk *chunks;
	union chunk_records *records; /* of each chunk */
	uint32_t *chunks_at[LEVELS];
	uint32_t chunks_max;
	uint32_t chunks_fresh;
	uint32_t chunk_free;

	uint32_t *index; /* 0: empty; else tag, and slot + 1 in the lower slot_bits */
	uint32_t index_homes;
	uint32_t index_count; /* and some more, so that it never goes round: see walk */
	uint32_t slot_bits;
	uint32_t peers_count; /* without tombstones */
	uint32_t stopped_count;
	uint32_t stopped_max;
	/* The most peers there were since then, and for as long before as the peers of that time
	 * may be silent: nobody was told a longer interval than belongs to them. */
	uint32_t peers_most;
	uint32_t peers_most_before;
	uint64_t peers_most_since_ms;

	uint16_t *ports; /* how many there are of an IP in a swarm, twice, by a keyed hash */
	uint32_t ports_count;
	struct share *shares; /* by address */
	uint32_t shares_count;
	uint32_t share_peers_max;
	uint32_t share_stopped_max;
	uint32_t share_swarms_max;

	struct change *changes; /* a ring */
	uint32_t changes_max;
	uint64_t changes_begin;
	uint64_t changes_end;
	uint64_t changes_lost;

	struct places places;
};

#define LISTS_PER_SWARM (CATEGORIES * LEVELS)

static inline uint32_t list_of_nowhere(uint32_t swarm, uint32_t category, enum level level)
{
	return (swarm * CATEGORIES + category) * LEVELS + level;
}

static inline uint32_t category_of(uint32_t kind, bool ipv6)
{
	return kind + (ipv6 ? CATEGORY_IPV6 : 0);
}

static inline struct chunk *chunk_of(const struct tracker_core *core, uint32_t slot)
{
	return &core->chunks[slot / CHUNK_SLOTS];
}

static inline uint32_t kind_of(const struct tracker_core *core, uint32_t slot)
{
	return chunk_of(core, slot)->category % KINDS;
}

static inline bool chunk_is6(const struct chunk *chunk)
{
	return chunk->category >= CATEGORY_IPV6;
}

static inline uint32_t chunk_slots(const struct chunk *chunk)
{
	return chunk_is6(chunk) ? CHUNK_SLOTS6 : CHUNK_SLOTS;
}

static inline struct record4 *record4_at(const struct tracker_core *core, uint32_t slot)
{
	return &core->records[slot / CHUNK_SLOTS].v4[slot % CHUNK_SLOTS];
}

static inline struct record6 *record6_at(const struct tracker_core *core, uint32_t slot)
{
	return &core->records[slot / CHUNK_SLOTS].v6[slot % CHUNK_SLOTS];
}

static inline uint32_t *announced_ms_at(const struct tracker_core *core, uint32_t slot)
{
	return chunk_is6(chunk_of(core, slot)) ? &record6_at(core, slot)->announced_ms
					       : &record4_at(core, slot)->announced_ms;
}

static inline uint16_t *place_at(const struct tracker_core *core, uint32_t slot)
{
	return chunk_is6(chunk_of(core, slot)) ? &record6_at(core, slot)->place
					       : &record4_at(core, slot)->place;
}

static inline uint32_t age_ms(uint64_t now_ms, uint32_t announced_ms)
{
	return (uint32_t)now_ms - announced_ms;
}

static inline uint32_t share_of(const struct tracker_core *core, const uint8_t ip[static 16])
{
	return keyed_hash_below(keyed_hash_owner(core->hash_key, ip), core->shares_count);
}

/* The site of a place; PLACE_NOWHERE: not known. */
static inline uint16_t site_of(const struct tracker_core *core, uint16_t place)
{
	return core->places.entries[place].site_place;
}

/* ---- book_core.c: memory, swarms ---- */

/* The swarm of an infohash, or NONE. */
uint32_t book_swarm_find(const struct tracker_core *core, const uint8_t *infohash);
/* NONE when there is no room: the swarm that has been empty for longest makes place, pinned ones do
 * not. */
uint32_t book_swarm_find_or_add(struct tracker_core *core, const uint8_t *infohash);
/* To be called when peers_count or pinned have changed; `by`: who came, or NULL. */
void book_swarm_changed(struct tracker_core *core, uint32_t swarm, const struct peer_address *by);

/* ---- lists_core.c ---- */

/* Hints for the processor, in this order: that the peer will be looked up (returns where), and what
 * the first look found. */
uint32_t book_peer_fetch_head(
	const struct tracker_core *core, uint32_t swarm, const struct peer_address *address);
void book_peer_fetch(const struct tracker_core *core, uint32_t where);

/* NONE when nobody is in it. place is a site's for LEVEL_SITE. */
uint32_t book_list_find(const struct tracker_core *core, uint32_t swarm, uint32_t category,
	enum level level, uint16_t place);
/* The chunk at a position of a list of that level; position < chunks_count. */
uint32_t book_chunk_at(
	const struct tracker_core *core, uint32_t list, enum level level, uint32_t position);
/* Hints for the processor, in this order: that the chunk there, and bytes of its records, will be
 * looked at soon. What lies elsewhere in a bucket is not fetched. */
void book_chunk_fetch_head(
	const struct tracker_core *core, uint32_t list, enum level level, uint32_t position);
void book_chunk_fetch(const struct tracker_core *core, uint32_t list, enum level level,
	uint32_t position, uint32_t first_byte, uint32_t last_byte);
/* The list of a rack in which a peer that stands there is to be: of nowhere, when there is no room
 * for one more list. */
uint32_t book_list_for(
	struct tracker_core *core, uint32_t swarm, uint32_t category, uint16_t place);
/* A slot more at the end of a rack's list; there is always one. */
uint32_t book_slot_add(struct tracker_core *core, uint32_t list);
/* The last slot of the list that this slot is in. */
uint32_t book_slot_last(const struct tracker_core *core, uint32_t slot);
/* Takes the last slot away; a list that becomes empty is given back. */
void book_slot_drop(struct tracker_core *core, uint32_t last);

/* ---- peers_core.c ---- */

void book_peer_address(
	const struct tracker_core *core, uint32_t slot, struct peer_address *address);
/* The slot of a peer (or of its tombstone), or NONE. Slots move when peers are removed. */
uint32_t book_peer_find(
	const struct tracker_core *core, uint32_t swarm, const struct peer_address *address);
/* No more ports of this IP are for this swarm; slot: the tombstone of this one, or NONE. */
bool book_ports_full(const struct tracker_core *core, uint32_t swarm, uint32_t slot,
	const struct peer_address *address);
/* Adds what is not there. NONE when there is no room, or no tombstone left for the address. */
uint32_t book_peer_add(struct tracker_core *core, uint32_t swarm,
	const struct peer_address *address, uint32_t kind, uint16_t place, uint32_t announced_ms);
/* Returns its new slot. */
uint32_t book_peer_renew(struct tracker_core *core, uint32_t slot, uint32_t kind, uint16_t place,
	uint32_t announced_ms);
void book_peer_remove(struct tracker_core *core, uint32_t slot);
/* Drops all peers of a swarm, or its tombstones only. */
void book_swarm_drop(struct tracker_core *core, uint32_t swarm, bool stopped_only);
/* Of an entry of the index that is not empty. */
uint32_t book_index_slot(const struct tracker_core *core, uint32_t entry);
/* What is told with so many peers. */
uint32_t book_interval_s(const struct tracker_core *core, uint32_t peers_count);
/* For how long a peer may be silent. */
uint32_t book_silent_ms(const struct tracker_core *core);

/* ---- draw_core.c ---- */

struct draw {
	uint32_t except; /* slot that is not named; or NONE */
	uint64_t now_ms;
	uint32_t silent_ms; /* older ones are not named */
};

/* Adds up to `wanted` distinct peers of a list to the reply, every one with the same chance, but
 * none of chunks of skip_place (PLACE_NOWHERE: of all). Fewer when there are fewer, or when most of
 * the list is passed over. Returns how many. */
uint32_t book_draw(struct tracker_core *core, const struct draw *draw, uint32_t list,
	enum level level, uint16_t skip_place, uint32_t wanted, struct announce_reply *reply);

/* ---- records_core.c ---- */

/* To be told to other trackers, if there are any. */
void book_changed(struct tracker_core *core, uint32_t swarm, const struct peer_address *address,
	uint32_t announced_ms, bool stopped);

#endif
