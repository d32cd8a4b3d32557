/* SPDX-License-Identifier: Apache-2.0 */
/* What an announce changes and what it is answered; the book it is kept in is book_core.h. */
#include "tracker/book_core.h"
#include "tracker/choice_core.h"

_Static_assert((int)CHOICE_LEECHER == (int)KIND_LEECHER && (int)CHOICE_SEEDER == (int)KIND_SEEDER &&
		       (int)CHOICE_PAUSED == (int)KIND_PAUSED,
	"kinds of the choice are those of the book");

static uint32_t swarm_complete(const struct swarm_entry *swarm)
{
	return swarm->counts[KIND_SEEDER] + swarm->counts[CATEGORY_IPV6 + KIND_SEEDER];
}

/* Who is paused is not complete (BEP 21). */
static uint32_t swarm_incomplete(const struct swarm_entry *swarm)
{
	return swarm->peers_count - swarm_complete(swarm);
}

/* Who is answered. */
struct asker {
	uint32_t swarm;
	bool ipv6;
	uint32_t slot; /* NONE: not recorded */
	uint16_t rack; /* PLACE_NOWHERE: not known */
	uint16_t site;
	struct draw draw;
};

static uint32_t list_peers(const struct tracker_core *core, uint32_t list)
{
	return list == NONE ? 0 : core->lists[list].peers_count;
}

static uint32_t asker_list(const struct tracker_core *core, const struct asker *asker,
	uint32_t kind, enum level level, uint16_t place)
{
	return book_list_find(core, asker->swarm, category_of(kind, asker->ipv6), level, place);
}

static void count_kind(const struct tracker_core *core, const struct asker *asker, uint32_t kind,
	uint32_t places[static CHOICE_PLACES])
{
	uint32_t all = core->swarms[asker->swarm].counts[category_of(kind, asker->ipv6)];
	uint32_t rack = 0;

	if (all == 0)
		return;
	if (asker->rack != PLACE_NOWHERE)
		rack = list_peers(core, asker_list(core, asker, kind, LEVEL_RACK, asker->rack));
	uint32_t near = list_peers(core, asker_list(core, asker, kind, LEVEL_SITE, asker->site));
	if (asker->site != PLACE_NOWHERE)
		near += list_peers(core, asker_list(core, asker, kind, LEVEL_SITE, PLACE_NOWHERE));
	places[CHOICE_RACK] = rack;
	places[CHOICE_NEAR] = near - rack;
	places[CHOICE_OTHER] = all - near;
}

static void count_all(const struct tracker_core *core, const struct asker *asker, bool fetches,
	struct choice_counts *there)
{
	*there = (struct choice_counts){0};
	count_kind(core, asker, KIND_LEECHER, there->peers[CHOICE_LEECHER]);
	if (fetches) {
		count_kind(core, asker, KIND_SEEDER, there->peers[CHOICE_SEEDER]);
		count_kind(core, asker, KIND_PAUSED, there->peers[CHOICE_PAUSED]);
	}
	if (asker->slot == NONE || (!fetches && kind_of(core, asker->slot) != KIND_LEECHER))
		return;
	bool in_rack =
		asker->rack != PLACE_NOWHERE && chunk_of(core, asker->slot)->place == asker->rack;

	there->peers[kind_of(core, asker->slot)][in_rack ? CHOICE_RACK : CHOICE_NEAR]--;
}

/* From the sites that are not the asker's, by how many are there. Returns how many were named. */
static uint32_t name_others(struct tracker_core *core, const struct asker *asker, uint32_t kind,
	uint32_t others, uint32_t wanted, struct announce_reply *reply)
{
	uint32_t named = 0;

	for (uint32_t i = 0; i < core->places.sites_count && named < wanted && others > 0; i++) {
		uint16_t site = core->places.sites[i];

		if (site == asker->site)
			continue;
		uint32_t list = asker_list(core, asker, kind, LEVEL_SITE, site);
		uint32_t there = list_peers(core, list);

		if (there == 0)
			continue;
		named += book_draw(core, &asker->draw, list, LEVEL_SITE, PLACE_NOWHERE,
			choice_share(&core->rng, wanted - named, there, others), reply);
		others -= there;
	}
	return named;
}

/* Clients call those first that they read first, and many call only some: the rack, which begins at
 * `rack`, and those before it from `begin` on, take turns. */
