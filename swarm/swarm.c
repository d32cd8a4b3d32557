/* SPDX-License-Identifier: Apache-2.0 */
/* The public face of the engine: creation, inputs in, effects out, questions. */
#include "swarm/engine.h"

#define BLOCK_BYTES_MAX (64 * MIB)

/* ---- creation ---- */

void swarm_limits_default(struct swarm_limits *limits)
{
	*limits = (struct swarm_limits){
		.peers_max = 64,
		.peers_wanted = 32,
		.addresses_max = 1024,
		.upload_slots = 32,
		.requests_per_peer_max = 256,
		.incoming_requests_max = 512,
		.buffers_count = 16,
		.undurable_bytes_max = 32 * MIB,
		.flush_bytes = 16 * MIB,
		.flush_interval_ns = NS_PER_S,
		.assess_bytes_min = 256 * MIB,
		.block_bytes = PEER_BLOCK_BYTES,
		.request_bytes = MIB,
	};
}

static bool power_of_two(uint32_t number, uint64_t least, uint64_t most)
{
	return number >= least && number <= most && (number & (number - 1)) == 0;
}

static bool settings_valid(const struct swarm_settings *settings)
{
	const struct swarm_limits *limits = &settings->limits;

	if (settings->piece_bytes == 0 || settings->length_bytes == 0 ||
		settings->pieces_count == UINT32_MAX - LISTS_COUNT ||
		settings->pieces_count != u64_div_up(settings->length_bytes, settings->piece_bytes))
		return false;
	if (settings->trackers_count > TRACKERS_MAX ||
		(settings->trackers_count > 0 && settings->tracker_tiers == NULL))
		return false;
	if (settings->zero_pieces != NULL &&
		settings->zero_pieces->bits_count != settings->pieces_count)
		return false;
	if (settings->piece_hashes != NULL && settings->piece_hash_bytes == 0)
		return false;
	return limits->peers_max >= 1 && limits->peers_max <= 1024 && limits->addresses_max >= 1 &&
	       limits->upload_slots >= 1 && limits->requests_per_peer_max >= 1 &&
	       limits->requests_per_peer_max <= 4096 && limits->incoming_requests_max >= 1 &&
	       limits->incoming_requests_max <= 65536 && limits->buffers_count >= 2 &&
	       limits->buffers_count <= 65536 &&
	       power_of_two(limits->block_bytes, PEER_BLOCK_BYTES, BLOCK_BYTES_MAX) &&
	       power_of_two(limits->request_bytes, PEER_BLOCK_BYTES, PEER_REQUEST_BYTES_MAX);
}

void *swarm_allocate(struct swarm *s, uint64_t count, size_t bytes)
{
	if (s->allocations_count == ALLOCATIONS_MAX || count > SIZE_MAX / bytes)
		return NULL;
	void *memory = s->allocator.allocate(s->allocator.context, (size_t)count * bytes);

	if (memory != NULL)
		s->allocations[s->allocations_count++] = memory;
	return memory;
}

static bool create_buffers(struct swarm *s)
{
	const struct swarm_limits *limits = &s->limits;

	s->blocks_per_piece = (uint32_t)u64_div_up(s->settings.piece_bytes, limits->block_bytes);
	/* The most that one input or one unit of work can queue, twice over. */
	s->effects_max = 4 * limits->peers_max + 2 * limits->requests_per_peer_max + 512;
	s->buffers = swarm_allocate(s, limits->buffers_count, sizeof(struct buffer));
	s->blocks = swarm_allocate(
		s, (uint64_t)limits->buffers_count * s->blocks_per_piece, sizeof(struct block));
	s->effects = swarm_allocate(s, s->effects_max, sizeof(struct swarm_effect));
	struct sender *senders = swarm_allocate(
		s, (uint64_t)limits->buffers_count * SENDERS_MAX, sizeof(struct sender));
	uint64_t *arriving =
		swarm_allocate(s, BITSET_WORDS(limits->buffers_count), sizeof(uint64_t));

	for (uint32_t i = 0; s->buffers != NULL && senders != NULL && i < limits->buffers_count;
		i++)
		s->buffers[i].senders = senders + (size_t)i * SENDERS_MAX;
	if (arriving != NULL)
		bitset_init(&s->arriving, arriving, limits->buffers_count);
	return senders != NULL && s->buffers != NULL && s->blocks != NULL && s->effects != NULL &&
	       arriving != NULL;
}

