/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that do what blocks (disks) or burns (digests), and hand results back to the loop. Work
 * is owned by whoever submits it, who bounds how much of it there is; the pool keeps a list.
 */
#ifndef RUNTIME_WORKERS_H
#define RUNTIME_WORKERS_H

#include <event2/event.h>

#include "lib/failure.h"

struct workers;

/* URGENT goes first, and one thread is never lent to anything else when there are several;
 * BACKGROUND goes last, and never has more than half of the threads. */
enum work_urgency { WORK_URGENT, WORK_NORMAL, WORK_BACKGROUND, WORK_URGENCIES };

struct work {
	void (*run)(struct work *work);	 /* on a worker thread */
	void (*done)(struct work *work); /* on the loop's thread; may free the work */
	enum work_urgency urgency;
	struct work *next; /* the pool's */
};

MUST_USE struct workers *workers_create(
	struct event_base *base, const char *name, uint32_t threads_count, struct failure *failure);
void workers_submit(struct workers *workers, struct work *work);

/* Calls done of what has finished; waits for something to finish first when nothing has. Only while
 * work is submitted or running. */
void workers_collect(struct workers *workers);

/* Everything submitted must have been collected. Accepts NULL, returns NULL. */
struct workers *workers_destroy(struct workers *workers);

#endif
