/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that write metrics share. */
#ifndef TRACKER_METRICS_PRIVATE_H
#define TRACKER_METRICS_PRIVATE_H

#include "tracker/metrics.h"

#define METRICS_PREFIX "swarmboot_tracker_"

struct metrics {
	struct evbuffer *out;
	bool failed; /* memory ran out */
};

void metrics_add(struct metrics *metrics, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* HELP and TYPE of a family; its samples follow. */
void metrics_family(struct metrics *metrics, const char *name, const char *type, const char *help);
/* A family of one sample without labels. */
void metrics_single(struct metrics *metrics, const char *name, const char *type, const char *help,
	uint64_t value);

/* Nothing when the tracker is in no cluster. */
void metrics_write_cluster(struct metrics *metrics, const struct tracker *tracker);

#endif
