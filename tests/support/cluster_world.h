/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world of trackers that form a cluster, in virtual time: the shipped cores, on links that lose,
 * delay, double and reorder datagrams and can be cut, with members that stop, die and start again.
 * Everything follows from one seed.
 */
#ifndef TESTS_SUPPORT_CLUSTER_WORLD_H
#define TESTS_SUPPORT_CLUSTER_WORLD_H

#include "lib/rng.h"
#include "runtime/crypto.h"
#include "tracker/catchup_core.h"

#include <stdio.h>
#include <stdlib.h>

#define WORLD_MEMBERS_MAX   CLUSTER_MEMBERS_MAX
#define WORLD_QUEUE_MAX	    65536
#define WORLD_STEP_MS	    5
#define WORLD_CATCH_UP_MS   500 /* of silence, before one is given up */
#define WORLD_FRAMES_A_STEP 2

struct world_datagram {
	uint64_t due_ms;
	uint32_t to;
	uint32_t from;
	uint32_t bytes_count;
	uint8_t bytes[SYNC_DATAGRAM_BYTES_MAX];
};

struct world;

struct world_member {
	struct world *world;
	uint32_t number;
	struct peer_address address;
	bool up;
	bool stopped;	     /* SIGSTOP: nothing runs, datagrams wait */
	uint64_t settled_ms; /* since when it runs */
	int64_t clock_ms;    /* its clock runs ahead by this */
	uint64_t ticked_ms;
	void *book_memory;
	void *core_memory;
	struct tracker_core *book;
	struct cluster_core *core;
	uint64_t boot_id;
	bool catching_up;
	uint32_t source_number;
	uint64_t source_boot;
	uint64_t progress_ms;
	struct catchup_source source;
	struct catchup_sink sink;
};

struct world {
	struct rng rng;
	uint64_t now_ms;
	uint32_t members_count;
	uint32_t ring_batches;
	uint32_t peers_max;
	struct world_member members[WORLD_MEMBERS_MAX];
	bool cut[WORLD_MEMBERS_MAX][WORLD_MEMBERS_MAX];
	uint64_t joined_ms[WORLD_MEMBERS_MAX][WORLD_MEMBERS_MAX]; /* since when not cut */
	uint32_t loss_per_1000;
	uint32_t double_per_1000;
	uint32_t delay_ms_max;
	bool group;
	struct world_datagram *queue; /* in no order */
	uint32_t queue_count;
	uint64_t sent, lost, doubled, catch_ups, catch_ups_broken;
	/* For tests that look at datagrams or send their own. */
	void (*tap)(struct world *world, uint32_t from, uint32_t to, const uint8_t *bytes,
		size_t bytes_count);
};

static const uint8_t world_key[SYNC_KEY_BYTES] = "the secret of datagrams in tests";
static const uint8_t world_streams_key[SYNC_KEY_BYTES] = "the secret of streams in tests..";

static inline uint64_t world_clock(const struct world_member *member)
{
	return member->world->now_ms + (uint64_t)member->clock_ms;
}

static inline void world_address(struct peer_address *address, uint32_t number)
{
	uint8_t ip[4] = {10, 0, 0, (uint8_t)(number + 1)};

	peer_address_from4(address, ip, 6970);
}

static inline void world_put(struct world *world, uint32_t from, uint32_t to, const uint8_t *bytes,
	size_t bytes_count, uint64_t delay_ms)
{
	if (world->queue_count == WORLD_QUEUE_MAX)
		return; /* a full queue loses */
	struct world_datagram *datagram = &world->queue[world->queue_count++];

	datagram->due_ms = world->now_ms + delay_ms;
	datagram->from = from;
	datagram->to = to;
	datagram->bytes_count = (uint32_t)bytes_count;
	memcpy(datagram->bytes, bytes, bytes_count);
}

static inline void world_carry(
	struct world *world, uint32_t from, uint32_t to, const uint8_t *bytes, size_t bytes_count)
{
	world->sent++;
	if (world->tap != NULL)
		world->tap(world, from, to, bytes, bytes_count);
	if (world->cut[from][to] || rng_below(&world->rng, 1000) < world->loss_per_1000) {
		world->lost++;
		return;
	}
	world_put(world, from, to, bytes, bytes_count,
		1 + rng_below(&world->rng, world->delay_ms_max + 1));
	if (rng_below(&world->rng, 1000) < world->double_per_1000) {
		world->doubled++;
		world_put(world, from, to, bytes, bytes_count,
			1 + rng_below(&world->rng, world->delay_ms_max + 1));
	}
}

static inline void world_send(
	void *context, const struct peer_address *to, const uint8_t *bytes, size_t bytes_count)
{
	struct world_member *member = context;
	struct world *world = member->world;

	for (uint32_t i = 0; i < world->members_count; i++)
		if (to == NULL || peer_address_equal(&world->members[i].address, to))
			world_carry(world, member->number, i, bytes, bytes_count);
}

