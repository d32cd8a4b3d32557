/* SPDX-License-Identifier: Apache-2.0 */
/* Files of options: what they give, what the command line takes back, and where mistakes are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/command.h"

static char path[] = "/tmp/swarmboot-config-XXXXXX";

static struct {
	const char *name;
	struct option_texts list;
	uint64_t count;
	uint64_t seconds;
	uint64_t bytes;
	uint64_t bytes_per_s;
	bool flag;
} got;

static const struct option_description options[] = {
	{"name", OPTION_TEXT, &got.name, "TEXT", ""},
	{"list", OPTION_TEXTS, &got.list, "TEXT", ""},
	{"count", OPTION_COUNT, &got.count, "N", ""},
	{"time", OPTION_DURATION, &got.seconds, "TIME", ""},
	{"size", OPTION_SIZE, &got.bytes, "SIZE", ""},
	{"rate", OPTION_RATE, &got.bytes_per_s, "RATE", ""},
	{"flag", OPTION_FLAG, &got.flag, NULL, ""},
	{0},
};
static const struct command_description description = {.options = options};

static bool small_count(const struct option_description *option, struct failure *failure)
{
	return option->value != &got.count || got.count < 100 ||
	       failure_set(failure, ERROR_USAGE, "is too much");
}

/* Reads a file of so many bytes; argv is without a command's name. */
static bool read_bytes(const char *text, size_t bytes, int argc, char **argv, char **owned,
	struct failure *failure)
{
	FILE *file = fopen(path, "w");
	char *words[8] = {(char *)(uintptr_t) "command"};

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, bytes, file), bytes);
	assert_int_equal(fclose(file), 0);
	for (int i = 0; i < argc; i++)
		words[i + 1] = argv[i];
	memset(&got, 0, sizeof(got));
	*failure = (struct failure){0};
	return command_config(&description, argc + 1, words, path, small_count, owned, failure);
}

static bool read_text(const char *text, char **owned, struct failure *failure)
{
	return read_bytes(text, strlen(text), 0, NULL, owned, failure);
}

static void every_kind_of_option_is_taken(void **state)
{
	struct failure failure;
	char *owned;

	(void)state;
	assert_true(read_text("# a comment = none\n\n  name =  two words # no comment \r\n"
			      "list=a\nlist = b=c\ncount = 7\ntime = 2m\nsize = 1KiB\n"
			      "rate=8Mbit\nflag = yes",
		&owned, &failure));
	assert_string_equal(got.name, "two words # no comment");
	assert_int_equal(got.list.count, 2);
	assert_string_equal(got.list.texts[0], "a");
	assert_string_equal(got.list.texts[1], "b=c");
	assert_int_equal(got.count, 7);
	assert_int_equal(got.seconds, 120);
	assert_int_equal(got.bytes, 1024);
	assert_int_equal(got.bytes_per_s, 1000000);
	assert_true(got.flag);
	free(owned);
	assert_true(read_text("", &owned, &failure));
	free(owned);
	assert_true(read_text("flag = no\n", &owned, &failure));
	assert_false(got.flag);
	free(owned);
}

static void the_command_line_wins(void **state)
{
	char *argv[] = {(char *)(uintptr_t) "--list", (char *)(uintptr_t) "--count",
		(char *)(uintptr_t) "--name=x", (char *)(uintptr_t) "--",
		(char *)(uintptr_t) "--time"};
	const char *text = "list = a\nname = b\ncount = 5\ntime = 3\n";
	struct failure failure;
	char *owned;

	(void)state;
	assert_true(read_bytes(text, strlen(text), (int)ARRAY_COUNT(argv), argv, &owned, &failure));
	assert_int_equal(got.list.count, 0);
	assert_null(got.name);
	/* A value that looks like an option is none, nor is what follows the end of options. */
	assert_int_equal(got.count, 5);
	assert_int_equal(got.seconds, 3);
	free(owned);
}

static void mistakes_have_a_place(void **state)
{
	static const struct {
		const char *text;
		const char *said;
	} mistakes[] = {
		{"name = a\nnamed = b\n", ":2: unknown option \"named\""},
		{"name\n", ":1: not `name = value`: name"},
		{"= x", ":1: unknown option \"\""},
		{"\n\ncount = -1", ":3: count wants N, not \"-1\""},
		{"name =", ":1: name wants TEXT, not \"\""},
		{"list =", ":1: list wants TEXT"},
		{"time = soon", ":1: time wants TIME"},
		{"rate = 8", ":1: rate wants RATE"},
		{"flag = maybe", ":1: flag wants yes or no, not \"maybe\""},
		{"flag", ":1: not `name = value`"},
		{"count = 1\n#\ncount = 2", ":3: count was given on line 1 already"},
		{"name = a\ncount = 100", ":2: count: is too much"},
	};
	struct failure failure;
	char *owned;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(mistakes); i++) {
		assert_false(read_text(mistakes[i].text, &owned, &failure));
		assert_int_equal(failure.error, ERROR_USAGE);
		assert_int_equal(strncmp(failure.text, path, strlen(path)), 0);
		assert_int_equal(strncmp(failure.text + strlen(path), mistakes[i].said,
					 strlen(mistakes[i].said)),
			0);
		free(owned);
	}
}

static void lists_end_somewhere(void **state)
{
	struct failure failure;
	char text[OPTION_TEXTS_MAX * 10 + 20] = "";
	char *owned;

	(void)state;
	for (size_t i = 0; i < OPTION_TEXTS_MAX; i++)
		strcat(text, "list = a\n");
	assert_true(read_text(text, &owned, &failure));
	free(owned);
	strcat(text, "list = a\n");
	assert_false(read_text(text, &owned, &failure));
	free(owned);
}

static void what_is_no_text_is_refused(void **state)
{
	static char bytes[COMMAND_CONFIG_BYTES_MAX + 1];
	struct failure failure;
	char *owned;

	(void)state;
	memset(bytes, '\n', sizeof(bytes));
	assert_true(read_bytes(bytes, sizeof(bytes) - 1, 0, NULL, &owned, &failure));
	free(owned);
	assert_false(read_bytes(bytes, sizeof(bytes), 0, NULL, &owned, &failure));
	free(owned);
	bytes[10] = '\0';
	assert_false(read_bytes(bytes, 20, 0, NULL, &owned, &failure));
	free(owned);
	assert_int_equal(unlink(path), 0);
	char *words[] = {(char *)(uintptr_t) "command"};
	assert_false(command_config(&description, 1, words, path, NULL, &owned, &failure));
	free(owned);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_option_is_taken),
		cmocka_unit_test(the_command_line_wins),
		cmocka_unit_test(mistakes_have_a_place),
		cmocka_unit_test(lists_end_somewhere),
		cmocka_unit_test(what_is_no_text_is_refused),
	};
	int file = mkstemp(path);

	if (file < 0 || close(file) != 0)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	/* The last test has removed it, if all went well. */
	(void)unlink(path);
	return failed;
}
