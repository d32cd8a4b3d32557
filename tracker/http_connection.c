/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of the tracker's HTTP side: requests read, answers sent, its place in the pool. */
#include "tracker/http_private.h"

#include "wire/http_request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WAITING_BYTES_MAX (64 * MIB) /* answers that wait for slow clients, all together */
#define DRAINED_BYTES_MAX (256 * KIB)

/* The pool. */

static uint32_t number_of(const struct connection *connection)
{
	return (uint32_t)(connection - connection->http->connections);
}

static uint32_t *bucket_of(struct tracker_http *http, const uint8_t ip[static 16])
{
	return &http->by_address[siphash(http->tracker->secret, ip, peer_ip_owner_bytes(ip)) &
				 (http->buckets - 1)];
}

uint32_t http_connections_from(struct tracker_http *http, const uint8_t ip[static 16])
{
	size_t bytes = peer_ip_owner_bytes(ip);
	uint32_t count = 0;

	for (uint32_t at = *bucket_of(http, ip); at != NONE; at = http->connections[at].next) {
		const uint8_t *other = http->connections[at].ip;

		count += peer_ip_owner_bytes(other) == bytes && memcmp(other, ip, bytes) == 0;
	}
	return count;
}

static void age_unlink(struct connection *connection)
{
	struct tracker_http *http = connection->http;

	*(connection->older == NONE ? &http->oldest : &http->connections[connection->older].newer) =
		connection->newer;
	*(connection->newer == NONE ? &http->newest : &http->connections[connection->newer].older) =
		connection->older;
}

static void age_link(struct connection *connection)
{
	struct tracker_http *http = connection->http;
	uint32_t number = number_of(connection);

	connection->since_us = tracker_now_us();
	connection->newer = NONE;
	connection->older = http->newest;
	*(http->newest == NONE ? &http->oldest : &http->connections[http->newest].newer) = number;
	http->newest = number;
}

static void got_somewhere(struct connection *connection)
{
	age_unlink(connection);
	age_link(connection);
}

void http_connection_close(struct connection *connection)
{
	struct tracker_http *http = connection->http;
	uint32_t *link = bucket_of(http, connection->ip);

	if (connection->watched != 0)
		event_del(&connection->event);
	close(connection->fd);
	http->waiting_bytes -= connection->answer_bytes;
	free(connection->answer);
	age_unlink(connection);
	while (*link != number_of(connection))
		link = &http->connections[*link].next;
	*link = connection->next;
	connection->next = http->free;
	http->free = number_of(connection);
	http->connections_count--;
}

static void on_connection(evutil_socket_t fd, short events, void *context);

/* False, and the connection is closed, when it cannot be watched. */
static bool watch(struct connection *connection, short events)
{
	if (connection->watched == events)
		return true;
	if (connection->watched != 0)
		event_del(&connection->event);
	connection->watched = 0;
	event_assign(&connection->event, connection->http->tracker->base, connection->fd,
		(short)(events | EV_PERSIST), on_connection, connection);
	if (event_add(&connection->event, NULL) != 0) {
		http_connection_close(connection);
		return false;
	}
	connection->watched = events;
	return true;
}

/* Answers. All of these return false when the connection was closed. */

static bool answered(struct connection *connection)
{
	got_somewhere(connection);
	if (connection->keep) {
		connection->state = CONNECTION_READING;
		return true;
	}
	if (connection->drain && shutdown(connection->fd, SHUT_WR) == 0) {
		connection->state = CONNECTION_DRAINING;
		return watch(connection, EV_READ);
	}
	http_connection_close(connection);
	return false;
}

/* What the socket does not take waits in memory of its own, within what all may have together. */
static bool keep_answer(struct connection *connection, const uint8_t *bytes, size_t bytes_count)
{
	struct tracker_http *http = connection->http;

	connection->answer =
		bytes_count > WAITING_BYTES_MAX - http->waiting_bytes ? NULL : malloc(bytes_count);
	if (connection->answer == NULL) {
		http_connection_close(connection);
		return false;
	}
	memcpy(connection->answer, bytes, bytes_count);
	connection->answer_bytes = bytes_count;
	connection->sent_bytes = 0;
	http->waiting_bytes += bytes_count;
	connection->state = CONNECTION_WRITING;
	return watch(connection, EV_WRITE);
}

static bool send_answer(struct connection *connection, const uint8_t *bytes, size_t bytes_count)
{
	ssize_t sent = send(connection->fd, bytes, bytes_count, MSG_NOSIGNAL);

	if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
		http_connection_close(connection);
		return false;
	}
	size_t done = sent < 0 ? 0 : (size_t)sent;

	if (done == bytes_count)
		return answered(connection);
	return keep_answer(connection, bytes + done, bytes_count - done);
}

static bool send_more(struct connection *connection)
{
	ssize_t sent = send(connection->fd, connection->answer + connection->sent_bytes,
		connection->answer_bytes - connection->sent_bytes, MSG_NOSIGNAL);

	if (sent < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
			return true;
		http_connection_close(connection);
		return false;
	}
	got_somewhere(connection);
	connection->sent_bytes += (size_t)sent;
	if (connection->sent_bytes < connection->answer_bytes)
		return true;
	connection->http->waiting_bytes -= connection->answer_bytes;
	free(connection->answer);
	connection->answer = NULL;
	connection->answer_bytes = 0;
	return answered(connection) && watch(connection, EV_READ);
}

