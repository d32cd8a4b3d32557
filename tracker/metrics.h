/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tracker's numbers for others: Prometheus's text format (version 0.0.4) and JSON. Names are
 * listed in docs/tracker.md and do not change.
 */
#ifndef TRACKER_METRICS_H
#define TRACKER_METRICS_H

#include <jansson.h>

#include "tracker/census.h"
#include "tracker/tracker.h"

struct evbuffer;

/* Swarms beyond these are left out of series by infohash, and counted as such. */
#define METRICS_SWARMS_MAX 256
/* Swarms beyond these are left out of the JSON view, which says how many. */
#define VIEW_SWARMS_MAX 4096

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* False when memory ran out; then what was added is no use. */
MUST_USE bool metrics_write(struct evbuffer *out, const struct tracker *tracker,
	const struct tracker_statistics *statistics, const struct census_result *census);

/* `swarms` ascending by infohash; only the one of `infohash` unless that is NULL. NULL when memory
 * ran out. */
struct scrape_entry;
json_t *view_json(const struct tracker *tracker, const struct tracker_statistics *statistics,
	const struct census_result *census, const struct scrape_entry *swarms, size_t swarms_count,
	const uint8_t *infohash);

/* The view's "cluster": null when the tracker is in none. NULL when memory ran out. */
json_t *view_cluster_json(const struct tracker *tracker);

#endif
