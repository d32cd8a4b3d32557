/* SPDX-License-Identifier: Apache-2.0 */
/* The scripts of the bad peers. */
#include "sim/peers_words.h"

#include <stdlib.h>

#include "sim/tracker.h"
#include "wire/peer_leaves.h"

#define RECONNECT_NS (2 * NS_PER_S)

const char *sim_bad_peer_name(enum sim_bad_peer kind)
{
	static const char *const names[] = {"liar", "staller", "half-block", "empty-handed",
		"vanisher", "garbage", "greedy", "silent", "frame-liar", "leaves-liar", "namesake",
		"gossip", "idler", "miser", "hoarder", "claimer"};

	return names[kind];
}

static void speak_round(struct sim_world *world, void *context, uint64_t life)
{
	struct sim_node *node = context;

	if (node->life != life)
		return;
	for (uint32_t i = 0; i < node->slots_count; i++) {
		if (node->slots[i].connection != NULL)
			sim_bad_speak(node, i);
	}
	sim_schedule(world, world->now_ns + sim_bad_speaks_every_ns(node), speak_round, node, life);
}

/* ---- connections ---- */

static uint32_t free_slot(struct sim_node *node)
{
	for (uint32_t i = 0; i < node->slots_count; i++)
		if (node->slots[i].connection == NULL && !node->slots[i].connecting)
			return i;
	return SWARM_PEER_NONE;
}

static bool has_connection_to(const struct sim_node *node, const struct sim_node *other)
{
	for (uint32_t i = 0; i < node->slots_count; i++) {
		const struct sim_slot *slot = &node->slots[i];

		if (slot->connection != NULL && slot->connection->ends[1 - slot->end].node == other)
			return true;
	}
	return false;
}

static void connect_round(struct sim_world *world, void *context, uint64_t life)
{
	struct sim_node *node = context;

	if (node->life != life)
		return;
	for (uint32_t i = 0; i < world->nodes_count; i++) {
		struct sim_node *other = world->nodes[i];
		uint32_t slot = free_slot(node);

		if (other == node || other->script != NULL || !other->listening ||
			slot == SWARM_PEER_NONE || has_connection_to(node, other))
			continue;
		node->slots[slot].connecting = true;
		node->slots[slot].generation++;
		sim_connect(node, slot, node->slots[slot].generation, &other->address);
	}
	sim_schedule(world, world->now_ns + RECONNECT_NS, connect_round, node, life);
}

static void start(struct sim_world *world, void *context, uint64_t unused)
{
	struct sim_node *node = context;

	(void)unused;
	sim_node_boot(node);
	sim_tracker_register(node);
	connect_round(world, node, node->life);
	if (sim_bad_speaks_every_ns(node) > 0)
		speak_round(world, node, node->life);
}

static void greet(struct sim_node *node, uint32_t slot)
{
	struct sim_message *message;

	if (sim_bad_script(node)->kind == SIM_PEER_SILENT)
		return;
	message = sim_message_create(SIM_HANDSHAKE, 0, 0);
	message->wire_bytes = PEER_HANDSHAKE_BYTES;
	/* Fast extension, but no extension protocol: like many an old client. */
	message->handshake->reserved[7] = 0x04;
	if (sim_bad_speaks_extensions(node))
		message->handshake->reserved[5] = 0x10;
	memset(message->handshake->infohash, 'i', sizeof(message->handshake->infohash));
	enum sim_bad_peer kind = sim_bad_script(node)->kind;

	snprintf((char *)message->handshake->peer_id, PEER_ID_BYTES, "-XX0001-%011u", node->number);
	if (kind == SIM_PEER_NAMESAKE)
		sim_peer_id_write(message->handshake->peer_id, node->world->nodes[0]);
	sim_send(node->slots[slot].connection, node->slots[slot].end, message);
	bool empty = kind == SIM_PEER_GREEDY || kind == SIM_PEER_IDLER ||
		     kind == SIM_PEER_CLAIMER || kind == SIM_PEER_NAMESAKE ||
		     kind == SIM_PEER_GOSSIP;

	if (kind == SIM_PEER_HOARDER)
		sim_bad_say_nearly_all(node, slot);
	else
		sim_bad_say_id(node, slot, empty ? PEER_HAVE_NONE : PEER_HAVE_ALL);
	if (sim_bad_speaks_extensions(node))
		sim_bad_say_extended(node, slot);
	if (kind == SIM_PEER_IDLER)
		sim_bad_say_id(node, slot, PEER_INTERESTED);
	if (!sim_bad_is_member(node))
		sim_bad_say_id(node, slot, PEER_UNCHOKE);
}

static void bad_connected(struct sim_node *node, uint32_t slot, uint32_t generation)
{
	(void)generation;
	greet(node, slot);
}

static void bad_connect_failed(struct sim_node *node, uint32_t slot, uint32_t generation)
{
	(void)generation;
	node->slots[slot].connecting = false;
}

