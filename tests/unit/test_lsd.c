/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams of local discovery, and when they are sent: alone, in a small room, in one of 1,000. */
#include "runtime/lsd_core.h"
#include "wire/lsd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define HASH "0123456789abcdef0123456789ABCDEF01234567"

/* ---- datagrams ---- */

static bool parse_text(struct lsd_search *search, const char *text)
{
	return lsd_parse(search, (const uint8_t *)text, strlen(text));
}

static void a_search_is_read_as_written(void **state)
{
	struct lsd_search search = {.port = 6881,
		.cookie = "1f2e3d4c",
		.wants = 8,
		.infohashes_count = 2,
		.infohashes = {{1, 2, 3}, {0xff, 0xee}}};
	struct lsd_search read;
	uint8_t bytes[LSD_BYTES_MAX];

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		size_t written = lsd_write(&search, ipv6 != 0, bytes, sizeof(bytes));

		assert_true(written > 0);
		assert_true(lsd_parse(&read, bytes, written));
		assert_int_equal(read.port, 6881);
		assert_string_equal(read.cookie, "1f2e3d4c");
		assert_int_equal(read.wants, 8);
		assert_int_equal(read.infohashes_count, 2);
		assert_memory_equal(read.infohashes, search.infohashes, 2 * SHA1_BYTES);
		for (size_t capacity = 0; capacity < written; capacity++)
			assert_int_equal(lsd_write(&search, ipv6 != 0, bytes, capacity), 0);
	}
	search.infohashes_count = LSD_INFOHASHES_MAX;
	assert_true(lsd_write(&search, false, bytes, sizeof(bytes)) > 0);
	search.infohashes_count = 0;
	assert_int_equal(lsd_write(&search, false, bytes, sizeof(bytes)), 0);
}

/* transmission 3.00 reads no more than 200 bytes, wants this spelling, and three ends of lines at
 * the end and nowhere else. */
static void ours_is_one_that_others_read(void **state)
{
	struct lsd_search search = {
		.port = 65535, .cookie = "1f2e3d4c", .wants = 8, .infohashes_count = 1};
	uint8_t bytes[LSD_BYTES_MAX + 1];
	size_t written = lsd_write(&search, false, bytes, LSD_BYTES_MAX);

	(void)state;
	bytes[written] = '\0';
	assert_true(written <= 200);
	assert_string_equal((char *)bytes,
		"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 65535\r\n"
		"Infohash: 0000000000000000000000000000000000000000\r\ncookie: 1f2e3d4c\r\n"
		"Sb-Wants: 8\r\n\r\n\r\n");
}

static void others_are_read(void **state)
{
	struct lsd_search search;

	(void)state;
	assert_true(parse_text(&search, "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\n"
					"Port: 51413\r\nInfohash: " HASH "\r\n\r\n\r\n"));
	assert_int_equal(search.port, 51413);
	assert_int_equal(search.wants, LSD_WANTS_UNKNOWN);
	assert_string_equal(search.cookie, "");
	assert_int_equal(search.infohashes[0][15], 0xef);
	assert_true(parse_text(&search,
		"BT-SEARCH * HTTP/1.0\nPORT:7\nX-More: is ignored\ninfohash: \t" HASH
		" \ncookie: this one is too long to be ours\n"));
	assert_int_equal(search.port, 7);
	assert_string_equal(search.cookie, "");
}

static void what_is_no_search_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"\r\n",
		"BT-SEARCH * HTTP/1.1",
		"BT-SEARCH * HTTP/1.1\r\nPort: 1\r\n\r\n",
		"BT-SEARCH * HTTP/1.1\r\nInfohash: " HASH "\r\n\r\n",
		"BT-SEARCH * HTTP/1.1\r\nPort: 0\r\nInfohash: " HASH "\r\n\r\n",
		"BT-SEARCH * HTTP/1.1\r\nPort: 65536\r\nInfohash: " HASH "\r\n\r\n",
		"BT-SEARCH * HTTP/1.1\r\nPort: 99999999999999999999\r\nInfohash: " HASH "\r\n\r\n",
		"BT-SEARCH * HTTP/1.1\r\nPort: -1\r\nInfohash: " HASH "\r\n\r\n",
		"BT-SEARCH * HTTP/1.1\r\nPort: 1\r\nInfohash: " HASH "0\r\n\r\n",
		"BT-SEARCH * HTTP/1.1\r\nPort: 1\r\nInfohash: g" HASH "\r\n\r\n",
		"NOTIFY * HTTP/1.1\r\nPort: 1\r\nInfohash: " HASH "\r\n\r\n",
		"BT-SEARCH * HTTP/1.1\r\n\r\nPort: 1\r\nInfohash: " HASH "\r\n\r\n",
	};
	struct lsd_search search;
	static uint8_t long_one[LSD_BYTES_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		assert_false(parse_text(&search, texts[i]));
	memset(long_one, '\n', sizeof(long_one));
	memcpy(long_one, texts[3], 22);
	assert_false(lsd_parse(&search, long_one, sizeof(long_one)));
}

