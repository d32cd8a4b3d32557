/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `swarmboot tracker` as a process: from its options to its end by a signal. SIGTERM and SIGINT let
 * answers under way finish, SIGHUP reads the files again, and a service manager is told of it all
 * (notify.h).
 */
#ifndef TRACKER_DAEMON_H
#define TRACKER_DAEMON_H

#include "tracker/daemon_options.h"

/* Says on standard output that the options are fine, or why not in the failure. */
MUST_USE bool daemon_check(const struct daemon_options *options, struct failure *failure);

/* Serves until a signal ends it; options come from this argv, which is read again at each SIGHUP.
 */
MUST_USE bool daemon_run(
	const struct daemon_options *options, int argc, char **argv, struct failure *failure);

#endif
