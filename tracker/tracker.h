/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A BitTorrent tracker on an event_base: HTTP (BEP 3, 7, 21, 23, 24, 48) and UDP (BEP 15, 41), IPv4
 * and IPv6; docs/tracker-protocol.md.
 * `swarmboot tracker` is one of these with listeners; the server embeds one, and mounts
 * tracker_handle_http on its own HTTP port. Not thread safe: everything happens on the loop.
 */
#ifndef TRACKER_TRACKER_H
#define TRACKER_TRACKER_H

#include "lib/digest.h"
#include "lib/failure.h"
#include "wire/http_tracker.h"

struct event_base;
struct evhttp_request;
struct sockaddr_storage;
struct tracker;

struct tracker_settings {
	uint32_t interval_s; /* announce interval; 0: 5 s. Grows by itself with very many peers */
	uint32_t peers_max;  /* 0: 65,536. About 60 bytes each, taken at creation */
	uint32_t swarms_max; /* 0: 1,024 */
	bool allow_only;     /* serve only infohashes given to tracker_allow */
	bool replicated;     /* other trackers are told of changes */
	uint32_t share_percent; /* of peers and swarms, for one address. 0: 25 */
	/* Announces and scrapes that one address may ask for in a second, with bursts of twice as
	 * many. 0: 1,000; TRACKER_NO_LIMIT: any number. An address of IPv6 is a /64 here. */
	uint32_t requests_per_s_max;
	/* HTTP connections of listeners of its own: open at a time, and of one address. 0: 4,096
	 * and 512. With all taken, the one that waits longest makes place. */
	uint32_t connections_max;
	uint32_t connections_per_address_max;
};
#define TRACKER_NO_LIMIT UINT32_MAX

/* The base must outlive the tracker. NULL on failure. */
MUST_USE struct tracker *tracker_create(
	struct event_base *base, const struct tracker_settings *settings, struct failure *failure);
/* Closes its listeners too. Accepts NULL, returns NULL. */
struct tracker *tracker_destroy(struct tracker *tracker);

/* Listeners of its own; [::] takes IPv4 as well. Port 0 picks one: `address` is updated to what was
 * bound. At most TRACKER_LISTENERS_MAX of each kind. */
#define TRACKER_LISTENERS_MAX 8
MUST_USE bool tracker_listen_udp(
	struct tracker *tracker, struct sockaddr_storage *address, struct failure *failure);
MUST_USE bool tracker_listen_http(
	struct tracker *tracker, struct sockaddr_storage *address, struct failure *failure);

/* Takes the limits per address of these settings from now on; TRACKER_NO_LIMIT of requests only as
 * at creation. Connections that are there stay. */
void tracker_set_limits(struct tracker *tracker, const struct tracker_settings *settings);

/* Before the end: no more connections are taken. Those there are, and UDP, are served until it is
 * destroyed. */
void tracker_stop(struct tracker *tracker);
/* Every HTTP answer that was begun has been taken by its socket. */
MUST_USE bool tracker_idle(const struct tracker *tracker);

/* Answers /announce and /scrape of somebody else's evhttp; false (nothing done) for any other path.
 */
MUST_USE bool tracker_handle_http(struct tracker *tracker, struct evhttp_request *request);

/* Keeps a swarm's place, and with allow_only lets it be announced. False when there is no room. */
MUST_USE bool tracker_allow(struct tracker *tracker, const uint8_t infohash[SHA1_BYTES]);
void tracker_disallow(struct tracker *tracker, const uint8_t infohash[SHA1_BYTES]);

/* Some peers of a swarm, as one at that address that has nothing yet would be told; it is neither
 * recorded nor counted. Returns how many. */
uint32_t tracker_name_peers(struct tracker *tracker, const uint8_t infohash[SHA1_BYTES],
	const uint8_t ip[16], struct peer_address *peers, uint32_t peers_max);

/* Where peers stand, as the operator says: an address as the server knows it from a plan is
 * believed more than what its announces say, a subnet less. IPv4 as ::ffff:a.b.c.d, prefix_bits
 * then at most 32; at most 16,384 addresses, of which the one that has announced least lately makes
 * room, and 1,024 subnets. Names "" and "" take back what was said. False when there is no room. */
MUST_USE bool tracker_place_address(
	struct tracker *tracker, const uint8_t ip[16], const char *site, const char *rack);
MUST_USE bool tracker_place_subnet(struct tracker *tracker, const uint8_t ip[16],
	uint32_t prefix_bits, const char *site, const char *rack);
void tracker_forget_subnets(struct tracker *tracker);

/* Why requests are refused: refusals.def. */
enum tracker_refusal {
#define X(name, label, meaning) TRACKER_REFUSED_##name,
#include "tracker/refusals.def"
#undef X
	TRACKER_REFUSALS
};
/* The name in metrics and logs. */
const char *tracker_refusal_label(enum tracker_refusal cause);

struct tracker_statistics {
	uint64_t uptime_s;
	uint32_t swarms_max;
	uint32_t peers_max;
	uint32_t swarms_count;
	uint32_t peers_count;
	uint32_t interval_s;
	uint32_t connections_count; /* HTTP, open now */
	uint64_t announces_http;    /* answered with peers */
	uint64_t announces_udp;
	uint64_t events[ANNOUNCE_STOPPED + 1]; /* of those, by enum announce_event */
	uint64_t paused;		       /* of those without an event: partial seeds */
	uint64_t scrapes_http;
	uint64_t scrapes_udp;
	uint64_t connects_udp;
	uint64_t refusals[TRACKER_REFUSALS]; /* of requests */
	uint64_t connections_refused;	     /* too many from one address */
	uint64_t connections_late; /* did not ask or listen in time, or made place for another */
	uint64_t datagrams_lost;   /* came faster than they were read */
	uint64_t replies_lost;	   /* UDP: the network did not take them */
};
void tracker_statistics(const struct tracker *tracker, struct tracker_statistics *statistics);

#endif
