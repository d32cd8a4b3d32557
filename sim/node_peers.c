/* SPDX-License-Identifier: Apache-2.0 */
/* What happens on the connections of a simulated node becomes inputs of its engine. */
#include "sim/invariants.h"
#include "sim/node.h"

/* ---- connections ---- */

bool sim_node_expects(const struct sim_node *node, uint32_t slot, uint32_t generation)
{
	return slot < node->slots_count && node->slots[slot].connecting &&
	       node->slots[slot].generation == generation;
}

void sim_node_bind(
	struct sim_node *node, uint32_t slot, struct sim_connection *connection, uint32_t end)
{
	struct sim_slot *at = &node->slots[slot];

	at->connection = connection;
	at->end = end;
	at->connecting = false;
	at->generation = connection->ends[end].generation;
	at->receiving_buffer = SWARM_BUFFER_NONE;
	at->serving_count = 0;
}

void sim_node_unbind(struct sim_node *node, uint32_t slot, struct sim_connection *connection)
{
	struct sim_slot *at = &node->slots[slot];

	if (connection == NULL || at->connection != connection)
		return;
	at->connection = NULL;
	if (node->buffers == NULL)
		return;
	if (at->receiving_buffer != SWARM_BUFFER_NONE)
		node->buffers[at->receiving_buffer].receiving_count--;
	at->receiving_buffer = SWARM_BUFFER_NONE;
	for (uint32_t i = 0; i < node->traits.limits.buffers_count; i++) {
		node->buffers[i].sending_count -= at->sending[i];
		at->sending[i] = 0;
	}
}

static void input_peer(
	struct sim_node *node, enum swarm_input_kind kind, uint32_t slot, uint32_t generation)
{
	struct swarm_input input = {.kind = kind, .peer = slot, .generation = generation};

	sim_node_input(node, &input);
}

static void engine_connected(struct sim_node *node, uint32_t slot, uint32_t generation)
{
	input_peer(node, SWARM_IN_CONNECTED, slot, generation);
}

static void engine_connect_failed(struct sim_node *node, uint32_t slot, uint32_t generation)
{
	node->slots[slot].connecting = false;
	input_peer(node, SWARM_IN_CONNECT_FAILED, slot, generation);
}

static void engine_disconnected(struct sim_node *node, uint32_t slot, uint32_t generation)
{
	input_peer(node, SWARM_IN_DISCONNECTED, slot, generation);
}

static bool engine_accepted(struct sim_node *node, struct sim_connection *connection,
	const struct peer_address *address)
{
	uint32_t slot = SWARM_PEER_NONE;
	uint32_t generation = 0;
	struct swarm_input input = {.kind = SWARM_IN_ACCEPTED,
		.address = *address,
		.accepted_peer = &slot,
		.accepted_generation = &generation};

	/* The slot must be bound before the first effect speaks of it. */
	if (node->swarm == NULL)
		return false;
	swarm_handle(node->swarm, node->world->now_ns, &input);
	if (slot != SWARM_PEER_NONE) {
		if (slot >= node->slots_count || node->slots[slot].connection != NULL ||
			node->slots[slot].connecting) {
			sim_violation(node->world, "peers", "%s: accepted as peer %u, in use",
				node->name, slot);
			return false;
		}
		connection->ends[1].slot = slot;
		connection->ends[1].generation = generation;
		sim_node_bind(node, slot, connection, 1);
	}
	sim_node_input(node, NULL);
	return slot != SWARM_PEER_NONE;
}

/* ---- what arrives ---- */

static void engine_block_begins(
	struct sim_node *node, const struct sim_end *end, struct sim_message *message)
{
	struct sim_slot *slot = &node->slots[end->slot];
	struct swarm_placement placement;

	message->place = swarm_place_block(
		node->swarm, end->slot, end->generation, &message->message, &placement);
	if (message->place == SWARM_PLACE_VIOLATION) {
		uint32_t number = end->slot;
		uint32_t generation = end->generation;

		sim_close(slot->connection, slot->end);
		input_peer(node, SWARM_IN_DISCONNECTED, number, generation);
		return;
	}
	if (message->place != SWARM_PLACE_BUFFER)
		return;
	if (placement.offset_bytes != message->message.begin) {
		sim_violation(node->world, "buffers", "%s: block at %u placed at %u", node->name,
			message->message.begin, placement.offset_bytes);
		return;
	}
	if (!sim_check_place(node, placement.buffer, message->message.index))
		return;
	message->placement = placement;
	node->buffers[placement.buffer].piece = message->message.index;
	node->buffers[placement.buffer].receiving_count++;
	slot->receiving_buffer = placement.buffer;
}

