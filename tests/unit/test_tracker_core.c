/* SPDX-License-Identifier: Apache-2.0 */
/* Who is remembered and who is handed out, over virtual seconds and in given memory. */
#include "tracker/tracker_core.h"

#include "lib/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct announce_reply reply;

static const uint8_t hash_a[SHA1_BYTES] = {'a'};
/* Differs from hash_a in the last byte only. */
static const uint8_t hash_b[SHA1_BYTES] = {'a', [19] = 1};

static struct tracker_core *make(struct tracker_core_settings settings)
{
	size_t bytes = tracker_core_bytes(&settings);
	void *memory = malloc(bytes);

	assert_non_null(memory);
	memset(memory, 0xa5, bytes); /* nothing may rely on zeroed memory */
	struct tracker_core *core = tracker_core_create(&settings, memory, bytes);
	assert_ptr_equal(core, memory);
	return core;
}

static struct tracker_core *make_default(void)
{
	return make((struct tracker_core_settings){
		.swarms_max = 4, .peers_max = 1000, .interval_s = 5, .seed = 7});
}

static void peer_ip(uint8_t ip[static 16], uint32_t number, bool ipv6)
{
	struct peer_address address = {.ip = {0xfd}};
	uint8_t v4[4] = {10};

	be32_write(address.ip + 12, number);
	if (!ipv6) {
		be32_write(v4, UINT32_C(10) << 24 | number);
		peer_address_from4(&address, v4, 0);
	}
	memcpy(ip, address.ip, 16);
}

static void announce(struct tracker_core *core, uint64_t now_s, const uint8_t *infohash,
	uint32_t number, bool ipv6, uint64_t left_bytes, enum announce_event event)
{
	uint8_t ip[16];
	struct announce request = {.left_bytes = left_bytes,
		.event = event,
		.port = 6881,
		.numwant = ANNOUNCE_NUMWANT_DEFAULT};

	memcpy(request.infohash, infohash, SHA1_BYTES);
	be32_write(request.peer_id, number);
	peer_ip(ip, number, ipv6);
	tracker_core_announce(core, now_s * 1000, &request, ip, &reply);
}

static uint32_t reply_number(uint32_t i)
{
	return be32_read(reply.peers[i].ip + 12) & 0xffffff;
}

static bool reply_has(uint32_t number)
{
	for (uint32_t i = 0; i < reply.peers_count; i++)
		if (reply_number(i) == number)
			return true;
	return false;
}

static void assert_scrape(struct tracker_core *core, uint64_t now_s, const uint8_t *infohash,
	uint32_t seeders, uint32_t completed, uint32_t leechers)
{
	struct scrape_entry entry;

	assert_true(tracker_core_scrape(core, now_s * 1000, infohash, &entry));
	assert_memory_equal(entry.infohash, infohash, SHA1_BYTES);
	assert_int_equal(entry.seeders_count, seeders);
	assert_int_equal(entry.completed_count, completed);
	assert_int_equal(entry.leechers_count, leechers);
}

static void a_peer_is_handed_to_the_next_one_but_not_to_itself(void **state)
{
	struct tracker_core *core = make_default();

	(void)state;
	announce(core, 100, hash_a, 1, false, 9, ANNOUNCE_STARTED);
	assert_string_equal(reply.failure, "");
	assert_int_equal(reply.peers_count, 0);
	assert_int_equal(reply.leechers_count, 1);
	assert_int_equal(reply.interval_s, 5);
	assert_int_equal(reply.min_interval_s, 3);
	announce(core, 100, hash_a, 2, false, 9, ANNOUNCE_STARTED);
	assert_int_equal(reply.peers_count, 1);
	assert_int_equal(reply_number(0), 1);
	assert_int_equal(reply.peers[0].port, 6881);
	announce(core, 101, hash_a, 1, false, 9, ANNOUNCE_NONE);
	assert_int_equal(reply.peers_count, 1);
	assert_int_equal(reply_number(0), 2);
	assert_int_equal(reply.leechers_count, 2);
	free(core);
}

