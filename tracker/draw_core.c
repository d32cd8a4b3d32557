/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which peers of a list are named. The chunks of the list are visited in a random arithmetic
 * progression, and of each a window of a few neighbouring slots is taken, at an offset that is
 * drawn once: every peer has the same chance, and a reply of fifty reads a dozen places of memory
 * instead of fifty.
 */
#include "tracker/book_core.h"

#define WINDOW	     4 /* slots of a chunk */
#define PER_CHUNK    2 /* peers that are hoped for from one */
#define TRIES_SPARE  64
#define STRIDE_TRIES 8

static uint32_t below(struct rng *rng, uint32_t bound)
{
	return keyed_hash_below(rng_next(rng), bound);
}

/* A step that visits all of `count` positions. */
static uint32_t draw_stride(struct rng *rng, uint32_t count)
{
	for (uint32_t i = 0; i < STRIDE_TRIES && count > 2; i++) {
		uint32_t stride = 1 + below(rng, count - 1);
		uint32_t a = count;
		uint32_t b = stride;

		while (b != 0) {
			uint32_t rest = a % b;

			a = b;
			b = rest;
		}
		if (a == 1)
			return stride;
	}
	return 1;
}

static void reply_add4(struct announce_reply *reply, const struct record4 *record)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct peer_address *address = &reply->peers[reply->peers_count++];

	memcpy(address->ip, mapped, sizeof(mapped));
	memcpy(address->ip + sizeof(mapped), record->ip, sizeof(record->ip));
	address->port = record->port;
}

static void reply_add6(struct announce_reply *reply, const struct record6 *record)
{
	struct peer_address *address = &reply->peers[reply->peers_count++];

	memcpy(address->ip, record->ip, sizeof(record->ip));
	address->port = record->port;
}

/* Of one chunk: slots first, first + 1, ... round its end. */
static uint32_t draw_window(const struct tracker_core *core, const struct draw *draw,
	uint32_t index, uint32_t first, uint32_t window, uint32_t wanted,
	struct announce_reply *reply)
{
	const struct chunk *chunk = &core->chunks[index];
	const union chunk_records *records = &core->records[index];
	uint32_t mask = chunk_slots(chunk) - 1; /* of a power of two */
	uint32_t got = 0;

	for (uint32_t i = 0; i < window && got < wanted; i++) {
		uint32_t at = (first + i) & mask;

		if (at >= chunk->count || index * CHUNK_SLOTS + at == draw->except)
			continue;
		uint32_t announced_ms = chunk_is6(chunk) ? records->v6[at].announced_ms
							 : records->v4[at].announced_ms;
		if (age_ms(draw->now_ms, announced_ms) > draw->silent_ms)
			continue;
		if (chunk_is6(chunk))
			reply_add6(reply, &records->v6[at]);
		else
			reply_add4(reply, &records->v4[at]);
		got++;
	}
	return got;
}

uint32_t book_draw(struct tracker_core *core, const struct draw *draw, uint32_t list_index,
	enum level level, uint16_t skip_place, uint32_t wanted, struct announce_reply *reply)
{
	const struct list *list = &core->lists[list_index];
	uint32_t chunks_count = list->chunks_count;
	uint32_t slots = list->category >= CATEGORY_IPV6 ? CHUNK_SLOTS6 : CHUNK_SLOTS;
	uint32_t window = WINDOW;
	uint32_t got = 0;

	wanted = (uint32_t)u64_min(wanted, ANNOUNCE_PEERS_MAX - reply->peers_count);
	if (wanted == 0 || chunks_count == 0)
		return 0;
	/* Where chunks are nearly empty, more of each. */
	while (window < slots &&
		(wanted >= list->peers_count || (uint64_t)list->peers_count * window <
							(uint64_t)PER_CHUNK * slots * chunks_count))
		window *= 2;
	uint64_t tries =
		u64_min((uint64_t)chunks_count * (slots / window), (uint64_t)wanted + TRIES_SPARE);
	uint32_t position = below(&core->rng, chunks_count);
	uint32_t stride = draw_stride(&core->rng, chunks_count);
	uint32_t first = below(&core->rng, slots);

	for (uint64_t i = 1; i <= tries && got < wanted; i++) {
		uint32_t chunk = book_chunk_at(core, list_index, level, position);

		if (skip_place == PLACE_NOWHERE || core->chunks[chunk].place != skip_place)
			got += draw_window(core, draw, chunk, first, window, wanted - got, reply);
		position += stride;
		position -= position >= chunks_count ? chunks_count : 0;
		/* All were visited: once more, for what their windows left. */
		first += i % chunks_count == 0 ? window : 0;
	}
	return got;
}
