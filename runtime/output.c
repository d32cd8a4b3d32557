/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes out on a connection. Control messages go before blocks; a block that has begun goes on
 * first. A block begins only when its first bytes are in memory, so a slow disk holds up no HAVE.
 */
#include "runtime/connection.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "runtime/memory.h"

#define CONTROL_BYTES_USUAL  2048
#define BLOCKS_USUAL	     16
#define CHUNKS_MAX	     32
#define WRITE_BYTES_PER_CALL (256 * KIB)
#define STALL_TIMEOUT_S	     60
#define FINISHED_MAX	     CHUNKS_MAX

/* A piece of what one sendmsg offers; block NULL: control bytes. */
struct chunk {
	struct output_block *block;
	bool head;
};

struct gathered {
	struct iovec places[CHUNKS_MAX];
	struct chunk chunks[CHUNKS_MAX];
	size_t chunks_count;
	uint64_t bytes;
	uint8_t heads[CHUNKS_MAX][PEER_BLOCK_HEAD_BYTES_MAX];
	/* How far into the runs the blocks so far reach. */
	uint32_t run;
	uint32_t run_used_bytes;
};

static struct output_block *block_at(struct connection_output *output, uint32_t index)
{
	return &output->blocks[(output->blocks_first + index) % output->blocks_capacity];
}

static bool block_begun(const struct output_block *block)
{
	return block->head_sent_bytes > 0;
}

static uint32_t head_bytes(const struct output_block *block)
{
	return block->piece.id == PEER_FRAME ? PEER_FRAME_HEAD_BYTES : PEER_PIECE_HEAD_BYTES;
}

static uint64_t block_offset(const struct connection *connection, const struct output_block *block)
{
	return (uint64_t)block->piece.index * connection->limits.piece_bytes + block->piece.begin;
}

void output_release(struct connection *connection)
{
	struct connection_output *output = &connection->output;

	for (uint32_t i = 0; i < output->runs_count; i++)
		upload_release(output->runs[i]);
	for (uint32_t i = 0; i < output->blocks_count; i++)
		if (block_at(output, i)->frame != NULL)
			frame_release(block_at(output, i)->frame);
	free(output->control);
	free(output->blocks);
	*output = (struct connection_output){0};
}

/* ---- queueing ---- */

static uint8_t *control_reserve(struct connection *connection, uint32_t bytes_count)
{
	struct connection_output *output = &connection->output;
	uint64_t wanted_bytes = (uint64_t)output->control_bytes + bytes_count;

	if (wanted_bytes > connection->limits.control_bytes_max) {
		connection->broken = "does not take its messages";
		return NULL;
	}
	if (output->control_first > 0) {
		memmove(output->control, output->control + output->control_first,
			output->control_bytes);
		output->control_first = 0;
	}
	if (wanted_bytes > output->control_capacity) {
		uint64_t capacity = u64_max(CONTROL_BYTES_USUAL, 2 * wanted_bytes);

		output->control = memory_resize(output->control, capacity);
		output->control_capacity = (uint32_t)capacity;
	}
	return output->control + output->control_bytes;
}

void connection_send_handshake(
	struct connection *connection, const struct peer_handshake *handshake)
{
	if (connection->state == CONNECTION_CLOSED)
		return;

	uint8_t *place = control_reserve(connection, PEER_HANDSHAKE_BYTES);

	if (place == NULL)
		return;
	peer_handshake_write(place, handshake);
	connection->output.control_bytes += PEER_HANDSHAKE_BYTES;
}

void connection_send(struct connection *connection, const struct peer_message *message)
{
	if (connection->state == CONNECTION_CLOSED)
		return;

	uint32_t bytes_max = (uint32_t)(message->bytes_count + PEER_PIECE_HEAD_BYTES + 4);
	uint8_t *place = control_reserve(connection, bytes_max);

	if (place == NULL)
		return;

	size_t bytes_count = peer_message_write(message, place, bytes_max);

	if (bytes_count == 0)
		connection->broken = "a message could not be written";
	connection->output.control_bytes += (uint32_t)bytes_count;
}

