/* SPDX-License-Identifier: Apache-2.0 */
/* A member's life: what comes in, what is due, and when to ask for everything. */
#include "tracker/cluster_private.h"

#define CATCH_UP_AGAIN_MS 100
#define AVOID_MS	  1000	/* after a catch-up that failed, another member first */
#define FULLER_MS	  2000	/* so long a book must be larger, with nothing under way */
#define FULLER_AGAIN_MS	  30000 /* it may be that only the books' limits differ */

static uint32_t ring_of(const struct cluster_core_settings *settings)
{
	return settings->ring_batches == 0 ? CLUSTER_RING_BATCHES : settings->ring_batches;
}

static uint64_t ring_bytes(const struct cluster_core_settings *settings)
{
	return ring_of(settings) * (uint64_t)(sizeof(struct held) + SYNC_ITEMS_BYTES_MAX);
}

size_t cluster_core_bytes(const struct cluster_core_settings *settings)
{
	uint64_t bytes = sizeof(struct cluster_core) + STREAMS_MAX * ring_bytes(settings);

	if (settings->boot_id == 0 || ring_of(settings) < 2 || settings->mac == NULL ||
		settings->send == NULL || settings->members_count >= CLUSTER_MEMBERS_MAX ||
		bytes > SIZE_MAX)
		return 0;
	return (size_t)bytes;
}

struct cluster_core *cluster_core_create(const struct cluster_core_settings *settings,
	struct tracker_core *book, void *memory, size_t memory_bytes)
{
	size_t bytes = cluster_core_bytes(settings);
	uint32_t ring = ring_of(settings);
	struct cluster_core *core = memory;

	if (bytes == 0 || bytes > memory_bytes)
		return NULL;
	memset(core, 0, sizeof(*core));
	core->settings = *settings;
	core->settings.ring_batches = ring;
	core->book = book;
	struct held *held = (struct held *)(core + 1);
	uint8_t *items = (uint8_t *)(held + STREAMS_MAX * (size_t)ring);
	for (uint32_t i = 0; i < STREAMS_MAX; i++) {
		core->streams[i].held = held + i * (size_t)ring;
		core->streams[i].items = items + i * (size_t)ring * SYNC_ITEMS_BYTES_MAX;
	}
	memset(held, 0, STREAMS_MAX * (size_t)ring * sizeof(*held));
	core->streams[0].boot_id = settings->boot_id;
	core->streams[0].kept_from = 1;
	sync_writer_start(
		&core->writer, core->streams[0].items + SYNC_ITEMS_BYTES_MAX, SYNC_ITEMS_BYTES_MAX);
	for (uint32_t i = 0; i < settings->members_count; i++)
		core->members[i] = (struct member){
			.address = settings->members[i], .used = true, .configured = true};
	return core;
}

void cluster_send(struct cluster_core *core, uint64_t now_ms, const struct peer_address *to,
	const struct sync_header *header, size_t payload_bytes)
{
	size_t bytes_count = sync_seal(
		core->datagram, payload_bytes, header, core->settings.key, core->settings.mac);

	(void)now_ms;
	core->statistics.datagrams_sent++;
	core->statistics.bytes_sent += bytes_count;
	core->settings.send(core->settings.context, to, core->datagram, bytes_count);
}

static void receive_from(struct cluster_core *core, uint64_t now_ms, struct member *member,
	const struct peer_address *from, const struct sync_header *header, const uint8_t *payload,
	size_t payload_bytes)
{
	bool direct = header->to_boot != 0;

	if (!window_take(direct ? &member->direct : &member->all, header->sequence)) {
		core->statistics.replayed++;
		return;
	}
	member_heard(core, now_ms, member, from);
	member_clock(member, now_ms, header->clock_ms);
	if (header->type == SYNC_RECORDS)
		streams_batch(core, now_ms, member, header, payload, payload_bytes);
	else if (header->type == SYNC_STATE && direct)
		streams_state(core, now_ms, member, payload, payload_bytes);
	else if (header->type == SYNC_WANT && direct)
		streams_want(core, now_ms, member, payload, payload_bytes);
	else
		core->statistics.malformed++;
}

void cluster_core_receive(struct cluster_core *core, uint64_t now_ms,
	const struct peer_address *from, const uint8_t *bytes, size_t bytes_count)
{
	struct sync_header header;

	core->statistics.datagrams_received++;
	core->statistics.bytes_received += bytes_count;
	if (!sync_open(&header, bytes, bytes_count, core->settings.key, core->settings.mac)) {
		core->statistics.forged++;
		core->statistics.forged_from = *from;
		return;
	}
	/* The group hears itself. */
	if (header.from_boot == core->settings.boot_id)
		return;
	const uint8_t *payload = bytes + SYNC_HEADER_BYTES;
	size_t payload_bytes = bytes_count - SYNC_HEADER_BYTES - SYNC_MAC_BYTES;
	if (header.type <= SYNC_PROOF) {
		members_greeted(core, now_ms, from, &header, payload, payload_bytes);
		return;
	}
	if (header.to_boot != 0 && header.to_boot != core->settings.boot_id) {
		core->statistics.strange++;
		return;
	}
	struct member *member = member_by_boot(core, header.from_boot);
	if (member == NULL) {
		core->statistics.strange++;
		members_challenge(core, now_ms, from, header.from_boot);
		return;
	}
	receive_from(core, now_ms, member, from, &header, payload, payload_bytes);
}

