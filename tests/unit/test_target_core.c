/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing the one disk that may be overwritten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "initramfs/target_core.h"

#define S NS_PER_S

static struct report_disk disk(const char *name, const char *serial, uint64_t size_bytes)
{
	struct report_disk disk = {
		.size_bytes = size_bytes, .sector_bytes = 512, .eligible = true, .bus = "scsi"};

	strcpy(disk.name, name);
	strcpy(disk.serial, serial);
	return disk;
}

static struct target_rule rule_of(const struct report_disk *disk)
{
	struct target_rule rule = {
		.size_bytes = disk->size_bytes, .sector_bytes = disk->sector_bytes};

	strcpy(rule.serial, disk->serial);
	strcpy(rule.wwn, disk->wwn);
	return rule;
}

static enum error choose(const struct target_rule *rule, const struct report_disk *disks,
	uint32_t disks_count, uint64_t image_bytes, uint32_t *chosen, char *text)
{
	struct failure failure = {0};
	struct target_need need = {
		.rule = rule, .image_bytes = image_bytes, .image_sector_bytes = 512};

	*chosen = UINT32_MAX;
	if (target_choose(&need, disks, disks_count, chosen, &failure))
		return ERROR_NONE;
	assert_int_equal(*chosen, UINT32_MAX);
	if (text != NULL)
		strcpy(text, failure.text);
	return failure.error;
}

static void the_pinned_disk_is_chosen_among_others(void **state)
{
	(void)state;
	struct report_disk disks[] = {
		disk("sda", "A1", 10 * GIB), disk("sdb", "B2", 10 * GIB), disk("sdc", "", GIB)};
	struct target_rule rule = rule_of(&disks[1]);
	uint32_t chosen;

	assert_int_equal(choose(&rule, disks, 3, GIB, &chosen, NULL), ERROR_NONE);
	assert_int_equal(chosen, 1);
}

static void two_matches_are_refused_and_named(void **state)
{
	(void)state;
	struct report_disk disks[] = {disk("sda", "A1", GIB), disk("sdb", "A1", GIB)};
	struct target_rule rule = rule_of(&disks[0]);
	uint32_t chosen;
	char text[256];

	assert_int_equal(choose(&rule, disks, 2, GIB, &chosen, text), ERROR_DISK_AMBIGUOUS);
	assert_string_equal(text, "2 disks match serial A1 size 1073741824 sector 512: sda sdb");
	/* The twin: one of them has another serial. */
	strcpy(disks[1].serial, "A2");
	assert_int_equal(choose(&rule, disks, 2, GIB, &chosen, NULL), ERROR_NONE);
	assert_int_equal(chosen, 0);
}

static void no_disk_is_refused(void **state)
{
	(void)state;
	struct report_disk disks[] = {disk("sda", "A1", GIB)};
	struct target_rule rule = rule_of(&disks[0]);
	uint32_t chosen;
	char text[256];

	assert_int_equal(choose(&rule, disks, 0, GIB, &chosen, NULL), ERROR_DISK_NONE);
	strcpy(rule.serial, "other");
	assert_int_equal(choose(&rule, disks, 1, GIB, &chosen, text), ERROR_DISK_NONE);
	assert_non_null(strstr(text, "serial other"));
}

static void what_is_not_eligible_never_matches(void **state)
{
	(void)state;
	struct report_disk disks[] = {disk("sda", "A1", GIB), disk("sdb", "B1", GIB)};
	struct target_rule any = {0};
	uint32_t chosen;

	assert_int_equal(choose(&any, disks, 2, GIB, &chosen, NULL), ERROR_DISK_AMBIGUOUS);
	disks[0].eligible = false;
	assert_int_equal(choose(&any, disks, 2, GIB, &chosen, NULL), ERROR_NONE);
	assert_int_equal(chosen, 1);
	disks[1].eligible = false;
	assert_int_equal(choose(&any, disks, 2, GIB, &chosen, NULL), ERROR_DISK_NONE);
}

static void a_sector_too_small_is_refused(void **state)
{
	(void)state;
	struct report_disk disks[] = {disk("sda", "A1", GIB - 512)};
	struct target_rule rule = rule_of(&disks[0]);
	uint32_t chosen;

	assert_int_equal(choose(&rule, disks, 1, GIB, &chosen, NULL), ERROR_DISK_TOO_SMALL);
	assert_int_equal(choose(&rule, disks, 1, GIB - 512, &chosen, NULL), ERROR_NONE);
	/* Also when the pinned size is what it lacks. */
	rule.size_bytes = GIB;
	assert_int_equal(choose(&rule, disks, 1, MIB, &chosen, NULL), ERROR_DISK_TOO_SMALL);
	/* A larger one is not the disk that was armed. */
	rule.size_bytes = GIB - 1024;
	assert_int_equal(choose(&rule, disks, 1, MIB, &chosen, NULL), ERROR_DISK_NONE);
}

