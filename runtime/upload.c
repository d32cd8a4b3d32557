/* SPDX-License-Identifier: Apache-2.0 */
/* The session's pool of read buffers for uploads. */
#include "runtime/upload.h"

#include <sys/mman.h>

#include "runtime/connection.h"
#include "runtime/memory.h"

struct upload_pool {
	struct workers *disks;
	uint8_t *memory;
	struct upload_run *free;
	struct connection *waiting_first;
	struct connection **waiting_last;
	struct upload_run runs[UPLOAD_RUNS_COUNT];
};

static void run_read(struct work *work)
{
	struct upload_run *run = (struct upload_run *)work;
	struct failure failure;

	if (block_device_read(run->device, run->bytes, run->offset, run->bytes_count, &failure)) {
		run->state = UPLOAD_READY;
		return;
	}
	log_warning("reading for a peer: %s", failure.text);
	run->state = UPLOAD_UNREADABLE;
}

static void pool_put(struct upload_run *run)
{
	struct upload_pool *pool = run->pool;
	struct connection *connection = pool->waiting_first;

	run->device = NULL;
	run->next_free = pool->free;
	pool->free = run;
	if (connection == NULL)
		return;
	pool->waiting_first = connection->next_waiting;
	if (pool->waiting_first == NULL)
		pool->waiting_last = &pool->waiting_first;
	connection->waiting = false;
	connection_flush_later(connection);
}

static void run_done(struct work *work)
{
	struct upload_run *run = (struct upload_run *)work;

	run->reading = false;
	if (run->connection == NULL)
		pool_put(run);
	else
		connection_flush(run->connection);
}

struct upload_pool *upload_pool_create(struct workers *disks)
{
	struct upload_pool *pool = memory_allocate(1, sizeof(*pool));

	pool->disks = disks;
	pool->waiting_last = &pool->waiting_first;
	pool->memory = mmap(NULL, UPLOAD_RUNS_COUNT * UPLOAD_RUN_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pool->memory == MAP_FAILED)
		memory_exhausted(UPLOAD_RUNS_COUNT * UPLOAD_RUN_BYTES);
	for (size_t i = 0; i < UPLOAD_RUNS_COUNT; i++) {
		struct upload_run *run = &pool->runs[i];

		run->work =
			(struct work){.run = run_read, .done = run_done, .urgency = WORK_URGENT};
		run->pool = pool;
		run->bytes = pool->memory + i * UPLOAD_RUN_BYTES;
		run->next_free = pool->free;
		pool->free = run;
	}
	return pool;
}

struct upload_pool *upload_pool_destroy(struct upload_pool *pool)
{
	if (pool == NULL)
		return NULL;
	munmap(pool->memory, UPLOAD_RUNS_COUNT * UPLOAD_RUN_BYTES);
	free(pool);
	return NULL;
}

struct upload_run *upload_start(struct upload_pool *pool, struct connection *connection,
	struct block_device *device, uint64_t offset, uint32_t bytes_count)
{
	struct upload_run *run = pool->free;

	if (run == NULL) {
		if (!connection->waiting) {
			connection->waiting = true;
			connection->next_waiting = NULL;
			*pool->waiting_last = connection;
			pool->waiting_last = &connection->next_waiting;
		}
		return NULL;
	}
	pool->free = run->next_free;
	run->connection = connection;
	run->device = device;
	run->offset = offset;
	run->bytes_count = bytes_count;
	run->used_bytes = 0;
	run->reading = true;
	workers_submit(pool->disks, &run->work);
	return run;
}

void upload_release(struct upload_run *run)
{
	run->connection = NULL;
	if (!run->reading)
		pool_put(run);
}

void upload_forget(struct upload_pool *pool, struct connection *connection)
{
	struct connection **at = &pool->waiting_first;

	if (!connection->waiting)
		return;
	while (*at != connection)
		at = &(*at)->next_waiting;
	*at = connection->next_waiting;
	if (pool->waiting_last == &connection->next_waiting)
		pool->waiting_last = at;
	connection->waiting = false;
}

uint32_t upload_reading_count(const struct upload_pool *pool, const struct block_device *device)
{
	uint32_t reading_count = 0;

	for (size_t i = 0; i < UPLOAD_RUNS_COUNT; i++)
		if (pool->runs[i].reading && pool->runs[i].device == device)
			reading_count++;
	return reading_count;
}
