/* SPDX-License-Identifier: Apache-2.0 */
/* One tracker of a client; for runtime/tracker_*.c only. */
#ifndef RUNTIME_TRACKER_PRIVATE_H
#define RUNTIME_TRACKER_PRIVATE_H

#include <event2/event.h>
#include <event2/http.h>

#include "runtime/tracker_client.h"
#include "wire/udp_tracker.h"

#define TRACKER_ADDRESSES_MAX 8

struct tracker_lookup;

struct tracker {
	struct tracker_client *client;
	uint32_t index;
	struct peer_address source;
	char url[METAINFO_URL_MAX];
	bool udp;
	char host[METAINFO_URL_MAX];
	uint16_t port;
	char target[METAINFO_URL_MAX]; /* path, and the query when the URL has one */
	const char *unusable;	       /* why no announce can be made, or NULL */

	bool pending;
	struct announce announce;
	uint64_t asked_ns;
	uint64_t deadline_ns;
	uint64_t took_ns; /* to answer, smoothed; 0: it never has */
	uint32_t timeouts_row;
	struct event *deadline_event; /* of the whole announce */
	struct event *retry_event;    /* of a datagram, and to begin */
	struct tracker_lookup *lookup;
	struct peer_address
		addresses[TRACKER_ADDRESSES_MAX]; /* the one that worked last comes first */
	uint32_t addresses_count;
	uint32_t address;

	struct evhttp_connection *http;
	struct evhttp_request *http_request; /* under way, or NULL */

	int udp_descriptor; /* -1: none */
	struct event *udp_event;
	uint32_t transaction_id;
	uint64_t connection_id;
	uint64_t connection_until_ns; /* 0: no connection id */
	struct peer_address connection_address;
	uint32_t sent_count;
	bool connection_fresh; /* got for this announce */
	bool way_missing;      /* the system knows no way to the address */
};

/* Try the announce at addresses[address]; then exactly one of the last two below. */
void tracker_http_try(struct tracker *tracker);
void tracker_udp_try(struct tracker *tracker);
void tracker_udp_retry(struct tracker *tracker);

/* Forget what is under way. tracker_http_close is not for inside an HTTP answer. */
void tracker_http_stop(struct tracker *tracker);
void tracker_http_close(struct tracker *tracker);
void tracker_udp_stop(struct tracker *tracker);

/* What is left of the announce's time for this address, and a fair share for those behind it. */
uint64_t tracker_time_left_ns(const struct tracker *tracker);

void tracker_answer(struct tracker *tracker, const struct announce_reply *reply);
void tracker_try_failed(struct tracker *tracker, const char *text);

#endif
