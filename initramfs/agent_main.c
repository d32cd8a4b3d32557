/* SPDX-License-Identifier: Apache-2.0 */
/* The program swarmboot-agent: PID 1 of the initramfs, or an ordinary process with options. */
#include <signal.h>
#include <unistd.h>

#include "initramfs/agent.h"
#include "initramfs/init.h"
#include "lib/log.h"
#include "runtime/budget.h"

int main(int argc, char **argv)
{
	static struct agent_options options;

	/* The kernel hands words that it does not know to PID 1; options begin with dashes. */
	if (getpid() == 1 && (argc < 2 || strncmp(argv[1], "--", 2) != 0))
		init_run();
	switch (agent_options_parse(&options, argc, argv)) {
	case OPTIONS_HELP:
		return AGENT_EXIT_DONE;
	case OPTIONS_WRONG:
		return AGENT_EXIT_USAGE;
	case OPTIONS_OK:
		break;
	}
	if (options.verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	budget_tune_heap();
	signal(SIGPIPE, SIG_IGN);
	return agent_run(&options);
}