static void another_sector_size_is_refused(void **state)
{
	(void)state;
	struct report_disk disks[] = {disk("sda", "A1", GIB)};
	struct target_rule rule = rule_of(&disks[0]);
	uint32_t chosen;

	rule.sector_bytes = 4096;
	assert_int_equal(choose(&rule, disks, 1, MIB, &chosen, NULL), ERROR_DISK_SECTOR_SIZE);
	/* The rule allows it, the image does not. */
	rule.sector_bytes = 0;
	disks[0].sector_bytes = 4096;
	assert_int_equal(choose(&rule, disks, 1, MIB, &chosen, NULL), ERROR_DISK_SECTOR_SIZE);
	disks[0].sector_bytes = 512;
	assert_int_equal(choose(&rule, disks, 1, MIB, &chosen, NULL), ERROR_NONE);
}

static void paths_with_one_wwn_are_one_disk(void **state)
{
	(void)state;
	struct report_disk disks[] = {disk("sda", "A1", GIB), disk("sdb", "A1", GIB)};
	uint32_t chosen;

	strcpy(disks[0].wwn, "naa.5000");
	strcpy(disks[1].wwn, "naa.5000");
	struct target_rule rule = rule_of(&disks[0]);

	assert_int_equal(choose(&rule, disks, 2, GIB, &chosen, NULL), ERROR_NONE);
	assert_int_equal(chosen, 0);
	/* A path that may not be written is no reason to skip the one that may. */
	disks[0].eligible = false;
	assert_int_equal(choose(&rule, disks, 2, GIB, &chosen, NULL), ERROR_NONE);
	assert_int_equal(chosen, 1);
	/* One WWN but two serials: somebody lies, so nothing is assumed. */
	disks[0].eligible = true;
	strcpy(disks[1].serial, "A2");
	rule.serial[0] = '\0';
	assert_int_equal(choose(&rule, disks, 2, GIB, &chosen, NULL), ERROR_DISK_AMBIGUOUS);
}

static void disks_must_be_the_same_for_the_whole_time(void **state)
{
	(void)state;
	struct report_disk disks[] = {disk("sda", "A1", GIB), disk("sdb", "B1", GIB)};
	struct target_watch watch;

	target_watch_start(&watch, 100 * S, 10 * S);
	for (uint64_t now_ns = 100 * S; now_ns < 110 * S; now_ns += S)
		assert_int_equal(target_watch_disks(&watch, now_ns, disks, 1, false), TARGET_WAIT);
	/* A second disk in the last moment starts the time anew. */
	for (uint64_t now_ns = 110 * S; now_ns < 120 * S; now_ns += S)
		assert_int_equal(target_watch_disks(&watch, now_ns, disks, 2, false), TARGET_WAIT);
	assert_int_equal(target_watch_disks(&watch, 120 * S, disks, 2, false), TARGET_SETTLED);
	/* So does another size. */
	disks[1].size_bytes++;
	assert_int_equal(target_watch_disks(&watch, 121 * S, disks, 2, false), TARGET_WAIT);
	assert_int_equal(target_watch_disks(&watch, 131 * S, disks, 2, false), TARGET_SETTLED);
}

static void probing_holds_the_time_back_but_not_for_ever(void **state)
{
	(void)state;
	struct report_disk disks[] = {disk("sda", "A1", GIB)};
	struct target_watch watch;
	uint64_t now_ns = 0;

	target_watch_start(&watch, now_ns, 10 * S);
	while (target_watch_disks(&watch, now_ns, disks, 1, true) == TARGET_WAIT)
		now_ns += S;
	assert_in_range(now_ns, TARGET_PROBING_NS_MAX, TARGET_PROBING_NS_MAX + 10 * S);
}

static void disks_that_never_rest_are_refused(void **state)
{
	(void)state;
	struct report_disk disks[] = {disk("sda", "A1", GIB)};
	struct target_watch watch;
	uint64_t now_ns = 0;
	enum target_verdict verdict;

	target_watch_start(&watch, now_ns, 10 * S);
	do {
		now_ns += S;
		disks[0].size_bytes++;
		verdict = target_watch_disks(&watch, now_ns, disks, 1, false);
	} while (verdict == TARGET_WAIT);
	assert_int_equal(verdict, TARGET_RESTLESS);
	assert_int_equal(now_ns, TARGET_CHANGING_NS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_pinned_disk_is_chosen_among_others),
		cmocka_unit_test(two_matches_are_refused_and_named),
		cmocka_unit_test(no_disk_is_refused),
		cmocka_unit_test(what_is_not_eligible_never_matches),
		cmocka_unit_test(a_sector_too_small_is_refused),
		cmocka_unit_test(another_sector_size_is_refused),
		cmocka_unit_test(paths_with_one_wwn_are_one_disk),
		cmocka_unit_test(disks_must_be_the_same_for_the_whole_time),
		cmocka_unit_test(probing_holds_the_time_back_but_not_for_ever),
		cmocka_unit_test(disks_that_never_rest_are_refused),
	};

	return cmocka_run_group_tests_name("target_core", tests, NULL, NULL);
}
