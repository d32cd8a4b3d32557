/* SPDX-License-Identifier: Apache-2.0 */
/* One DHT node and what it says: tests ask it, answer its queries, and let time pass. */
#ifndef TESTS_SUPPORT_DHT_TALK_H
#define TESTS_SUPPORT_DHT_TALK_H

#include <stdlib.h>

#include "dht/dht.h"
#include "runtime/crypto.h"

struct talk {
	struct dht *dht;
	uint64_t now_ns;
	struct krpc_message answer; /* the last reply or error */
	size_t answer_bytes;
	uint32_t answers_count;
	struct krpc_message query; /* the last of its own */
	struct peer_address query_to;
	uint32_t queries_count;
	uint32_t peers_count;
	uint32_t ended_count;
};

static struct talk talk;

static inline struct peer_address address4(unsigned number, uint16_t port)
{
	uint8_t ip[4] = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
	struct peer_address address;

	peer_address_from4(&address, ip, port);
	return address;
}

static inline void drain(void)
{
	struct dht_effect effect;

	while (dht_next_effect(talk.dht, &effect)) {
		struct krpc_message message;

		talk.peers_count += effect.kind == DHT_EFFECT_PEER;
		talk.ended_count += effect.kind == DHT_EFFECT_SEARCHED;
		if (effect.kind != DHT_EFFECT_SEND)
			continue;
		assert_int_equal(krpc_parse(&message, effect.bytes, effect.bytes_count), KRPC_GOOD);
		if (message.kind == KRPC_QUERY) {
			talk.query = message;
			talk.query_to = effect.address;
			talk.queries_count++;
		} else {
			talk.answer = message;
			talk.answer_bytes = effect.bytes_count;
			talk.answers_count++;
		}
	}
}

static inline int setup_with(bool in_site, bool read_only)
{
	struct dht_settings settings = {.family4 = true,
		.family6 = true,
		.in_site = in_site,
		.read_only = read_only,
		.mac = crypto_hmac_sha256,
		.seed = 5};

	memset(settings.id, 0x55, sizeof(settings.id));
	memset(settings.secret, 0x77, sizeof(settings.secret));
	talk = (struct talk){.now_ns = 100 * NS_PER_S};
	talk.dht = dht_create(malloc(dht_bytes()), &settings, talk.now_ns);
	return 0;
}

static inline int setup(void **state)
{
	(void)state;
	return setup_with(false, false);
}

static inline int teardown(void **state)
{
	(void)state;
	free(talk.dht);
	return 0;
}

static inline void give(const struct krpc_message *message, const struct peer_address *from)
{
	uint8_t bytes[KRPC_BYTES_MAX];
	size_t count = krpc_write(message, bytes, sizeof(bytes));

	assert_true(count > 0);
	dht_received(talk.dht, talk.now_ns, from, bytes, count);
	drain();
}

static inline void give_text(const char *text, const struct peer_address *from)
{
	dht_received(talk.dht, talk.now_ns, from, (const uint8_t *)text, strlen(text));
	drain();
}

/* A query by a node whose id is made of its number. True when it was answered. */
static inline bool ask(
	enum krpc_method method, struct krpc_message query, const struct peer_address *from)
{
	uint32_t before = talk.answers_count;

	query.kind = KRPC_QUERY;
	query.method = method;
	memcpy(query.transaction, "tr", 2);
	query.transaction_bytes = 2;
	memcpy(query.id, from->ip, sizeof(from->ip));
	be16_write(query.id + 16, from->port);
	give(&query, from);
	return talk.answers_count == before + 1;
}

/* The node's last query is answered. */
static inline void reply_to_query(struct krpc_message reply)
{
	reply.kind = KRPC_REPLY;
	memcpy(reply.transaction, talk.query.transaction, talk.query.transaction_bytes);
	reply.transaction_bytes = talk.query.transaction_bytes;
	memcpy(reply.id, talk.query_to.ip, sizeof(talk.query_to.ip));
	be16_write(reply.id + 16, talk.query_to.port);
	give(&reply, &talk.query_to);
}

static inline void advance(uint64_t ns)
{
	for (uint64_t until_ns = talk.now_ns + ns; talk.now_ns < until_ns;) {
		talk.now_ns =
			u64_min(until_ns, u64_max(dht_deadline_ns(talk.dht), talk.now_ns + 1));
		dht_tick(talk.dht, talk.now_ns);
		drain();
	}
}

static inline struct dht_status status_now(void)
{
	struct dht_status status;

	dht_status(talk.dht, &status);
	return status;
}

/* One announces itself as a client would. */
static inline bool announce(const uint8_t key[static DHT_ID_BYTES], const struct peer_address *from)
{
	struct krpc_message query = {0};

	memcpy(query.target, key, DHT_ID_BYTES);
	if (!ask(KRPC_GET_PEERS, query, from))
		return false;
	query.port = from->port;
	memcpy(query.token, talk.answer.token, talk.answer.token_bytes);
	query.token_bytes = talk.answer.token_bytes;
	return ask(KRPC_ANNOUNCE_PEER, query, from) && talk.answer.kind == KRPC_REPLY;
}

static inline uint32_t values_of(const uint8_t key[static DHT_ID_BYTES], unsigned asker)
{
	struct peer_address from = address4(asker, 999);
	struct krpc_message query = {0};

	memcpy(query.target, key, DHT_ID_BYTES);
	assert_true(ask(KRPC_GET_PEERS, query, &from));
	return talk.answer.values_count;
}

static const uint8_t some_key[DHT_ID_BYTES] = {1, 2, 3};

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
