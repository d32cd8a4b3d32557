/* SPDX-License-Identifier: Apache-2.0 */
/* A DHT node's life: inputs, effects, joining, upkeep. */
#include "dht/state.h"

#define UPKEEP_NS	    (5 * NS_PER_S)
#define ENTRY_PAUSE_NS	    NS_PER_S
#define LONELY_PAUSE_NS_MAX (30 * NS_PER_S) /* while few nodes answer */
#define ENTRY_PAUSE_NS_MAX  (2 * 60 * NS_PER_S)
#define JOIN_PAUSE_NS	    (2 * NS_PER_S)
#define JOIN_PAUSE_NS_MAX   (5 * 60 * NS_PER_S)

size_t dht_bytes(void)
{
	return sizeof(struct dht);
}

struct dht *dht_create(void *memory, const struct dht_settings *settings, uint64_t now_ns)
{
	struct dht *dht = memory;

	memset(dht, 0, sizeof(*dht));
	dht->settings = *settings;
	dht->now_ns = now_ns;
	dht->upkeep_ns = now_ns + UPKEEP_NS;
	rng_seed(&dht->rng, settings->seed);
	dht->limits.salt = rng_next(&dht->rng);
	store_init(&dht->store);
	for (unsigned family = 0; family < FAMILIES; family++)
		dht->join_ns[family] = UINT64_MAX;
	return dht;
}

/* ---- joining and upkeep ---- */

static bool family_lonely(const struct dht *dht, unsigned family)
{
	for (uint32_t b = 0; b < BUCKETS; b++) {
		const struct dht_bucket *bucket = &dht->tables[family].buckets[b];

		for (uint32_t i = 0; i < bucket->nodes_count; i++)
			if (table_node_good(dht, &bucket->nodes[i]))
				return false;
	}
	return true;
}

static void ask_entry(struct dht *dht, struct dht_entry *entry)
{
	struct krpc_contact contact = {.address = entry->address};
	bool few = table_count(dht, family_of(&entry->address), false, true) < NODES_PER_BUCKET;

	ping_later(dht, &contact);
	entry->pause_ns = u64_min(u64_max(2 * entry->pause_ns, ENTRY_PAUSE_NS),
		few ? LONELY_PAUSE_NS_MAX : ENTRY_PAUSE_NS_MAX);
	entry->due_ns = dht->now_ns + entry->pause_ns;
}

static struct dht_entry *entry_find(struct dht *dht, const struct peer_address *address)
{
	for (uint32_t i = 0; i < dht->entries_count; i++)
		if (peer_address_equal(&dht->entries[i].address, address))
			return &dht->entries[i];
	return NULL;
}

void entry_heard(struct dht *dht, const struct peer_address *address, bool answered)
{
	struct dht_entry *entry = entry_find(dht, address);

	if (entry == NULL)
		return;
	entry->silent = !answered;
	if (answered)
		entry->pause_ns = 0;
}

void dht_bootstrap(struct dht *dht, uint64_t now_ns, const struct peer_address *address)
{
	struct dht_entry *entry = entry_find(dht, address);

	dht->now_ns = now_ns;
	if (address->port == 0 || !family_on(dht, family_of(address)))
		return;
	if (entry == NULL) {
		entry = &dht->entries[dht->entries_count < DHT_BOOTSTRAP_MAX
					      ? dht->entries_count++
					      : rng_below(&dht->rng, DHT_BOOTSTRAP_MAX)];
		*entry = (struct dht_entry){.address = *address, .silent = true};
	} else if (entry->due_ns > now_ns) {
		return;
	}
	ask_entry(dht, entry);
}

void dht_meet(struct dht *dht, uint64_t now_ns, const struct peer_address *address)
{
	struct krpc_contact contact = {.address = *address};

	dht->now_ns = now_ns;
	if (address->port != 0 && family_on(dht, family_of(address)) &&
		limits_allow(&dht->limits, now_ns, address))
		ping_later(dht, &contact);
}

/* However many nodes there are: they may all be on our side of a link that was cut. */
static void ask_entries(struct dht *dht)
{
	for (uint32_t i = 0; i < dht->entries_count; i++)
		if (dht->entries[i].silent && dht->entries[i].due_ns <= dht->now_ns)
			ask_entry(dht, &dht->entries[i]);
}

/* Our own id is looked up, which makes us known where we belong; soon again, then rarely. */
static void join(struct dht *dht, unsigned family)
{
	struct dht_lookup wanted = {.method = KRPC_FIND_NODE,
		.family = family,
		.silent = true,
		.site_only = dht->settings.in_site};

	memcpy(wanted.target, dht->settings.id, DHT_ID_BYTES);
	if (lookup_begin(dht, &wanted))
		dht->join_pause_ns[family] =
			u64_min(2 * dht->join_pause_ns[family], JOIN_PAUSE_NS_MAX);
	dht->join_ns[family] = dht->now_ns + dht->join_pause_ns[family];
}

