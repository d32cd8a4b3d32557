/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP announce at one address, by libevent's client. */
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>

#include "runtime/clock.h"
#include "runtime/memory.h"
#include "runtime/socket.h"
#include "runtime/tracker_private.h"

#define REPLY_BYTES_MAX	  (64 * 1024)
#define HEADERS_BYTES_MAX (16 * 1024)
#define QUERY_BYTES_MAX	  1024

void tracker_http_close(struct tracker *tracker)
{
	if (tracker->http != NULL)
		evhttp_connection_free(tracker->http);
	tracker->http = NULL;
	tracker->http_request = NULL;
}

/* A connection whose request has ended may be in libevent's hands: it is closed later. */
void tracker_http_stop(struct tracker *tracker)
{
	if (tracker->http_request != NULL)
		tracker_http_close(tracker);
}

static void on_response(struct evhttp_request *request, void *context)
{
	struct tracker *tracker = context;
	struct announce_reply *reply;
	char text[TRACKER_TEXT_MAX];

	tracker->http_request = NULL;
	if (request == NULL || evhttp_request_get_response_code(request) == 0) {
		tracker_try_failed(tracker, "no HTTP answer");
		return;
	}
	if (evhttp_request_get_response_code(request) != HTTP_OK) {
		snprintf(text, sizeof(text), "HTTP status %d",
			evhttp_request_get_response_code(request));
		tracker_try_failed(tracker, text);
		return;
	}

	struct evbuffer *body = evhttp_request_get_input_buffer(request);
	size_t body_bytes = evbuffer_get_length(body);
	const uint8_t *bytes = evbuffer_pullup(body, -1);

	reply = memory_allocate(1, sizeof(*reply));
	if (bytes != NULL && http_announce_reply_parse(reply, bytes, body_bytes))
		tracker_answer(tracker, reply);
	else
		tracker_try_failed(tracker, "its answer makes no sense");
	free(reply);
}

static void leave_from_source(const struct tracker *tracker, struct evhttp_connection *http)
{
	char text[SOCKET_TEXT_MAX];
	const struct peer_address *target = &tracker->addresses[tracker->address];

	/* evhttp binds by text and at once, so an unspecified source is left to the kernel. */
	if (socket_address_is_unspecified(&tracker->source) ||
		peer_address_is4(&tracker->source) != peer_address_is4(target))
		return;
	socket_address_text(text, &tracker->source);
	*strrchr(text, ':') = '\0';
	text[strcspn(text, "]")] = '\0';
	evhttp_connection_set_local_address(http, text[0] == '[' ? text + 1 : text);
}

static struct evhttp_connection *connection_to(
	const struct tracker *tracker, struct event_base *base)
{
	char text[SOCKET_TEXT_MAX];
	const struct peer_address *address = &tracker->addresses[tracker->address];
	struct evhttp_connection *http;
	struct timeval timeout = clock_timeval(tracker_time_left_ns(tracker));

	socket_address_text(text, address);
	*strrchr(text, ':') = '\0';
	text[strcspn(text, "]")] = '\0';
	http = evhttp_connection_base_new(
		base, NULL, text[0] == '[' ? text + 1 : text, address->port);
	if (http == NULL)
		memory_exhausted(0);
	leave_from_source(tracker, http);
	evhttp_connection_set_timeout_tv(http, &timeout);
	evhttp_connection_set_retries(http, 0);
	evhttp_connection_set_max_body_size(http, REPLY_BYTES_MAX);
	evhttp_connection_set_max_headers_size(http, HEADERS_BYTES_MAX);
	return http;
}

void tracker_http_try(struct tracker *tracker)
{
	char target[METAINFO_URL_MAX + QUERY_BYTES_MAX];
	char query[QUERY_BYTES_MAX];
	char host[METAINFO_URL_MAX + 16];
	bool ipv6 = strchr(tracker->host, ':') != NULL;
	struct evhttp_request *request = evhttp_request_new(on_response, tracker);

	if (request == NULL || http_announce_write(&tracker->announce, query, sizeof(query)) == 0)
		memory_exhausted(0);
	snprintf(target, sizeof(target), "%s%c%s", tracker->target,
		strchr(tracker->target, '?') != NULL ? '&' : '?', query);
	snprintf(host, sizeof(host), "%s%s%s:%u", ipv6 ? "[" : "", tracker->host, ipv6 ? "]" : "",
		tracker->port);

	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);

	tracker_http_close(tracker);
	tracker->http = connection_to(tracker, event_get_base(tracker->retry_event));
	if (evhttp_add_header(headers, "Host", host) != 0 ||
		evhttp_add_header(headers, "Connection", "close") != 0 ||
		evhttp_add_header(headers, "User-Agent", "swarmboot") != 0)
		memory_exhausted(0);
	tracker->http_request = request;
	if (evhttp_make_request(tracker->http, request, EVHTTP_REQ_GET, target) != 0) {
		tracker->http_request = NULL;
		tracker_try_failed(tracker, "the request could not be made");
	}
}
