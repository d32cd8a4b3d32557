/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tracker without sockets: who is in which swarm, and which of them to hand out. Pure; memory
 * is given at creation and never grows; time is an argument in milliseconds that must not go
 * backwards.
 *
 * A swarm is one infohash, never merged with another. A peer is one (swarm, IP, port). IPv4 and
 * IPv6 peers are kept apart: an announce is answered with peers of its own family. A peer that has
 * not announced for twice the longest interval that it can have been told and some slack is
 * forgotten: at once for who asks for peers, within TRACKER_SWEEP_MS for who asks for numbers.
 *
 * Trackers that answer for each other (`replicated`) tell each other records: what one's announces
 * changed is drained by tracker_core_next_change, and goes into the others by tracker_core_record.
 * The youngest record of a peer wins. `stopped` leaves a tombstone for as long as a silent peer
 * would stay: whatever is older than it has expired everywhere by then.
 *
 * Of the room for peers, and for swarms that nobody pinned, one address (of IPv6: a /64) gets a
 * share, so that no single one can fill the book. Peers are counted with their tombstones, which
 * lend a place to nobody but the peer that stopped; a swarm by who came to it when it was empty. In
 * one swarm an IP gets TRACKER_PORTS_MAX ports, loopback any number: who comes with more is
 * answered and not recorded. Peers that other trackers tell of are counted, and never refused. Of
 * the room for tombstones an address gets a share, too, whoever tells of them.
 */
#ifndef TRACKER_TRACKER_CORE_H
#define TRACKER_TRACKER_CORE_H

#include "wire/http_tracker.h"
#include "wire/peer_wire.h"

#define TRACKER_INTERVAL_S_DEFAULT 5
#define TRACKER_INTERVAL_S_MAX	   1800
#define TRACKER_EXPIRY_SLACK_S	   15
#define TRACKER_SWEEP_MS	   1000
/* Announces of one peer are one per interval, so the interval grows with the number of peers. */
#define TRACKER_PEERS_PER_INTERVAL_S 20000
#define TRACKER_NUMWANT_DEFAULT	     50
/* A share is never less. */
#define TRACKER_SHARE_PEERS_MIN	   64
#define TRACKER_SHARE_SWARMS_MIN   16
#define TRACKER_PORTS_MAX	   64
#define TRACKER_REFUSED_SHARE_TEXT "your address has its share of this tracker"

struct tracker_core_settings {
	uint32_t swarms_max;	/* at least 1 */
	uint32_t peers_max;	/* at least 1; of both families together */
	uint32_t interval_s;	/* smallest announce interval; at least 1 */
	uint32_t places_max;	/* racks and sites that have names; 0: 1,024; at most 65,534 */
	uint32_t addresses_max; /* for tracker_core_place_address; 0: none */
	uint32_t subnets_max;	/* for tracker_core_place_subnet; 0: none */
	uint32_t share_percent; /* of peers and swarms, for one address; 0: 25; 100: all, any ports
				 */
	bool allow_only;	/* only infohashes given to tracker_core_allow */
	bool replicated;	/* keeps changes for next_change, and tombstones */
	uint64_t seed;		/* of choices, and of the hash tables: unpredictable to peers */
};

struct tracker_core;

/* How much memory tracker_core_create needs, aligned as malloc does. 0 when it would overflow. It
 * is enough for peers_max peers of IPv6; what IPv4 leaves unused is never touched. */
size_t tracker_core_bytes(const struct tracker_core_settings *settings);
struct tracker_core *tracker_core_create(
	const struct tracker_core_settings *settings, void *memory, size_t memory_bytes);

/* Pins an infohash: its swarm exists from now on, and with allow_only it may be announced. When
 * there is no room the smallest swarm that is not pinned makes it, with its peers; false when all
 * are pinned. Disallowing drops its peers when allow_only. */
MUST_USE bool tracker_core_allow(struct tracker_core *core, const uint8_t infohash[SHA1_BYTES]);
void tracker_core_disallow(struct tracker_core *core, const uint8_t infohash[SHA1_BYTES]);

/* Where peers stand, as the operator says; counts from their next announce on. An address that was
 * placed is believed more than its announces, a subnet less. prefix_bits: of an IPv4 address at
 * most 32. Names "" and "" take back what was said. False when there is no room; of addresses the
 * one that has announced least lately makes it. */
