/* SPDX-License-Identifier: Apache-2.0 */
/* `swarmboot node list|show|set|forget`. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/commands.h"
#include "server/client.h"

struct node_options {
	bool json;
	const char *state;
	const char *name;
	const char *rack;
	const char *local_boot;
	const char *rescue;
	bool inventory;
};

static int finish(json_t *answer, bool json, void (*print)(FILE *out, const json_t *answer),
	const struct failure *failure)
{
	if (answer == NULL)
		return command_fail("node", failure);
	if (json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print(stdout, answer);
	}
	json_decref(answer);
	return EXIT_OK;
}

static int node_list(const struct node_options *options)
{
	struct failure failure = {0};
	json_t *answer = client_call(options->state, "node/list", NULL, &failure);

	return finish(answer, options->json, node_list_print, &failure);
}

static int node_show(const struct node_options *options, const char *node)
{
	struct failure failure = {0};
	json_t *answer = client_call(
		options->state, "node/show", json_pack("{s:s}", "node", node), &failure);

	return finish(answer, options->json, node_print, &failure);
}

static void forgotten_print(FILE *out, const json_t *answer)
{
	fprintf(out, "%s forgotten\n", json_string_value(json_object_get(answer, "forgotten")));
}

static int node_forget(const struct node_options *options, const char *node)
{
	struct failure failure = {0};
	json_t *answer = client_call(
		options->state, "node/forget", json_pack("{s:s}", "node", node), &failure);

	return finish(answer, options->json, forgotten_print, &failure);
}

static void set_print(FILE *out, const json_t *answer)
{
	fprintf(out, "%s  name '%s', rack '%s', local boot %s\n",
		json_string_value(json_object_get(answer, "id")),
		json_string_value(json_object_get(answer, "name")),
		json_string_value(json_object_get(answer, "rack")),
		json_string_value(json_object_get(answer, "local_boot")));
}

static int node_set(const struct node_options *options, const char *node)
{
	struct failure failure = {0};
	json_t *request = json_pack("{s:s}", "node", node);

	if (options->name != NULL)
		json_object_set_new(request, "name",
			json_string(strcmp(options->name, "-") == 0 ? "" : options->name));
	if (options->rack != NULL)
		json_object_set_new(request, "rack",
			json_string(strcmp(options->rack, "-") == 0 ? "" : options->rack));
	if (options->local_boot != NULL)
		json_object_set_new(request, "local_boot", json_string(options->local_boot));
	if (options->rescue != NULL) {
		if (strcmp(options->rescue, "on") != 0 && strcmp(options->rescue, "off") != 0) {
			json_decref(request);
			failure_set(&failure, ERROR_USAGE, "--rescue is on or off");
			return command_fail("node", &failure);
		}
		json_object_set_new(
			request, "rescue", json_boolean(strcmp(options->rescue, "on") == 0));
	}
	if (options->inventory)
		json_object_set_new(request, "inventory", json_true());
	return finish(client_call(options->state, "node/set", request, &failure), options->json,
		set_print, &failure);
}

static int run(const struct node_options *options, const char **operands, size_t operands_count)
{
	const char *what = operands[0];
	struct failure failure = {0};
	bool list = strcmp(what, "list") == 0;

	if (list ? operands_count != 1 : operands_count != 2) {
		failure_set(&failure, ERROR_USAGE, "%s",
			list ? "`node list` takes no node" : "one node is wanted: node show NODE");
		return command_fail("node", &failure);
	}
	if (list)
		return node_list(options);
	if (strcmp(what, "show") == 0)
		return node_show(options, operands[1]);
	if (strcmp(what, "set") == 0)
		return node_set(options, operands[1]);
	if (strcmp(what, "forget") == 0)
		return node_forget(options, operands[1]);
	failure_set(&failure, ERROR_USAGE, "'%s' is neither list, show, set nor forget", what);
	return command_fail("node", &failure);
}

int node_main(int argc, char **argv)
{
	struct node_options wanted = {0};
	const struct option_description options[] = {
		{"json", OPTION_FLAG, &wanted.json, NULL, "print the server's answer"},
		{"state", OPTION_TEXT, &wanted.state, "DIR", "state directory of the server"},
		{"name", OPTION_TEXT, &wanted.name, "NAME", "set: what to call it; - for nothing"},
		{"rack", OPTION_TEXT, &wanted.rack, "NAME",
			"set: the rack it stands in; - for none"},
		{"local-boot", OPTION_TEXT, &wanted.local_boot, "METHOD",
			"set: auto, exit, sanboot or esp"},
		{"rescue", OPTION_TEXT, &wanted.rescue, "on|off",
			"set: the next network boot is a rescue shell"},
		{"inventory", OPTION_FLAG, &wanted.inventory, NULL,
			"set: take its inventory anew at the next network boot"},
		{NULL, OPTION_FLAG, NULL, NULL, NULL},
	};
	const struct command_description description = {
		.usage = "swarmboot node list | show NODE | set NODE [option...] | forget NODE",
		.about = "Shows the machines that the server knows, sets how one boots, or forgets "
			 "one.\n"
			 "NODE is a MAC address, a name, or a unique beginning of one.",
		.options = options,
		.operands_min = 1,
		.operands_max = 2,
	};
	const char *operands[2];
	size_t operands_count;

	switch (command_parse(&description, argc, argv, operands, &operands_count)) {
	case PARSE_HELP:
		return EXIT_OK;
	case PARSE_WRONG:
		return EXIT_USAGE;
	case PARSE_OK:
		break;
	}
	return run(&wanted, operands, operands_count);
}