/* ---- a segment ---- */

#define NODES_MAX 1024
#define STEP_NS	  (5 * NS_PER_MS)

struct node {
	struct lsd_core core;
	struct lsd_need need;
	bool on;
	uint32_t asks_count;
	uint32_t heres_count;
	uint32_t found_count;
	uint32_t answers_heard; /* since it last asked */
};

static struct node *nodes;
static uint32_t nodes_count;
static uint64_t now_ns;
static uint32_t datagrams_count;

static int begin(void **state)
{
	(void)state;
	nodes = calloc(NODES_MAX, sizeof(*nodes));
	nodes_count = datagrams_count = 0;
	now_ns = NS_PER_S;
	return nodes == NULL;
}

static int end(void **state)
{
	(void)state;
	free(nodes);
	return 0;
}

static struct peer_address address_of(uint32_t at)
{
	struct peer_address address;

	peer_address_from4(&address, (uint8_t[4]){10, 0, (uint8_t)(at >> 8), (uint8_t)at}, 6881);
	return address;
}

static struct node *add(bool complete, uint32_t peers_count)
{
	struct node *node = &nodes[nodes_count++];

	node->need = (struct lsd_need){complete, peers_count};
	node->on = true;
	lsd_core_start(&node->core, now_ns, nodes_count);
	return node;
}

/* All hear what one says; who is not complete and finds a peer connects to it. */
static void say(uint32_t from, uint32_t wants)
{
	struct lsd_caller caller = {.address = address_of(from),
		.key = wants == LSD_WANTS_UNKNOWN ? 0 : from + 1,
		.wants = wants};

	datagrams_count++;
	for (uint32_t i = 0; i < nodes_count; i++) {
		struct node *node = &nodes[i];

		if (i == from || !node->on)
			continue;
		node->answers_heard += wants == 0;
		node->found_count += lsd_core_heard(&node->core, now_ns, &node->need, &caller);
	}
}

static void pass(uint64_t ns)
{
	for (uint64_t end_ns = now_ns + ns; now_ns < end_ns; now_ns += STEP_NS)
		for (uint32_t i = 0; i < nodes_count; i++) {
			struct node *node = &nodes[i];
			enum lsd_words words;

			if (!node->on)
				continue;
			words = lsd_core_say(&node->core, now_ns, &node->need);
			node->asks_count += words == LSD_ASK;
			node->heres_count += words == LSD_HERE;
			if (words == LSD_ASK)
				node->answers_heard = 0;
			if (words != LSD_NOTHING)
				say(i, words == LSD_ASK ? LSD_ANSWERS_ENOUGH : 0);
		}
}

static void who_is_alone_asks_ever_more_seldom(void **state)
{
	struct node *node = add(false, 0);

	(void)state;
	pass(NS_PER_S);
	assert_int_equal(node->asks_count, 1);
	pass(19 * NS_PER_S);
	assert_in_range(node->asks_count, 4, 6);
	pass(600 * NS_PER_S);
	assert_in_range(node->asks_count, 12, 22);
	assert_int_equal(node->heres_count, 0);
}

static void who_found_peers_otherwise_is_quiet(void **state)
{
	struct node *node = add(false, 16);

	(void)state;
	pass(1200 * NS_PER_S);
	assert_int_equal(node->asks_count, 0);
	assert_in_range(node->heres_count, 2, 6);
}

static void a_seed_says_that_it_is_there_and_answers(void **state)
{
	struct node *seed = add(true, 0);

	(void)state;
	pass(30 * NS_PER_S);
	assert_in_range(seed->heres_count, 1, 3);
	uint32_t before = seed->heres_count;
	struct node *late = add(false, 0);

	pass(2 * NS_PER_S);
	assert_true(late->asks_count > 0);
	assert_true(late->found_count > 0);
	assert_true(seed->heres_count > before);
}

static void other_clients_are_answered_once(void **state)
{
	struct node *seed = add(true, 1);

	(void)state;
	pass(20 * NS_PER_S);
	nodes_count++; /* a client that only speaks */
	uint32_t before = seed->heres_count;

	for (int i = 0; i < 5; i++) {
		say(1, LSD_WANTS_UNKNOWN);
		pass(10 * NS_PER_S);
	}
	assert_int_equal(seed->heres_count, before + 1);
}

/* The same words over IPv6, too: one machine, and one answer. */
static void who_is_heard_twice_is_one(void **state)
{
	struct node *node = add(false, 0);
	struct lsd_caller caller = {.address = address_of(7), .key = 77, .wants = 0};

	(void)state;
	assert_true(lsd_core_heard(&node->core, now_ns, &node->need, &caller));
	caller.address = (struct peer_address){.ip = {0xfd, [15] = 7}, .port = 6881};
	assert_false(lsd_core_heard(&node->core, now_ns + NS_PER_MS, &node->need, &caller));
	assert_int_equal(node->core.answers_count, 1);
	assert_int_equal(node->core.heard_count, 1);
	/* It has moved: the first address is heard no more. */
	assert_true(lsd_core_heard(&node->core, now_ns + 60 * NS_PER_S, &node->need, &caller));
}

