/* SPDX-License-Identifier: Apache-2.0 */
/* What an announce changes and what it is answered; the book it is kept in is book_core.c. */
#include "tracker/book_core.h"

static uint32_t swarm_complete(const struct swarm_entry *swarm)
{
	return swarm->counts[LIST_SEEDERS] + swarm->counts[LIST_SEEDERS | LIST_IPV6];
}

static uint32_t swarm_incomplete(const struct swarm_entry *swarm)
{
	return swarm->counts[0] + swarm->counts[LIST_IPV6];
}

static void reply_add(const struct tracker_core *core, uint32_t index, struct announce_reply *reply)
{
	reply->peers[reply->peers_count] = core->peers[index].address;
	memcpy(reply->peer_ids[reply->peers_count], core->peers[index].peer_id,
		sizeof(reply->peer_ids[0]));
	reply->peers_count++;
}

/* `wanted` distinct peers of one list, uniformly (Floyd's sampling), but not `except`. */
static void sample(struct tracker_core *core, uint32_t swarm, uint32_t list, uint32_t except,
	uint32_t wanted, struct announce_reply *reply)
{
	uint32_t chosen[ANNOUNCE_PEERS_MAX];
	uint32_t chosen_count = 0;
	uint32_t places = core->swarms[swarm].counts[list];
	uint32_t skip = NONE;

	if (except != NONE && core->peers[except].list == list) {
		skip = core->peers[except].place;
		places--;
	}
	wanted = (uint32_t)u64_min(wanted, ANNOUNCE_PEERS_MAX - reply->peers_count);
	wanted = (uint32_t)u64_min(wanted, places);
	for (uint32_t bound = places - wanted; bound < places; bound++) {
		uint32_t place = (uint32_t)rng_below(&core->rng, (uint64_t)bound + 1);

		for (uint32_t i = 0; i < chosen_count; i++)
			if (chosen[i] == place) {
				place = bound;
				break;
			}
		chosen[chosen_count++] = place;
		reply_add(core, book_list_at(core, swarm, list, place >= skip ? place + 1 : place),
			reply);
	}
}

static void reply_peers(struct tracker_core *core, uint32_t swarm, uint32_t family, bool seeder,
	uint32_t except, uint32_t numwant, struct announce_reply *reply)
{
	const uint32_t *counts = core->swarms[swarm].counts;
	uint32_t leechers = counts[family];
	uint32_t seeders = seeder ? 0 : counts[family | LIST_SEEDERS];

	if (numwant == ANNOUNCE_NUMWANT_DEFAULT)
		numwant = TRACKER_NUMWANT_DEFAULT;
	numwant = (uint32_t)u64_min(numwant, ANNOUNCE_PEERS_MAX);
	if (except != NONE && core->peers[except].list == family)
		leechers--;
	/* A few seeders so that nobody is cut off from the source; leechers carry the load. */
	uint32_t share = (uint32_t)u64_min(seeders, u64_div_up(numwant, 4));
	if (leechers < numwant - share)
		share = (uint32_t)u64_min(seeders, numwant - leechers);
	sample(core, swarm, family, except, numwant - share, reply);
	sample(core, swarm, family | LIST_SEEDERS, except, share, reply);
}

static void refuse(struct announce_reply *reply, const char *text)
{
	memcpy(reply->failure, text, u64_min(strlen(text) + 1, sizeof(reply->failure) - 1));
}

/* Updates what is known of the announcer. Returns its index, or NONE when it is not recorded. */
static uint32_t record(struct tracker_core *core, uint64_t now_s, uint32_t swarm,
	const struct announce *announce, const struct peer_address *address, uint32_t list,
	struct announce_reply *reply)
{
	uint32_t index = book_peer_find(core, swarm, address);
	bool was_seeder = index != NONE && (core->peers[index].list & LIST_SEEDERS) != 0;

