/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes out on a connection. Control messages go before blocks; a block that has begun goes on
 * first. A block begins only when its first bytes are in memory, so a slow disk holds up no HAVE.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "runtime/memory.h"
#include "runtime/output_private.h"

#define CHUNKS_MAX	     32
#define WRITE_BYTES_PER_CALL (256 * KIB)
#define STALL_TIMEOUT_S	     60

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

static uint32_t head_bytes(const struct output_block *block)
{
	return block->piece.id == PEER_FRAME ? PEER_FRAME_HEAD_BYTES : PEER_PIECE_HEAD_BYTES;
}

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
				output_runs_use(output, bytes_count);
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
		if (block->dropped ? !output_skip_dropped(output, block)
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

/* The file was cut short, or its medium failed, after we had been told that it is there. False when
 * that cannot be why. */
static bool runs_lost(struct connection_output *output)
{
	bool lost = false;

	for (uint32_t i = 0; i < output->runs_count; i++) {
		struct upload_run *run = output->runs[i];

		if (!run->mapped || run->state == UPLOAD_UNREADABLE)
			continue;
		run->state = UPLOAD_UNREADABLE;
		lost = true;
	}
	return lost;
}

/* What becomes of a call that sent nothing: whether to go on at once. */
static bool go_on(struct connection *connection, int error)
{
	if (error == EINTR)
		return true;
	if (error == EAGAIN || error == EWOULDBLOCK) {
		watch_writable(connection);
		return false;
	}
	connection_fail(connection, strerror(error));
	return false;
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

	if (sent_bytes < 0 && errno == EFAULT && runs_lost(&connection->output)) {
		log_warning("%s: what was in the page cache cannot be read any more",
			connection->limits.device->name);
		return true;
	}
	if (sent_bytes < 0)
		return go_on(connection, errno);
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
		while (output_read_ahead(connection))
			;
		if (calls_max-- == 0) {
			watch_writable(connection);
			return;
		}
		if (!send_some(connection))
			return;
	}
}
