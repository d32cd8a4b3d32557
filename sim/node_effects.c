/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The effects of a simulated node's engine: messages, digests, operations of the disk. Every effect
 * passes the checkers before it is applied.
 */
#include "sim/invariants.h"
#include "sim/node.h"
#include "sim/tracker.h"

#define CONTROL_BYTES_MAX (80 * KIB)

/* ---- what the engine wants sent ---- */

/* What production would put on the wire must be what production would read from it. */
static size_t check_wire(struct sim_node *node, const struct peer_message *message)
{
	static const char *const checker = "wire";
	uint8_t bytes[CONTROL_BYTES_MAX];
	struct peer_message parsed;
	size_t used = 0;
	size_t needed = 0;
	size_t count = peer_message_write(message, bytes, sizeof(bytes));

	if (count == 0)
		sim_violation(node->world, checker, "%s: message %u of %zu bytes is too long",
			node->name, message->id, message->bytes_count);
	else if (peer_message_parse(&parsed, bytes, count, sizeof(bytes), PEER_REQUEST_BYTES_MAX,
			 &used, &needed) != PEER_PARSE_MESSAGE ||
		 used != count || parsed.id != message->id)
		sim_violation(node->world, checker, "%s: message %u is not what a parser takes",
			node->name, message->id);
	return count;
}

static void send_control(
	struct sim_node *node, struct sim_slot *slot, const struct swarm_effect *effect)
{
	const struct peer_message *from = &effect->message;
	uint64_t wire_bytes = check_wire(node, from);

	sim_check_have(node, from);
	if (node->world->express && from->bytes_count <= SIM_PARCEL_BYTES) {
		sim_express_send(slot->connection, slot->end, from, wire_bytes);
		return;
	}
	struct sim_message *message = sim_message_create(SIM_CONTROL, from->bytes_count, 0);

	message->wire_bytes = wire_bytes;
	message->message = *from;
	if (from->bytes_count > 0)
		memcpy(message->payload, from->bytes, from->bytes_count);
	message->message.bytes = message->payload;
	sim_send(slot->connection, slot->end, message);
}

static void send_handshake(struct sim_node *node, struct sim_slot *slot)
{
	struct sim_message *message = sim_message_create(SIM_HANDSHAKE, 0, 0);

	message->wire_bytes = PEER_HANDSHAKE_BYTES;
	peer_reserved_set_ours(message->handshake->reserved);
	memset(message->handshake->infohash, 'i', sizeof(message->handshake->infohash));
	sim_peer_id_write(message->handshake->peer_id, node);
	sim_send(slot->connection, slot->end, message);
}

uint64_t sim_node_burn(struct sim_node *node, uint64_t bytes, uint64_t bytes_per_s)
{
	node->hash_free_ns =
		u64_max(node->hash_free_ns, node->world->now_ns) + bytes * NS_PER_S / bytes_per_s;
	return node->hash_free_ns;
}

/* The origin has its frames ready, and a node those of pieces that it still holds in a buffer; what
 * it reads from its disk it compresses anew. */
static uint64_t frame_ready_ns(struct sim_node *node, const struct peer_message *block)
{
	if (block->id != PEER_FRAME || node->traits.origin || node->traits.encode_bytes_per_s == 0)
		return 0;
	return sim_node_burn(node, block->length, node->traits.encode_bytes_per_s);
}

/* As a frame, to a peer that takes them and where that makes it smaller. */
static void choose_form(const struct sim_node *node, struct sim_message *message)
{
	struct peer_message *block = &message->message;
	uint32_t ratio = node->world->image.frame_ratio;

	message->wire_bytes = (uint64_t)PEER_PIECE_HEAD_BYTES + block->length;
	if (block->extended_id == 0 || ratio < 2 || block->length < ratio)
		return;
	block->id = PEER_FRAME;
	block->frame_bytes = block->length / ratio;
	message->wire_bytes = (uint64_t)PEER_FRAME_HEAD_BYTES + block->frame_bytes;
}

static void read_done(struct sim_world *world, void *context, uint64_t unused)
{
	struct sim_answer *read = context;
	struct sim_node *node = read->node;
	struct sim_slot *slot = &node->slots[read->input.peer];
	struct sim_message *message = NULL;
	uint32_t first = (uint32_t)(read->message.begin / node->world->image.granule_bytes);
	uint32_t granule = read->message.index * world->image.granules_per_piece + first;

	(void)unused;
	if (read->life == node->life && slot->connection != NULL &&
		slot->generation == read->input.generation)
		message = sim_find_numbered(slot->connection, slot->end, read->block_number);
	/* NULL: disconnected or cancelled meanwhile. */
	if (message != NULL && read->input.ok) {
		for (uint32_t i = 0; i < message->marks_count; i++)
			message->marks[i] = sim_disk_read_granule(&node->disk, granule + i);
		sim_check_marks(node, "sends", read->message.index, first, message->marks,
			message->marks_count);
		message->ready = true;
		sim_poke(slot->connection, slot->end);
	} else if (message != NULL) {
		sim_unqueue(slot->connection, slot->end, message);
		sim_node_answer_sent(node, &slot->connection->ends[slot->end],
			SWARM_IN_BLOCK_UNREADABLE, false, message);
		sim_message_destroy(message);
	}
	sim_node_answer_drop(read);
}

