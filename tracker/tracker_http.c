/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tracker's own HTTP listeners. Requests are read here and not by evhttp, because each of them
 * is one announce: what a connection costs, how long it may take, how many there are and whose, is
 * the whole of the matter (docs/decisions/0004-tracker-http.md).
 */
#include "tracker/http_private.h"

#include "lib/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define PATIENCE_US	 (10 * UINT64_C(1000000))
#define ACCEPTS_PER_WAKE 64
#define DEFER_ACCEPT_S	 1
#define RESERVED_FILES	 32

static bool make_place(struct tracker_http *http)
{
	if (http->oldest == NONE)
		return false;
	http->tracker->statistics.connections_late++;
	http_connection_close(&http->connections[http->oldest]);
	return true;
}

static void take_connection(
	struct tracker_http *http, int fd, const struct sockaddr_storage *address)
{
	struct tracker_statistics *statistics = &http->tracker->statistics;
	uint8_t ip[16];

	if (!tracker_peer_ip(address, ip) ||
		http_connections_from(http, ip) >= http->tracker->connections_per_address_max) {
		statistics->connections_refused++;
		close(fd);
		return;
	}
	if (http->free != NONE || make_place(http))
		http_connection_start(http, fd, ip);
}

static void on_listener(evutil_socket_t fd, short events, void *context)
{
	struct listener *listener = context;

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_WAKE; i++) {
		struct sockaddr_storage address;
		socklen_t address_bytes = sizeof(address);
		int accepted = accept4(fd, (struct sockaddr *)&address, &address_bytes,
			SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (accepted >= 0) {
			take_connection(listener->http, accepted, &address);
			continue;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		bool shortage =
			errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;

		if (shortage && !make_place(listener->http)) {
			/* A waiting connection would wake the loop without end: look away until the
			 * next tick. */
			log_warning("tracker: cannot accept a connection: %s", strerror(errno));
			event_del(listener->readable);
			return;
		} /* else it was gone before it was taken */
	}
}

/* Not more connections than there are descriptors for, beside what the rest of the process needs.
 */
static uint32_t connections_max(uint32_t wanted)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
		return wanted;
	uint64_t reserved = u64_min(RESERVED_FILES, files.rlim_cur / 2);

	return (uint32_t)u64_max(1, u64_min(wanted, files.rlim_cur - reserved));
}

static struct tracker_http *http_create(struct tracker *tracker, struct failure *failure)
{
	struct tracker_http *http = calloc(1, sizeof(*http));
	uint32_t count = connections_max(tracker->connections_max);

	if (http != NULL) {
		http->tracker = tracker;
		http->connections_max = count;
		for (http->buckets = 1; http->buckets < count;)
			http->buckets *= 2;
		http->connections = calloc(count, sizeof(*http->connections));
		http->by_address = malloc(http->buckets * sizeof(*http->by_address));
	}
	if (http == NULL || http->connections == NULL || http->by_address == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for %u HTTP connections", count);
		return tracker_http_destroy(http);
	}
	memset(http->by_address, 0xff, http->buckets * sizeof(*http->by_address));
	for (uint32_t i = 0; i < count; i++)
		http->connections[i].next = i + 1 < count ? i + 1 : NONE;
	http->oldest = http->newest = NONE;
	return http;
}

bool tracker_listen_http(
	struct tracker *tracker, struct sockaddr_storage *address, struct failure *failure)
{
	int on = 1;
	int defer_s = DEFER_ACCEPT_S;

	if (tracker->http == NULL)
		tracker->http = http_create(tracker, failure);
	if (tracker->http == NULL)
		return false;
	struct tracker_http *http = tracker->http;
	if (http->listeners_count == TRACKER_LISTENERS_MAX)
		return failure_set(
			failure, ERROR_LIMIT, "more than %d HTTP listeners", TRACKER_LISTENERS_MAX);
	struct listener *listener = &http->listeners[http->listeners_count];
	int fd = tracker_bind(address, SOCK_STREAM, failure);
	if (fd < 0)
		return false;
	*listener = (struct listener){.http = http, .fd = fd};
	listener->readable =
		event_new(tracker->base, fd, EV_READ | EV_PERSIST, on_listener, listener);
	/* Answers are one piece each: what waits for more to come waits for nothing. */
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer_s, sizeof(defer_s)) != 0 ||
		listener->readable == NULL || event_add(listener->readable, NULL) != 0) {
		if (listener->readable != NULL)
			event_free(listener->readable);
		close(fd);
		return failure_set(failure, ERROR_SYSTEM, "cannot watch the HTTP socket");
	}
	http->listeners_count++;
	return true;
}

void tracker_http_tick(struct tracker_http *http)
{
	uint64_t now_us = tracker_now_us();

	while (http->oldest != NONE &&
		now_us - http->connections[http->oldest].since_us > PATIENCE_US) {
		http->tracker->statistics.connections_late++;
		http_connection_close(&http->connections[http->oldest]);
	}
	for (size_t i = 0; i < http->listeners_count; i++)
		if (event_add(http->listeners[i].readable, NULL) != 0)
			log_error("tracker: cannot listen again");
}

void tracker_http_stop_listening(struct tracker_http *http)
{
	for (size_t i = 0; i < http->listeners_count; i++) {
		event_free(http->listeners[i].readable);
		close(http->listeners[i].fd);
	}
	http->listeners_count = 0;
}

bool tracker_idle(const struct tracker *tracker)
{
	return tracker->http == NULL || tracker->http->waiting_bytes == 0;
}

uint32_t tracker_http_connections(const struct tracker_http *http)
{
	return http == NULL ? 0 : http->connections_count;
}

struct tracker_http *tracker_http_destroy(struct tracker_http *http)
{
	if (http == NULL)
		return NULL;
	while (http->connections_count > 0)
		http_connection_close(&http->connections[http->oldest]);
	tracker_http_stop_listening(http);
	free(http->connections);
	free(http->by_address);
	free(http);
	return NULL;
}