static bool bad_accepted(struct sim_node *node, struct sim_connection *connection,
	const struct peer_address *address)
{
	uint32_t slot = free_slot(node);

	(void)address;
	if (slot == SWARM_PEER_NONE)
		return false;
	connection->ends[1].slot = slot;
	connection->ends[1].generation = ++node->slots[slot].generation;
	sim_node_bind(node, slot, connection, 1);
	greet(node, slot);
	return true;
}

static void bad_disconnected(struct sim_node *node, uint32_t slot, uint32_t generation)
{
	(void)node;
	(void)slot;
	(void)generation;
}

static void bad_block_begins(
	struct sim_node *node, const struct sim_end *end, struct sim_message *message)
{
	(void)node;
	(void)end;
	message->place = SWARM_PLACE_DISCARD;
}

static void answer_request(struct sim_node *node, uint32_t slot, const struct peer_message *request)
{
	struct sim_connection *connection = node->slots[slot].connection;
	struct sim_stream *stream = &connection->streams[node->slots[slot].end];
	struct bad_peer *script = sim_bad_script(node);
	struct peer_message reject = *request;

	switch (script->kind) {
	case SIM_PEER_LIAR:
		sim_bad_send_data(
			node, slot, request, rng_below(&script->rng, script->lie_one_in) == 0);
		break;
	case SIM_PEER_FRAME_LIAR:
		sim_bad_send_frame(node, slot, request);
		break;
	case SIM_PEER_LEAVES_LIAR:
		sim_bad_send_data(node, slot, request, false);
		break;
	case SIM_PEER_HALF_BLOCK:
		if (stream->stall_offset == UINT64_MAX)
			stream->stall_offset = stream->sent_offset + request->length / 2;
		sim_bad_send_data(node, slot, request, false);
		break;
	case SIM_PEER_EMPTY_HANDED:
		reject.id = PEER_REJECT;
		sim_bad_say(node, slot, &reject);
		break;
	case SIM_PEER_VANISHER:
		sim_close(connection, node->slots[slot].end);
		break;
	case SIM_PEER_GARBAGE:
		if (rng_below(&script->rng, 2) == 0)
			sim_bad_send_data(node, slot, request, true);
		break;
	default:
		break;
	}
}

/* A leaf layer of the right size, and nothing else right about it. */
static void answer_extended(
	struct sim_node *node, uint32_t slot, const struct peer_message *message)
{
	struct peer_leaves asked;

	if (sim_bad_script(node)->kind != SIM_PEER_LEAVES_LIAR ||
		message->extended_id != PEER_EXTENSION_LEAVES ||
		!peer_leaves_parse(&asked, message->bytes, message->bytes_count) ||
		asked.kind != PEER_LEAVES_ASK)
		return;
	uint32_t piece_bytes = sim_piece_bytes(&node->world->image, asked.piece);
	size_t bytes_count = peer_leaves_layer_bytes(piece_bytes);
	uint8_t *bytes = sim_allocate(bytes_count, 1);
	struct peer_message words = {.id = PEER_EXTENDED,
		.extended_id = PEER_EXTENSION_LEAVES,
		.bytes = bytes,
		.bytes_count = bytes_count};

	for (size_t i = 0; i < bytes_count; i++)
		bytes[i] = (uint8_t)rng_next(&sim_bad_script(node)->rng);
	peer_leaves_write_head(bytes, PEER_LEAVES_LAYER, asked.piece);
	sim_bad_say(node, slot, &words);
	free(bytes);
}

static void bad_received(
	struct sim_node *node, const struct sim_end *end, struct sim_message *message)
{
	if (message->kind == SIM_CONTROL && message->message.id == PEER_REQUEST)
		answer_request(node, end->slot, &message->message);
	if (message->kind == SIM_CONTROL && message->message.id == PEER_EXTENDED)
		answer_extended(node, end->slot, &message->message);
	if (message->kind == SIM_BLOCK)
		node->payload_received_bytes += message->message.length;
}

static void bad_block_sent(
	struct sim_node *node, const struct sim_end *end, struct sim_message *message)
{
	(void)end;
	node->payload_sent_bytes += message->message.length;
}

static const struct sim_actor bad_actor = {
	.connected = bad_connected,
	.connect_failed = bad_connect_failed,
	.accepted = bad_accepted,
	.disconnected = bad_disconnected,
	.block_begins = bad_block_begins,
	.received = bad_received,
	.block_sent = bad_block_sent,
};

struct sim_node *sim_bad_peer_add(struct sim_world *world, enum sim_bad_peer kind,
	const struct sim_node_traits *traits, uint32_t lie_one_in)
{
	struct sim_node *node =
		sim_node_add_actor(world, sim_bad_peer_name(kind), traits, &bad_actor);
	struct bad_peer *script = sim_allocate(1, sizeof(*script));

	*script = (struct bad_peer){.kind = kind, .lie_one_in = lie_one_in};
	rng_seed(&script->rng, rng_next(&world->rng));
	node->script = script;
	node->traits.expect = SIM_EXPECT_NOTHING;
	sim_schedule(world, 0, start, node, 0);
	return node;
}
