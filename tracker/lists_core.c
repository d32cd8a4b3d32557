/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of peers as arrays of chunks, and the chunks that all of them share. */
#include "tracker/book_core.h"

/* Lists. */

static uint32_t *list_bucket(const struct tracker_core *core, uint32_t swarm, uint32_t category,
	enum level level, uint16_t place)
{
	uint64_t hash = keyed_hash(core->hash_key,
		(uint64_t)swarm << 32 | (uint64_t)place << 16 | category << 1 | level);

	return &core->list_buckets[keyed_hash_below(hash, core->list_buckets_count)];
}

uint32_t book_list_find(const struct tracker_core *core, uint32_t swarm, uint32_t category,
	enum level level, uint16_t place)
{
	if (place == PLACE_NOWHERE)
		return list_of_nowhere(swarm, category, level);
	uint32_t at = *list_bucket(core, swarm, category, level, place);

	while (at != NONE) {
		const struct list *list = &core->lists[at];

		if (list->swarm == swarm && list->place == place && list->category == category &&
			list->level == level)
			return at;
		at = list->next;
	}
	return NONE;
}

static uint32_t list_find_or_add(struct tracker_core *core, uint32_t swarm, uint32_t category,
	enum level level, uint16_t place)
{
	uint32_t at = book_list_find(core, swarm, category, level, place);

	if (at != NONE)
		return at;
	at = core->list_free;
	if (at != NONE)
		core->list_free = core->lists[at].next;
	else if (core->lists_fresh < core->lists_max)
		at = core->lists_fresh++;
	else
		return NONE;
	uint32_t *bucket = list_bucket(core, swarm, category, level, place);

	core->lists[at] = (struct list){.swarm = swarm,
		.next = *bucket,
		.place = place,
		.category = (uint8_t)category,
		.level = (uint8_t)level};
	*bucket = at;
	return at;
}

static void list_give_back(struct tracker_core *core, uint32_t index)
{
	struct list *list = &core->lists[index];

	if (list->chunks_count > 0 || list->place == PLACE_NOWHERE)
		return;
	uint32_t *link = list_bucket(core, list->swarm, list->category, list->level, list->place);

	while (*link != index)
		link = &core->lists[*link].next;
	*link = list->next;
	list->next = core->list_free;
	core->list_free = index;
}

uint32_t book_list_for(struct tracker_core *core, uint32_t swarm, uint32_t category, uint16_t place)
{
	uint32_t nowhere = list_of_nowhere(swarm, category, LEVEL_RACK);

	if (place == PLACE_NOWHERE || category % KINDS == KIND_STOPPED)
		return nowhere;
	uint32_t rack = list_find_or_add(core, swarm, category, LEVEL_RACK, place);

	if (rack == NONE)
		return nowhere;
	if (list_find_or_add(core, swarm, category, LEVEL_SITE, site_of(core, place)) == NONE) {
		list_give_back(core, rack);
		return nowhere;
	}
	return rack;
}

/* Chunks in lists. */

static uint32_t *chunk_bucket(
	const struct tracker_core *core, uint32_t list, enum level level, uint32_t position)
{
	uint64_t hash = keyed_hash(core->hash_key, (uint64_t)list << 32 | position);

	return &core->chunks_at[level][keyed_hash_below(hash, core->chunks_max)];
}

uint32_t book_chunk_at(
	const struct tracker_core *core, uint32_t list, enum level level, uint32_t position)
{
	uint32_t at = *chunk_bucket(core, list, level, position);

	while (at != NONE && (core->chunks[at].lists[level] != list ||
				     core->chunks[at].positions[level] != position))
		at = core->chunks[at].next[level];
	return at;
}

void book_chunk_fetch_head(
	const struct tracker_core *core, uint32_t list, enum level level, uint32_t position)
{
	__builtin_prefetch(chunk_bucket(core, list, level, position));
}

void book_chunk_fetch(const struct tracker_core *core, uint32_t list, enum level level,
	uint32_t position, uint32_t first_byte, uint32_t last_byte)
{
	uint32_t at = *chunk_bucket(core, list, level, position);

	if (at == NONE)
		return;
	__builtin_prefetch(&core->chunks[at]);
	__builtin_prefetch((const uint8_t *)&core->records[at] + first_byte);
	__builtin_prefetch((const uint8_t *)&core->records[at] + last_byte);
}

