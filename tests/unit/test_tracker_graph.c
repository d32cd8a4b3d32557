/* SPDX-License-Identifier: Apache-2.0 */
/* What all replies together make of a swarm: everybody is known to about as many, and everybody can
 * be reached over a few others. And what a million peers take of memory. */
#include "tests/unit/tracker_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { PEERS_MAX = 5000, NUMWANT_MAX = 64 };

static struct announce_reply reply;
static const uint8_t hash_a[SHA1_BYTES] = {'a'};

struct hall {
	uint32_t peers_count;
	uint32_t numwant;
	uint32_t racks_count; /* 0: nobody says where it stands */
	uint32_t sites_count;
};

/* Who was named to whom; and by how many each was named. */
static uint32_t named[PEERS_MAX][NUMWANT_MAX];
static uint32_t named_count[PEERS_MAX];
static uint32_t named_by[PEERS_MAX];

static void come(struct tracker_core *core, const struct hall *hall, uint32_t number)
{
	struct announce announce = fixture_announce(hash_a, 9);
	char site[16] = "";
	char rack[16] = "";
	uint32_t at = hall->racks_count > 0 ? number % hall->racks_count : 0;

	if (hall->racks_count > 0) {
		snprintf(site, sizeof(site), "s%u", at % hall->sites_count);
		snprintf(rack, sizeof(rack), "r%u", at);
	}
	fixture_stand(&announce, site, rack);
	announce.numwant = hall->numwant;
	fixture_send(core, 1000, number, &announce, &reply);
	assert_string_equal(reply.failure, "");
}

/* All are there; then everybody announces once more, and that is what is looked at. */
static void fill(const struct hall *hall, uint64_t seed)
{
	struct tracker_core *core = fixture_core(&(struct tracker_core_settings){.swarms_max = 1,
		.peers_max = PEERS_MAX,
		.interval_s = 5,
		.places_max = 4000,
		.seed = seed});

	memset(named_by, 0, sizeof(named_by));
	for (uint32_t i = 0; i < hall->peers_count; i++)
		come(core, hall, i);
	for (uint32_t i = 0; i < hall->peers_count; i++) {
		come(core, hall, i);
		assert_int_equal(reply.peers_count, hall->numwant);
		named_count[i] = reply.peers_count;
		for (uint32_t k = 0; k < reply.peers_count; k++) {
			named[i][k] = fixture_number(&reply.peers[k]);
			named_by[named[i][k]]++;
			assert_int_not_equal(named[i][k], i);
			for (uint32_t other = 0; other < k; other++)
				assert_int_not_equal(named[i][k], named[i][other]);
		}
	}
	free(core);
}

/* How many steps the last peer is away from one of them, when connections go both ways; UINT32_MAX
 * when some cannot be reached. */
static uint32_t farthest(const struct hall *hall, uint32_t from)
{
	static uint32_t steps[PEERS_MAX];
	uint32_t reached = 1;

	memset(steps, 0xff, sizeof(steps));
	steps[from] = 0;
	for (uint32_t step = 0;; step++) {
		uint32_t before = reached;

		for (uint32_t i = 0; i < hall->peers_count; i++)
			for (uint32_t k = 0; k < named_count[i]; k++) {
				uint32_t *a = &steps[i];
				uint32_t *b = &steps[named[i][k]];

				if (*a == step && *b == UINT32_MAX) {
					*b = step + 1;
					reached++;
				} else if (*b == step && *a == UINT32_MAX) {
					*a = step + 1;
					reached++;
				}
			}
		if (reached == hall->peers_count)
			return step + 1;
		if (reached == before)
			return UINT32_MAX;
	}
}

static void judge(const struct hall *hall, uint32_t least, uint32_t most, uint32_t steps_max)
{
	uint64_t squares = 0;

	for (uint64_t seed = 1; seed <= 3; seed++) {
		fill(hall, seed);
		squares = 0;
		for (uint32_t i = 0; i < hall->peers_count; i++) {
			int64_t off = (int64_t)named_by[i] - hall->numwant;

			assert_in_range(named_by[i], least, most);
			squares += (uint64_t)(off * off);
		}
		/* Independent choices would have a variance of about numwant. */
		assert_true(squares / hall->peers_count <= 3 * (uint64_t)hall->numwant);
		assert_in_range(farthest(hall, 0), 1, steps_max);
		assert_in_range(farthest(hall, hall->peers_count - 1), 1, steps_max);
	}
}

static void in_a_room_without_racks_all_are_named_as_often(void **state)
{
	(void)state;
	judge(&(struct hall){.peers_count = 5000, .numwant = 50}, 15, 100, 4);
}

static void ten_neighbours_each_are_enough_for_five_thousand(void **state)
{
	(void)state;
	judge(&(struct hall){.peers_count = 5000, .numwant = 10}, 0, 40, 7);
}

static void racks_and_sites_hang_together(void **state)
{
	(void)state;
	/* 125 racks of 40 in five sites; 39 of a rack, and 8 of other sites leave 17 of the site.
	 */
	judge(
		&(struct hall){
			.peers_count = 5000, .numwant = 64, .racks_count = 125, .sites_count = 5},
		30, 120, 4);
}

static void racks_of_two_hang_together(void **state)
{
	(void)state;
	judge(
		&(struct hall){
			.peers_count = 2000, .numwant = 30, .racks_count = 1000, .sites_count = 1},
		5, 80, 5);
}

/* With everything on, and even if all were of IPv6. */
static void a_million_peers_take_less_than_64_bytes_each(void **state)
{
	static const uint32_t swarms[] = {1, 1000, 1024};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(swarms); i++) {
		struct tracker_core_settings settings = {.swarms_max = swarms[i],
			.peers_max = 1000000,
			.interval_s = 5,
			.addresses_max = 16384,
			.subnets_max = 1024,
			.replicated = true};

		assert_in_range(tracker_core_bytes(&settings), 1, 64000000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_a_room_without_racks_all_are_named_as_often),
		cmocka_unit_test(ten_neighbours_each_are_enough_for_five_thousand),
		cmocka_unit_test(racks_and_sites_hang_together),
		cmocka_unit_test(racks_of_two_hang_together),
		cmocka_unit_test(a_million_peers_take_less_than_64_bytes_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
