/* SPDX-License-Identifier: Apache-2.0 */
/* Memory, hash tables and lists of the tracker; their shape is described in book_core.h. */
#include "tracker/book_core.h"

static uint32_t buckets_for(uint32_t items)
{
	uint32_t buckets = 1;

	while (buckets < items && buckets < UINT32_C(1) << 31)
		buckets *= 2;
	return buckets;
}

size_t tracker_core_bytes(const struct tracker_core_settings *settings)
{
	uint64_t bytes = sizeof(struct tracker_core) +
			 settings->swarms_max * (uint64_t)sizeof(struct swarm_entry) +
			 settings->peers_max * (uint64_t)sizeof(struct peer) +
			 sizeof(uint32_t) * ((uint64_t)buckets_for(settings->swarms_max) +
						    2 * (uint64_t)buckets_for(settings->peers_max));

	return bytes > SIZE_MAX ? 0 : (size_t)bytes;
}

/* Keyed, because peers choose infohashes and addresses: chains must stay short all the same. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	hash ^= hash >> 29;
	hash *= UINT64_C(0xbf58476d1ce4e5b9);
	return hash ^ hash >> 32;
}

static uint32_t *infohash_bucket(const struct tracker_core *core, const uint8_t *infohash)
{
	uint64_t hash = mix(core->hash_keys[0], be64_read(infohash));

	hash = mix(hash ^ core->hash_keys[1], be64_read(infohash + 8));
	hash = mix(hash, be32_read(infohash + 16));
	return &core->by_infohash[hash & (core->swarm_buckets - 1)];
}

static uint32_t *address_bucket(
	const struct tracker_core *core, uint32_t swarm, const struct peer_address *address)
{
	uint64_t hash = mix(core->hash_keys[0], be64_read(address->ip));

	hash = mix(hash ^ core->hash_keys[1], be64_read(address->ip + 8));
	hash = mix(hash, (uint64_t)swarm << 16 | address->port);
	return &core->by_address[hash & (core->peer_buckets - 1)];
}

static uint32_t *place_bucket(
	const struct tracker_core *core, uint32_t swarm, uint32_t list, uint32_t place)
{
	uint64_t hash = mix(core->hash_keys[1] + list, (uint64_t)swarm << 32 | place);

	return &core->by_place[hash & (core->peer_buckets - 1)];
}

struct tracker_core *tracker_core_create(
	const struct tracker_core_settings *settings, void *memory, size_t memory_bytes)
{
	size_t bytes = tracker_core_bytes(settings);
	struct tracker_core *core = memory;

	if (bytes == 0 || bytes > memory_bytes || settings->swarms_max == 0 ||
		settings->peers_max == 0 || settings->interval_s == 0)
		return NULL;
	*core = (struct tracker_core){.settings = *settings,
		.swarm_buckets = buckets_for(settings->swarms_max),
		.peer_buckets = buckets_for(settings->peers_max),
		.oldest = NONE,
		.newest = NONE};
	rng_seed(&core->rng, settings->seed);
	core->hash_keys[0] = rng_next(&core->rng);
	core->hash_keys[1] = rng_next(&core->rng);
	core->swarms = (struct swarm_entry *)(core + 1);
	core->peers = (struct peer *)(core->swarms + settings->swarms_max);
	core->by_infohash = (uint32_t *)(core->peers + settings->peers_max);
	core->by_address = core->by_infohash + core->swarm_buckets;
	core->by_place = core->by_address + core->peer_buckets;
	memset(core->by_infohash, 0xff,
		sizeof(uint32_t) * ((size_t)core->swarm_buckets + 2 * (size_t)core->peer_buckets));
	memset(core->swarms, 0, settings->swarms_max * sizeof(struct swarm_entry));
	memset(core->peers, 0, settings->peers_max * sizeof(struct peer));
	for (uint32_t i = 0; i < settings->swarms_max; i++)
		core->swarms[i].next = i + 1 < settings->swarms_max ? i + 1 : NONE;
	for (uint32_t i = 0; i < settings->peers_max; i++)
		core->peers[i].next_address = i + 1 < settings->peers_max ? i + 1 : NONE;
	return core;
}

/* Swarms. */

