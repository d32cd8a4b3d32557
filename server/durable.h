/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that may only leave when what they say is on the medium. Those that come within a
 * millisecond, or while the last commit was being written, share one commit.
 */
#ifndef SERVER_DURABLE_H
#define SERVER_DURABLE_H

#include "server/server.h"

enum durable_kind { DURABLE_PLAN, DURABLE_FINISHING, DURABLE_FINISHED, DURABLE_FAILED };

struct durable;

MUST_USE struct durable *durable_create(struct server *server, struct failure *failure);
/* Commits and answers what still waits. */
struct durable *durable_destroy(struct durable *durable);

/* The node was changed in memory, `before` is how it was. Copies the bytes. When the commit fails,
 * the node is as it was before and the request is told to come back. */
void durable_reply(struct durable *durable, enum durable_kind kind, const struct node *before,
	struct evhttp_request *request, const uint8_t *bytes, size_t bytes_count);

#endif