/* From the beginning of a line of the cache on, as struct peer counts on. */
static struct peer *allocate_peers(struct swarm *s)
{
	uint64_t bytes = (uint64_t)s->limits.peers_max * sizeof(struct peer);
	uintptr_t memory = (uintptr_t)swarm_allocate(s, bytes + CACHE_LINE_BYTES, 1);

	if (memory == 0)
		return NULL;
	return (struct peer *)((memory + CACHE_LINE_BYTES - 1) &
			       ~(uintptr_t)(CACHE_LINE_BYTES - 1));
}

static bool create_peers(struct swarm *s)
{
	const struct swarm_limits *limits = &s->limits;
	uint64_t count = limits->peers_max;
	size_t words = BITSET_WORDS(s->pieces_count);
	bool origin = s->settings.origin;
	struct bitset *const sets[] = {&s->open, &s->askable, &s->interested, &s->unchoked,
		&s->serve, &s->origins, &s->asked, &s->refill};
	uint64_t *set_words =
		swarm_allocate(s, ARRAY_COUNT(sets) * BITSET_WORDS(count), sizeof(uint64_t));
	uint64_t *has = swarm_allocate(s, count * words, sizeof(uint64_t));
	uint64_t *covered = swarm_allocate(s, origin ? count * words : 1, sizeof(uint64_t));
	struct request *requests =
		swarm_allocate(s, count * limits->requests_per_peer_max, sizeof(struct request));
	struct incoming *incoming =
		swarm_allocate(s, count * limits->incoming_requests_max, sizeof(struct incoming));

	s->peers = allocate_peers(s);
	s->peer_due_ns = swarm_allocate(s, count, sizeof(uint64_t));
	if (set_words == NULL || has == NULL || covered == NULL || requests == NULL ||
		incoming == NULL || s->peers == NULL || s->peer_due_ns == NULL)
		return false;
	for (size_t i = 0; i < ARRAY_COUNT(sets); i++)
		bitset_init(sets[i], set_words + i * BITSET_WORDS(count), limits->peers_max);
	for (uint32_t i = 0; i < limits->peers_max; i++) {
		struct peer *p = &s->peers[i];

		bitset_init(&p->has, has + i * words, s->pieces_count);
		if (origin)
			bitset_init(&p->covered, covered + i * words, s->pieces_count);
		p->requests = requests + (size_t)i * limits->requests_per_peer_max;
		p->incoming = incoming + (size_t)i * limits->incoming_requests_max;
	}
	return true;
}

