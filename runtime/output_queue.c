/* SPDX-License-Identifier: Apache-2.0 */
/* What is to go out on a connection: control messages as bytes, blocks in a ring. */
#include "runtime/memory.h"
#include "runtime/output_private.h"

#define BLOCKS_USUAL 16

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
