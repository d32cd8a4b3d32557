/* SPDX-License-Identifier: Apache-2.0 */
/* The blocks' bytes that lie on the device: read ahead of their turn, in runs. */
#include "runtime/output_private.h"

static uint64_t block_offset(const struct connection *connection, const struct output_block *block)
{
	return (uint64_t)block->piece.index * connection->limits.piece_bytes + block->piece.begin;
}

bool output_read_ahead(struct connection *connection)
{
	struct connection_output *output = &connection->output;
	uint64_t offset = 0;
	uint32_t bytes_count = 0;
	struct output_block *covered[UPLOAD_RUN_BYTES_MAX / 1024];
	uint32_t covered_bytes[ARRAY_COUNT(covered)];
	uint32_t covered_count = 0;

	if (output->runs_count == UPLOAD_RUNS_PER_CONNECTION)
		return false;
	for (uint32_t i = 0; i < output->blocks_count && covered_count < ARRAY_COUNT(covered);
		i++) {
		struct output_block *block = block_at(output, i);

		if (block->bytes != NULL || block->dropped ||
			block->asked_bytes == block->piece.length)
			continue;

		uint64_t from = block_offset(connection, block) + block->asked_bytes;

		if (bytes_count == 0)
			offset = from;
		if (from != offset + bytes_count || bytes_count == UPLOAD_MAPPED_BYTES_MAX)
			break;

		uint32_t take_bytes = (uint32_t)u64_min(block->piece.length - block->asked_bytes,
			UPLOAD_MAPPED_BYTES_MAX - bytes_count);

		covered[covered_count] = block;
		covered_bytes[covered_count++] = take_bytes;
		bytes_count += take_bytes;
	}
	if (bytes_count == 0)
		return false;

	struct upload_run *run = upload_start(connection->pool->uploads, connection,
		connection->limits.device, offset, bytes_count);

	if (run == NULL)
		return false;
	bytes_count = run->bytes_count;
	for (uint32_t i = 0; i < covered_count; i++) {
		uint32_t asked_bytes = (uint32_t)u64_min(covered_bytes[i], bytes_count);

		covered[i]->asked_bytes += asked_bytes;
		bytes_count -= asked_bytes;
	}
	output->runs[output->runs_count++] = run;
	return true;
}

/* The blocks' next bytes in the runs have been used. */
void output_runs_use(struct connection_output *output, uint32_t bytes_count)
{
	while (bytes_count > 0) {
		struct upload_run *run = output->runs[0];
		uint32_t used_bytes =
			(uint32_t)u64_min(bytes_count, run->bytes_count - run->used_bytes);

		run->used_bytes += used_bytes;
		bytes_count -= used_bytes;
		if (run->used_bytes == run->bytes_count) {
			upload_release(run);
			output->runs_count--;
			memmove(&output->runs[0], &output->runs[1],
				output->runs_count * sizeof(output->runs[0]));
		}
	}
}

/* Passes over what was read for a dropped block. False while it is still being read. */
bool output_skip_dropped(struct connection_output *output, struct output_block *block)
{
	while (block->taken_bytes < block->asked_bytes) {
		struct upload_run *run = output->runs[0];

		if (run->reading)
			return false;

		uint32_t skipped_bytes = (uint32_t)u64_min(block->asked_bytes - block->taken_bytes,
			run->bytes_count - run->used_bytes);

		block->taken_bytes += skipped_bytes;
		output_runs_use(output, skipped_bytes);
	}
	return true;
}
