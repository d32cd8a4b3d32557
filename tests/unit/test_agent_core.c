/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's way from power-on to reboot, and every place where it must turn back. */
#include "tests/support/agent_world.h"

static void the_whole_way_ends_in_the_planned_end(void **state)
{
	(void)state;
	struct world world;

	go_to_commit(&world);
	assert_int_equal(world.reports[REPORT_FINISHED], 0);
	give_kind(&world, AGENT_IN_COMMITTED);
	assert_int_equal(world.reports[REPORT_FINISHED], 1);
	assert_int_equal(agent_core_stage(&world.core), STAGE_DONE);
	give_reply(&world, REPORT_FINISHED, (struct report_reply){.acknowledged = true});
	assert_int_equal(world.last.kind, AGENT_DO_END);
	assert_int_equal(world.last.end, AGENT_END_PLANNED);
	assert_true(agent_core_deadline_ns(&world.core) == UINT64_MAX);
	assert_int_equal(agent_core_failure(&world.core)->error, ERROR_NONE);
}

static void nothing_is_committed_without_acknowledgement(void **state)
{
	(void)state;
	struct world world;
	uint32_t reports = 1;

	go_to_finishing(&world);
	/* A day of a dead server, and of one that answers but does not acknowledge. */
	for (int hour = 0; hour < 24; hour++) {
		give_no_reply(&world, REPORT_FINISHING);
		pass(&world, 3600 * S);
		assert_int_equal(world.reports[REPORT_FINISHING], ++reports);
		give_reply(&world, REPORT_FINISHING, (struct report_reply){0});
		pass(&world, 3600 * S);
		assert_int_equal(world.reports[REPORT_FINISHING], ++reports);
	}
	assert_int_equal(at(&world), AGENT_FINISHING);
	assert_int_equal(world.seen[AGENT_DO_COMMIT], 0);
	/* Answers to other reports are no leave either. */
	give_reply(&world, REPORT_PROGRESS, (struct report_reply){.acknowledged = true});
	assert_int_equal(world.seen[AGENT_DO_STOP], 0);
	give_reply(&world, REPORT_FINISHING, (struct report_reply){.acknowledged = true});
	assert_int_equal(at(&world), AGENT_LEAVE);
}

static void seeding_needs_readback_and_release_or_deadline(void **state)
{
	(void)state;
	struct world world;

	go_to_seed(&world);
	give_reply(&world, REPORT_PROGRESS, (struct report_reply){.release = true});
	pass(&world, 1000 * S);
	assert_int_equal(at(&world), AGENT_SEED);
	give_kind(&world, AGENT_IN_READ_BACK);
	assert_int_equal(at(&world), AGENT_FINISHING);

	go_to_seed(&world);
	give_kind(&world, AGENT_IN_READ_BACK);
	pass(&world, 99 * S);
	assert_int_equal(at(&world), AGENT_SEED);
	pass(&world, 2 * S);
	assert_int_equal(at(&world), AGENT_FINISHING);
}

static void progress_is_reported_once_a_second_and_one_at_a_time(void **state)
{
	(void)state;
	struct world world;

	go_to_seed(&world);
	give_reply(&world, REPORT_PROGRESS, (struct report_reply){0});
	uint32_t before = world.reports[REPORT_PROGRESS];

	for (int i = 0; i < 10; i++) {
		pass(&world, S);
		give_reply(&world, REPORT_PROGRESS, (struct report_reply){0});
	}
	assert_int_equal(world.reports[REPORT_PROGRESS] - before, 10);
	before = world.reports[REPORT_PROGRESS];
	pass(&world, 10 * S);
	assert_in_range(world.reports[REPORT_PROGRESS] - before, 0, 1);
}

