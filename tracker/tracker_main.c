/* SPDX-License-Identifier: Apache-2.0 */
/* `swarmboot tracker`: a tracker of its own, in the foreground, until SIGTERM or SIGINT; and how
 * one that runs is doing. */
#include "cli/commands.h"
#include "tracker/daemon.h"
#include "tracker/status.h"

int tracker_main(int argc, char **argv)
{
	struct daemon_options options;
	struct failure failure = {0};
	int status = EXIT_OK;

	if (argc > 1 && strcmp(argv[1], "status") == 0)
		return status_command(argc - 1, argv + 1);
	switch (daemon_options_read(&options, argc, argv, &failure)) {
	case PARSE_HELP:
		break;
	case PARSE_WRONG:
		status = failure.error == ERROR_NONE ? EXIT_USAGE
						     : command_fail("tracker", &failure);
		break;
	case PARSE_OK:
		if (!(options.check_config ? daemon_check(&options, &failure)
					   : daemon_run(&options, argc, argv, &failure)))
			status = command_fail("tracker", &failure);
		break;
	}
	daemon_options_release(&options);
	return status;
}
