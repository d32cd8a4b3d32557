/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent is told: on the kernel's command line when it is PID 1, by options when it is an
 * ordinary process. */
#ifndef INITRAMFS_AGENT_OPTIONS_H
#define INITRAMFS_AGENT_OPTIONS_H

#include "initramfs/option_disks.h"

struct agent_options {
	bool appliance;		   /* on a machine of its own: drivers, network, real disks */
	char server[256];	   /* http://ADDRESS:PORT */
	char node[NODE_ID_MAX];	   /* MAC; on the command line BOOTIF. "": the interface chosen */
	char modules[256];	   /* more modules to load, by name */
	const char *keys;	   /* directory or file of trusted public keys */
	struct option_disks disks; /* process only */
	const char *faults;	   /* process only */
	uint64_t settle_s;	   /* process only; 10 on a machine of its own */
	bool stay;		   /* process only: go on running at the end */
	bool rescue;		   /* a shell, nothing else */
	bool verbose;
};

enum options_result { OPTIONS_OK, OPTIONS_HELP, OPTIONS_WRONG };

/* As an ordinary process. Prints help or what is wrong. The texts are borrowed from argv. */
MUST_USE enum options_result agent_options_parse(
	struct agent_options *options, int argc, char **argv);

/* As PID 1, from the kernel's command line. Nothing there can make the agent write to a disk. False
 * when it does not say where the server is, and no rescue is asked for. */
MUST_USE bool agent_options_from_command_line(
	struct agent_options *options, const char *line, struct failure *failure);

#endif