static void swarms_and_families_are_never_merged(void **state)
{
	struct tracker_core *core = make_default();

	(void)state;
	announce(core, 0, hash_a, 1, false, 9, ANNOUNCE_STARTED);
	announce(core, 0, hash_b, 2, false, 9, ANNOUNCE_STARTED);
	assert_int_equal(reply.peers_count, 0);
	announce(core, 0, hash_a, 3, true, 9, ANNOUNCE_STARTED);
	assert_int_equal(reply.peers_count, 0);
	assert_int_equal(reply.leechers_count, 2);
	announce(core, 0, hash_a, 4, true, 9, ANNOUNCE_STARTED);
	assert_int_equal(reply.peers_count, 1);
	assert_false(peer_address_is4(&reply.peers[0]));
	announce(core, 0, hash_a, 5, false, 9, ANNOUNCE_STARTED);
	assert_int_equal(reply.peers_count, 1);
	assert_true(peer_address_is4(&reply.peers[0]));
	free(core);
}

static void a_seeder_gets_no_seeders_and_a_leecher_gets_some(void **state)
{
	struct tracker_core *core = make_default();
	uint32_t seeders = 0;

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		announce(core, 0, hash_a, i, false, 0, ANNOUNCE_STARTED);
	assert_int_equal(reply.peers_count, 0);
	assert_int_equal(reply.seeders_count, 100);
	announce(core, 0, hash_a, 1000, false, 9, ANNOUNCE_STARTED);
	assert_int_equal(reply.peers_count, TRACKER_NUMWANT_DEFAULT); /* no leechers: all seeders */
	for (uint32_t i = 1001; i < 1100; i++)
		announce(core, 0, hash_a, i, false, 9, ANNOUNCE_STARTED);
	assert_int_equal(reply.peers_count, TRACKER_NUMWANT_DEFAULT);
	for (uint32_t i = 0; i < reply.peers_count; i++)
		seeders += reply_number(i) < 100;
	assert_int_equal(seeders, TRACKER_NUMWANT_DEFAULT / 2); /* it has nothing yet */
	announce(core, 0, hash_a, 1000, false, 7, ANNOUNCE_NONE);
	seeders = 0;
	for (uint32_t i = 0; i < reply.peers_count; i++)
		seeders += reply_number(i) < 100;
	assert_int_equal(reply.peers_count, TRACKER_NUMWANT_DEFAULT);
	assert_int_equal(seeders, (TRACKER_NUMWANT_DEFAULT + 3) / 4);
	announce(core, 0, hash_a, 0, false, 0, ANNOUNCE_NONE);
	assert_int_equal(reply.peers_count, TRACKER_NUMWANT_DEFAULT);
	for (uint32_t i = 0; i < reply.peers_count; i++)
		assert_true(reply_number(i) >= 1000);
	free(core);
}

static void numwant_is_obeyed_and_bounded(void **state)
{
	struct tracker_core *core = make_default();
	struct announce request = {.port = 1, .left_bytes = 1};
	static const uint32_t wanted[][2] = {{0, 0}, {1, 1}, {7, 7}, {200, 200}, {201, 200},
		{UINT32_MAX - 1, 200}, {ANNOUNCE_NUMWANT_DEFAULT, TRACKER_NUMWANT_DEFAULT}};
	uint8_t ip[16];

	(void)state;
	for (uint32_t i = 0; i < 300; i++)
		announce(core, 0, hash_a, i, false, i % 2, ANNOUNCE_STARTED);
	memcpy(request.infohash, hash_a, SHA1_BYTES);
	peer_ip(ip, 5000, false);
	for (size_t i = 0; i < ARRAY_COUNT(wanted); i++) {
		request.numwant = wanted[i][0];
		tracker_core_announce(core, 0, &request, ip, &reply);
		assert_int_equal(reply.peers_count, wanted[i][1]);
		for (uint32_t a = 0; a < reply.peers_count; a++)
			for (uint32_t b = 0; b < a; b++)
				assert_int_not_equal(reply_number(a), reply_number(b));
	}
	free(core);
}

