/* SPDX-License-Identifier: Apache-2.0 */
/* Work that blocks (drivers, opening a disk, committing), on a thread of its own, with the result
 * back on the loop. */
#ifndef INITRAMFS_JOB_H
#define INITRAMFS_JOB_H

#include <event2/event.h>

#include "lib/failure.h"

/* Runs `work` on a new thread, then `done` on the loop. The context belongs to the job between the
 * two. False when no thread can be had; then neither is called. */
MUST_USE bool job_start(struct event_base *base, void (*work)(void *context),
	void (*done)(void *context), void *context, struct failure *failure);

#endif
