/* SPDX-License-Identifier: Apache-2.0 */
/* The tracker inside somebody else's evhttp: the server's. */
#include "tracker/tracker_private.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

static bool peer_ip(struct evhttp_request *request, uint8_t ip[static 16])
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

/* The server has other work for its connections: each announce ends its own. */
static void send_body(struct tracker *tracker, struct evhttp_request *request, size_t body_bytes)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	struct evbuffer *buffer = evhttp_request_get_output_buffer(request);

	if (evhttp_add_header(headers, "Content-Type", "text/plain") != 0 ||
		evhttp_add_header(headers, "Connection", "close") != 0 ||
		evbuffer_add(buffer, tracker->body + TRACKER_HEAD_BYTES_MAX, body_bytes) != 0) {
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
		return;
	}
	evhttp_send_reply(request, HTTP_OK, "OK", NULL);
}

bool tracker_handle_http(struct tracker *tracker, struct evhttp_request *request)
{
	uint8_t ip[16];
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri == NULL ? NULL : evhttp_uri_get_path(uri);
	const char *query = uri == NULL ? NULL : evhttp_uri_get_query(uri);

	if (path == NULL || (strcmp(path, "/announce") != 0 && strcmp(path, "/scrape") != 0))
		return false;
	if (query == NULL)
		query = "";
	if (evhttp_request_get_command(request) != EVHTTP_REQ_GET) {
		evhttp_send_error(request, HTTP_BADMETHOD, NULL);
		return true;
	}
	size_t body_bytes = peer_ip(request, ip) ? tracker_http_body(tracker, path, strlen(path),
							   query, strlen(query), ip)
						 : 0;
	if (body_bytes == 0)
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
	else
		send_body(tracker, request, body_bytes);
	return true;
}