/* A member that has said nothing that we lack, and yet has more peers: something went wrong that
 * sequences cannot tell. */
static void look_for_fuller(struct cluster_core *core, uint64_t now_ms)
{
	uint64_t count = tracker_core_peers_count(core->book);
	bool full = core->settings.book_peers_max != 0 && count >= core->settings.book_peers_max;
	bool lack = streams_lack(core, now_ms);

	for (uint32_t i = 0; i < ARRAY_COUNT(core->members); i++) {
		struct member *member = &core->members[i];
		bool fuller = !full && !lack && member->has_said && member_live(member, now_ms) &&
			      member->said.peers_count > count + count / 100 + 8;

		if (!fuller)
			member->fuller_since_ms = 0;
		else if (member->fuller_since_ms == 0)
			member->fuller_since_ms = now_ms;
	}
}

void cluster_core_tick(struct cluster_core *core, uint64_t now_ms)
{
	streams_drain(core, now_ms);
	members_tick(core, now_ms);
	streams_tick(core, now_ms);
	look_for_fuller(core, now_ms);
}

/* Whoever has just started takes all that the fullest has. */
static uint32_t fullest(const struct cluster_core *core, uint64_t now_ms)
{
	uint32_t best = CLUSTER_NONE;

	for (uint32_t i = 0; i < ARRAY_COUNT(core->members); i++) {
		const struct member *member = &core->members[i];

		if (!member_fresh(member, now_ms) || !member->has_said ||
			now_ms < member->avoid_until_ms)
			continue;
		if (best == CLUSTER_NONE ||
			member->said.peers_count > core->members[best].said.peers_count)
			best = i;
	}
	return best;
}

static uint32_t catch_up_from(struct cluster_core *core, uint64_t now_ms)
{
	if (!core->joined)
		return fullest(core, now_ms);
	for (uint32_t i = 0; i < ARRAY_COUNT(core->members); i++) {
		struct member *member = &core->members[i];

		if (member->fuller_since_ms != 0 && now_ms - member->fuller_since_ms >= FULLER_MS &&
			now_ms >= member->avoid_until_ms && now_ms >= member->fuller_again_ms) {
			member->fuller_again_ms = now_ms + FULLER_AGAIN_MS;
			return i;
		}
	}
	return streams_catch_up_from(core, now_ms);
}

bool cluster_core_wants_catch_up(
	struct cluster_core *core, uint64_t now_ms, struct peer_address *address, uint64_t *boot_id)
{
	if (core->catching_up || now_ms < core->catch_up_due_ms)
		return false;
	uint32_t from = catch_up_from(core, now_ms);
	if (from == CLUSTER_NONE)
		return false;
	*address = core->members[from].address;
	*boot_id = core->members[from].boot_id;
	core->catching_up = true;
	core->catching_up_boot = *boot_id;
	return true;
}

uint64_t cluster_core_boot_id(const struct cluster_core *core)
{
	return core->settings.boot_id;
}

void cluster_core_catching_up(struct cluster_core *core, const struct sync_state *includes)
{
	tracker_core_others_have(core->book, includes->peers_count);
}

void cluster_core_caught_up(
	struct cluster_core *core, uint64_t now_ms, const struct sync_state *includes)
{
	core->catching_up = false;
	core->joined = true;
	core->catch_up_due_ms = now_ms + CATCH_UP_AGAIN_MS;
	core->statistics.catch_ups++;
	streams_includes(core, now_ms, includes);
	streams_merged(core, core->catching_up_boot);
}

void cluster_core_not_caught_up(struct cluster_core *core, uint64_t now_ms, uint64_t boot_id)
{
	struct member *member = member_by_boot(core, boot_id);

	core->catching_up = false;
	core->statistics.catch_ups_failed++;
	if (member != NULL) {
		member->avoid_until_ms = now_ms + AVOID_MS;
		member->fuller_again_ms = 0;
	}
}

void cluster_core_statistics(const struct cluster_core *core, struct cluster_statistics *into)
{
	*into = core->statistics;
}

static uint64_t behind(const struct cluster_core *core, uint64_t boot_id)
{
	for (uint32_t i = 1; i < STREAMS_MAX; i++)
		if (core->streams[i].boot_id == boot_id)
			return core->streams[i].known - core->streams[i].have;
	return 0;
}

bool cluster_core_news(
	struct cluster_core *core, uint64_t now_ms, struct peer_address *address, bool *live)
{
	for (uint32_t i = 0; i < ARRAY_COUNT(core->members); i++) {
		struct member *member = &core->members[i];

		if (member->told_live == member_live(member, now_ms))
			continue;
		member->told_live = !member->told_live;
		*address = member->address;
		*live = member->told_live;
		return true;
	}
	return false;
}

uint32_t cluster_core_members(const struct cluster_core *core, uint64_t now_ms,
	struct cluster_member members[static CLUSTER_MEMBERS_MAX])
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < ARRAY_COUNT(core->members); i++) {
		const struct member *member = &core->members[i];

		if (!member->used)
			continue;
		bool met = member->boot_id != 0;
		members[count++] = (struct cluster_member){.address = member->address,
			.met = met,
			.live = member_live(member, now_ms),
			.silent_ms = met ? now_ms - member->heard_ms : 0,
			.peers_count = member->has_said ? member->said.peers_count : 0,
			.behind = met ? behind(core, member->boot_id) : 0};
	}
	return count;
}