static void read_block(struct sim_node *node, const struct swarm_effect *effect,
	const struct peer_message *block, uint64_t number)
{
	struct sim_answer *read = sim_node_answer(node, SWARM_IN_BLOCK_UNREADABLE);
	uint64_t due_ns;

	sim_disk_read(&node->disk,
		(uint64_t)block->index * node->world->image.piece_bytes + block->begin,
		block->length, &due_ns, &read->input.ok);
	read->input.peer = effect->peer;
	read->input.generation = node->slots[effect->peer].generation;
	read->message = *block;
	read->block_number = number;
	due_ns = u64_max(due_ns, frame_ready_ns(node, block));
	sim_schedule(node->world, due_ns, read_done, read, 0);
}

static void send_block(
	struct sim_node *node, struct sim_slot *slot, const struct swarm_effect *effect)
{
	const struct sim_image *image = &node->world->image;
	const struct peer_message *block = &effect->message;
	uint32_t first = (uint32_t)(block->begin / node->world->image.granule_bytes);
	uint32_t marks = (uint32_t)u64_div_up(block->length, node->world->image.granule_bytes);
	struct sim_message *message;

	if (block->index >= image->pieces_count || block->length == 0 ||
		(uint64_t)block->begin + block->length > sim_piece_bytes(image, block->index)) {
		sim_violation(node->world, "serving", "%s sends %u+%u of piece %u", node->name,
			block->begin, block->length, block->index);
		return;
	}
	if (first + marks > image->granules_per_piece)
		marks = image->granules_per_piece - first;
	message = sim_message_create(SIM_BLOCK, 0, marks);
	message->message = *block;
	message->buffer = effect->buffer;
	choose_form(node, message);
	if (++slot->serving_count > node->traits.limits.incoming_requests_max)
		sim_violation(node->world, "serving", "%s has %u blocks queued for one peer",
			node->name, slot->serving_count);
	if (effect->buffer != SWARM_BUFFER_NONE) {
		struct sim_buffer *buffer = &node->buffers[effect->buffer];

		memcpy(message->marks, buffer->marks + first, marks * sizeof(*message->marks));
		sim_check_marks(node, "sends", block->index, first, message->marks, marks);
		buffer->sending_count++;
		slot->sending[effect->buffer]++;
	} else {
		message->ready = false;
		message->number = ++node->blocks_read_count;
		read_block(node, effect, &message->message, message->number);
	}
	sim_send(slot->connection, slot->end, message);
}

static void cancel_send(
	struct sim_node *node, struct sim_slot *slot, const struct swarm_effect *effect)
{
	struct sim_message *message =
		sim_find_queued(slot->connection, slot->end, &effect->message);

	/* Not found: some of it has left, and the answer comes when the rest has. */
	if (message == NULL)
		return;
	sim_unqueue(slot->connection, slot->end, message);
	sim_node_answer_sent(
		node, &slot->connection->ends[slot->end], SWARM_IN_BLOCK_SENT, false, message);
	sim_message_destroy(message);
}

/* ---- digests and disk ---- */

static void hash(struct sim_node *node, const struct swarm_effect *effect)
{
	const struct sim_image *image = &node->world->image;
	uint32_t piece = effect->piece;

	if (!sim_check_hash(node, effect->buffer, piece))
		return;
	struct sim_buffer *buffer = &node->buffers[effect->buffer];
	struct sim_answer *answer = sim_node_answer(node, SWARM_IN_HASHED);

	answer->input.piece = piece;
	answer->input.buffer = effect->buffer;
	answer->input.ok =
		memcmp(buffer->marks, image->marks + (size_t)piece * image->granules_per_piece,
			sim_piece_granules(image, piece) * sizeof(*buffer->marks)) == 0;
	buffer->hashing = true;
	sim_node_answer_at(answer,
		sim_node_burn(node, sim_piece_bytes(image, piece), node->traits.hash_bytes_per_s));
}

