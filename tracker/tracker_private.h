/* SPDX-License-Identifier: Apache-2.0 */
/* What the tracker's files share: tracker.c (life), tracker_answer.c (what HTTP is answered),
 * tracker_http.c and tracker_mounted.c (how it gets there), tracker_udp.c. */
#ifndef TRACKER_TRACKER_PRIVATE_H
#define TRACKER_TRACKER_PRIVATE_H

#include "lib/siphash.h"
#include "tracker/limits_core.h"
#include "tracker/tracker.h"
#include "tracker/tracker_core.h"
#include "wire/udp_tracker.h"

#include <event2/event.h>
#include <sys/socket.h>

#define TRACKER_SECRET_BYTES   SIPHASH_KEY_BYTES
#define TRACKER_HEAD_BYTES_MAX 256 /* of an HTTP answer, before its body */

struct tracker_http;
struct tracker_udp_batch;

struct tracker_udp {
	struct tracker *tracker;
	struct event *readable;
	int fd;
};

struct tracker_refusal_log {
	bool logged;
	uint64_t logged_s;
	uint64_t unlogged; /* since */
};

struct tracker {
	struct event_base *base;
	uint64_t created_s;
	uint32_t peers_max;
	uint32_t swarms_max;
	struct tracker_core *core; /* its memory, too */
	struct cluster *cluster;   /* or NULL */
	struct event *tick;	   /* once a second */
	struct tracker_http *http; /* made with the first listener */
	uint32_t connections_max;
	uint32_t connections_per_address_max;
	struct tracker_udp udp[TRACKER_LISTENERS_MAX];
	size_t udp_count;
	struct tracker_udp_batch *udp_batch;  /* made with the first listener */
	uint8_t secret[TRACKER_SECRET_BYTES]; /* of UDP connection ids */
	struct limits limits;		      /* of announces and scrapes by address */
	struct tracker_statistics statistics;
	struct tracker_refusal_log refusal_logs[TRACKER_REFUSALS];
	/* Scratch for one request at a time: the loop is one thread. */
	struct announce_reply reply;
	struct udp_tracker_request udp_request;
	struct udp_tracker_reply udp_reply;
	struct scrape_entry *entries; /* as many as there may be swarms */
	size_t entries_max;
	uint8_t *body; /* TRACKER_HEAD_BYTES_MAX, then the body of an HTTP answer */
	size_t body_bytes_max;
};

/* Microseconds of CLOCK_MONOTONIC. */
uint64_t tracker_now_us(void);

/* Address as the core knows it: IPv4 mapped into IPv6. False for other families. */
MUST_USE bool tracker_peer_ip(const struct sockaddr_storage *address, uint8_t ip[static 16]);

/* A non-blocking, bound socket; [::] takes IPv4 too. `address` becomes what was bound. */
MUST_USE int tracker_bind(struct sockaddr_storage *address, int type, struct failure *failure);

/* An address as tracker_admits wants it; what is known of it is fetched meanwhile. */
uint64_t tracker_look(const struct tracker *tracker, const uint8_t ip[static 16]);
/* Whether the address may ask for so much now; counts it as refused when not. */
MUST_USE bool tracker_admits(struct tracker *tracker, uint64_t now_us, const uint8_t ip[static 16],
	uint64_t address, uint32_t units);
/* Counts what the core made of an announce. */
void tracker_count_announce(struct tracker *tracker, const struct announce *announce,
	const struct announce_reply *reply, const uint8_t ip[static 16], uint64_t *announces);
/* Counts a refusal, and logs a few of them. infohash: NULL when it is not known. */
void tracker_refused(struct tracker *tracker, enum tracker_refusal cause, const char *reason,
	const uint8_t ip[static 16], const uint8_t *infohash);

/* Answers /announce and /scrape: returns the bytes of the body, which lies behind
 * TRACKER_HEAD_BYTES_MAX bytes of tracker->body until the next call. 0: there is no such path. What
 * is wrong is said in the body, with status 200: clients show the text then. */
size_t tracker_http_body(struct tracker *tracker, const char *path, size_t path_bytes,
	const char *query, size_t query_bytes, const uint8_t ip[static 16]);

/* Once a second: ends connections that take too long, and listens again after a shortage. */
void tracker_http_tick(struct tracker_http *http);
/* Who comes now is refused, instead of waiting for somebody who is gone. */
void tracker_http_stop_listening(struct tracker_http *http);
uint32_t tracker_http_connections(const struct tracker_http *http);
struct tracker_http *tracker_http_destroy(struct tracker_http *http);

void tracker_udp_destroy(struct tracker *tracker);
/* Datagrams that came faster than they were read, all sockets together. */
uint64_t tracker_udp_lost(const struct tracker *tracker);

/* Connection ids (BEP 15) are not stored: a keyed hash of the address and the minute. */
uint64_t tracker_connection_id(const uint8_t secret[static TRACKER_SECRET_BYTES],
	const uint8_t ip[static 16], uint64_t minute);
/* Valid for two minutes at least, three at most. */
MUST_USE bool tracker_connection_id_valid(const uint8_t secret[static TRACKER_SECRET_BYTES],
	const uint8_t ip[static 16], uint64_t now_s, uint64_t connection_id);

#endif
