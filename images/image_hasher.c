/* SPDX-License-Identifier: Apache-2.0 */
/* A pool of buffers goes round between the feeding thread and the hashing threads. */
#include "images/image_hasher.h"

#include "runtime/crypto.h"
#include "wire/merkle.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define WORKERS_MAX    16
#define BUFFERS_MAX    (2 * WORKERS_MAX)
#define ZERO_RUN_BYTES (64 * KIB)
/* Of all buffers together, unless every worker needs one. */
#define BUFFERS_BYTES_MAX (256 * MIB)

enum buffer_state { BUFFER_FREE, BUFFER_FILLING, BUFFER_FULL, BUFFER_HASHING };

struct buffer {
	enum buffer_state state;
	uint32_t piece;
	size_t bytes_count;
	uint8_t *bytes;
};

struct image_hasher {
	uint32_t piece_bytes;
	int target_fd;
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* a buffer's state, failed, stopping */
	pthread_t workers[WORKERS_MAX];
	size_t workers_count;
	struct buffer buffers[BUFFERS_MAX];
	size_t buffers_count;
	bool stopping;
	bool failed;
	struct failure failure; /* of the first worker that failed */
	uint32_t pieces_count;
	uint32_t pieces_max; /* room in the arrays, which grow */
	uint8_t *sha1;
	uint8_t *sha256;
	uint8_t zero_sha1[SHA1_BYTES]; /* of a whole piece of zeros */
	uint8_t zero_sha256[SHA256_BYTES];
};

static bool write_run(
	int fd, const uint8_t *bytes, size_t bytes_count, uint64_t offset, struct failure *failure)
{
	while (bytes_count > 0) {
		ssize_t written = pwrite(fd, bytes, bytes_count, (off_t)offset);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return failure_errno(failure, ERROR_SYSTEM, "cannot write the image");
		bytes += written;
		offset += (uint64_t)written;
		bytes_count -= (size_t)written;
	}
	return true;
}

/* Writes runs of what is not zero; what is stays a hole. */
static bool write_sparse(
	int fd, const uint8_t *bytes, size_t bytes_count, uint64_t offset, struct failure *failure)
{
	size_t start = 0;
	size_t at = 0;

	while (at < bytes_count) {
		size_t step = (size_t)u64_min(ZERO_RUN_BYTES, bytes_count - at);

		if (bytes_all_zero(bytes + at, step)) {
			if (!write_run(fd, bytes + start, at - start, offset + start, failure))
				return false;
			start = at + step;
		}
		at += step;
	}
	return write_run(fd, bytes + start, bytes_count - start, offset + start, failure);
}

/* One piece, without the lock. */
static bool hash_piece(struct image_hasher *hasher, const struct buffer *buffer,
	uint8_t (*leaves)[SHA256_BYTES], uint8_t *sha1, uint8_t *sha256, struct failure *failure)
{
	bool whole = buffer->bytes_count == hasher->piece_bytes;

	if (whole && bytes_all_zero(buffer->bytes, buffer->bytes_count)) {
		memcpy(sha1, hasher->zero_sha1, SHA1_BYTES);
		memcpy(sha256, hasher->zero_sha256, SHA256_BYTES);
		return true;
	}
	crypto_digest_ops.sha1(sha1, buffer->bytes, buffer->bytes_count);
	merkle_piece(&crypto_digest_ops, sha256, buffer->bytes, buffer->bytes_count,
		hasher->piece_bytes, buffer->piece == 0 && !whole, leaves);
	return hasher->target_fd < 0 ||
	       write_sparse(hasher->target_fd, buffer->bytes, buffer->bytes_count,
		       (uint64_t)buffer->piece * hasher->piece_bytes, failure);
}

static struct buffer *buffer_in_state(struct image_hasher *hasher, enum buffer_state state)
{
	struct buffer *found = NULL;

	for (size_t i = 0; i < hasher->buffers_count; i++) {
		struct buffer *buffer = &hasher->buffers[i];

		/* The oldest piece first, so that the target is written in order. */
		if (buffer->state == state && (found == NULL || buffer->piece < found->piece))
			found = buffer;
	}
	return found;
}

