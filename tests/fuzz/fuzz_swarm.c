/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random lives of the engine. The input's bytes choose settings and then what happens next: peers
 * come, go and say anything; digests, writes and flushes succeed or fail; time passes. A model of
 * the driver (swarm_model.h) answers what it is asked to do, and checks: no buffer in two uses,
 * nothing announced or served that was not written, nothing complete that is not durable, bounded
 * effects; and after every input the engine's own counters (tests/support/engine_check.h).
 */
#include "tests/fuzz/swarm_model.h"

#define FAST_BYTES_PER_S (100 * 1000 * 1000)
#define PORT_FIRST	 1000
#define STEPS_FIRST	 400
#define STEPS_MAX	 2000

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

/* Some of the addresses at which peers are, or may be. */
static size_t say_pex(struct model *m, uint8_t *bytes, size_t capacity)
{
	struct peer_pex pex = {.added_count = draw(m, 6), .dropped_count = draw(m, 3)};

	for (uint32_t i = 0; i < pex.added_count; i++) {
		pex.added[i].address = an_address(m);
		pex.added[i].flags = (uint8_t)draw(m, 32);
	}
	for (uint32_t i = 0; i < pex.dropped_count; i++)
		pex.dropped[i] = an_address(m);
	return peer_pex_write(&pex, bytes, capacity);
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
			.id_pex = (uint8_t)draw(m, 2),
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
	} else if (message.id == PEER_EXTENDED && draw(m, 2) != 0) {
		message.extended_id = PEER_EXTENSION_PEX;
		message.bytes_count = odd ? draw(m, 8) : say_pex(m, bytes, sizeof(bytes));
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
	else if (p->receiving && what < 60)
		feed(m, &(struct swarm_input){.kind = SWARM_IN_BLOCK_COMING,
				.peer = peer,
				.generation = p->generation,
				.bytes_count = draw(m, p->receiving_message.length)});
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
		input.source = (enum swarm_source)draw(m, SWARM_SOURCES_COUNT);
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
	settings.relay = settings.seed % 4 == 3;
	settings.leaves = draw(m, 2) != 0;
	settings.all_durable = draw(m, 4) == 0;
	settings.frames = draw(m, 4) != 0;
	settings.pex = draw(m, 4) != 0;
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