/* The body lies in tracker->body with room for the head before it: one piece, one call. */
static bool send_body(struct connection *connection, unsigned status, const char *said, bool old,
	size_t body_bytes)
{
	uint8_t *body = connection->http->tracker->body + TRACKER_HEAD_BYTES_MAX;
	char head[TRACKER_HEAD_BYTES_MAX];
	int head_bytes = snprintf(head, sizeof(head),
		"HTTP/1.1 %u %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s%s\r\n",
		status, said, body_bytes, status == 405 ? "Allow: GET\r\n" : "",
		!connection->keep ? "Connection: close\r\n"
		: old		  ? "Connection: keep-alive\r\n"
				  : "");

	memcpy(body - head_bytes, head, (size_t)head_bytes);
	return send_answer(connection, body - head_bytes, (size_t)head_bytes + body_bytes);
}

static bool send_status(struct connection *connection, unsigned status, bool old)
{
	static const struct {
		unsigned status;
		const char *said;
	} known[] = {{400, "Bad Request"}, {404, "Not Found"}, {405, "Method Not Allowed"},
		{414, "URI Too Long"}, {431, "Request Header Fields Too Large"},
		{505, "HTTP Version Not Supported"}};
	const char *said = "";
	struct tracker *tracker = connection->http->tracker;

	for (size_t i = 0; i < ARRAY_COUNT(known); i++)
		if (known[i].status == status)
			said = known[i].said;
	tracker_refused(tracker, TRACKER_REFUSED_MALFORMED, said, connection->ip, NULL);
	int bytes = snprintf((char *)tracker->body + TRACKER_HEAD_BYTES_MAX,
		tracker->body_bytes_max, "%s\n", said);
	return send_body(connection, status, said, old, (size_t)bytes);
}

/* Requests. */

static bool serve_one(struct connection *connection, const struct http_request *request)
{
	struct tracker *tracker = connection->http->tracker;

	connection->keep = request->keep_alive;
	size_t body_bytes = tracker_http_body(tracker, request->path, request->path_bytes,
		request->query, request->query_bytes, connection->ip);

	return body_bytes > 0 ? send_body(connection, 200, "OK", request->old, body_bytes)
			      : send_status(connection, 404, request->old);
}

static bool refuse(struct connection *connection, unsigned status)
{
	connection->keep = false;
	connection->drain = true;
	return send_status(connection, status, false);
}

/* Answers the requests that have come whole, one behind the other. */
static bool serve(struct connection *connection)
{
	while (connection->state == CONNECTION_READING) {
		struct http_request request;
		enum http_request_state state =
			http_request_parse(&request, connection->request, connection->read_bytes);

		if (state == HTTP_REQUEST_WRONG)
			return refuse(connection, request.status);
		if (state == HTTP_REQUEST_PART) {
			if (connection->read_bytes == sizeof(connection->request))
				return refuse(connection, request.path == NULL ? 414 : 431);
			return watch(connection, EV_READ);
		}
		size_t head_bytes = request.head_bytes;

		if (!serve_one(connection, &request))
			return false;
		connection->read_bytes -= head_bytes;
		memmove(connection->request, connection->request + head_bytes,
			connection->read_bytes);
	}
	return true;
}

static void read_more(struct connection *connection)
{
	bool draining = connection->state == CONNECTION_DRAINING;
	uint8_t *room = connection->request + (draining ? 0 : connection->read_bytes);
	ssize_t got = recv(connection->fd, room,
		(size_t)(connection->request + sizeof(connection->request) - room), 0);

	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
		watch(connection, EV_READ);
		return;
	}
	if (got <= 0) {
		http_connection_close(connection);
		return;
	}
	if (!draining) {
		connection->read_bytes += (size_t)got;
		serve(connection);
		return;
	}
	connection->drained_bytes += (size_t)got;
	if (connection->drained_bytes > DRAINED_BYTES_MAX)
		http_connection_close(connection);
}

static void on_connection(evutil_socket_t fd, short events, void *context)
{
	struct connection *connection = context;

	(void)fd;
	(void)events;
	if (connection->state != CONNECTION_WRITING)
		read_more(connection);
	else if (send_more(connection) && connection->state == CONNECTION_READING)
		serve(connection);
}

void http_connection_start(struct tracker_http *http, int fd, const uint8_t ip[static 16])
{
	struct connection *connection = &http->connections[http->free];
	uint32_t *bucket = bucket_of(http, ip);

	http->free = connection->next;
	/* All but the room for the request. */
	memset(connection, 0, offsetof(struct connection, request));
	connection->http = http;
	connection->fd = fd;
	connection->next = *bucket;
	memcpy(connection->ip, ip, sizeof(connection->ip));
	*bucket = number_of(connection);
	age_link(connection);
	http->connections_count++;
	read_more(connection); /* with TCP_DEFER_ACCEPT the request is here already */
}
