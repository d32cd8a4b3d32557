/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames in memory, within a limit: those that are being received or sent, and those that are kept
 * to be sent again. A frame that came from a peer is `pending` until the digest of its piece says
 * that it held the right bytes. Frames that nobody uses make way, the longest unused first.
 *
 * What is received may use all of the memory, what is sent only half of it: a peer that takes
 * nothing cannot keep others from bringing something.
 */
#ifndef RUNTIME_FRAME_STORE_H
#define RUNTIME_FRAME_STORE_H

#include "lib/bytes.h"

struct frame_store;

struct frame {
	struct frame_store *store;
	struct frame *newer; /* of those that are kept or pending */
	struct frame *older;
	struct frame *chain; /* of those whose pieces share a bucket */
	uint32_t piece;
	uint32_t begin;
	uint32_t length; /* of the block */
	uint8_t *bytes;
	uint32_t bytes_count;
	uint32_t users_count;
	bool sending;
	bool kept;
	bool pending;
};

/* roomy is called when there is memory again after it was refused. */
MUST_USE struct frame_store *frame_store_create(
	uint64_t bytes_max, void (*roomy)(void *context), void *context);
/* No frame may have a user. Accepts NULL, returns NULL. */
struct frame_store *frame_store_destroy(struct frame_store *store);
uint64_t frame_store_bytes(const struct frame_store *store);

/* Whether there can ever be memory for a frame of so many bytes. */
MUST_USE bool frame_fits(const struct frame_store *store, uint32_t bytes_count);
/* Memory for a frame of at most bytes_count, with one user. NULL: not now. */
MUST_USE struct frame *frame_reserve(struct frame_store *store, uint32_t piece, uint32_t begin,
	uint32_t length, uint32_t bytes_count, bool sending);
/* Gives back what it does not need. */
void frame_shrink(struct frame *frame, uint32_t bytes_count);
/* One user less. */
void frame_release(struct frame *frame);

/* Keeps it, or keeps it until frame_settle when it still has to be proven. */
void frame_keep(struct frame *frame, bool proven);
/* The digest of the piece is known. */
void frame_settle(struct frame_store *store, uint32_t piece, bool ok);
/* Other bytes than those of a pending frame came for part of its block. */
void frame_overtaken(struct frame_store *store, uint32_t piece, uint32_t begin, uint32_t length);
/* A proven frame of exactly this block, with one more user, or NULL. */
MUST_USE struct frame *frame_find(
	struct frame_store *store, uint32_t piece, uint32_t begin, uint32_t length);

#endif