static void take_turns(struct announce_reply *reply, uint32_t begin, uint32_t rack)
{
	struct peer_address turns[ANNOUNCE_PEERS_MAX];
	uint32_t count = 0;
	uint32_t other = begin;
	uint32_t end = reply->peers_count;

	for (uint32_t near = rack; other < rack && near < end;) {
		turns[count++] = reply->peers[near++];
		turns[count++] = reply->peers[other++];
	}
	/* Of the longer part some are left where they are, or move up to the end of it. */
	if (other < rack)
		memmove(&reply->peers[begin + count], &reply->peers[other],
			(rack - other) * sizeof(turns[0]));
	memcpy(&reply->peers[begin], turns, count * sizeof(turns[0]));
}

/* What one place lacks, a nearer one gives. */
static void name_kind(struct tracker_core *core, const struct asker *asker, uint32_t kind,
	const uint32_t there[static CHOICE_PLACES], const uint32_t take[static CHOICE_PLACES],
	struct announce_reply *reply)
{
	uint32_t wanted = take[CHOICE_OTHER];
	uint32_t begin = reply->peers_count;

	if (wanted > 0)
		wanted -= name_others(core, asker, kind, there[CHOICE_OTHER], wanted, reply);
	wanted += take[CHOICE_NEAR];
	if (wanted > 0 && asker->site != PLACE_NOWHERE && there[CHOICE_NEAR] > 0) {
		uint32_t list = asker_list(core, asker, kind, LEVEL_SITE, PLACE_NOWHERE);
		uint32_t placeless = (uint32_t)u64_min(list_peers(core, list), there[CHOICE_NEAR]);

		wanted -= book_draw(core, &asker->draw, list, LEVEL_SITE, PLACE_NOWHERE,
			choice_share(&core->rng, wanted, placeless, there[CHOICE_NEAR]), reply);
	}
	uint32_t list = asker_list(core, asker, kind, LEVEL_SITE, asker->site);

	if (wanted > 0 && list != NONE)
		wanted -=
			book_draw(core, &asker->draw, list, LEVEL_SITE, asker->rack, wanted, reply);
	uint32_t rack = reply->peers_count;
	wanted += take[CHOICE_RACK];
	list = asker->rack == PLACE_NOWHERE
		       ? NONE
		       : asker_list(core, asker, kind, LEVEL_RACK, asker->rack);
	if (wanted > 0 && list != NONE)
		(void)book_draw(core, &asker->draw, list, LEVEL_RACK, PLACE_NOWHERE, wanted, reply);
	take_turns(reply, begin, rack);
}

static void reply_peers(struct tracker_core *core, const struct asker *asker,
	const struct announce *announce, uint32_t kind, struct announce_reply *reply)
{
	struct choice_counts there;
	struct choice_counts take;
	uint32_t numwant = announce->numwant == ANNOUNCE_NUMWANT_DEFAULT
				   ? TRACKER_NUMWANT_DEFAULT
				   : (uint32_t)u64_min(announce->numwant, ANNOUNCE_PEERS_MAX);
	struct choice_asker wants = {.fetches = kind == KIND_LEECHER,
		.far_behind = choice_far_behind(
			announce->left_bytes, core->swarms[asker->swarm].left_most_bytes),
		.site_known = asker->site != PLACE_NOWHERE,
		.numwant = numwant};

	count_all(core, asker, wants.fetches, &there);
	choice_make(&wants, &there, &core->rng, &take);
	for (kind = 0; kind < CHOICE_KINDS; kind++)
		name_kind(core, asker, kind, there.peers[kind], take.peers[kind], reply);
	memset(reply->peer_ids, 0, reply->peers_count * sizeof(reply->peer_ids[0]));
}

static void refuse(struct announce_reply *reply, const char *text)
{
	memcpy(reply->failure, text, u64_min(strlen(text) + 1, sizeof(reply->failure) - 1));
}

static uint32_t announce_kind(const struct announce *announce)
{
	if (announce->event == ANNOUNCE_STOPPED)
		return KIND_STOPPED;
	if (announce->left_bytes == 0)
		return KIND_SEEDER;
	return announce->paused ? KIND_PAUSED : KIND_LEECHER;
}

/* Whether the address may have this peer beside all others that it has, here or stopped; slot: of
 * its tombstone, which makes place for it, or NONE. */
