/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tracker knows us, which are being asked, and when the next one is: the state of
 * announcer.c.
 */
#ifndef SWARM_ANNOUNCER_H
#define SWARM_ANNOUNCER_H

#include "swarm/swarm.h"

#define TRACKERS_MAX	   64 /* bits of announce_line.asked */
#define ANNOUNCE_LINES_MAX 2

struct announce_tracker {
	bool out;      /* an announce to it is not answered */
	bool knows_us; /* it answered, and was not told since that we stopped */
	bool lost;     /* it did not answer the last time: it may have forgotten us */
	bool stop_due;
	enum announce_event event; /* of the announce that is out */
	uint64_t sent_ns;
	uint64_t took_ns; /* to answer, smoothed; 0: it never has */
};

/* Trackers of which one at a time is to know us. Everybody has one such line; a relay has two, its
 * own site's tier and the tiers behind it. */
struct announce_line {
	uint32_t first, end; /* of the order */
	uint32_t working;    /* the tracker that we are with, or SWARM_TRACKER_NONE */
	bool asking;	     /* an announce is under way */
	uint64_t asked;	     /* in it: a bit for each tracker */
	uint32_t newest;     /* the last of these */
	uint64_t tier_ns;    /* when the first of its tier was asked */
	uint32_t failures_row;
	uint64_t next_ns; /* when the next announce is due */
	uint64_t answered_ns;
	bool completed_due;
	uint64_t probe_ns; /* when an earlier tier is asked whether it is back; 0: we are in the
			      first */
	uint32_t probes_count;
};

struct announcer {
	uint32_t order[TRACKERS_MAX]; /* trackers, tier by tier, shuffled within */
	uint32_t tiers[TRACKERS_MAX]; /* of the tracker, and of the place in the order */
	struct announce_tracker trackers[TRACKERS_MAX];
	struct announce_line lines[ANNOUNCE_LINES_MAX];
	uint32_t lines_count;
	bool started_incomplete; /* so `completed` is still to come */
};

#endif
