/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading what peers asked for from the device. Requests of one connection that lie side by side
 * make one run, of which a connection holds at most two. What lies in the page cache is sent from
 * there; what does not is read by a thread into a buffer from one pool for the whole session, so
 * memory is bounded; a connection waits its turn when there are none.
 */
#ifndef RUNTIME_UPLOAD_H
#define RUNTIME_UPLOAD_H

#include "runtime/block_device.h"
#include "runtime/workers.h"

#define UPLOAD_MAPPED_BYTES_MAX	   MIB	      /* of a run in the page cache */
#define UPLOAD_MAPPED_BYTES_MIN	   (64 * KIB) /* unless that is all */
#define UPLOAD_RUN_BYTES_MAX	   (256 * KIB)
#define UPLOAD_RUN_BYTES_MIN	   (32 * KIB)
#define UPLOAD_RUNS_WANTED	   32
#define UPLOAD_RUNS_PER_CONNECTION 2

struct connection;
struct upload_pool;

enum upload_run_state { UPLOAD_READY, UPLOAD_UNREADABLE };

struct upload_run {
	struct work work;
	struct upload_pool *pool;
	struct connection *connection; /* NULL: nobody waits for it any more */
	struct block_device *device;
	bool mapped;	      /* in the page cache; not one of the pool's */
	const uint8_t *bytes; /* mapped: for system calls only */
	uint8_t *buffer;      /* of the pool's */
	uint64_t offset;
	uint32_t bytes_count;
	uint32_t used_bytes;
	bool reading;		     /* on a thread, which owns bytes and state meanwhile */
	enum upload_run_state state; /* once not reading */
	struct upload_run *next_free;
};

/* As many runs as fit into the memory, smaller ones when it is little. */
MUST_USE struct upload_pool *upload_pool_create(struct workers *disks, uint64_t memory_bytes);
/* No run may be in use or being read. */
struct upload_pool *upload_pool_destroy(struct upload_pool *pool);

/* A run that begins at the offset and has at most so many bytes. It is being read (run->reading),
 * and connection_flush is called on the loop when it is there; or there already. NULL when all
 * buffers are taken: then the connection is flushed once one is free. */
MUST_USE struct upload_run *upload_start(struct upload_pool *pool, struct connection *connection,
	struct block_device *device, uint64_t offset, uint32_t bytes_count);
void upload_release(struct upload_run *run);

/* The connection closes: it waits for nothing any more. */
void upload_forget(struct upload_pool *pool, struct connection *connection);

/* How many reads from this device are still on a thread. */
uint32_t upload_reading_count(const struct upload_pool *pool, const struct block_device *device);

#endif
