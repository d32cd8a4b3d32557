/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hundreds of DHT nodes in virtual time: look-ups succeed with losses, with churn and among hostile
 * nodes; a site's look-ups stay in it; what floods bring is bounded. Every case runs for three
 * seeds; SEED=N runs one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/support/dht_network.h"

static uint64_t seed_of(uint64_t run)
{
	const char *given = getenv("SEED");

	return given != NULL ? strtoull(given, NULL, 0) : run;
}
#define FOR_SEEDS(seed)                                                                            \
	for (uint64_t run = 1, seed = seed_of(run); run <= (getenv("SEED") != NULL ? 1U : 3U);     \
		run++, seed = seed_of(run))

static void random_key(struct network *net, uint8_t key[static DHT_ID_BYTES])
{
	for (size_t i = 0; i < DHT_ID_BYTES; i++)
		key[i] = (uint8_t)rng_next(&net->rng);
}

static struct network_node *random_node(struct network *net, unsigned site)
{
	for (;;) {
		struct network_node *node = &net->nodes[rng_below(&net->rng, net->nodes_count)];

		if (node->dht != NULL && node->hostility == HONEST && node->site == site)
			return node;
	}
}

/* A network that grew: each knows the first one, or an earlier one, to begin with. */
static void grow(struct network *net, uint32_t count, unsigned site, uint32_t hostile_percent)
{
	uint32_t first = net->nodes_count;

	for (uint32_t i = 0; i < count; i++) {
		enum hostility hostility = HONEST;
		const struct network_node *known = NULL;

		if (i > 10 && rng_below(&net->rng, 100) < hostile_percent)
			hostility = i % 2 == 0 ? POISONS : SENDS_GARBAGE;
		/* A site's know its origin; elsewhere some know somebody else who is honest. */
		if (i > 0)
			known = &net->nodes[first];
		if (i > 0 && i % 3 == 0 && site == 0)
			known = random_node(net, 0);
		network_add(net, site, hostility, known);
		network_run(net, 20 * NS_PER_MS);
	}
	network_run(net, 20 * NS_PER_S);
}

static void announce(struct network *net, unsigned site, const uint8_t key[static DHT_ID_BYTES],
	uint32_t count, bool site_only)
{
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(network_search(net, random_node(net, site), key,
					 (uint16_t)(7000 + i), site_only),
			1);
	network_run(net, 10 * NS_PER_S);
}

/* Of `count` searches, how many name a peer in at most `tries` tries. */
static uint32_t searches_that_find(struct network *net, unsigned site,
	const uint8_t key[static DHT_ID_BYTES], uint32_t count, uint32_t tries, bool site_only)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct network_node *node = random_node(net, site);
		bool good = false;

		for (uint32_t try = 0; try < tries && !good; try++) {
			(void)network_search(net, node, key, 0, site_only);
			network_run(net, 5 * NS_PER_S);
			good = node->found_count > 0;
		}
		found += good;
	}
	return found;
}

static void every_lookup_finds_what_was_announced(void **state)
{
	(void)state;
	FOR_SEEDS(seed)
	{
		struct network net;
		uint8_t key[DHT_ID_BYTES];
		uint32_t all = 0;

		network_open(&net, 400, seed);
		grow(&net, 300, 0, 0);
		random_key(&net, key);
		announce(&net, 0, key, 10, false);
		for (uint32_t i = 0; i < 50; i++) {
			struct network_node *node = random_node(&net, 0);

			(void)network_search(&net, node, key, 0, false);
			network_run(&net, 2 * NS_PER_S);
			assert_int_equal(node->ended_count, 1);
			assert_true(node->found_count > 0);
			all += node->found_count >= 9;
		}
		printf("seed %llu: 300 nodes, %llu datagrams, largest %llu bytes, all peers "
		       "named by %u of 50 look-ups\n",
			(unsigned long long)seed, (unsigned long long)net.datagrams_count,
			(unsigned long long)net.largest_bytes, all);
		assert_true(all >= 45);
		assert_true(net.largest_bytes <= KRPC_BYTES_MAX);
		network_close(&net);
	}
}

