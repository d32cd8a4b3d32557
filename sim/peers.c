/* SPDX-License-Identifier: Apache-2.0 */
/* The scripts of the bad peers. */
#include "sim/peers.h"

#include <stdlib.h>

#include "sim/tracker.h"
#include "wire/peer_leaves.h"

#define SAY_EVERY_NS	(50 * NS_PER_MS) /* garbage and greed */
#define RECONNECT_NS	(2 * NS_PER_S)
#define GREEDY_REQUESTS 64
#define GARBAGE_BYTES	200

struct bad_peer {
	enum sim_bad_peer kind;
	uint32_t lie_one_in;
	struct rng rng;
};

const char *sim_bad_peer_name(enum sim_bad_peer kind)
{
	static const char *const names[] = {"liar", "staller", "half-block", "empty-handed",
		"vanisher", "garbage", "greedy", "silent", "frame-liar", "leaves-liar"};

	return names[kind];
}

static struct bad_peer *script_of(struct sim_node *node)
{
	return node->script;
}

static void say(struct sim_node *node, uint32_t slot, const struct peer_message *words)
{
	struct sim_message *message = sim_message_create(SIM_CONTROL, words->bytes_count, 0);

	message->message = *words;
	if (words->bytes_count > 0)
		memcpy(message->payload, words->bytes, words->bytes_count);
	message->message.bytes = message->payload;
	message->wire_bytes = PEER_PIECE_HEAD_BYTES + words->bytes_count;
	sim_send(node->slots[slot].connection, node->slots[slot].end, message);
}

static void say_id(struct sim_node *node, uint32_t slot, enum peer_message_id id)
{
	struct peer_message words = {.id = id};

	say(node, slot, &words);
}

static struct sim_message *make_data(
	struct sim_node *node, const struct peer_message *request, bool wrong)
{
	const struct sim_image *image = &node->world->image;
	uint32_t first = (uint32_t)(request->begin / image->granule_bytes);
	uint32_t marks = (uint32_t)u64_min(u64_div_up(request->length, image->granule_bytes),
		image->granules_per_piece - u64_min(first, image->granules_per_piece));
	struct sim_message *message = sim_message_create(SIM_BLOCK, 0, marks);

	message->message = *request;
	message->message.id = PEER_PIECE;
	message->wire_bytes = (uint64_t)PEER_PIECE_HEAD_BYTES + request->length;
	for (uint32_t i = 0; i < marks; i++)
		message->marks[i] =
			image->marks[request->index * image->granules_per_piece + first + i];
	if (wrong && marks > 0)
		message->marks[rng_below(&script_of(node)->rng, marks)] =
			sim_wrong_mark(node->world);
	return message;
}

static void send_data(
	struct sim_node *node, uint32_t slot, const struct peer_message *request, bool wrong)
{
	sim_send(node->slots[slot].connection, node->slots[slot].end,
		make_data(node, request, wrong));
}

/* A lie is in what the frame holds or in the frame itself. */
static void send_frame(struct sim_node *node, uint32_t slot, const struct peer_message *request)
{
	struct bad_peer *script = script_of(node);
	bool lie = rng_below(&script->rng, script->lie_one_in) == 0;
	bool undecodable = lie && rng_below(&script->rng, 2) == 0;
	struct sim_message *message = make_data(node, request, lie && !undecodable);

	message->message.id = PEER_FRAME;
	message->message.frame_bytes = request->length / 2;
	message->wire_bytes = (uint64_t)PEER_FRAME_HEAD_BYTES + message->message.frame_bytes;
	message->bad_frame = undecodable;
	sim_send(node->slots[slot].connection, node->slots[slot].end, message);
}

/* ---- garbage and greed: unasked words, again and again ---- */

static uint32_t odd_number(struct rng *rng, uint32_t sensible_max)
{
	switch (rng_below(rng, 4)) {
	case 0:
		return UINT32_MAX - (uint32_t)rng_below(rng, 3);
	case 1:
		return (uint32_t)rng_next(rng);
	default:
		return (uint32_t)rng_below(rng, (uint64_t)sensible_max + 2);
	}
}

static void say_garbage(struct sim_node *node, uint32_t slot)
{
	static const enum peer_message_id ids[] = {PEER_CHOKE, PEER_UNCHOKE, PEER_INTERESTED,
		PEER_NOT_INTERESTED, PEER_HAVE, PEER_BITFIELD, PEER_REQUEST, PEER_CANCEL, PEER_PORT,
		PEER_SUGGEST, PEER_HAVE_ALL, PEER_HAVE_NONE, PEER_REJECT, PEER_ALLOWED_FAST,
		PEER_EXTENDED, PEER_KEEP_ALIVE, PEER_PIECE};
	struct rng *rng = &script_of(node)->rng;
	const struct sim_image *image = &node->world->image;
	uint8_t bytes[GARBAGE_BYTES];
	struct peer_message words = {
		.id = ids[rng_below(rng, ARRAY_COUNT(ids))],
		.index = odd_number(rng, image->pieces_count),
		.begin = odd_number(rng, image->piece_bytes),
		.length = odd_number(rng, (uint32_t)PEER_BLOCK_BYTES),
		.extended_id = (uint8_t)rng_below(rng, 4),
	};

	if (words.id == PEER_PIECE) {
		/* The frame's length is bounded by the receiver's parser, its sense is not. */
		words.length = (uint32_t)rng_below(rng, PEER_REQUEST_BYTES_MAX) + 1;
		words.index = (uint32_t)rng_below(rng, image->pieces_count);
		send_data(node, slot, &words, true);
		return;
	}
	if (words.id == PEER_BITFIELD || words.id == PEER_EXTENDED) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)rng_next(rng);
		words.bytes = bytes;
		words.bytes_count = (size_t)rng_below(rng, sizeof(bytes));
		if (words.id == PEER_BITFIELD && rng_below(rng, 2) == 0)
			words.bytes_count =
				u64_min(sizeof(bytes), u64_div_up(image->pieces_count, 8));
	}
	say(node, slot, &words);
}

