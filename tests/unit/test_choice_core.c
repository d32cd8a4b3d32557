/* SPDX-License-Identifier: Apache-2.0 */
/* How many of whom a reply names. */
#include "tracker/choice_core.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct choice_counts take;

static void choose(
	const struct choice_asker *asker, const struct choice_counts *there, uint64_t seed)
{
	struct rng rng;

	rng_seed(&rng, seed);
	choice_make(asker, there, &rng, &take);
	for (uint32_t kind = 0; kind < CHOICE_KINDS; kind++)
		for (uint32_t place = 0; place < CHOICE_PLACES; place++)
			assert_in_range(take.peers[kind][place], 0, there->peers[kind][place]);
}

static uint32_t of_kind(enum choice_kind kind)
{
	return take.peers[kind][CHOICE_RACK] + take.peers[kind][CHOICE_NEAR] +
	       take.peers[kind][CHOICE_OTHER];
}

static uint32_t of_place(enum choice_place place)
{
	return take.peers[CHOICE_LEECHER][place] + take.peers[CHOICE_SEEDER][place] +
	       take.peers[CHOICE_PAUSED][place];
}

static uint32_t of_all(void)
{
	return of_kind(CHOICE_LEECHER) + of_kind(CHOICE_SEEDER) + of_kind(CHOICE_PAUSED);
}

static void without_places_a_quarter_are_seeders(void **state)
{
	struct choice_asker asker = {.fetches = true, .numwant = 50};
	struct choice_counts there = {0};

	(void)state;
	there.peers[CHOICE_LEECHER][CHOICE_NEAR] = 1000;
	there.peers[CHOICE_SEEDER][CHOICE_NEAR] = 1000;
	choose(&asker, &there, 1);
	assert_int_equal(of_kind(CHOICE_SEEDER), 13);
	assert_int_equal(of_kind(CHOICE_LEECHER), 37);
	there.peers[CHOICE_LEECHER][CHOICE_NEAR] = 10; /* few: seeders fill it up */
	choose(&asker, &there, 1);
	assert_int_equal(of_kind(CHOICE_SEEDER), 40);
	there.peers[CHOICE_SEEDER][CHOICE_NEAR] = 1; /* the origin is always named */
	there.peers[CHOICE_LEECHER][CHOICE_NEAR] = 1000;
	choose(&asker, &there, 1);
	assert_int_equal(of_kind(CHOICE_SEEDER), 1);
	assert_int_equal(of_all(), 50);
}

static void who_is_far_behind_gets_seeders_first(void **state)
{
	struct choice_asker asker = {.fetches = true, .far_behind = true, .numwant = 50};
	struct choice_counts there = {0};

	(void)state;
	there.peers[CHOICE_LEECHER][CHOICE_NEAR] = 1000;
	there.peers[CHOICE_SEEDER][CHOICE_NEAR] = 1000;
	choose(&asker, &there, 1);
	assert_int_equal(of_kind(CHOICE_SEEDER), 25);
	assert_true(choice_far_behind(100, 100));
	assert_true(choice_far_behind(88, 100));
	assert_false(choice_far_behind(87, 100));
	assert_false(choice_far_behind(UINT64_MAX, 100)); /* it did not say */
	assert_true(choice_far_behind(UINT64_MAX - 1, UINT64_MAX - 1));
}

static void who_is_paused_is_named_as_a_seeder_to_leechers_alone(void **state)
{
	struct choice_asker asker = {.fetches = true, .numwant = 40};
	struct choice_counts there = {0};

	(void)state;
	there.peers[CHOICE_LEECHER][CHOICE_NEAR] = 1000;
	there.peers[CHOICE_SEEDER][CHOICE_NEAR] = 4;
	there.peers[CHOICE_PAUSED][CHOICE_NEAR] = 1000;
	choose(&asker, &there, 1);
	assert_int_equal(of_kind(CHOICE_SEEDER), 4);
	assert_int_equal(of_kind(CHOICE_PAUSED), 6);
	asker.fetches = false;
	choose(&asker, &there, 1);
	assert_int_equal(of_kind(CHOICE_LEECHER), 40);
	assert_int_equal(of_all(), 40);
}

static void the_rack_comes_first_and_other_racks_are_not_forgotten(void **state)
{
	struct choice_asker asker = {.fetches = true, .numwant = 64};
	struct choice_counts there = {0};

	(void)state;
	there.peers[CHOICE_LEECHER][CHOICE_RACK] = 39;
	there.peers[CHOICE_LEECHER][CHOICE_NEAR] = 1000;
	choose(&asker, &there, 1);
	assert_int_equal(of_place(CHOICE_RACK), 39);
	assert_int_equal(of_place(CHOICE_NEAR), 25);
	there.peers[CHOICE_LEECHER][CHOICE_RACK] = 1000; /* a rack as large as a hall */
	choose(&asker, &there, 1);
	assert_int_equal(of_place(CHOICE_RACK), 64 - CHOICE_NEAR_ENOUGH);
	there.peers[CHOICE_LEECHER][CHOICE_NEAR] = 2;
	choose(&asker, &there, 1);
	assert_int_equal(of_place(CHOICE_RACK), 62);
}

