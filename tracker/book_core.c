/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of the tracker's book, and its swarms; their shape is described in book_core.h. */
#include "tracker/book_core.h"

#define PLACES_DEFAULT	 1024
#define PLACES_LIMIT	 65534
#define CACHE_LINE_BYTES 64
#define LISTS_SPARE	 64
#define STOPPED_SPARE	 16
#define INDEX_TAIL_MAX	 4096
#define CHANGES_MIN	 64
#define CHANGES_MAX	 65536
#define COUNT_LIMIT	 (UINT64_C(1) << 31)
#define SHARES_SPARE	 1024
#define SHARE_PERCENT	 25

static uint32_t share_max(const struct tracker_core_settings *settings, uint64_t all, uint64_t min)
{
	uint64_t percent = settings->share_percent > 0 ? settings->share_percent : SHARE_PERCENT;

	/* Tombstones count, too, and are beyond all. */
	return percent == 100 ? UINT32_MAX : (uint32_t)u64_max(all * percent / 100, min);
}

/* How many of everything. False when there would be too many to number. */
static bool measure(struct tracker_core *core)
{
	const struct tracker_core_settings *settings = &core->settings;
	uint64_t stopped = settings->replicated ? settings->peers_max / 16 + STOPPED_SPARE : 0;
	uint64_t items = settings->peers_max + stopped;
	uint64_t lists_named = settings->peers_max / 16 + LISTS_SPARE;
	uint64_t lists = (uint64_t)settings->swarms_max * LISTS_PER_SWARM + lists_named;
	/* Every rack's list may have a chunk that is not full. One more is for a peer that moves.
	 */
	uint64_t chunks =
		u64_div_up(items, CHUNK_SLOTS6) +
		u64_min(items, lists_named + (uint64_t)settings->swarms_max * CATEGORIES) + 1;
	uint64_t places = settings->places_max > 0 ? settings->places_max : PLACES_DEFAULT;

	if (lists >= COUNT_LIMIT || chunks * CHUNK_SLOTS >= COUNT_LIMIT || places > PLACES_LIMIT)
		return false;
	core->stopped_max = (uint32_t)stopped;
	core->lists_max = (uint32_t)lists;
	core->list_buckets_count = (uint32_t)lists_named;
	core->chunks_max = (uint32_t)chunks;
	core->index_homes = (uint32_t)(items + items / 2) + 1;
	core->index_count = core->index_homes + (uint32_t)u64_min(items, INDEX_TAIL_MAX);
	while ((uint64_t)core->chunks_max * CHUNK_SLOTS >> core->slot_bits != 0)
		core->slot_bits++;
	if (settings->replicated)
		core->changes_max = (uint32_t)u64_min(
			u64_max(settings->peers_max / 8, CHANGES_MIN), CHANGES_MAX);
	core->ports_count = (uint32_t)(items / 2) + SHARES_SPARE;
	core->shares_count = (uint32_t)(items / 8) + SHARES_SPARE;
	core->share_peers_max = share_max(settings, settings->peers_max, TRACKER_SHARE_PEERS_MIN);
	core->share_stopped_max = share_max(settings, stopped, STOPPED_SPARE);
	core->share_swarms_max =
		share_max(settings, settings->swarms_max, TRACKER_SHARE_SWARMS_MIN);
	core->places.entries_max = (uint32_t)places + 1;
	core->places.addresses.used_max = settings->addresses_max;
	core->places.addresses.oldest_goes = true;
	core->places.subnets.used_max = settings->subnets_max;
	return settings->addresses_max < COUNT_LIMIT / 2 && settings->subnets_max < COUNT_LIMIT / 2;
}

struct arrangement {
	uint8_t *base; /* NULL: only counts */
	uint64_t bytes;
};

static void *arrange(struct arrangement *arrangement, uint64_t count, size_t item_bytes)
{
	void *at = arrangement->base == NULL ? NULL : arrangement->base + arrangement->bytes;

	arrangement->bytes += u64_div_up(count * item_bytes, CACHE_LINE_BYTES) * CACHE_LINE_BYTES;
	return at;
}

static void arrange_placements(struct arrangement *arrangement, struct placements *placements)
{
	if (placements->used_max > 0)
		placements->slots_count = placements->used_max + placements->used_max / 2 + 1;
	placements->slots =
		arrange(arrangement, placements->slots_count, sizeof(*placements->slots));
}