static bool blocks_reserve(struct connection *connection)
{
	struct connection_output *output = &connection->output;

	if (output->blocks_count < output->blocks_capacity)
		return true;
	if (output->blocks_capacity >= connection->limits.blocks_max)
		return false;

	uint32_t capacity = (uint32_t)u64_min(connection->limits.blocks_max,
		u64_max(BLOCKS_USUAL, (uint64_t)output->blocks_capacity * 2));
	struct output_block *blocks = memory_allocate(capacity, sizeof(*blocks));

	for (uint32_t i = 0; i < output->blocks_count; i++)
		blocks[i] = *block_at(output, i);
	free(output->blocks);
	output->blocks = blocks;
	output->blocks_first = 0;
	output->blocks_capacity = capacity;
	return true;
}

static void queue_block(struct connection *connection, const struct output_block *block)
{
	if (connection->state != CONNECTION_CLOSED && blocks_reserve(connection)) {
		*block_at(&connection->output, connection->output.blocks_count++) = *block;
		return;
	}
	connection->broken = "asked for more than may be queued";
	if (block->frame != NULL)
		frame_release(block->frame);
}

void connection_send_block(
	struct connection *connection, const struct peer_message *piece, const uint8_t *bytes)
{
	queue_block(connection, &(struct output_block){.piece = *piece, .bytes = bytes});
}

void connection_send_frame(
	struct connection *connection, const struct peer_message *message, struct frame *frame)
{
	queue_block(connection,
		&(struct output_block){.piece = *message, .bytes = frame->bytes, .frame = frame});
}

void connection_cancel_block(struct connection *connection, const struct peer_message *piece)
{
	struct connection_output *output = &connection->output;

	for (uint32_t i = 0; i < output->blocks_count; i++) {
		struct output_block *block = block_at(output, i);

		if (!block->dropped && !block_begun(block) && block->piece.index == piece->index &&
			block->piece.begin == piece->begin &&
			block->piece.length == piece->length) {
			block->dropped = true;
			return;
		}
	}
}

/* ---- reading ahead ---- */

/* Starts one read that covers what lies side by side. False when there is nothing (more) to read or
 * no room for it. */
static bool read_ahead(struct connection *connection)
{
	struct connection_output *output = &connection->output;
	uint64_t offset = 0;
	uint32_t bytes_count = 0;
	struct output_block *covered[UPLOAD_RUN_BYTES_MAX / 1024];
	uint32_t covered_bytes[ARRAY_COUNT(covered)];
	uint32_t covered_count = 0;
	uint32_t run_bytes_max = upload_run_bytes(connection->pool->uploads);

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
		if (from != offset + bytes_count || bytes_count == run_bytes_max)
			break;

		uint32_t take_bytes = (uint32_t)u64_min(
			block->piece.length - block->asked_bytes, run_bytes_max - bytes_count);

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
	for (uint32_t i = 0; i < covered_count; i++)
		covered[i]->asked_bytes += covered_bytes[i];
	output->runs[output->runs_count++] = run;
	return true;
}

/* The blocks' next bytes in the runs have been used. */
static void runs_use(struct connection_output *output, uint32_t bytes_count)
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

/* ---- sending ---- */

static void gather(struct gathered *gathered, struct output_block *block, bool head,
	const void *bytes, uint64_t bytes_count)
{
	if (bytes_count == 0)
		return;
	gathered->places[gathered->chunks_count] =
		(struct iovec){(void *)(uintptr_t)bytes, bytes_count};
	gathered->chunks[gathered->chunks_count++] = (struct chunk){block, head};
	gathered->bytes += bytes_count;
}

