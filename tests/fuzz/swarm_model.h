/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model of the driver for the random lives of the engine (fuzz_swarm.c): it remembers what the
 * engine asks for, answers well or badly when it is told to, and checks what the engine may ask for
 * at all.
 */
#ifndef TESTS_FUZZ_SWARM_MODEL_H
#define TESTS_FUZZ_SWARM_MODEL_H

#include "tests/support/engine_check.h"
#include "wire/peer_leaves.h"
#include "wire/peer_pex.h"

#define PIECES_MAX  24
#define PEERS_MAX   8
#define BUFFERS_MAX 6
#define PENDING_MAX 4096
#define EFFECTS_MAX 20000
#define PIECE_BYTES (48 * 1024)
#define HASH_BYTES  4

enum pending_kind {
	PENDING_HASH,
	PENDING_WRITE,
	PENDING_FLUSH,
	PENDING_COMPARE,
	PENDING_READ,
	PENDING_SEND,
	PENDING_LEAVES,
	PENDING_ANNOUNCE
};

struct pending {
	enum pending_kind kind;
	uint32_t piece, buffer, peer, generation, tracker;
	uint64_t flush_id;
	struct peer_message message;
};

struct model_peer {
	bool used, connecting, greeted, receiving;
	uint32_t generation;
	uint32_t receiving_buffer;
	struct peer_message receiving_message;
	struct peer_message last_request;
};

struct model {
	const uint8_t *bytes;
	size_t bytes_count;
	struct rng rng;
	uint32_t patience; /* one in so many things goes wrong */
	struct swarm *swarm;
	uint64_t now_ns;
	uint32_t pieces_count, buffers_count;
	bool zero[PIECES_MAX];
	bool written[PIECES_MAX]; /* readable */
	bool dirty[PIECES_MAX];	  /* written, before no good flush */
	bool flushing[PIECES_MAX];
	bool flush_outstanding;
	bool complete, stopped;
	uint8_t hashes[PIECES_MAX * HASH_BYTES];
	uint32_t good[BUFFERS_MAX]; /* piece whose digest was right, or PIECE_NONE */
	uint32_t uses[BUFFERS_MAX]; /* HASH, WRITE, SEND_BLOCK not answered */
	uint32_t receiving[BUFFERS_MAX];
	struct model_peer peers[PEERS_MAX];
	struct pending pending[PENDING_MAX];
	uint32_t pending_count;
};

/* The input's bytes, then random ones that follow from them: so that even short inputs live long
 * enough for pieces to arrive. */
static inline uint32_t draw(struct model *m, uint32_t bound)
{
	if (m->bytes_count == 0)
		return (uint32_t)rng_below(&m->rng, bound);
	m->bytes_count--;
	return *m->bytes++ % bound;
}

static inline void *allocate(void *context, size_t bytes)
{
	(void)context;
	return calloc(1, bytes);
}

static inline void release(void *context, void *memory)
{
	(void)context;
	free(memory);
}

static inline bool same_content(const struct model *m, uint32_t a, uint32_t b)
{
	return memcmp(m->hashes + a * HASH_BYTES, m->hashes + b * HASH_BYTES, HASH_BYTES) == 0;
}

/* ---- effects ---- */

static inline void forget_peer(struct model *m, uint32_t peer)
{
	struct model_peer *p = &m->peers[peer];

	if (p->receiving)
		m->receiving[p->receiving_buffer]--;
	for (uint32_t i = m->pending_count; i-- > 0;) {
		struct pending *at = &m->pending[i];

		if ((at->kind != PENDING_SEND && at->kind != PENDING_LEAVES) || at->peer != peer)
			continue;
		if (at->buffer != SWARM_BUFFER_NONE)
			m->uses[at->buffer]--;
		*at = m->pending[--m->pending_count];
	}
	*p = (struct model_peer){0};
}

static inline void remember(
	struct model *m, const struct swarm_effect *effect, enum pending_kind kind)
{
	CHECK(m->pending_count < PENDING_MAX);
	m->pending[m->pending_count++] = (struct pending){.kind = kind,
		.piece = effect->piece,
		.buffer = effect->buffer,
		.peer = effect->peer,
		.generation = effect->generation,
		.tracker = effect->tracker,
		.flush_id = effect->flush_id,
		.message = effect->message};
	if (effect->buffer != SWARM_BUFFER_NONE)
		m->uses[effect->buffer]++;
}

static inline void apply_send(struct model *m, const struct swarm_effect *effect)
{
	const struct peer_message *message = &effect->message;
	uint8_t bytes[512];

	CHECK(peer_message_write(message, bytes, sizeof(bytes)) > 0);
	if (message->id == PEER_HAVE)
		CHECK(m->written[message->index]);
	if (message->id == PEER_REQUEST) {
		CHECK(message->index < m->pieces_count && !m->zero[message->index]);
		CHECK(!m->written[message->index]);
		m->peers[effect->peer].last_request = *message;
	}
}

