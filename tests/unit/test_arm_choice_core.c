/* SPDX-License-Identifier: Apache-2.0 */
/* Which disk an arm pins; and the sentences about nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "server/arm_choice_core.h"
#include "server/situation.h"

#define MINUTE ((uint64_t)60000)

static struct report_disk disk(const char *serial, const char *wwn, uint64_t size_bytes)
{
	struct report_disk disk = {.size_bytes = size_bytes, .sector_bytes = 512, .eligible = true};

	snprintf(disk.serial, sizeof(disk.serial), "%s", serial);
	snprintf(disk.wwn, sizeof(disk.wwn), "%s", wwn);
	return disk;
}

static struct arm_wish usual(void)
{
	return (struct arm_wish){.disk = "", .image_bytes = 1000, .image_sector_bytes = 512};
}

static void assert_refused(const struct arm_wish *wish, const struct report_disk *disks,
	uint32_t disks_count, enum error error)
{
	struct target_rule target;
	struct failure failure = {0};

	assert_false(arm_choose(&target, wish, disks, disks_count, &failure));
	assert_string_equal(error_name(failure.error), error_name(error));
}

static void the_only_disk_is_pinned_whole(void **state)
{
	struct report_disk disks[] = {disk("A", "0x5", 1000), disk("B", "", 5000)};
	struct arm_wish wish = usual();
	struct target_rule target;

	(void)state;
	disks[1].eligible = false;
	assert_true(arm_choose(&target, &wish, disks, 2, NULL));
	assert_string_equal(target.serial, "A");
	assert_string_equal(target.wwn, "0x5");
	assert_int_equal(target.size_bytes, 1000);
	assert_int_equal(target.sector_bytes, 512);
}

static void several_disks_need_a_name(void **state)
{
	struct report_disk disks[] = {disk("A", "", 500), disk("B", "0x6", 5000)};
	struct arm_wish wish = usual();
	struct target_rule target;

	(void)state;
	/* Even though only one of them is large enough. */
	assert_refused(&wish, disks, 2, ERROR_DISK_AMBIGUOUS);
	wish.disk = "B";
	assert_true(arm_choose(&target, &wish, disks, 2, NULL));
	assert_string_equal(target.serial, "B");
	wish.disk = "0x6";
	assert_true(arm_choose(&target, &wish, disks, 2, NULL));
	wish.disk = "C";
	assert_refused(&wish, disks, 2, ERROR_DISK_NONE);
	wish.disk = "A";
	assert_refused(&wish, disks, 2, ERROR_DISK_TOO_SMALL);
}

static void what_does_not_fit_is_refused(void **state)
{
	struct report_disk disks[] = {disk("A", "", 999)};
	struct arm_wish wish = usual();

	(void)state;
	assert_refused(&wish, disks, 0, ERROR_DISK_NONE);
	assert_refused(&wish, disks, 1, ERROR_DISK_TOO_SMALL);
	disks[0] = disk("A", "", 1000);
	disks[0].sector_bytes = 4096;
	assert_refused(&wish, disks, 1, ERROR_DISK_SECTOR_SIZE);
	disks[0] = disk("", "", 1000);
	assert_refused(&wish, disks, 1, ERROR_DISK_NONE);
	disks[0] = disk("A", "", 1000);
	disks[0].eligible = false;
	assert_refused(&wish, disks, 1, ERROR_DISK_NONE);
	wish.disk = "A";
	assert_refused(&wish, disks, 1, ERROR_DISK_NONE);
	disks[0].eligible = true;
	wish.size_bytes = 2000;
	assert_refused(&wish, disks, 1, ERROR_DISK_NONE);
	wish.size_bytes = 1000;
	wish.sector_bytes = 4096;
	assert_refused(&wish, disks, 1, ERROR_DISK_SECTOR_SIZE);
}

static void twins_are_refused(void **state)
{
	struct report_disk disks[] = {disk("A", "", 1000), disk("A", "", 1000)};
	struct arm_wish wish = usual();

	(void)state;
	wish.disk = "A";
	assert_refused(&wish, disks, 2, ERROR_DISK_AMBIGUOUS);
}

static void paths_to_one_disk_are_no_twins(void **state)
{
	struct report_disk disks[] = {
		disk("A", "naa.5", 1000), disk("A", "naa.5", 1000), disk("A", "naa.5", 1000)};
	struct arm_wish wish = usual();
	struct target_rule target;

	(void)state;
	assert_true(arm_choose(&target, &wish, disks, 3, NULL));
	assert_string_equal(target.wwn, "naa.5");
	/* One name, but not one disk. */
	disks[2].size_bytes = 2000;
	assert_refused(&wish, disks, 3, ERROR_DISK_AMBIGUOUS);
	disks[2] = disk("B", "naa.5", 1000);
	assert_refused(&wish, disks, 3, ERROR_DISK_AMBIGUOUS);
}

