/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random lives of the engine. The input's bytes choose settings and then what happens next: peers
 * come, go and say anything; digests, writes and flushes succeed or fail; time passes. A model of
 * the driver answers what it is asked to do, and checks: no buffer in two uses, nothing announced
 * or served that was not written, nothing complete that is not durable, bounded effects; and after
 * every input the engine's own counters (tests/support/engine_check.h).
 */
#include "tests/support/engine_check.h"
#include "wire/peer_leaves.h"

#define PIECES_MAX	 24
#define PEERS_MAX	 8
#define BUFFERS_MAX	 6
#define PENDING_MAX	 4096
#define EFFECTS_MAX	 20000
#define PIECE_BYTES	 (48 * 1024)
#define FAST_BYTES_PER_S (100 * 1000 * 1000)
#define HASH_BYTES	 4
#define PORT_FIRST	 1000
#define STEPS_FIRST	 400
#define STEPS_MAX	 2000

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
static uint32_t draw(struct model *m, uint32_t bound)
{
	if (m->bytes_count == 0)
		return (uint32_t)rng_below(&m->rng, bound);
	m->bytes_count--;
	return *m->bytes++ % bound;
}

static void *allocate(void *context, size_t bytes)
{
	(void)context;
	return calloc(1, bytes);
}

static void release(void *context, void *memory)
{
	(void)context;
	free(memory);
}

static bool same_content(const struct model *m, uint32_t a, uint32_t b)
{
	return memcmp(m->hashes + a * HASH_BYTES, m->hashes + b * HASH_BYTES, HASH_BYTES) == 0;
}

/* ---- effects ---- */

static void forget_peer(struct model *m, uint32_t peer)
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

static void remember(struct model *m, const struct swarm_effect *effect, enum pending_kind kind)
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

static void apply_send(struct model *m, const struct swarm_effect *effect)
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

static void apply_disk(struct model *m, const struct swarm_effect *effect)
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

static void apply_peer(struct model *m, const struct swarm_effect *effect)
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

static void apply_news(struct model *m, const struct swarm_effect *effect)
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

static void drain(struct model *m)
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

static void feed(struct model *m, const struct swarm_input *input)
{
	swarm_handle(m->swarm, m->now_ns, input);
	drain(m);
}

/* ---- answers ---- */

static void lose_undurable(struct model *m)
{
	for (uint32_t piece = 0; piece < m->pieces_count; piece++)
		if (m->dirty[piece])
			m->written[piece] = m->dirty[piece] = m->flushing[piece] = false;
}

/* A copy that cannot be read, or is wrong: the piece it was to be read from is bad. */
static void lose_twin(struct model *m, const struct pending *what, enum buffer_state state)
{
	const struct buffer *b = &m->swarm->buffers[what->buffer];

	if (b->state != state || b->twin == PIECE_NONE)
		return;
	m->written[b->twin] = m->dirty[b->twin] = m->flushing[b->twin] = false;
}

static void answer_disk(struct model *m, const struct pending *what, bool ok)
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

static void answer(struct model *m, uint32_t at, bool ok)
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
		input.kind = SWARM_IN_TRACKER_REPLY;
		feed(m, &input);
	} else {
		answer_disk(m, &what, ok);
	}
}

/* ---- peers ---- */

/* The name of one of three places, or none: always for a share of the runs. */
static void a_place(struct model *m, char place[static PEER_PLACE_MAX + 1], uint32_t none)
{
	uint32_t which = draw(m, 4 + none);

	place[0] = which < 3 ? (char)('a' + which) : '\0';
}

static struct peer_address an_address(struct model *m)
{
	struct peer_address address = {.port = (uint16_t)(PORT_FIRST + draw(m, 4))};

	address.ip[10] = address.ip[11] = 0xff;
	address.ip[12] = draw(m, 8) == 0 ? 127 : 10;
	address.ip[15] = (uint8_t)draw(m, 12);
	return address;
}

static void accept_peer(struct model *m)
{
	uint32_t peer = SWARM_PEER_NONE;
	uint32_t generation = 0;
	struct swarm_input input = {.kind = SWARM_IN_ACCEPTED,
		.address = an_address(m),
		.accepted_peer = &peer,
		.accepted_generation = &generation};

	swarm_handle(m->swarm, m->now_ns, &input);
	if (peer != SWARM_PEER_NONE) {
		CHECK(!m->peers[peer].used);
		m->peers[peer] = (struct model_peer){.used = true, .generation = generation};
	}
	drain(m);
}

