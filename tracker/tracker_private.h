/* SPDX-License-Identifier: Apache-2.0 */
/* What tracker.c (life, HTTP) and tracker_udp.c share. */
#ifndef TRACKER_TRACKER_PRIVATE_H
#define TRACKER_TRACKER_PRIVATE_H

#include "tracker/tracker.h"
#include "tracker/tracker_core.h"
#include "wire/udp_tracker.h"

#include <event2/event.h>
#include <event2/http.h>
#include <sys/socket.h>

#define TRACKER_SECRET_BYTES 32

struct tracker_udp {
	struct tracker *tracker;
	struct event *readable;
	int fd;
};

struct tracker {
	struct event_base *base;
	struct tracker_core *core; /* its memory, too */
	struct event *tick;	   /* once a second */
	struct evhttp *http;	   /* made with the first listener */
	struct evconnlistener *http_listeners[TRACKER_LISTENERS_MAX];
	size_t http_count;
	struct tracker_udp udp[TRACKER_LISTENERS_MAX];
	size_t udp_count;
	uint8_t secret[TRACKER_SECRET_BYTES]; /* of UDP connection ids */
	struct tracker_statistics statistics;
	/* Scratch for one request at a time: the loop is one thread. */
	struct announce_reply reply;
	struct udp_tracker_request udp_request;
	struct udp_tracker_reply udp_reply;
};

/* Seconds of CLOCK_MONOTONIC. */
uint64_t tracker_now_s(void);

/* Address as the core knows it: IPv4 mapped into IPv6. False for other families. */
MUST_USE bool tracker_peer_ip(const struct sockaddr_storage *address, uint8_t ip[static 16]);

/* A non-blocking, bound socket; [::] takes IPv4 too. `address` becomes what was bound. */
MUST_USE int tracker_bind(struct sockaddr_storage *address, int type, struct failure *failure);

/* Connection ids (BEP 15) are not stored: a keyed digest of the address and the minute. */
uint64_t tracker_connection_id(const uint8_t secret[static TRACKER_SECRET_BYTES],
	const uint8_t ip[static 16], uint64_t minute);
/* Valid for two minutes at least, three at most. */
MUST_USE bool tracker_connection_id_valid(const uint8_t secret[static TRACKER_SECRET_BYTES],
	const uint8_t ip[static 16], uint64_t now_s, uint64_t connection_id);

#endif
