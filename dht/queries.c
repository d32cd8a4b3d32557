/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queries of ours: sent, sent once more when no answer comes, given up. An answer counts only with
 * the transaction of a query that went to the address it comes from.
 */
#include "dht/state.h"

#define FIRST_TRY_NS  (500 * NS_PER_MS)
#define SECOND_TRY_NS (1000 * NS_PER_MS)

static struct dht_lookup *lookup_of(struct dht *dht, const struct dht_query *query)
{
	struct dht_lookup *lookup =
		query->lookup < LOOKUPS_MAX ? &dht->lookups[query->lookup] : NULL;

	return lookup != NULL && lookup->phase != LOOKUP_FREE &&
			       lookup->serial == query->lookup_serial
		       ? lookup
		       : NULL;
}

/* False when what it was asked for is no longer wanted. */
static bool query_write(struct dht *dht, const struct dht_query *query, struct dht_effect *effect)
{
	struct krpc_message *message = &dht->message;
	struct dht_lookup *lookup = lookup_of(dht, query);

	memset(message, 0, sizeof(*message));
	message->kind = KRPC_QUERY;
	message->method = query->method;
	message->read_only = dht->settings.read_only;
	memcpy(message->id, dht->settings.id, DHT_ID_BYTES);
	memcpy(message->transaction, query->transaction, sizeof(query->transaction));
	message->transaction_bytes = sizeof(query->transaction);
	if (query->method != KRPC_PING) {
		if (lookup == NULL)
			return false;
		memcpy(message->target, lookup->target, DHT_ID_BYTES);
	}
	if (query->method == KRPC_ANNOUNCE_PEER) {
		const struct dht_candidate *candidate =
			lookup_candidate(lookup, &query->contact.address);

		if (candidate == NULL)
			return false;
		memcpy(message->token, candidate->token, candidate->token_bytes);
		message->token_bytes = candidate->token_bytes;
		message->port = lookup->announce_port;
	} else if (query->method != KRPC_PING && dht->settings.family4 && dht->settings.family6) {
		message->want4 = message->want6 = true;
	}
	*effect = (struct dht_effect){
		.kind = DHT_EFFECT_SEND, .address = query->contact.address, .bytes = dht->output};
	effect->bytes_count = krpc_write(message, dht->output, sizeof(dht->output));
	if (effect->bytes_count == 0)
		return false;
	dht->counts.queries_out++;
	return true;
}

static struct dht_query *free_slot(struct dht *dht)
{
	for (uint32_t i = 0; i < QUERIES_MAX; i++)
		if (!dht->queries[i].used)
			return &dht->queries[i];
	return NULL;
}

bool query_begin(struct dht *dht, const struct krpc_contact *contact, bool has_id,
	enum krpc_method method, uint32_t lookup, struct dht_effect *effect)
{
	struct dht_query *query = free_slot(dht);

	if (query == NULL)
		return false;
	uint64_t random = rng_next(&dht->rng);

	*query = (struct dht_query){.used = true,
		.has_id = has_id,
		.tries = 1,
		.method = method,
		.contact = *contact,
		.lookup = lookup,
		.lookup_serial = lookup < LOOKUPS_MAX ? dht->lookups[lookup].serial : 0,
		.due_ns = dht->now_ns + FIRST_TRY_NS};
	query->transaction[0] = (uint8_t)(query - dht->queries);
	for (size_t i = 1; i < sizeof(query->transaction); i++)
		query->transaction[i] = (uint8_t)(random >> 8 * i);
	dht->queries_count++;
	if (query_write(dht, query, effect))
		return true;
	query_end(dht, query);
	return false;
}

struct dht_query *query_find(struct dht *dht, const struct peer_address *from,
	const uint8_t *transaction, size_t transaction_bytes)
{
	struct dht_query *query;

	if (transaction_bytes != sizeof(query->transaction) || transaction[0] >= QUERIES_MAX)
		return NULL;
	query = &dht->queries[transaction[0]];
	return query->used &&
			       memcmp(query->transaction, transaction,
				       sizeof(query->transaction)) == 0 &&
			       peer_address_equal(&query->contact.address, from)
		       ? query
		       : NULL;
}

void query_end(struct dht *dht, struct dht_query *query)
{
	query->used = false;
	dht->queries_count--;
}

bool query_pending(const struct dht *dht, const struct peer_address *address)
{
	for (uint32_t i = 0; i < QUERIES_MAX; i++)
		if (dht->queries[i].used &&
			peer_address_equal(&dht->queries[i].contact.address, address))
			return true;
	return false;
}

static void give_up(struct dht *dht, struct dht_query *query)
{
	if (query->has_id)
		table_failed(dht, &query->contact);
	entry_heard(dht, &query->contact.address, false);
	if (lookup_of(dht, query) != NULL)
		lookup_failed(dht, query);
	query_end(dht, query);
}

void queries_tick(struct dht *dht)
{
	for (uint32_t i = 0; i < QUERIES_MAX; i++) {
		struct dht_query *query = &dht->queries[i];

		if (!query->used || query->resend || query->due_ns > dht->now_ns)
			continue;
		if (query->tries > 1) {
			give_up(dht, query);
			continue;
		}
		query->resend = true;
		if (lookup_of(dht, query) != NULL)
			lookup_slow(dht, query);
	}
}

bool queries_resend(struct dht *dht, struct dht_effect *effect)
{
	for (uint32_t i = 0; i < QUERIES_MAX; i++) {
		struct dht_query *query = &dht->queries[i];

		if (!query->used || !query->resend)
			continue;
		query->resend = false;
		query->tries++;
		query->due_ns = dht->now_ns + SECOND_TRY_NS;
		if (query_write(dht, query, effect))
			return true;
		query_end(dht, query);
	}
	return false;
}

uint64_t queries_deadline_ns(const struct dht *dht)
{
	uint64_t deadline_ns = UINT64_MAX;

	for (uint32_t i = 0; dht->queries_count > 0 && i < QUERIES_MAX; i++)
		if (dht->queries[i].used)
			deadline_ns = u64_min(deadline_ns, dht->queries[i].due_ns);
	return deadline_ns;
}

void ping_later(struct dht *dht, const struct krpc_contact *contact)
{
	if (dht->pings_count == PINGS_MAX || query_pending(dht, &contact->address))
		return;
	for (uint32_t i = 0; i < dht->pings_count; i++)
		if (peer_address_equal(&dht->pings[i].address, &contact->address))
			return;
	dht->pings[dht->pings_count++] = *contact;
}
