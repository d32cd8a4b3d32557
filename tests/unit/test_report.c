/* SPDX-License-Identifier: Apache-2.0 */
/* Reports and replies: there and back with every field at its limit, cut, bent, from strangers. */
#include "tests/unit/canonical.h"
#include "wire/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct report report;
static struct report got;
static uint8_t bytes[REPORT_BYTES_MAX];
static size_t bytes_count;
static char log_text[REPORT_LOG_MAX + 10];

#define FILL(text) (memset(text, 'x', sizeof(text) - 1), (text)[sizeof(text) - 1] = '\0')

static void make_largest(void)
{
	memset(&report, 0, sizeof(report));
	report.event = REPORT_FAILED;
	FILL(report.node);
	FILL(report.uuid);
	FILL(report.serial);
	FILL(report.text);
	report.boot_id = report.sequence = report.arm = UINT64_MAX;
	report.stage = STAGE_DONE;
	report.uptime_ms = UINT64_MAX;
	report.bytes_total = UINT64_MAX;
	report.bytes_durable = UINT64_MAX - 1;
	report.bytes_zero = UINT64_MAX - 2;
	report.bytes_present = UINT64_MAX - 3;
	report.bytes_received = UINT64_MAX - 4;
	report.bytes_from_origin = UINT64_MAX - 5;
	report.bytes_sent = UINT64_MAX - 6;
	report.bytes_wasted = UINT64_MAX - 7;
	report.readback_bytes = UINT64_MAX - 8;
	report.memory_resident_bytes = UINT64_MAX - 9;
	report.peers_count = UINT32_MAX;
	memset(report.head_tail_sha256, 0xff, SHA256_BYTES);
	report.error = (enum error)(ERRORS_COUNT - 1);
	memset(log_text, 'l', sizeof(log_text));
	report.log = log_text;
	report.log_bytes = REPORT_LOG_MAX;
	report.disks_count = REPORT_DISKS_MAX;
	for (uint32_t i = 0; i < REPORT_DISKS_MAX; i++) {
		struct report_disk *disk = &report.disks[i];

		FILL(disk->name);
		FILL(disk->model);
		FILL(disk->serial);
		FILL(disk->wwn);
		FILL(disk->bus);
		FILL(disk->why_not);
		disk->size_bytes = UINT64_MAX - i;
		disk->sector_bytes = UINT32_MAX - i;
		disk->physical_sector_bytes = UINT32_MAX;
		disk->eligible = i % 2 != 0;
	}
	report.functions_count = REPORT_FUNCTIONS_MAX;
	for (uint32_t i = 0; i < REPORT_FUNCTIONS_MAX; i++)
		FILL(report.functions_without_driver[i]);
	report.firmware_uefi = true;
	bytes_count = report_write(&report, bytes, sizeof(bytes));
	assert_true(bytes_count > 0);
}

static void assert_same_disk(const struct report_disk *a, const struct report_disk *b)
{
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->model, b->model);
	assert_string_equal(a->serial, b->serial);
	assert_string_equal(a->wwn, b->wwn);
	assert_string_equal(a->bus, b->bus);
	assert_string_equal(a->why_not, b->why_not);
	assert_true(a->size_bytes == b->size_bytes);
	assert_int_equal(a->sector_bytes, b->sector_bytes);
	assert_int_equal(a->physical_sector_bytes, b->physical_sector_bytes);
	assert_int_equal(a->eligible, b->eligible);
}

static void assert_same(const struct report *a, const struct report *b)
{
	assert_int_equal(a->event, b->event);
	assert_string_equal(a->node, b->node);
	assert_string_equal(a->uuid, b->uuid);
	assert_string_equal(a->serial, b->serial);
	assert_string_equal(a->text, b->text);
	assert_true(a->boot_id == b->boot_id && a->sequence == b->sequence && a->arm == b->arm);
	assert_int_equal(a->stage, b->stage);
	assert_true(a->uptime_ms == b->uptime_ms);
	assert_true(a->bytes_total == b->bytes_total && a->bytes_durable == b->bytes_durable &&
		    a->bytes_zero == b->bytes_zero && a->bytes_present == b->bytes_present);
	assert_true(a->bytes_received == b->bytes_received &&
		    a->bytes_from_origin == b->bytes_from_origin &&
		    a->bytes_sent == b->bytes_sent && a->bytes_wasted == b->bytes_wasted);
	assert_true(a->readback_bytes == b->readback_bytes &&
		    a->memory_resident_bytes == b->memory_resident_bytes);
	assert_int_equal(a->peers_count, b->peers_count);
	assert_memory_equal(a->head_tail_sha256, b->head_tail_sha256, SHA256_BYTES);
	assert_int_equal(a->error, b->error);
	assert_int_equal(a->log_bytes, b->log_bytes);
	if (a->log_bytes > 0)
		assert_memory_equal(a->log, b->log, a->log_bytes);
	assert_int_equal(a->disks_count, b->disks_count);
	for (uint32_t i = 0; i < a->disks_count; i++)
		assert_same_disk(&a->disks[i], &b->disks[i]);
	assert_int_equal(a->functions_count, b->functions_count);
	for (uint32_t i = 0; i < a->functions_count; i++)
		assert_string_equal(a->functions_without_driver[i], b->functions_without_driver[i]);
	assert_int_equal(a->firmware_uefi, b->firmware_uefi);
}