static void peer_event(struct model *m, uint32_t peer, enum swarm_input_kind kind,
	const struct peer_message *message)
{
	struct swarm_input input = {.kind = kind,
		.peer = peer,
		.generation = m->peers[peer].generation,
		.message = message};

	if (kind == SWARM_IN_DISCONNECTED || kind == SWARM_IN_CONNECT_FAILED)
		forget_peer(m, peer);
	feed(m, &input);
}

/* One of our own. */
static void introduce(struct model *m, uint32_t peer)
{
	struct peer_extended_handshake handshake = {.request_bytes_max = (uint32_t)PEER_BLOCK_BYTES,
		.id_leaves = PEER_EXTENSION_LEAVES};
	uint8_t bytes[256];
	struct peer_message message = {.id = PEER_EXTENDED,
		.bytes = bytes,
		.bytes_count = peer_extended_handshake_write(&handshake, bytes, sizeof(bytes))};

	peer_event(m, peer, SWARM_IN_MESSAGE, &message);
}

static void greet(struct model *m, uint32_t peer)
{
	struct peer_handshake handshake = {0};
	struct swarm_input input = {.kind = SWARM_IN_HANDSHAKE,
		.peer = peer,
		.generation = m->peers[peer].generation,
		.handshake = &handshake};

	handshake.peer_id[0] = (uint8_t)draw(m, 30);
	if (draw(m, 4) != 0)
		peer_reserved_set_ours(handshake.reserved);
	m->peers[peer].greeted = true;
	feed(m, &input);
	/* Mostly somebody worth talking to. */
	if (draw(m, 4) == 0 || m->peers[peer].generation != input.generation)
		return;
	struct peer_message message = {.id = PEER_HAVE_ALL};

	if (draw(m, 2) != 0)
		peer_event(m, peer, SWARM_IN_MESSAGE, &message);
	if (draw(m, 2) != 0 && m->peers[peer].generation == input.generation)
		introduce(m, peer);
	message.id = PEER_UNCHOKE;
	if (m->peers[peer].generation == input.generation)
		peer_event(m, peer, SWARM_IN_MESSAGE, &message);
}

/* The piece whose layer the engine awaits from this peer, or PIECE_NONE. */
static uint32_t layer_awaited(const struct model *m, uint32_t peer)
{
	for (uint32_t i = 0; i < m->buffers_count; i++) {
		const struct buffer *b = &m->swarm->buffers[i];

		if (b->state == BUFFER_LAYER && !b->busy && b->layer_peer == peer)
			return b->piece;
	}
	return PIECE_NONE;
}

/* Asks for a layer, or gives or refuses one: nearly always one that was asked for. */
static size_t say_leaves(struct model *m, uint32_t peer, bool odd, uint8_t *bytes)
{
	uint32_t piece = layer_awaited(m, peer);
	uint32_t kind = piece == PIECE_NONE ? PEER_LEAVES_ASK : PEER_LEAVES_LAYER;
	size_t leaves_count = 0;

	if (odd || draw(m, 4) == 0)
		kind = draw(m, odd ? 4 : 3);
	if (odd || piece == PIECE_NONE)
		piece = draw(m, m->pieces_count + (odd ? 1 : 0));
	if (kind == PEER_LEAVES_LAYER)
		leaves_count = odd ? draw(m, 5) : peer_leaves_count(piece_length(m->swarm, piece));
	peer_leaves_write_head(bytes, (enum peer_leaves_kind)kind, piece);
	return PEER_LEAVES_HEAD_BYTES + leaves_count * PEER_LEAF_HASH_BYTES;
}

static void say_layer(struct model *m, uint32_t peer)
{
	uint8_t bytes[256] = {0};
	struct peer_message message = {.id = PEER_EXTENDED,
		.extended_id = PEER_EXTENSION_LEAVES,
		.bytes = bytes,
		.bytes_count = say_leaves(m, peer, draw(m, m->patience) == 0, bytes)};

	peer_event(m, peer, SWARM_IN_MESSAGE, &message);
}

