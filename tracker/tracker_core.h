/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tracker without sockets: who is in which swarm, and which of them to hand out. Pure; memory
 * is given at creation and never grows; time is an argument in seconds that must not go backwards.
 *
 * A swarm is one infohash, never merged with another. A peer is one (swarm, IP, port). IPv4 and
 * IPv6 peers are kept apart: an announce is answered with peers of its own family. A peer that has
 * not announced for twice the interval and some slack is forgotten.
 */
#ifndef TRACKER_TRACKER_CORE_H
#define TRACKER_TRACKER_CORE_H

#include "wire/http_tracker.h"

#define TRACKER_INTERVAL_S_DEFAULT 5
#define TRACKER_INTERVAL_S_MAX	   1800
#define TRACKER_EXPIRY_SLACK_S	   15
/* Announces of one peer are one per interval, so the interval grows with the number of peers. */
#define TRACKER_PEERS_PER_INTERVAL_S 20000
#define TRACKER_NUMWANT_DEFAULT	     50

struct tracker_core_settings {
	uint32_t swarms_max; /* at least 1 */
	uint32_t peers_max;  /* at least 1 */
	uint32_t interval_s; /* smallest announce interval; at least 1 */
	bool allow_only;     /* only infohashes given to tracker_core_allow */
	uint64_t seed;	     /* of sampling, and of the hash tables: unpredictable to peers */
};

struct tracker_core;

/* How much memory tracker_core_create needs, aligned as malloc does. 0 when it would overflow. */
size_t tracker_core_bytes(const struct tracker_core_settings *settings);
struct tracker_core *tracker_core_create(
	const struct tracker_core_settings *settings, void *memory, size_t memory_bytes);

/* Pins an infohash: its swarm exists from now on, and with allow_only it may be announced. False
 * when there is no room. Disallowing drops its peers when allow_only. */
MUST_USE bool tracker_core_allow(struct tracker_core *core, const uint8_t infohash[SHA1_BYTES]);
void tracker_core_disallow(struct tracker_core *core, const uint8_t infohash[SHA1_BYTES]);

/* Records the announce of a peer at `ip` (IPv4 as ::ffff:a.b.c.d; the announce's port is used) and
 * fills the reply: counts of both families, peers of the announcer's. A leecher gets leechers and,
 * for up to a quarter (more when leechers are few), seeders; a seeder gets leechers. Port 0 is
 * answered, not recorded. On refusal reply->failure is set. */
void tracker_core_announce(struct tracker_core *core, uint64_t now_s,
	const struct announce *announce, const uint8_t ip[16], struct announce_reply *reply);

/* Entry for one infohash (zeros when unknown); false when it is not allowed. */
MUST_USE bool tracker_core_scrape(struct tracker_core *core, uint64_t now_s,
	const uint8_t infohash[SHA1_BYTES], struct scrape_entry *entry);
/* All swarms, at most entries_max; returns how many. */
size_t tracker_core_scrape_all(struct tracker_core *core, uint64_t now_s,
	struct scrape_entry *entries, size_t entries_max);

/* Forgets peers that did not announce in time (announce and scrape do it too). */
void tracker_core_expire(struct tracker_core *core, uint64_t now_s);

/* The interval that an announce would be told now. */
uint32_t tracker_core_interval_s(const struct tracker_core *core);
uint32_t tracker_core_peers_count(const struct tracker_core *core);
uint32_t tracker_core_swarms_count(const struct tracker_core *core);

#endif
