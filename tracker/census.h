/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A count of all peers by swarm, site and rack: one pass over the tracker's book, a slice at a
 * time, so that announces are answered meanwhile. What changes during the pass is counted as
 * before, as after, or, rarely, as both.
 */
#ifndef TRACKER_CENSUS_H
#define TRACKER_CENSUS_H

#include "lib/failure.h"
#include "wire/http_tracker.h"
#include "wire/peer_wire.h"

struct census;
struct event_base;
struct tracker;

/* More (swarm, site, rack) than these are counted together in `lost`. */
#define CENSUS_ROWS_MAX	   16384
#define CENSUS_WAITERS_MAX 64

struct census_row {
	uint8_t infohash[SHA1_BYTES];
	char site[PEER_PLACE_MAX + 1]; /* "": not known */
	char rack[PEER_PLACE_MAX + 1];
	uint32_t seeders_count;
	uint32_t leechers_count; /* paused ones, too */
	uint32_t paused_count;	 /* of the leechers: have what they want, and serve it (BEP 21) */
};

/* Valid during the call that shows it. Ordered by infohash, then site, then rack. */
struct census_result {
	const struct census_row *rows;
	size_t rows_count;
	uint64_t lost; /* peers that no row was left for */
};

/* NULL on failure. Base and tracker must outlive it; destroying it drops those who wait. */
MUST_USE struct census *census_create(
	struct event_base *base, struct tracker *tracker, struct failure *failure);
struct census *census_destroy(struct census *census);

/* Calls back once, from the loop, with a pass that began after this call. False when too many wait;
 * then it does not call. `cancel` forgets the calls for a context. */
MUST_USE bool census_request(struct census *census,
	void (*done)(void *context, const struct census_result *result), void *context);
void census_cancel(struct census *census, const void *context);

/* A whole pass at once, for trackers of a size for which that is a matter of milliseconds; not
 * beside census_request. */
void census_now(struct census *census,
	void (*done)(void *context, const struct census_result *result), void *context);

#endif
