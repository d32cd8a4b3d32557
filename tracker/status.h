/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tracker's numbers over HTTP: /metrics for Prometheus, /swarms (?infohash=HEX) as JSON,
 * /health. On a listener of its own, apart from the one that peers see; or on somebody else's
 * evhttp, whole and at once. It only reads, and asks nobody who they are: keep it on a loopback or
 * behind one.
 */
#ifndef TRACKER_STATUS_H
#define TRACKER_STATUS_H

#include "lib/failure.h"

struct event_base;
struct evhttp_request;
struct sockaddr_storage;
struct status;
struct tracker;

/* Base and tracker must outlive it. NULL on failure. Accepts NULL to destroy, returns NULL. */
MUST_USE struct status *status_create(
	struct event_base *base, struct tracker *tracker, struct failure *failure);
struct status *status_destroy(struct status *status);

/* `address` becomes what was bound. */
MUST_USE bool status_listen(
	struct status *status, struct sockaddr_storage *address, struct failure *failure);

/* Answers /metrics and /swarms of another evhttp before it returns; false (nothing done) for any
 * other path. Not for a status that listens, too. */
MUST_USE bool status_handle_http(struct status *status, struct evhttp_request *request);

/* `swarmboot tracker status`, with argv from "status" on. */
int status_command(int argc, char **argv);

#endif
