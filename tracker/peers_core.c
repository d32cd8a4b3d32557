/* SPDX-License-Identifier: Apache-2.0 */
/* How a peer is found, moves between lists, and is forgotten. */
#include "tracker/book_core.h"

void book_peer_address(const struct tracker_core *core, uint32_t slot, struct peer_address *address)
{
	if (chunk_is6(chunk_of(core, slot))) {
		const struct record6 *record = record6_at(core, slot);

		memcpy(address->ip, record->ip, sizeof(address->ip));
		address->port = record->port;
	} else {
		const struct record4 *record = record4_at(core, slot);

		peer_address_from4(address, record->ip, record->port);
	}
}

static void slot_write(struct tracker_core *core, uint32_t slot, const struct peer_address *address,
	uint16_t place, uint32_t announced_ms)
{
	struct chunk *chunk = chunk_of(core, slot);

	if (chunk_is6(chunk)) {
		struct record6 *record = record6_at(core, slot);

		memcpy(record->ip, address->ip, sizeof(record->ip));
		record->port = address->port;
	} else {
		struct record4 *record = record4_at(core, slot);

		memcpy(record->ip, address->ip + 12, sizeof(record->ip));
		record->port = address->port;
	}
	*place_at(core, slot) = place;
	*announced_ms_at(core, slot) = announced_ms;
	if (chunk->count == 1 || (int32_t)(announced_ms - chunk->oldest_ms) < 0)
		chunk->oldest_ms = announced_ms;
}

/* The index: linear probing, and what lies behind an entry that goes moves up. */

static uint64_t address_hash(
	const struct tracker_core *core, uint32_t swarm, const struct peer_address *address)
{
	uint64_t hash = keyed_hash(core->hash_key, be64_read(address->ip + 8));

	if (!peer_address_is4(address))
		hash = keyed_hash(hash, be64_read(address->ip));
	return keyed_hash(hash, (uint64_t)swarm << 16 | address->port);
}

static uint64_t slot_hash(const struct tracker_core *core, uint32_t slot)
{
	struct peer_address address;

	book_peer_address(core, slot, &address);
	return address_hash(core, chunk_of(core, slot)->swarm, &address);
}

static uint32_t index_entry(const struct tracker_core *core, uint64_t hash, uint32_t slot)
{
	return (uint32_t)(hash << core->slot_bits) | (slot + 1);
}

uint32_t book_index_slot(const struct tracker_core *core, uint32_t entry)
{
	return (entry & ((UINT32_C(1) << core->slot_bits) - 1)) - 1;
}

static uint32_t index_position(const struct tracker_core *core, uint32_t slot, uint64_t hash)
{
	uint32_t entry = index_entry(core, hash, slot);
	uint32_t at = keyed_hash_below(hash, core->index_homes);

	while (core->index[at] != entry)
		at++;
	return at;
}

static bool index_insert(struct tracker_core *core, uint32_t slot, uint64_t hash)
{
	uint32_t at = keyed_hash_below(hash, core->index_homes);

	while (at < core->index_count && core->index[at] != 0)
		at++;
	if (at == core->index_count)
		return false;
	core->index[at] = index_entry(core, hash, slot);
	return true;
}

static void index_remove(struct tracker_core *core, uint32_t slot)
{
	uint32_t hole = index_position(core, slot, slot_hash(core, slot));

	for (uint32_t at = hole + 1; at < core->index_count && core->index[at] != 0; at++) {
		uint64_t hash = slot_hash(core, book_index_slot(core, core->index[at]));

		if (keyed_hash_below(hash, core->index_homes) > hole)
			continue;
		core->index[hole] = core->index[at];
		hole = at;
	}
	core->index[hole] = 0;
}

/* Both slots hold the peer. */
static void index_repoint(struct tracker_core *core, uint32_t from, uint32_t to)
{
	uint64_t hash = slot_hash(core, from);

	core->index[index_position(core, from, hash)] = index_entry(core, hash, to);
}