static void *work(void *context)
{
	struct image_hasher *hasher = context;
	struct buffer *buffer;
	uint8_t sha1[SHA1_BYTES];
	uint8_t sha256[SHA256_BYTES];
	struct failure failure = {0};
	uint8_t(*leaves)[SHA256_BYTES] =
		calloc(hasher->piece_bytes / MERKLE_LEAF_BYTES, sizeof(*leaves));

	pthread_mutex_lock(&hasher->mutex);
	if (leaves == NULL) {
		hasher->failed = true;
		failure_set(&hasher->failure, ERROR_MEMORY, "no memory for hashing");
		pthread_cond_broadcast(&hasher->changed);
	}
	while (!hasher->stopping && !hasher->failed) {
		buffer = buffer_in_state(hasher, BUFFER_FULL);
		if (buffer == NULL) {
			pthread_cond_wait(&hasher->changed, &hasher->mutex);
			continue;
		}
		buffer->state = BUFFER_HASHING;
		pthread_mutex_unlock(&hasher->mutex);
		bool hashed = hash_piece(hasher, buffer, leaves, sha1, sha256, &failure);
		pthread_mutex_lock(&hasher->mutex);
		if (hashed) {
			memcpy(hasher->sha1 + (size_t)buffer->piece * SHA1_BYTES, sha1, SHA1_BYTES);
			memcpy(hasher->sha256 + (size_t)buffer->piece * SHA256_BYTES, sha256,
				SHA256_BYTES);
		} else if (!hasher->failed) {
			hasher->failed = true;
			hasher->failure = failure;
		}
		buffer->state = BUFFER_FREE;
		pthread_cond_broadcast(&hasher->changed);
	}
	pthread_mutex_unlock(&hasher->mutex);
	free(leaves);
	return NULL;
}

static bool buffers_create(struct image_hasher *hasher, size_t workers)
{
	size_t wanted = 2 * workers;

	while (wanted > workers + 1 && wanted * hasher->piece_bytes > BUFFERS_BYTES_MAX)
		wanted--;
	for (; hasher->buffers_count < wanted; hasher->buffers_count++) {
		struct buffer *buffer = &hasher->buffers[hasher->buffers_count];

		buffer->bytes = malloc(hasher->piece_bytes);
		if (buffer->bytes == NULL)
			return false;
	}
	return true;
}

static bool workers_create(struct image_hasher *hasher, size_t workers)
{
	for (; hasher->workers_count < workers; hasher->workers_count++)
		if (pthread_create(&hasher->workers[hasher->workers_count], NULL, work, hasher) !=
			0)
			return hasher->workers_count > 0;
	return true;
}

struct image_hasher *image_hasher_create(
	uint32_t piece_bytes, int target_fd, struct failure *failure)
{
	struct image_hasher *hasher = calloc(1, sizeof(*hasher));
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t workers = (size_t)u64_min(cores < 1 ? 1 : (uint64_t)cores, WORKERS_MAX);

	if (hasher == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for hashing");
		return NULL;
	}
	hasher->piece_bytes = piece_bytes;
	hasher->target_fd = target_fd;
	pthread_mutex_init(&hasher->mutex, NULL);
	pthread_cond_init(&hasher->changed, NULL);
	uint8_t *zeros = calloc(1, piece_bytes);
	uint8_t(*leaves)[SHA256_BYTES] = calloc(piece_bytes / MERKLE_LEAF_BYTES, sizeof(*leaves));
	bool created = zeros != NULL && leaves != NULL && buffers_create(hasher, workers);
	if (created) {
		crypto_digest_ops.sha1(hasher->zero_sha1, zeros, piece_bytes);
		merkle_piece(&crypto_digest_ops, hasher->zero_sha256, zeros, piece_bytes,
			piece_bytes, false, leaves);
		created = workers_create(hasher, workers);
	}
	free(zeros);
	free(leaves);
	if (!created) {
		failure_set(failure, ERROR_MEMORY, "no memory or threads for hashing");
		return image_hasher_destroy(hasher);
	}
	return hasher;
}

struct image_hasher *image_hasher_destroy(struct image_hasher *hasher)
{
	if (hasher == NULL)
		return NULL;
	pthread_mutex_lock(&hasher->mutex);
	hasher->stopping = true;
	pthread_cond_broadcast(&hasher->changed);
	pthread_mutex_unlock(&hasher->mutex);
	for (size_t i = 0; i < hasher->workers_count; i++)
		pthread_join(hasher->workers[i], NULL);
	for (size_t i = 0; i < hasher->buffers_count; i++)
		free(hasher->buffers[i].bytes);
	pthread_cond_destroy(&hasher->changed);
	pthread_mutex_destroy(&hasher->mutex);
	free(hasher->sha1);
	free(hasher->sha256);
	free(hasher);
	return NULL;
}