static void say(struct model *m, uint32_t peer)
{
	/* The last third often ends a connection. */
	static const enum peer_message_id ids[] = {PEER_UNCHOKE, PEER_UNCHOKE, PEER_INTERESTED,
		PEER_INTERESTED, PEER_HAVE, PEER_HAVE, PEER_HAVE, PEER_REQUEST, PEER_REQUEST,
		PEER_REQUEST, PEER_CANCEL, PEER_EXTENDED, PEER_SUGGEST, PEER_KEEP_ALIVE,
		PEER_BITFIELD, PEER_HAVE_ALL, PEER_HAVE_NONE, PEER_CHOKE, PEER_NOT_INTERESTED,
		PEER_REJECT, PEER_ALLOWED_FAST, PEER_EXTENDED, PEER_PORT};
	uint32_t ids_count = ARRAY_COUNT(ids) - (draw(m, m->patience) != 0 ? 8 : 0);
	bool odd = draw(m, m->patience) == 0;
	uint8_t bytes[256] = {0};
	struct peer_message message = {.id = ids[draw(m, ids_count)],
		.index = draw(m, m->pieces_count + (odd ? 2 : 0)),
		.begin = draw(m, odd ? 5 : 3) * (uint32_t)PEER_BLOCK_BYTES,
		.length = odd ? draw(m, 256) * 4096 : (uint32_t)PEER_BLOCK_BYTES / 2,
		.bytes = bytes};

	if (message.id == PEER_BITFIELD) {
		message.bytes_count = (m->pieces_count + 7) / 8 + odd;
		for (uint32_t i = 0; i < m->pieces_count; i++)
			if (draw(m, 2) != 0)
				bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
	} else if (message.id == PEER_EXTENDED && draw(m, 3) != 0) {
		struct peer_extended_handshake handshake = {.listen_port = (uint16_t)PORT_FIRST,
			.request_bytes_max = draw(m, 4) * (uint32_t)PEER_BLOCK_BYTES,
			.requests_max = draw(m, 64),
			.origin = draw(m, 2) != 0,
			.id_donthave = (uint8_t)draw(m, 2),
			.id_roster = (uint8_t)draw(m, 2),
			.id_frame = (uint8_t)draw(m, 2),
			.id_leaves = (uint8_t)draw(m, 3)};

		a_place(m, handshake.rack, 0);
		a_place(m, handshake.site, 4);
		message.bytes_count =
			peer_extended_handshake_write(&handshake, bytes, sizeof(bytes));
	} else if (message.id == PEER_EXTENDED && draw(m, 2) != 0) {
		message.extended_id = PEER_EXTENSION_LEAVES;
		message.bytes_count = say_leaves(m, peer, odd, bytes);
	} else if (message.id == PEER_EXTENDED && draw(m, 2) != 0) {
		struct peer_roster roster = {.kind = ROSTER_IMPORTING,
			.level = (uint8_t)draw(m, 3),
			.piece = message.index};

		message.extended_id = PEER_EXTENSION_ROSTER;
		message.bytes_count = peer_roster_write(&roster, bytes, sizeof(bytes));
	} else if (message.id == PEER_EXTENDED) {
		message.extended_id = PEER_EXTENSION_DONTHAVE;
		be32_write(bytes, message.index);
		message.bytes_count = 4;
	} else if (message.id == PEER_REJECT && draw(m, 2) != 0) {
		message = m->peers[peer].last_request;
		message.id = PEER_REJECT;
	}
	peer_event(m, peer, SWARM_IN_MESSAGE, &message);
}