static void refusals_of_disks_open_nothing_and_are_reported(void **state)
{
	(void)state;
	struct world world;

	go_to_target(&world, PLAN_IMAGE);
	world.disks_count = 2;
	pass(&world, 12 * S);
	assert_int_equal(at(&world), AGENT_FAILED);
	assert_int_equal(agent_core_failure(&world.core)->error, ERROR_DISK_AMBIGUOUS);
	assert_int_equal(world.reports[REPORT_FAILED], 1);

	go_to_target(&world, PLAN_IMAGE);
	world.disks_count = 0;
	pass(&world, 58 * S);
	assert_int_equal(at(&world), AGENT_TARGET);
	pass(&world, 4 * S);
	assert_int_equal(agent_core_failure(&world.core)->error, ERROR_DISK_NONE);

	go_to_target(&world, PLAN_IMAGE);
	world.disks[0].size_bytes -= 512;
	pass(&world, 12 * S);
	assert_int_equal(agent_core_failure(&world.core)->error, ERROR_DISK_TOO_SMALL);
	assert_int_equal(agent_core_stage(&world.core), STAGE_TARGET);
	assert_int_equal(world.seen[AGENT_DO_OPEN], 0);
	assert_int_equal(world.seen[AGENT_DO_STOP], 0);
}

static void a_disk_that_comes_late_is_settled_anew_and_opened(void **state)
{
	(void)state;
	struct world world;

	go_to_target(&world, PLAN_IMAGE);
	world.disks_count = 0;
	pass(&world, 30 * S);
	world.disks_count = 1;
	pass(&world, 9 * S);
	assert_int_equal(at(&world), AGENT_TARGET);
	pass(&world, 3 * S);
	assert_int_equal(at(&world), AGENT_OPEN);
	assert_int_equal(world.seen[AGENT_DO_OPEN], 1);
}

static void a_failure_is_reported_until_heard_then_lingers_then_boots_locally(void **state)
{
	(void)state;
	struct world world;

	go_to_open(&world, PLAN_IMAGE);
	give_kind(&world, AGENT_IN_OPENED);
	give_failure(&world, ERROR_DISK_WRITE);
	assert_int_equal(world.reports[REPORT_FAILED], 1);
	assert_int_equal(world.seen[AGENT_DO_STOP], 1);
	/* A second cause does not hide the first. */
	give_failure(&world, ERROR_NETWORK);
	assert_int_equal(agent_core_failure(&world.core)->error, ERROR_DISK_WRITE);
	assert_int_equal(agent_core_stage(&world.core), STAGE_ASSESS);
	give_no_reply(&world, REPORT_FAILED);
	pass(&world, S);
	assert_int_equal(world.reports[REPORT_FAILED], 2);
	give_reply(&world, REPORT_FAILED, (struct report_reply){.acknowledged = true});
	assert_int_equal(at(&world), AGENT_LINGER);
	pass(&world, 14 * S);
	assert_int_equal(world.seen[AGENT_DO_END], 0);
	pass(&world, 2 * S);
	assert_int_equal(world.last.kind, AGENT_DO_END);
	assert_int_equal(world.last.end, AGENT_END_FAILED);
	assert_int_equal(world.seen[AGENT_DO_COMMIT], 0);
}

static void a_failure_nobody_hears_ends_too(void **state)
{
	(void)state;
	struct world world;

	go_to_plan(&world);
	give_failure(&world, ERROR_SIGNATURE_WRONG);
	for (int i = 0; i < 200; i++) {
		if (world.seen[AGENT_DO_END] > 0)
			break;
		give_no_reply(&world, REPORT_FAILED);
		pass(&world, 6 * S);
	}
	assert_int_equal(world.last.end, AGENT_END_FAILED);
}

static void abort_stops_before_leave_and_is_too_late_after_it(void **state)
{
	(void)state;
	struct world world;
	struct report_reply disarmed = {.abort = true, .text = "disarmed"};

	go_to_seed(&world);
	give_reply(&world, REPORT_PROGRESS, disarmed);
	assert_int_equal(agent_core_failure(&world.core)->error, ERROR_ABORTED);
	assert_int_equal(world.seen[AGENT_DO_STOP], 1);
	give_reply(&world, REPORT_FAILED, disarmed);
	assert_int_equal(at(&world), AGENT_LINGER);

	go_to_finishing(&world);
	give_reply(&world, REPORT_FINISHING, disarmed);
	assert_int_equal(at(&world), AGENT_FAILED);
	assert_int_equal(world.seen[AGENT_DO_COMMIT], 0);

	go_to_commit(&world);
	give_reply(&world, REPORT_PROGRESS, disarmed);
	assert_int_equal(at(&world), AGENT_COMMIT);
}

