/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the log: as text, and as objects that programs can read whatever is in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>

#include "lib/log.h"

static char tail[LOG_TAIL_BYTES + 1];

static int quiet(void **state)
{
	(void)state;
	log_set_descriptor(-1);
	return 0;
}

static int usual(void **state)
{
	(void)state;
	log_set_descriptor(2);
	log_set_format(LOG_FORMAT_TEXT);
	log_set_level(LOG_LEVEL_INFO);
	return 0;
}

/* The newest line, without its end. */
static char *newest(void)
{
	size_t length = log_tail(tail, sizeof(tail));

	assert_true(length > 1);
	assert_int_equal(tail[length - 1], '\n');
	tail[length - 1] = '\0';
	char *start = strrchr(tail, '\n');
	return start != NULL ? start + 1 : tail;
}

static json_t *newest_object(void)
{
	json_t *object = json_loads(newest(), 0, NULL);

	assert_true(json_is_object(object));
	return object;
}

static void assert_member(const json_t *object, const char *name, const char *value)
{
	const char *found = json_string_value(json_object_get(object, name));

	assert_non_null(found);
	assert_string_equal(found, value);
}

static void an_event_is_a_line_of_text(void **state)
{
	const struct log_field fields[] = {{"plain", "a-b:c"}, {"spaces", "a b"}, {"empty", ""},
		{"quoted", "say \"x=1\""}, {"lines", "a\nb"}};

	(void)state;
	log_event(LOG_LEVEL_WARNING, "happened", fields, ARRAY_COUNT(fields));
	assert_string_equal(strchr(newest(), ']'),
		"] warning: happened plain=a-b:c spaces=\"a b\" empty=\"\" "
		"quoted=\"say \\\"x=1\\\"\" lines=\"a\\u000ab\"");
}

static void lines_are_objects_when_asked_for(void **state)
{
	const struct log_field fields[] = {
		{"file", "/a \\ \"b\"\n\t\x01"}, {"count", "12"}, {"empty", ""}};

	(void)state;
	log_set_format(LOG_FORMAT_JSON);
	log_event(LOG_LEVEL_INFO, "happened", fields, ARRAY_COUNT(fields));
	json_t *object = newest_object();
	assert_member(object, "level", "info");
	assert_member(object, "event", "happened");
	assert_member(object, "file", "/a \\ \"b\"\n\t\x01");
	assert_member(object, "count", "12");
	assert_member(object, "empty", "");
	assert_int_equal(strlen(json_string_value(json_object_get(object, "time"))), 24);
	json_decref(object);

	log_error("%d \"quotes\"", 2);
	object = newest_object();
	assert_member(object, "level", "error");
	assert_member(object, "text", "2 \"quotes\"");
	assert_null(json_object_get(object, "event"));
	json_decref(object);
}

static void an_object_that_is_too_long_is_cut_and_whole(void **state)
{
	char value[3000];

	(void)state;
	log_set_format(LOG_FORMAT_JSON);
	/* Ends of every kind at the limit: characters that take one, two and six bytes. */
	for (size_t bytes = 880; bytes < 1000; bytes++)
		for (size_t kind = 0; kind < 3; kind++) {
			memset(value, "a\"\x7f"[kind], bytes);
			value[bytes] = '\0';
			const struct log_field fields[] = {
				{"first", "1"}, {"long", value}, {"next", "2"}, {"last", "3"}};

			log_event(LOG_LEVEL_INFO, "happened", fields, ARRAY_COUNT(fields));
			json_t *object = newest_object();
			assert_member(object, "first", "1");
			json_decref(object);
		}
	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	log_info("%s", value);
	assert_true(strlen(newest()) < 1024);
	json_decref(newest_object());
}

static void levels_hold_back_what_is_below(void **state)
{
	enum log_level level = LOG_LEVEL_DEBUG;

	(void)state;
	assert_true(log_level_parse("error", &level));
	assert_int_equal(level, LOG_LEVEL_ERROR);
	assert_false(log_level_parse("errors", &level));
	assert_false(log_level_parse("", &level));
	log_set_level(level);
	log_error("kept");
	log_event(LOG_LEVEL_WARNING, "dropped", NULL, 0);
	log_warning("dropped");
	assert_non_null(strstr(newest(), "kept"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_event_is_a_line_of_text, quiet, usual),
		cmocka_unit_test_setup_teardown(lines_are_objects_when_asked_for, quiet, usual),
		cmocka_unit_test_setup_teardown(
			an_object_that_is_too_long_is_cut_and_whole, quiet, usual),
		cmocka_unit_test_setup_teardown(levels_hold_back_what_is_below, quiet, usual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
