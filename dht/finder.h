/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When one image's peers are looked up, and under which key: the site's first, the global one only
 * where that is not enough (docs/dht.md). Pure: the driver asks about twice a second, hands what it
 * gets to dht_search and says how that ended.
 */
#ifndef DHT_FINDER_H
#define DHT_FINDER_H

#include "dht/dht.h"
#include "lib/rng.h"

struct dht_finder {
	uint8_t global_key[DHT_ID_BYTES];
	uint8_t site_key[DHT_ID_BYTES];
	bool in_site;
	uint16_t port; /* announced; 0: none */
	uint32_t cookie;
	struct rng rng;
	uint32_t pending_count; /* look-ups under way */
	bool pending_global;
	bool said_complete;    /* under the global key */
	uint64_t first_ns;     /* the first search is not before */
	uint64_t own_ended_ns; /* of the search under the site's key, or the only one; 0: never */
	uint64_t own_pause_ns;
	uint64_t global_ended_ns;
	uint64_t global_pause_ns;
	uint64_t quiet_ns;	 /* since when nothing comes; 0: not looked at, or complete */
	uint64_t received_bytes; /* when that was looked at last */
};

/* What the transfer knows. */
struct dht_finder_view {
	uint32_t peers_count;
	uint32_t seeds_count;
	uint64_t received_bytes;
	bool complete;	  /* every piece is here */
	bool trackers_ok; /* there is one, and the last announce was answered */
};

/* site_digest: SHA-1 of the site's name; NULL: in no site. */
void dht_finder_init(struct dht_finder *finder, uint64_t now_ns,
	const uint8_t infohash[static DHT_ID_BYTES], const uint8_t *site_digest, uint16_t port,
	uint32_t cookie, uint64_t seed);

/* True: search for this now, and say dht_finder_started. */
MUST_USE bool dht_finder_next(struct dht_finder *finder, uint64_t now_ns,
	const struct dht_finder_view *view, struct dht_search *search);

/* What dht_search returned; with 0 the same is due again soon. */
void dht_finder_started(struct dht_finder *finder, uint64_t now_ns, uint32_t lookups_count);

/* Whether who is found now is to be connected to. Who has everything tells other sites so; whom it
 * finds there calls if it needs anything. */
bool dht_finder_wants(const struct dht_finder *finder);

/* One of them has ended. */
void dht_finder_ended(struct dht_finder *finder, uint64_t now_ns);

#endif