static void engine_block_coming(
	struct sim_node *node, const struct sim_end *end, uint32_t bytes_count)
{
	struct swarm_input input = {.kind = SWARM_IN_BLOCK_COMING,
		.peer = end->slot,
		.generation = end->generation,
		.bytes_count = bytes_count};

	sim_node_input(node, &input);
}

static bool is_wanted(const struct swarm_placement *placement, uint64_t offset_bytes)
{
	return placement->wanted >> (offset_bytes / placement->block_bytes) & 1;
}

static void receive_block(
	struct sim_node *node, const struct sim_end *end, struct sim_message *message)
{
	struct sim_slot *slot = &node->slots[end->slot];
	struct swarm_input input = {.kind = SWARM_IN_BLOCK_DISCARDED,
		.peer = end->slot,
		.generation = end->generation,
		.message = &message->message};

	node->payload_received_bytes += message->message.length;
	if (message->message.id == PEER_FRAME && message->place == SWARM_PLACE_BUFFER)
		sim_node_burn(node, message->message.length, node->traits.decode_bytes_per_s);
	if (slot->connection->ends[1 - slot->end].node->traits.origin)
		node->payload_from_origin_bytes += message->message.length;
	if (message->place == SWARM_PLACE_BUFFER) {
		struct sim_buffer *buffer = &node->buffers[message->placement.buffer];
		uint32_t granule_bytes = node->world->image.granule_bytes;
		uint32_t first = message->message.begin / granule_bytes;

		for (uint32_t i = 0; i < message->marks_count &&
				     first + i < node->world->image.granules_per_piece;
			i++)
			if (is_wanted(&message->placement, (uint64_t)i * granule_bytes))
				buffer->marks[first + i] = message->marks[i];
		buffer->receiving_count--;
		slot->receiving_buffer = SWARM_BUFFER_NONE;
		input.kind = message->bad_frame ? SWARM_IN_BLOCK_BAD : SWARM_IN_BLOCK;
		input.buffer = message->placement.buffer;
	}
	sim_node_input(node, &input);
}

static void engine_received(
	struct sim_node *node, const struct sim_end *end, struct sim_message *message)
{
	struct swarm_input input = {.peer = end->slot, .generation = end->generation};

	switch (message->kind) {
	case SIM_BLOCK:
		receive_block(node, end, message);
		return;
	case SIM_HANDSHAKE:
		input.kind = SWARM_IN_HANDSHAKE;
		input.handshake = message->handshake;
		break;
	case SIM_CONTROL:
		input.kind = SWARM_IN_MESSAGE;
		input.message = &message->message;
		break;
	}
	sim_node_input(node, &input);
}

static void block_off_hands(
	struct sim_node *node, const struct sim_end *end, const struct sim_message *message)
{
	struct sim_slot *slot = &node->slots[end->slot];

	if (message->buffer != SWARM_BUFFER_NONE) {
		slot->sending[message->buffer]--;
		node->buffers[message->buffer].sending_count--;
	}
	slot->serving_count--;
}

void sim_node_answer_sent(struct sim_node *node, const struct sim_end *end,
	enum swarm_input_kind kind, bool ok, const struct sim_message *message)
{
	struct sim_answer *answer = sim_node_answer(node, kind);

	block_off_hands(node, end, message);
	answer->input.peer = end->slot;
	answer->input.generation = end->generation;
	answer->input.buffer = message->buffer;
	answer->input.ok = ok;
	answer->message = message->message;
	answer->input.message = &answer->message;
	sim_node_answer_at(answer, node->world->now_ns);
}

static void engine_block_sent(
	struct sim_node *node, const struct sim_end *end, struct sim_message *message)
{
	struct swarm_input input = {.kind = SWARM_IN_BLOCK_SENT,
		.peer = end->slot,
		.generation = end->generation,
		.buffer = message->buffer,
		.ok = true,
		.message = &message->message};

	node->payload_sent_bytes += message->message.length;
	block_off_hands(node, end, message);
	sim_node_input(node, &input);
}

const struct sim_actor sim_engine_actor = {
	.connected = engine_connected,
	.connect_failed = engine_connect_failed,
	.accepted = engine_accepted,
	.disconnected = engine_disconnected,
	.block_begins = engine_block_begins,
	.block_coming = engine_block_coming,
	.received = engine_received,
	.block_sent = engine_block_sent,
};