static void chunk_link(
	struct tracker_core *core, uint32_t index, enum level level, uint32_t position)
{
	struct chunk *chunk = &core->chunks[index];
	uint32_t *bucket = chunk_bucket(core, chunk->lists[level], level, position);

	chunk->positions[level] = position;
	chunk->next[level] = *bucket;
	*bucket = index;
}

static void chunk_unlink(struct tracker_core *core, uint32_t index, enum level level)
{
	const struct chunk *chunk = &core->chunks[index];
	uint32_t *link = chunk_bucket(core, chunk->lists[level], level, chunk->positions[level]);

	while (*link != index)
		link = &core->chunks[*link].next[level];
	*link = chunk->next[level];
}

/* At the end of a rack's list, and of its site's. */
static uint32_t chunk_add(struct tracker_core *core, uint32_t rack)
{
	uint32_t index = core->chunk_free;
	const struct list *list = &core->lists[rack];
	bool stopped = list->category % KINDS == KIND_STOPPED;

	if (index != NONE)
		core->chunk_free = core->chunks[index].next[0];
	else
		index = core->chunks_fresh++;
	struct chunk *chunk = &core->chunks[index];

	*chunk = (struct chunk){
		.swarm = list->swarm, .place = list->place, .category = list->category};
	chunk->lists[LEVEL_RACK] = rack;
	chunk->lists[LEVEL_SITE] = stopped ? NONE
					   : book_list_find(core, list->swarm, list->category,
						     LEVEL_SITE, site_of(core, list->place));
	for (uint32_t level = 0; level < LEVELS; level++)
		if (chunk->lists[level] != NONE)
			chunk_link(core, index, level,
				core->lists[chunk->lists[level]].chunks_count++);
	return index;
}

/* The last one of each list takes the position that becomes free. */
static void chunk_drop(struct tracker_core *core, uint32_t index)
{
	struct chunk *chunk = &core->chunks[index];

	for (uint32_t level = 0; level < LEVELS; level++) {
		uint32_t list = chunk->lists[level];

		if (list == NONE)
			continue;
		uint32_t last_position = core->lists[list].chunks_count - 1;
		uint32_t last = book_chunk_at(core, list, level, last_position);

		chunk_unlink(core, index, level);
		if (last != index) {
			chunk_unlink(core, last, level);
			chunk_link(core, last, level, chunk->positions[level]);
		}
		core->lists[list].chunks_count--;
		list_give_back(core, list);
	}
	chunk->lists[LEVEL_RACK] = NONE;
	chunk->next[0] = core->chunk_free;
	core->chunk_free = index;
}

/* Slots. */

static void count_peers(struct tracker_core *core, const struct chunk *chunk, uint32_t change)
{
	for (uint32_t level = 0; level < LEVELS; level++)
		if (chunk->lists[level] != NONE)
			core->lists[chunk->lists[level]].peers_count += change;
}

uint32_t book_slot_add(struct tracker_core *core, uint32_t list)
{
	uint32_t chunks_count = core->lists[list].chunks_count;
	uint32_t index = NONE;

	if (chunks_count > 0)
		index = book_chunk_at(core, list, LEVEL_RACK, chunks_count - 1);
	if (index == NONE || core->chunks[index].count == chunk_slots(&core->chunks[index]))
		index = chunk_add(core, list);
	struct chunk *chunk = &core->chunks[index];

	count_peers(core, chunk, 1);
	return index * CHUNK_SLOTS + chunk->count++;
}

uint32_t book_slot_last(const struct tracker_core *core, uint32_t slot)
{
	uint32_t list = chunk_of(core, slot)->lists[LEVEL_RACK];
	uint32_t last = book_chunk_at(core, list, LEVEL_RACK, core->lists[list].chunks_count - 1);

	return last * CHUNK_SLOTS + core->chunks[last].count - 1;
}

void book_slot_drop(struct tracker_core *core, uint32_t last)
{
	struct chunk *chunk = chunk_of(core, last);

	count_peers(core, chunk, UINT32_MAX);
	if (--chunk->count == 0)
		chunk_drop(core, last / CHUNK_SLOTS);
}
