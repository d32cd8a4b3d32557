/* SPDX-License-Identifier: Apache-2.0 */
/* Who this machine is: addresses of its interfaces, and what its firmware says. */
#ifndef INITRAMFS_MACHINE_H
#define INITRAMFS_MACHINE_H

#include "wire/report.h"

#define MACHINE_MACS_MAX 64

struct machine {
	char macs[MACHINE_MACS_MAX][NODE_ID_MAX]; /* "52:54:00:12:34:56" */
	uint32_t macs_count;
	char uuid[64]; /* lower case, or "" */
	char serial[DISK_TEXT_MAX];
	bool firmware_uefi;
};

void machine_read(struct machine *machine, const char *sys);
bool machine_has_mac(const struct machine *machine, const char *mac);

/* "01-52-54-00-12-34-56" or "52:54:00:12:34:56" in any case to "52:54:00:12:34:56". */
MUST_USE bool mac_parse(char mac[static NODE_ID_MAX], const char *text);

/* The value of "name=value" on a kernel command line; false when it is not there or does not fit.
 * For a word alone ("swarmboot.rescue") the value is "". The last one wins. */
MUST_USE bool command_line_get(const char *line, const char *name, char *value, size_t capacity);

#endif
