/* SPDX-License-Identifier: Apache-2.0 */
/* Announces: URLs, names, addresses in turn, time-outs. The protocols are in tracker_{http,udp}.c.
 */
#include "runtime/tracker_private.h"

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdio.h>

#include "runtime/clock.h"
#include "runtime/memory.h"
#include "runtime/socket.h"

struct tracker_client {
	struct event_base *base;
	struct evdns_base *dns; /* made when the first name is looked up */
	tracker_replied *replied;
	void *context;
	uint32_t trackers_count;
	struct tracker trackers[];
};

/* Outlives its tracker when that is destroyed first. */
struct tracker_lookup {
	struct tracker *tracker; /* NULL: nobody waits */
};

static void tracker_finish(
	struct tracker *tracker, const struct announce_reply *reply, const char *text)
{
	struct tracker_client *client = tracker->client;

	tracker->pending = false;
	event_del(tracker->deadline_event);
	event_del(tracker->retry_event);
	tracker_udp_stop(tracker);
	if (reply != NULL && reply->failure[0] != '\0') {
		text = reply->failure;
		reply = NULL;
	}
	client->replied(client->context, tracker->index, reply, text);
}

void tracker_answer(struct tracker *tracker, const struct announce_reply *reply)
{
	struct peer_address first = tracker->addresses[0];

	/* What answered is asked first next time. */
	tracker->addresses[0] = tracker->addresses[tracker->address];
	tracker->addresses[tracker->address] = first;
	tracker->address = 0;

	uint64_t took_ns = u64_max(clock_now_ns() - tracker->asked_ns, 1);

	tracker->took_ns = tracker->took_ns == 0 ? took_ns : (3 * tracker->took_ns + took_ns) / 4;
	tracker->timeouts_row = 0;
	tracker_finish(tracker, reply, "");
}

uint64_t tracker_time_left_ns(const struct tracker *tracker)
{
	uint64_t now_ns = clock_now_ns();

	if (now_ns >= tracker->deadline_ns || tracker->address >= tracker->addresses_count)
		return 0;
	return (tracker->deadline_ns - now_ns) / (tracker->addresses_count - tracker->address);
}

static void try_address(struct tracker *tracker)
{
	if (tracker->udp)
		tracker_udp_try(tracker);
	else
		tracker_http_try(tracker);
}

/* The next step comes from the loop: this may run inside the very connection that failed. */
static void step_soon(struct tracker *tracker)
{
	struct timeval at_once = {0};

	if (evtimer_add(tracker->retry_event, &at_once) != 0)
		memory_exhausted(0);
}

void tracker_try_failed(struct tracker *tracker, const char *text)
{
	tracker_udp_stop(tracker);
	if (++tracker->address < tracker->addresses_count) {
		step_soon(tracker);
		return;
	}
	tracker->addresses_count = 0;
	tracker_finish(tracker, NULL, text);
}

static void on_deadline(evutil_socket_t descriptor, short what, void *context)
{
	struct tracker *tracker = context;

	(void)descriptor;
	(void)what;
	tracker_http_stop(tracker);
	tracker->addresses_count = 0;
	tracker->connection_until_ns = 0;
	tracker->timeouts_row++;
	/* The look-up goes on: a later announce may find it answered. */
	tracker_finish(tracker, NULL,
		tracker->lookup != NULL ? "its name could not be looked up in time"
					: "no answer in time");
}

static void on_looked_up(int result, struct evutil_addrinfo *found, void *context)
{
	struct tracker_lookup *lookup = context;
	struct tracker *tracker = lookup->tracker;

	free(lookup);
	if (tracker != NULL) {
		tracker->lookup = NULL;
		tracker->addresses_count = 0;
		for (const struct evutil_addrinfo *at = result == 0 ? found : NULL;
			at != NULL && tracker->addresses_count < TRACKER_ADDRESSES_MAX;
			at = at->ai_next) {
			struct peer_address *address =
				&tracker->addresses[tracker->addresses_count];

			if (!socket_address_from_sockaddr(address, at->ai_addr))
				continue;
			address->port = tracker->port;
			tracker->addresses_count++;
		}
	}
	if (found != NULL)
		evutil_freeaddrinfo(found);
	if (tracker == NULL || !tracker->pending)
		return;
	tracker->address = 0;
	if (tracker->addresses_count > 0)
		try_address(tracker);
	else
		tracker_finish(tracker, NULL, "its name has no address");
}

static bool numeric_address(struct tracker *tracker)
{
	struct peer_address *address = &tracker->addresses[0];
	uint8_t ip[4];

	if (inet_pton(AF_INET, tracker->host, ip) == 1)
		peer_address_from4(address, ip, tracker->port);
	else if (inet_pton(AF_INET6, tracker->host, address->ip) != 1)
		return false;
	address->port = tracker->port;
	tracker->addresses_count = 1;
	return true;
}

static void look_up(struct tracker *tracker)
{
	struct tracker_client *client = tracker->client;
	struct evutil_addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = EVUTIL_AI_ADDRCONFIG,
	};

	if (client->dns == NULL) {
		client->dns = evdns_base_new(client->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
		if (client->dns == NULL)
			memory_exhausted(0);
		/* Without the file names fail, and that is said when one is used. */
		(void)evdns_base_resolv_conf_parse(
			client->dns, DNS_OPTIONS_ALL, "/etc/resolv.conf");
	}
	tracker->lookup = memory_allocate(1, sizeof(*tracker->lookup));
	tracker->lookup->tracker = tracker;
	(void)evdns_getaddrinfo(
		client->dns, tracker->host, NULL, &hints, on_looked_up, tracker->lookup);
}