static void samples_are_uniform(void **state)
{
	struct tracker_core *core = make_default();
	uint32_t seen[101] = {0};

	(void)state;
	for (uint32_t i = 0; i <= 100; i++)
		announce(core, 0, hash_a, i, false, 9, ANNOUNCE_STARTED);
	/* Each of the other hundred is in half of the samples: 2000 of 4000, deviation 32. */
	for (int round = 0; round < 4000; round++) {
		announce(core, 0, hash_a, 50, false, 9, ANNOUNCE_NONE);
		for (uint32_t i = 0; i < reply.peers_count; i++)
			seen[reply_number(i)]++;
	}
	for (uint32_t i = 0; i <= 100; i++) {
		if (i == 50)
			assert_int_equal(seen[i], 0);
		else
			assert_in_range(seen[i], 2000 - 200, 2000 + 200);
	}
	free(core);
}

static void completion_moves_a_peer_and_counts_once(void **state)
{
	struct tracker_core *core = make_default();

	(void)state;
	announce(core, 0, hash_a, 1, false, 9, ANNOUNCE_STARTED);
	assert_scrape(core, 0, hash_a, 0, 0, 1);
	announce(core, 1, hash_a, 1, false, 0, ANNOUNCE_COMPLETED);
	assert_scrape(core, 1, hash_a, 1, 1, 0);
	announce(core, 2, hash_a, 1, false, 0, ANNOUNCE_COMPLETED);
	announce(core, 2, hash_a, 2, false, 5, ANNOUNCE_COMPLETED); /* says it lacks bytes */
	assert_scrape(core, 2, hash_a, 1, 1, 1);
	announce(core, 3, hash_a, 1, false, 9, ANNOUNCE_NONE); /* found a bad piece */
	assert_scrape(core, 3, hash_a, 0, 1, 2);
	announce(core, 4, hash_a, 1, false, 0, ANNOUNCE_STOPPED);
	assert_int_equal(reply.peers_count, 0);
	assert_scrape(core, 4, hash_a, 0, 1, 1);
	announce(core, 4, hash_a, 77, false, 0, ANNOUNCE_STOPPED); /* never seen */
	assert_scrape(core, 4, hash_a, 0, 1, 1);
	free(core);
}

static void silent_peers_are_forgotten(void **state)
{
	struct tracker_core *core = make_default();
	uint64_t lifetime_s = 2 * 5 + TRACKER_EXPIRY_SLACK_S;

	(void)state;
	announce(core, 1000, hash_a, 1, false, 9, ANNOUNCE_STARTED);
	announce(core, 1010, hash_a, 2, false, 9, ANNOUNCE_STARTED);
	announce(core, 1000 + lifetime_s, hash_a, 3, false, 9, ANNOUNCE_STARTED);
	assert_int_equal(reply.peers_count, 2);
	announce(core, 1001 + lifetime_s, hash_a, 3, false, 9, ANNOUNCE_NONE);
	assert_int_equal(reply.peers_count, 1);
	assert_true(reply_has(2));
	tracker_core_expire(core, (1001 + 2 * lifetime_s) * 1000);
	assert_int_equal(tracker_core_peers_count(core), 1);
	tracker_core_expire(core, (1002 + 2 * lifetime_s) * 1000);
	assert_int_equal(tracker_core_peers_count(core), 0);
	free(core);
}