static void other_sites_get_an_eighth_but_nobody_is_left_alone(void **state)
{
	struct choice_asker asker = {.fetches = true, .site_known = true, .numwant = 64};
	struct choice_counts there = {0};
	uint32_t others = 0;

	(void)state;
	there.peers[CHOICE_LEECHER][CHOICE_RACK] = 30;
	there.peers[CHOICE_LEECHER][CHOICE_NEAR] = 300;
	there.peers[CHOICE_LEECHER][CHOICE_OTHER] = 10000;
	for (uint64_t seed = 0; seed < 100; seed++) {
		choose(&asker, &there, seed);
		assert_int_equal(of_all(), 64);
		assert_in_range(of_place(CHOICE_OTHER), 7, 8);
		others += of_place(CHOICE_OTHER);
	}
	/* Alone in its site, it gets ln N of others, and not all it wants. */
	there = (struct choice_counts){0};
	there.peers[CHOICE_LEECHER][CHOICE_OTHER] = 10000;
	choose(&asker, &there, 1);
	assert_int_equal(of_all(), choice_neighbours_min(10001));
	/* Chance decides what an eighth of few is: the sites never fall apart. */
	asker.numwant = 4;
	there.peers[CHOICE_LEECHER][CHOICE_RACK] = 30;
	others = 0;
	for (uint64_t seed = 0; seed < 1000; seed++) {
		choose(&asker, &there, seed);
		assert_int_equal(of_all(), 4);
		others += of_place(CHOICE_OTHER);
	}
	assert_in_range(others, 400, 600);
}

static void who_knows_no_site_takes_from_all_alike(void **state)
{
	struct choice_asker asker = {.fetches = true, .numwant = 50};
	struct choice_counts there = {0};
	uint32_t others = 0;

	(void)state;
	there.peers[CHOICE_LEECHER][CHOICE_NEAR] = 250;
	there.peers[CHOICE_LEECHER][CHOICE_OTHER] = 750;
	for (uint64_t seed = 0; seed < 1000; seed++) {
		choose(&asker, &there, seed);
		assert_int_equal(of_all(), 50);
		others += of_place(CHOICE_OTHER);
	}
	assert_in_range(others, 37000, 38000);
}

/* No rule may be broken, and no peer be spared that the rules allow, whatever there is. */
static void random_halls_obey_the_rules(void **state)
{
	struct rng rng;

	(void)state;
	rng_seed(&rng, 5);
	for (int round = 0; round < 200000; round++) {
		struct choice_counts there = {0};
		struct choice_asker asker = {.fetches = rng_below(&rng, 2) == 0,
			.far_behind = rng_below(&rng, 2) == 0,
			.site_known = rng_below(&rng, 2) == 0,
			.numwant = (uint32_t)rng_below(&rng, 201)};
		uint64_t all = 0;

		for (uint32_t kind = 0; kind < CHOICE_KINDS; kind++)
			for (uint32_t place = 0; place < CHOICE_PLACES; place++) {
				if (kind != CHOICE_LEECHER && !asker.fetches)
					continue;
				there.peers[kind][place] =
					(uint32_t)rng_below(&rng, rng_below(&rng, 300) + 1);
				all += there.peers[kind][place];
			}
		choose(&asker, &there, rng_next(&rng));
		uint64_t others_most = u64_max(
			u64_div_up(asker.numwant, 8), choice_neighbours_min((uint32_t)all + 1));
		uint64_t wanted = u64_min(all, asker.numwant);

		assert_true(of_all() <= asker.numwant);
		assert_true(of_all() >= u64_min(wanted, choice_neighbours_min((uint32_t)all + 1)));
		if (asker.site_known)
			assert_true(of_place(CHOICE_OTHER) <= others_most);
		else
			assert_int_equal(of_all(), wanted);
	}
}

static void enough_neighbours_are_the_logarithm(void **state)
{
	static const uint32_t cases[][2] = {
		{1, 1}, {2, 1}, {8, 3}, {20, 3}, {1000, 7}, {22026, 10}, {1000000, 14}};

	(void)state;
	/* peers and ceil(ln peers): at least as many, and two more at most. */
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		assert_in_range(choice_neighbours_min(cases[i][0]), cases[i][1], cases[i][1] + 2);
	assert_in_range(choice_neighbours_min(UINT32_MAX), 22, 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_places_a_quarter_are_seeders),
		cmocka_unit_test(who_is_far_behind_gets_seeders_first),
		cmocka_unit_test(who_is_paused_is_named_as_a_seeder_to_leechers_alone),
		cmocka_unit_test(the_rack_comes_first_and_other_racks_are_not_forgotten),
		cmocka_unit_test(other_sites_get_an_eighth_but_nobody_is_left_alone),
		cmocka_unit_test(who_knows_no_site_takes_from_all_alike),
		cmocka_unit_test(random_halls_obey_the_rules),
		cmocka_unit_test(enough_neighbours_are_the_logarithm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
