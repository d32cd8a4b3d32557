/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaf layers: the hashes of a piece's 16 KiB leaves, asked from a peer that has the piece, proven
 * by the piece's own hash. Two uses:
 *
 *   - the device holds other bytes where a piece belongs, most of them perhaps the same: the layer
 *     says which leaves are right there, and only the others are requested. On a disk where layers
 *     do not help soon none is asked for;
 *   - a piece that was collected fails its hash: the layer says which blocks are wrong, so who sent
 *     them, and only they are requested again.
 *
 * Meanwhile the buffer is in BUFFER_LAYER and takes no blocks. The driver proves the layer and
 * compares: hashes do not pass through here but as a message's bytes.
 */
#include "swarm/engine.h"

#include "wire/peer_leaves.h"

#define LAYER_PATIENCE_NS  (10 * NS_PER_S)
#define USELESS_ROW_MAX	   8  /* layers without one equal leaf */
#define LAYER_FAILURES_MAX 3  /* then the piece is fetched whole */
#define SERVING_MAX	   16 /* for one peer at a time */
#define ASKED_MAX	   12 /* of one peer at a time */
#define UNASKED_MAX	   64

static void send_leaves(struct swarm *s, uint32_t peer, enum peer_leaves_kind kind, uint32_t piece)
{
	struct peer_message *message = &effect_peer(s, SWARM_EFFECT_SEND, peer)->message;

	message->id = PEER_EXTENDED;
	message->extended_id = s->peers[peer].id_leaves;
	message->begin = PEER_EXTENSION_LEAVES;
	message->length = (uint32_t)kind;
	message->index = piece;
}

/* ---- asking ---- */

bool leaves_help(const struct swarm *s)
{
	return s->settings.leaves && s->useless_layers_row < USELESS_ROW_MAX;
}

static bool can_ask(const struct swarm *s, uint32_t peer, uint32_t piece)
{
	const struct peer *p = &s->peers[peer];

	return p->state == PEER_OPEN && p->id_leaves != 0 && !p->peer_choking && !p->snubbed &&
	       bitset_has(&p->has, piece);
}

static void ask(struct swarm *s, uint32_t buffer, uint32_t peer)
{
	struct buffer *b = &s->buffers[buffer];

	buffer_set_state(s, buffer, BUFFER_LAYER);
	b->layer_peer = peer;
	b->layer_generation = s->peers[peer].generation;
	b->progress_ns = s->now_ns;
	s->layers_count++;
	s->peers[peer].layers_asked_count++;
	wake_at(s, s->now_ns + LAYER_PATIENCE_NS);
	send_leaves(s, peer, PEER_LEAVES_ASK, b->piece);
}

/* May one more piece be begun with a layer from this peer? Half of the buffers are for blocks. */
bool leaves_room(const struct swarm *s, uint32_t peer)
{
	return s->layers_count < u64_max(1, s->limits.buffers_count / 2) &&
	       s->peers[peer].layers_asked_count < ASKED_MAX;
}

/* Is the layer of this piece wanted before its blocks, from this peer? */
bool leaves_wanted(const struct swarm *s, uint32_t peer, uint32_t piece)
{
	return s->pieces[piece].stale && leaves_help(s) && can_ask(s, peer, piece) &&
	       piece_length(s, piece) > PEER_LEAF_BYTES;
}

/* A piece was just begun: its layer first. */
void leaves_ask(struct swarm *s, uint32_t buffer, uint32_t peer)
{
	if (leaves_wanted(s, peer, s->buffers[buffer].piece))
		ask(s, buffer, peer);
}

static bool is_asked(const struct swarm *s, const struct buffer *b, uint32_t peer)
{
	return b->state == BUFFER_LAYER && !b->busy && b->layer_peer == peer &&
	       b->layer_generation == s->peers[peer].generation;
}

/* An answer has come, or none is awaited any more. */
static void answered(struct swarm *s, const struct buffer *b)
{
	struct peer *p = &s->peers[b->layer_peer];

	if (p->generation != b->layer_generation)
		return;
	p->layers_asked_count--;
	refill(s, b->layer_peer);
}

/* No layer will come. */
static void give_up(struct swarm *s, uint32_t buffer, bool for_good)
{
	struct piece *p = &s->pieces[s->buffers[buffer].piece];

	if (s->buffers[buffer].in_hand) {
		s->layers_count--;
		buffer_failed(s, buffer);
		return;
	}
	if (for_good && ++p->layer_failures >= LAYER_FAILURES_MAX)
		p->stale = false;
	buffer_give_up(s, buffer);
}

