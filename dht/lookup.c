/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Look-ups: ask the nearest nodes that are known, up to PARALLEL at a time, learn nearer ones from
 * their answers, and end when the eight nearest that live have answered; then announce to those. A
 * node that is slow no longer counts as one of those at a time.
 *
 * Within a site: once there is a node of the site to be asked, no other is, unless all of the
 * site's fail.
 */
#include "dht/state.h"

#define PARALLEL      4
#define ASKED_MAX     96
#define LOOKUP_NS     (15 * NS_PER_S)
#define SEEN_MAX      DHT_SEARCH_PEERS_MAX
#define ENTRIES_ASKED 4
#define SILENT_MAX    3

static uint32_t index_of(const struct dht *dht, const struct dht_lookup *lookup)
{
	return (uint32_t)(lookup - dht->lookups);
}

struct dht_candidate *lookup_candidate(
	struct dht_lookup *lookup, const struct peer_address *address)
{
	for (uint32_t i = 0; i < lookup->candidates_count; i++)
		if (peer_address_equal(&lookup->candidates[i].contact.address, address))
			return &lookup->candidates[i];
	return NULL;
}

/* ---- who may be asked ---- */

static bool address_usable(const struct peer_address *address)
{
	const uint8_t *ip = address->ip;

	if (peer_address_is4(address))
		return ip[12] != 0 && ip[12] < 224;
	return ip[0] != 0xff && !bytes_all_zero(ip, sizeof(address->ip));
}

/* Keeps the list sorted. The farthest one that has not been asked makes room. */
static void candidate_add(struct dht *dht, struct dht_lookup *lookup,
	const struct krpc_contact *contact, uint32_t source)
{
	struct dht_candidate *list = lookup->candidates;
	uint32_t at = 0;
	uint32_t out = lookup->candidates_count;

	if (!address_usable(&contact->address) || family_of(&contact->address) != lookup->family ||
		memcmp(contact->id, dht->settings.id, DHT_ID_BYTES) == 0 ||
		lookup_candidate(lookup, &contact->address) != NULL)
		return;
	while (at < lookup->candidates_count &&
		dht_id_nearer(lookup->target, list[at].contact.id, contact->id))
		at++;
	if (out == CANDIDATES_MAX) {
		do {
			if (out == at)
				return;
			out--;
		} while (list[out].state != CANDIDATE_NEW && list[out].state != CANDIDATE_FAILED);
	} else {
		lookup->candidates_count++;
	}
	memmove(&list[at + 1], &list[at], (out - at) * sizeof(list[0]));
	list[at] = (struct dht_candidate){.contact = *contact, .source = source};
}

/* Those whom we began with are asked too, wherever they are: they connect sites, whose nodes know
 * mostly one another. */
static void add_entries(struct dht *dht, struct dht_lookup *lookup)
{
	for (uint32_t i = 0, added = 0; i < dht->entries_count && added < ENTRIES_ASKED; i++) {
		const struct dht_node *node = table_at(dht, &dht->entries[i].address);
		struct dht_candidate *candidate;

		if (node == NULL || node->failures > 0)
			continue;
		candidate_add(dht, lookup, &node->contact, 0);
		candidate = lookup_candidate(lookup, &node->contact.address);
		if (candidate == NULL)
			continue;
		candidate->first = true;
		added++;
	}
}

/* ---- its life ---- */

bool lookup_begin(struct dht *dht, const struct dht_lookup *wanted)
{
	struct krpc_contact nearest[2 * NODES_PER_BUCKET];
	struct dht_lookup *lookup = dht->lookups;
	uint32_t count =
		table_nearest(dht, wanted->family, wanted->target, nearest, ARRAY_COUNT(nearest));

	while (lookup < dht->lookups + LOOKUPS_MAX && lookup->phase != LOOKUP_FREE)
		lookup++;
	if (count == 0 || lookup == dht->lookups + LOOKUPS_MAX)
		return false;
	*lookup = *wanted;
	lookup->phase = LOOKUP_ASKING;
	lookup->serial = ++dht->lookup_serial;
	lookup->until_ns = dht->now_ns + LOOKUP_NS;
	for (uint32_t i = 0; i < count; i++)
		candidate_add(dht, lookup, &nearest[i], 0);
	add_entries(dht, lookup);
	return true;
}