/* Whoever hears a cookie can say it, too, before its owner speaks again. */
static void a_borrowed_cookie_silences_nobody(void **state)
{
	struct node *node = add(false, 0);
	struct lsd_caller owner = {.address = address_of(7), .key = 77, .wants = 8};
	struct lsd_caller borrower = {.address = address_of(8), .key = 77, .wants = 0};
	struct lsd_caller over_ipv6 = borrower;

	(void)state;
	over_ipv6.address = (struct peer_address){.ip = {0xfd, [15] = 8}, .port = 6881};
	for (uint32_t second = 0; second < 60; second++) {
		now_ns += NS_PER_S;
		assert_true(lsd_core_heard(&node->core, now_ns, &node->need, &borrower));
		if (second > 0) /* its owner was heard once */
			assert_false(lsd_core_heard(&node->core, now_ns, &node->need, &over_ipv6));
		now_ns += NS_PER_MS;
		assert_true(lsd_core_heard(&node->core, now_ns, &node->need, &owner));
		assert_true(node->core.asked_ns == now_ns);
	}
}

static void lonely_again_it_asks_again(void **state)
{
	struct node *node = add(false, 8);

	(void)state;
	pass(30 * NS_PER_S);
	assert_int_equal(node->asks_count, 0);
	node->need.peers_count = 0;
	pass(2 * NS_PER_S);
	assert_true(node->asks_count > 0);
	/* Coming and going does not make it ask without end. */
	for (int i = 0; i < 60; i++) {
		node->need.peers_count = i % 2 == 0 ? 8 : 0;
		pass(NS_PER_S);
	}
	assert_in_range(node->asks_count + node->heres_count, 1, 12);
}

/* 1,000 seeds and one who asks: a few answer. */
static void a_large_room_answers_with_few_voices(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		(void)add(true, 4);
	pass(30 * NS_PER_S); /* nearly nobody has been heard of yet: the worst case */
	uint32_t before = datagrams_count;
	struct node *late = add(false, 0);

	pass(2 * NS_PER_S);
	print_message(
		"1,000 seeds with a tracker: %u datagrams in 30 s; one who asks: %u answers\n",
		before, late->answers_heard);
	assert_true(before <= 150);
	assert_in_range(late->answers_heard, LSD_ANSWERS_ENOUGH, 2 * LSD_ANSWERS_ENOUGH);
	assert_true(datagrams_count - before <= 5 * LSD_ANSWERS_ENOUGH);
}

/* A whole room boots, and no tracker answers. */
static void a_large_room_that_boots_at_once_does_not_storm(void **state)
{
	uint32_t silent = 0;

	(void)state;
	struct node *seed = add(true, 0);

	for (uint32_t i = 1; i < 1000; i++)
		(void)add(false, 0);
	pass(NS_PER_S);
	uint32_t first = datagrams_count;

	/* Everybody has heard of many and connects. */
	for (uint32_t i = 1; i < nodes_count; i++) {
		silent += nodes[i].found_count < 32;
		nodes[i].need.peers_count = 32;
	}
	seed->need.peers_count = 32;
	pass(10 * NS_PER_S);
	print_message("1,000 at once without a tracker: %u datagrams in the first second, %u in "
		      "the next ten; %u know fewer than 32\n",
		first, datagrams_count - first, silent);
	assert_true(first <= 1100);
	assert_int_equal(silent, 0);
	assert_true(datagrams_count - first <= 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_search_is_read_as_written),
		cmocka_unit_test(ours_is_one_that_others_read),
		cmocka_unit_test(others_are_read),
		cmocka_unit_test(what_is_no_search_is_refused),
		cmocka_unit_test_setup_teardown(who_is_alone_asks_ever_more_seldom, begin, end),
		cmocka_unit_test_setup_teardown(who_found_peers_otherwise_is_quiet, begin, end),
		cmocka_unit_test_setup_teardown(
			a_seed_says_that_it_is_there_and_answers, begin, end),
		cmocka_unit_test_setup_teardown(other_clients_are_answered_once, begin, end),
		cmocka_unit_test_setup_teardown(who_is_heard_twice_is_one, begin, end),
		cmocka_unit_test_setup_teardown(a_borrowed_cookie_silences_nobody, begin, end),
		cmocka_unit_test_setup_teardown(lonely_again_it_asks_again, begin, end),
		cmocka_unit_test_setup_teardown(a_large_room_answers_with_few_voices, begin, end),
		cmocka_unit_test_setup_teardown(
			a_large_room_that_boots_at_once_does_not_storm, begin, end),
	};

	return cmocka_run_group_tests_name("lsd", tests, NULL, NULL);
}