static inline void apply_disk(struct model *m, const struct swarm_effect *effect)
{
	if (effect->kind == SWARM_EFFECT_HASH) {
		CHECK(m->uses[effect->buffer] == 0 && m->receiving[effect->buffer] == 0);
		m->good[effect->buffer] = PIECE_NONE;
		remember(m, effect, PENDING_HASH);
	} else if (effect->kind == SWARM_EFFECT_READ) {
		CHECK(m->uses[effect->buffer] == 0 && m->receiving[effect->buffer] == 0);
		CHECK(m->written[effect->twin] && same_content(m, effect->twin, effect->piece));
		m->good[effect->buffer] = PIECE_NONE;
		remember(m, effect, PENDING_READ);
	} else if (effect->kind == SWARM_EFFECT_COMPARE) {
		CHECK(m->uses[effect->buffer] == 0 && m->receiving[effect->buffer] == 0);
		CHECK(effect->message.bytes_count % PEER_LEAF_HASH_BYTES == 0);
		m->good[effect->buffer] = PIECE_NONE;
		remember(m, effect, PENDING_COMPARE);
	} else if (effect->kind == SWARM_EFFECT_WRITE) {
		CHECK(m->good[effect->buffer] != PIECE_NONE &&
			same_content(m, m->good[effect->buffer], effect->piece));
		remember(m, effect, PENDING_WRITE);
	} else if (effect->kind == SWARM_EFFECT_WRITE_ZEROES) {
		CHECK(m->zero[effect->piece]);
		remember(m, effect, PENDING_WRITE);
	} else {
		CHECK(!m->flush_outstanding);
		m->flush_outstanding = true;
		memcpy(m->flushing, m->dirty, sizeof(m->dirty));
		remember(m, effect, PENDING_FLUSH);
	}
}

static inline void apply_peer(struct model *m, const struct swarm_effect *effect)
{
	struct model_peer *p = &m->peers[effect->peer];

	if (effect->kind == SWARM_EFFECT_CONNECT) {
		CHECK(!p->used);
		*p = (struct model_peer){
			.used = true, .connecting = true, .generation = effect->generation};
		return;
	}
	CHECK(p->used && p->generation == effect->generation);
	if (effect->kind == SWARM_EFFECT_DISCONNECT) {
		CHECK(effect->reason != NULL);
		forget_peer(m, effect->peer);
	} else if (effect->kind == SWARM_EFFECT_SEND) {
		apply_send(m, effect);
	} else if (effect->kind == SWARM_EFFECT_SEND_BLOCK) {
		CHECK(m->written[effect->message.index]);
		if (effect->buffer != SWARM_BUFFER_NONE)
			CHECK(same_content(m, m->good[effect->buffer], effect->message.index));
		remember(m, effect, PENDING_SEND);
	} else if (effect->kind == SWARM_EFFECT_LEAVES) {
		CHECK(m->written[effect->piece]);
		remember(m, effect, PENDING_LEAVES);
	}
}

static inline void apply_news(struct model *m, const struct swarm_effect *effect)
{
	if (effect->kind == SWARM_EFFECT_PIECE_DURABLE) {
		CHECK(m->written[effect->piece] && !m->dirty[effect->piece]);
	} else if (effect->kind == SWARM_EFFECT_COMPLETE) {
		m->complete = true;
		for (uint32_t piece = 0; piece < m->pieces_count; piece++)
			CHECK(m->written[piece] && !m->dirty[piece]);
	} else if (effect->kind == SWARM_EFFECT_ANNOUNCE) {
		remember(m, effect, PENDING_ANNOUNCE);
	}
}

static inline void drain(struct model *m)
{
	struct swarm_effect effect;
	uint32_t effects_count = 0;

	while (swarm_next_effect(m->swarm, &effect)) {
		CHECK(++effects_count < EFFECTS_MAX);
		switch (effect.kind) {
		case SWARM_EFFECT_HASH:
		case SWARM_EFFECT_COMPARE:
		case SWARM_EFFECT_READ:
		case SWARM_EFFECT_WRITE:
		case SWARM_EFFECT_WRITE_ZEROES:
		case SWARM_EFFECT_FLUSH:
			apply_disk(m, &effect);
			break;
		case SWARM_EFFECT_CONNECT:
		case SWARM_EFFECT_DISCONNECT:
		case SWARM_EFFECT_SEND_HANDSHAKE:
		case SWARM_EFFECT_SEND:
		case SWARM_EFFECT_SEND_BLOCK:
		case SWARM_EFFECT_CANCEL_SEND:
		case SWARM_EFFECT_LEAVES:
			apply_peer(m, &effect);
			break;
		default:
			apply_news(m, &effect);
			break;
		}
	}
	engine_check(m->swarm);
}