uint8_t *image_hasher_buffer(struct image_hasher *hasher)
{
	struct buffer *buffer;

	pthread_mutex_lock(&hasher->mutex);
	/* After a failure nobody takes full ones any more: then they are as good as free. */
	while ((buffer = buffer_in_state(hasher, BUFFER_FREE)) == NULL &&
		(!hasher->failed || (buffer = buffer_in_state(hasher, BUFFER_FULL)) == NULL))
		pthread_cond_wait(&hasher->changed, &hasher->mutex);
	buffer->state = BUFFER_FILLING;
	pthread_mutex_unlock(&hasher->mutex);
	return buffer->bytes;
}

/* With the lock: makes room for one more piece. */
static bool results_grow(struct image_hasher *hasher, struct failure *failure)
{
	if (hasher->failed) {
		if (failure != NULL)
			*failure = hasher->failure;
		return false;
	}
	if (hasher->pieces_count == METAINFO_PIECES_MAX)
		return failure_set(failure, ERROR_LIMIT,
			"more than %d pieces: choose a larger piece size", METAINFO_PIECES_MAX);
	if (hasher->pieces_count < hasher->pieces_max)
		return true;
	uint32_t pieces_max = hasher->pieces_max == 0 ? 1024 : 2 * hasher->pieces_max;
	uint8_t *sha1 = realloc(hasher->sha1, (size_t)pieces_max * SHA1_BYTES);
	if (sha1 != NULL)
		hasher->sha1 = sha1;
	uint8_t *sha256 = realloc(hasher->sha256, (size_t)pieces_max * SHA256_BYTES);
	if (sha256 != NULL)
		hasher->sha256 = sha256;
	if (sha1 == NULL || sha256 == NULL)
		return failure_set(failure, ERROR_MEMORY, "no memory for hashes");
	hasher->pieces_max = pieces_max;
	return true;
}

bool image_hasher_submit(
	struct image_hasher *hasher, uint8_t *buffer, size_t bytes_count, struct failure *failure)
{
	pthread_mutex_lock(&hasher->mutex);
	bool room = results_grow(hasher, failure);
	for (size_t i = 0; i < hasher->buffers_count; i++) {
		if (hasher->buffers[i].bytes != buffer)
			continue;
		hasher->buffers[i].state = room && bytes_count > 0 ? BUFFER_FULL : BUFFER_FREE;
		hasher->buffers[i].bytes_count = bytes_count;
		hasher->buffers[i].piece = hasher->pieces_count;
	}
	hasher->pieces_count += room && bytes_count > 0;
	pthread_cond_broadcast(&hasher->changed);
	pthread_mutex_unlock(&hasher->mutex);
	return room;
}

bool image_hasher_submit_zero(struct image_hasher *hasher, struct failure *failure)
{
	pthread_mutex_lock(&hasher->mutex);
	bool room = results_grow(hasher, failure);
	if (room) {
		memcpy(hasher->sha1 + (size_t)hasher->pieces_count * SHA1_BYTES, hasher->zero_sha1,
			SHA1_BYTES);
		memcpy(hasher->sha256 + (size_t)hasher->pieces_count * SHA256_BYTES,
			hasher->zero_sha256, SHA256_BYTES);
		hasher->pieces_count++;
	}
	pthread_mutex_unlock(&hasher->mutex);
	return room;
}

bool image_hasher_finish(struct image_hasher *hasher, struct failure *failure)
{
	pthread_mutex_lock(&hasher->mutex);
	while (!hasher->failed && (buffer_in_state(hasher, BUFFER_FULL) != NULL ||
					  buffer_in_state(hasher, BUFFER_HASHING) != NULL))
		pthread_cond_wait(&hasher->changed, &hasher->mutex);
	bool finished = !hasher->failed;
	if (!finished && failure != NULL)
		*failure = hasher->failure;
	pthread_mutex_unlock(&hasher->mutex);
	return finished;
}

uint32_t image_hasher_pieces_count(const struct image_hasher *hasher)
{
	return hasher->pieces_count;
}

const uint8_t *image_hasher_sha1(const struct image_hasher *hasher)
{
	return hasher->sha1;
}

const uint8_t *image_hasher_sha256(const struct image_hasher *hasher)
{
	return hasher->sha256;
}