static bool candidate_alive(const struct dht_candidate *candidate)
{
	return candidate->state != CANDIDATE_FAILED;
}

/* True while nodes outside of the site are left alone. */
static bool confined(const struct dht *dht, const struct dht_lookup *lookup)
{
	for (uint32_t i = 0; lookup->site_only && i < lookup->candidates_count; i++)
		if (candidate_alive(&lookup->candidates[i]) &&
			in_our_site(dht, lookup->candidates[i].contact.id))
			return true;
	return false;
}

/* The next one to ask, or NULL; *waiting: some of the nearest have not answered yet. */
static struct dht_candidate *next_candidate(
	struct dht *dht, struct dht_lookup *lookup, bool *waiting)
{
	bool site = confined(dht, lookup);
	uint32_t under_way = 0;
	uint32_t alive = 0;
	struct dht_candidate *next = NULL;

	*waiting = false;
	for (uint32_t i = 0; i < lookup->candidates_count; i++)
		under_way += lookup->candidates[i].state == CANDIDATE_ASKED;
	for (uint32_t i = 0; i < lookup->candidates_count && alive < NODES_PER_BUCKET; i++) {
		struct dht_candidate *candidate = &lookup->candidates[i];

		if (!candidate_alive(candidate) ||
			(site && !in_our_site(dht, candidate->contact.id)))
			continue;
		/* Who is slow may be dead: the next one is tried meanwhile. */
		alive += candidate->state != CANDIDATE_SLOW;
		if (candidate->state != CANDIDATE_ANSWERED)
			*waiting = true;
		if (candidate->state == CANDIDATE_NEW && next == NULL)
			next = candidate;
	}
	for (uint32_t i = 0; i < lookup->candidates_count; i++) {
		struct dht_candidate *candidate = &lookup->candidates[i];

		if (!candidate->first || (site && !in_our_site(dht, candidate->contact.id)))
			continue;
		if (candidate->state == CANDIDATE_NEW)
			next = candidate;
		if (candidate->state == CANDIDATE_NEW || candidate->state == CANDIDATE_ASKED)
			*waiting = true;
	}
	return under_way < PARALLEL ? next : NULL;
}

/* The eight nearest that gave a token. */
static void begin_telling(struct dht *dht, struct dht_lookup *lookup)
{
	bool site = confined(dht, lookup);
	uint32_t chosen = 0;

	lookup->phase = LOOKUP_TELLING;
	for (uint32_t i = 0; i < lookup->candidates_count && chosen < NODES_PER_BUCKET; i++) {
		struct dht_candidate *candidate = &lookup->candidates[i];

		if (candidate->state != CANDIDATE_ANSWERED || candidate->token_bytes == 0 ||
			(site && !in_our_site(dht, candidate->contact.id)))
			continue;
		candidate->state = CANDIDATE_CHOSEN;
		chosen++;
	}
}

/* Asks the next one. True when a query goes out. */
static bool ask(struct dht *dht, struct dht_lookup *lookup, struct dht_effect *effect)
{
	bool waiting;
	struct dht_candidate *candidate = next_candidate(dht, lookup, &waiting);

	if (lookup->asked_count >= ASKED_MAX || dht->now_ns >= lookup->until_ns)
		waiting = false;
	else if (candidate != NULL && query_begin(dht, &candidate->contact, true, lookup->method,
					      index_of(dht, lookup), effect)) {
		candidate->state = CANDIDATE_ASKED;
		lookup->asked_count++;
		return true;
	}
	if (waiting)
		return false;
	if (lookup->announce_port != 0)
		begin_telling(dht, lookup);
	else
		lookup->phase = LOOKUP_ENDED;
	return false;
}