static void a_full_tracker_refuses_new_peers_and_keeps_the_old(void **state)
{
	struct tracker_core *core = make((struct tracker_core_settings){
		.swarms_max = 1, .peers_max = 3, .interval_s = 5, .seed = 7});

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		announce(core, 0, hash_a, i, false, 9, ANNOUNCE_STARTED);
	announce(core, 0, hash_a, 3, false, 9, ANNOUNCE_STARTED);
	assert_string_equal(reply.failure, "the tracker is full");
	assert_int_equal(reply.peers_count, 0);
	announce(core, 0, hash_a, 2, false, 9, ANNOUNCE_NONE);
	assert_string_equal(reply.failure, "");
	assert_int_equal(reply.peers_count, 2);
	announce(core, 0, hash_b, 4, false, 9, ANNOUNCE_STARTED);
	assert_string_equal(reply.failure, "the tracker has no room for another swarm");
	for (uint32_t i = 0; i < 3; i++)
		announce(core, 0, hash_a, i, false, 9, ANNOUNCE_STOPPED);
	announce(core, 0, hash_b, 4, false, 9, ANNOUNCE_STARTED); /* the empty swarm made room */
	assert_string_equal(reply.failure, "");
	assert_int_equal(tracker_core_swarms_count(core), 1);
	free(core);
}

static void only_allowed_infohashes_are_served_when_asked_so(void **state)
{
	struct scrape_entry entry;
	struct tracker_core *core = make((struct tracker_core_settings){
		.swarms_max = 2, .peers_max = 10, .interval_s = 5, .allow_only = true, .seed = 7});

	(void)state;
	assert_true(tracker_core_allow(core, hash_a));
	assert_true(tracker_core_allow(core, hash_a));
	announce(core, 0, hash_b, 1, false, 9, ANNOUNCE_STARTED);
	assert_string_equal(reply.failure, "this infohash is not served here");
	assert_false(tracker_core_scrape(core, 0, hash_b, &entry));
	announce(core, 0, hash_a, 1, false, 9, ANNOUNCE_STARTED);
	announce(core, 0, hash_a, 2, true, 0, ANNOUNCE_STARTED);
	assert_string_equal(reply.failure, "");
	tracker_core_disallow(core, hash_a);
	tracker_core_disallow(core, hash_b);
	assert_int_equal(tracker_core_peers_count(core), 0);
	announce(core, 0, hash_a, 1, false, 9, ANNOUNCE_STARTED);
	assert_string_equal(reply.failure, "this infohash is not served here");
	assert_int_equal(tracker_core_swarms_count(core), 0);
	free(core);
}

static void a_peer_without_a_port_is_answered_but_not_recorded(void **state)
{
	struct tracker_core *core = make_default();
	struct announce request = {.left_bytes = 9, .numwant = 10};
	uint8_t ip[16];

	(void)state;
	memcpy(request.infohash, hash_a, SHA1_BYTES);
	announce(core, 0, hash_a, 1, false, 9, ANNOUNCE_STARTED);
	peer_ip(ip, 2, false);
	tracker_core_announce(core, 0, &request, ip, &reply);
	assert_int_equal(reply.peers_count, 1);
	assert_int_equal(tracker_core_peers_count(core), 1);
	free(core);
}

static void same_seed_same_answers(void **state)
{
	struct tracker_core *cores[2] = {make_default(), make_default()};
	struct announce_reply first;

	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		announce(cores[0], i / 50, hash_a, i, i % 3 == 0, i % 5, ANNOUNCE_STARTED);
		first = reply;
		announce(cores[1], i / 50, hash_a, i, i % 3 == 0, i % 5, ANNOUNCE_STARTED);
		assert_int_equal(first.peers_count, reply.peers_count);
		assert_memory_equal(
			first.peers, reply.peers, reply.peers_count * sizeof(reply.peers[0]));
	}
	free(cores[0]);
	free(cores[1]);
}

/* A naive book, to compare with after thousands of random events. */
enum { MODEL_PEERS = 120, MODEL_SWARMS = 3 };

struct model_peer {
	bool there;
	bool seeder;
	uint64_t announced_s;
};

