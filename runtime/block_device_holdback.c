/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The holdback layer: while an image is being written, the disk does not boot. The disk's old first
 * and last MiB are wiped just before the first write, and the image's first and last MiB live in
 * RAM until holdback_commit puts them on the medium, tail first.
 */
#include <pthread.h>
#include <stdlib.h>

#include "runtime/block_device.h"

struct holdback {
	struct block_device device;
	struct block_device *below;
	uint64_t image_bytes;
	uint64_t head_bytes; /* the image's [0, head_bytes) is in RAM */
	uint64_t tail_start; /* and [tail_start, image_bytes) */
	uint8_t *head;
	uint8_t *tail;
	pthread_rwlock_t ram_lock; /* head, tail, committed */
	pthread_mutex_t wipe_lock; /* wiped */
	bool wiped;
	bool committed;
};

static struct holdback *holdback_of(struct block_device *device)
{
	return (struct holdback *)device;
}

/* A range cut into what lies in the head, between, and in the tail. */
struct split {
	uint64_t head_bytes;   /* from the range's start */
	uint64_t middle_bytes; /* then below */
	uint64_t tail_bytes;   /* then in the tail */
	uint64_t after_bytes;  /* past the image: below */
};

static struct split split_range(const struct holdback *holdback, uint64_t offset, uint64_t bytes)
{
	uint64_t end = offset + bytes;
	struct split split = {0};

	if (offset < holdback->head_bytes)
		split.head_bytes = u64_min(end, holdback->head_bytes) - offset;
	uint64_t at = offset + split.head_bytes;

	if (at < end && at < holdback->tail_start)
		split.middle_bytes = u64_min(end, holdback->tail_start) - at;
	at += split.middle_bytes;
	if (at < end && at < holdback->image_bytes)
		split.tail_bytes = u64_min(end, holdback->image_bytes) - at;
	split.after_bytes = end - at - split.tail_bytes;
	return split;
}

static bool read_below(struct holdback *holdback, void *buffer, uint64_t offset, size_t bytes,
	enum read_way way, struct failure *failure)
{
	struct block_device *below = holdback->below;

	return bytes == 0 || below->ops->read(below, buffer, offset, bytes, way, failure);
}

static bool holdback_read(struct block_device *device, void *buffer, uint64_t offset, size_t bytes,
	enum read_way way, struct failure *failure)
{
	struct holdback *holdback = holdback_of(device);
	uint8_t *out = buffer;

	pthread_rwlock_rdlock(&holdback->ram_lock);
	bool committed = holdback->committed;
	struct split split = split_range(holdback, offset, bytes);

	if (!committed) {
		uint64_t tail_at = offset + split.head_bytes + split.middle_bytes;

		memcpy(out, holdback->head + (split.head_bytes > 0 ? offset : 0), split.head_bytes);
		if (split.tail_bytes > 0)
			memcpy(out + split.head_bytes + split.middle_bytes,
				holdback->tail + (tail_at - holdback->tail_start),
				split.tail_bytes);
	}
	pthread_rwlock_unlock(&holdback->ram_lock);
	if (committed)
		return read_below(holdback, buffer, offset, bytes, way, failure);
	uint64_t middle = split.head_bytes;
	uint64_t after = middle + split.middle_bytes + split.tail_bytes;

	return read_below(
		       holdback, out + middle, offset + middle, split.middle_bytes, way, failure) &&
	       read_below(holdback, out + after, offset + after, split.after_bytes, way, failure);
}

static bool wipe_ends(struct holdback *holdback, struct failure *failure)
{
	struct block_device *below = holdback->below;
	uint64_t bytes = u64_min(HOLDBACK_BYTES, below->size_bytes);
	uint8_t *zeros = calloc(1, bytes);

	if (zeros == NULL)
		return failure_set(failure, ERROR_MEMORY, "no memory to wipe %s", below->name);
	bool ok = block_device_write(below, zeros, 0, bytes, failure) &&
		  block_device_write(below, zeros, below->size_bytes - bytes, bytes, failure) &&
		  block_device_flush(below, failure);

	free(zeros);
	return ok;
}

/* Before the first write that reaches the disk. A wipe that failed is made anew, from its first
 * byte, by the next write. */
static bool wiped_first(struct holdback *holdback, struct failure *failure)
{
	pthread_mutex_lock(&holdback->wipe_lock);
	if (!holdback->wiped)
		holdback->wiped = wipe_ends(holdback, failure);
	bool wiped = holdback->wiped;

	pthread_mutex_unlock(&holdback->wipe_lock);
	return wiped;
}