static void round_trip_at_the_limits(void **state)
{
	(void)state;
	make_largest();
	assert_true(bytes_are_canonical(bytes, bytes_count));
	assert_true(report_parse(&got, bytes, bytes_count, NULL));
	assert_same(&got, &report);
	memset(&report, 0, sizeof(report));
	for (int stage = 0; stage < STAGES_COUNT; stage++) {
		report.stage = (enum report_stage)stage;
		report.event = (enum report_event)(stage % (REPORT_FAILED + 1));
		report.error = (enum error)(stage % ERRORS_COUNT);
		bytes_count = report_write(&report, bytes, sizeof(bytes));
		assert_true(report_parse(&got, bytes, bytes_count, NULL));
		assert_same(&got, &report);
	}
}

static void writing_needs_room_and_sane_counts(void **state)
{
	(void)state;
	make_largest();
	size_t whole = bytes_count;

	for (size_t capacity = 0; capacity < whole; capacity += 101) {
		uint8_t *exact = malloc(capacity == 0 ? 1 : capacity);

		assert_non_null(exact);
		assert_int_equal(report_write(&report, exact, capacity), 0);
		free(exact);
	}
	assert_int_equal(report_write(&report, bytes, whole - 1), 0);
	report.disks_count++;
	assert_int_equal(report_write(&report, bytes, sizeof(bytes)), 0);
	report.disks_count--;
	report.functions_count++;
	assert_int_equal(report_write(&report, bytes, sizeof(bytes)), 0);
	report.functions_count--;
	report.stage = STAGES_COUNT;
	assert_int_equal(report_write(&report, bytes, sizeof(bytes)), 0);
	report.stage = STAGE_SEED;
	report.event = (enum report_event)(REPORT_FAILED + 1);
	assert_int_equal(report_write(&report, bytes, sizeof(bytes)), 0);
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	make_largest();
	report.disks_count = 2;
	report.log_bytes = 100;
	bytes_count = report_write(&report, bytes, sizeof(bytes));
	for (size_t cut = 0; cut < bytes_count; cut++) {
		struct failure failure = {.error = ERROR_NONE};
		uint8_t *copy = malloc(cut == 0 ? 1 : cut);

		assert_non_null(copy);
		memcpy(copy, bytes, cut);
		assert_false(report_parse(&got, copy, cut, &failure));
		assert_int_equal(failure.error, ERROR_FORMAT);
		free(copy);
	}
}

static void a_long_log_keeps_its_newest_part(void **state)
{
	(void)state;
	make_largest();
	memcpy(log_text, "oldest", 6);
	memcpy(log_text + sizeof(log_text) - 6, "newest", 6);
	report.log_bytes = sizeof(log_text);
	bytes_count = report_write(&report, bytes, sizeof(bytes));
	assert_true(report_parse(&got, bytes, bytes_count, NULL));
	assert_int_equal(got.log_bytes, REPORT_LOG_MAX);
	assert_memory_equal(got.log + REPORT_LOG_MAX - 6, "newest", 6);
	assert_true(got.log[0] == 'l');
}

static void texts_become_printable(void **state)
{
	(void)state;
	memset(&report, 0, sizeof(report));
	strcpy(report.text, "red \033[31m text\n\xc3\xa4");
	report.disks_count = 1;
	strcpy(report.disks[0].model, "tab\there");
	report.functions_count = 1;
	strcpy(report.functions_without_driver[0], "\x7f");
	bytes_count = report_write(&report, bytes, sizeof(bytes));
	assert_true(report_parse(&got, bytes, bytes_count, NULL));
	assert_string_equal(got.text, "red ?[31m text???");
	assert_string_equal(got.disks[0].model, "tab?here");
	assert_string_equal(got.functions_without_driver[0], "?");
}

/* Replaces one occurrence of a text by another and parses. */
static enum error parse_with(const char *old, const char *new)
{
	static uint8_t bent[4096];
	size_t old_bytes = strlen(old);
	size_t new_bytes = strlen(new);
	struct failure failure = {.error = ERROR_NONE};

	for (size_t at = 0; at + old_bytes <= bytes_count; at++)
		if (memcmp(bytes + at, old, old_bytes) == 0) {
			memcpy(bent, bytes, at);
			memcpy(bent + at, new, new_bytes);
			memcpy(bent + at + new_bytes, bytes + at + old_bytes,
				bytes_count - at - old_bytes);
			bool good = report_parse(
				&got, bent, bytes_count - old_bytes + new_bytes, &failure);
			assert_int_equal(good, failure.error == ERROR_NONE);
			return failure.error;
		}
	fail_msg("no %s in the report", old);
	return ERROR_NONE;
}

