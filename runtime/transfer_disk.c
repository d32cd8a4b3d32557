/* SPDX-License-Identifier: Apache-2.0 */
/* A transfer's piece buffers, and the hash and disk work that the engine orders. */
#include <sys/mman.h>

#include "runtime/memory.h"
#include "runtime/transfer.h"

/* One a buffer: the engine hashes a buffer once at a time. */
struct hash_job {
	struct work work;
	struct transfer *transfer;
	uint32_t piece;
	uint32_t buffer;
	bool matches;
};

enum disk_job_kind { DISK_READ, DISK_WRITE, DISK_WRITE_ZEROES, DISK_FLUSH };

struct disk_job {
	struct work work;
	struct transfer *transfer;
	enum disk_job_kind kind;
	uint32_t piece;
	uint32_t twin; /* READ: where to */
	uint32_t buffer;
	uint64_t flush_id;
	bool ok;
	struct failure failure;
};

uint8_t *transfer_buffer(struct transfer *transfer, uint32_t buffer)
{
	return transfer->buffers + buffer * transfer->buffer_stride_bytes;
}

static void run_hash(struct work *work)
{
	struct hash_job *job = (struct hash_job *)work;

	struct transfer *transfer = job->transfer;
	struct piece_hasher *hasher = hasher_pool_take(transfer->hashers);

	piece_hasher_begin(hasher, job->piece);
	piece_hasher_update(hasher, transfer_buffer(transfer, job->buffer),
		metainfo_piece_length(transfer->metainfo, job->piece));
	job->matches = piece_hasher_matches(hasher);
	hasher_pool_put(transfer->hashers, hasher);
}

static void hash_done(struct work *work)
{
	struct hash_job *job = (struct hash_job *)work;

	job->transfer->hash_jobs_count--;
	transfer_frames_hashed(job->transfer, job->piece, job->matches);
	transfer_input(job->transfer, &(struct swarm_input){.kind = SWARM_IN_HASHED,
					      .piece = job->piece,
					      .buffer = job->buffer,
					      .ok = job->matches});
}

static void run_disk(struct work *work)
{
	struct disk_job *job = (struct disk_job *)work;
	struct transfer *transfer = job->transfer;
	const struct metainfo *metainfo = transfer->metainfo;
	uint64_t offset = (uint64_t)job->piece * metainfo->piece_bytes;

	switch (job->kind) {
	case DISK_READ:
		job->ok =
			block_device_read(transfer->device, transfer_buffer(transfer, job->buffer),
				(uint64_t)job->twin * metainfo->piece_bytes,
				metainfo_piece_length(metainfo, job->piece), &job->failure);
		break;
	case DISK_WRITE:
		job->ok =
			block_device_write(transfer->device, transfer_buffer(transfer, job->buffer),
				offset, metainfo_piece_length(metainfo, job->piece), &job->failure);
		break;
	case DISK_WRITE_ZEROES:
		job->ok = block_device_write_zeroes(transfer->device, offset,
			metainfo_piece_length(metainfo, job->piece), &job->failure);
		break;
	case DISK_FLUSH:
		job->ok = block_device_flush(transfer->device, &job->failure);
		break;
	}
}

static void disk_done(struct work *work)
{
	struct disk_job *job = (struct disk_job *)work;
	struct transfer *transfer = job->transfer;
	struct swarm_input input = {
		.kind = job->kind == DISK_FLUSH	 ? SWARM_IN_FLUSHED
			: job->kind == DISK_READ ? SWARM_IN_READ
						 : SWARM_IN_WRITTEN,
		.piece = job->piece,
		.buffer = job->buffer,
		.flush_id = job->flush_id,
		.ok = job->ok,
	};

	transfer->disk_jobs_count--;
	if (!job->ok) {
		transfer->disk_failure = job->failure;
		log_error("%s", job->failure.text);
	}
	free(job);
	transfer_input(transfer, &input);
}

static void submit_disk(
	struct transfer *transfer, enum disk_job_kind kind, const struct swarm_effect *effect)
{
	struct disk_job *job = memory_allocate(1, sizeof(*job));