static bool has_peers_left(
	const struct tracker_core *core, uint32_t slot, const struct peer_address *address)
{
	const struct share *share = &core->shares[share_of(core, address->ip)];

	return share->peers_count - (slot != NONE) < core->share_peers_max;
}

static void stop(struct tracker_core *core, uint64_t now_ms, uint32_t swarm,
	const struct peer_address *address)
{
	uint32_t slot = book_peer_find(core, swarm, address);

	if (!core->settings.replicated) {
		if (slot != NONE)
			book_peer_remove(core, slot);
		return;
	}
	/* Even if it is not known here: another member may know it. What the address could not have
	 * here has no tombstone here, and is told nevertheless. */
	if (slot != NONE)
		(void)book_peer_renew(core, slot, KIND_STOPPED, PLACE_NOWHERE, (uint32_t)now_ms);
	else if (!book_ports_full(core, swarm, NONE, address) &&
		 has_peers_left(core, NONE, address))
		(void)book_peer_add(
			core, swarm, address, KIND_STOPPED, PLACE_NOWHERE, (uint32_t)now_ms);
	book_changed(core, swarm, address, (uint32_t)now_ms, true);
}

/* Updates what is known of the announcer. Returns its slot, or NONE when there is no room. */
static uint32_t renew(struct tracker_core *core, uint64_t now_ms, uint32_t swarm, uint32_t slot,
	const struct announce *announce, const struct peer_address *address, uint16_t place)
{
	uint32_t kind = announce_kind(announce);
	bool was_seeder = slot != NONE && kind_of(core, slot) == KIND_SEEDER;

	slot = slot == NONE ? book_peer_add(core, swarm, address, kind, place, (uint32_t)now_ms)
			    : book_peer_renew(core, slot, kind, place, (uint32_t)now_ms);
	if (slot == NONE)
		return NONE;
	struct swarm_entry *entry = &core->swarms[swarm];

	if (announce->event == ANNOUNCE_COMPLETED && kind == KIND_SEEDER && !was_seeder)
		entry->completed_count++;
	if (announce->left_bytes != UINT64_MAX)
		entry->left_most_bytes = u64_max(entry->left_most_bytes, announce->left_bytes);
	book_changed(core, swarm, address, (uint32_t)now_ms, false);
	return slot;
}

/* Whether the address may have one more peer, in this swarm; slot: its tombstone, or NONE. */
static bool has_share_left(const struct tracker_core *core, uint32_t swarm, uint32_t slot,
	const struct peer_address *address)
{
	const struct share *share = &core->shares[share_of(core, address->ip)];
	bool opens = swarm == NONE ||
		     (core->swarms[swarm].peers_count == 0 && !core->swarms[swarm].pinned);

	return has_peers_left(core, slot, address) &&
	       (!opens || share->swarms_count < core->share_swarms_max);
}

/* False, and the reply says why, when the announcer is refused. One port too many is passed over:
 * behind a gateway it may be somebody like all others. */
static bool record(struct tracker_core *core, uint64_t now_ms, const struct announce *announce,
	const struct peer_address *address, uint16_t place, struct asker *asker,
	struct announce_reply *reply)
{
	uint32_t slot = asker->swarm == NONE ? NONE : book_peer_find(core, asker->swarm, address);
	bool comes = slot == NONE || kind_of(core, slot) == KIND_STOPPED;

	if (comes && asker->swarm != NONE && book_ports_full(core, asker->swarm, slot, address))
		return true;
	if (comes && !has_share_left(core, asker->swarm, slot, address)) {
		refuse(reply, TRACKER_REFUSED_SHARE_TEXT);
		return false;
	}
	if (asker->swarm == NONE)
		asker->swarm = book_swarm_find_or_add(core, announce->infohash);
	if (asker->swarm == NONE) {
		refuse(reply, "the tracker has no room for another swarm");
		return false;
	}
	asker->slot = renew(core, now_ms, asker->swarm, slot, announce, address, place);
	if (asker->slot == NONE)
		refuse(reply, "the tracker is full");
	return asker->slot != NONE;
}

