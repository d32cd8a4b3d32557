/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Announcing to trackers over HTTP (BEP 3, 7, 23) and UDP (BEP 15), by IPv4 and IPv6. A tracker is
 * named by number or by name; a name's addresses are tried in turn. Trackers may be asked side by
 * side. Every announce is answered, at the latest after TRACKER_TIMEOUT_NS; twice that with each
 * time that the tracker let it pass, up to four times as long, for one that is slow but works.
 */
#ifndef RUNTIME_TRACKER_CLIENT_H
#define RUNTIME_TRACKER_CLIENT_H

#include <event2/event.h>

#include "wire/http_tracker.h"
#include "wire/metainfo.h"

#define TRACKER_TIMEOUT_NS	  (4 * NS_PER_S)
#define TRACKER_TIMEOUT_SHIFT_MAX 2

struct tracker_client;

/* reply NULL: it failed, and text says how (reply->failure is turned into that too). */
typedef void tracker_replied(
	void *context, uint32_t tracker, const struct announce_reply *reply, const char *text);

/* trackers and source are copied; announces leave from source (socket_bind_source). */
MUST_USE struct tracker_client *tracker_client_create(struct event_base *base,
	const struct peer_address *source, const struct tracker_url *trackers,
	uint32_t trackers_count, tracker_replied *replied, void *context);

/* Never calls `replied` from inside. An earlier announce to the same tracker that was not answered
 * is dropped without an answer. */
void tracker_client_announce(
	struct tracker_client *client, uint32_t tracker, const struct announce *announce);
uint32_t tracker_client_pending_count(const struct tracker_client *client);
const char *tracker_client_url(const struct tracker_client *client, uint32_t tracker);
struct tracker_client *tracker_client_destroy(struct tracker_client *client);

#endif
