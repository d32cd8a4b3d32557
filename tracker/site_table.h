/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The site table: which sites there are, their trackers, whose trackers they fall back to, and
 * which subnets and racks they consist of. One JSON file for all servers and trackers
 * (docs/sites.md):
 *
 *   {"sites": [{"name": "hall1", "trackers": ["http://10.1.0.1:8080/announce", ...],
 *               "fallback": "hall2", "subnets": ["10.1.0.0/16"], "dht": ["10.1.0.1:6881"],
 *               "racks": [{"name": "r1", "subnets": ["10.1.1.0/24"]}]}]}
 *
 * A table is read as a whole or refused: whatever is wrong in it is named by its place.
 */
#ifndef TRACKER_SITE_TABLE_H
#define TRACKER_SITE_TABLE_H

#include "lib/failure.h"
#include "wire/metainfo.h"
#include "wire/peer_address.h"
#include "wire/peer_wire.h"

#define SITE_TABLE_BYTES_MAX (1 * MIB)
#define SITES_MAX	     64
#define SITE_TRACKERS_MAX    8
#define SITE_DHT_MAX	     4
#define SITE_PLACES_MAX	     1024 /* subnets, of all sites and racks */

/* A subnet, and where in the table who has an address in it stands. */
struct site_place {
	uint8_t ip[16];	     /* IPv4 as ::ffff:a.b.c.d; nothing set behind the prefix */
	uint8_t prefix_bits; /* of an IPv4 address at most 32 */
	char site[PEER_PLACE_MAX + 1];
	char rack[PEER_PLACE_MAX + 1]; /* "": the site's as a whole */
};

struct site {
	char name[PEER_PLACE_MAX + 1];
	char fallback[PEER_PLACE_MAX + 1]; /* "": none */
	char trackers[SITE_TRACKERS_MAX][METAINFO_URL_MAX];
	uint32_t trackers_count;	       /* at least 1 */
	struct peer_address dht[SITE_DHT_MAX]; /* nodes of the DHT: its servers' origins */
	uint32_t dht_count;
};

struct site_table {
	struct site sites[SITES_MAX];
	uint32_t sites_count;
	struct site_place places[SITE_PLACES_MAX];
	uint32_t places_count;
};

/* Both return NULL on failure. `name` is what messages call the text. */
MUST_USE struct site_table *site_table_load(const char *path, struct failure *failure);
MUST_USE struct site_table *site_table_parse(
	const char *text, size_t text_bytes, const char *name, struct failure *failure);
/* Accepts NULL, returns NULL. */
struct site_table *site_table_free(struct site_table *table);

/* NULL when there is none of that name. */
const struct site *site_table_find(const struct site_table *table, const char *name);

/* What a node of that site is told (BEP 12): its site's trackers in tier 0, those of the fallback
 * in tier 1; METAINFO_TRACKERS_MAX of them have room. Returns how many; 0: there is no such site.
 */
uint32_t site_table_trackers(
	const struct site_table *table, const char *site, struct tracker_url *trackers);

/* Nodes of the DHT in the other sites, for one of that site to begin with: of each site one, in the
 * table's order, then of each a second. Returns how many, at most nodes_max. */
uint32_t site_table_dht(const struct site_table *table, const char *site,
	struct peer_address *nodes, uint32_t nodes_max);

/* Tells a tracker where the table's subnets are, instead of what it was told before. */
struct tracker;
MUST_USE bool site_table_place(
	const struct site_table *table, struct tracker *tracker, struct failure *failure);

#endif