static bool tell(struct dht *dht, struct dht_lookup *lookup, struct dht_effect *effect)
{
	bool waiting = false;

	for (uint32_t i = 0; i < lookup->candidates_count; i++) {
		struct dht_candidate *candidate = &lookup->candidates[i];

		waiting = waiting || candidate->state == CANDIDATE_TELLING;
		if (candidate->state != CANDIDATE_CHOSEN)
			continue;
		if (query_begin(dht, &candidate->contact, true, KRPC_ANNOUNCE_PEER,
			    index_of(dht, lookup), effect)) {
			candidate->state = CANDIDATE_TELLING;
			return true;
		}
		waiting = true;
	}
	if (!waiting || dht->now_ns >= lookup->until_ns + LOOKUP_NS)
		lookup->phase = LOOKUP_ENDED;
	return false;
}

static bool end(struct dht_lookup *lookup, struct dht_effect *effect)
{
	lookup->phase = LOOKUP_FREE;
	if (lookup->silent)
		return false;
	*effect = (struct dht_effect){.kind = DHT_EFFECT_SEARCHED,
		.cookie = lookup->cookie,
		.peers_count = lookup->peers_count,
		.answered_count = lookup->answered_count,
		.announced_count = lookup->announced_count};
	return true;
}

bool lookups_work(struct dht *dht, struct dht_effect *effect)
{
	for (uint32_t i = 0; i < LOOKUPS_MAX; i++) {
		struct dht_lookup *lookup = &dht->lookups[i];

		if (lookup->phase == LOOKUP_ASKING && ask(dht, lookup, effect))
			return true;
		if (lookup->phase == LOOKUP_TELLING && tell(dht, lookup, effect))
			return true;
		if (lookup->phase == LOOKUP_ENDED && end(lookup, effect))
			return true;
	}
	return false;
}

uint64_t lookups_deadline_ns(const struct dht *dht)
{
	uint64_t deadline_ns = UINT64_MAX;

	for (uint32_t i = 0; i < LOOKUPS_MAX; i++)
		if (dht->lookups[i].phase != LOOKUP_FREE)
			deadline_ns = u64_min(deadline_ns,
				dht->lookups[i].until_ns +
					(dht->lookups[i].phase == LOOKUP_TELLING ? LOOKUP_NS : 0));
	return deadline_ns;
}

/* ---- answers ---- */

static uint32_t address_hash(const struct dht *dht, const struct peer_address *address)
{
	return (uint32_t)hash_ip(dht->limits.salt + address->port, address) | 1;
}

/* True when this look-up has not named the peer yet. */
static bool peer_is_new(
	const struct dht *dht, struct dht_lookup *lookup, const struct peer_address *address)
{
	uint32_t hash = address_hash(dht, address);
	uint32_t at = hash >> 1;

	if (lookup->peers_count >= SEEN_MAX)
		return false;
	for (;; at++) {
		uint32_t *seen = &lookup->seen[at % ARRAY_COUNT(lookup->seen)];

		if (*seen == hash)
			return false;
		if (*seen == 0) {
			*seen = hash;
			return true;
		}
	}
}

/* At most half of what there is still room for: a few that name many leave some to all others. */
static void take_peers(struct dht *dht, struct dht_lookup *lookup)
{
	const struct krpc_message *message = &dht->message;
	uint32_t share = (SEEN_MAX - lookup->peers_count + 1) / 2;
	struct peer_address self;

	dht->found_count = 0;
	dht->found_cookie = lookup->cookie;
	for (uint32_t i = 0; i < message->values_count && dht->found_count < share; i++) {
		const struct peer_address *peer = &message->values[i];

		if (lookup->announce_port != 0 &&
			self_address(dht, family_of(peer), lookup->announce_port, &self) &&
			peer_address_equal(&self, peer))
			continue;
		if (!address_usable(peer) || !peer_is_new(dht, lookup, peer))
			continue;
		lookup->peers_count++;
		dht->found[dht->found_count++] = *peer;
	}
}

static void take_nodes(struct dht *dht, const struct krpc_contact *nodes, uint32_t count,
	const struct dht_lookup *from, uint32_t source)
{
	/* Nodes of the other family help a look-up of the same target over there. */
	for (uint32_t l = 0; l < LOOKUPS_MAX; l++) {
		struct dht_lookup *lookup = &dht->lookups[l];

		if (lookup->phase != LOOKUP_ASKING ||
			memcmp(lookup->target, from->target, DHT_ID_BYTES) != 0)
			continue;
		for (uint32_t i = 0; i < count; i++)
			candidate_add(dht, lookup, &nodes[i], source);
	}
}