/* A member's process begins: a new book, a new boot. */
static inline void world_start(struct world *world, uint32_t number)
{
	struct world_member *member = &world->members[number];
	struct tracker_core_settings book = {.swarms_max = 64,
		.peers_max = world->peers_max,
		.interval_s = 5,
		.replicated = true,
		.seed = rng_next(&world->rng)};
	struct cluster_core_settings core = {.boot_id = rng_next(&world->rng) | 1,
		.mac = crypto_hmac_sha256,
		.send = world_send,
		.context = member,
		.group = world->group,
		.ring_batches = world->ring_batches,
		.book_peers_max = world->peers_max};

	memcpy(core.key, world_key, sizeof(core.key));
	for (size_t i = 0; i < sizeof(core.secret); i++)
		core.secret[i] = (uint8_t)rng_next(&world->rng);
	for (uint32_t i = 0; i < world->members_count && !world->group; i++)
		if (i != number)
			world_address(&core.members[core.members_count++], i);
	size_t book_bytes = tracker_core_bytes(&book);
	size_t core_bytes = cluster_core_bytes(&core);

	member->book_memory = malloc(book_bytes);
	member->core_memory = malloc(core_bytes);
	if (member->book_memory == NULL || member->core_memory == NULL)
		abort();
	member->book = tracker_core_create(&book, member->book_memory, book_bytes);
	member->core = cluster_core_create(&core, member->book, member->core_memory, core_bytes);
	if (member->book == NULL || member->core == NULL)
		abort();
	member->boot_id = core.boot_id;
	member->clock_ms = (int64_t)rng_below(&world->rng, 1000000000);
	member->ticked_ms = world->now_ms;
	member->up = true;
	member->stopped = false;
	member->catching_up = false;
	member->settled_ms = world->now_ms;
}

static inline void world_kill(struct world *world, uint32_t number)
{
	struct world_member *member = &world->members[number];

	free(member->book_memory);
	free(member->core_memory);
	member->book_memory = member->core_memory = NULL;
	member->up = false;
	/* What waited for it is gone. */
	for (uint32_t i = world->queue_count; i-- > 0;)
		if (world->queue[i].to == number)
			world->queue[i] = world->queue[--world->queue_count];
}

static inline void world_create(struct world *world, uint64_t seed, uint32_t members_count)
{
	memset(world, 0, sizeof(*world));
	rng_seed(&world->rng, seed);
	world->now_ms = 1;
	world->members_count = members_count;
	world->peers_max = 4096;
	world->delay_ms_max = 3;
	world->queue = malloc(WORLD_QUEUE_MAX * sizeof(*world->queue));
	if (world->queue == NULL)
		abort();
	for (uint32_t i = 0; i < members_count; i++) {
		world->members[i].world = world;
		world->members[i].number = i;
		world_address(&world->members[i].address, i);
	}
}

static inline void world_destroy(struct world *world)
{
	for (uint32_t i = 0; i < world->members_count; i++)
		if (world->members[i].up)
			world_kill(world, i);
	free(world->queue);
}

static inline void world_link(struct world *world, uint32_t a, uint32_t b, bool cut)
{
	if (world->cut[a][b] && !cut)
		world->joined_ms[a][b] = world->joined_ms[b][a] = world->now_ms;
	world->cut[a][b] = world->cut[b][a] = cut;
}

static inline void world_stop(struct world *world, uint32_t number, bool stopped)
{
	struct world_member *member = &world->members[number];

	if (member->stopped && !stopped)
		member->settled_ms = world->now_ms;
	member->stopped = stopped;
}

static inline bool world_runs(const struct world_member *member)
{
	return member->up && !member->stopped;
}

/* One step of a catch-up: some frames, if both ends run and the link is there. */
static inline void world_catch_up(struct world *world, struct world_member *member)
{
	struct world_member *from = &world->members[member->source_number];
	uint8_t frame[SYNC_FRAME_BYTES_MAX];
	enum catchup_result result = CATCHUP_MORE;

	if (!from->up || from->boot_id != member->source_boot)
		result = CATCHUP_WRONG; /* reset by the new process */
	for (uint32_t i = 0; i < WORLD_FRAMES_A_STEP && result == CATCHUP_MORE; i++) {
		if (from->stopped || world->cut[member->number][from->number]) {
			if (world->now_ms - member->progress_ms > WORLD_CATCH_UP_MS)
				result = CATCHUP_WRONG;
			break;
		}
		size_t bytes_count =
			catchup_source_frame(&member->source, world_clock(from), frame);

		result = catchup_sink_frame(&member->sink, world_clock(member), frame, bytes_count);
		member->progress_ms = world->now_ms;
	}
	if (result == CATCHUP_MORE)
		return;
	member->catching_up = false;
	if (result == CATCHUP_DONE) {
		world->catch_ups++;
		cluster_core_caught_up(member->core, world_clock(member), &member->sink.includes);
	} else {
		world->catch_ups_broken++;
		cluster_core_not_caught_up(
			member->core, world_clock(member), member->sink.source_boot);
	}
}