static void a_thousand_nodes_with_losses_and_churn(void **state)
{
	(void)state;
	FOR_SEEDS(seed)
	{
		struct network net;
		uint8_t key[DHT_ID_BYTES];
		uint32_t found;

		network_open(&net, 1400, seed);
		net.loss_percent = 10;
		grow(&net, 1000, 0, 0);
		random_key(&net, key);
		announce(&net, 0, key, 20, false);
		/* A third leaves without a word; others take their place. */
		for (uint32_t i = 1; i < 1000; i++)
			if (rng_below(&net.rng, 3) == 0)
				network_kill(&net.nodes[i]);
		for (uint32_t i = 0; i < 300; i++) {
			network_add(&net, 0, HONEST, &net.nodes[0]);
			network_run(&net, 20 * NS_PER_MS);
		}
		network_run(&net, 10 * NS_PER_S);
		found = searches_that_find(&net, 0, key, 60, 3, false);
		printf("seed %llu: 1000 nodes, 10 %% lost, a third replaced: %u of 60 find\n",
			(unsigned long long)seed, found);
		assert_int_equal(found, 60);
		network_close(&net);
	}
}

static void hostile_nodes_do_not_keep_lookups_from_peers(void **state)
{
	(void)state;
	FOR_SEEDS(seed)
	{
		struct network net;
		uint8_t key[DHT_ID_BYTES];
		uint32_t found;

		network_open(&net, 400, seed);
		grow(&net, 300, 0, 20);
		random_key(&net, key);
		announce(&net, 0, key, 10, false);
		found = searches_that_find(&net, 0, key, 50, 3, false);
		printf("seed %llu: one in five hostile: %u of 50 find\n", (unsigned long long)seed,
			found);
		assert_true(found >= 48);
		network_close(&net);
	}
}

static void a_site_looks_up_within_itself(void **state)
{
	(void)state;
	FOR_SEEDS(seed)
	{
		struct network net;
		uint8_t infohash[DHT_ID_BYTES];
		uint8_t key[DHT_ID_BYTES];
		uint8_t digest[SHA1_BYTES];
		uint64_t before;
		uint64_t joining;
		struct network_node *late;

		network_open(&net, 700, seed);
		grow(&net, 300, 1, 0);
		grow(&net, 300, 2, 0);
		/* The sites have met: somebody of each knows many of the other. */
		for (uint32_t i = 0; i < 20; i++) {
			struct network_node *node = random_node(&net, 2);

			dht_bootstrap(node->dht, net.now_ns, &random_node(&net, 1)->address);
			network_drain(&net, node);
		}
		network_run(&net, 30 * NS_PER_S);
		joining = net.crossing_count;
		random_key(&net, infohash);
		memcpy(key, infohash, sizeof(key));
		network_site_digest(digest, 1);
		dht_id_into_site(key, digest);
		before = net.crossing_count;
		announce(&net, 1, key, 20, true);
		assert_int_equal(searches_that_find(&net, 1, key, 50, 1, true), 50);
		/* One that boots now, too, finds the site's peers in the site. */
		late = network_add(&net, 1, HONEST, &net.nodes[0]);
		network_run(&net, 2 * NS_PER_S);
		assert_int_equal(network_search(&net, late, key, 6881, true), 1);
		network_run(&net, 2 * NS_PER_S);
		assert_true(late->found_count >= 10);
		assert_true(late->announced_count > 0);
		printf("seed %llu: two sites of 300: %llu datagrams crossed while they met, %llu "
		       "while one announced 21 and looked up 51 times\n",
			(unsigned long long)seed, (unsigned long long)joining,
			(unsigned long long)(net.crossing_count - before));
		assert_int_equal(net.crossing_count, before);
		network_close(&net);
	}
}

/* One node's finder, asked twice a second, beside the network. */
struct seeker {
	struct network_node *node;
	struct dht_finder finder;
	struct dht_finder_view view;
};