MUST_USE bool tracker_core_place_address(
	struct tracker_core *core, const uint8_t ip[16], const char *site, const char *rack);
MUST_USE bool tracker_core_place_subnet(struct tracker_core *core, const uint8_t ip[16],
	uint32_t prefix_bits, const char *site, const char *rack);
void tracker_core_forget_subnets(struct tracker_core *core);

/* Records the announce of a peer at `ip` (IPv4 as ::ffff:a.b.c.d; the announce's port is used) and
 * fills the reply: counts of both families, peers of the announcer's, chosen as choice_core.h says,
 * leechers first, and of these the own rack and others in turns.
 * peer_ids are zeros: they are not kept. Port 0 is answered, not recorded. On refusal
 * reply->failure is set. */
void tracker_core_announce(struct tracker_core *core, uint64_t now_ms,
	const struct announce *announce, const uint8_t ip[16], struct announce_reply *reply);

/* Says that this peer will announce soon, so that what is known of it is fetched from memory
 * meanwhile. Done for many before the first of them announces, and tracker_core_expected with what
 * it returned for each in the same order, it hides most of the waiting. Changes nothing. */
uint32_t tracker_core_expect(const struct tracker_core *core, const uint8_t infohash[SHA1_BYTES],
	const uint8_t ip[16], uint16_t port);
void tracker_core_expected(const struct tracker_core *core, uint32_t expected);

/* Entry for one infohash (zeros when unknown); false when it is not allowed. */
MUST_USE bool tracker_core_scrape(struct tracker_core *core, uint64_t now_ms,
	const uint8_t infohash[SHA1_BYTES], struct scrape_entry *entry);
/* All swarms, at most entries_max; returns how many. */
size_t tracker_core_scrape_all(struct tracker_core *core, uint64_t now_ms,
	struct scrape_entry *entries, size_t entries_max);

/* Forgets peers that did not announce in time, once in TRACKER_SWEEP_MS (announce and scrape do it
 * too). */
void tracker_core_expire(struct tracker_core *core, uint64_t now_ms);

/* One peer of one swarm as trackers tell each other. */
struct tracker_record {
	uint8_t infohash[SHA1_BYTES];
	struct peer_address address; /* port not 0 */
	uint32_t age_ms;	     /* since it announced */
	bool seeder;
	bool paused;
	bool stopped; /* a tombstone */
	char site[PEER_PLACE_MAX + 1];
	char rack[PEER_PLACE_MAX + 1];
};

/* Takes one from another member, unless what is known is as young. Older ones than a peer lives,
 * ones without a port, ones that are not allowed, and ones for which there is no room are dropped.
 * It is no change of ours: next_change does not return it. */
void tracker_core_record(
	struct tracker_core *core, uint64_t now_ms, const struct tracker_record *record);
/* The most peers that there were since those were told their interval whom this still knows: by
 * that many it judges who is too silent. */
uint32_t tracker_core_peers_most(const struct tracker_core *core);
/* That of another member: what it is going to tell of its peers is judged by the interval that they
 * were told. */
void tracker_core_others_have(struct tracker_core *core, uint32_t peers_count);
/* What local announces changed or renewed, oldest first, each as it is now; false: nothing more. A
 * peer that has announced twice since may come twice. */
MUST_USE bool tracker_core_next_change(
	struct tracker_core *core, uint64_t now_ms, struct tracker_record *record);
/* Changes that next_change will not return, because nobody drained in time: it only grows. Who sees
 * it grow should walk. */
uint64_t tracker_core_changes_lost(const struct tracker_core *core);
/* Everything there is, tombstones too: *cursor is 0 at first; false at the end. What is there from
 * the first call to the last comes once at least, whatever changes in between; twice is possible.
 */
MUST_USE bool tracker_core_walk(struct tracker_core *core, uint64_t now_ms, uint64_t *cursor,
	struct tracker_record *record);

/* The interval that an announce would be told now. */
uint32_t tracker_core_interval_s(const struct tracker_core *core);
uint32_t tracker_core_peers_count(const struct tracker_core *core);
uint32_t tracker_core_swarms_count(const struct tracker_core *core);

#endif
