/* SPDX-License-Identifier: Apache-2.0 */
/* One DHT node and somebody who talks to it: answers, tokens, limits, what is stored for how long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/dht_talk.h"

static void every_query_is_answered(void **state)
{
	(void)state;
	struct peer_address from = address4(1, 2000);
	struct krpc_message query = {0};

	assert_true(ask(KRPC_PING, query, &from));
	assert_int_equal(talk.answer.id[0], 0x55);
	assert_memory_equal(talk.answer.transaction, "tr", 2);
	assert_true(talk.answer.has_address);
	assert_true(peer_address_equal(&talk.answer.address, &from));
	assert_true(ask(KRPC_FIND_NODE, query, &from));
	assert_int_equal(talk.answer.nodes4_count, 0); /* none has answered yet */
	assert_true(ask(KRPC_GET_PEERS, query, &from));
	assert_true(talk.answer.token_bytes > 0);
	assert_int_equal(talk.answer.values_count, 0);
}

static void mistakes_get_the_errors_of_bep_5(void **state)
{
	(void)state;
	struct peer_address from = address4(1, 2000);
	struct krpc_message query = {.port = 1, .token = "wrong", .token_bytes = 5};

	give_text("d1:ad2:id3:xxxe1:q4:ping1:t2:aa1:y1:qe", &from);
	assert_int_equal(talk.answer.error, 203);
	give_text("d1:ad2:id20:abcdefghij0123456789e1:q4:vote1:t2:aa1:y1:qe", &from);
	assert_int_equal(talk.answer.error, 204);
	assert_true(ask(KRPC_ANNOUNCE_PEER, query, &from));
	assert_int_equal(talk.answer.error, 203);
	assert_int_equal(status_now().tokens_wrong, 1);
	uint32_t before = talk.answers_count;

	give_text("garbage", &from);
	give_text("d1:t2:aa1:y1:re", &from);
	/* An error four times as long as the query would be too long. */
	give_text("d1:t1:a1:y1:qe", &from);
	assert_true(talk.answers_count == before || talk.answer_bytes <= 14 * DHT_REPLY_FACTOR);
	assert_int_equal(status_now().nonsense_in, 2);
}

static void only_who_answers_becomes_a_node(void **state)
{
	(void)state;
	struct peer_address from = address4(1, 2000);
	struct krpc_message reply = {.kind = KRPC_REPLY, .transaction_bytes = 4};
	struct krpc_message query = {0};

	give(&reply, &from); /* that nobody asked for */
	assert_int_equal(status_now().nodes_count, 0);
	assert_int_equal(status_now().nonsense_in, 1);
	assert_true(ask(KRPC_PING, query, &from));
	assert_int_equal(status_now().nodes_count, 0);
	assert_int_equal(talk.queries_count, 1); /* it is pinged back */
	assert_int_equal(talk.query.method, KRPC_PING);
	/* The right transaction from another address. */
	struct peer_address asked = talk.query_to;

	talk.query_to = address4(9, 9);
	reply_to_query((struct krpc_message){0});
	assert_int_equal(status_now().nodes_count, 0);
	talk.query_to = asked;
	reply_to_query((struct krpc_message){0});
	assert_int_equal(status_now().nodes_good_count, 1);
	assert_true(dht_ready(talk.dht));
	/* A read-only one is not even asked (BEP 43). */
	struct peer_address shy = address4(3, 2000);
	uint32_t before = talk.queries_count;

	query.read_only = true;
	assert_true(ask(KRPC_PING, query, &shy));
	assert_int_equal(talk.queries_count, before);
}

