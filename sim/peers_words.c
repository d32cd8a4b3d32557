/* SPDX-License-Identifier: Apache-2.0 */
/* What bad peers say and send, asked and unasked. */
#include "sim/peers_words.h"

#include <stdlib.h>

#include "wire/peer_pex.h"
#include "wire/peer_roster.h"

#define SAY_EVERY_NS	(50 * NS_PER_MS) /* garbage, greed and claims */
#define GREEDY_REQUESTS 64
#define GARBAGE_BYTES	200
#define CLAIMS		64
#define EXTENDED_BYTES	512
#define NOWHERE		99 /* first byte of addresses that no machine has */

struct bad_peer *sim_bad_script(const struct sim_node *node)
{
	return node->script;
}

void sim_bad_say(struct sim_node *node, uint32_t slot, const struct peer_message *words)
{
	struct sim_message *message = sim_message_create(SIM_CONTROL, words->bytes_count, 0);

	message->message = *words;
	if (words->bytes_count > 0)
		memcpy(message->payload, words->bytes, words->bytes_count);
	message->message.bytes = message->payload;
	message->wire_bytes = PEER_PIECE_HEAD_BYTES + words->bytes_count;
	sim_send(node->slots[slot].connection, node->slots[slot].end, message);
}

void sim_bad_say_id(struct sim_node *node, uint32_t slot, enum peer_message_id id)
{
	struct peer_message words = {.id = id};

	sim_bad_say(node, slot, &words);
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
		message->marks[rng_below(&sim_bad_script(node)->rng, marks)] =
			sim_wrong_mark(node->world);
	return message;
}

void sim_bad_send_data(
	struct sim_node *node, uint32_t slot, const struct peer_message *request, bool wrong)
{
	sim_send(node->slots[slot].connection, node->slots[slot].end,
		make_data(node, request, wrong));
}

/* A lie is in what the frame holds or in the frame itself. */
void sim_bad_send_frame(struct sim_node *node, uint32_t slot, const struct peer_message *request)
{
	struct bad_peer *script = sim_bad_script(node);
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
	struct rng *rng = &sim_bad_script(node)->rng;
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
		sim_bad_send_data(node, slot, &words, true);
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
	sim_bad_say(node, slot, &words);
}

static void say_greedy(struct sim_node *node, uint32_t slot)
{
	const struct sim_image *image = &node->world->image;
	struct rng *rng = &sim_bad_script(node)->rng;

	sim_bad_say_id(node, slot, PEER_INTERESTED);
	for (uint32_t i = 0; i < GREEDY_REQUESTS; i++) {
		struct peer_message request = {.id = PEER_REQUEST,
			.index = (uint32_t)rng_below(rng, image->pieces_count),
			.begin = (uint32_t)(rng_below(rng, image->granules_per_piece) *
					    image->granule_bytes),
			.length = (uint32_t)image->granule_bytes};

		sim_bad_say(node, slot, &request);
	}
}

bool sim_bad_is_member(const struct sim_node *node)
{
	enum sim_bad_peer kind = sim_bad_script(node)->kind;

	return kind == SIM_PEER_IDLER || kind == SIM_PEER_MISER || kind == SIM_PEER_HOARDER ||
	       kind == SIM_PEER_CLAIMER;
}

bool sim_bad_speaks_extensions(const struct sim_node *node)
{
	return sim_bad_script(node)->kind == SIM_PEER_FRAME_LIAR ||
	       sim_bad_script(node)->kind == SIM_PEER_LEAVES_LIAR ||
	       sim_bad_script(node)->kind == SIM_PEER_GOSSIP || sim_bad_is_member(node);
}

/* One of ours, as it says. */
void sim_bad_say_extended(struct sim_node *node, uint32_t slot)
{
	struct peer_extended_handshake handshake = {
		.request_bytes_max = (uint32_t)PEER_REQUEST_BYTES_MAX,
		.id_frame = sim_bad_script(node)->kind == SIM_PEER_FRAME_LIAR ? PEER_EXTENSION_FRAME
									      : 0,
		.id_leaves = sim_bad_script(node)->kind == SIM_PEER_LEAVES_LIAR
				     ? PEER_EXTENSION_LEAVES
				     : 0};
	uint8_t bytes[EXTENDED_BYTES];
	struct peer_message words = {.id = PEER_EXTENDED, .bytes = bytes};

	if (sim_bad_is_member(node)) {
		handshake.id_roster = PEER_EXTENSION_ROSTER;
		sim_place_write(handshake.rack, 'r', node->traits.rack);
		sim_place_write(handshake.site, 's', sim_site_of(node));
	}
	words.bytes_count = peer_extended_handshake_write(&handshake, bytes, sizeof(bytes));
	sim_bad_say(node, slot, &words);
}

