/* SPDX-License-Identifier: Apache-2.0 */
/* The session's pool of read buffers for uploads. */
#include "runtime/upload.h"

#include <sys/mman.h>

#include "runtime/connection.h"
#include "runtime/memory.h"

struct upload_pool {
	struct workers *disks;
	uint8_t *memory;
	uint32_t run_bytes;
	uint32_t runs_count;
	uint64_t mapped_bytes_max; /* of the page cache, resident in this process */
	struct upload_run *free;
	struct connection *waiting_first;
	struct connection **waiting_last;
	struct upload_run runs[];
};

static void run_read(struct work *work)
{
	struct upload_run *run = (struct upload_run *)work;
	struct failure failure;

	if (block_device_read(run->device, run->buffer, run->offset, run->bytes_count, &failure)) {
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

struct upload_pool *upload_pool_create(struct workers *disks, uint64_t memory_bytes)
{
	uint64_t run_bytes = UPLOAD_RUN_BYTES_MAX;

	memory_bytes /= 2; /* half for what is read, half for what is sent from the page cache */
	while (run_bytes > UPLOAD_RUN_BYTES_MIN && memory_bytes / run_bytes < UPLOAD_RUNS_WANTED)
		run_bytes /= 2;
	uint32_t runs_count =
		(uint32_t)u64_max(u64_min(memory_bytes / run_bytes, UPLOAD_RUNS_WANTED), 2);
	struct upload_pool *pool =
		memory_allocate(1, sizeof(*pool) + runs_count * sizeof(pool->runs[0]));

	pool->disks = disks;
	pool->mapped_bytes_max = memory_bytes;
	pool->run_bytes = (uint32_t)run_bytes;
	pool->runs_count = runs_count;
	pool->waiting_last = &pool->waiting_first;
	pool->memory = mmap(NULL, runs_count * run_bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pool->memory == MAP_FAILED)
		memory_exhausted(runs_count * run_bytes);
	for (size_t i = 0; i < runs_count; i++) {
		struct upload_run *run = &pool->runs[i];

		run->work =
			(struct work){.run = run_read, .done = run_done, .urgency = WORK_URGENT};
		run->pool = pool;
		run->bytes = run->buffer = pool->memory + i * run_bytes;
		run->next_free = pool->free;
		pool->free = run;
	}
	return pool;
}

struct upload_pool *upload_pool_destroy(struct upload_pool *pool)
{
	if (pool == NULL)
		return NULL;
	munmap(pool->memory, (size_t)pool->runs_count * pool->run_bytes);
	free(pool);
	return NULL;
}

/* From where the page cache has it: nothing is copied, and no thread has to be woken. */
static struct upload_run *mapped_run(const struct upload_pool *pool, struct connection *connection,
	struct block_device *device, uint64_t offset, uint32_t bytes_count)
{
	struct upload_run *run = connection->output.mapped;
	const uint8_t *bytes = NULL;
	uint64_t found_bytes =
		block_device_at_hand(device, offset, bytes_count, pool->mapped_bytes_max, &bytes);

	if (found_bytes < u64_min(bytes_count, UPLOAD_MAPPED_BYTES_MIN))
		return NULL;
	while (run->connection != NULL)
		run++;
	*run = (struct upload_run){
		.connection = connection,
		.device = device,
		.mapped = true,
		.bytes = bytes,
		.offset = offset,
		.bytes_count = (uint32_t)found_bytes,
	};
	return run;
}

struct upload_run *upload_start(struct upload_pool *pool, struct connection *connection,
	struct block_device *device, uint64_t offset, uint32_t bytes_count)
{
	struct upload_run *run = mapped_run(pool, connection, device, offset, bytes_count);

	if (run != NULL)
		return run;
	run = pool->free;
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
	run->bytes_count = (uint32_t)u64_min(bytes_count, pool->run_bytes);
	run->used_bytes = 0;
	run->state = UPLOAD_READY;
	run->reading = !block_device_read_at_hand(device, run->buffer, offset, run->bytes_count);
	if (run->reading)
		workers_submit(pool->disks, &run->work);
	return run;
}

void upload_release(struct upload_run *run)
{
	run->connection = NULL;
	if (!run->reading && !run->mapped)
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

	for (size_t i = 0; i < pool->runs_count; i++)
		if (pool->runs[i].reading && pool->runs[i].device == device)
			reading_count++;
	return reading_count;
}