static void who_booted_again_replaces_itself_and_the_silent_go(void **state)
{
	(void)state;
	struct peer_address at = address4(1, 2000);
	struct krpc_message reply = {.kind = KRPC_REPLY};

	dht_bootstrap(talk.dht, talk.now_ns, &at);
	drain();
	reply_to_query((struct krpc_message){0});
	assert_int_equal(status_now().nodes_count, 1);
	/* Its next query is answered under another id. */
	advance(4 * 60 * NS_PER_S);
	memcpy(reply.transaction, talk.query.transaction, talk.query.transaction_bytes);
	reply.transaction_bytes = talk.query.transaction_bytes;
	memset(reply.id, 0xaa, sizeof(reply.id));
	talk.queries_count = 0;
	for (int i = 0; i < 100 && talk.queries_count == 0; i++)
		advance(NS_PER_S);
	memcpy(reply.transaction, talk.query.transaction, talk.query.transaction_bytes);
	give(&reply, &talk.query_to);
	assert_int_equal(status_now().nodes_count, 1);
	assert_int_equal(status_now().nodes_good_count, 1);
	/* Silent from now on: not good for long, and gone in the end. */
	advance(30 * 60 * NS_PER_S);
	assert_int_equal(status_now().nodes_count, 0);
	assert_false(dht_ready(talk.dht));
	/* It is still asked, as an address to begin with. */
	talk.queries_count = 0;
	advance(60 * NS_PER_S);
	assert_in_range(talk.queries_count, 1, 10);
}

static void who_was_taken_for_dead_and_asks_is_pinged(void **state)
{
	(void)state;
	struct peer_address at = address4(1, 2000);
	struct krpc_message query = {0};

	assert_true(ask(KRPC_PING, query, &at));
	reply_to_query((struct krpc_message){0});
	/* Two pings of its are not answered: the one that is idle is not good any more. */
	for (int i = 0; i < 300 && status_now().nodes_good_count == 1; i++)
		advance(NS_PER_S);
	assert_int_equal(status_now().nodes_count, 1);
	assert_int_equal(status_now().nodes_good_count, 0);
	advance(5 * NS_PER_S);
	talk.queries_count = 0;
	assert_true(ask(KRPC_PING, query, &at));
	assert_int_equal(talk.queries_count, 1);
	reply_to_query((struct krpc_message){0});
	assert_int_equal(status_now().nodes_good_count, 1);
}

static void an_ipv6_node_is_told_of_ipv6_nodes(void **state)
{
	(void)state;
	struct peer_address six = {.ip = {0xfd, [15] = 1}, .port = 2000};
	struct peer_address other = {.ip = {0xfd, [15] = 2}, .port = 2000};
	struct peer_address four = address4(1, 2000);
	struct krpc_message query = {0};

	dht_bootstrap(talk.dht, talk.now_ns, &six);
	drain();
	reply_to_query((struct krpc_message){0});
	assert_true(ask(KRPC_FIND_NODE, query, &other));
	assert_int_equal(talk.answer.nodes6_count, 1);
	assert_int_equal(talk.answer.nodes4_count, 0);
	assert_true(ask(KRPC_FIND_NODE, query, &four));
	assert_int_equal(talk.answer.nodes6_count, 0);
	query.want4 = query.want6 = true;
	assert_true(ask(KRPC_FIND_NODE, query, &four));
	assert_int_equal(talk.answer.nodes6_count, 1);
	assert_true(announce(some_key, &six));
	assert_int_equal(values_of(some_key, 3), 0); /* peers are of the asker's family */
}

static void what_we_announce_we_name_ourselves(void **state)
{
	(void)state;
	struct peer_address at = address4(1, 2000);
	struct peer_address self = address4(77, 4444);
	struct dht_search search = {.announce_port = 6881, .cookie = 9};

	memcpy(search.key, some_key, DHT_ID_BYTES);
	dht_bootstrap(talk.dht, talk.now_ns, &at);
	drain();
	reply_to_query((struct krpc_message){.has_address = true, .address = self});
	reply_to_query((struct krpc_message){0}); /* its look-up of itself */
	assert_int_equal(dht_search(talk.dht, talk.now_ns, &search), 1);
	drain();
	assert_int_equal(talk.query.method, KRPC_GET_PEERS);
	self.port = 6881;
	reply_to_query((struct krpc_message){.token = "tok",
		.token_bytes = 3,
		.values = {self, address4(5, 5)},
		.values_count = 2});
	assert_int_equal(talk.peers_count, 1); /* not itself */
	assert_int_equal(talk.query.method, KRPC_ANNOUNCE_PEER);
	assert_memory_equal(talk.query.token, "tok", 3);
	assert_int_equal(talk.query.port, 6881);
	reply_to_query((struct krpc_message){0});
	assert_int_equal(talk.ended_count, 1);
	assert_int_equal(values_of(some_key, 3), 1);
	assert_true(peer_address_equal(&talk.answer.values[0], &self));
	dht_forget(talk.dht, 9);
	assert_int_equal(values_of(some_key, 3), 0);
}

