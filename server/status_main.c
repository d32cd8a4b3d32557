/* SPDX-License-Identifier: Apache-2.0 */
/* `swarmboot status`: where every machine is. */
#include <stdlib.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/commands.h"
#include "server/client.h"

static bool show(const char *state, bool json, bool watch, struct failure *failure)
{
	unsigned columns = 0;
	unsigned rows = 0;
	json_t *status = client_call(state, "status", NULL, failure);

	if (status == NULL)
		return false;
	if (json) {
		json_dumpf(status, stdout, watch ? JSON_COMPACT : JSON_INDENT(2));
		putchar('\n');
	} else {
		/* Only a page that is rewritten in place must fit the terminal. */
		if (watch && terminal_size(stdout, &columns, &rows))
			printf("\033[H\033[2J");
		status_print(stdout, status, columns, rows);
	}
	json_decref(status);
	return fflush(stdout) == 0 ||
	       failure_errno(failure, ERROR_SYSTEM, "cannot write to standard output");
}

int status_main(int argc, char **argv)
{
	const char *state = NULL;
	bool watch = false;
	bool json = false;
	uint64_t interval_s = 1;
	const struct option_description options[] = {
		{"watch", OPTION_FLAG, &watch, NULL, "show it again and again until Ctrl-C"},
		{"interval", OPTION_DURATION, &interval_s, "TIME", "with --watch: how often (1s)"},
		{"json", OPTION_FLAG, &json, NULL, "as JSON (one object a line with --watch)"},
		{"state", OPTION_TEXT, &state, "DIR", "state directory of the server"},
		{NULL, OPTION_FLAG, NULL, NULL, NULL},
	};
	const struct command_description description = {
		.usage = "swarmboot status [--watch] [--json] [--state DIR]",
		.about = "Shows what the running server does and where every machine is.",
		.options = options,
	};
	size_t operands_count;
	struct failure failure = {0};

	switch (command_parse(&description, argc, argv, NULL, &operands_count)) {
	case PARSE_HELP:
		return EXIT_OK;
	case PARSE_WRONG:
		return EXIT_USAGE;
	case PARSE_OK:
		break;
	}
	do {
		if (!show(state, json, watch, &failure))
			return command_fail("status", &failure);
	} while (watch && sleep((unsigned)u64_max(interval_s, 1)) == 0);
	return EXIT_OK;
}