/* The head of a block comes: nearly always one that was asked for. */
static void send_head(struct model *m, uint32_t peer)
{
	struct model_peer *p = &m->peers[peer];
	const struct peer *inside = &m->swarm->peers[peer];
	struct peer_message message = p->last_request;
	struct swarm_placement placement = {.buffer = SWARM_BUFFER_NONE};

	if (inside->requests_count == 0 && draw(m, m->patience) != 0) {
		say(m, peer);
		return;
	}
	if (inside->requests_count > 0 && draw(m, m->patience) != 0) {
		const struct request *r = request_at(m->swarm, inside, 0);
		uint32_t piece = m->swarm->buffers[r->buffer].piece;

		message.index = piece;
		message.begin = r->block * (uint32_t)PEER_BLOCK_BYTES;
		message.length = request_length(m->swarm, r);
	} else if (draw(m, 2) != 0 || message.length == 0) {
		message.index = draw(m, m->pieces_count + 1);
		message.length = draw(m, 3) * (uint32_t)PEER_BLOCK_BYTES;
	}
	message.id = draw(m, 3) == 0 ? PEER_FRAME : PEER_PIECE;
	message.frame_bytes = message.length / 2;
	switch (swarm_place_block(m->swarm, peer, p->generation, &message, &placement)) {
	case SWARM_PLACE_BUFFER:
		CHECK(placement.buffer < m->buffers_count && m->uses[placement.buffer] == 0);
		CHECK((uint64_t)placement.offset_bytes + message.length <= PIECE_BYTES);
		CHECK(placement.wanted != 0);
		m->receiving[placement.buffer]++;
		p->receiving = true;
		p->receiving_buffer = placement.buffer;
		p->receiving_message = message;
		drain(m);
		break;
	case SWARM_PLACE_DISCARD:
		peer_event(m, peer, SWARM_IN_BLOCK_DISCARDED, &message);
		break;
	case SWARM_PLACE_VIOLATION:
		peer_event(m, peer, SWARM_IN_DISCONNECTED, NULL);
		break;
	}
}

static void send_rest(struct model *m, uint32_t peer)
{
	struct model_peer *p = &m->peers[peer];
	struct peer_message message = p->receiving_message;

	p->receiving = false;
	m->receiving[p->receiving_buffer]--;
	/* Time is drawn, so rates are anything; whoever has a fast one is asked for runs. */
	if (peer % 2 != 0)
		m->swarm->peers[peer].rate_bytes_per_s = FAST_BYTES_PER_S;
	peer_event(m, peer,
		message.id == PEER_FRAME && draw(m, m->patience) == 0 ? SWARM_IN_BLOCK_BAD
								      : SWARM_IN_BLOCK,
		&message);
}

static void peer_step(struct model *m)
{
	uint32_t peer = draw(m, PEERS_MAX);
	struct model_peer *p = &m->peers[peer];
	uint32_t what = draw(m, 64);

	if (!p->used)
		accept_peer(m);
	else if (what == 0 && draw(m, m->patience) == 0)
		peer_event(m, peer, SWARM_IN_DISCONNECTED, NULL);
	else if (p->connecting && what < 8)
		peer_event(m, peer, SWARM_IN_CONNECT_FAILED, NULL);
	else if (p->connecting) {
		p->connecting = false;
		peer_event(m, peer, SWARM_IN_CONNECTED, NULL);
	} else if (!p->greeted)
		greet(m, peer);
	else if (p->receiving && what < 56)
		send_rest(m, peer);
	else if (what < 24 && !p->receiving && layer_awaited(m, peer) != PIECE_NONE)
		say_layer(m, peer);
	else if (what < 32 && !p->receiving)
		send_head(m, peer);
	else if (!p->receiving)
		say(m, peer);
}

/* ---- a life ---- */

static void piece_step(struct model *m)
{
	struct swarm_input input = {.kind = SWARM_IN_TICK, .piece = draw(m, m->pieces_count)};
	uint32_t what = draw(m, 16);
	bool unknown = swarm_piece_state(m->swarm, input.piece) == SWARM_PIECE_UNKNOWN;

	if (what < 6) {
		input.kind = SWARM_IN_PIECE_ABSENT;
		input.stale = draw(m, 2) != 0;
	} else if (what < 12) {
		input.kind = SWARM_IN_PIECE_PRESENT;
		if (unknown)
			m->written[input.piece] = m->dirty[input.piece] = true;
	} else if (what < 14) {
		input.kind = SWARM_IN_ASSESS_DONE;
	} else if (draw(m, m->patience) == 0) {
		input.kind = SWARM_IN_PIECE_BAD;
		m->written[input.piece] = m->dirty[input.piece] = m->flushing[input.piece] = false;
	}
	feed(m, &input);
}

static void other_step(struct model *m)
{
	struct swarm_input input = {.kind = SWARM_IN_TICK};
	uint32_t what = draw(m, 32);

	if (what == 0 && draw(m, 64) == 0) {
		input.kind = SWARM_IN_STOP;
		m->stopped = true;
	} else if (what < 4) {
		input.kind = SWARM_IN_START;
	} else if (what < 8) {
		input.kind = SWARM_IN_ADDRESS;
		input.address = an_address(m);
	} else if (what < 14) {
		piece_step(m);
		return;
	} else if (what < 16) {
		m->now_ns = u64_max(m->now_ns,
			u64_min(swarm_deadline_ns(m->swarm), m->now_ns + 200 * NS_PER_S));
	} else {
		m->now_ns += (uint64_t)draw(m, 64) * NS_PER_MS;
	}
	feed(m, &input);
}