static inline void feed(struct model *m, const struct swarm_input *input)
{
	swarm_handle(m->swarm, m->now_ns, input);
	drain(m);
}

/* ---- answers ---- */

static inline void lose_undurable(struct model *m)
{
	for (uint32_t piece = 0; piece < m->pieces_count; piece++)
		if (m->dirty[piece])
			m->written[piece] = m->dirty[piece] = m->flushing[piece] = false;
}

/* A copy that cannot be read, or is wrong: the piece it was to be read from is bad. */
static inline void lose_twin(struct model *m, const struct pending *what, enum buffer_state state)
{
	const struct buffer *b = &m->swarm->buffers[what->buffer];

	if (b->state != state || b->twin == PIECE_NONE)
		return;
	m->written[b->twin] = m->dirty[b->twin] = m->flushing[b->twin] = false;
}

static inline void answer_disk(struct model *m, const struct pending *what, bool ok)
{
	uint64_t words[1] = {0};
	struct bitset equal;
	struct swarm_input input = {.piece = what->piece,
		.buffer = what->buffer,
		.flush_id = what->flush_id,
		.equal = &equal,
		.ok = ok};

	if (what->kind == PENDING_HASH) {
		input.kind = SWARM_IN_HASHED;
		m->good[what->buffer] = ok ? what->piece : PIECE_NONE;
		if (!ok)
			lose_twin(m, what, BUFFER_HASHING);
	} else if (what->kind == PENDING_READ) {
		input.kind = SWARM_IN_READ;
		if (!ok)
			lose_twin(m, what, BUFFER_READING);
	} else if (what->kind == PENDING_COMPARE) {
		input.kind = SWARM_IN_COMPARED;
		bitset_init(&equal, words,
			(uint32_t)(what->message.bytes_count / PEER_LEAF_HASH_BYTES));
		for (uint32_t leaf = 0; leaf < equal.bits_count; leaf++)
			if (draw(m, 3) != 0)
				bitset_set(&equal, leaf);
	} else if (what->kind == PENDING_WRITE) {
		input.kind = SWARM_IN_WRITTEN;
		/* A write that was given up meanwhile counts for nothing. */
		if (ok && !m->swarm->pieces[what->piece].doomed)
			m->written[what->piece] = m->dirty[what->piece] = true;
		else if (!ok && !m->swarm->pieces[what->piece].doomed)
			lose_undurable(m);
	} else {
		input.kind = SWARM_IN_FLUSHED;
		m->flush_outstanding = false;
		if (!m->swarm->flush_stale && !ok)
			lose_undurable(m);
		for (uint32_t piece = 0; ok && piece < m->pieces_count; piece++)
			if (m->flushing[piece])
				m->dirty[piece] = m->flushing[piece] = false;
	}
	feed(m, &input);
}

static inline void answer(struct model *m, uint32_t at, bool ok)
{
	struct pending what = m->pending[at];
	struct swarm_input input = {.peer = what.peer,
		.generation = what.generation,
		.message = &what.message,
		.tracker = what.tracker,
		.interval_s = draw(m, 8),
		.ok = ok};

	m->pending[at] = m->pending[--m->pending_count];
	if (what.buffer != SWARM_BUFFER_NONE)
		m->uses[what.buffer]--;
	if (what.kind == PENDING_SEND) {
		input.kind = draw(m, 8) == 0 ? SWARM_IN_BLOCK_UNREADABLE : SWARM_IN_BLOCK_SENT;
		feed(m, &input);
	} else if (what.kind == PENDING_LEAVES) {
		uint8_t layer[PEER_LEAVES_HEAD_BYTES + PEER_LEAF_HASH_BYTES] = {0};

		what.message = (struct peer_message){
			.id = PEER_EXTENDED, .bytes = layer, .bytes_count = sizeof(layer)};
		input.kind = SWARM_IN_LEAVES;
		input.piece = what.piece;
		feed(m, &input);
	} else if (what.kind == PENDING_ANNOUNCE) {
		peer_address_from4(&input.address,
			(uint8_t[4]){10, 0, 0, (uint8_t)(8 + input.interval_s)}, 6881);
		input.kind = SWARM_IN_TRACKER_PEER;
		feed(m, &input);
		input.kind = SWARM_IN_TRACKER_REPLY;
		feed(m, &input);
	} else {
		answer_disk(m, &what, ok);
	}
}

#endif
