/* SPDX-License-Identifier: Apache-2.0 */
/* Work for a disk thread: reads one piece from a device, run by run, and says whether it is right.
 */
#ifndef RUNTIME_PIECE_CHECK_H
#define RUNTIME_PIECE_CHECK_H

#include <stdatomic.h>

#include "runtime/block_device.h"
#include "runtime/hash.h"
#include "runtime/workers.h"

struct piece_check {
	struct work work; /* done and urgency are the owner's to set */
	void *owner;
	const struct metainfo *metainfo;
	struct block_device *device;
	const atomic_bool *cancelled;
	struct piece_hasher *hasher;
	uint8_t *bytes;
	uint32_t bytes_max; /* read at a time */
	uint32_t piece;
	bool known_zero; /* the right piece is all zeros: a look is enough */
	bool medium;	 /* past the caches */
	bool busy;	 /* the owner's */
	/* Results. */
	bool readable;
	bool matches;
	bool blank;		/* when readable: all zeros, or known_zero */
	struct failure failure; /* when not readable */
};

void piece_check_open(struct piece_check *check, const struct metainfo *metainfo,
	struct block_device *device, uint32_t bytes_max, const atomic_bool *cancelled);
void piece_check_close(struct piece_check *check);

#endif
