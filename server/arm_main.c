/* SPDX-License-Identifier: Apache-2.0 */
/* `swarmboot arm` and `swarmboot disarm`. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/commands.h"
#include "lib/units.h"
#include "server/client.h"

#define NODES_OPERANDS_MAX 4096

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

static json_t *names_json(const char **operands, size_t operands_count)
{
	json_t *names = json_array();

	for (size_t i = 0; i < operands_count; i++)
		(void)json_array_append_new(names, json_string(operands[i]));
	return names;
}

/* Either names or --all. */
static bool selection_check(bool all, size_t operands_count, struct failure *failure)
{
	if (all && operands_count > 0)
		return failure_set(failure, ERROR_USAGE, "either NODE... or --all, not both");
	if (!all && operands_count == 0)
		return failure_set(failure, ERROR_USAGE, "which node? NODE... or --all");
	return true;
}

static void armed_print(const json_t *result)
{
	const json_t *arm = json_object_get(result, "arm");
	char size[UNITS_TEXT_MAX];
	const char *serial = text_of(arm, "target_serial");

	printf("%s armed: %s onto disk %s (%s)\n", text_of(result, "node"), text_of(arm, "image"),
		serial[0] != '\0' ? serial : text_of(arm, "target_wwn"),
		size_format(
			size, (uint64_t)json_integer_value(json_object_get(arm, "target_bytes"))));
}

/* Prints a line a node; the exit status says whether all of them went well. */
static int results_print(
	const char *command, json_t *answer, bool json, void (*print_good)(const json_t *result))
{
	const json_t *results = json_object_get(answer, "results");
	size_t refused = 0;

	for (size_t i = 0; i < json_array_size(results); i++) {
		const json_t *result = json_array_get(results, i);

		if (json_is_true(json_object_get(result, "ok"))) {
			if (!json)
				print_good(result);
			continue;
		}
		refused++;
		fprintf(stderr, "swarmboot %s: %s: %s\n", command, text_of(result, "node"),
			text_of(result, "text"));
		disks_print(stderr, json_object_get(result, "disks"));
	}
	if (json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (json_array_size(results) == 0) {
		fprintf(stderr, "swarmboot %s: no machine is known yet\n", command);
	}
	int status = refused > 0 || json_array_size(results) == 0 ? EXIT_FAILED : EXIT_OK;

	json_decref(answer);
	return status;
}

struct arm_options {
	bool all;
	bool json;
	const char *image;
	const char *disk;
	uint64_t size_bytes;
	uint64_t sector_bytes;
	uint64_t expires_s;
	const char *end;
	const char *state;
};

static json_t *arm_request(
	const struct arm_options *options, const char **operands, size_t operands_count)
{
	return json_pack("{s:b, s:o, s:s, s:s, s:I, s:I, s:I, s:s}", "all", options->all, "nodes",
		names_json(operands, operands_count), "image", options->image, "disk",
		options->disk != NULL ? options->disk : "", "size_bytes",
		(json_int_t)u64_min(options->size_bytes, INT64_MAX), "sector_bytes",
		(json_int_t)u64_min(options->sector_bytes, INT64_MAX), "expires_s",
		(json_int_t)u64_min(options->expires_s, INT64_MAX), "end",
		options->end != NULL ? options->end : "");
}

int arm_main(int argc, char **argv)
{
	static const char *operands[NODES_OPERANDS_MAX];
	struct arm_options wanted = {0};
	const struct option_description options[] = {
		{"image", OPTION_TEXT, &wanted.image, "NAME", "the image to write"},
		{"all", OPTION_FLAG, &wanted.all, NULL, "every known machine"},
		{"disk", OPTION_TEXT, &wanted.disk, "SERIAL|WWN",
			"which disk, when there are several"},
		{"size", OPTION_SIZE, &wanted.size_bytes, "SIZE",
			"the disk's exact size, for a machine without inventory"},
		{"sector-size", OPTION_SIZE, &wanted.sector_bytes, "SIZE",
			"the disk's logical sector size (the image's)"},
		{"expires", OPTION_DURATION, &wanted.expires_s, "TIME",
			"forget it when not begun by then (24h)"},
		{"end", OPTION_TEXT, &wanted.end, "reboot|poweroff|stay",
			"what the machine does when done (reboot)"},
		{"json", OPTION_FLAG, &wanted.json, NULL, "print the server's answer"},
		{"state", OPTION_TEXT, &wanted.state, "DIR", "state directory of the server"},
		{NULL, OPTION_FLAG, NULL, NULL, NULL},
	};
	const struct command_description description = {
		.usage = "swarmboot arm NODE...|--all --image NAME [option...]",
		.about = "Allows each machine to be overwritten with the image, once, at its next "
			 "boot\n"
			 "from the network. NODE is a MAC address, a name, or a unique beginning "
			 "of one.\n"
			 "The target disk is pinned by serial or WWN, size and sector size; a "
			 "machine\n"
			 "with several eligible disks needs --disk.",
		.options = options,
		.operands_max = NODES_OPERANDS_MAX,
	};
	size_t operands_count;
	struct failure failure = {0};

	switch (command_parse(&description, argc, argv, operands, &operands_count)) {
	case PARSE_HELP:
		return EXIT_OK;
	case PARSE_WRONG:
		return EXIT_USAGE;
	case PARSE_OK:
		break;
	}
	if (!selection_check(wanted.all, operands_count, &failure))
		return command_fail("arm", &failure);
	if (wanted.image == NULL) {
		failure_set(&failure, ERROR_USAGE, "--image NAME is missing");
		return command_fail("arm", &failure);
	}
	json_t *answer = client_call(
		wanted.state, "arm", arm_request(&wanted, operands, operands_count), &failure);

	if (answer == NULL)
		return command_fail("arm", &failure);
	return results_print("arm", answer, wanted.json, armed_print);
}

static void disarmed_print(const json_t *result)
{
	printf("%s disarmed (was %s)\n", text_of(result, "node"), text_of(result, "was"));
	if (strcmp(text_of(result, "was"), "armed") != 0)
		printf("    its disk holds half an image: it does not boot until it is armed and "
		       "imaged again\n");
}

int disarm_main(int argc, char **argv)
{
	static const char *operands[NODES_OPERANDS_MAX];
	bool all = false;
	bool json = false;
	const char *state = NULL;
	const struct option_description options[] = {
		{"all", OPTION_FLAG, &all, NULL, "every machine"},
		{"json", OPTION_FLAG, &json, NULL, "print the server's answer"},
		{"state", OPTION_TEXT, &state, "DIR", "state directory of the server"},
		{NULL, OPTION_FLAG, NULL, NULL, NULL},
	};
	const struct command_description description = {
		.usage = "swarmboot disarm NODE...|--all [--state DIR]",
		.about = "Takes the permission back. A machine that is being imaged stops writing.",
		.options = options,
		.operands_max = NODES_OPERANDS_MAX,
	};
	size_t operands_count;
	struct failure failure = {0};

	switch (command_parse(&description, argc, argv, operands, &operands_count)) {
	case PARSE_HELP:
		return EXIT_OK;
	case PARSE_WRONG:
		return EXIT_USAGE;
	case PARSE_OK:
		break;
	}
	if (!selection_check(all, operands_count, &failure))
		return command_fail("disarm", &failure);
	json_t *answer = client_call(state, "disarm",
		json_pack("{s:b, s:o}", "all", all, "nodes", names_json(operands, operands_count)),
		&failure);

	if (answer == NULL)
		return command_fail("disarm", &failure);
	return results_print("disarm", answer, json, disarmed_print);
}