	if (announce->event == ANNOUNCE_STOPPED) {
		if (index != NONE)
			book_peer_remove(core, index);
		return NONE;
	}
	if (announce->port == 0)
		return NONE;
	if (index == NONE) {
		index = book_peer_add(core, now_s, swarm, list, address);
		if (index == NONE) {
			refuse(reply, "the tracker is full");
			return NONE;
		}
	} else {
		book_peer_renew(core, now_s, index, list);
	}
	memcpy(core->peers[index].peer_id, announce->peer_id, sizeof(announce->peer_id));
	if (announce->event == ANNOUNCE_COMPLETED && (list & LIST_SEEDERS) != 0 && !was_seeder)
		core->swarms[swarm].completed_count++;
	return index;
}

void tracker_core_announce(struct tracker_core *core, uint64_t now_s,
	const struct announce *announce, const uint8_t ip[16], struct announce_reply *reply)
{
	struct peer_address address = {.port = announce->port};
	bool seeder = announce->left_bytes == 0;

	memset(reply, 0, offsetof(struct announce_reply, peers));
	reply->peers_count = 0;
	tracker_core_expire(core, now_s);
	memcpy(address.ip, ip, sizeof(address.ip));
	uint32_t family = peer_address_is4(&address) ? 0 : LIST_IPV6;
	uint32_t swarm = book_swarm_find(core, announce->infohash);

	if (core->settings.allow_only && (swarm == NONE || !core->swarms[swarm].pinned)) {
		refuse(reply, "this infohash is not served here");
		return;
	}
	swarm = book_swarm_find_or_add(core, announce->infohash);
	if (swarm == NONE) {
		refuse(reply, "the tracker has no room for another swarm");
		return;
	}
	uint32_t self = record(core, now_s, swarm, announce, &address,
		family | (seeder ? LIST_SEEDERS : 0), reply);
	if (reply->failure[0] != '\0')
		return;
	reply->interval_s = tracker_core_interval_s(core);
	reply->min_interval_s = (uint32_t)u64_div_up(reply->interval_s, 2);
	reply->seeders_count = swarm_complete(&core->swarms[swarm]);
	reply->leechers_count = swarm_incomplete(&core->swarms[swarm]);
	if (announce->event != ANNOUNCE_STOPPED)
		reply_peers(core, swarm, family, seeder, self, announce->numwant, reply);
}

static void scrape_fill(const struct swarm_entry *swarm, struct scrape_entry *entry)
{
	memcpy(entry->infohash, swarm->infohash, SHA1_BYTES);
	entry->seeders_count = swarm_complete(swarm);
	entry->completed_count = swarm->completed_count;
	entry->leechers_count = swarm_incomplete(swarm);
}

bool tracker_core_scrape(struct tracker_core *core, uint64_t now_s,
	const uint8_t infohash[SHA1_BYTES], struct scrape_entry *entry)
{
	tracker_core_expire(core, now_s);
	uint32_t swarm = book_swarm_find(core, infohash);

	*entry = (struct scrape_entry){0};
	memcpy(entry->infohash, infohash, SHA1_BYTES);
	if (swarm != NONE)
		scrape_fill(&core->swarms[swarm], entry);
	return !core->settings.allow_only || (swarm != NONE && core->swarms[swarm].pinned);
}

size_t tracker_core_scrape_all(
	struct tracker_core *core, uint64_t now_s, struct scrape_entry *entries, size_t entries_max)
{
	size_t count = 0;

	tracker_core_expire(core, now_s);
	for (uint32_t i = 0; i < core->settings.swarms_max && count < entries_max; i++)
		if (core->swarms[i].used)
			scrape_fill(&core->swarms[i], &entries[count++]);
	return count;
}

uint32_t tracker_core_interval_s(const struct tracker_core *core)
{
	uint64_t by_load = core->peers_count / TRACKER_PEERS_PER_INTERVAL_S;

	return (uint32_t)u64_max(
		core->settings.interval_s, u64_min(by_load, TRACKER_INTERVAL_S_MAX));
}

uint32_t tracker_core_peers_count(const struct tracker_core *core)
{
	return core->peers_count;
}

uint32_t tracker_core_swarms_count(const struct tracker_core *core)
{
	return core->swarms_count;
}