/* Where everything lies; returns how many bytes that takes. */
static uint64_t arrange_all(struct tracker_core *core, uint8_t *base)
{
	struct arrangement all = {.base = base};
	uint32_t swarms_max = core->settings.swarms_max;

	core->swarms = arrange(&all, swarms_max, sizeof(*core->swarms));
	core->swarm_buckets = arrange(&all, swarms_max, sizeof(*core->swarm_buckets));
	core->lists = arrange(&all, core->lists_max, sizeof(*core->lists));
	core->list_buckets = arrange(&all, core->list_buckets_count, sizeof(*core->list_buckets));
	core->chunks = arrange(&all, core->chunks_max, sizeof(*core->chunks));
	core->records = arrange(&all, core->chunks_max, sizeof(*core->records));
	for (uint32_t level = 0; level < LEVELS; level++)
		core->chunks_at[level] =
			arrange(&all, core->chunks_max, sizeof(*core->chunks_at[level]));
	core->index = arrange(&all, core->index_count, sizeof(*core->index));
	core->ports = arrange(&all, core->ports_count, sizeof(*core->ports));
	core->shares = arrange(&all, core->shares_count, sizeof(*core->shares));
	core->changes = arrange(&all, core->changes_max, sizeof(*core->changes));
	core->places.entries =
		arrange(&all, core->places.entries_max, sizeof(*core->places.entries));
	core->places.buckets =
		arrange(&all, core->places.entries_max, sizeof(*core->places.buckets));
	arrange_placements(&all, &core->places.addresses);
	arrange_placements(&all, &core->places.subnets);
	return all.bytes;
}

size_t tracker_core_bytes(const struct tracker_core_settings *settings)
{
	struct tracker_core core = {.settings = *settings};

	if (!measure(&core))
		return 0;
	uint64_t bytes = sizeof(core) + CACHE_LINE_BYTES + arrange_all(&core, NULL);

	return bytes > SIZE_MAX ? 0 : (size_t)bytes;
}

struct tracker_core *tracker_core_create(
	const struct tracker_core_settings *settings, void *memory, size_t memory_bytes)
{
	size_t bytes = tracker_core_bytes(settings);
	struct tracker_core *core = memory;

	if (bytes == 0 || bytes > memory_bytes || settings->swarms_max == 0 ||
		settings->peers_max == 0 || settings->interval_s == 0 ||
		settings->share_percent > 100)
		return NULL;
	*core = (struct tracker_core){.settings = *settings,
		.swarm_free = NONE,
		.idle_oldest = NONE,
		.idle_newest = NONE,
		.list_free = NONE,
		.chunk_free = NONE};
	uint8_t *base = (uint8_t *)(core + 1);

	base += (CACHE_LINE_BYTES - (uintptr_t)base % CACHE_LINE_BYTES) % CACHE_LINE_BYTES;
	if (!measure(core))
		return NULL;
	(void)arrange_all(core, base);
	rng_seed(&core->rng, settings->seed);
	core->hash_key = rng_next(&core->rng);
	core->places.hash_key = rng_next(&core->rng);
	places_create(&core->places);
	/* The rest is written before it is read; memory that is not needed is never touched. */
	memset(core->swarm_buckets, 0xff, settings->swarms_max * sizeof(*core->swarm_buckets));
	memset(core->list_buckets, 0xff, core->list_buckets_count * sizeof(*core->list_buckets));
	for (uint32_t level = 0; level < LEVELS; level++)
		memset(core->chunks_at[level], 0xff,
			core->chunks_max * sizeof(*core->chunks_at[level]));
	memset(core->index, 0, core->index_count * sizeof(*core->index));
	memset(core->ports, 0, core->ports_count * sizeof(*core->ports));
	memset(core->shares, 0, core->shares_count * sizeof(*core->shares));
	core->lists_fresh = settings->swarms_max * LISTS_PER_SWARM;
	return core;
}

/* Swarms. */

static uint32_t *infohash_bucket(const struct tracker_core *core, const uint8_t *infohash)
{
	uint64_t hash = keyed_hash(core->hash_key, be64_read(infohash));

	hash = keyed_hash(hash, be64_read(infohash + 8));
	hash = keyed_hash(hash, be32_read(infohash + 16));
	return &core->swarm_buckets[keyed_hash_below(hash, core->settings.swarms_max)];
}

uint32_t book_swarm_find(const struct tracker_core *core, const uint8_t *infohash)
{
	uint32_t at = *infohash_bucket(core, infohash);

	while (at != NONE && memcmp(core->swarms[at].infohash, infohash, SHA1_BYTES) != 0)
		at = core->swarms[at].next;
	return at;
}

static void idle_unlink(struct tracker_core *core, uint32_t index)
{
	struct swarm_entry *swarm = &core->swarms[index];
	uint32_t older = swarm->idle_older;
	uint32_t newer = swarm->idle_newer;

	*(older == NONE ? &core->idle_oldest : &core->swarms[older].idle_newer) = newer;
	*(newer == NONE ? &core->idle_newest : &core->swarms[newer].idle_older) = older;
	swarm->idle = false;
}

static void idle_link(struct tracker_core *core, uint32_t index)
{
	struct swarm_entry *swarm = &core->swarms[index];
	uint32_t newest = core->idle_newest;

	*(newest == NONE ? &core->idle_oldest : &core->swarms[newest].idle_newer) = index;
	swarm->idle_older = newest;
	swarm->idle_newer = NONE;
	core->idle_newest = index;
	swarm->idle = true;
}

/* An empty swarm counts in no share: its place goes to who needs it. */
static void share_changed(
	struct tracker_core *core, struct swarm_entry *swarm, const struct peer_address *by)
{
	bool counts = swarm->peers_count > 0 && !swarm->pinned;

