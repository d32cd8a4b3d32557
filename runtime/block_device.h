/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block device behind a handful of functions, and layers that stack on one another.
 *
 * Calls block; they come from I/O threads, several at a time, on ranges that do not overlap
 * while one of them is being written. Every implementation transfers everything or fails: a short
 * read or write is an error. Offsets and lengths need no alignment (backends that need it bounce).
 * A layer owns the device below it: closing the top closes all.
 */
#ifndef RUNTIME_BLOCK_DEVICE_H
#define RUNTIME_BLOCK_DEVICE_H

#include "lib/digest.h"
#include "lib/failure.h"

struct block_device;

enum read_way {
	READ_CACHED, /* it may be read again */
	READ_ONCE,   /* it will hardly be read again: leaves nothing in a cache where that can be */
	READ_MEDIUM, /* past every cache that this machine has over the medium */
	READ_AT_HAND /* only if it does not block, which a false answer says, without a failure; any
			thread, the loop's as well */
};

struct block_device_ops {
	bool (*read)(struct block_device *device, void *buffer, uint64_t offset, size_t bytes,
		enum read_way way, struct failure *failure);
	bool (*write)(struct block_device *device, const void *buffer, uint64_t offset,
		size_t bytes, struct failure *failure);
	/* Afterwards the range reads as zeros. Leaves alone what reads as zeros already. */
	bool (*write_zeroes)(struct block_device *device, uint64_t offset, uint64_t bytes,
		struct failure *failure);
	/* How much from offset on is a hole, which needs no reading to be known as zeros; 0 when
	 * that is not known. May be NULL. */
	uint64_t (*hole)(struct block_device *device, uint64_t offset, uint64_t bytes);
	/* Where the range lies in the page cache, and how much of it from its start; 0: it does
	 * not, or nobody knows. Valid while the device is open. Of what is sent from there about
	 * touched_bytes_max stay in this process's resident memory. The loop's thread only. May be
	 * NULL. */
	uint64_t (*at_hand)(struct block_device *device, uint64_t offset, uint64_t bytes,
		uint64_t touched_bytes_max, const uint8_t **where);
	/* All writes that returned before the call are on stable storage when it returns true.
	 * After false nothing since the last success may be believed; never retried. */
	bool (*flush)(struct block_device *device, struct failure *failure);
	void (*close)(struct block_device *device);
};

struct block_device {
	const struct block_device_ops *ops;
	uint64_t size_bytes;
	uint32_t sector_bytes; /* logical */
	char name[128];	       /* for messages */
};

static inline MUST_USE bool block_device_read(struct block_device *device, void *buffer,
	uint64_t offset, size_t bytes, struct failure *failure)
{
	return device->ops->read(device, buffer, offset, bytes, READ_CACHED, failure);
}

static inline MUST_USE bool block_device_read_once(struct block_device *device, void *buffer,
	uint64_t offset, size_t bytes, struct failure *failure)
{
	return device->ops->read(device, buffer, offset, bytes, READ_ONCE, failure);
}

static inline MUST_USE bool block_device_read_at_hand(
	struct block_device *device, void *buffer, uint64_t offset, size_t bytes)
{
	struct failure none;

	return device->ops->read(device, buffer, offset, bytes, READ_AT_HAND, &none);
}

static inline MUST_USE bool block_device_read_medium(struct block_device *device, void *buffer,
	uint64_t offset, size_t bytes, struct failure *failure)
{
	return device->ops->read(device, buffer, offset, bytes, READ_MEDIUM, failure);
}

static inline MUST_USE bool block_device_write(struct block_device *device, const void *buffer,
	uint64_t offset, size_t bytes, struct failure *failure)
{
	return device->ops->write(device, buffer, offset, bytes, failure);
}

static inline MUST_USE bool block_device_write_zeroes(
	struct block_device *device, uint64_t offset, uint64_t bytes, struct failure *failure)
{
	return device->ops->write_zeroes(device, offset, bytes, failure);
}

static inline uint64_t block_device_hole(
	struct block_device *device, uint64_t offset, uint64_t bytes)
{
	return device->ops->hole != NULL ? device->ops->hole(device, offset, bytes) : 0;
}

