/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers to the queries of others. Whoever has not shown that it is where it says gets at most
 * DHT_REPLY_FACTOR times what it sent, so that nobody is worth being pretended to be.
 */
#include "dht/state.h"

#define ERROR_SERVER	  202
#define NODES_WITH_VALUES 4
#define NODES4_HEAD	  11 /* "5:nodes208:" */
#define NODES6_HEAD	  12 /* "6:nodes6304:" */
#define VALUES_HEAD	  10 /* "6:values" "l" "e" */

bool self_address(
	const struct dht *dht, unsigned family, uint16_t port, struct peer_address *address)
{
	uint32_t best = 0;

	for (uint32_t i = 0; i < dht->votes_count[family]; i++) {
		uint32_t same = 0;

		for (uint32_t j = 0; j < dht->votes_count[family]; j++)
			same += peer_address_equal(&dht->votes[family][i], &dht->votes[family][j]);
		if (same > best) {
			best = same;
			*address = dht->votes[family][i];
		}
	}
	address->port = port;
	return best > 0;
}

/* ---- tokens ---- */

/* Good for the address alone, in its own five minutes and the next. */
static size_t token_make(const struct dht *dht, const struct peer_address *address, uint64_t age,
	uint8_t token[static TOKEN_BYTES])
{
	uint8_t mac[SHA256_BYTES];
	uint8_t bytes[8 + sizeof(address->ip)];

	be64_write(bytes, dht->now_ns / TOKEN_AGE_NS - age);
	memcpy(bytes + 8, address->ip, sizeof(address->ip));
	dht->settings.mac(
		mac, dht->settings.secret, sizeof(dht->settings.secret), bytes, sizeof(bytes));
	memcpy(token, mac, TOKEN_BYTES);
	return TOKEN_BYTES;
}

static bool token_good(const struct dht *dht, const struct peer_address *address,
	const struct krpc_message *message)
{
	uint8_t token[TOKEN_BYTES];

	for (uint64_t age = 0; age <= 1; age++) {
		if (message->token_bytes == token_make(dht, address, age, token) &&
			memcmp(message->token, token, TOKEN_BYTES) == 0)
			return true;
	}
	return false;
}

/* ---- what goes into a reply ---- */

static uint32_t fit(size_t room, size_t head, size_t each, uint32_t count_max)
{
	return room < head + each ? 0 : (uint32_t)u64_min((room - head) / each, count_max);
}

static size_t add_nodes(struct dht *dht, struct krpc_message *reply, unsigned family,
	uint32_t nodes_max, size_t room)
{
	size_t head = family == FAMILY4 ? NODES4_HEAD : NODES6_HEAD;
	size_t each = family == FAMILY4 ? KRPC_NODE4_BYTES : KRPC_NODE6_BYTES;
	struct krpc_contact *nodes = family == FAMILY4 ? reply->nodes4 : reply->nodes6;
	uint32_t count = fit(room, head, each, nodes_max);

	count = table_nearest(dht, family, reply->target, nodes, count);
	*(family == FAMILY4 ? &reply->nodes4_count : &reply->nodes6_count) = count;
	/* The key alone may be written, too. */
	return room < head ? room : room - head - each * count;
}

/* Ourselves, when we hold it, and a choice of those who said that they do. */
static void find_values(struct dht *dht, struct krpc_message *reply, unsigned family)
{
	for (uint32_t i = 0; i < DHT_KEYS_ANNOUNCED_MAX; i++)
		if (dht->announced[i].port != 0 &&
			memcmp(dht->announced[i].key, reply->target, DHT_ID_BYTES) == 0 &&
			self_address(dht, family, dht->announced[i].port, &reply->values[0])) {
			reply->values_count = 1;
			break;
		}
	reply->values_count += store_sample(&dht->store, &dht->rng, reply->target, family,
		&reply->values[reply->values_count], KRPC_VALUES_MAX - reply->values_count);
}

