/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's program: a table of commands. */
#include "cli/command.h"
#include "cli/commands.h"

static const struct command commands[] = {
	{"up", up_main, "run the server: DHCP, boot files, plans, tracker, origin"},
	{"status", status_main, "show where every machine is"},
	{"arm", arm_main, "let machines be overwritten with an image, once"},
	{"disarm", disarm_main, "take that back"},
	{"node", node_main, "list, show, set and forget machines"},
	{"seed", seed_main, "serve an image from a file or device"},
	{"fetch", fetch_main, "fetch an image to a file or device"},
	{"simulate", simulate_main, "say how long a wave would take, and what limits it"},
	{"image", image_main, "import, list, verify and remove disk images"},
	{"initramfs", initramfs_main, "build what machines boot"},
	{"tracker", tracker_main, "tell peers of each other, over HTTP and UDP"},
};

int main(int argc, char **argv)
{
	return command_dispatch("swarmboot",
		"swarmboot images bare metal: machines PXE-boot, join a BitTorrent swarm and write "
		"a\n"
		"disk image straight to their disks.",
		commands, ARRAY_COUNT(commands), argc, argv);
}