	job->work = (struct work){.run = run_disk, .done = disk_done, .urgency = WORK_NORMAL};
	job->transfer = transfer;
	job->kind = kind;
	job->piece = effect->piece;
	job->twin = effect->twin;
	job->buffer = effect->buffer;
	job->flush_id = effect->flush_id;
	transfer->disk_jobs_count++;
	workers_submit(transfer->session->disks, &job->work);
}

static void submit_hash(struct transfer *transfer, const struct swarm_effect *effect)
{
	struct hash_job *job = &transfer->hash_jobs[effect->buffer];

	job->work = (struct work){.run = run_hash, .done = hash_done, .urgency = WORK_URGENT};
	job->transfer = transfer;
	job->piece = effect->piece;
	job->buffer = effect->buffer;
	transfer->hash_jobs_count++;
	workers_submit(transfer->session->hashes, &job->work);
}

void transfer_apply_disk(struct transfer *transfer, const struct swarm_effect *effect)
{
	switch (effect->kind) {
	case SWARM_EFFECT_HASH:
		submit_hash(transfer, effect);
		break;
	case SWARM_EFFECT_READ:
		transfer_frames_replaced(transfer, effect->piece);
		submit_disk(transfer, DISK_READ, effect);
		break;
	case SWARM_EFFECT_WRITE:
		submit_disk(transfer, DISK_WRITE, effect);
		break;
	case SWARM_EFFECT_WRITE_ZEROES:
		submit_disk(transfer, DISK_WRITE_ZEROES, effect);
		break;
	case SWARM_EFFECT_FLUSH:
		submit_disk(transfer, DISK_FLUSH, effect);
		break;
	default:
		break;
	}
}

struct piece_check *transfer_idle_check(struct transfer *transfer)
{
	for (size_t i = 0; i < TRANSFER_CHECKS_MAX; i++)
		if (!transfer->checks[i].busy)
			return &transfer->checks[i];
	return NULL;
}

void transfer_check(struct transfer *transfer, struct piece_check *check, uint32_t piece,
	bool medium, void (*done)(struct work *work))
{
	if (check->hasher == NULL)
		piece_check_open(check, transfer->metainfo, transfer->device,
			transfer->budget.check_bytes, &transfer->cancelled);
	check->owner = transfer;
	check->work.done = done;
	check->work.urgency = WORK_BACKGROUND;
	check->piece = piece;
	check->known_zero = bitset_has(&transfer->zero_pieces, piece);
	check->medium = medium;
	check->busy = true;
	transfer->disk_jobs_count++;
	workers_submit(transfer->session->disks, &check->work);
}

void transfer_disk_open(struct transfer *transfer)
{
	transfer->buffer_stride_bytes = transfer->budget.buffer_stride_bytes;
	transfer->buffers_bytes = transfer->limits.buffers_count * transfer->buffer_stride_bytes;
	transfer->buffers = mmap(NULL, transfer->buffers_bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (transfer->buffers == MAP_FAILED)
		memory_exhausted(transfer->buffers_bytes);
	transfer->hash_jobs =
		memory_allocate(transfer->limits.buffers_count, sizeof(*transfer->hash_jobs));
	transfer->hashers = hasher_pool_create(transfer->metainfo);
}

void transfer_disk_close(struct transfer *transfer)
{
	struct upload_pool *uploads = transfer->session->connections.uploads;

	while (transfer->hash_jobs_count > 0)
		workers_collect(transfer->session->hashes);
	while (transfer->disk_jobs_count > 0 || upload_reading_count(uploads, transfer->device) > 0)
		workers_collect(transfer->session->disks);
	transfer->hashers = hasher_pool_destroy(transfer->hashers);
	free(transfer->hash_jobs);
	for (size_t i = 0; i < TRANSFER_CHECKS_MAX; i++)
		piece_check_close(&transfer->checks[i]);
	munmap(transfer->buffers, transfer->buffers_bytes);
}
