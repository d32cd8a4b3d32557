/* SPDX-License-Identifier: Apache-2.0 */
/* The command `swarmboot initramfs`. */
#include "initramfs/build.h"

#include <stdio.h>

#include "cli/command.h"
#include "cli/commands.h"
#include "lib/units.h"

static void print_size(const char *what, uint64_t bytes)
{
	char text[UNITS_TEXT_MAX];

	printf("%-12s %10s\n", what, size_format(text, bytes));
}

int initramfs_main(int argc, char **argv)
{
	struct initramfs_settings settings = {0};
	const struct option_description options[] = {
		{"out", OPTION_TEXT, &settings.out, "FILE", "where to write the initramfs"},
		{"kernel", OPTION_TEXT, &settings.kernel, "DEB|DIR",
			"linux-image package, or a directory with lib/modules and boot"},
		{"kernel-out", OPTION_TEXT, &settings.kernel_out, "FILE",
			"where to write the kernel (vmlinuz)"},
		{"keys", OPTION_TEXT, &settings.keys, "DIR|FILE",
			"public keys that the agent trusts (default: those of the site)"},
		{"agent", OPTION_TEXT, &settings.agent, "FILE", "the agent's program"},
		{"busybox", OPTION_TEXT, &settings.busybox, "FILE",
			"a static busybox (default: /bin/busybox)"},
		{"drivers", OPTION_TEXT, &settings.drivers, "all|none|LIST",
			"which drivers: all (default), none, or names: virtio_net,nvme"},
		{NULL, OPTION_FLAG, NULL, NULL, NULL},
	};
	const struct command_description description = {
		.usage = "swarmboot initramfs --out FILE [option...]",
		.about =
			"Builds the initramfs that machines boot: the agent, busybox, the keys it\n"
			"trusts, and drivers. Needs no root; the same inputs give the same bytes.",
		.options = options,
	};
	struct initramfs_result result;
	struct failure failure = {0};
	size_t operands_count;

	switch (command_parse(&description, argc, argv, NULL, &operands_count)) {
	case PARSE_HELP:
		return EXIT_OK;
	case PARSE_WRONG:
		return EXIT_USAGE;
	case PARSE_OK:
		break;
	}
	if (settings.out == NULL) {
		failure_set(&failure, ERROR_USAGE, "--out FILE is missing");
		return command_fail("initramfs", &failure);
	}
	if (!initramfs_build(&settings, &result, &failure))
		return command_fail("initramfs", &failure);
	print_size("agent", result.agent_bytes);
	print_size("busybox", result.busybox_bytes);
	if (result.modules_count > 0) {
		print_size("drivers", result.modules_bytes);
		printf("%-12s %10u  (kernel %s)\n", "modules", result.modules_count,
			result.kernel_version);
	}
	print_size("unpacked", result.unpacked_bytes);
	print_size("initramfs", result.compressed_bytes);
	if (settings.kernel_out != NULL)
		print_size("kernel", result.kernel_bytes);
	return EXIT_OK;
}
