/* SPDX-License-Identifier: Apache-2.0 */
/* What trackers tell each other of peers: changes, everything, and what of theirs is believed. */
#include "tracker/book_core.h"

void book_changed(struct tracker_core *core, uint32_t swarm, const struct peer_address *address,
	uint32_t announced_ms, bool stopped)
{
	if (core->changes_max == 0)
		return;
	if (core->changes_end - core->changes_begin == core->changes_max) {
		core->changes_begin++;
		core->changes_lost++;
	}
	core->changes[core->changes_end++ % core->changes_max] =
		(struct change){swarm, announced_ms, *address, stopped};
}

uint64_t tracker_core_changes_lost(const struct tracker_core *core)
{
	return core->changes_lost;
}

/* False for one that is as good as forgotten. */
static bool describe(const struct tracker_core *core, uint64_t now_ms, uint32_t slot,
	struct tracker_record *record)
{
	uint32_t kind = kind_of(core, slot);
	const struct place *place = &core->places.entries[*place_at(core, slot)];

	*record = (struct tracker_record){.age_ms = age_ms(now_ms, *announced_ms_at(core, slot)),
		.seeder = kind == KIND_SEEDER,
		.paused = kind == KIND_PAUSED,
		.stopped = kind == KIND_STOPPED};
	if (record->age_ms > book_silent_ms(core))
		return false;
	memcpy(record->infohash, core->swarms[chunk_of(core, slot)->swarm].infohash, SHA1_BYTES);
	book_peer_address(core, slot, &record->address);
	memcpy(record->site, place->site, sizeof(record->site));
	memcpy(record->rack, place->rack, sizeof(record->rack));
	return true;
}

/* Of one that stopped, and whose tombstone is not there. */
static bool describe_stopped(const struct tracker_core *core, uint64_t now_ms,
	const struct change *change, struct tracker_record *record)
{
	*record = (struct tracker_record){.address = change->address,
		.age_ms = age_ms(now_ms, change->announced_ms),
		.stopped = true};
	memcpy(record->infohash, core->swarms[change->swarm].infohash, SHA1_BYTES);
	return change->stopped && record->age_ms <= book_silent_ms(core);
}

bool tracker_core_next_change(
	struct tracker_core *core, uint64_t now_ms, struct tracker_record *record)
{
	while (core->changes_begin < core->changes_end) {
		uint64_t number = core->changes_begin++;
		const struct change *change = &core->changes[number % core->changes_max];
		const struct swarm_entry *swarm = &core->swarms[change->swarm];

		/* A swarm that made place for another has no such peer. */
		if (!swarm->used || number < swarm->changes_begin)
			continue;
		uint32_t slot = book_peer_find(core, change->swarm, &change->address);

		if (slot == NONE ? describe_stopped(core, now_ms, change, record)
				 : describe(core, now_ms, slot, record))
			return true;
	}
	return false;
}

/* Down the index: entries in it only ever move down, to where the walk has not been. */
bool tracker_core_walk(
	struct tracker_core *core, uint64_t now_ms, uint64_t *cursor, struct tracker_record *record)
{
	while (*cursor < core->index_count) {
		uint32_t entry = core->index[core->index_count - 1 - (*cursor)++];

		if (entry != 0 && describe(core, now_ms, book_index_slot(core, entry), record))
			return true;
	}
	return false;
}

static uint32_t record_kind(const struct tracker_record *record)
{
	if (record->stopped)
		return KIND_STOPPED;
	if (record->seeder)
		return KIND_SEEDER;
	return record->paused ? KIND_PAUSED : KIND_LEECHER;
}

/* The younger one counts; of two that are as young, the one that stopped. */
static bool is_news(const struct tracker_core *core, uint64_t now_ms, uint32_t slot,
	const struct tracker_record *record)
{
	uint32_t known_ms = age_ms(now_ms, *announced_ms_at(core, slot));

	return record->age_ms < known_ms || (record->age_ms == known_ms && record->stopped &&
						    kind_of(core, slot) != KIND_STOPPED);
}

static void apply(struct tracker_core *core, uint32_t swarm, uint32_t slot, uint32_t announced_ms,
	const struct tracker_record *record)
{
	uint32_t kind = record_kind(record);
	uint16_t place = PLACE_NOWHERE;

	if (kind != KIND_STOPPED)
		place = places_find(&core->places, record->address.ip, record->site, record->rack);
	/* Its own tracker counted it when it said so. */
	if (slot != NONE && kind == KIND_SEEDER &&
		(kind_of(core, slot) == KIND_LEECHER || kind_of(core, slot) == KIND_PAUSED))
		core->swarms[swarm].completed_count++;
	if (slot == NONE)
		(void)book_peer_add(core, swarm, &record->address, kind, place, announced_ms);
	else
		(void)book_peer_renew(core, slot, kind, place, announced_ms);
	places_release(&core->places, place);
}

void tracker_core_record(
	struct tracker_core *core, uint64_t now_ms, const struct tracker_record *record)
{
	uint32_t swarm = book_swarm_find(core, record->infohash);
	uint32_t slot = NONE;

	if (record->address.port == 0 || record->age_ms > book_silent_ms(core) ||
		(core->settings.allow_only && (swarm == NONE || !core->swarms[swarm].pinned)))
		return;
	tracker_core_expire(core, now_ms);
	if (swarm == NONE)
		swarm = book_swarm_find_or_add(core, record->infohash);
	if (swarm == NONE)
		return;
	slot = book_peer_find(core, swarm, &record->address);
	if (slot == NONE || is_news(core, now_ms, slot, record))
		apply(core, swarm, slot, (uint32_t)now_ms - record->age_ms, record);
}