static void joined(struct dht *dht, unsigned family)
{
	dht->join_pause_ns[family] = JOIN_PAUSE_NS / 2;
	join(dht, family);
}

void dht_tick(struct dht *dht, uint64_t now_ns)
{
	dht->now_ns = now_ns;
	queries_tick(dht);
	ask_entries(dht);
	for (unsigned family = 0; family < FAMILIES; family++)
		if (dht->join_ns[family] <= now_ns)
			join(dht, family);
	if (now_ns < dht->upkeep_ns)
		return;
	dht->upkeep_ns = now_ns + UPKEEP_NS;
	store_expire(&dht->store, now_ns);
	for (unsigned family = 0; family < FAMILIES; family++)
		table_upkeep(dht, family);
}

uint64_t dht_deadline_ns(const struct dht *dht)
{
	uint64_t deadline_ns = u64_min(dht->upkeep_ns, queries_deadline_ns(dht));

	for (unsigned family = 0; family < FAMILIES; family++)
		deadline_ns = u64_min(deadline_ns, dht->join_ns[family]);
	for (uint32_t i = 0; i < dht->entries_count; i++)
		if (dht->entries[i].silent)
			deadline_ns = u64_min(deadline_ns, dht->entries[i].due_ns);
	return u64_min(deadline_ns, lookups_deadline_ns(dht));
}

/* ---- datagrams ---- */

static void take_vote(struct dht *dht, unsigned family)
{
	struct peer_address vote = dht->message.address;
	uint32_t at = dht->votes_count[family];

	if (!dht->message.has_address || family_of(&vote) != family)
		return;
	vote.port = 0;
	if (at == VOTES_MAX)
		at = (uint32_t)rng_below(&dht->rng, VOTES_MAX);
	else
		dht->votes_count[family]++;
	dht->votes[family][at] = vote;
}

static void take_answer(struct dht *dht, const struct peer_address *from)
{
	const struct krpc_message *message = &dht->message;
	struct dht_query *query =
		query_find(dht, from, message->transaction, message->transaction_bytes);
	struct krpc_contact contact = {.address = *from};
	bool of_lookup;

	if (query == NULL) {
		dht->counts.nonsense_in++;
		return;
	}
	struct dht_query ended = *query;
	/* Whom we began with, or the first: there is much to learn from it. */
	bool teaches = family_lonely(dht, family_of(from)) ||
		       (!ended.has_id && table_at(dht, from) == NULL &&
			       table_count(dht, family_of(from), false, true) < NODES_PER_BUCKET);

	query_end(dht, query);
	of_lookup = ended.lookup < LOOKUPS_MAX && dht->lookups[ended.lookup].phase != LOOKUP_FREE &&
		    dht->lookups[ended.lookup].serial == ended.lookup_serial;
	if (message->kind == KRPC_REPLY) {
		memcpy(contact.id, message->id, DHT_ID_BYTES);
		take_vote(dht, family_of(from));
		table_answered(dht, &contact);
		entry_heard(dht, from, true);
		/* Somebody else lives there now, or never did who was said to. */
		if (ended.has_id && memcmp(ended.contact.id, message->id, DHT_ID_BYTES) != 0) {
			if (of_lookup)
				lookup_failed(dht, &ended);
			of_lookup = false;
		}
	}
	if (of_lookup)
		lookup_answered(dht, &ended);
	if (teaches && !family_lonely(dht, family_of(from)))
		joined(dht, family_of(from));
}

static void take_query(
	struct dht *dht, const struct peer_address *from, enum krpc_parse parse, size_t bytes_count)
{
	struct krpc_contact contact = {.address = *from};

	dht->counts.queries_in++;
	if (!limits_allow(&dht->limits, dht->now_ns, from)) {
		dht->counts.queries_limited++;
		return;
	}
	if (dht->settings.read_only)
		return;
	memcpy(contact.id, dht->message.id, DHT_ID_BYTES);
	if (parse == KRPC_GOOD && !dht->message.read_only && table_asked(dht, &contact))
		ping_later(dht, &contact);
	answer_query(dht, from, parse, bytes_count);
}