/* The block's bytes that are in memory, from `from` on. True when all of them are. */
static bool gather_payload(
	struct gathered *gathered, struct connection_output *output, struct output_block *block)
{
	uint32_t left_bytes = peer_block_wire_bytes(&block->piece) - block->taken_bytes;

	if (block->bytes != NULL) {
		gather(gathered, block, false, block->bytes + block->taken_bytes, left_bytes);
		return true;
	}
	while (left_bytes > 0 && gathered->run < output->runs_count &&
		gathered->chunks_count < CHUNKS_MAX) {
		struct upload_run *run = output->runs[gathered->run];

		if (run->reading || run->state != UPLOAD_READY)
			return false;

		uint32_t here_bytes =
			(uint32_t)u64_min(left_bytes, run->bytes_count - gathered->run_used_bytes);

		gather(gathered, block, false, run->bytes + gathered->run_used_bytes, here_bytes);
		left_bytes -= here_bytes;
		gathered->run_used_bytes += here_bytes;
		if (gathered->run_used_bytes == run->bytes_count) {
			gathered->run++;
			gathered->run_used_bytes = gathered->run < output->runs_count
							   ? output->runs[gathered->run]->used_bytes
							   : 0;
		}
	}
	return left_bytes == 0;
}

/* Is the first byte that this block still needs in memory? */
static bool payload_ready(const struct gathered *gathered, const struct connection_output *output,
	const struct output_block *block)
{
	if (block->bytes != NULL)
		return true;
	return gathered->run < output->runs_count && !output->runs[gathered->run]->reading &&
	       output->runs[gathered->run]->state == UPLOAD_READY;
}

/* True when the block is gathered to its end. */
static bool gather_block(
	struct gathered *gathered, struct connection_output *output, struct output_block *block)
{
	if (gathered->chunks_count + 2 > CHUNKS_MAX || !payload_ready(gathered, output, block))
		return false;
	if (block->head_sent_bytes < head_bytes(block)) {
		uint8_t *head = gathered->heads[gathered->chunks_count];

		if (peer_message_write(&block->piece, head, PEER_BLOCK_HEAD_BYTES_MAX) !=
			head_bytes(block))
			return false;
		gather(gathered, block, true, head + block->head_sent_bytes,
			head_bytes(block) - block->head_sent_bytes);
	}
	return gather_payload(gathered, output, block);
}

static void gather_all(struct gathered *gathered, struct connection_output *output)
{
	uint32_t next = 0;

	gathered->chunks_count = 0;
	gathered->bytes = 0;
	gathered->run = 0;
	gathered->run_used_bytes = output->runs_count > 0 ? output->runs[0]->used_bytes : 0;
	if (output->blocks_count > 0 && block_begun(block_at(output, 0))) {
		if (!gather_block(gathered, output, block_at(output, 0)))
			return;
		next = 1;
	}
	gather(gathered, NULL, false, output->control + output->control_first,
		output->control_bytes);
	for (; next < output->blocks_count && gathered->bytes < WRITE_BYTES_PER_CALL; next++) {
		struct output_block *block = block_at(output, next);

		if (block->dropped || !gather_block(gathered, output, block))
			return;
	}
}

static void account(
	struct connection_output *output, const struct gathered *gathered, uint64_t sent_bytes)
{
	for (size_t i = 0; i < gathered->chunks_count && sent_bytes > 0; i++) {
		const struct chunk *chunk = &gathered->chunks[i];
		uint32_t bytes_count = (uint32_t)u64_min(sent_bytes, gathered->places[i].iov_len);

		sent_bytes -= bytes_count;
		if (chunk->block == NULL) {
			output->control_first += bytes_count;
			output->control_bytes -= bytes_count;
		} else if (chunk->head) {
			chunk->block->head_sent_bytes += bytes_count;
		} else {
			chunk->block->taken_bytes += bytes_count;
			if (chunk->block->bytes == NULL)
				runs_use(output, bytes_count);
		}
	}
	if (output->control_bytes == 0 && output->control_capacity > CONTROL_BYTES_USUAL) {
		free(output->control);
		output->control = NULL;
		output->control_capacity = 0;
	}
	if (output->control_bytes == 0)
		output->control_first = 0;
}