static void write_piece(struct sim_node *node, const struct swarm_effect *effect, bool zeros)
{
	uint64_t due_ns;

	sim_check_first_write(node, effect->piece);
	if (!zeros && !sim_check_write(node, effect->buffer, effect->piece))
		return;
	struct sim_answer *answer = sim_node_answer(node, SWARM_IN_WRITTEN);

	answer->input.piece = effect->piece;
	answer->input.buffer = zeros ? SWARM_BUFFER_NONE : effect->buffer;
	if (!zeros)
		node->buffers[effect->buffer].writing_count++;
	answer->write = sim_disk_write(&node->disk, effect->piece,
		zeros ? NULL : node->buffers[effect->buffer].marks, &due_ns, &answer->input.ok);
	sim_node_answer_at(answer, due_ns);
}

static void flush(struct sim_node *node, const struct swarm_effect *effect)
{
	struct sim_answer *answer = sim_node_answer(node, SWARM_IN_FLUSHED);
	uint64_t due_ns;

	answer->input.flush_id = effect->flush_id;
	sim_disk_flush(&node->disk, &answer->flush_through, &due_ns, &answer->input.ok);
	sim_node_answer_at(answer, due_ns);
}

/* ---- all effects ---- */

static void apply_to_peer(struct sim_node *node, const struct swarm_effect *effect)
{
	struct sim_slot *slot = &node->slots[effect->peer];

	if (effect->kind == SWARM_EFFECT_CONNECT) {
		if (slot->connection != NULL || slot->connecting)
			sim_violation(node->world, "peers", "%s: connects as peer %u, in use",
				node->name, effect->peer);
		slot->connecting = true;
		slot->generation = effect->generation;
		sim_connect(node, effect->peer, effect->generation, &effect->address);
		return;
	}
	if (effect->kind == SWARM_EFFECT_DISCONNECT && slot->connection == NULL) {
		slot->connecting = false;
		return;
	}
	if (slot->connection == NULL) {
		sim_violation(node->world, "peers", "%s: effect %u for peer %u, not connected",
			node->name, effect->kind, effect->peer);
		return;
	}
	switch (effect->kind) {
	case SWARM_EFFECT_DISCONNECT:
		sim_trace(node->world, "%s disconnects %s: %s", node->name,
			slot->connection->ends[1 - slot->end].node->name,
			effect->reason != NULL ? effect->reason : "no reason");
		sim_close(slot->connection, slot->end);
		break;
	case SWARM_EFFECT_SEND_HANDSHAKE:
		send_handshake(node, slot);
		break;
	case SWARM_EFFECT_SEND:
		send_control(node, slot, effect);
		break;
	case SWARM_EFFECT_SEND_BLOCK:
		send_block(node, slot, effect);
		break;
	case SWARM_EFFECT_CANCEL_SEND:
		cancel_send(node, slot, effect);
		break;
	default:
		break;
	}
}

void sim_node_apply(struct sim_node *node, const struct swarm_effect *effect)
{
	switch (effect->kind) {
	case SWARM_EFFECT_CONNECT:
	case SWARM_EFFECT_DISCONNECT:
	case SWARM_EFFECT_SEND_HANDSHAKE:
	case SWARM_EFFECT_SEND:
	case SWARM_EFFECT_SEND_BLOCK:
	case SWARM_EFFECT_CANCEL_SEND:
		if (effect->peer >= node->slots_count)
			sim_violation(node->world, "peers", "%s: peer %u does not exist",
				node->name, effect->peer);
		else
			apply_to_peer(node, effect);
		break;
	case SWARM_EFFECT_HASH:
		hash(node, effect);
		break;
	case SWARM_EFFECT_WRITE:
		write_piece(node, effect, false);
		break;
	case SWARM_EFFECT_WRITE_ZEROES:
		write_piece(node, effect, true);
		break;
	case SWARM_EFFECT_FLUSH:
		flush(node, effect);
		break;
	case SWARM_EFFECT_READ:
		sim_node_read_twin(node, effect);
		break;
	case SWARM_EFFECT_LEAVES:
		sim_node_make_leaves(node, effect);
		break;
	case SWARM_EFFECT_COMPARE:
		sim_node_compare(node, effect);
		break;
	case SWARM_EFFECT_ANNOUNCE:
		sim_tracker_announce(node, effect);
		break;
	case SWARM_EFFECT_PIECE_DURABLE:
		sim_check_durable(node, effect->piece);
		break;
	case SWARM_EFFECT_COMPLETE:
		sim_check_complete(node);
		if (!node->traits.origin)
			sim_node_completed(node);
		break;
	case SWARM_EFFECT_DISK_FAILED:
		sim_trace(node->world, "%s reports that its disk fails", node->name);
		node->state = SIM_FAILED;
		node->world->settled_changed = true;
		break;
	case SWARM_EFFECT_PEER_BANNED:
		sim_trace(node->world, "%s bans a peer: %s", node->name,
			effect->reason != NULL ? effect->reason : "no reason");
		node->bans_count++;
		break;
	}
}