static bool slot_holds(const struct tracker_core *core, uint32_t slot, uint32_t swarm,
	const struct peer_address *address, bool ipv6)
{
	const struct chunk *chunk = chunk_of(core, slot);

	if (chunk->swarm != swarm || chunk_is6(chunk) != ipv6)
		return false;
	if (ipv6)
		return record6_at(core, slot)->port == address->port &&
		       memcmp(record6_at(core, slot)->ip, address->ip, 16) == 0;
	return record4_at(core, slot)->port == address->port &&
	       memcmp(record4_at(core, slot)->ip, address->ip + 12, 4) == 0;
}

uint32_t book_peer_find(
	const struct tracker_core *core, uint32_t swarm, const struct peer_address *address)
{
	uint64_t hash = address_hash(core, swarm, address);
	uint32_t tag = (uint32_t)(hash << core->slot_bits);
	uint32_t at = keyed_hash_below(hash, core->index_homes);
	bool ipv6 = !peer_address_is4(address);

	for (; at < core->index_count && core->index[at] != 0; at++) {
		uint32_t entry = core->index[at];
		uint32_t slot = book_index_slot(core, entry);

		if (entry - (slot + 1) == tag && slot_holds(core, slot, swarm, address, ipv6))
			return slot;
	}
	return NONE;
}

uint32_t book_peer_fetch_head(
	const struct tracker_core *core, uint32_t swarm, const struct peer_address *address)
{
	uint32_t at = keyed_hash_below(address_hash(core, swarm, address), core->index_homes);

	__builtin_prefetch(&core->index[at]);
	return at;
}

void book_peer_fetch(const struct tracker_core *core, uint32_t where)
{
	if (core->index[where] == 0)
		return;
	uint32_t slot = book_index_slot(core, core->index[where]);

	__builtin_prefetch(chunk_of(core, slot));
	__builtin_prefetch(announced_ms_at((struct tracker_core *)core, slot), 1);
}

/* Peers. */

static void count(struct tracker_core *core, uint32_t swarm, uint32_t category,
	const struct peer_address *address, uint32_t change)
{
	bool stopped = category % KINDS == KIND_STOPPED;

	if (stopped)
		core->shares[share_of(core, address->ip)].stopped_count += change;
	core->swarms[swarm].counts[category] += change;
	core->swarms[swarm].peers_count += stopped ? 0 : change;
	*(stopped ? &core->stopped_count : &core->peers_count) += change;
	core->peers_most = (uint32_t)u64_max(core->peers_most, core->peers_count);
}

/* What an address has. */

static bool is_loopback(const uint8_t ip[static 16])
{
	if (peer_ip_owner_bytes(ip) == 16)
		return ip[12] == 127;
	return be64_read(ip) == 0 && be64_read(ip + 8) == 1;
}

/* One count in each half of the table: who shares one of them with somebody greedy hardly ever
 * shares the other. */
struct ports {
	uint16_t *first;
	uint16_t *second;
};

static struct ports ports_of(
	const struct tracker_core *core, uint32_t swarm, const struct peer_address *address)
{
	uint32_t half = core->ports_count / 2;
	uint64_t hash = keyed_hash(core->hash_key, be64_read(address->ip));

	hash = keyed_hash(keyed_hash(hash, be64_read(address->ip + 8)), swarm);
	return (struct ports){&core->ports[keyed_hash_below(hash, half)],
		&core->ports[half + keyed_hash_below(hash << 32, half)]};
}

bool book_ports_full(const struct tracker_core *core, uint32_t swarm, uint32_t slot,
	const struct peer_address *address)
{
	struct ports ports = ports_of(core, swarm, address);
	uint32_t most = TRACKER_PORTS_MAX + (slot != NONE);

	return core->settings.share_percent < 100 && !is_loopback(address->ip) &&
	       *ports.first >= most && *ports.second >= most;
}

static void count_address(struct tracker_core *core, uint32_t swarm,
	const struct peer_address *address, uint32_t change)
{
	struct ports ports = ports_of(core, swarm, address);

	core->shares[share_of(core, address->ip)].peers_count += change;
	if (is_loopback(address->ip))
		return;
	*ports.first = (uint16_t)(*ports.first + change);
	*ports.second = (uint16_t)(*ports.second + change);
}

