/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which infohashes the server's tracker serves: those of the images in the store, as they come and
 * go by `swarmboot image` while the server runs.
 */
#ifndef SERVER_TRACKED_H
#define SERVER_TRACKED_H

#include "images/store.h"

struct tracked;
struct tracker;

/* Both must outlive it. NULL on failure. Accepts NULL to destroy, returns NULL. */
MUST_USE struct tracked *tracked_create(
	const struct image_store *store, struct tracker *tracker, struct failure *failure);
struct tracked *tracked_destroy(struct tracked *tracked);

/* Looks whether the store has changed, and tells the tracker: for once a second. One stat when
 * nothing has. */
void tracked_refresh(struct tracked *tracked);

#endif
