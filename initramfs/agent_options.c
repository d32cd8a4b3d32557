/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the agent. */
#include "initramfs/agent_options.h"

#include <getopt.h>
#include <stdio.h>

#include "initramfs/machine.h"
#include "lib/units.h"

#define KEYS_DIRECTORY	 "/etc/swarmboot/keys"
#define SETTLE_S_DEFAULT 10

static const char usage[] = "usage: swarmboot-agent --server URL --node MAC --keys DIR|FILE --disk "
			    "FILE[,KEY=VALUE...]\n";

static const char help[] =
	"\n"
	"Without options, as PID 1 of an initramfs, it images the machine it runs on as the "
	"server\n"
	"says. With options it does the same to files or loop devices, as an ordinary process; "
	"its\n"
	"exit status is 0 when it came to the end the server wanted, 1 when it failed.\n"
	"\n"
	"options:\n"
	"  --server URL       http://ADDRESS:PORT of the server\n"
	"  --node MAC         who to be\n"
	"  --keys DIR|FILE    public keys that may sign plans and metainfo\n"
	"  --disk FILE[,...]  a disk (repeatable), with properties: serial=S wwn=W sector=N\n"
	"                     model=M bus=B removable ro; the serial is the file's name by "
	"default\n"
	"  --disk-dir DIR     every file NAME[,...] in it is such a disk, looked up again each "
	"time\n"
	"  --settle SECONDS   how long the disks must stay the same (default 10)\n"
	"  --end exit|stay    what to do at the end (default exit)\n"
	"  --faults SPEC      inject disk faults, for tests (write-error-after=BYTES, ...)\n"
	"  --verbose          say more\n"
	"  --help             print this and exit\n";

static enum options_result wrong(const char *problem, const char *subject)
{
	fprintf(stderr, "swarmboot-agent: %s%s%s\n%s", problem, subject != NULL ? ": " : "",
		subject != NULL ? subject : "", usage);
	return OPTIONS_WRONG;
}

static enum options_result take(struct agent_options *options, int letter, const char *value)
{
	struct report_disk disk;
	char path[PATH_MAX];
	struct failure failure = {0};

	switch (letter) {
	case 's':
		if ((size_t)snprintf(options->server, sizeof(options->server), "%s", value) >=
			sizeof(options->server))
			return wrong("the URL is too long", value);
		return OPTIONS_OK;
	case 'n':
		return mac_parse(options->node, value) ? OPTIONS_OK
						       : wrong("not a MAC address", value);
	case 'k':
		options->keys = value;
		return OPTIONS_OK;
	case 'd':
		if (options->disks.specifications_count == REPORT_DISKS_MAX)
			return wrong("too many disks", NULL);
		if (!option_disk_parse(value, &disk, path, &failure) &&
			failure.error != ERROR_NOT_FOUND)
			return wrong(failure.text, NULL);
		options->disks.specifications[options->disks.specifications_count++] = value;
		return OPTIONS_OK;
	case 'D':
		options->disks.directory = value;
		return OPTIONS_OK;
	case 't':
		return duration_parse(value, &options->settle_s) && options->settle_s <= 86400
			       ? OPTIONS_OK
			       : wrong("not a number of seconds", value);
	case 'e':
		options->stay = strcmp(value, "stay") == 0;
		return options->stay || strcmp(value, "exit") == 0
			       ? OPTIONS_OK
			       : wrong("--end is exit or stay, not", value);
	case 'f':
		options->faults = value;
		return OPTIONS_OK;
	default:
		options->verbose = true;
		return OPTIONS_OK;
	}
}

enum options_result agent_options_parse(struct agent_options *options, int argc, char **argv)
{
	static const struct option names[] = {{"server", required_argument, NULL, 's'},
		{"node", required_argument, NULL, 'n'}, {"keys", required_argument, NULL, 'k'},
		{"disk", required_argument, NULL, 'd'}, {"disk-dir", required_argument, NULL, 'D'},
		{"settle", required_argument, NULL, 't'}, {"end", required_argument, NULL, 'e'},
		{"faults", required_argument, NULL, 'f'}, {"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'}, {0}};
	int letter;

	memset(options, 0, sizeof(*options));
	options->settle_s = SETTLE_S_DEFAULT;
	opterr = 0;
	while ((letter = getopt_long(argc, argv, ":", names, NULL)) != -1) {
		if (letter == 'h') {
			printf("%s%s", usage, help);
			return OPTIONS_HELP;
		}
		if (letter == '?')
			return wrong("unknown option", argv[optind - 1]);
		if (letter == ':')
			return wrong("the option needs a value", argv[optind - 1]);
		if (take(options, letter, optarg) != OPTIONS_OK)
			return OPTIONS_WRONG;
	}
	if (optind < argc)
		return wrong("not an option", argv[optind]);
	if (options->server[0] == '\0' || options->node[0] == '\0' || options->keys == NULL)
		return wrong("--server, --node and --keys are needed", NULL);
	if (options->disks.specifications_count == 0 && options->disks.directory == NULL)
		return wrong("--disk or --disk-dir is needed", NULL);
	return OPTIONS_OK;
}

bool agent_options_from_command_line(
	struct agent_options *options, const char *line, struct failure *failure)
{
	char value[256];

	memset(options, 0, sizeof(*options));
	options->appliance = true;
	options->keys = KEYS_DIRECTORY;
	options->settle_s = SETTLE_S_DEFAULT;
	options->rescue = command_line_get(line, "swarmboot.rescue", value, sizeof(value));
	options->verbose = command_line_get(line, "swarmboot.verbose", value, sizeof(value));
	if (!command_line_get(
		    line, "swarmboot.modules", options->modules, sizeof(options->modules)))
		options->modules[0] = '\0';
	if (!command_line_get(line, "BOOTIF", value, sizeof(value)) ||
		!mac_parse(options->node, value))
		options->node[0] = '\0';
	if (command_line_get(line, "swarmboot.server", options->server, sizeof(options->server)) ||
		options->rescue)
		return true;
	return failure_set(failure, ERROR_USAGE,
		"the kernel's command line has no swarmboot.server=http://ADDRESS:PORT");
}