struct swarm *swarm_create(
	const struct swarm_settings *settings, const struct swarm_allocator *allocator)
{
	if (!settings_valid(settings))
		return NULL;
	struct swarm *s = allocator->allocate(allocator->context, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->settings = *settings;
	s->limits = settings->limits;
	s->allocator = *allocator;
	s->pieces_count = settings->pieces_count;
	s->deadline_ns = NEVER;
	s->assessed = settings->all_durable;
	rng_seed(&s->rng, settings->seed);
	if (!create_buffers(s) || !create_peers(s) || !addresses_create(s) || !pex_create(s) ||
		!pieces_create(s) || !origin_create(s) || !racks_create(s))
		return swarm_destroy(s);
	announcer_create(s);
	throttles_create(s);
	slots_create(s);
	/* Borrowed for creation only. */
	s->settings.zero_pieces = NULL;
	s->settings.tracker_tiers = NULL;
	return s;
}

struct swarm *swarm_destroy(struct swarm *s)
{
	if (s == NULL || s->allocator.release == NULL)
		return NULL;
	struct swarm_allocator allocator = s->allocator;

	while (s->allocations_count > 0)
		allocator.release(allocator.context, s->allocations[--s->allocations_count]);
	allocator.release(allocator.context, s);
	return NULL;
}

/* ---- inputs ---- */

static void start(struct swarm *s)
{
	if (s->started)
		return;
	s->started = true;
	s->started_ns = s->now_ns;
	s->work |= WORK_ANNOUNCE | WORK_CONNECT | WORK_COMPLETE | WORK_WRITE;
}

static void stop(struct swarm *s)
{
	if (s->stopped)
		return;
	s->stopped = true;
	announcer_stop(s);
	for (uint32_t i = 0; i < s->peers_top; i++)
		peer_close(s, i, "stopped");
}

static void tick(struct swarm *s)
{
	s->deadline_ns = NEVER;
	peers_tick(s);
	buffers_tick(s);
	leaves_tick(s);
	racks_tick(s);
	slots_tick(s);
	throttles_tick(s);
	pex_tick(s);
	addresses_tick(s);
	s->work |= WORK_WRITE | WORK_ANNOUNCE | WORK_HAVE;
	if (s->now_ns >= s->connect_look_ns)
		s->work |= WORK_CONNECT;
	else
		wake_at(s, s->connect_wake_ns);
}

static void handle_peer(struct swarm *s, const struct swarm_input *input)
{
	uint32_t peer = input->peer;

	/* What was under way when the connection ended is no news. */
	if (peer >= s->limits.peers_max || s->peers[peer].state == PEER_FREE ||
		s->peers[peer].generation != input->generation)
		return;
	switch (input->kind) {
	case SWARM_IN_CONNECTED:
		peer_connected(s, peer);
		break;
	case SWARM_IN_CONNECT_FAILED:
	case SWARM_IN_DISCONNECTED:
		peer_gone(s, peer);
		break;
	case SWARM_IN_HANDSHAKE:
		peer_handshake(s, peer, input->handshake);
		break;
	case SWARM_IN_MESSAGE:
		peer_message(s, peer, input->message);
		break;
	case SWARM_IN_BLOCK:
		block_arrived(s, peer, input->message);
		break;
	case SWARM_IN_BLOCK_COMING:
		block_coming(s, peer, input->bytes_count);
		break;
	case SWARM_IN_BLOCK_DISCARDED:
		block_discarded(s, peer, input->message);
		break;
	case SWARM_IN_BLOCK_BAD:
		block_bad(s, peer);
		break;
	case SWARM_IN_BLOCK_SENT:
		upload_sent(s, peer, input->message, input->ok);
		break;
	case SWARM_IN_BLOCK_UNREADABLE:
		upload_unreadable(s, peer, input->message);
		break;
	case SWARM_IN_LEAVES:
		leaves_ready(s, peer, input);
		break;
	default:
		break;
	}
}

static void handle_piece(struct swarm *s, const struct swarm_input *input)
{
	uint32_t piece = input->piece;

	if (piece >= s->pieces_count)
		return;
	switch (input->kind) {
	case SWARM_IN_PIECE_CHECKING:
		piece_checking(s, piece);
		break;
	case SWARM_IN_PIECE_PRESENT:
		piece_present(s, piece);
		break;
	case SWARM_IN_PIECE_ABSENT:
		piece_absent(s, piece, input->stale);
		break;
	case SWARM_IN_PIECE_BAD:
		piece_bad(s, piece);
		break;
	case SWARM_IN_HASHED:
		if (input->buffer < s->limits.buffers_count)
			buffer_hashed(s, input->buffer, piece, input->ok);
		break;
	case SWARM_IN_READ:
		if (input->buffer < s->limits.buffers_count)
			copies_read(s, input->buffer, piece, input->ok);
		break;
	case SWARM_IN_COMPARED:
		if (input->buffer < s->limits.buffers_count)
			leaves_compared(s, input);
		break;
	case SWARM_IN_WRITTEN:
		piece_written(s, piece, input->ok);
		break;
	default:
		break;
	}
}

void swarm_handle(struct swarm *s, uint64_t now_ns, const struct swarm_input *input)
{
	s->now_ns = u64_max(s->now_ns, now_ns);
	switch (input->kind) {
	case SWARM_IN_START:
		start(s);
		break;
	case SWARM_IN_TICK:
		break;
	case SWARM_IN_STOP:
		stop(s);
		break;
	case SWARM_IN_ASSESS_DONE:
		pieces_assess_done(s);
		break;
	case SWARM_IN_ADDRESS:
		if (input->source < SWARM_SOURCES_COUNT)
			(void)address_add(s, &input->address, input->source);
		break;
	case SWARM_IN_ACCEPTED:
		peer_accept(s, input);
		break;
	case SWARM_IN_FLUSHED:
		flush_done(s, input->flush_id, input->ok);
		break;
	case SWARM_IN_TRACKER_PEER:
		if (announcer_heeds(s, input->tracker))
			(void)address_add(s, &input->address, SWARM_SOURCE_TRACKER);
		break;
	case SWARM_IN_TRACKER_REPLY:
		announcer_reply(s, input->tracker, input->ok, input->interval_s);
		break;
	case SWARM_IN_PIECE_CHECKING:
	case SWARM_IN_PIECE_PRESENT:
	case SWARM_IN_PIECE_ABSENT:
	case SWARM_IN_PIECE_BAD:
	case SWARM_IN_HASHED:
	case SWARM_IN_READ:
	case SWARM_IN_COMPARED:
	case SWARM_IN_WRITTEN:
		handle_piece(s, input);
		break;
	default:
		handle_peer(s, input);
		break;
	}
	if (s->now_ns >= s->deadline_ns)
		tick(s);
}

/* ---- effects ---- */

/* One unit of the first kind of work there is. What frees things comes before what takes them. */
static bool work_once(struct swarm *s)
{
	static const struct {
		enum work kind;
		bool (*unit)(struct swarm *s);
	} units[] = {
		{WORK_CLOSE, peers_close_work},
		{WORK_SETTLE, durability_settle_work},
		{WORK_HAVE, pieces_have_work},
		{WORK_WRITE, durability_work},
		{WORK_RACKS, racks_work},
		{WORK_COPY, copies_work},
		{WORK_UPLOAD, uploads_work},
		{WORK_REQUEST, requests_work},
		{WORK_CONNECT, addresses_work},
		{WORK_PEX, pex_work},
		{WORK_ANNOUNCE, announcer_work},
		{WORK_COMPLETE, pieces_complete_work},
	};

	for (size_t i = 0; i < ARRAY_COUNT(units); i++)
		if ((s->work & (uint32_t)units[i].kind) != 0 && units[i].unit(s))
			return true;
	return false;
}

bool swarm_next_effect(struct swarm *s, struct swarm_effect *effect)
{
	while (s->effects_count == 0)
		if (!work_once(s))
			return false;
	return effect_pop(s, effect);
}

uint64_t swarm_deadline_ns(const struct swarm *s)
{
	return s->deadline_ns;
}

/* ---- questions ---- */

enum swarm_piece_state swarm_piece_state(const struct swarm *s, uint32_t piece)
{
	return piece < s->pieces_count ? (enum swarm_piece_state)s->pieces[piece].state
				       : SWARM_PIECE_UNKNOWN;
}

void swarm_status(const struct swarm *s, struct swarm_status *status)
{
	*status = s->status;
	status->pieces_durable_count = s->durable_count;
	status->left_bytes = s->settings.length_bytes - s->status.durable_bytes;
	status->known_addresses_count = s->addresses_count;
	status->tracker = announcer_working(s);
	status->complete = s->complete;
	status->disk_failed = s->disk_failed;
	for (uint32_t i = 0; i < s->peers_top; i++) {
		const struct peer *p = &s->peers[i];

		status->peers_count += p->state == PEER_OPEN;
		status->seeds_count += p->state == PEER_OPEN && p->has_count == s->pieces_count;
	}
}
