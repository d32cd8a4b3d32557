/* SPDX-License-Identifier: Apache-2.0 */
/* Small helpers over evhttp, and the handlers of the paths in docs/node-protocol.md. */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include <event2/keyvalq_struct.h>

#include "server/server.h"

/* Answers and releases the request. */
void http_reply_bytes(struct evhttp_request *request, int code, const char *type, const void *bytes,
	size_t bytes_count);
void http_reply_text(struct evhttp_request *request, int code, const char *text);
/* 503 with Retry-After. */
void http_reply_later(struct evhttp_request *request, const char *why);

/* A query value; "" when absent. False (and "") when longer than capacity - 1. */
struct http_query {
	struct evkeyvalq values;
	bool parsed;
};
MUST_USE bool http_query_parse(struct http_query *query, struct evhttp_request *request);
void http_query_clear(struct http_query *query);
MUST_USE bool http_query_get(
	const struct http_query *query, const char *name, char *value, size_t capacity);

/* The body as one piece; NULL when there is none or it is longer than bytes_max. */
const uint8_t *http_body(struct evhttp_request *request, size_t bytes_max, size_t *bytes_count);

/* Handlers of the machines' port. */
void serve_node_request(struct evhttp_request *request, void *context); /* all paths */
void serve_boot_entry(struct server *server, struct evhttp_request *request);
void serve_boot(struct server *server, struct evhttp_request *request);
void serve_boot_file(
	struct server *server, struct evhttp_request *request, const char *path, bool kernel);
void serve_plan(struct server *server, struct evhttp_request *request);
void serve_metainfo(struct server *server, struct evhttp_request *request, const char *path);
void serve_report(struct server *server, struct evhttp_request *request);

/* The operator's socket. */
void control_request(struct evhttp_request *request, void *context);

#endif
