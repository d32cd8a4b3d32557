/* SPDX-License-Identifier: Apache-2.0 */
/* Handshake and messages of the peer wire protocol (BEP 3, BEP 6, framing of BEP 10). */
#include "wire/peer_wire.h"

static const uint8_t protocol_header[20] = "\x13"
					   "BitTorrent protocol";

bool peer_handshake_parse(
	struct peer_handshake *handshake, const uint8_t bytes[static PEER_HANDSHAKE_BYTES])
{
	if (memcmp(bytes, protocol_header, sizeof(protocol_header)) != 0)
		return false;
	memcpy(handshake->reserved, bytes + 20, sizeof(handshake->reserved));
	memcpy(handshake->infohash, bytes + 28, sizeof(handshake->infohash));
	memcpy(handshake->peer_id, bytes + 48, sizeof(handshake->peer_id));
	return true;
}

void peer_handshake_write(
	uint8_t bytes[static PEER_HANDSHAKE_BYTES], const struct peer_handshake *handshake)
{
	memcpy(bytes, protocol_header, sizeof(protocol_header));
	memcpy(bytes + 20, handshake->reserved, sizeof(handshake->reserved));
	memcpy(bytes + 28, handshake->infohash, sizeof(handshake->infohash));
	memcpy(bytes + 48, handshake->peer_id, sizeof(handshake->peer_id));
}

void peer_reserved_set_ours(uint8_t reserved[static 8])
{
	memset(reserved, 0, 8);
	reserved[5] = 0x10;
	reserved[7] = 0x04;
}

void peer_reserved_set_dht(uint8_t reserved[static 8])
{
	reserved[7] |= 0x01;
}

/* How a message's payload is laid out. */
enum shape {
	SHAPE_UNKNOWN,
	SHAPE_EMPTY,
	SHAPE_INDEX, /* be32 index */
	SHAPE_BLOCK, /* be32 index, be32 begin, be32 length */
	SHAPE_PIECE, /* be32 index, be32 begin, the block */
	SHAPE_BYTES,
	SHAPE_PORT, /* be16 */
	SHAPE_EXTENDED,
	SHAPE_FRAME, /* sub-id, be32 index, be32 begin, be32 length, the compressed block */
};

#define FRAME_FIXED_BYTES (PEER_FRAME_HEAD_BYTES - PEER_MESSAGE_HEAD_BYTES)

static enum shape shape_of(enum peer_message_id id)
{
	switch (id) {
	case PEER_CHOKE:
	case PEER_UNCHOKE:
	case PEER_INTERESTED:
	case PEER_NOT_INTERESTED:
	case PEER_HAVE_ALL:
	case PEER_HAVE_NONE:
		return SHAPE_EMPTY;
	case PEER_HAVE:
	case PEER_SUGGEST:
	case PEER_ALLOWED_FAST:
		return SHAPE_INDEX;
	case PEER_REQUEST:
	case PEER_CANCEL:
	case PEER_REJECT:
		return SHAPE_BLOCK;
	case PEER_PIECE:
		return SHAPE_PIECE;
	case PEER_BITFIELD:
		return SHAPE_BYTES;
	case PEER_PORT:
		return SHAPE_PORT;
	case PEER_EXTENDED:
		return SHAPE_EXTENDED;
	case PEER_FRAME:
		return SHAPE_FRAME;
	case PEER_KEEP_ALIVE:
		break;
	}
	return SHAPE_UNKNOWN;
}

/* Payload bytes after the id that each shape must have; for those of free length, the least. */
static uint32_t shape_bytes(enum shape shape)
{
	switch (shape) {
	case SHAPE_INDEX:
		return 4;
	case SHAPE_BLOCK:
		return 12;
	case SHAPE_PIECE:
		return 8 + 1; /* an empty block is never asked for */
	case SHAPE_PORT:
		return 2;
	case SHAPE_EXTENDED:
		return 1;
	case SHAPE_FRAME:
		return FRAME_FIXED_BYTES + 1;
	case SHAPE_UNKNOWN:
	case SHAPE_EMPTY:
	case SHAPE_BYTES:
		break;
	}
	return 0;
}