uint32_t book_swarm_find(const struct tracker_core *core, const uint8_t *infohash)
{
	uint32_t at = *infohash_bucket(core, infohash);

	while (at != NONE && memcmp(core->swarms[at].infohash, infohash, SHA1_BYTES) != 0)
		at = core->swarms[at].next;
	return at;
}

static bool swarm_empty(const struct swarm_entry *swarm)
{
	for (uint32_t list = 0; list < LISTS_PER_SWARM; list++)
		if (swarm->counts[list] != 0)
			return false;
	return true;
}

static void swarm_forget(struct tracker_core *core, uint32_t index)
{
	struct swarm_entry *swarm = &core->swarms[index];
	uint32_t *link = infohash_bucket(core, swarm->infohash);

	while (*link != index)
		link = &core->swarms[*link].next;
	*link = swarm->next;
	*swarm = (struct swarm_entry){.next = core->free_swarm};
	core->free_swarm = index;
	core->swarms_count--;
}

/* An empty swarm is kept for its count of completions, until its place is needed. */
static bool swarm_reclaim(struct tracker_core *core)
{
	for (uint32_t i = 0; i < core->settings.swarms_max; i++) {
		const struct swarm_entry *swarm = &core->swarms[i];

		if (swarm->used && !swarm->pinned && swarm_empty(swarm)) {
			swarm_forget(core, i);
			return true;
		}
	}
	return false;
}

uint32_t book_swarm_find_or_add(struct tracker_core *core, const uint8_t *infohash)
{
	uint32_t index = book_swarm_find(core, infohash);

	if (index != NONE)
		return index;
	if (core->free_swarm == NONE && !swarm_reclaim(core))
		return NONE;
	index = core->free_swarm;
	struct swarm_entry *swarm = &core->swarms[index];
	uint32_t *bucket = infohash_bucket(core, infohash);

	core->free_swarm = swarm->next;
	*swarm = (struct swarm_entry){.used = true, .next = *bucket};
	memcpy(swarm->infohash, infohash, SHA1_BYTES);
	*bucket = index;
	core->swarms_count++;
	return index;
}

/* Lists of a swarm, as arrays. */

uint32_t book_list_at(
	const struct tracker_core *core, uint32_t swarm, uint32_t list, uint32_t place)
{
	uint32_t at = *place_bucket(core, swarm, list, place);

	while (at != NONE && (core->peers[at].swarm != swarm || core->peers[at].list != list ||
				     core->peers[at].place != place))
		at = core->peers[at].next_place;
	return at;
}

static void place_link(struct tracker_core *core, uint32_t index)
{
	struct peer *peer = &core->peers[index];
	uint32_t *bucket = place_bucket(core, peer->swarm, peer->list, peer->place);

	peer->next_place = *bucket;
	*bucket = index;
}

static void place_unlink(struct tracker_core *core, uint32_t index)
{
	const struct peer *peer = &core->peers[index];
	uint32_t *link = place_bucket(core, peer->swarm, peer->list, peer->place);

	while (*link != index)
		link = &core->peers[*link].next_place;
	*link = peer->next_place;
}

static void list_add(struct tracker_core *core, uint32_t index, uint32_t list)
{
	struct peer *peer = &core->peers[index];

	peer->list = list;
	peer->place = core->swarms[peer->swarm].counts[list]++;
	place_link(core, index);
}