static void seek(struct network *net, struct seeker *seeker, uint64_t duration_ns)
{
	for (uint64_t until_ns = net->now_ns + duration_ns; net->now_ns < until_ns;) {
		struct dht_search search;
		uint32_t ended = seeker->node->ended_count;

		if (dht_ready(seeker->node->dht) &&
			dht_finder_next(&seeker->finder, net->now_ns, &seeker->view, &search)) {
			dht_finder_started(&seeker->finder, net->now_ns,
				dht_search(seeker->node->dht, net->now_ns, &search));
			network_drain(net, seeker->node);
		}
		network_run(net, NS_PER_S / 2);
		for (; ended < seeker->node->ended_count; ended++)
			dht_finder_ended(&seeker->finder, net->now_ns);
	}
}

static bool was_named(const struct network_node *node, const struct peer_address *peer)
{
	for (uint32_t i = 0; i < node->found_count; i++)
		if (peer_address_equal(&node->found[i], peer))
			return true;
	return false;
}

static void who_finds_nobody_in_its_site_asks_the_world(void **state)
{
	(void)state;
	FOR_SEEDS(seed)
	{
		struct network net;
		uint8_t infohash[DHT_ID_BYTES];
		uint8_t digests[3][SHA1_BYTES];
		struct seeker full = {.view = {.complete = true, .seeds_count = 1}};
		struct seeker empty = {0};
		uint64_t before;

		network_open(&net, 300, seed);
		grow(&net, 100, 1, 0);
		grow(&net, 100, 2, 0);
		dht_bootstrap(net.nodes[100].dht, net.now_ns, &net.nodes[0].address);
		network_drain(&net, &net.nodes[100]);
		network_run(&net, 30 * NS_PER_S);
		random_key(&net, infohash);
		network_site_digest(digests[1], 1);
		network_site_digest(digests[2], 2);
		full.node = random_node(&net, 1);
		dht_finder_init(&full.finder, net.now_ns, infohash, digests[1], 6881, 1, seed);
		seek(&net, &full, 10 * NS_PER_S);
		empty.node = random_node(&net, 2);
		dht_finder_init(&empty.finder, net.now_ns, infohash, digests[2], 6881, 1, seed);
		seek(&net, &empty, 20 * NS_PER_S);
		assert_true(empty.node->found_count > 0);
		assert_true(peer_address_equal(&empty.node->found[0], &full.node->address));
		/* Another of the same site finds that one, and asks nobody else's site. */
		struct seeker second = {.node = random_node(&net, 2),
			.view = {.peers_count = 4, .seeds_count = 1, .trackers_ok = true}};

		while (second.node == empty.node)
			second.node = random_node(&net, 2);
		before = net.crossing_lookups_count;
		dht_finder_init(&second.finder, net.now_ns, infohash, digests[2], 6881, 1, seed);
		seek(&net, &second, 10 * NS_PER_S);
		assert_true(second.node->found_count > 0);
		/* As long as those bring something; then it asks the world, too. */
		second.view.seeds_count = 0;
		for (int i = 0; i < 10; i++) {
			second.view.received_bytes++;
			seek(&net, &second, 10 * NS_PER_S);
		}
		assert_int_equal(net.crossing_lookups_count, before);
		assert_false(was_named(second.node, &full.node->address));
		seek(&net, &second, 40 * NS_PER_S);
		assert_true(was_named(second.node, &full.node->address));
		network_close(&net);
	}
}

/* Nodes of other sites in its table. */
static uint32_t known_elsewhere(const struct network_node *node)
{
	struct dht_status status;

	dht_status(node->dht, &status);
	return status.nodes_count - status.nodes_site_count;
}