static void compare_with_model(struct tracker_core *core, uint64_t now_s,
	const struct model_peer (*model)[MODEL_PEERS], const uint8_t (*hashes)[SHA1_BYTES])
{
	uint32_t total = 0;

	for (uint32_t swarm = 0; swarm < MODEL_SWARMS; swarm++) {
		uint32_t seeders = 0;
		uint32_t leechers = 0;
		struct scrape_entry entry;

		for (uint32_t i = 0; i < MODEL_PEERS; i++) {
			bool there = model[swarm][i].there && now_s - model[swarm][i].announced_s <=
								      10 + TRACKER_EXPIRY_SLACK_S;
			seeders += there && model[swarm][i].seeder;
			leechers += there && !model[swarm][i].seeder;
		}
		assert_true(tracker_core_scrape(core, now_s * 1000, hashes[swarm], &entry));
		assert_int_equal(entry.seeders_count, seeders);
		assert_int_equal(entry.leechers_count, leechers);
		total += seeders + leechers;
	}
	assert_int_equal(tracker_core_peers_count(core), total);
}

static void random_events_match_a_naive_model(void **state)
{
	static struct model_peer model[MODEL_SWARMS][MODEL_PEERS];
	const uint8_t hashes[MODEL_SWARMS][SHA1_BYTES] = {{1}, {2}, {3}};
	struct tracker_core *core = make_default();
	struct rng rng;
	uint64_t now_s = 0;

	(void)state;
	rng_seed(&rng, 99);
	for (int step = 0; step < 20000; step++) {
		uint32_t swarm = (uint32_t)rng_below(&rng, MODEL_SWARMS);
		uint32_t number = (uint32_t)rng_below(&rng, MODEL_PEERS);
		bool stop = rng_below(&rng, 8) == 0;
		bool seeder = rng_below(&rng, 3) == 0;

		now_s += rng_below(&rng, 10) == 0;
		announce(core, now_s, hashes[swarm], number, number % 2, seeder ? 0 : 1,
			stop ? ANNOUNCE_STOPPED : ANNOUNCE_NONE);
		assert_string_equal(reply.failure, "");
		model[swarm][number] = (struct model_peer){!stop, seeder, now_s};
		assert_false(reply_has(number));
		for (uint32_t i = 0; i < reply.peers_count; i++) {
			const struct model_peer *given = &model[swarm][reply_number(i)];

			assert_true(given->there && (!seeder || !given->seeder));
			assert_int_equal(reply_number(i) % 2, number % 2);
		}
		if (step % 16 == 0)
			compare_with_model(core, now_s, model, hashes);
	}
	free(core);
}

static void settings_that_cannot_work_are_refused(void **state)
{
	struct tracker_core_settings settings = {.swarms_max = 1, .peers_max = 1, .interval_s = 1};
	static uint64_t memory[32768];
	size_t bytes = tracker_core_bytes(&settings);

	(void)state;
	assert_in_range(bytes, 1, sizeof(memory));
	assert_null(tracker_core_create(&settings, memory, bytes - 1));
	assert_non_null(tracker_core_create(&settings, memory, bytes));
	settings.interval_s = 0;
	assert_null(tracker_core_create(&settings, memory, sizeof(memory)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_peer_is_handed_to_the_next_one_but_not_to_itself),
		cmocka_unit_test(swarms_and_families_are_never_merged),
		cmocka_unit_test(a_seeder_gets_no_seeders_and_a_leecher_gets_some),
		cmocka_unit_test(numwant_is_obeyed_and_bounded),
		cmocka_unit_test(samples_are_uniform),
		cmocka_unit_test(completion_moves_a_peer_and_counts_once),
		cmocka_unit_test(silent_peers_are_forgotten),
		cmocka_unit_test(a_full_tracker_refuses_new_peers_and_keeps_the_old),
		cmocka_unit_test(only_allowed_infohashes_are_served_when_asked_so),
		cmocka_unit_test(a_peer_without_a_port_is_answered_but_not_recorded),
		cmocka_unit_test(same_seed_same_answers),
		cmocka_unit_test(random_events_match_a_naive_model),
		cmocka_unit_test(settings_that_cannot_work_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