/* Passes over what was read for a dropped block. False while it is still being read. */
static bool skip_dropped(struct connection_output *output, struct output_block *block)
{
	while (block->taken_bytes < block->asked_bytes) {
		struct upload_run *run = output->runs[0];

		if (run->reading)
			return false;

		uint32_t skipped_bytes = (uint32_t)u64_min(block->asked_bytes - block->taken_bytes,
			run->bytes_count - run->used_bytes);

		block->taken_bytes += skipped_bytes;
		runs_use(output, skipped_bytes);
	}
	return true;
}

/* Takes what is done with from the front of the queue and tells the owner. */
static void finish_blocks(struct connection *connection)
{
	struct connection_output *output = &connection->output;

	while (connection->state != CONNECTION_CLOSED && output->blocks_count > 0) {
		struct output_block *block = block_at(output, 0);

		if (block->bytes == NULL && !block->dropped && output->runs_count > 0 &&
			block->taken_bytes < block->asked_bytes && !output->runs[0]->reading &&
			output->runs[0]->state == UPLOAD_UNREADABLE) {
			if (block_begun(block)) {
				connection_fail(connection, "the disk cannot be read for it");
				return;
			}
			block->dropped = true;
			block->unreadable = true;
		}
		if (block->dropped ? !skip_dropped(output, block)
				   : block->taken_bytes < peer_block_wire_bytes(&block->piece))
			return;

		struct output_block finished = *block;

		output->blocks_first = (output->blocks_first + 1) % output->blocks_capacity;
		output->blocks_count--;
		if (finished.frame != NULL)
			frame_release(finished.frame);
		connection->ops->block_done(connection, &finished.piece,
			finished.unreadable ? OUTPUT_UNREADABLE
			: finished.dropped  ? OUTPUT_CANCELLED
					    : OUTPUT_SENT);
	}
}

static void watch_writable(struct connection *connection)
{
	struct timeval timeout = {.tv_sec = STALL_TIMEOUT_S};

	if (event_add(&connection->write_event, &timeout) != 0)
		connection_fail(connection, "the loop cannot watch its socket");
}

/* One sendmsg. False when the socket is full, there is nothing to send, or it failed. */
static bool send_some(struct connection *connection)
{
	struct gathered gathered;

	gather_all(&gathered, &connection->output);
	if (gathered.chunks_count == 0) {
		event_del(&connection->write_event);
		return false;
	}

	struct msghdr message = {.msg_iov = gathered.places, .msg_iovlen = gathered.chunks_count};
	ssize_t sent_bytes = sendmsg(connection->descriptor, &message, MSG_NOSIGNAL);

	if (sent_bytes < 0 && errno == EINTR)
		return true;
	if (sent_bytes < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		watch_writable(connection);
		return false;
	}
	if (sent_bytes < 0) {
		connection_fail(connection, strerror(errno));
		return false;
	}
	account(&connection->output, &gathered, (uint64_t)sent_bytes);
	return true;
}

void connection_flush(struct connection *connection)
{
	uint64_t calls_max = 4; /* then the other connections have their turn */

	if (connection->state == CONNECTION_CLOSED || connection->state == CONNECTION_CONNECTING)
		return;
	if (connection->broken != NULL) {
		connection_fail(connection, connection->broken);
		return;
	}
	for (;;) {
		finish_blocks(connection);
		if (connection->state == CONNECTION_CLOSED)
			return;
		while (read_ahead(connection))
			;
		if (calls_max-- == 0) {
			watch_writable(connection);
			return;
		}
		if (!send_some(connection))
			return;
	}
}