void leaves_leave(struct swarm *s, uint32_t peer)
{
	for (uint32_t i = 0; i < s->limits.buffers_count; i++)
		if (is_asked(s, &s->buffers[i], peer))
			give_up(s, i, false);
}

void leaves_tick(struct swarm *s)
{
	for (uint32_t i = 0; s->layers_count > 0 && i < s->limits.buffers_count; i++) {
		const struct buffer *b = &s->buffers[i];

		if (b->state != BUFFER_LAYER || b->busy)
			continue;
		if (s->now_ns < b->progress_ns + LAYER_PATIENCE_NS) {
			wake_at(s, b->progress_ns + LAYER_PATIENCE_NS);
			continue;
		}
		answered(s, b);
		give_up(s, i, true);
	}
}

/* ---- what peers say ---- */

static void layer_came(
	struct swarm *s, uint32_t peer, uint32_t buffer, const struct peer_leaves *layer)
{
	struct buffer *b = &s->buffers[buffer];
	struct swarm_effect *effect;

	if (layer->hashes_count != peer_leaves_count(piece_length(s, b->piece))) {
		peer_offends(s, peer, "a leaf layer of another size");
		return;
	}
	answered(s, b);
	s->status.layer_bytes += layer->hashes_count * PEER_LEAF_HASH_BYTES;
	s->peers[peer].useful = true;
	s->received_ns = s->now_ns;
	b->busy = true;
	effect = effect_push(s, SWARM_EFFECT_COMPARE);
	effect->piece = b->piece;
	effect->buffer = buffer;
	effect->in_hand = b->in_hand;
	effect->message.bytes = layer->hashes;
	effect->message.bytes_count = layer->hashes_count * PEER_LEAF_HASH_BYTES;
}

static void asked(struct swarm *s, uint32_t peer, uint32_t piece)
{
	struct peer *p = &s->peers[peer];

	if (p->id_leaves == 0)
		return;
	if (!s->settings.leaves || !p->unchoked || !piece_have(s, piece) ||
		p->layers_serving_count == SERVING_MAX) {
		if (++p->idle_requests > s->limits.incoming_requests_max)
			peer_offends(s, peer, "it asks for what it cannot have");
		else
			send_leaves(s, peer, PEER_LEAVES_REFUSE, piece);
		return;
	}
	p->layers_serving_count++;
	/* It takes of the piece what it needs: not less because it does not ask for all of it. */
	origin_requested(s, peer, piece, piece_length(s, piece));
	effect_peer(s, SWARM_EFFECT_LEAVES, peer)->piece = piece;
}

void leaves_told(struct swarm *s, uint32_t peer, const struct peer_message *message)
{
	struct peer_leaves told;

	if (!peer_leaves_parse(&told, message->bytes, message->bytes_count) ||
		told.piece >= s->pieces_count) {
		peer_offends(s, peer, "a leaf layer that makes no sense");
		return;
	}
	if (told.kind == PEER_LEAVES_ASK) {
		asked(s, peer, told.piece);
		return;
	}
	uint32_t buffer = s->pieces[s->pieces[told.piece].leader].buffer;

	if (buffer == SWARM_BUFFER_NONE || s->buffers[buffer].piece != told.piece ||
		!is_asked(s, &s->buffers[buffer], peer)) {
		/* It took so long that nobody waits for it any more. */
		if (++s->peers[peer].layers_unasked_count > UNASKED_MAX)
			peer_offends(s, peer, "leaf layers that nobody asked for");
	} else if (told.kind == PEER_LEAVES_LAYER) {
		layer_came(s, peer, buffer, &told);
	} else {
		answered(s, &s->buffers[buffer]);
		give_up(s, buffer, true);
	}
}

/* The driver has made the layer that a peer asked for; or it could not. */
void leaves_ready(struct swarm *s, uint32_t peer, const struct swarm_input *input)
{
	struct peer *p = &s->peers[peer];

	if (p->state != PEER_OPEN || p->layers_serving_count == 0)
		return;
	p->layers_serving_count--;
	if (!input->ok || !piece_have(s, input->piece)) {
		send_leaves(s, peer, PEER_LEAVES_REFUSE, input->piece);
		return;
	}
	p->useful = true;
	struct peer_message *message = &effect_peer(s, SWARM_EFFECT_SEND, peer)->message;

	message->id = PEER_EXTENDED;
	message->extended_id = p->id_leaves;
	message->bytes = input->message->bytes;
	message->bytes_count = input->message->bytes_count;
}

/* ---- what comes of it ---- */

