/* SPDX-License-Identifier: Apache-2.0 */
/* What a DHT node lets others do: what it stores and for whom, how much it answers, how often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/dht_talk.h"

static void who_announces_is_named_until_half_an_hour_is_over(void **state)
{
	(void)state;
	struct peer_address one = address4(1, 2000);
	struct peer_address two = address4(2, 2000);

	assert_true(announce(some_key, &one));
	assert_true(announce(some_key, &two));
	assert_int_equal(values_of(some_key, 3), 2);
	advance(20 * 60 * NS_PER_S);
	assert_true(announce(some_key, &two));
	assert_int_equal(status_now().peers_count, 2);
	advance(11 * 60 * NS_PER_S);
	assert_int_equal(values_of(some_key, 3), 1);
	assert_true(peer_address_equal(&talk.answer.values[0], &two));
	advance(20 * 60 * NS_PER_S);
	assert_int_equal(values_of(some_key, 3), 0);
	assert_int_equal(status_now().keys_count, 0);
}

static void tokens_are_for_one_address_and_a_while(void **state)
{
	(void)state;
	struct peer_address owner = address4(1, 2000);
	struct peer_address thief = address4(2, 2000);
	struct krpc_message query = {.port = 2000};

	assert_true(ask(KRPC_GET_PEERS, query, &owner));
	memcpy(query.token, talk.answer.token, talk.answer.token_bytes);
	query.token_bytes = talk.answer.token_bytes;
	assert_true(ask(KRPC_ANNOUNCE_PEER, query, &thief));
	assert_int_equal(talk.answer.error, 203);
	advance(5 * 60 * NS_PER_S);
	assert_true(ask(KRPC_ANNOUNCE_PEER, query, &owner));
	assert_int_equal(talk.answer.kind, KRPC_REPLY);
	advance(5 * 60 * NS_PER_S);
	assert_true(ask(KRPC_ANNOUNCE_PEER, query, &owner));
	assert_int_equal(talk.answer.error, 203);
	assert_int_equal(status_now().peers_count, 1);
}

static void implied_port_is_the_datagrams(void **state)
{
	(void)state;
	struct peer_address from = address4(1, 2000);
	struct krpc_message query = {.port = 7, .implied_port = true};

	memcpy(query.target, some_key, DHT_ID_BYTES);
	assert_true(ask(KRPC_GET_PEERS, query, &from));
	memcpy(query.token, talk.answer.token, talk.answer.token_bytes);
	query.token_bytes = talk.answer.token_bytes;
	assert_true(ask(KRPC_ANNOUNCE_PEER, query, &from));
	assert_int_equal(values_of(some_key, 3), 1);
	assert_int_equal(talk.answer.values[0].port, 2000);
}

static void strangers_get_no_more_than_four_times_their_query(void **state)
{
	(void)state;
	size_t query_bytes = strlen("d1:ad2:id20:abcdefghij01234567899:info_hash20:"
				    "mnopqrstuvwxyz123456e1:q9:get_peers1:t2:tr1:y1:qe");

	for (unsigned i = 1; i <= 200; i++) {
		struct peer_address from = address4(i, 2000);

		assert_true(announce(some_key, &from));
		/* It becomes a node: it answers what it is asked. */
		if (peer_address_equal(&talk.query_to, &from))
			reply_to_query((struct krpc_message){0});
		talk.now_ns += 10 * NS_PER_MS;
	}
	uint32_t strangers_get = values_of(some_key, 5000);

	assert_true(strangers_get >= 8);
	assert_true(talk.answer_bytes <= DHT_REPLY_FACTOR * query_bytes);
	assert_true(talk.answer_bytes > 2 * query_bytes);
	/* One that has shown where it is gets more. */
	struct krpc_message query = {0};
	struct peer_address known = address4(1, 2000);

	memcpy(query.target, some_key, DHT_ID_BYTES);
	assert_true(ask(KRPC_GET_PEERS, query, &known));
	assert_true(talk.answer.values_count > strangers_get);
	assert_true(talk.answer_bytes <= KRPC_BYTES_MAX);
}

static void floods_of_one_address_do_not_touch_others(void **state)
{
	(void)state;
	struct peer_address flood = address4(1, 2000);
	struct peer_address other = address4(2, 2000);
	struct krpc_message query = {0};
	uint32_t answered = 0;

	for (int i = 0; i < 5000; i++)
		answered += ask(KRPC_PING, query, &flood);
	assert_int_equal(answered, 256);
	assert_int_equal(status_now().queries_limited, 5000 - 256);
	assert_true(ask(KRPC_PING, query, &other));
	talk.now_ns += NS_PER_S;
	answered = 0;
	for (int i = 0; i < 5000; i++)
		answered += ask(KRPC_PING, query, &flood);
	assert_in_range(answered, 99, 101);
	/* From many addresses at once: the limit over all holds. */
	answered = 0;
	for (unsigned i = 0; i < 20000; i++) {
		struct peer_address forged = address4(1000 + i, 2000);

		answered += ask(KRPC_PING, query, &forged);
	}
	assert_in_range(answered, 1500, 2000);
}

static void what_is_stored_is_bounded(void **state)
{
	(void)state;
	uint8_t key[DHT_ID_BYTES] = {0};
	struct dht_status status;

	/* One address, many ports. */
	for (uint16_t port = 1000; port < 1100; port++) {
		struct peer_address from = address4(1, port);

		assert_true(announce(some_key, &from));
		talk.now_ns += 20 * NS_PER_MS;
	}
	assert_int_equal(status_now().peers_count, 16);
	/* One address, many keys. */
	for (unsigned i = 0; i < 200; i++) {
		struct peer_address from = address4(1, 2000);

		key[5] = (uint8_t)(i + 1);
		(void)announce(key, &from);
		talk.now_ns += 20 * NS_PER_MS;
	}
	assert_int_equal(status_now().peers_count, 64);
	/* Many addresses, one key. */
	for (unsigned i = 0; i < 2000; i++) {
		struct peer_address from = address4(100 + i, 2000);

		(void)announce(some_key, &from);
		talk.now_ns += 5 * NS_PER_MS;
	}
	status = status_now();
	assert_in_range(status.peers_count, 512, 512 + 64);
	/* Many addresses, many keys. */
	for (unsigned i = 0; i < 10000; i++) {
		struct peer_address from = address4(100000 + i, 2000);

		be32_write(key, i % 900);
		(void)announce(key, &from);
		talk.now_ns += 5 * NS_PER_MS;
	}
	status = status_now();
	assert_true(status.peers_count <= 2048);
	assert_true(status.keys_count <= 256);
	assert_true(values_of(some_key, 3) > 0);
}

static void who_names_many_nodes_is_heeded_within_limits(void **state)
{
	(void)state;
	for (uint16_t port = 1; port < 5000; port++) {
		struct peer_address named = address4(1, port);

		dht_meet(talk.dht, talk.now_ns, &named);
		drain();
		talk.now_ns += NS_PER_US;
	}
	assert_in_range(talk.queries_count, 1, 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_announces_is_named_until_half_an_hour_is_over),
		TEST(tokens_are_for_one_address_and_a_while),
		TEST(implied_port_is_the_datagrams),
		TEST(strangers_get_no_more_than_four_times_their_query),
		TEST(floods_of_one_address_do_not_touch_others),
		TEST(what_is_stored_is_bounded),
		TEST(who_names_many_nodes_is_heeded_within_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
