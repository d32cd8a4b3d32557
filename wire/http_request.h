/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of an HTTP/1 request (RFC 9112), as much of it as a server needs that only answers GET:
 * the target, and whether the connection stays open. Bodies are not read: a request that has one is
 * answered and its connection closed. Nothing is copied: pointers are into the bytes given.
 */
#ifndef WIRE_HTTP_REQUEST_H
#define WIRE_HTTP_REQUEST_H

#include "lib/bytes.h"

enum http_request_state {
	HTTP_REQUEST_PART, /* more must come */
	HTTP_REQUEST_WHOLE,
	HTTP_REQUEST_WRONG /* `status` says how; the connection is of no more use */
};

struct http_request {
	const char *path; /* "/announce"; still escaped */
	size_t path_bytes;
	const char *query; /* behind '?'; still escaped */
	size_t query_bytes;
	size_t head_bytes; /* with the empty line that ends it */
	bool keep_alive;
	bool old;	 /* HTTP/1.0: a client that must be told that the connection stays open */
	unsigned status; /* 200; else 400, 405, 505 */
};

/* Lines may end in a bare LF. A target may be absolute (http://host/path). Control characters and
 * spaces in a target are wrong; %00 is not, it stays as it is. */
MUST_USE enum http_request_state http_request_parse(
	struct http_request *request, const uint8_t *bytes, size_t bytes_count);

#endif