/* With a place that is held. */
static void answer(struct tracker_core *core, uint64_t now_ms, const struct announce *announce,
	const struct peer_address *address, uint16_t place, struct announce_reply *reply)
{
	uint32_t kind = announce_kind(announce);
	bool recorded = announce->port != 0 && kind != KIND_STOPPED;
	struct asker asker = {.swarm = book_swarm_find(core, announce->infohash),
		.ipv6 = !peer_address_is4(address),
		.slot = NONE,
		.rack = core->places.entries[place].rack[0] != '\0' ? place : PLACE_NOWHERE,
		.site = site_of(core, place)};

	if (recorded && !record(core, now_ms, announce, address, place, &asker, reply))
		return;
	reply->interval_s = tracker_core_interval_s(core);
	reply->min_interval_s = (uint32_t)u64_div_up(reply->interval_s, 2);
	if (asker.swarm == NONE)
		return;
	if (kind == KIND_STOPPED && announce->port != 0)
		stop(core, now_ms, asker.swarm, address);
	reply->seeders_count = swarm_complete(&core->swarms[asker.swarm]);
	reply->leechers_count = swarm_incomplete(&core->swarms[asker.swarm]);
	if (kind == KIND_STOPPED)
		return;
	asker.draw = (struct draw){
		.except = asker.slot, .now_ms = now_ms, .silent_ms = book_silent_ms(core)};
	reply_peers(core, &asker, announce, kind, reply);
}

void tracker_core_announce(struct tracker_core *core, uint64_t now_ms,
	const struct announce *announce, const uint8_t ip[16], struct announce_reply *reply)
{
	struct peer_address address = {.port = announce->port};

	memset(reply, 0, offsetof(struct announce_reply, peers));
	reply->peers_count = 0;
	tracker_core_expire(core, now_ms);
	memcpy(address.ip, ip, sizeof(address.ip));
	uint32_t swarm = book_swarm_find(core, announce->infohash);

	if (core->settings.allow_only && (swarm == NONE || !core->swarms[swarm].pinned)) {
		refuse(reply, "this infohash is not served here");
		return;
	}
	uint16_t place = places_find(&core->places, ip, announce->site, announce->rack);

	answer(core, now_ms, announce, &address, place, reply);
	places_release(&core->places, place);
}

uint32_t tracker_core_expect(const struct tracker_core *core, const uint8_t infohash[SHA1_BYTES],
	const uint8_t ip[16], uint16_t port)
{
	struct peer_address address = {.port = port};
	uint32_t swarm = book_swarm_find(core, infohash);

	memcpy(address.ip, ip, sizeof(address.ip));
	return swarm == NONE ? NONE : book_peer_fetch_head(core, swarm, &address);
}

void tracker_core_expected(const struct tracker_core *core, uint32_t expected)
{
	if (expected != NONE)
		book_peer_fetch(core, expected);
}

static void scrape_fill(const struct swarm_entry *swarm, struct scrape_entry *entry)
{
	memcpy(entry->infohash, swarm->infohash, SHA1_BYTES);
	entry->seeders_count = swarm_complete(swarm);
	entry->completed_count = swarm->completed_count;
	entry->leechers_count = swarm_incomplete(swarm);
}

bool tracker_core_scrape(struct tracker_core *core, uint64_t now_ms,
	const uint8_t infohash[SHA1_BYTES], struct scrape_entry *entry)
{
	tracker_core_expire(core, now_ms);
	uint32_t swarm = book_swarm_find(core, infohash);

	*entry = (struct scrape_entry){0};
	memcpy(entry->infohash, infohash, SHA1_BYTES);
	if (swarm != NONE)
		scrape_fill(&core->swarms[swarm], entry);
	return !core->settings.allow_only || (swarm != NONE && core->swarms[swarm].pinned);
}

size_t tracker_core_scrape_all(struct tracker_core *core, uint64_t now_ms,
	struct scrape_entry *entries, size_t entries_max)
{
	size_t count = 0;

	tracker_core_expire(core, now_ms);
	for (uint32_t i = 0; i < core->swarms_fresh && count < entries_max; i++)
		if (core->swarms[i].used)
			scrape_fill(&core->swarms[i], &entries[count++]);
	return count;
}

uint32_t tracker_core_interval_s(const struct tracker_core *core)
{
	return book_interval_s(core, core->peers_count);
}

uint32_t tracker_core_peers_count(const struct tracker_core *core)
{
	return core->peers_count;
}

uint32_t tracker_core_swarms_count(const struct tracker_core *core)
{
	return core->swarms_count;
}