static bool shape_allows(enum shape shape, uint32_t payload_bytes)
{
	switch (shape) {
	case SHAPE_PIECE:
	case SHAPE_BYTES:
	case SHAPE_EXTENDED:
	case SHAPE_FRAME:
	case SHAPE_UNKNOWN:
		return payload_bytes >= shape_bytes(shape);
	case SHAPE_EMPTY:
	case SHAPE_INDEX:
	case SHAPE_BLOCK:
	case SHAPE_PORT:
		break;
	}
	return payload_bytes == shape_bytes(shape);
}

static void read_payload(struct peer_message *message, enum shape shape, const uint8_t *payload,
	uint32_t payload_bytes)
{
	switch (shape) {
	case SHAPE_INDEX:
		message->index = be32_read(payload);
		break;
	case SHAPE_BLOCK:
		message->index = be32_read(payload);
		message->begin = be32_read(payload + 4);
		message->length = be32_read(payload + 8);
		break;
	case SHAPE_PIECE:
		message->index = be32_read(payload);
		message->begin = be32_read(payload + 4);
		message->length = payload_bytes - 8;
		break;
	case SHAPE_BYTES:
		message->bytes = payload;
		message->bytes_count = payload_bytes;
		break;
	case SHAPE_PORT:
		message->index = be16_read(payload);
		break;
	case SHAPE_EXTENDED:
		message->extended_id = payload[0];
		message->bytes = payload + 1;
		message->bytes_count = payload_bytes - 1;
		break;
	case SHAPE_FRAME:
		message->id = PEER_FRAME;
		message->extended_id = payload[0];
		message->index = be32_read(payload + 1);
		message->begin = be32_read(payload + 5);
		message->length = be32_read(payload + 9);
		message->frame_bytes = payload_bytes - FRAME_FIXED_BYTES;
		break;
	case SHAPE_UNKNOWN:
	case SHAPE_EMPTY:
		break;
	}
}

/* What a message may hold that is received straight into its place; 0: it is read whole. */
static uint32_t head_bytes(enum shape shape)
{
	return shape == SHAPE_PIECE   ? PEER_PIECE_HEAD_BYTES
	       : shape == SHAPE_FRAME ? PEER_FRAME_HEAD_BYTES
				      : 0;
}

static bool within_bounds(enum shape shape, uint32_t payload_bytes, uint32_t message_bytes_max,
	uint32_t block_bytes_max)
{
	if (head_bytes(shape) == 0)
		return payload_bytes < message_bytes_max;
	return payload_bytes - (head_bytes(shape) - PEER_MESSAGE_HEAD_BYTES) <= block_bytes_max;
}

/* A frame that is no smaller than its block would have been sent as a PIECE. */
static bool frame_makes_sense(const struct peer_message *message, uint32_t block_bytes_max)
{
	return message->frame_bytes < message->length && message->length <= block_bytes_max;
}