	if (swarm->opener != NONE && !counts) {
		core->shares[swarm->opener].swarms_count--;
		swarm->opener = NONE;
	} else if (swarm->opener == NONE && counts && by != NULL) {
		swarm->opener = share_of(core, by->ip);
		core->shares[swarm->opener].swarms_count++;
	}
}

void book_swarm_changed(struct tracker_core *core, uint32_t index, const struct peer_address *by)
{
	struct swarm_entry *swarm = &core->swarms[index];
	bool idle = swarm->peers_count == 0 && !swarm->pinned;

	if (idle && !swarm->idle)
		idle_link(core, index);
	else if (!idle && swarm->idle)
		idle_unlink(core, index);
	share_changed(core, swarm, by);
}

/* Without peers. */
static void swarm_forget(struct tracker_core *core, uint32_t index)
{
	struct swarm_entry *swarm = &core->swarms[index];
	uint32_t *link = infohash_bucket(core, swarm->infohash);

	book_swarm_drop(core, index, true);
	if (swarm->idle)
		idle_unlink(core, index);
	while (*link != index)
		link = &core->swarms[*link].next;
	*link = swarm->next;
	*swarm = (struct swarm_entry){.next = core->swarm_free};
	core->swarm_free = index;
	core->swarms_count--;
}

static void swarm_init(struct tracker_core *core, uint32_t index, const uint8_t *infohash)
{
	struct swarm_entry *swarm = &core->swarms[index];
	uint32_t *bucket = infohash_bucket(core, infohash);

	*swarm = (struct swarm_entry){
		.used = true, .next = *bucket, .changes_begin = core->changes_end, .opener = NONE};
	memcpy(swarm->infohash, infohash, SHA1_BYTES);
	*bucket = index;
	for (uint32_t category = 0; category < CATEGORIES; category++)
		for (uint32_t level = 0; level < LEVELS; level++)
			core->lists[list_of_nowhere(index, category, level)] =
				(struct list){.swarm = index,
					.place = PLACE_NOWHERE,
					.category = (uint8_t)category,
					.level = (uint8_t)level};
	core->swarms_count++;
	book_swarm_changed(core, index, NULL);
}

uint32_t book_swarm_find_or_add(struct tracker_core *core, const uint8_t *infohash)
{
	uint32_t index = book_swarm_find(core, infohash);

	if (index != NONE)
		return index;
	if (core->swarm_free == NONE && core->swarms_fresh < core->settings.swarms_max) {
		index = core->swarms_fresh++;
	} else {
		/* An empty swarm is kept for its count of completions, until its place is needed.
		 */
		if (core->swarm_free == NONE && core->idle_oldest != NONE)
			swarm_forget(core, core->idle_oldest);
		index = core->swarm_free;
		if (index == NONE)
			return NONE;
		core->swarm_free = core->swarms[index].next;
	}
	swarm_init(core, index, infohash);
	return index;
}

/* Of those that are not pinned. */
static uint32_t smallest(const struct tracker_core *core)
{
	uint32_t found = NONE;

	for (uint32_t i = 0; i < core->swarms_fresh; i++)
		if (core->swarms[i].used && !core->swarms[i].pinned &&
			(found == NONE ||
				core->swarms[i].peers_count < core->swarms[found].peers_count))
			found = i;
	return found;
}

bool tracker_core_allow(struct tracker_core *core, const uint8_t infohash[SHA1_BYTES])
{
	uint32_t index = book_swarm_find_or_add(core, infohash);

	if (index == NONE && smallest(core) != NONE) {
		book_swarm_drop(core, smallest(core), false);
		index = book_swarm_find_or_add(core, infohash);
	}
	if (index == NONE)
		return false;
	core->swarms[index].pinned = true;
	book_swarm_changed(core, index, NULL);
	return true;
}

void tracker_core_disallow(struct tracker_core *core, const uint8_t infohash[SHA1_BYTES])
{
	uint32_t index = book_swarm_find(core, infohash);

	if (index == NONE)
		return;
	core->swarms[index].pinned = false;
	book_swarm_changed(core, index, NULL);
	if (!core->settings.allow_only)
		return;
	book_swarm_drop(core, index, false);
	swarm_forget(core, index);
}

/* Where peers stand. */

bool tracker_core_place_address(
	struct tracker_core *core, const uint8_t ip[16], const char *site, const char *rack)
{
	return places_put(&core->places, &core->places.addresses, ip, 128, site, rack);
}

bool tracker_core_place_subnet(struct tracker_core *core, const uint8_t ip[16],
	uint32_t prefix_bits, const char *site, const char *rack)
{
	struct peer_address address = {0};

	memcpy(address.ip, ip, sizeof(address.ip));
	if (peer_address_is4(&address)) {
		if (prefix_bits > 32)
			return false;
		prefix_bits += 96;
	}
	return places_put(&core->places, &core->places.subnets, ip, prefix_bits, site, rack);
}

void tracker_core_forget_subnets(struct tracker_core *core)
{
	places_forget(&core->places, &core->places.subnets);
}