/* buffer NULL: zeros. */
static bool write_ram(struct holdback *holdback, const uint8_t *buffer, uint64_t offset,
	const struct split *split)
{
	uint64_t tail_from = split->head_bytes + split->middle_bytes;

	pthread_rwlock_wrlock(&holdback->ram_lock);
	bool committed = holdback->committed;

	if (!committed && split->head_bytes > 0) {
		if (buffer != NULL)
			memcpy(holdback->head + offset, buffer, split->head_bytes);
		else
			memset(holdback->head + offset, 0, split->head_bytes);
	}
	if (!committed && split->tail_bytes > 0) {
		uint8_t *tail = holdback->tail + (offset + tail_from - holdback->tail_start);

		if (buffer != NULL)
			memcpy(tail, buffer + tail_from, split->tail_bytes);
		else
			memset(tail, 0, split->tail_bytes);
	}
	pthread_rwlock_unlock(&holdback->ram_lock);
	return !committed;
}

static bool holdback_write(struct block_device *device, const void *buffer, uint64_t offset,
	size_t bytes, struct failure *failure)
{
	struct holdback *holdback = holdback_of(device);
	struct split split = split_range(holdback, offset, bytes);
	const uint8_t *in = buffer;

	if (!write_ram(holdback, in, offset, &split))
		return block_device_write(holdback->below, buffer, offset, bytes, failure);
	uint64_t middle = split.head_bytes;
	uint64_t after = middle + split.middle_bytes + split.tail_bytes;

	if (split.middle_bytes + split.after_bytes == 0)
		return true;
	return wiped_first(holdback, failure) &&
	       (split.middle_bytes == 0 || block_device_write(holdback->below, in + middle,
						   offset + middle, split.middle_bytes, failure)) &&
	       (split.after_bytes == 0 || block_device_write(holdback->below, in + after,
						  offset + after, split.after_bytes, failure));
}

static bool holdback_write_zeroes(
	struct block_device *device, uint64_t offset, uint64_t bytes, struct failure *failure)
{
	struct holdback *holdback = holdback_of(device);
	struct split split = split_range(holdback, offset, bytes);

	if (!write_ram(holdback, NULL, offset, &split))
		return block_device_write_zeroes(holdback->below, offset, bytes, failure);
	uint64_t middle = split.head_bytes;
	uint64_t after = middle + split.middle_bytes + split.tail_bytes;

	if (split.middle_bytes + split.after_bytes == 0)
		return true;
	return wiped_first(holdback, failure) &&
	       (split.middle_bytes == 0 || block_device_write_zeroes(holdback->below,
						   offset + middle, split.middle_bytes, failure)) &&
	       (split.after_bytes == 0 || block_device_write_zeroes(holdback->below, offset + after,
						  split.after_bytes, failure));
}

static uint64_t holdback_hole(struct block_device *device, uint64_t offset, uint64_t bytes)
{
	struct holdback *holdback = holdback_of(device);
	struct split split = split_range(holdback, offset, (size_t)bytes);

	/* What is held back is in RAM, whatever the disk below has there. */
	return split.head_bytes == 0 && split.middle_bytes > 0
		       ? block_device_hole(holdback->below, offset, split.middle_bytes)
		       : 0;
}

static uint64_t holdback_at_hand(struct block_device *device, uint64_t offset, uint64_t bytes,
	uint64_t touched_bytes_max, const uint8_t **where)
{
	struct holdback *holdback = holdback_of(device);
	struct split split = split_range(holdback, offset, bytes);

	pthread_rwlock_rdlock(&holdback->ram_lock);
	bool committed = holdback->committed;

	pthread_rwlock_unlock(&holdback->ram_lock);
	if (!committed && split.middle_bytes < bytes)
		return 0;
	return block_device_at_hand(holdback->below, offset, bytes, touched_bytes_max, where);
}

static bool holdback_flush(struct block_device *device, struct failure *failure)
{
	return block_device_flush(holdback_of(device)->below, failure);
}

static void holdback_close(struct block_device *device)
{
	struct holdback *holdback = holdback_of(device);

	block_device_close(holdback->below);
	pthread_rwlock_destroy(&holdback->ram_lock);
	pthread_mutex_destroy(&holdback->wipe_lock);
	free(holdback->head);
	free(holdback->tail);
	free(holdback);
}

static const struct block_device_ops holdback_ops = {
	.read = holdback_read,
	.write = holdback_write,
	.write_zeroes = holdback_write_zeroes,
	.hole = holdback_hole,
	.at_hand = holdback_at_hand,
	.flush = holdback_flush,
	.close = holdback_close,
};

static void ends_of_image(uint64_t image_bytes, uint64_t *head_bytes, uint64_t *tail_start)
{
	*head_bytes = u64_min(HOLDBACK_BYTES, image_bytes);
	*tail_start = u64_max(*head_bytes, image_bytes - u64_min(HOLDBACK_BYTES, image_bytes));
}

struct block_device *block_device_holdback_open(
	struct block_device *below, uint64_t image_bytes, struct failure *failure)
{
	if (image_bytes == 0 || image_bytes > below->size_bytes) {
		failure_set(failure, ERROR_DISK_TOO_SMALL, "%s has %llu bytes, the image %llu",
			below->name, (unsigned long long)below->size_bytes,
			(unsigned long long)image_bytes);
		return NULL;
	}
	struct holdback *holdback = calloc(1, sizeof(*holdback));

