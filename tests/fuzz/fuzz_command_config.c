/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a file of options: taken or refused with a place, and nothing read beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/command.h"
#include "tests/fuzz/check.h"

static struct {
	const char *name;
	struct option_texts list;
	uint64_t numbers[4];
	bool flag;
} got;

static const struct option_description options[] = {
	{"name", OPTION_TEXT, &got.name, "TEXT", ""},
	{"list", OPTION_TEXTS, &got.list, "TEXT", ""},
	{"count", OPTION_COUNT, &got.numbers[0], "N", ""},
	{"time", OPTION_DURATION, &got.numbers[1], "TIME", ""},
	{"size", OPTION_SIZE, &got.numbers[2], "SIZE", ""},
	{"rate", OPTION_RATE, &got.numbers[3], "RATE", ""},
	{"flag", OPTION_FLAG, &got.flag, NULL, ""},
	{0},
};
static const struct command_description description = {.options = options};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *argv[] = {(char *)(uintptr_t) "command", (char *)(uintptr_t) "--count",
		(char *)(uintptr_t) "7", NULL};
	char path[64];
	char *text = NULL;
	struct failure failure = {0};
	int file = memfd_create("config", MFD_CLOEXEC);

	CHECK(file >= 0);
	CHECK(write(file, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	memset(&got, 0, sizeof(got));
	if (command_config(&description, 3, argv, path, NULL, &text, &failure)) {
		/* The command line has it. */
		CHECK(got.numbers[0] == 0);
		CHECK(got.name == NULL || strlen(got.name) <= size);
		for (size_t i = 0; i < got.list.count; i++)
			CHECK(got.list.texts[i][0] != '\0' && strlen(got.list.texts[i]) <= size);
	} else {
		CHECK(failure.error != ERROR_NONE && failure.text[0] != '\0');
	}
	free(text);
	CHECK(close(file) == 0);
	return 0;
}
