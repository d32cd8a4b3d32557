/* SPDX-License-Identifier: Apache-2.0 */
/* UDP connection ids: bound to an address, a secret and a time, and to nothing that is stored. */
#include "tracker/tracker_private.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint8_t secret[TRACKER_SECRET_BYTES] = {1, 2, 3};
static const uint8_t ip[16] = {0xfd, [15] = 1};

static void an_id_is_valid_for_two_minutes_at_least_and_three_at_most(void **state)
{
	(void)state;
	for (uint64_t made_s = 6000; made_s < 6060; made_s++) {
		uint64_t id = tracker_connection_id(secret, ip, made_s / 60);

		for (uint64_t age_s = 0; age_s <= 120; age_s++)
			assert_true(tracker_connection_id_valid(secret, ip, made_s + age_s, id));
		assert_false(tracker_connection_id_valid(secret, ip, made_s + 180, id));
		assert_false(tracker_connection_id_valid(secret, ip, made_s + 100000, id));
	}
}

static void ids_of_the_first_minutes_work(void **state)
{
	(void)state;
	assert_true(
		tracker_connection_id_valid(secret, ip, 0, tracker_connection_id(secret, ip, 0)));
	assert_false(tracker_connection_id_valid(secret, ip, 0, 0));
	/* An id of the future, or of what would come from wrapping below zero. */
	assert_false(tracker_connection_id_valid(
		secret, ip, 0, tracker_connection_id(secret, ip, UINT64_MAX)));
	assert_false(
		tracker_connection_id_valid(secret, ip, 0, tracker_connection_id(secret, ip, 1)));
}

static void an_id_belongs_to_one_address_and_one_secret(void **state)
{
	static const uint8_t other_secret[TRACKER_SECRET_BYTES] = {1, 2, 4};
	static const uint8_t other_ip[16] = {0xfd, [15] = 2};
	uint64_t id = tracker_connection_id(secret, ip, 100);

	(void)state;
	assert_false(tracker_connection_id_valid(secret, other_ip, 6000, id));
	assert_false(tracker_connection_id_valid(other_secret, ip, 6000, id));
	for (int bit = 0; bit < 64; bit++)
		assert_false(
			tracker_connection_id_valid(secret, ip, 6000, id ^ UINT64_C(1) << bit));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_id_is_valid_for_two_minutes_at_least_and_three_at_most),
		cmocka_unit_test(ids_of_the_first_minutes_work),
		cmocka_unit_test(an_id_belongs_to_one_address_and_one_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
