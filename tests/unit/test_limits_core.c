/* SPDX-License-Identifier: Apache-2.0 */
/* Rates per address: the burst, the rate, each address by itself, and what a flood of addresses
 * does. */
#include "tracker/limits_core.h"
#include "wire/peer_address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SETS  256
#define PER_S 100

static struct limits limits;

static void make(void)
{
	free(limits.entries);
	void *memory = calloc(1, limits_bytes(SETS));

	assert_non_null(memory);
	limits_init(&limits, memory, SETS, PER_S, UINT64_C(0x123456789abcdef1));
}

static bool take(uint64_t now_us, uint32_t number, uint32_t units)
{
	uint8_t ip[16] = {0xfd};

	be32_write(ip + 4, number);
	return limits_take(&limits, now_us, limits_look(&limits, ip), units);
}

static uint32_t take_many(uint64_t now_us, uint32_t number, uint32_t wanted)
{
	uint32_t taken = 0;

	for (uint32_t i = 0; i < wanted; i++)
		taken += take(now_us, number, 1);
	return taken;
}

static void two_seconds_worth_at_once(void **state)
{
	(void)state;
	make();
	assert_int_equal(take_many(5000000, 1, 1000), 2 * PER_S);
	assert_int_equal(take_many(5000000, 2, 1000), 2 * PER_S);
}

static void then_the_rate(void **state)
{
	uint32_t taken = 0;

	(void)state;
	make();
	take_many(0, 1, 1000);
	for (uint64_t now_us = 0; now_us < 10000000; now_us += 1000)
		taken += take(now_us, 1, 1);
	assert_in_range(taken, 10 * PER_S - 1, 10 * PER_S);
	/* Idleness earns one burst, not more. */
	assert_int_equal(take_many(UINT64_C(1) << 50, 1, 1000), 2 * PER_S);
}

static void costly_ones_count_for_many(void **state)
{
	(void)state;
	make();
	assert_true(take(0, 1, 1000000));
	assert_false(take(0, 1, 1));
	assert_false(take(9000 * UINT64_C(1000000), 1, 1));
	assert_true(take(10000 * UINT64_C(1000000), 1, 1));
}

static void many_addresses_do_not_refuse_one(void **state)
{
	(void)state;
	make();
	for (uint32_t number = 0; number < 100000; number++)
		assert_true(take(0, number, 1));
	assert_true(take(1, 100001, 1));
}

static void an_address_is_limited_beside_as_many_as_there_is_room_for(void **state)
{
	uint32_t limited = 0;

	(void)state;
	make();
	for (uint32_t number = 0; number < SETS; number++)
		take_many(0, number, 2 * PER_S);
	for (uint32_t number = 0; number < SETS; number++)
		limited += !take(0, number, 1);
	assert_true(limited > SETS * 95 / 100);
}

/* A machine with a /64 has as many addresses as it likes; one of IPv4 has one. */
static void a_64_of_ipv6_is_one_address(void **state)
{
	uint8_t ip[16] = {0xfd};
	struct peer_address v4;
	uint32_t taken = 0;

	(void)state;
	make();
	for (uint32_t i = 0; i < 10 * PER_S; i++) {
		be32_write(ip + 12, i);
		taken += limits_take(&limits, 0, limits_look(&limits, ip), 1);
	}
	assert_int_equal(taken, 2 * PER_S);
	ip[7] = 1;
	assert_true(limits_take(&limits, 0, limits_look(&limits, ip), 1));
	for (uint32_t i = 0; i < 10 * PER_S; i++) {
		be32_write(ip, i);
		peer_address_from4(&v4, ip, 0);
		assert_true(limits_take(&limits, 0, limits_look(&limits, v4.ip), 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_seconds_worth_at_once),
		cmocka_unit_test(then_the_rate),
		cmocka_unit_test(costly_ones_count_for_many),
		cmocka_unit_test(many_addresses_do_not_refuse_one),
		cmocka_unit_test(an_address_is_limited_beside_as_many_as_there_is_room_for),
		cmocka_unit_test(a_64_of_ipv6_is_one_address),
	};

	return cmocka_run_group_tests_name("limits_core", tests, NULL, NULL);
}
