/* SPDX-License-Identifier: Apache-2.0 */
/* A small HTTP client on the loop: one request, one answer, bounded in time and size. Retrying is
 * the caller's business. */
#ifndef INITRAMFS_AGENT_HTTP_H
#define INITRAMFS_AGENT_HTTP_H

#include <event2/event.h>

#include "lib/failure.h"

struct agent_http;

/* "http://10.0.0.1:8080" or "http://[fd00::1]:8080"; numeric, without a path. */
MUST_USE struct agent_http *agent_http_create(
	struct event_base *base, const char *url, struct failure *failure);

/* Drops what is under way without calling back. */
struct agent_http *agent_http_destroy(struct agent_http *http);

struct http_answer {
	int status;	     /* 0: none came */
	const uint8_t *body; /* valid during the call */
	size_t body_bytes;
	uint64_t retry_after_s; /* Retry-After in seconds; 0: none */
	const char *problem;	/* why status is 0 */
};

struct http_request {
	const char *path;    /* "/v1/..."; copied */
	const uint8_t *body; /* POST when not NULL; copied */
	size_t body_bytes;
	uint64_t answer_bytes_max;
	uint32_t timeout_s; /* for all of it */
	void (*done)(void *context, const struct http_answer *answer);
	void *context;
};

/* `done` is called once, from the loop, never from within this function. */
void agent_http_start(struct agent_http *http, const struct http_request *request);

#endif
