/* SPDX-License-Identifier: Apache-2.0 */
/* The tracker's life on the loop, its sockets, and its HTTP side. */
#include "tracker/tracker_private.h"

#include "lib/log.h"
#include "runtime/crypto.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PEERS_MAX_DEFAULT      65536
#define SWARMS_MAX_DEFAULT     1024
#define HTTP_HEADERS_BYTES_MAX 8192
#define HTTP_BODY_BYTES_MAX    1024
#define HTTP_TIMEOUT_S	       10
#define HTTP_REPLY_BYTES_MAX   (32 * KIB) /* 200 peers in dictionary form */
#define SCRAPE_ENTRY_BYTES     96
#define LISTEN_BACKLOG	       1024

uint64_t tracker_now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

bool tracker_peer_ip(const struct sockaddr_storage *address, uint8_t ip[static 16])
{
	struct peer_address mapped = {0};

	if (address->ss_family == AF_INET6) {
		memcpy(ip, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
		return true;
	}
	if (address->ss_family != AF_INET)
		return false;
	peer_address_from4(
		&mapped, (const uint8_t *)&((const struct sockaddr_in *)address)->sin_addr, 0);
	memcpy(ip, mapped.ip, 16);
	return true;
}

static bool is_any6(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET6 &&
	       IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

int tracker_bind(struct sockaddr_storage *address, int type, struct failure *failure)
{
	int on = 1;
	int off = 0;
	int flags = type | SOCK_NONBLOCK | SOCK_CLOEXEC;
	socklen_t bytes = sizeof(*address);
	int fd = socket(address->ss_family, flags, 0);

	if (fd < 0 && errno == EAFNOSUPPORT && is_any6(address)) {
		/* A kernel without IPv6: any address means any IPv4 address. */
		struct sockaddr_in any4 = {.sin_family = AF_INET,
			.sin_port = ((struct sockaddr_in6 *)address)->sin6_port};

		memcpy(address, &any4, sizeof(any4));
		fd = socket(AF_INET, flags, 0);
	}
	bytes = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					       : sizeof(struct sockaddr_in);
	if (fd >= 0 &&
		(!is_any6(address) ||
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0) &&
		(type != SOCK_STREAM ||
			setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0) &&
		bind(fd, (struct sockaddr *)address, bytes) == 0 &&
		(type != SOCK_STREAM || listen(fd, LISTEN_BACKLOG) == 0) &&
		getsockname(fd, (struct sockaddr *)address, &bytes) == 0)
		return fd;
	failure_errno(failure, ERROR_SYSTEM, "cannot listen on %s port %u",
		type == SOCK_STREAM ? "TCP" : "UDP",
		ntohs(((struct sockaddr_in *)address)->sin_port));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* HTTP. */

static void http_reply(struct evhttp_request *request, const void *body, size_t body_bytes)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	struct evbuffer *buffer = evhttp_request_get_output_buffer(request);

	if (body_bytes == 0 || evhttp_add_header(headers, "Content-Type", "text/plain") != 0 ||
		evhttp_add_header(headers, "Connection", "close") != 0 ||
		evbuffer_add(buffer, body, body_bytes) != 0) {
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
		return;
	}
	evhttp_send_reply(request, HTTP_OK, "OK", NULL);
}

/* Trackers say what is wrong in the body, with status 200: clients show the text then. */
static void http_refuse(struct tracker *tracker, struct evhttp_request *request, const char *reason)
{
	uint8_t body[64 + TRACKER_TEXT_MAX];
	struct announce_reply *reply = &tracker->reply;

	tracker->statistics.refused++;
	memset(reply, 0, offsetof(struct announce_reply, peers));
	reply->peers_count = 0;
	memcpy(reply->failure, reason, u64_min(strlen(reason), sizeof(reply->failure) - 1));
	http_reply(request, body, http_announce_reply_write(reply, true, true, body, sizeof(body)));
}

static bool http_peer_ip(struct evhttp_request *request, uint8_t ip[static 16])
{
	struct sockaddr_storage address;
	socklen_t address_bytes = sizeof(address);
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	evutil_socket_t fd =
		connection == NULL
			? -1
			: bufferevent_getfd(evhttp_connection_get_bufferevent(connection));

	return fd >= 0 && getpeername(fd, (struct sockaddr *)&address, &address_bytes) == 0 &&
	       tracker_peer_ip(&address, ip);
}

static void http_announce(
	struct tracker *tracker, struct evhttp_request *request, const char *query)
{
	uint8_t ip[16];
	uint8_t body[HTTP_REPLY_BYTES_MAX];
	struct announce announce;
	const char *reason = "the announce is malformed";

	if (!http_announce_parse(&announce, query, strlen(query), &reason)) {
		http_refuse(tracker, request, reason);
		return;
	}
	if (!http_peer_ip(request, ip)) {
		http_refuse(tracker, request, "your address is not known");
		return;
	}
	tracker_core_announce(tracker->core, tracker_now_s(), &announce, ip, &tracker->reply);
	tracker->statistics.refused += tracker->reply.failure[0] != '\0';
	tracker->statistics.announces_http += tracker->reply.failure[0] == '\0';
	http_reply(request, body,
		http_announce_reply_write(&tracker->reply, announce.compact, announce.no_peer_id,
			body, sizeof(body)));
}

static void http_scrape(struct tracker *tracker, struct evhttp_request *request, const char *query)
{
	uint8_t hashes[SCRAPE_HASHES_MAX][SHA1_BYTES];
	uint32_t hashes_count = 0;
	const char *reason = "the scrape is malformed";
	size_t count = 0;

	if (!http_scrape_parse(hashes, &hashes_count, query, strlen(query), &reason)) {
		http_refuse(tracker, request, reason);
		return;
	}
	size_t entries_max =
		hashes_count > 0 ? hashes_count : tracker_core_swarms_count(tracker->core);
	size_t body_bytes = 64 + entries_max * SCRAPE_ENTRY_BYTES;
	struct scrape_entry *entries = calloc(entries_max + 1, sizeof(*entries));
	uint8_t *body = malloc(body_bytes);
	if (entries == NULL || body == NULL) {
		http_refuse(tracker, request, "out of memory");
	} else {
		if (hashes_count == 0)
			count = tracker_core_scrape_all(
				tracker->core, tracker_now_s(), entries, entries_max);
		for (uint32_t i = 0; i < hashes_count; i++)
			count += tracker_core_scrape(
				tracker->core, tracker_now_s(), hashes[i], &entries[count]);
		http_reply(
			request, body, http_scrape_reply_write(entries, count, body, body_bytes));
	}
	free(entries);
	free(body);
}

bool tracker_handle_http(struct tracker *tracker, struct evhttp_request *request)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri == NULL ? NULL : evhttp_uri_get_path(uri);
	const char *query = uri == NULL ? NULL : evhttp_uri_get_query(uri);

	if (path == NULL || (strcmp(path, "/announce") != 0 && strcmp(path, "/scrape") != 0))
		return false;
	if (evhttp_request_get_command(request) != EVHTTP_REQ_GET)
		evhttp_send_error(request, HTTP_BADMETHOD, NULL);
	else if (strcmp(path, "/announce") == 0)
		http_announce(tracker, request, query == NULL ? "" : query);
	else
		http_scrape(tracker, request, query == NULL ? "" : query);
	return true;
}

static void http_request(struct evhttp_request *request, void *context)
{
	if (!tracker_handle_http(context, request))
		evhttp_send_error(request, HTTP_NOTFOUND, NULL);
}

/* Out of descriptors, a waiting connection would wake the loop without end: look away until the
 * next tick. */
static void accept_failed(struct evconnlistener *listener, void *context)
{
	(void)context;
	log_warning("tracker: cannot accept a connection: %s", strerror(errno));
	if (evconnlistener_disable(listener) != 0)
		log_error("tracker: cannot pause listening");
}

static bool http_create(struct tracker *tracker, struct failure *failure)
{
	if (tracker->http != NULL)
		return true;
	tracker->http = evhttp_new(tracker->base);
	if (tracker->http == NULL)
		return failure_set(failure, ERROR_MEMORY, "cannot make an HTTP server");
	evhttp_set_timeout(tracker->http, HTTP_TIMEOUT_S);
	evhttp_set_max_headers_size(tracker->http, HTTP_HEADERS_BYTES_MAX);
	evhttp_set_max_body_size(tracker->http, HTTP_BODY_BYTES_MAX);
	evhttp_set_allowed_methods(tracker->http, EVHTTP_REQ_GET);
	evhttp_set_gencb(tracker->http, http_request, tracker);
	return true;
}

bool tracker_listen_http(
	struct tracker *tracker, struct sockaddr_storage *address, struct failure *failure)
{
	if (tracker->http_count == TRACKER_LISTENERS_MAX)
		return failure_set(
			failure, ERROR_LIMIT, "more than %d HTTP listeners", TRACKER_LISTENERS_MAX);
	if (!http_create(tracker, failure))
		return false;
	int fd = tracker_bind(address, SOCK_STREAM, failure);
	if (fd < 0)
		return false;
	struct evhttp_bound_socket *bound = evhttp_accept_socket_with_handle(tracker->http, fd);
	if (bound == NULL) {
		close(fd);
		return failure_set(failure, ERROR_MEMORY, "cannot watch the HTTP socket");
	}
	struct evconnlistener *listener = evhttp_bound_socket_get_listener(bound);
	evconnlistener_set_error_cb(listener, accept_failed);
	tracker->http_listeners[tracker->http_count++] = listener;
	return true;
}

/* Life. */

static void tick(evutil_socket_t fd, short events, void *context)
{
	struct tracker *tracker = context;

	(void)fd;
	(void)events;
	tracker_core_expire(tracker->core, tracker_now_s());
	for (size_t i = 0; i < tracker->http_count; i++)
		if (evconnlistener_enable(tracker->http_listeners[i]) != 0)
			log_error("tracker: cannot listen again");
}

struct tracker *tracker_create(
	struct event_base *base, const struct tracker_settings *settings, struct failure *failure)
{
	struct timeval second = {.tv_sec = 1};
	struct tracker *tracker = calloc(1, sizeof(*tracker));
	struct tracker_core_settings core = {
		.swarms_max = settings->swarms_max ? settings->swarms_max : SWARMS_MAX_DEFAULT,
		.peers_max = settings->peers_max ? settings->peers_max : PEERS_MAX_DEFAULT,
		.interval_s =
			settings->interval_s ? settings->interval_s : TRACKER_INTERVAL_S_DEFAULT,
		.allow_only = settings->allow_only};
	size_t core_bytes = tracker_core_bytes(&core);
	void *memory = core_bytes > 0 ? malloc(core_bytes) : NULL;

	crypto_random(&core.seed, sizeof(core.seed));
	if (tracker == NULL || memory == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for a tracker of %u peers",
			core.peers_max);
		free(memory);
		free(tracker);
		return NULL;
	}
	tracker->base = base;
	tracker->core = tracker_core_create(&core, memory, core_bytes);
	crypto_random(tracker->secret, sizeof(tracker->secret));
	tracker->tick = event_new(base, -1, EV_PERSIST, tick, tracker);
	if (tracker->core == NULL || tracker->tick == NULL ||
		event_add(tracker->tick, &second) != 0) {
		failure_set(failure, ERROR_MEMORY, "cannot start the tracker");
		if (tracker->core == NULL)
			free(memory);
		return tracker_destroy(tracker);
	}
	return tracker;
}

struct tracker *tracker_destroy(struct tracker *tracker)
{
	if (tracker == NULL)
		return NULL;
	if (tracker->tick != NULL)
		event_free(tracker->tick);
	if (tracker->http != NULL)
		evhttp_free(tracker->http);
	for (size_t i = 0; i < tracker->udp_count; i++) {
		event_free(tracker->udp[i].readable);
		close(tracker->udp[i].fd);
	}
	free(tracker->core);
	free(tracker);
	return NULL;
}

bool tracker_allow(struct tracker *tracker, const uint8_t infohash[SHA1_BYTES])
{
	return tracker_core_allow(tracker->core, infohash);
}

void tracker_disallow(struct tracker *tracker, const uint8_t infohash[SHA1_BYTES])
{
	tracker_core_disallow(tracker->core, infohash);
}

void tracker_statistics(const struct tracker *tracker, struct tracker_statistics *statistics)
{
	*statistics = tracker->statistics;
	statistics->swarms_count = tracker_core_swarms_count(tracker->core);
	statistics->peers_count = tracker_core_peers_count(tracker->core);
	statistics->interval_s = tracker_core_interval_s(tracker->core);
}