static void an_installed_head_writes_nothing(void **state)
{
	(void)state;
	struct world world;

	go_to_open(&world, PLAN_FINISHING);
	give_kind(&world, AGENT_IN_INSTALLED);
	assert_int_equal(world.seen[AGENT_DO_TRANSFER], 0);
	assert_int_equal(world.reports[REPORT_FINISHED], 1);
	/* A server that never answers does not hold the machine for ever. */
	for (int i = 0; i < 20 && world.seen[AGENT_DO_END] == 0; i++) {
		give_no_reply(&world, REPORT_FINISHED);
		pass(&world, 4 * S);
	}
	assert_int_equal(world.last.end, AGENT_END_PLANNED);
	assert_true(world.reports[REPORT_FINISHED] > 3);
}

static void finishing_that_was_not_made_images_again(void **state)
{
	(void)state;
	struct world world;

	go_to_open(&world, PLAN_FINISHING);
	give_kind(&world, AGENT_IN_OPENED);
	assert_int_equal(world.seen[AGENT_DO_TRANSFER], 1);
	/* Everything was on the disk: complete without a fetch. */
	give_kind(&world, AGENT_IN_COMPLETE);
	assert_int_equal(at(&world), AGENT_SEED);
}

static void a_failed_commit_is_not_finished(void **state)
{
	(void)state;
	struct world world;

	go_to_commit(&world);
	give_failure(&world, ERROR_DISK_MEDIUM);
	assert_int_equal(world.reports[REPORT_FINISHED], 0);
	assert_int_equal(world.reports[REPORT_FAILED], 1);
}

static void an_unreachable_server_lets_the_local_disk_boot(void **state)
{
	(void)state;
	struct world world;
	uint32_t tries = 0;

	start(&world);
	give_kind(&world, AGENT_IN_READY);
	while (world.seen[AGENT_DO_END] == 0) {
		give_no_reply(&world, REPORT_HELLO);
		pass(&world, S);
		tries++;
		assert_true(tries < 700);
	}
	assert_int_equal(world.last.end, AGENT_END_FAILED);
	assert_true(tries > 590);
	assert_in_range(world.reports[REPORT_HELLO], 100, 350);
}

static void a_server_that_says_later_is_waited_for(void **state)
{
	(void)state;
	struct world world;

	go_to_plan(&world);
	for (int i = 0; i < 100; i++) {
		uint32_t asked = world.seen[AGENT_DO_ASK_PLAN];

		give(&world, (struct agent_input){
				     .kind = AGENT_IN_LATER, .answered = true, .retry_ms = 20000});
		pass(&world, 19 * S);
		assert_int_equal(world.seen[AGENT_DO_ASK_PLAN], asked);
		pass(&world, 7 * S);
		assert_int_equal(world.seen[AGENT_DO_ASK_PLAN], asked + 1);
	}
	/* Silence after that counts from the last answer. */
	while (world.seen[AGENT_DO_END] == 0) {
		give_kind(&world, AGENT_IN_LATER);
		pass(&world, 20 * S);
	}
	assert_int_equal(world.last.end, AGENT_END_FAILED);
}

static void inventory_local_and_rescue_end_without_touching_a_disk(void **state)
{
	(void)state;
	struct world world;

	go_to_plan(&world);
	give_plan(&world, PLAN_INVENTORY);
	give_disks(&world);
	pass(&world, 11 * S);
	assert_int_equal(world.reports[REPORT_HELLO], 2);
	give_reply(&world, REPORT_HELLO, (struct report_reply){.acknowledged = true});
	assert_int_equal(world.last.end, AGENT_END_LOCAL);

	go_to_plan(&world);
	give_plan(&world, PLAN_LOCAL);
	assert_int_equal(world.last.end, AGENT_END_LOCAL);

	go_to_plan(&world);
	give_plan(&world, PLAN_RESCUE);
	assert_int_equal(world.last.end, AGENT_END_RESCUE);
	assert_int_equal(world.seen[AGENT_DO_OPEN] + world.seen[AGENT_DO_TRANSFER], 0);
}

