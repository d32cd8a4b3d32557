/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scenarios from a few seeds, small enough for every build: one of each kind of fault, one that
 * must be caught, and that a seed replays. tests/sim/run-scenarios runs all of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "sim/scenario.h"

#define SEEDS 3

static void run_good(const char *name)
{
	const struct sim_scenario *scenario = sim_scenario_find(name);

	assert_non_null(scenario);
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sim_result result;

		sim_scenario_run(scenario, seed, NULL, NULL, &result);
		if (!result.good)
			fail_msg("[%s] %s; replay: build/sim/sim %s --seed=%llu",
				result.violation.checker, result.violation.text, name,
				(unsigned long long)seed);
	}
}

static void three_nodes_share_one_copy(void **state)
{
	(void)state;
	run_good("three_nodes_origin_copies");
}

static void head_tail_and_the_unflushed_come_again_after_a_power_cut(void **state)
{
	(void)state;
	run_good("power_cut_at_half");
}

static void a_flush_that_does_nothing_is_caught(void **state)
{
	(void)state;
	run_good("power_cut_without_flush");
	run_good("no_flush_complete");
}

static void a_failing_disk_is_reported(void **state)
{
	(void)state;
	run_good("flush_always_fails");
	run_good("write_always_fails");
}

static void a_liar_does_no_harm(void **state)
{
	(void)state;
	run_good("liar");
}

static void half_a_block_does_no_harm(void **state)
{
	(void)state;
	run_good("half_block");
}

static void one_copy_outside_the_origin_is_enough(void **state)
{
	(void)state;
	run_good("origin_dies_after_one_copy");
}

static void nobody_is_complete_without_the_data(void **state)
{
	(void)state;
	run_good("origin_dies_at_half");
}

static void a_seed_replays(void **state)
{
	const struct sim_scenario *scenario = sim_scenario_find("everything_goes_wrong");
	struct sim_result first;
	struct sim_result second;

	(void)state;
	assert_non_null(scenario);
	sim_scenario_run(scenario, 5, NULL, NULL, &first);
	sim_scenario_run(scenario, 5, NULL, NULL, &second);
	assert_int_equal(first.events_count, second.events_count);
	assert_int_equal(first.end_ns, second.end_ns);
	assert_int_equal(first.received_bytes, second.received_bytes);
	sim_scenario_run(scenario, 6, NULL, NULL, &second);
	assert_int_not_equal(first.events_count, second.events_count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_nodes_share_one_copy),
		cmocka_unit_test(head_tail_and_the_unflushed_come_again_after_a_power_cut),
		cmocka_unit_test(a_flush_that_does_nothing_is_caught),
		cmocka_unit_test(a_failing_disk_is_reported),
		cmocka_unit_test(a_liar_does_no_harm),
		cmocka_unit_test(half_a_block_does_no_harm),
		cmocka_unit_test(one_copy_outside_the_origin_is_enough),
		cmocka_unit_test(nobody_is_complete_without_the_data),
		cmocka_unit_test(a_seed_replays),
	};

	return cmocka_run_group_tests_name("sim_scenarios", tests, NULL, NULL);
}