/* The last one of its list takes the slot that becomes free. */
static void leave_list(struct tracker_core *core, uint32_t slot, const struct peer_address *address)
{
	uint32_t last = book_slot_last(core, slot);
	uint16_t place = *place_at(core, slot);

	count(core, chunk_of(core, slot)->swarm, chunk_of(core, slot)->category, address,
		UINT32_MAX);
	if (last != slot) {
		struct peer_address moves;

		book_peer_address(core, last, &moves);
		index_repoint(core, last, slot);
		slot_write(core, slot, &moves, *place_at(core, last), *announced_ms_at(core, last));
	}
	book_slot_drop(core, last);
	places_release(&core->places, place);
}

void book_peer_remove(struct tracker_core *core, uint32_t slot)
{
	uint32_t swarm = chunk_of(core, slot)->swarm;
	struct peer_address address;

	book_peer_address(core, slot, &address);
	count_address(core, swarm, &address, UINT32_MAX);
	index_remove(core, slot);
	leave_list(core, slot, &address);
	book_swarm_changed(core, swarm, NULL);
}

/* For a peer of that kind. Of tombstones one of the same swarm may go, the oldest or nearly so;
 * those of an address are so few that the others have some, whoever tells of them. */
static bool make_room(struct tracker_core *core, uint32_t swarm, uint32_t category,
	const struct peer_address *address)
{
	if (category % KINDS != KIND_STOPPED)
		return core->peers_count < core->settings.peers_max;
	if (core->shares[share_of(core, address->ip)].stopped_count >= core->share_stopped_max)
		return false;
	uint32_t list = list_of_nowhere(swarm, category, LEVEL_RACK);

	if (core->stopped_count == core->stopped_max && core->lists[list].chunks_count > 0)
		book_peer_remove(core, book_chunk_at(core, list, LEVEL_RACK, 0) * CHUNK_SLOTS);
	return core->stopped_count < core->stopped_max;
}

static uint32_t enter_list(struct tracker_core *core, uint32_t swarm, uint32_t category,
	const struct peer_address *address, uint16_t place, uint32_t announced_ms)
{
	uint32_t slot = book_slot_add(core, book_list_for(core, swarm, category, place));

	places_hold(&core->places, place);
	slot_write(core, slot, address, place, announced_ms);
	count(core, swarm, category, address, 1);
	return slot;
}

uint32_t book_peer_add(struct tracker_core *core, uint32_t swarm,
	const struct peer_address *address, uint32_t kind, uint16_t place, uint32_t announced_ms)
{
	uint32_t category = category_of(kind, !peer_address_is4(address));

	if (!make_room(core, swarm, category, address))
		return NONE;
	uint32_t slot = enter_list(core, swarm, category, address, place, announced_ms);

	if (!index_insert(core, slot, address_hash(core, swarm, address))) {
		leave_list(core, slot, address);
		return NONE;
	}
	count_address(core, swarm, address, 1);
	book_swarm_changed(core, swarm, address);
	return slot;
}

uint32_t book_peer_renew(struct tracker_core *core, uint32_t slot, uint32_t kind, uint16_t place,
	uint32_t announced_ms)
{
	uint32_t swarm = chunk_of(core, slot)->swarm;
	uint32_t category = category_of(kind, chunk_is6(chunk_of(core, slot)));
	bool revived_or_stopped = (kind == KIND_STOPPED) != (kind_of(core, slot) == KIND_STOPPED);
	struct peer_address address;

	if (kind_of(core, slot) == kind && *place_at(core, slot) == place) {
		*announced_ms_at(core, slot) = announced_ms;
		return slot;
	}
	book_peer_address(core, slot, &address);
	if (revived_or_stopped && !make_room(core, swarm, category, &address)) {
		if (kind == KIND_STOPPED)
			book_peer_remove(core, slot);
		return NONE;
	}
	uint32_t moved = enter_list(core, swarm, category, &address, place, announced_ms);
	bool same_list = book_slot_last(core, slot) == moved;

	index_repoint(core, slot, moved);
	leave_list(core, slot, &address);
	book_swarm_changed(core, swarm, &address);
	return same_list ? slot : moved;
}

/* Forgetting. */