static inline MUST_USE uint64_t block_device_at_hand(struct block_device *device, uint64_t offset,
	uint64_t bytes, uint64_t touched_bytes_max, const uint8_t **where)
{
	return device->ops->at_hand != NULL
		       ? device->ops->at_hand(device, offset, bytes, touched_bytes_max, where)
		       : 0;
}

static inline MUST_USE bool block_device_flush(struct block_device *device, struct failure *failure)
{
	return device->ops->flush(device, failure);
}

/* Accepts NULL, returns NULL. */
static inline struct block_device *block_device_close(struct block_device *device)
{
	if (device != NULL)
		device->ops->close(device);
	return NULL;
}

/* A real block device or a plain file, by what path is. Opened for writing: exclusively (O_EXCL on
 * a block device: DISK_BUSY when mounted). size_bytes > 0 creates or grows a plain file to at least
 * that; a block device must be at least that large (DISK_TOO_SMALL). NULL on failure. */
MUST_USE struct block_device *block_device_open(
	const char *path, bool writable, uint64_t size_bytes, struct failure *failure);

/*
 * Holdback (DESIGN: wiped first, held back): image_bytes is the image's length; the device below
 * may be larger. Reads at creation the disk's first and last MiB into RAM. Just before the first
 * other write (once, so only when a verified piece is in hand) the disk's old first and last MiB
 * are overwritten with zeros and flushed. Reads and writes of the image's first and last MiB go to
 * RAM; `committed` reads see RAM until holdback_commit. An image smaller than 2 MiB is held back
 * whole. A flush acknowledges held-back ranges too (they are safe in the sense of "will be
 * committed", and after a power cut the assessment finds them missing).
 */
#define HOLDBACK_BYTES MIB

MUST_USE struct block_device *block_device_holdback_open(
	struct block_device *below, uint64_t image_bytes, struct failure *failure);

/* SHA-256 over the image's head (first min(1 MiB, length)) and then its tail as held in RAM: what
 * `finishing` records. */
bool holdback_digest(struct block_device *holdback, const struct digest_ops *digest,
	uint8_t head_tail_sha256[static SHA256_BYTES], struct failure *failure);

/* Tail, flush, head, flush, read both back from the medium and compare. Afterwards the layer passes
 * everything through. */
MUST_USE bool holdback_commit(struct block_device *holdback, struct failure *failure);

/* Digest of the head and tail that lie on a raw device now, for the same image length: does a
 * committed image's head and tail lie there? */
MUST_USE bool block_device_head_tail_digest(struct block_device *device, uint64_t image_bytes,
	const struct digest_ops *digest, uint8_t head_tail_sha256[static SHA256_BYTES],
	struct failure *failure);

/*
 * Faults, for tests and for trying swarmboot on bad hardware: comma-separated key=value.
 *   seed=N                     of everything random below
 *   write-error-after=BYTES    EIO on every write once that many bytes were written
 *   write-error-once=BYTES     EIO on the one write that passes that many bytes
 *   flush-error-after=N        the Nth flush and all later ones fail with EIO
 *   flush-error-once=N         only the Nth
 *   read-error-at=OFFSET       EIO on reads that touch that byte
 *   short-write-after=BYTES    one write stores only its first half, then EIO
 *   write-delay-us=N  read-delay-us=N  flush-delay-us=N    per call
 *   write-rate=BYTES_PER_S     writes are slowed to it
 *   corrupt-at=OFFSET          the byte at OFFSET is stored flipped, once; reads tell the truth of
 * it lose-unflushed             block_device_faults_power_cut forgets a seeded subset of what was
 *                              written since the last successful flush, torn at sector size
 *   power-cut-after=BYTES      block_device_faults_power_cut, then the process ends at once with
 *                              status FAULTS_POWER_CUT_STATUS, when that many bytes were written
 *   drop-flush                 flush says yes and does nothing, as if nobody had called it: the
 *                              counter-proof of tests of durability
 * Unknown keys are an error. Only one fault layer a stack. On failure `below` is still the
 * caller's.
 */
#define FAULTS_POWER_CUT_STATUS 137

MUST_USE struct block_device *block_device_faults_open(
	struct block_device *below, const char *specification, struct failure *failure);
MUST_USE bool block_device_faults_power_cut(struct block_device *faults, struct failure *failure);

#endif