static void without_inventory_everything_must_be_given(void **state)
{
	struct arm_wish wish = usual();
	struct target_rule target;

	(void)state;
	assert_false(arm_pin(&target, &wish, NULL));
	wish.disk = "A";
	assert_false(arm_pin(&target, &wish, NULL));
	wish.size_bytes = 1000;
	assert_true(arm_pin(&target, &wish, NULL));
	assert_string_equal(target.serial, "A");
	assert_string_equal(target.wwn, "");
	assert_int_equal(target.sector_bytes, 512);
	wish.disk = "naa.5000";
	assert_true(arm_pin(&target, &wish, NULL));
	assert_string_equal(target.wwn, "naa.5000");
	assert_string_equal(target.serial, "");
	wish.size_bytes = 999;
	assert_false(arm_pin(&target, &wish, NULL));
	wish.size_bytes = 1000;
	wish.sector_bytes = 4096;
	assert_false(arm_pin(&target, &wish, NULL));
}

static void assert_situation(
	const struct node *node, uint64_t now_ms, const char *wanted, bool wanted_late)
{
	char text[SITUATION_TEXT_MAX];
	bool late = node_situation(node, now_ms, text);

	assert_string_equal(text, wanted);
	assert_int_equal(late, wanted_late);
}

static void what_never_came_is_said(void **state)
{
	struct node node;
	struct arm arm = {.number = 1, .armed_ms = MINUTE, .expires_ms = 1000 * MINUTE};

	(void)state;
	node_init(&node, "52:54:00:00:00:01", MINUTE);
	node_mark(&node, MARK_DHCP, MINUTE);
	assert_situation(&node, MINUTE + 5000, "address asked for 5 s ago", false);
	assert_situation(
		&node, 3 * MINUTE, "address asked for 2 min 0 s ago, script never asked for", true);
	assert_true(node_arm(&node, &arm, MINUTE, NULL));
	memset(node.marks_ms, 0, sizeof(node.marks_ms));
	assert_situation(&node, MINUTE + 1000, "armed 1 s ago, to be booted", false);
	assert_situation(&node, 4 * MINUTE,
		"armed 3 min 0 s ago, never booted from the network since", true);
	node_mark(&node, MARK_SCRIPT, 5 * MINUTE);
	assert_situation(
		&node, 7 * MINUTE, "script handed out 2 min 0 s ago, kernel never fetched", true);
	node_mark(&node, MARK_KERNEL, 5 * MINUTE);
	assert_situation(&node, 8 * MINUTE, "kernel fetched 3 min 0 s ago", false);
	assert_situation(&node, 8 * MINUTE + 1000,
		"kernel fetched 3 min 1 s ago, agent never reported", true);
	node_mark(&node, MARK_AGENT, 6 * MINUTE);
	assert_situation(
		&node, 8 * MINUTE, "agent reported 2 min 0 s ago, plan never asked for", true);
	node_mark(&node, MARK_PLAN, 8 * MINUTE);
	assert_situation(&node, 8 * MINUTE + 1000, "starting", false);
	assert_situation(&node, 9 * MINUTE, "silent for 1 min 0 s (starting)", true);
	node.state = NODE_IMAGING;
	node.progress.stage = STAGE_FETCH;
	node.last_contact_ms = 9 * MINUTE;
	assert_situation(&node, 9 * MINUTE, "fetching", false);
	node.state = NODE_FAILED;
	node.error = ERROR_DISK_NONE;
	snprintf(node.error_text, sizeof(node.error_text), "no disk");
	assert_situation(&node, 9 * MINUTE, "disk-none: no disk", true);
	node.state = NODE_DONE;
	node.arm.ended_ms = 8 * MINUTE;
	assert_situation(&node, 9 * MINUTE, "done 1 min 0 s ago", false);
}

static void eta_needs_a_rate(void **state)
{
	struct node node;

	(void)state;
	node_init(&node, "52:54:00:00:00:01", MINUTE);
	node.state = NODE_IMAGING;
	assert_true(node_eta_s(&node) == UINT64_MAX);
	node.progress.bytes_total = 1000;
	node.progress.bytes_durable = 400;
	node.progress.rate_bytes_per_s = 100;
	assert_int_equal(node_eta_s(&node), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_only_disk_is_pinned_whole),
		cmocka_unit_test(several_disks_need_a_name),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(twins_are_refused),
		cmocka_unit_test(paths_to_one_disk_are_no_twins),
		cmocka_unit_test(without_inventory_everything_must_be_given),
		cmocka_unit_test(what_never_came_is_said),
		cmocka_unit_test(eta_needs_a_rate),
	};

	return cmocka_run_group_tests_name("arm_choice_core", tests, NULL, NULL);
}