	if (holdback == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for %s", below->name);
		return NULL;
	}
	holdback->device.ops = &holdback_ops;
	holdback->device.size_bytes = below->size_bytes;
	holdback->device.sector_bytes = below->sector_bytes;
	memcpy(holdback->device.name, below->name, sizeof(below->name));
	holdback->image_bytes = image_bytes;
	ends_of_image(image_bytes, &holdback->head_bytes, &holdback->tail_start);
	holdback->head = malloc(HOLDBACK_BYTES);
	holdback->tail = malloc(HOLDBACK_BYTES);
	pthread_rwlock_init(&holdback->ram_lock, NULL);
	pthread_mutex_init(&holdback->wipe_lock, NULL);
	if (holdback->head == NULL || holdback->tail == NULL)
		failure_set(failure, ERROR_MEMORY, "no memory for %s", below->name);
	else if (block_device_read(below, holdback->head, 0, holdback->head_bytes, failure) &&
		 block_device_read(below, holdback->tail, holdback->tail_start,
			 image_bytes - holdback->tail_start, failure)) {
		holdback->below = below;
		return &holdback->device;
	}
	holdback_close(&holdback->device); /* below is still the caller's */
	return NULL;
}

bool holdback_digest(struct block_device *device, const struct digest_ops *digest,
	uint8_t head_tail_sha256[static SHA256_BYTES], struct failure *failure)
{
	struct holdback *holdback = holdback_of(device);
	uint8_t *ends = malloc(2 * HOLDBACK_BYTES);

	if (ends == NULL)
		return failure_set(failure, ERROR_MEMORY, "no memory to digest %s", device->name);
	pthread_rwlock_rdlock(&holdback->ram_lock);
	uint64_t tail_bytes = holdback->image_bytes - holdback->tail_start;

	memcpy(ends, holdback->head, holdback->head_bytes);
	memcpy(ends + holdback->head_bytes, holdback->tail, tail_bytes);
	pthread_rwlock_unlock(&holdback->ram_lock);
	digest->sha256(head_tail_sha256, ends, holdback->head_bytes + tail_bytes);
	free(ends);
	return true;
}

bool block_device_head_tail_digest(struct block_device *device, uint64_t image_bytes,
	const struct digest_ops *digest, uint8_t head_tail_sha256[static SHA256_BYTES],
	struct failure *failure)
{
	uint64_t head_bytes;
	uint64_t tail_start;

	if (image_bytes > device->size_bytes)
		return failure_set(failure, ERROR_DISK_TOO_SMALL, "%s is smaller than the image",
			device->name);
	ends_of_image(image_bytes, &head_bytes, &tail_start);
	uint8_t *ends = malloc(2 * HOLDBACK_BYTES);

	if (ends == NULL)
		return failure_set(failure, ERROR_MEMORY, "no memory to digest %s", device->name);
	bool ok = block_device_read_medium(device, ends, 0, head_bytes, failure) &&
		  block_device_read_medium(
			  device, ends + head_bytes, tail_start, image_bytes - tail_start, failure);

	if (ok)
		digest->sha256(head_tail_sha256, ends, head_bytes + image_bytes - tail_start);
	free(ends);
	return ok;
}

static bool reads_back(struct block_device *below, const uint8_t *expected, uint64_t offset,
	uint64_t bytes, struct failure *failure)
{
	uint8_t *found = malloc(HOLDBACK_BYTES);

	if (found == NULL)
		return failure_set(failure, ERROR_MEMORY, "no memory to read %s back", below->name);
	bool ok = block_device_read_medium(below, found, offset, bytes, failure);

	if (ok && memcmp(found, expected, bytes) != 0)
		ok = failure_set(failure, ERROR_DISK_MEDIUM,
			"%s does not return what was written at byte %llu", below->name,
			(unsigned long long)offset);
	free(found);
	return ok;
}

bool holdback_commit(struct block_device *device, struct failure *failure)
{
	struct holdback *holdback = holdback_of(device);
	struct block_device *below = holdback->below;
	uint64_t tail_bytes = holdback->image_bytes - holdback->tail_start;

	/* Every byte between is durable before the first byte that could make the disk boot. */
	if (!block_device_flush(below, failure) ||
		!block_device_write(
			below, holdback->tail, holdback->tail_start, tail_bytes, failure) ||
		!block_device_flush(below, failure) ||
		!block_device_write(below, holdback->head, 0, holdback->head_bytes, failure) ||
		!block_device_flush(below, failure) ||
		!reads_back(below, holdback->tail, holdback->tail_start, tail_bytes, failure) ||
		!reads_back(below, holdback->head, 0, holdback->head_bytes, failure))
		return false;
	pthread_rwlock_wrlock(&holdback->ram_lock);
	holdback->committed = true;
	pthread_rwlock_unlock(&holdback->ram_lock);
	return true;
}