static void bad_values_are_refused(void **state)
{
	(void)state;
	memset(&report, 0, sizeof(report));
	report.disks_count = 1;
	strcpy(report.disks[0].name, "sda");
	bytes_count = report_write(&report, bytes, sizeof(bytes));
	assert_int_equal(parse_with("7:versioni1e", "7:versioni2e"), ERROR_UNSUPPORTED);
	assert_int_equal(parse_with("5:hello", "5:hullo"), ERROR_FORMAT);
	assert_int_equal(parse_with("5:stage5:agent", "5:stage5:agant"), ERROR_FORMAT);
	assert_int_equal(parse_with("5:stage5:agent", "5:stagei0e"), ERROR_FORMAT);
	assert_int_equal(parse_with("4:uefii0e", "4:uefii2e"), ERROR_FORMAT);
	assert_int_equal(parse_with("5:peersi0e", "5:peersi4294967296e"), ERROR_FORMAT);
	assert_int_equal(parse_with("10:bytes sent", "10:bytes zent"), ERROR_FORMAT);
	assert_int_equal(parse_with("4:name3:sda", "4:namei1e"), ERROR_FORMAT);
	assert_int_equal(parse_with("4:name3:sda", "4:name32:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		ERROR_FORMAT);
	assert_int_equal(parse_with("5:disksl", "5:diskslle"), ERROR_FORMAT);
	assert_int_equal(parse_with("driverle", "driverli1ee"), ERROR_FORMAT);
	assert_int_equal(parse_with("driverle", "driverl64:"
						"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
						"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaae"),
		ERROR_FORMAT);
	assert_int_equal(parse_with("3:log0:", "3:logle"), ERROR_FORMAT);
	assert_int_equal(parse_with("5:error4:none", "5:errorle"), ERROR_FORMAT);
}

static void an_unknown_error_name_is_system(void **state)
{
	(void)state;
	memset(&report, 0, sizeof(report));
	bytes_count = report_write(&report, bytes, sizeof(bytes));
	assert_int_equal(parse_with("5:error4:none", "5:error7:from-4x"), ERROR_NONE);
	assert_int_equal(got.error, ERROR_SYSTEM);
}

static void lists_above_their_limits_are_refused(void **state)
{
	static uint8_t text[REPORT_BYTES_MAX];
	static const char *const lists[] = {"disks", "functions without driver"};

	(void)state;
	make_largest();
	for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
		struct ben dict;
		struct ben list;
		struct ben first;
		const uint8_t *position = NULL;

		assert_true(ben_parse(&dict, bytes, bytes_count, NULL));
		assert_true(ben_get(&dict, lists[i], &list));
		assert_true(ben_list_next(&list, &position, &first));
		size_t head = (size_t)(first.end - bytes);
		size_t more = (size_t)(first.end - first.start);

		memcpy(text, bytes, head);
		memcpy(text + head, first.start, more);
		memcpy(text + head + more, first.end, bytes_count - head);
		assert_false(report_parse(&got, text, bytes_count + more, NULL));
	}
}

static void replies(void **state)
{
	struct report_reply reply = {.acknowledged = true, .retry_ms = UINT64_MAX};
	struct report_reply back;
	uint8_t text[1024];

	(void)state;
	FILL(reply.text);
	for (int flags = 0; flags < 8; flags++) {
		reply.acknowledged = flags & 1;
		reply.release = flags & 2;
		reply.abort = flags & 4;
		size_t length = report_reply_write(&reply, text, sizeof(text));

		assert_true(length > 0 && bytes_are_canonical(text, length));
		assert_true(report_reply_parse(&back, text, length));
		assert_int_equal(back.acknowledged, reply.acknowledged);
		assert_int_equal(back.release, reply.release);
		assert_int_equal(back.abort, reply.abort);
		assert_true(back.retry_ms == UINT64_MAX);
		assert_string_equal(back.text, reply.text);
		for (size_t cut = 0; cut < length; cut++) {
			uint8_t *copy = malloc(cut == 0 ? 1 : cut);

			assert_non_null(copy);
			memcpy(copy, text, cut);
			assert_false(report_reply_parse(&back, copy, cut));
			assert_int_equal(report_reply_write(&reply, copy, cut), 0);
			free(copy);
		}
	}
	assert_false(report_reply_parse(&back, (const uint8_t *)"de", 2));
}

static void stages_have_names(void **state)
{
	(void)state;
	assert_string_equal(stage_name(STAGE_AGENT), "agent");
	assert_string_equal(stage_name(STAGE_DONE), "done");
	assert_string_equal(stage_name(STAGES_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip_at_the_limits),
		cmocka_unit_test(writing_needs_room_and_sane_counts),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(a_long_log_keeps_its_newest_part),
		cmocka_unit_test(texts_become_printable),
		cmocka_unit_test(bad_values_are_refused),
		cmocka_unit_test(an_unknown_error_name_is_system),
		cmocka_unit_test(lists_above_their_limits_are_refused),
		cmocka_unit_test(replies),
		cmocka_unit_test(stages_have_names),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