enum peer_parse peer_message_parse(struct peer_message *message, const uint8_t *bytes,
	size_t bytes_count, uint32_t message_bytes_max, uint32_t block_bytes_max,
	size_t *used_bytes, size_t *needed_bytes)
{
	*message = (struct peer_message){.id = PEER_KEEP_ALIVE};
	*used_bytes = 0;
	*needed_bytes = 4;
	if (bytes_count < 4)
		return PEER_PARSE_MORE;
	uint32_t length = be32_read(bytes);

	if (length == 0) {
		*used_bytes = 4;
		return PEER_PARSE_MESSAGE;
	}
	*needed_bytes = PEER_MESSAGE_HEAD_BYTES;
	if (bytes_count < PEER_MESSAGE_HEAD_BYTES)
		return PEER_PARSE_MORE;
	message->id = (enum peer_message_id)bytes[4];
	enum shape shape = shape_of(message->id);
	uint32_t payload_bytes = length - 1;

	if (shape == SHAPE_EXTENDED && payload_bytes > 0) {
		*needed_bytes = PEER_MESSAGE_HEAD_BYTES + 1;
		if (bytes_count < *needed_bytes)
			return PEER_PARSE_MORE;
		if (bytes[PEER_MESSAGE_HEAD_BYTES] == PEER_EXTENSION_FRAME)
			shape = SHAPE_FRAME;
	}
	if (!shape_allows(shape, payload_bytes))
		return PEER_PARSE_BAD;
	if (!within_bounds(shape, payload_bytes, message_bytes_max, block_bytes_max))
		return PEER_PARSE_BAD;
	*needed_bytes = head_bytes(shape) > 0 ? head_bytes(shape) : 4 + (size_t)length;
	if (bytes_count < *needed_bytes)
		return PEER_PARSE_MORE;
	*used_bytes = *needed_bytes;
	read_payload(message, shape, bytes + PEER_MESSAGE_HEAD_BYTES, payload_bytes);
	if (shape == SHAPE_FRAME && !frame_makes_sense(message, block_bytes_max))
		return PEER_PARSE_BAD;
	return shape == SHAPE_UNKNOWN ? PEER_PARSE_UNKNOWN : PEER_PARSE_MESSAGE;
}

/* The length of the payload on the wire. */
static uint64_t payload_bytes_of(const struct peer_message *message, enum shape shape)
{
	switch (shape) {
	case SHAPE_PIECE:
		return 8 + (uint64_t)message->length;
	case SHAPE_BYTES:
		return message->bytes_count;
	case SHAPE_EXTENDED:
		return 1 + (uint64_t)message->bytes_count;
	case SHAPE_FRAME:
		return FRAME_FIXED_BYTES + (uint64_t)message->frame_bytes;
	case SHAPE_UNKNOWN:
	case SHAPE_EMPTY:
	case SHAPE_INDEX:
	case SHAPE_BLOCK:
	case SHAPE_PORT:
		break;
	}
	return shape_bytes(shape);
}

static void write_payload(uint8_t *payload, const struct peer_message *message, enum shape shape)
{
	switch (shape) {
	case SHAPE_BLOCK:
		be32_write(payload + 8, message->length);
		be32_write(payload + 4, message->begin);
		be32_write(payload, message->index);
		break;
	case SHAPE_PIECE:
		be32_write(payload + 4, message->begin);
		be32_write(payload, message->index);
		break;
	case SHAPE_INDEX:
		be32_write(payload, message->index);
		break;
	case SHAPE_PORT:
		be16_write(payload, (uint16_t)message->index);
		break;
	case SHAPE_EXTENDED:
		payload[0] = message->extended_id;
		payload++;
		/* fall through */
	case SHAPE_BYTES:
		if (message->bytes_count > 0)
			memcpy(payload, message->bytes, message->bytes_count);
		break;
	case SHAPE_FRAME:
		payload[0] = message->extended_id;
		be32_write(payload + 1, message->index);
		be32_write(payload + 5, message->begin);
		be32_write(payload + 9, message->length);
		break;
	case SHAPE_UNKNOWN:
	case SHAPE_EMPTY:
		break;
	}
}

size_t peer_message_write(const struct peer_message *message, uint8_t *bytes, size_t capacity)
{
	if (message->id == PEER_KEEP_ALIVE) {
		if (capacity < 4)
			return 0;
		be32_write(bytes, 0);
		return 4;
	}
	enum shape shape = shape_of(message->id);
	uint64_t payload_bytes = payload_bytes_of(message, shape);
	uint64_t whole =
		head_bytes(shape) > 0 ? head_bytes(shape) : PEER_MESSAGE_HEAD_BYTES + payload_bytes;

	if (shape == SHAPE_UNKNOWN || payload_bytes >= UINT32_MAX || whole > capacity)
		return 0;
	be32_write(bytes, (uint32_t)payload_bytes + 1);
	bytes[4] = (uint8_t)(shape == SHAPE_FRAME ? PEER_EXTENDED : message->id);
	write_payload(bytes + PEER_MESSAGE_HEAD_BYTES, message, shape);
	return (size_t)whole;
}