static void list_drop(struct tracker_core *core, uint32_t list, enum level level)
{
	while (list != NONE && core->lists[list].chunks_count > 0) {
		uint32_t chunk = book_chunk_at(core, list, level, 0);
		bool last = core->lists[list].peers_count == 1;

		book_peer_remove(core, chunk * CHUNK_SLOTS + core->chunks[chunk].count - 1);
		if (last)
			return; /* so is the list, perhaps */
	}
}

void book_swarm_drop(struct tracker_core *core, uint32_t swarm, bool stopped_only)
{
	for (uint32_t category = 0; category < CATEGORIES; category++) {
		if (category % KINDS == KIND_STOPPED) {
			list_drop(core, list_of_nowhere(swarm, category, LEVEL_RACK), LEVEL_RACK);
			continue;
		}
		if (stopped_only)
			continue;
		list_drop(core, list_of_nowhere(swarm, category, LEVEL_SITE), LEVEL_SITE);
		/* Downwards: a site that nobody is in any more gives its place to the last. */
		for (uint32_t i = core->places.sites_count; i-- > 0;)
			list_drop(core,
				book_list_find(
					core, swarm, category, LEVEL_SITE, core->places.sites[i]),
				LEVEL_SITE);
	}
}

uint32_t book_interval_s(const struct tracker_core *core, uint32_t peers_count)
{
	uint64_t by_load = peers_count / TRACKER_PEERS_PER_INTERVAL_S;

	return (uint32_t)u64_max(
		core->settings.interval_s, u64_min(by_load, TRACKER_INTERVAL_S_MAX));
}

uint32_t tracker_core_peers_most(const struct tracker_core *core)
{
	return (uint32_t)u64_max(core->peers_most, core->peers_most_before);
}

uint32_t book_silent_ms(const struct tracker_core *core)
{
	uint32_t interval_s = book_interval_s(core, tracker_core_peers_most(core));

	return (2 * interval_s + TRACKER_EXPIRY_SLACK_S) * 1000;
}

void tracker_core_others_have(struct tracker_core *core, uint32_t peers_count)
{
	core->peers_most = (uint32_t)u64_max(core->peers_most, peers_count);
}

/* Who was told something before peers_most_since_ms has announced again, or is too silent. */
static void forget_most(struct tracker_core *core, uint64_t now_ms)
{
	if (now_ms - core->peers_most_since_ms <= book_silent_ms(core))
		return;
	core->peers_most_before = core->peers_most;
	core->peers_most = core->peers_count;
	core->peers_most_since_ms = now_ms;
}

static void chunk_expire(
	struct tracker_core *core, uint32_t index, uint64_t now_ms, uint32_t silent_ms)
{
	struct chunk *chunk = &core->chunks[index];
	uint32_t first = index * CHUNK_SLOTS;

	/* Who moves into a slot that became free is looked at, too; a free chunk counts none. */
	for (uint32_t i = chunk->count; i-- > 0;)
		while (i < chunk->count &&
			age_ms(now_ms, *announced_ms_at(core, first + i)) > silent_ms)
			book_peer_remove(core, first + i);
	chunk->oldest_ms = (uint32_t)now_ms;
	for (uint32_t i = 0; i < chunk->count; i++)
		if (age_ms(now_ms, *announced_ms_at(core, first + i)) >
			age_ms(now_ms, chunk->oldest_ms))
			chunk->oldest_ms = *announced_ms_at(core, first + i);
}

void tracker_core_expire(struct tracker_core *core, uint64_t now_ms)
{
	if (core->swept && now_ms - core->swept_ms < TRACKER_SWEEP_MS)
		return;
	core->swept = true;
	core->swept_ms = now_ms;
	forget_most(core, now_ms);
	uint32_t silent_ms = book_silent_ms(core);

	/* A chunk's head says whether any of its peers can have been silent for that long. */
	for (uint32_t i = 0; i < core->chunks_fresh; i++)
		if (core->chunks[i].lists[LEVEL_RACK] != NONE &&
			age_ms(now_ms, core->chunks[i].oldest_ms) > silent_ms)
			chunk_expire(core, i, now_ms, silent_ms);
}
