/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which peers of a list are named. The chunks of the list are visited in a random arithmetic
 * progression, and of each a window of a few neighbouring slots is taken, at an offset that is
 * drawn once: every peer has the same chance, and a reply of fifty reads a dozen places of memory
 * instead of fifty.
 */
#include "tracker/book_core.h"

#define WINDOW	    4 /* slots of a chunk */
#define PER_CHUNK   2 /* peers that are hoped for from one */
#define TRIES_SPARE 64

static uint32_t below(struct rng *rng, uint32_t bound)
{
	return keyed_hash_below(rng_next(rng), bound);
}

/* Primes above 2^31, drawn at random: none divides a number of chunks, so steps of one visit them
 * all. */
static const uint32_t strides[] = {3480201601U, 3327253123U, 3239974921U, 3350133641U, 2978115083U,
	4073856779U, 2399996941U, 3692437393U, 3353497363U, 2243101459U, 2559398549U, 2206962839U,
	2461455641U, 3269315353U, 2156072731U, 4021966747U, 3364988443U, 3109656989U, 2372471579U,
	3512671901U, 2716011041U, 3334329377U, 2539372579U, 2427062047U, 3454120997U, 3986326427U,
	2527227049U, 2511026989U, 3825667247U, 3403000241U, 4141788593U, 4107051061U, 3708372793U,
	2950859449U, 2676757051U, 4130952379U, 4061418301U, 4271645117U, 2616591169U, 2234163649U,
	3379889693U, 4133989957U, 2954098757U, 3405620809U, 4087983049U, 4069002827U, 3887238347U,
	3464228171U};

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

/* Positions of a list, in the order in which they are visited. */
struct progression {
	uint32_t count;
	uint32_t stride;
	uint32_t position;
};

static uint32_t next_position(struct progression *progression)
{
	uint32_t position = progression->position;

	progression->position += progression->stride;
	if (progression->position >= progression->count)
		progression->position -= progression->count;
	return position;
}

/* What will be looked at is on its way while the first of it is looked at: a large tracker's memory
 * is far away. */
static void fetch_ahead(const struct tracker_core *core, uint32_t list, enum level level,
	struct progression ahead, uint32_t visits, uint32_t first, uint32_t window)
{
	uint32_t slots = core->lists[list].category >= CATEGORY_IPV6 ? CHUNK_SLOTS6 : CHUNK_SLOTS;
	uint32_t slot_bytes = CHUNK_BYTES / slots;
	struct progression again = ahead;

	for (uint32_t i = 0; i < visits; i++)
		book_chunk_fetch_head(core, list, level, next_position(&ahead));
	for (uint32_t i = 0; i < visits; i++)
		book_chunk_fetch(core, list, level, next_position(&again),
			first % slots * slot_bytes, (first + window - 1) % slots * slot_bytes);
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
	struct progression chunks = {.count = chunks_count,
		.stride = strides[below(&core->rng, ARRAY_COUNT(strides))] % chunks_count,
		.position = below(&core->rng, chunks_count)};
	uint32_t first = below(&core->rng, slots);

	fetch_ahead(core, list_index, level, chunks, (uint32_t)u64_min(tries, wanted / WINDOW + 1),
		first, window);
	for (uint64_t i = 1; i <= tries && got < wanted; i++) {
		uint32_t chunk = book_chunk_at(core, list_index, level, next_position(&chunks));

		if (skip_place == PLACE_NOWHERE || core->chunks[chunk].place != skip_place)
			got += draw_window(core, draw, chunk, first, window, wanted - got, reply);
		/* All were visited: once more, for what their windows left. */
		first += i % chunks_count == 0 ? window : 0;
	}
	return got;
}