/* The last one of the list takes the place that becomes free. */
static void list_remove(struct tracker_core *core, uint32_t index)
{
	const struct peer *peer = &core->peers[index];
	uint32_t last_place = --core->swarms[peer->swarm].counts[peer->list];

	place_unlink(core, index);
	if (peer->place == last_place)
		return;
	uint32_t last = book_list_at(core, peer->swarm, peer->list, last_place);
	place_unlink(core, last);
	core->peers[last].place = peer->place;
	place_link(core, last);
}

/* Peers. */

uint32_t book_peer_find(
	const struct tracker_core *core, uint32_t swarm, const struct peer_address *address)
{
	uint32_t at = *address_bucket(core, swarm, address);

	while (at != NONE && (core->peers[at].swarm != swarm ||
				     !peer_address_equal(&core->peers[at].address, address)))
		at = core->peers[at].next_address;
	return at;
}

static void age_unlink(struct tracker_core *core, uint32_t index)
{
	const struct peer *peer = &core->peers[index];

	*(peer->older == NONE ? &core->oldest : &core->peers[peer->older].newer) = peer->newer;
	*(peer->newer == NONE ? &core->newest : &core->peers[peer->newer].older) = peer->older;
}

static void age_link(struct tracker_core *core, uint32_t index, uint64_t now_s)
{
	struct peer *peer = &core->peers[index];

	peer->announced_s = (uint32_t)now_s;
	peer->newer = NONE;
	peer->older = core->newest;
	*(core->newest == NONE ? &core->oldest : &core->peers[core->newest].newer) = index;
	core->newest = index;
}

void book_peer_remove(struct tracker_core *core, uint32_t index)
{
	struct peer *peer = &core->peers[index];
	uint32_t *link = address_bucket(core, peer->swarm, &peer->address);

	while (*link != index)
		link = &core->peers[*link].next_address;
	*link = peer->next_address;
	list_remove(core, index);
	age_unlink(core, index);
	peer->next_address = core->free_peer;
	core->free_peer = index;
	core->peers_count--;
}

uint32_t book_peer_add(struct tracker_core *core, uint64_t now_s, uint32_t swarm, uint32_t list,
	const struct peer_address *address)
{
	uint32_t index = core->free_peer;

	if (index == NONE)
		return NONE;
	struct peer *peer = &core->peers[index];
	uint32_t *bucket = address_bucket(core, swarm, address);

	core->free_peer = peer->next_address;
	peer->address = *address;
	peer->swarm = swarm;
	peer->next_address = *bucket;
	*bucket = index;
	list_add(core, index, list);
	age_link(core, index, now_s);
	core->peers_count++;
	return index;
}

void book_peer_renew(struct tracker_core *core, uint64_t now_s, uint32_t index, uint32_t list)
{
	age_unlink(core, index);
	age_link(core, index, now_s);
	if (core->peers[index].list != list) {
		list_remove(core, index);
		list_add(core, index, list);
	}
}

void tracker_core_expire(struct tracker_core *core, uint64_t now_s)
{
	uint32_t silent_s = 2 * tracker_core_interval_s(core) + TRACKER_EXPIRY_SLACK_S;

	while (core->oldest != NONE &&
		(uint32_t)now_s - core->peers[core->oldest].announced_s > silent_s)
		book_peer_remove(core, core->oldest);
}

bool tracker_core_allow(struct tracker_core *core, const uint8_t infohash[SHA1_BYTES])
{
	uint32_t index = book_swarm_find_or_add(core, infohash);

	if (index != NONE)
		core->swarms[index].pinned = true;
	return index != NONE;
}

void tracker_core_disallow(struct tracker_core *core, const uint8_t infohash[SHA1_BYTES])
{
	uint32_t index = book_swarm_find(core, infohash);

	if (index == NONE)
		return;
	core->swarms[index].pinned = false;
	if (!core->settings.allow_only)
		return;
	for (uint32_t list = 0; list < LISTS_PER_SWARM; list++)
		while (core->swarms[index].counts[list] > 0)
			book_peer_remove(core, book_list_at(core, index, list, 0));
	swarm_forget(core, index);
}