static void sites_that_lost_each_other_meet_again(void **state)
{
	(void)state;
	FOR_SEEDS(seed)
	{
		struct network net;
		uint8_t key[DHT_ID_BYTES];
		struct network_node *origins[2];
		struct network_node *booted;
		struct dht_status status;

		network_open(&net, 100, seed);
		grow(&net, 40, 1, 0);
		grow(&net, 40, 2, 0);
		origins[0] = &net.nodes[0];
		origins[1] = &net.nodes[40];
		for (int i = 0; i < 2; i++) {
			dht_bootstrap(origins[i]->dht, net.now_ns, &origins[1 - i]->address);
			network_drain(&net, origins[i]);
		}
		network_run(&net, 30 * NS_PER_S);
		random_key(&net, key);
		/* The link is cut for an hour, in which they look for each other; one boots in it.
		 */
		net.cut = true;
		booted = network_add(&net, 2, HONEST, origins[0]);
		dht_bootstrap(booted->dht, net.now_ns, &origins[1]->address);
		network_drain(&net, booted);
		for (int i = 0; i < 4; i++) {
			for (int site = 0; site < 2; site++)
				(void)network_search(&net, origins[site], key, 7000, false);
			network_run(&net, 15 * 60 * NS_PER_S);
		}
		dht_status(booted->dht, &status);
		assert_true(status.nodes_good_count >= 8);
		assert_int_equal(known_elsewhere(booted), 0);
		net.cut = false;
		network_run(&net, 3 * 60 * NS_PER_S);
		assert_true(known_elsewhere(booted) > 0);
		/* What one site announces is found in the other. */
		announce(&net, 1, key, 1, false);
		assert_int_equal(searches_that_find(&net, 2, key, 10, 1, false), 10);
		network_close(&net);
	}
}

/* Peers that say they are complete, connect, and give nothing. */
static void seeds_that_give_nothing_do_not_keep_one_from_asking_the_world(void **state)
{
	(void)state;
	FOR_SEEDS(seed)
	{
		struct network net;
		uint8_t infohash[DHT_ID_BYTES];
		uint8_t digests[3][SHA1_BYTES];
		struct seeker full = {.view = {.complete = true, .seeds_count = 1}};
		struct seeker fooled = {
			.view = {.peers_count = 8, .seeds_count = 8, .trackers_ok = true}};

		network_open(&net, 100, seed);
		grow(&net, 40, 1, 0);
		grow(&net, 40, 2, 0);
		dht_bootstrap(net.nodes[40].dht, net.now_ns, &net.nodes[0].address);
		network_drain(&net, &net.nodes[40]);
		network_run(&net, 30 * NS_PER_S);
		random_key(&net, infohash);
		network_site_digest(digests[1], 1);
		network_site_digest(digests[2], 2);
		full.node = random_node(&net, 1);
		dht_finder_init(&full.finder, net.now_ns, infohash, digests[1], 6881, 1, seed);
		seek(&net, &full, 10 * NS_PER_S);
		fooled.node = random_node(&net, 2);
		dht_finder_init(&fooled.finder, net.now_ns, infohash, digests[2], 6881, 1, seed);
		/* While something comes, and for a while, they are taken at their word. */
		for (int i = 0; i < 60; i++) {
			fooled.view.received_bytes++;
			seek(&net, &fooled, 5 * NS_PER_S);
		}
		seek(&net, &fooled, 60 * NS_PER_S);
		assert_int_equal(fooled.finder.global_ended_ns, 0);
		seek(&net, &fooled, 120 * NS_PER_S);
		assert_true(was_named(fooled.node, &full.node->address));
		/* Asking in vain is done less and less often. */
		assert_true(fooled.finder.global_pause_ns >= 16 * NS_PER_S);
		network_close(&net);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_lookup_finds_what_was_announced),
		cmocka_unit_test(a_thousand_nodes_with_losses_and_churn),
		cmocka_unit_test(hostile_nodes_do_not_keep_lookups_from_peers),
		cmocka_unit_test(a_site_looks_up_within_itself),
		cmocka_unit_test(who_finds_nobody_in_its_site_asks_the_world),
		cmocka_unit_test(sites_that_lost_each_other_meet_again),
		cmocka_unit_test(seeds_that_give_nothing_do_not_keep_one_from_asking_the_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