/* Nodes of the families that are wanted, and peers, as far as there is room. */
static void fill(struct dht *dht, struct krpc_message *reply, const struct krpc_message *query,
	unsigned family, size_t room)
{
	uint32_t nodes_max = NODES_PER_BUCKET;
	uint32_t values_max;
	size_t value_bytes = family == FAMILY4 ? KRPC_VALUE4_WIRE_BYTES : KRPC_VALUE6_WIRE_BYTES;
	bool want4 = query->want4 || (!query->want6 && family == FAMILY4);
	bool want6 = query->want6 || (!query->want4 && family == FAMILY6);

	if (query->method == KRPC_GET_PEERS)
		find_values(dht, reply, family);
	values_max = reply->values_count;
	if (values_max > 0)
		nodes_max = NODES_WITH_VALUES;
	/* Those of the asker's family first: the others are an extra. */
	if (family == FAMILY4 ? want4 : want6)
		room = add_nodes(dht, reply, family, nodes_max, room);
	reply->values_count = fit(room, VALUES_HEAD, value_bytes, values_max);
	if (reply->values_count > 0)
		room -= VALUES_HEAD + value_bytes * reply->values_count;
	if (family == FAMILY4 ? want6 : want4)
		room = add_nodes(dht, reply, 1 - family, nodes_max, room);
	reply->has_nodes = want4 && (reply->nodes4_count > 0 || room >= NODES4_HEAD);
}

/* ---- the answer ---- */

static void set_error(struct krpc_message *reply, uint32_t error, const char *text)
{
	reply->kind = KRPC_ERROR;
	reply->error = error;
	memcpy(reply->error_text, text, strlen(text) + 1);
}

static void take_announce(struct dht *dht, struct krpc_message *reply,
	const struct krpc_message *query, const struct peer_address *from)
{
	struct peer_address peer = *from;

	if (!token_good(dht, from, query)) {
		dht->counts.tokens_wrong++;
		set_error(reply, KRPC_ERROR_PROTOCOL, "bad token");
		return;
	}
	if (!query->implied_port)
		peer.port = query->port;
	if (!store_put(&dht->store, dht->now_ns, query->target, &peer))
		set_error(reply, ERROR_SERVER, "no room");
}

/* True when the asker has answered us lately: it is where it says. */
static bool proven(
	struct dht *dht, const struct krpc_message *query, const struct peer_address *from)
{
	struct krpc_contact contact = {.address = *from};

	memcpy(contact.id, query->id, DHT_ID_BYTES);
	const struct dht_node *node = table_find(dht, &contact);

	return node != NULL && node->replied_ns != 0 && dht->now_ns - node->replied_ns < GOOD_NS;
}

void answer_query(
	struct dht *dht, const struct peer_address *from, enum krpc_parse parse, size_t query_bytes)
{
	const struct krpc_message *query = &dht->message;
	struct krpc_message reply = {.kind = KRPC_REPLY};
	size_t limit = sizeof(dht->output);
	size_t used;

	if (parse != KRPC_GOOD || !proven(dht, query, from))
		limit = (size_t)u64_min(limit, DHT_REPLY_FACTOR * (uint64_t)query_bytes);
	memcpy(reply.id, dht->settings.id, DHT_ID_BYTES);
	memcpy(reply.target, query->target, DHT_ID_BYTES);
	memcpy(reply.transaction, query->transaction, query->transaction_bytes);
	reply.transaction_bytes = query->transaction_bytes;
	reply.has_address = true;
	reply.address = *from;
	if (parse == KRPC_WRONG)
		set_error(&reply, KRPC_ERROR_PROTOCOL, "wrong arguments");
	else if (parse == KRPC_UNKNOWN_QUERY)
		set_error(&reply, KRPC_ERROR_METHOD, "unknown method");
	else if (query->method == KRPC_ANNOUNCE_PEER)
		take_announce(dht, &reply, query, from);
	else if (query->method == KRPC_GET_PEERS)
		reply.token_bytes = token_make(dht, from, 0, reply.token);
	used = krpc_write(&reply, dht->output, limit);
	if (used > 0 && reply.kind == KRPC_REPLY &&
		(query->method == KRPC_FIND_NODE || query->method == KRPC_GET_PEERS)) {
		fill(dht, &reply, query, family_of(from), limit - used);
		used = krpc_write(&reply, dht->output, limit);
	}
	dht->reply_bytes = used;
	dht->reply_to = *from;
}