/* Pieces that it imports, machines that are nobody, and itself again. */
static void say_claims(struct sim_node *node, uint32_t slot)
{
	struct rng *rng = &sim_bad_script(node)->rng;
	struct peer_roster roster = {.kind = ROSTER_IMPORTING};
	uint8_t bytes[ROSTER_BYTES_MAX];
	struct peer_message words = {
		.id = PEER_EXTENDED, .extended_id = PEER_EXTENSION_ROSTER, .bytes = bytes};

	for (uint32_t i = 0; i < CLAIMS; i++) {
		roster.level = (uint8_t)rng_below(rng, 2);
		roster.piece = (uint32_t)rng_below(rng, node->world->image.pieces_count);
		words.bytes_count = peer_roster_write(&roster, bytes, sizeof(bytes));
		sim_bad_say(node, slot, &words);
	}
	roster = (struct peer_roster){.kind = ROSTER_MEMBERS, .members_count = CLAIMS};
	for (uint32_t i = 0; i < CLAIMS; i++) {
		uint8_t ip[4] = {NOWHERE, (uint8_t)rng_next(rng), (uint8_t)rng_next(rng), 1};

		peer_address_from4(&roster.members[i], ip, 1);
	}
	words.bytes_count = peer_roster_write(&roster, bytes, sizeof(bytes));
	sim_bad_say(node, slot, &words);
	if (rng_below(rng, CLAIMS) == 0)
		sim_bad_say_extended(node, slot);
}

/* Machines that are nobody, and of no one network. */
static void say_gossip(struct sim_node *node, uint32_t slot)
{
	struct rng *rng = &sim_bad_script(node)->rng;
	struct peer_pex pex = {.added_count = PEX_PEERS_MAX};
	uint8_t bytes[PEX_BYTES_MAX];
	struct peer_message words = {
		.id = PEER_EXTENDED, .extended_id = PEER_EXTENSION_PEX, .bytes = bytes};

	for (uint32_t i = 0; i < pex.added_count; i++) {
		uint8_t ip[4] = {NOWHERE, (uint8_t)rng_next(rng), (uint8_t)rng_next(rng), 2};

		peer_address_from4(&pex.added[i].address, ip, 6881);
		pex.added[i].flags = PEX_FLAG_SEED | PEX_FLAG_REACHABLE;
	}
	words.bytes_count = peer_pex_write(&pex, bytes, sizeof(bytes));
	sim_bad_say(node, slot, &words);
}

void sim_bad_speak(struct sim_node *node, uint32_t slot)
{
	switch (sim_bad_script(node)->kind) {
	case SIM_PEER_GARBAGE:
		say_garbage(node, slot);
		break;
	case SIM_PEER_GREEDY:
		say_greedy(node, slot);
		break;
	case SIM_PEER_CLAIMER:
		say_claims(node, slot);
		break;
	case SIM_PEER_GOSSIP:
		say_gossip(node, slot);
		break;
	default:
		sim_bad_say_id(node, slot, PEER_KEEP_ALIVE);
		break;
	}
}

uint64_t sim_bad_speaks_every_ns(const struct sim_node *node)
{
	switch (sim_bad_script(node)->kind) {
	case SIM_PEER_GARBAGE:
	case SIM_PEER_GREEDY:
	case SIM_PEER_CLAIMER:
	case SIM_PEER_GOSSIP:
		return SAY_EVERY_NS;
	case SIM_PEER_IDLER:
	case SIM_PEER_MISER:
	case SIM_PEER_HOARDER:
		return NS_PER_S;
	default:
		return 0;
	}
}

/* All but the first piece, as it says. */
void sim_bad_say_nearly_all(struct sim_node *node, uint32_t slot)
{
	uint32_t count = node->world->image.pieces_count;
	size_t bytes_count = (size_t)u64_div_up(count, 8);
	uint8_t *bytes = sim_allocate(bytes_count, 1);
	struct peer_message words = {
		.id = PEER_BITFIELD, .bytes = bytes, .bytes_count = bytes_count};

	for (uint32_t piece = 1; piece < count; piece++)
		bytes[piece / 8] |= (uint8_t)(0x80U >> piece % 8);
	sim_bad_say(node, slot, &words);
	free(bytes);
}