/* The first nodes of a family may be met by way of the other; those of our site rather than others.
 */
static void meet(struct dht *dht, const struct krpc_contact *nodes, uint32_t count)
{
	if (count == 0)
		return;
	unsigned family = family_of(&nodes[0].address);
	uint32_t known = table_count(dht, family, false, false);

	if (!family_on(dht, family) || known >= NODES_PER_BUCKET)
		return;
	for (uint32_t i = 0; i < count; i++)
		if (memcmp(nodes[i].id, dht->settings.id, DHT_ID_BYTES) != 0 &&
			(known == 0 || !dht->settings.in_site || in_our_site(dht, nodes[i].id)))
			ping_later(dht, &nodes[i]);
}

void lookup_answered(struct dht *dht, const struct dht_query *query)
{
	const struct krpc_message *message = &dht->message;
	struct dht_lookup *lookup = &dht->lookups[query->lookup];
	struct dht_candidate *candidate = lookup_candidate(lookup, &query->contact.address);
	uint32_t source = address_hash(dht, &query->contact.address);

	if (candidate == NULL)
		return;
	if (query->method == KRPC_ANNOUNCE_PEER) {
		candidate->state = CANDIDATE_TOLD;
		lookup->announced_count += message->kind == KRPC_REPLY;
		return;
	}
	if (lookup->phase != LOOKUP_ASKING)
		return;
	candidate->state = CANDIDATE_ANSWERED;
	lookup->answered_count++;
	if (message->kind != KRPC_REPLY)
		return;
	memcpy(candidate->token, message->token, message->token_bytes);
	candidate->token_bytes = (uint8_t)message->token_bytes;
	if (lookup->method == KRPC_GET_PEERS && !lookup->silent)
		take_peers(dht, lookup);
	take_nodes(dht, message->nodes4, message->nodes4_count, lookup, source);
	take_nodes(dht, message->nodes6, message->nodes6_count, lookup, source);
	meet(dht, message->nodes4, message->nodes4_count);
	meet(dht, message->nodes6, message->nodes6_count);
}

/* Of whose nodes several are silent and none has answered, the others are not asked either: a liar
 * costs a look-up little time. */
static void doubt(struct dht_lookup *lookup, uint32_t source)
{
	uint32_t silent = 0;

	for (uint32_t i = 0; i < lookup->candidates_count; i++) {
		const struct dht_candidate *candidate = &lookup->candidates[i];

		if (candidate->source != source)
			continue;
		if (candidate->state == CANDIDATE_ANSWERED)
			return;
		silent +=
			candidate->state == CANDIDATE_SLOW || candidate->state == CANDIDATE_FAILED;
	}
	if (source == 0 || silent < SILENT_MAX)
		return;
	for (uint32_t i = 0; i < lookup->candidates_count; i++)
		if (lookup->candidates[i].source == source &&
			lookup->candidates[i].state == CANDIDATE_NEW)
			lookup->candidates[i].state = CANDIDATE_FAILED;
}

void lookup_failed(struct dht *dht, const struct dht_query *query)
{
	struct dht_lookup *lookup = &dht->lookups[query->lookup];
	struct dht_candidate *candidate = lookup_candidate(lookup, &query->contact.address);

	if (candidate == NULL)
		return;
	candidate->state = CANDIDATE_FAILED;
	if (lookup->phase == LOOKUP_ASKING)
		doubt(lookup, candidate->source);
}

void lookup_slow(struct dht *dht, const struct dht_query *query)
{
	struct dht_lookup *lookup = &dht->lookups[query->lookup];
	struct dht_candidate *candidate = lookup_candidate(lookup, &query->contact.address);

	if (candidate == NULL || candidate->state != CANDIDATE_ASKED)
		return;
	candidate->state = CANDIDATE_SLOW;
	doubt(lookup, candidate->source);
}