/* The next step of an announce, or a datagram again. */
static void on_retry(evutil_socket_t descriptor, short what, void *context)
{
	struct tracker *tracker = context;

	(void)descriptor;
	(void)what;
	if (tracker->udp_descriptor >= 0 || tracker->way_missing) {
		tracker_udp_retry(tracker);
		return;
	}
	if (tracker->unusable != NULL) {
		tracker_finish(tracker, NULL, tracker->unusable);
		return;
	}
	if (tracker->addresses_count > 0 || numeric_address(tracker))
		try_address(tracker);
	else if (tracker->lookup == NULL)
		look_up(tracker);
}

static void tracker_parse(struct tracker *tracker)
{
	struct evhttp_uri *uri = evhttp_uri_parse(tracker->url);
	const char *scheme = uri != NULL ? evhttp_uri_get_scheme(uri) : NULL;
	const char *host = uri != NULL ? evhttp_uri_get_host(uri) : NULL;
	const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
	const char *query = uri != NULL ? evhttp_uri_get_query(uri) : NULL;
	int port = uri != NULL ? evhttp_uri_get_port(uri) : -1;

	tracker->unusable = "its URL makes no sense";
	if (scheme == NULL || host == NULL || host[0] == '\0' || port > UINT16_MAX) {
		if (uri != NULL)
			evhttp_uri_free(uri);
		return;
	}
	tracker->udp = strcmp(scheme, "udp") == 0;
	tracker->port = (uint16_t)(port > 0 ? port : 80);
	if (tracker->udp || strcmp(scheme, "http") == 0)
		tracker->unusable = NULL;
	else
		tracker->unusable = "only http:// and udp:// trackers are supported";
	snprintf(tracker->host, sizeof(tracker->host), "%s", host[0] == '[' ? host + 1 : host);
	tracker->host[strcspn(tracker->host, "]")] = '\0';
	snprintf(tracker->target, sizeof(tracker->target), "%s%s%s",
		path != NULL && path[0] != '\0' ? path : "/", query != NULL ? "?" : "",
		query != NULL ? query : "");
	evhttp_uri_free(uri);
}

struct tracker_client *tracker_client_create(struct event_base *base,
	const struct peer_address *source, const struct tracker_url *trackers,
	uint32_t trackers_count, tracker_replied *replied, void *context)
{
	struct tracker_client *client =
		memory_allocate(1, sizeof(*client) + trackers_count * sizeof(client->trackers[0]));

	client->base = base;
	client->replied = replied;
	client->context = context;
	client->trackers_count = trackers_count;
	for (uint32_t i = 0; i < trackers_count; i++) {
		struct tracker *tracker = &client->trackers[i];

		tracker->client = client;
		tracker->source = *source;
		tracker->index = i;
		tracker->udp_descriptor = -1;
		snprintf(tracker->url, sizeof(tracker->url), "%s", trackers[i].url);
		tracker_parse(tracker);
		tracker->deadline_event = evtimer_new(base, on_deadline, tracker);
		tracker->retry_event = evtimer_new(base, on_retry, tracker);
		if (tracker->deadline_event == NULL || tracker->retry_event == NULL)
			memory_exhausted(0);
	}
	return client;
}

static void tracker_forget(struct tracker *tracker)
{
	tracker->pending = false;
	event_del(tracker->deadline_event);
	event_del(tracker->retry_event);
	tracker_http_stop(tracker);
	tracker_udp_stop(tracker);
}

void tracker_client_announce(
	struct tracker_client *client, uint32_t tracker_index, const struct announce *announce)
{
	struct tracker *tracker = &client->trackers[tracker_index];
	uint64_t shift = u64_min(tracker->timeouts_row, TRACKER_TIMEOUT_SHIFT_MAX);
	struct timeval deadline = clock_timeval(TRACKER_TIMEOUT_NS << shift);

	tracker_forget(tracker);
	tracker->announce = *announce;
	tracker->pending = true;
	tracker->address = 0;
	tracker->asked_ns = clock_now_ns();
	tracker->deadline_ns = tracker->asked_ns + (TRACKER_TIMEOUT_NS << shift);
	if (evtimer_add(tracker->deadline_event, &deadline) != 0)
		memory_exhausted(0);
	step_soon(tracker);
}

uint32_t tracker_client_pending_count(const struct tracker_client *client)
{
	uint32_t pending_count = 0;

	for (uint32_t i = 0; i < client->trackers_count; i++)
		pending_count += client->trackers[i].pending;
	return pending_count;
}

const char *tracker_client_url(const struct tracker_client *client, uint32_t tracker)
{
	return client->trackers[tracker].url;
}

struct tracker_client *tracker_client_destroy(struct tracker_client *client)
{
	if (client == NULL)
		return NULL;
	for (uint32_t i = 0; i < client->trackers_count; i++) {
		tracker_forget(&client->trackers[i]);
		tracker_http_close(&client->trackers[i]);
		if (client->trackers[i].lookup != NULL)
			client->trackers[i].lookup->tracker = NULL;
		event_free(client->trackers[i].deadline_event);
		event_free(client->trackers[i].retry_event);
	}
	if (client->dns != NULL)
		evdns_base_free(client->dns, 1); /* look-ups end when the loop comes round */
	free(client);
	return NULL;
}
