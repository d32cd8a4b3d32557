/* SPDX-License-Identifier: Apache-2.0 */
/* The piece picker against a table that is counted the slow way. */
#include "swarm/picker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define PIECES	40
#define BUCKETS 10

struct fixture {
	struct picker picker;
	struct rng rng;
	uint32_t order[PIECES];
	uint32_t position[PIECES];
	uint16_t availability[PIECES];
	uint32_t bucket_start[BUCKETS + 1];
	uint64_t words[BITSET_WORDS(PIECES)];
	struct bitset has;
};

static void fixture_init(struct fixture *f, uint64_t seed)
{
	rng_seed(&f->rng, seed);
	f->picker = (struct picker){.order = f->order,
		.position = f->position,
		.availability = f->availability,
		.bucket_start = f->bucket_start};
	picker_init(&f->picker, PIECES, BUCKETS, &f->rng);
	bitset_init(&f->has, f->words, PIECES);
}

static void picks_the_rarest_that_the_peer_has(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, 1);
	for (uint32_t piece = 0; piece < 4; piece++) {
		picker_want(&f.picker, piece);
		for (uint32_t i = 0; i <= piece; i++)
			picker_available(&f.picker, piece);
	}
	assert_int_equal(picker_rarest(&f.picker, &f.has, false), PIECE_NONE);
	bitset_set(&f.has, 3);
	bitset_set(&f.has, 2);
	assert_int_equal(picker_rarest(&f.picker, &f.has, false), 2);
	picker_unavailable(&f.picker, 3);
	picker_unavailable(&f.picker, 3);
	assert_int_equal(picker_rarest(&f.picker, &f.has, false), 3);
	assert_int_equal(picker_rarest(&f.picker, &f.has, true), 0);
}

static void never_picks_what_is_not_wanted(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, 1);
	bitset_set_all(&f.has);
	picker_available(&f.picker, 7);
	assert_int_equal(picker_rarest(&f.picker, &f.has, false), PIECE_NONE);
	picker_want(&f.picker, 7);
	picker_want(&f.picker, 7);
	assert_int_equal(picker_wanted_count(&f.picker), 1);
	assert_int_equal(picker_rarest(&f.picker, &f.has, false), 7);
	picker_unwant(&f.picker, 7);
	picker_unwant(&f.picker, 7);
	assert_int_equal(picker_wanted_count(&f.picker), 0);
	assert_int_equal(picker_rarest(&f.picker, &f.has, false), PIECE_NONE);
}

static uint32_t first_of_seed(uint64_t seed)
{
	struct fixture f;

	fixture_init(&f, seed);
	bitset_set_all(&f.has);
	for (uint32_t piece = 0; piece < PIECES; piece++)
		picker_want(&f.picker, piece);
	return picker_rarest(&f.picker, &f.has, false);
}

static void breaks_ties_by_its_seed(void **state)
{
	bool seen[PIECES] = {false};
	uint32_t distinct_count = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		uint32_t first = first_of_seed(seed);

		assert_int_equal(first, first_of_seed(seed));
		distinct_count += !seen[first];
		seen[first] = true;
	}
	assert_true(distinct_count > PIECES / 2);
}

/* What a scan over everything says: the least availability of a wanted piece in has. */
static uint32_t least(const struct fixture *f)
{
	uint32_t least = UINT32_MAX;

	for (uint32_t piece = 0; piece < PIECES; piece++)
		if (picker_wants(&f->picker, piece) && bitset_has(&f->has, piece) &&
			f->availability[piece] < least)
			least = f->availability[piece];
	return least;
}

static void agrees_with_a_full_scan_after_random_changes(void **state)
{
	struct fixture f;
	struct rng random;
	uint32_t expected[PIECES] = {0};

	(void)state;
	fixture_init(&f, 3);
	rng_seed(&random, 4);
	for (uint32_t step = 0; step < 20000; step++) {
		uint32_t piece = (uint32_t)rng_below(&random, PIECES);

		switch (rng_below(&random, 6)) {
		case 0:
			picker_want(&f.picker, piece);
			break;
		case 1:
			picker_unwant(&f.picker, piece);
			break;
		case 2:
			picker_available(&f.picker, piece);
			expected[piece] += expected[piece] + 1 < BUCKETS;
			break;
		case 3:
			picker_unavailable(&f.picker, piece);
			expected[piece] -= expected[piece] > 0;
			break;
		case 4:
			bitset_set(&f.has, piece);
			break;
		default:
			bitset_clear(&f.has, piece);
			break;
		}
		assert_int_equal(f.availability[piece], expected[piece]);
		uint32_t picked = picker_rarest(&f.picker, &f.has, false);

		if (picked == PIECE_NONE)
			assert_int_equal(least(&f), UINT32_MAX);
		else
			assert_int_equal(f.availability[picked], least(&f));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(picks_the_rarest_that_the_peer_has),
		cmocka_unit_test(never_picks_what_is_not_wanted),
		cmocka_unit_test(breaks_ties_by_its_seed),
		cmocka_unit_test(agrees_with_a_full_scan_after_random_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