static inline void world_catch_up_begin(struct world *world, struct world_member *member)
{
	struct peer_address address;
	uint64_t boot_id;
	uint8_t nonces[2][SYNC_NONCE_BYTES];
	uint8_t greeting[SYNC_GREETING_BYTES];
	uint8_t request[SYNC_REQUEST_BYTES];

	if (!cluster_core_wants_catch_up(member->core, world_clock(member), &address, &boot_id))
		return;
	for (size_t i = 0; i < SYNC_NONCE_BYTES; i++) {
		nonces[0][i] = (uint8_t)rng_next(&world->rng);
		nonces[1][i] = (uint8_t)rng_next(&world->rng);
	}
	member->source_number = address.ip[15] - UINT32_C(1);
	struct world_member *from = &world->members[member->source_number];
	if (!from->up) {
		cluster_core_not_caught_up(member->core, world_clock(member), boot_id);
		return;
	}
	catchup_source_start(&member->source, from->core, from->book, world_streams_key,
		crypto_hmac_sha256, nonces[0]);
	catchup_source_greet(&member->source, greeting);
	catchup_sink_start(&member->sink, member->core, boot_id, world_streams_key,
		crypto_hmac_sha256, nonces[1]);
	if (!catchup_sink_request(&member->sink, greeting, request))
		abort();
	/* It may have started again meanwhile, and be another. */
	if (!catchup_source_accept(&member->source, request)) {
		world->catch_ups_broken++;
		cluster_core_not_caught_up(member->core, world_clock(member), boot_id);
		return;
	}
	member->source_boot = from->boot_id;
	member->catching_up = true;
	member->progress_ms = world->now_ms;
}

static inline void world_deliver(struct world *world)
{
	for (uint32_t i = world->queue_count; i-- > 0;) {
		struct world_datagram datagram = world->queue[i];
		struct world_member *member = &world->members[datagram.to];

		if (datagram.due_ms > world->now_ms || member->stopped)
			continue;
		world->queue[i] = world->queue[--world->queue_count];
		if (member->up)
			cluster_core_receive(member->core, world_clock(member),
				&world->members[datagram.from].address, datagram.bytes,
				datagram.bytes_count);
	}
}

static inline void world_step(struct world *world)
{
	world->now_ms += WORLD_STEP_MS;
	world_deliver(world);
	for (uint32_t i = 0; i < world->members_count; i++) {
		struct world_member *member = &world->members[i];

		if (!world_runs(member))
			continue;
		if (member->catching_up)
			world_catch_up(world, member);
		if (world->now_ms - member->ticked_ms < CLUSTER_TICK_MS)
			continue;
		member->ticked_ms = world->now_ms;
		cluster_core_tick(member->core, world_clock(member));
		if (!member->catching_up)
			world_catch_up_begin(world, member);
	}
}

static inline void world_run(struct world *world, uint64_t ms)
{
	uint64_t end_ms = world->now_ms + ms;

	while (world->now_ms < end_ms)
		world_step(world);
}

/* An announce of a peer to a member. False when it does not answer. */
static inline bool world_announce(struct world *world, uint32_t number, uint32_t swarm,
	uint32_t peer, bool seeder, enum announce_event event)
{
	static struct announce_reply reply;
	struct world_member *member = &world->members[number];
	struct announce announce = {.event = event,
		.left_bytes = seeder ? 0 : 1,
		.port = (uint16_t)(1024 + peer % 4),
		.numwant = 0};
	struct peer_address address;
	uint8_t ip[4] = {172, 16, (uint8_t)(peer >> 8), (uint8_t)peer};

	if (!world_runs(member))
		return false;
	memset(announce.infohash, (int)swarm, sizeof(announce.infohash));
	memset(announce.peer_id, 'p', sizeof(announce.peer_id));
	snprintf(announce.site, sizeof(announce.site), "hall%u", peer % 2);
	snprintf(announce.rack, sizeof(announce.rack), "r%u", peer % 7);
	peer_address_from4(&address, ip, announce.port);
	if (peer % 5 == 0)
		address.ip[0] = 0xfd; /* an IPv6 one */
	tracker_core_announce(member->book, world_clock(member), &announce, address.ip, &reply);
	return reply.failure[0] == '\0';
}

static inline uint32_t world_peers(const struct world *world, uint32_t number)
{
	return tracker_core_peers_count(world->members[number].book);
}

#endif