static void without_a_network_it_lingers_and_reboots(void **state)
{
	(void)state;
	struct world world;

	start(&world);
	give_failure(&world, ERROR_NO_LINK);
	pass(&world, 16 * S);
	assert_int_equal(world.last.kind, AGENT_DO_END);
	assert_int_equal(world.last.end, AGENT_END_FAILED);
	assert_int_equal(world.reports[REPORT_FAILED], 0);
}

/* Whatever comes in whatever order: nothing is opened but after a plan and a chosen disk, and
 * nothing is committed but after an acknowledged `finishing`. */
static void random_inputs_never_skip_a_guard(void **state)
{
	(void)state;
	struct rng rng;
	uint32_t commits = 0;

	for (uint64_t seed = 1; seed <= 2000; seed++) {
		struct world world;
		bool acknowledged = false;

		rng_seed(&rng, seed);
		start(&world);
		world.plan.action = rng_below(&rng, 2) == 0 ? PLAN_IMAGE : PLAN_FINISHING;
		for (int step = 0; step < 300 && world.seen[AGENT_DO_END] == 0; step++) {
			enum agent_input_kind kind =
				(enum agent_input_kind)rng_below(&rng, AGENT_INPUTS_COUNT);
			struct failure failure = {.error = ERROR_SYSTEM};
			struct report_reply reply = {.acknowledged = rng_below(&rng, 2) == 0,
				.release = rng_below(&rng, 2) == 0,
				.abort = rng_below(&rng, 20) == 0};
			enum report_event report =
				(enum report_event)rng_below(&rng, REPORT_FAILED + 1);

			if (kind == AGENT_IN_FAILED && rng_below(&rng, 10) != 0)
				continue;
			bool finishing = at(&world) == AGENT_FINISHING;

			world.now_ns += rng_below(&rng, 4 * S);
			give(&world, (struct agent_input){.kind = kind,
					     .report = report,
					     .reply = &reply,
					     .plan = &world.plan,
					     .image_bytes = GIB,
					     .disks = world.disks,
					     .disks_count = 1,
					     .failure = &failure});
			acknowledged |= finishing && kind == AGENT_IN_REPLY &&
					report == REPORT_FINISHING && reply.acknowledged;
			assert_true(world.seen[AGENT_DO_COMMIT] == 0 || acknowledged);
			assert_true(world.seen[AGENT_DO_OPEN] == 0 ||
				    world.seen[AGENT_DO_ASK_METAINFO] > 0);
			assert_true(world.seen[AGENT_DO_TRANSFER] <= world.seen[AGENT_DO_OPEN]);
		}
		commits += world.seen[AGENT_DO_COMMIT];
	}
	/* The guards were reached, and passed, often enough to mean something. */
	assert_true(commits > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_whole_way_ends_in_the_planned_end),
		cmocka_unit_test(nothing_is_committed_without_acknowledgement),
		cmocka_unit_test(seeding_needs_readback_and_release_or_deadline),
		cmocka_unit_test(progress_is_reported_once_a_second_and_one_at_a_time),
		cmocka_unit_test(refusals_of_disks_open_nothing_and_are_reported),
		cmocka_unit_test(a_disk_that_comes_late_is_settled_anew_and_opened),
		cmocka_unit_test(a_failure_is_reported_until_heard_then_lingers_then_boots_locally),
		cmocka_unit_test(a_failure_nobody_hears_ends_too),
		cmocka_unit_test(abort_stops_before_leave_and_is_too_late_after_it),
		cmocka_unit_test(an_installed_head_writes_nothing),
		cmocka_unit_test(finishing_that_was_not_made_images_again),
		cmocka_unit_test(a_failed_commit_is_not_finished),
		cmocka_unit_test(an_unreachable_server_lets_the_local_disk_boot),
		cmocka_unit_test(a_server_that_says_later_is_waited_for),
		cmocka_unit_test(inventory_local_and_rescue_end_without_touching_a_disk),
		cmocka_unit_test(without_a_network_it_lingers_and_reboots),
		cmocka_unit_test(random_inputs_never_skip_a_guard),
	};

	return cmocka_run_group_tests_name("agent_core", tests, NULL, NULL);
}