void dht_received(struct dht *dht, uint64_t now_ns, const struct peer_address *from,
	const uint8_t *bytes, size_t bytes_count)
{
	enum krpc_parse parse;

	dht->now_ns = now_ns;
	dht->counts.bytes_in += bytes_count;
	if (from->port == 0 || !family_on(dht, family_of(from)))
		return;
	parse = krpc_parse(&dht->message, bytes, bytes_count);
	if (parse == KRPC_NONSENSE)
		dht->counts.nonsense_in++;
	else if (dht->message.kind == KRPC_QUERY)
		take_query(dht, from, parse, bytes_count);
	else
		take_answer(dht, from);
}

static bool send_reply(struct dht *dht, struct dht_effect *effect)
{
	*effect = (struct dht_effect){.kind = DHT_EFFECT_SEND,
		.address = dht->reply_to,
		.bytes = dht->output,
		.bytes_count = dht->reply_bytes};
	dht->reply_bytes = 0;
	return true;
}

static bool send_ping(struct dht *dht, struct dht_effect *effect)
{
	struct krpc_contact contact = dht->pings[dht->pings_count - 1];
	bool has_id = !bytes_all_zero(contact.id, sizeof(contact.id));

	if (!query_begin(dht, &contact, has_id, KRPC_PING, LOOKUPS_MAX, effect))
		return false;
	dht->pings_count--;
	return true;
}

static bool next_effect(struct dht *dht, struct dht_effect *effect)
{
	if (dht->reply_bytes > 0)
		return send_reply(dht, effect);
	if (dht->found_count > 0) {
		*effect = (struct dht_effect){.kind = DHT_EFFECT_PEER,
			.cookie = dht->found_cookie,
			.address = dht->found[--dht->found_count]};
		return true;
	}
	if (queries_resend(dht, effect))
		return true;
	if (dht->pings_count > 0 && send_ping(dht, effect))
		return true;
	return lookups_work(dht, effect);
}

bool dht_next_effect(struct dht *dht, struct dht_effect *effect)
{
	if (!next_effect(dht, effect))
		return false;
	dht->counts.bytes_out += effect->bytes_count;
	return true;
}

/* ---- searches ---- */

static void remember_announced(struct dht *dht, const struct dht_search *search)
{
	struct dht_announced *free = NULL;

	for (uint32_t i = 0; i < DHT_KEYS_ANNOUNCED_MAX; i++) {
		struct dht_announced *announced = &dht->announced[i];

		if (announced->port == 0)
			free = free == NULL ? announced : free;
		else if (announced->cookie == search->cookie &&
			 memcmp(announced->key, search->key, DHT_ID_BYTES) == 0)
			return;
	}
	if (free == NULL)
		return;
	*free = (struct dht_announced){.port = search->announce_port, .cookie = search->cookie};
	memcpy(free->key, search->key, DHT_ID_BYTES);
}

uint32_t dht_search(struct dht *dht, uint64_t now_ns, const struct dht_search *search)
{
	uint32_t started = 0;

	dht->now_ns = now_ns;
	if (search->announce_port != 0)
		remember_announced(dht, search);
	for (unsigned family = 0; family < FAMILIES; family++) {
		struct dht_lookup wanted = {.method = KRPC_GET_PEERS,
			.family = family,
			.site_only = search->site_only,
			.announce_port = search->announce_port,
			.cookie = search->cookie};

		memcpy(wanted.target, search->key, DHT_ID_BYTES);
		if (family_on(dht, family))
			started += lookup_begin(dht, &wanted);
	}
	return started;
}

void dht_forget(struct dht *dht, uint32_t cookie)
{
	for (uint32_t i = 0; i < DHT_KEYS_ANNOUNCED_MAX; i++)
		if (dht->announced[i].cookie == cookie)
			dht->announced[i].port = 0;
	for (uint32_t i = 0; i < LOOKUPS_MAX; i++)
		if (dht->lookups[i].phase != LOOKUP_FREE && !dht->lookups[i].silent &&
			dht->lookups[i].cookie == cookie)
			dht->lookups[i].phase = LOOKUP_FREE;
	if (dht->found_cookie == cookie)
		dht->found_count = 0;
}

/* ---- questions ---- */

bool dht_ready(const struct dht *dht)
{
	return !family_lonely(dht, FAMILY4) || !family_lonely(dht, FAMILY6);
}

void dht_status(const struct dht *dht, struct dht_status *status)
{
	*status = dht->counts;
	status->keys_count = dht->store.keys_count;
	status->peers_count = dht->store.peers_count;
	for (unsigned family = 0; family < FAMILIES; family++) {
		status->nodes_count += table_count(dht, family, false, false);
		status->nodes_good_count += table_count(dht, family, false, true);
		status->nodes_site_count += table_count(dht, family, true, false);
	}
	for (uint32_t i = 0; i < LOOKUPS_MAX; i++)
		status->searches_count += dht->lookups[i].phase != LOOKUP_FREE;
}