static bool block_equal(const struct swarm *s, const struct bitset *equal, uint32_t block)
{
	uint32_t leaves = s->limits.block_bytes / (uint32_t)PEER_LEAF_BYTES;
	uint32_t first = block * leaves;

	for (uint32_t leaf = first; leaf < first + leaves && leaf < equal->bits_count; leaf++)
		if (!bitset_has(equal, leaf))
			return false;
	return true;
}

/* What the device had is in the buffer now. */
static void keep_equal(struct swarm *s, uint32_t buffer, const struct bitset *equal)
{
	struct buffer *b = &s->buffers[buffer];
	uint32_t equal_count = 0;

	s->useless_layers_row++;
	for (uint32_t i = 0; i < b->blocks_count; i++) {
		struct block *block = buffer_block(s, buffer, i);

		if (!block_equal(s, equal, i))
			continue;
		s->status.reused_bytes += run_length(s, b->piece, i, 1);
		b->blocks_free--;
		block->state = BLOCK_RECEIVED;
		block->local = true;
		equal_count++;
	}
	if (equal_count == 0)
		return;
	s->useless_layers_row = 0;
	buffer_blocks_received(s, buffer, equal_count);
}

/* Who can tell what is wrong with it? Better somebody who had no hand in it. */
static uint32_t find_witness(const struct swarm *s, uint32_t buffer)
{
	const struct buffer *b = &s->buffers[buffer];
	uint32_t found = SWARM_PEER_NONE;

	for (uint32_t i = 0; i < s->peers_top; i++) {
		if (!can_ask(s, i, b->piece))
			continue;
		if (!blame_is_sender(s, buffer, i))
			return i;
		if (b->senders_count > 1)
			found = i;
	}
	return found;
}

/* A piece failed its hash. False when its leaf layer is not to be had. */
bool leaves_blame(struct swarm *s, uint32_t buffer)
{
	struct buffer *b = &s->buffers[buffer];

	if (!s->settings.leaves || b->senders_count == 0)
		return false;
	uint32_t witness = find_witness(s, buffer);

	if (witness == SWARM_PEER_NONE)
		return false;
	if (b->senders_count == 1)
		blame_named(s, &b->senders[0]);
	b->in_hand = true;
	piece_set_state(s, b->piece, SWARM_PIECE_ARRIVING);
	ask(s, buffer, witness);
	return true;
}

/* The wrong blocks are wanted once more, and whoever sent them is banned. */
static void blame_unequal(struct swarm *s, uint32_t buffer, const struct bitset *equal)
{
	struct buffer *b = &s->buffers[buffer];
	uint32_t before = b->blocks_received;
	uint64_t liars = 0;

	for (uint32_t i = 0; i < b->blocks_count; i++) {
		struct block *block = buffer_block(s, buffer, i);

		if (block_equal(s, equal, i))
			continue;
		if (!block->local) {
			liars |= (uint64_t)1 << block->sender;
			s->status.wasted_bytes += run_length(s, b->piece, i, 1);
		}
		*block = (struct block){.state = BLOCK_WANTED};
		b->blocks_received--;
		b->blocks_free++;
	}
	if (b->blocks_received == before) { /* no block is wrong, and yet it was: not their doing */
		buffer_give_up(s, buffer);
		return;
	}
	b->in_hand = false;
	b->free_from = 0;
	b->exclusive_peer = SWARM_PEER_NONE;
	s->pieces[s->pieces[b->piece].leader].suspect = false;
	for (uint32_t i = 0; i < b->senders_count; i++)
		if ((liars >> i & 1) != 0)
			blame_named(s, &b->senders[i]);
}

void leaves_compared(struct swarm *s, const struct swarm_input *input)
{
	struct buffer *b = &s->buffers[input->buffer];

	if (!b->busy || b->piece != input->piece)
		return;
	b->busy = false;
	if (b->state != BUFFER_LAYER) { /* given up meanwhile */
		buffer_settle(s, input->buffer);
		return;
	}
	if (!input->ok) {
		uint32_t peer = b->layer_peer;
		bool here = s->peers[peer].generation == b->layer_generation;

		give_up(s, input->buffer, true);
		if (here)
			ban_peer(s, peer, "it sent a leaf layer that fails its digest");
		return;
	}
	buffer_set_state(s, input->buffer, BUFFER_ARRIVING);
	s->layers_count--;
	b->progress_ns = s->now_ns;
	wake_at(s, s->now_ns + BUFFER_STUCK_NS);
	if (b->in_hand)
		blame_unequal(s, input->buffer, input->equal);
	else
		keep_equal(s, input->buffer, input->equal);
	refill_all(s);
}
