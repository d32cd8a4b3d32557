/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes a stream of pieces on all cores: SHA-1 and the SHA-256 merkle hash of each; and, when
 * there is a target, writes what is not zero to its place in it. One thread feeds pieces in order;
 * memory is bounded by a few pieces per core.
 */
#ifndef IMAGES_IMAGE_HASHER_H
#define IMAGES_IMAGE_HASHER_H

#include "lib/digest.h"
#include "lib/failure.h"

struct image_hasher;

/* target_fd: a file that reads as zeros so far (an empty one), borrowed; -1: only hash. */
MUST_USE struct image_hasher *image_hasher_create(
	uint32_t piece_bytes, int target_fd, struct failure *failure);
/* Stops the workers first. Accepts NULL, returns NULL. */
struct image_hasher *image_hasher_destroy(struct image_hasher *hasher);

/* A buffer of piece_bytes to fill; waits for one. Give it back with image_hasher_submit. */
uint8_t *image_hasher_buffer(struct image_hasher *hasher);

/* The next piece; only the last may be shorter than piece_bytes. False when a worker has failed or
 * there are too many pieces: nothing more should be fed then. */
MUST_USE bool image_hasher_submit(
	struct image_hasher *hasher, uint8_t *buffer, size_t bytes_count, struct failure *failure);
/* The next piece is whole and known to be zero; it takes no buffer. */
MUST_USE bool image_hasher_submit_zero(struct image_hasher *hasher, struct failure *failure);

/* Waits until everything is hashed and written (not synced). */
MUST_USE bool image_hasher_finish(struct image_hasher *hasher, struct failure *failure);

/* After finish; borrowed until destroy. 20 and 32 bytes a piece. */
uint32_t image_hasher_pieces_count(const struct image_hasher *hasher);
const uint8_t *image_hasher_sha1(const struct image_hasher *hasher);
const uint8_t *image_hasher_sha256(const struct image_hasher *hasher);

#endif
