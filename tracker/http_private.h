/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tracker's HTTP connections: tracker_http.c accepts and ends them, http_connection.c reads and
 * answers. All lie in a pool made with the first listener, in order of when they last got
 * somewhere: accepted, a request answered, bytes of an answer taken. Bytes of a request that is not
 * whole are not getting somewhere.
 */
#ifndef TRACKER_HTTP_PRIVATE_H
#define TRACKER_HTTP_PRIVATE_H

#include "tracker/tracker_private.h"

#include <event2/event_struct.h>

#define NONE		       UINT32_MAX /* no connection */
#define HTTP_REQUEST_BYTES_MAX 8192

enum connection_state { CONNECTION_READING, CONNECTION_WRITING, CONNECTION_DRAINING };

struct connection {
	struct event event;
	struct tracker_http *http;
	int fd;
	enum connection_state state;
	short watched; /* EV_READ, EV_WRITE, or 0 */
	bool keep;     /* open after the answer that is on its way */
	bool drain;    /* after it, read what the client still sends, so that it sees the answer */
	uint32_t older;
	uint32_t newer;
	uint32_t next; /* in its bucket; free ones: the next free one */
	uint8_t ip[16];
	uint64_t since_us;
	uint8_t *answer; /* what the socket did not take at once */
	size_t answer_bytes;
	size_t sent_bytes;
	size_t drained_bytes;
	size_t read_bytes;
	uint8_t request[HTTP_REQUEST_BYTES_MAX];
};

struct listener {
	struct tracker_http *http;
	struct event *readable;
	int fd;
};

struct tracker_http {
	struct tracker *tracker;
	struct listener listeners[TRACKER_LISTENERS_MAX];
	size_t listeners_count;
	struct connection *connections;
	uint32_t connections_max;
	uint32_t connections_count;
	uint32_t *by_address;
	uint32_t buckets; /* a power of two */
	uint32_t free;
	uint32_t oldest;
	uint32_t newest;
	size_t waiting_bytes;
};

/* Takes a free place of the pool, which there must be, for an accepted socket, and reads what came.
 */
void http_connection_start(struct tracker_http *http, int fd, const uint8_t ip[static 16]);
void http_connection_close(struct connection *connection);
uint32_t http_connections_from(struct tracker_http *http, const uint8_t ip[static 16]);

#endif