static bool begin(struct model *m)
{
	static uint32_t tiers[3] = {0, 0, 1};
	uint64_t zero_words[BITSET_WORDS(PIECES_MAX)];
	struct bitset zeroes;
	struct swarm_settings settings = {.piece_bytes = PIECE_BYTES,
		.piece_hashes = m->hashes,
		.piece_hash_bytes = HASH_BYTES,
		.zero_pieces = &zeroes,
		.trackers_count = 3,
		.tracker_tiers = tiers,
		.seed = draw(m, 256)};
	struct swarm_allocator allocator = {.allocate = allocate, .release = release};

	m->pieces_count = settings.pieces_count = 1 + draw(m, PIECES_MAX);
	m->buffers_count = 2 + draw(m, BUFFERS_MAX - 1);
	settings.length_bytes = (uint64_t)PIECE_BYTES * m->pieces_count - draw(m, 90) * 512;
	bitset_init(&zeroes, zero_words, m->pieces_count);
	for (uint32_t piece = 0; piece < m->pieces_count; piece++) {
		m->hashes[piece * HASH_BYTES] = (uint8_t)(1 + piece - (draw(m, 4) == 0));
		m->zero[piece] = draw(m, 6) == 0;
		if (m->zero[piece])
			bitset_set(&zeroes, piece);
	}
	/* The last piece may be short: nothing is equal to it. */
	m->hashes[(m->pieces_count - 1) * HASH_BYTES] = 0xff;
	for (uint32_t i = 0; i < BUFFERS_MAX; i++)
		m->good[i] = PIECE_NONE;
	swarm_limits_default(&settings.limits);
	settings.limits.peers_max = PEERS_MAX;
	settings.limits.peers_wanted = 4;
	settings.limits.addresses_max = 1 + draw(m, 12);
	settings.limits.buffers_count = m->buffers_count;
	settings.limits.upload_slots = 1 + draw(m, 4);
	settings.limits.requests_per_peer_max = 1 + draw(m, 32);
	settings.limits.incoming_requests_max = 1 + draw(m, 8);
	settings.limits.undurable_bytes_max = draw(m, 8) * PIECE_BYTES;
	settings.limits.flush_bytes = draw(m, 4) * PIECE_BYTES;
	settings.limits.assess_bytes_min = draw(m, 4) * PIECE_BYTES;
	settings.origin = draw(m, 4) == 0;
	settings.leaves = draw(m, 2) != 0;
	settings.all_durable = draw(m, 4) == 0;
	settings.frames = draw(m, 4) != 0;
	a_place(m, settings.rack, 0);
	a_place(m, settings.site, 4);
	m->swarm = swarm_create(&settings, &allocator);
	for (uint32_t piece = 0; piece < m->pieces_count; piece++)
		m->written[piece] = settings.all_durable;
	return m->swarm != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct model *m = calloc(1, sizeof(*m));

	CHECK(m != NULL);
	m->bytes = data;
	m->bytes_count = size;
	uint64_t seed = size;

	for (size_t i = 0; i < size; i++)
		seed = (seed ^ data[i]) * 0x100000001b3;
	rng_seed(&m->rng, seed);
	m->patience = 4 << draw(m, 6);
	CHECK(begin(m));
	if (draw(m, 8) != 0) {
		feed(m, &(struct swarm_input){.kind = SWARM_IN_START});
		feed(m, &(struct swarm_input){.kind = SWARM_IN_ASSESS_DONE});
	}
	for (uint32_t steps = 0; steps < u64_min(STEPS_FIRST + size, STEPS_MAX); steps++) {
		uint32_t what = draw(m, 16);

		if (what < 9)
			peer_step(m);
		else if (what < 14 && m->pending_count > 0)
			answer(m, draw(m, m->pending_count), draw(m, m->patience) != 0);
		else
			other_step(m);
	}
	swarm_destroy(m->swarm);
	free(m);
	return 0;
}
