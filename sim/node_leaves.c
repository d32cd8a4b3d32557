/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaf layers in the simulated world: a leaf's hash is the mark of its granule. They are made from
 * what the disk returns, at the cost of reading the piece, and proven against the image.
 */
#include <stdlib.h>

#include "sim/invariants.h"
#include "sim/node.h"
#include "wire/peer_leaves.h"

/* Of a leaf of the piece: its granule, counted from the piece's first. */
static uint32_t granule_of(const struct sim_image *image, uint32_t leaf)
{
	return (uint32_t)((uint64_t)leaf * PEER_LEAF_BYTES / image->granule_bytes);
}

static uint32_t leaves_of(const struct sim_image *image, uint32_t piece)
{
	return (uint32_t)peer_leaves_count(sim_piece_bytes(image, piece));
}

/* ---- asked by a peer ---- */

static void layer_made(struct sim_world *world, void *context, uint64_t unused)
{
	struct sim_answer *answer = context;
	struct sim_node *node = answer->node;
	uint32_t piece = answer->input.piece;
	uint32_t first = piece * world->image.granules_per_piece;
	uint32_t leaves = leaves_of(&world->image, piece);
	size_t bytes = peer_leaves_layer_bytes(sim_piece_bytes(&world->image, piece));
	uint8_t *payload = sim_allocate(bytes, 1);

	(void)unused;
	peer_leaves_write_head(payload, PEER_LEAVES_LAYER, piece);
	for (uint32_t i = 0; i < leaves; i++)
		be32_write(payload + PEER_LEAVES_HEAD_BYTES + (size_t)i * PEER_LEAF_HASH_BYTES,
			sim_disk_read_granule(&node->disk, first + granule_of(&world->image, i)));
	answer->message =
		(struct peer_message){.id = PEER_EXTENDED, .bytes = payload, .bytes_count = bytes};
	answer->input.message = &answer->message;
	if (answer->life == node->life)
		sim_node_input(node, &answer->input);
	free(payload);
	sim_node_answer_drop(answer);
}

void sim_node_make_leaves(struct sim_node *node, const struct swarm_effect *effect)
{
	const struct sim_image *image = &node->world->image;
	struct sim_answer *answer = sim_node_answer(node, SWARM_IN_LEAVES);
	uint64_t due_ns;

	answer->input.peer = effect->peer;
	answer->input.generation = effect->generation;
	answer->input.piece = effect->piece;
	sim_disk_read(&node->disk, (uint64_t)effect->piece * image->piece_bytes,
		sim_piece_bytes(image, effect->piece), &due_ns, &answer->input.ok);
	sim_schedule(node->world, due_ns, layer_made, answer, 0);
}

/* ---- compared with what the disk holds ---- */

static bool proven(const struct sim_image *image, uint32_t piece, const uint8_t *hashes)
{
	const uint32_t *marks = image->marks + (size_t)piece * image->granules_per_piece;

	for (uint32_t i = 0; i < leaves_of(image, piece); i++)
		if (be32_read(hashes + (size_t)i * PEER_LEAF_HASH_BYTES) !=
			marks[granule_of(image, i)])
			return false;
	return true;
}

static void compared(struct sim_world *world, void *context, uint64_t unused)
{
	struct sim_answer *answer = context;
	struct sim_node *node = answer->node;
	struct sim_buffer *buffer = &node->buffers[answer->input.buffer];
	const struct sim_image *image = &world->image;
	uint32_t piece = answer->input.piece;
	uint32_t first = piece * image->granules_per_piece;
	uint32_t leaves = leaves_of(image, piece);
	uint64_t *words = sim_allocate(BITSET_WORDS(leaves), sizeof(*words));
	struct bitset equal;

	(void)unused;
	bitset_init(&equal, words, leaves);
	if (answer->life == node->life) {
		for (uint32_t i = 0; (answer->read_ok || answer->in_hand) && i < leaves; i++) {
			uint32_t at = granule_of(image, i);

			if (!answer->in_hand)
				buffer->marks[at] = sim_disk_read_granule(&node->disk, first + at);
			if (buffer->marks[at] == image->marks[first + at])
				bitset_set(&equal, i);
		}
		buffer->hashing = false;
		answer->input.equal = &equal;
		sim_node_input(node, &answer->input);
	}
	free(words);
	sim_node_answer_drop(answer);
}

void sim_node_compare(struct sim_node *node, const struct swarm_effect *effect)
{
	const struct sim_image *image = &node->world->image;
	uint32_t piece_bytes = sim_piece_bytes(image, effect->piece);
	struct sim_answer *answer = sim_node_answer(node, SWARM_IN_COMPARED);
	uint64_t due_ns = node->world->now_ns;

	answer->input.piece = effect->piece;
	answer->input.buffer = effect->buffer;
	answer->input.ok = proven(image, effect->piece, effect->message.bytes);
	if (!sim_check_place(node, effect->buffer, effect->piece))
		return;
	node->buffers[effect->buffer].piece = effect->piece;
	node->buffers[effect->buffer].hashing = true; /* nothing may come into it */
	answer->in_hand = effect->in_hand;
	if (answer->input.ok && !effect->in_hand)
		sim_disk_read(&node->disk, (uint64_t)effect->piece * image->piece_bytes,
			piece_bytes, &due_ns, &answer->read_ok);
	node->hash_free_ns = u64_max(node->hash_free_ns, due_ns) +
			     piece_bytes * NS_PER_S / node->traits.hash_bytes_per_s;
	sim_schedule(node->world, node->hash_free_ns, compared, answer, 0);
}

/* ---- a copy of another piece ---- */

static void twin_read(struct sim_world *world, void *context, uint64_t twin)
{
	struct sim_answer *answer = context;
	struct sim_node *node = answer->node;
	uint32_t first = (uint32_t)twin * world->image.granules_per_piece;
	uint32_t granules = sim_piece_granules(&world->image, (uint32_t)twin);

	if (answer->life == node->life) {
		struct sim_buffer *buffer = &node->buffers[answer->input.buffer];

		for (uint32_t i = 0; answer->input.ok && i < granules; i++)
			buffer->marks[i] = sim_disk_read_granule(&node->disk, first + i);
		buffer->hashing = false;
		sim_node_input(node, &answer->input);
	}
	sim_node_answer_drop(answer);
}

void sim_node_read_twin(struct sim_node *node, const struct swarm_effect *effect)
{
	const struct sim_image *image = &node->world->image;
	struct sim_answer *answer = sim_node_answer(node, SWARM_IN_READ);
	uint64_t due_ns;

	answer->input.piece = effect->piece;
	answer->input.buffer = effect->buffer;
	if (!sim_check_place(node, effect->buffer, effect->piece))
		return;
	node->buffers[effect->buffer].piece = effect->piece;
	node->buffers[effect->buffer].hashing = true; /* nothing may come into it */
	sim_disk_read(&node->disk, (uint64_t)effect->twin * image->piece_bytes,
		sim_piece_bytes(image, effect->twin), &due_ns, &answer->input.ok);
	sim_schedule(node->world, due_ns, twin_read, answer, effect->twin);
}
