/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The infohashes that a tracker serves, and no others; from a file with one a line in hex, where
 * what follows a # and blank lines mean nothing. A list counts as a whole, or not at all.
 */
#ifndef TRACKER_ALLOW_LIST_H
#define TRACKER_ALLOW_LIST_H

#include "lib/digest.h"
#include "lib/failure.h"

#define ALLOW_LIST_MAX 65536

struct tracker;

/* Ascending, each once. {0} is an empty list. */
struct allow_list {
	uint8_t (*infohashes)[SHA1_BYTES];
	size_t count;
};

/* An empty list with room for so many; the caller fills it and sorts. False without memory. */
MUST_USE bool allow_list_make(struct allow_list *list, size_t count_max);
void allow_list_sort(struct allow_list *list);

/* A failure names file and line; the list is empty then. */
MUST_USE bool allow_list_read(struct allow_list *list, const char *path, struct failure *failure);
void allow_list_release(struct allow_list *list);

/* Makes the tracker, which serves `before`, serve `now`: peers of what is in both stay. Counts what
 * was added and removed. False when the tracker has no room for all; then it serves what there is
 * room for. */
MUST_USE bool allow_list_apply(struct tracker *tracker, const struct allow_list *before,
	const struct allow_list *now, size_t *added, size_t *removed);

#endif
