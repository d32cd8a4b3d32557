/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is this the piece? By the SHA-256 merkle piece hash when the metainfo has it, else by SHA-1; the
 * bytes may come in runs, so that a piece can be checked without room for all of it. Any thread;
 * one hasher is used by one thread at a time.
 */
#ifndef RUNTIME_HASH_H
#define RUNTIME_HASH_H

#include "lib/bitset.h"
#include "runtime/crypto.h"

struct piece_hasher;

/* metainfo is borrowed for the hasher's life. */
MUST_USE struct piece_hasher *piece_hasher_create(const struct metainfo *metainfo);
struct piece_hasher *piece_hasher_destroy(struct piece_hasher *hasher);

void piece_hasher_begin(struct piece_hasher *hasher, uint32_t piece);
/* Runs are multiples of 16 KiB, but for the piece's last. */
void piece_hasher_update(struct piece_hasher *hasher, const void *bytes, size_t bytes_count);
/* After exactly the piece's bytes. */
MUST_USE bool piece_hasher_matches(struct piece_hasher *hasher);

/* After the piece's bytes: were all of them zeros? */
MUST_USE bool piece_hasher_only_zeros(const struct piece_hasher *hasher);

/* Are these the SHA-256 hashes of the piece's 16 KiB leaves? Only with pieces_sha256. */
MUST_USE bool hash_leaves_match(const struct metainfo *metainfo, uint32_t piece,
	const uint8_t (*leaves)[SHA256_BYTES], size_t leaves_count);

/* Hashers for threads that take one for a moment: as many are made as are in use at a time. */
struct hasher_pool;

MUST_USE struct hasher_pool *hasher_pool_create(const struct metainfo *metainfo);
/* All must have been put back. Accepts NULL, returns NULL. */
struct hasher_pool *hasher_pool_destroy(struct hasher_pool *pool);
MUST_USE struct piece_hasher *hasher_pool_take(struct hasher_pool *pool);
void hasher_pool_put(struct hasher_pool *pool, struct piece_hasher *hasher);

/* Sets the pieces whose hash says that they are all zeros. */
void hash_find_zero_pieces(const struct metainfo *metainfo, struct bitset *zero_pieces);

#endif