/* Each of several nodes names the next one, and as many peers as fit. */
static void those_that_name_many_peers_leave_room_for_others(void **state)
{
	(void)state;
	struct peer_address at = address4(1, 2000);
	struct dht_search search = {.cookie = 9};
	uint32_t before;

	dht_bootstrap(talk.dht, talk.now_ns, &at);
	drain();
	reply_to_query((struct krpc_message){0});
	reply_to_query((struct krpc_message){0}); /* its look-up of itself */
	assert_int_equal(dht_search(talk.dht, talk.now_ns, &search), 1);
	drain();
	for (unsigned liar = 1; liar <= 3; liar++) {
		struct krpc_message lies = {.nodes4_count = 1, .values_count = KRPC_VALUES_MAX};
		struct krpc_contact *next = &lies.nodes4[0];

		next->address = address4(liar + 1, 2000);
		memcpy(next->id, next->address.ip, sizeof(next->address.ip));
		be16_write(next->id + 16, next->address.port);
		for (unsigned i = 0; i < KRPC_VALUES_MAX; i++)
			lies.values[i] = address4(1000 * liar + i, 6881);
		at = address4(liar, 2000);
		assert_true(peer_address_equal(&talk.query_to, &at));
		reply_to_query(lies);
	}
	before = talk.peers_count;
	assert_true(before <= DHT_SEARCH_PEERS_MAX * 7 / 8);

	struct krpc_message truth = {.values_count = 16};

	for (unsigned i = 0; i < truth.values_count; i++)
		truth.values[i] = address4(9000 + i, 6881);
	reply_to_query(truth);
	assert_int_equal(talk.peers_count - before, 16);
}

static void a_node_of_many_images_names_itself_for_all(void **state)
{
	(void)state;
	struct peer_address at = address4(1, 2000);

	dht_bootstrap(talk.dht, talk.now_ns, &at);
	drain();
	reply_to_query((struct krpc_message){.has_address = true, .address = address4(77, 4444)});
	/* Each is announced under two keys. */
	for (uint32_t i = 0; i < 2 * DHT_USERS_MAX; i++) {
		struct dht_search search = {.announce_port = 6881, .cookie = 1 + i / 2};

		be32_write(search.key, i);
		(void)dht_search(talk.dht, talk.now_ns, &search);
	}
	for (uint32_t i = 0; i < 2 * DHT_USERS_MAX; i++) {
		uint8_t key[DHT_ID_BYTES] = {0};

		be32_write(key, i);
		assert_int_equal(values_of(key, 1000 + i), 1);
	}
}

static void a_search_ends_when_nobody_answers(void **state)
{
	(void)state;
	struct peer_address at = address4(1, 2000);
	struct dht_search search = {.announce_port = 6881, .cookie = 9};

	assert_int_equal(dht_search(talk.dht, talk.now_ns, &search), 0);
	dht_bootstrap(talk.dht, talk.now_ns, &at);
	drain();
	reply_to_query((struct krpc_message){0});
	assert_int_equal(dht_search(talk.dht, talk.now_ns, &search), 1);
	drain();
	advance(2 * NS_PER_S);
	assert_int_equal(talk.ended_count, 1);
}

static void a_read_only_node_says_so_and_answers_nobody(void **state)
{
	(void)state;
	struct peer_address at = address4(1, 2000);
	struct krpc_message query = {0};

	free(talk.dht);
	setup_with(false, true);
	dht_bootstrap(talk.dht, talk.now_ns, &at);
	drain();
	assert_true(talk.query.read_only);
	assert_false(ask(KRPC_PING, query, &at));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_query_is_answered),
		TEST(mistakes_get_the_errors_of_bep_5),
		TEST(only_who_answers_becomes_a_node),
		TEST(who_booted_again_replaces_itself_and_the_silent_go),
		TEST(who_was_taken_for_dead_and_asks_is_pinged),
		TEST(an_ipv6_node_is_told_of_ipv6_nodes),
		TEST(what_we_announce_we_name_ourselves),
		TEST(those_that_name_many_peers_leave_room_for_others),
		TEST(a_node_of_many_images_names_itself_for_all),
		TEST(a_search_ends_when_nobody_answers),
		TEST(a_read_only_node_says_so_and_answers_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