static void say_greedy(struct sim_node *node, uint32_t slot)
{
	const struct sim_image *image = &node->world->image;
	struct rng *rng = &script_of(node)->rng;

	say_id(node, slot, PEER_INTERESTED);
	for (uint32_t i = 0; i < GREEDY_REQUESTS; i++) {
		struct peer_message request = {.id = PEER_REQUEST,
			.index = (uint32_t)rng_below(rng, image->pieces_count),
			.begin = (uint32_t)(rng_below(rng, image->granules_per_piece) *
					    image->granule_bytes),
			.length = (uint32_t)image->granule_bytes};

		say(node, slot, &request);
	}
}

static void speak_round(struct sim_world *world, void *context, uint64_t life)
{
	struct sim_node *node = context;

	if (node->life != life)
		return;
	for (uint32_t i = 0; i < node->slots_count; i++) {
		if (node->slots[i].connection == NULL)
			continue;
		if (script_of(node)->kind == SIM_PEER_GARBAGE)
			say_garbage(node, i);
		else
			say_greedy(node, i);
	}
	sim_schedule(world, world->now_ns + SAY_EVERY_NS, speak_round, node, life);
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
	if (script_of(node)->kind == SIM_PEER_GARBAGE || script_of(node)->kind == SIM_PEER_GREEDY)
		speak_round(world, node, node->life);
}

static bool speaks_extensions(struct sim_node *node)
{
	return script_of(node)->kind == SIM_PEER_FRAME_LIAR ||
	       script_of(node)->kind == SIM_PEER_LEAVES_LIAR;
}

/* One of ours, as it says. */
static void say_extended(struct sim_node *node, uint32_t slot)
{
	struct peer_extended_handshake handshake = {
		.request_bytes_max = (uint32_t)PEER_REQUEST_BYTES_MAX,
		.id_frame = script_of(node)->kind == SIM_PEER_FRAME_LIAR ? PEER_EXTENSION_FRAME : 0,
		.id_leaves =
			script_of(node)->kind == SIM_PEER_LEAVES_LIAR ? PEER_EXTENSION_LEAVES : 0};
	uint8_t bytes[GARBAGE_BYTES];
	struct peer_message words = {.id = PEER_EXTENDED,
		.bytes = bytes,
		.bytes_count = peer_extended_handshake_write(&handshake, bytes, sizeof(bytes))};

	say(node, slot, &words);
}

static void greet(struct sim_node *node, uint32_t slot)
{
	struct sim_message *message;

	if (script_of(node)->kind == SIM_PEER_SILENT)
		return;
	message = sim_message_create(SIM_HANDSHAKE, 0, 0);
	message->wire_bytes = PEER_HANDSHAKE_BYTES;
	/* Fast extension, but no extension protocol: like many an old client. */
	message->handshake->reserved[7] = 0x04;
	if (speaks_extensions(node))
		message->handshake->reserved[5] = 0x10;
	memset(message->handshake->infohash, 'i', sizeof(message->handshake->infohash));
	snprintf((char *)message->handshake->peer_id, PEER_ID_BYTES, "-XX0001-%011u", node->number);
	sim_send(node->slots[slot].connection, node->slots[slot].end, message);
	say_id(node, slot,
		script_of(node)->kind == SIM_PEER_GREEDY ? PEER_HAVE_NONE : PEER_HAVE_ALL);
	if (speaks_extensions(node))
		say_extended(node, slot);
	say_id(node, slot, PEER_UNCHOKE);
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
	struct bad_peer *script = script_of(node);
	struct peer_message reject = *request;

	switch (script->kind) {
	case SIM_PEER_LIAR:
		send_data(node, slot, request, rng_below(&script->rng, script->lie_one_in) == 0);
		break;
	case SIM_PEER_FRAME_LIAR:
		send_frame(node, slot, request);
		break;
	case SIM_PEER_LEAVES_LIAR:
		send_data(node, slot, request, false);
		break;
	case SIM_PEER_HALF_BLOCK:
		if (stream->stall_offset == UINT64_MAX)
			stream->stall_offset = stream->sent_offset + request->length / 2;
		send_data(node, slot, request, false);
		break;
	case SIM_PEER_EMPTY_HANDED:
		reject.id = PEER_REJECT;
		say(node, slot, &reject);
		break;
	case SIM_PEER_VANISHER:
		sim_close(connection, node->slots[slot].end);
		break;
	case SIM_PEER_GARBAGE:
		if (rng_below(&script->rng, 2) == 0)
			send_data(node, slot, request, true);
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

	if (script_of(node)->kind != SIM_PEER_LEAVES_LIAR ||
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
		bytes[i] = (uint8_t)rng_next(&script_of(node)->rng);
	peer_leaves_write_head(bytes, PEER_LEAVES_LAYER, asked.piece);
	say(node, slot, &words);
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
