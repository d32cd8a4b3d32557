/* SPDX-License-Identifier: Apache-2.0 */
/* Commits shared by many answers. evhttp keeps a request whose peer has gone until it is answered,
 * so it may wait here. */
#include "server/durable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http.h"

#define WAITING_MAX 256
#define GATHER_US   1000
#define RETRY_MS    2000

struct waiting {
	enum durable_kind kind;
	struct node before;
	struct evhttp_request *request;
	uint8_t *bytes;
	size_t bytes_count;
};

struct durable {
	struct server *server;
	struct event *timer;
	struct waiting list[WAITING_MAX];
	size_t count;
};

static void reply_retry(struct waiting *waiting)
{
	struct report_reply reply = {.retry_ms = RETRY_MS};
	uint8_t bytes[2 * KIB];

	if (waiting->kind == DURABLE_PLAN)
		http_reply_later(waiting->request, "the server cannot record it");
	else
		http_reply_bytes(waiting->request, HTTP_OK, "application/octet-stream", bytes,
			report_reply_write(&reply, bytes, sizeof(bytes)));
}

/* Newest first, so that a node which is there twice ends as it was before both. */
static void undo_all(struct durable *durable, const struct failure *failure)
{
	for (size_t i = durable->count; i-- > 0;) {
		struct waiting *waiting = &durable->list[i];
		struct node *node = nodes_find(durable->server->nodes, waiting->before.id);

		if (node != NULL)
			*node = waiting->before;
		server_notice(durable->server, "cannot record what %s says: %s", waiting->before.id,
			failure->text);
	}
}

static void flush(struct durable *durable)
{
	static const char *const test_points[] = {[DURABLE_FINISHING] = "finishing-recorded",
		[DURABLE_FINISHED] = "finished-recorded"};
	struct failure failure = {0};
	bool committed = nodes_commit(durable->server->nodes, &failure);

	if (!committed)
		undo_all(durable, &failure);
	for (size_t i = 0; i < durable->count; i++) {
		struct waiting *waiting = &durable->list[i];

		if (committed && waiting->kind < ARRAY_COUNT(test_points) &&
			test_points[waiting->kind] != NULL)
			server_test_exit(test_points[waiting->kind]);
		if (committed)
			http_reply_bytes(waiting->request, HTTP_OK, "application/octet-stream",
				waiting->bytes, waiting->bytes_count);
		else
			reply_retry(waiting);
		free(waiting->bytes);
	}
	durable->count = 0;
}

static void on_timer(evutil_socket_t descriptor, short what, void *context)
{
	(void)descriptor;
	(void)what;
	flush(context);
}

struct durable *durable_create(struct server *server, struct failure *failure)
{
	struct durable *durable = calloc(1, sizeof(*durable));

	if (durable != NULL) {
		durable->server = server;
		durable->timer = evtimer_new(server->base, on_timer, durable);
	}
	if (durable == NULL || durable->timer == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for answers");
		free(durable);
		return NULL;
	}
	return durable;
}

struct durable *durable_destroy(struct durable *durable)
{
	if (durable == NULL)
		return NULL;
	if (durable->count > 0)
		flush(durable);
	event_free(durable->timer);
	free(durable);
	return NULL;
}

void durable_reply(struct durable *durable, enum durable_kind kind, const struct node *before,
	struct evhttp_request *request, const uint8_t *bytes, size_t bytes_count)
{
	struct waiting *waiting = &durable->list[durable->count++];
	struct timeval gather = {.tv_usec = GATHER_US};

	*waiting = (struct waiting){.kind = kind,
		.before = *before,
		.request = request,
		.bytes = malloc(bytes_count),
		.bytes_count = bytes_count};
	if (waiting->bytes == NULL)
		waiting->bytes_count = 0;
	else
		memcpy(waiting->bytes, bytes, bytes_count);
	/* Without a timer there is nothing to wait for. */
	if (durable->count == WAITING_MAX ||
		(durable->count == 1 && evtimer_add(durable->timer, &gather) != 0))
		flush(durable);
}
