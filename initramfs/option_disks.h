/* SPDX-License-Identifier: Apache-2.0 */
/* Files and loop devices that stand for disks, described on the command line, so that the agent can
 * be tried as an ordinary process. */
#ifndef INITRAMFS_OPTION_DISKS_H
#define INITRAMFS_OPTION_DISKS_H

#include <limits.h>

#include "wire/report.h"

struct option_disks {
	const char *specifications[REPORT_DISKS_MAX]; /* FILE[,key=value...]; borrowed */
	uint32_t specifications_count;
	const char *directory; /* every file NAME[,key=value...] in it is a disk; NULL: none */
};

/* FILE[,serial=S][,wwn=W][,sector=N][,model=M][,bus=B][,removable][,ro]. Without serial it is the
 * file's name; the bus is scsi. The size is the file's. */
MUST_USE bool option_disk_parse(const char *specification, struct report_disk *disk,
	char path[static PATH_MAX], struct failure *failure);

/* Lists them as disks_scan does; paths[i] is what to open. A file that is not there is not listed.
 */
MUST_USE bool option_disks_scan(const struct option_disks *options, struct report_disk *disks,
	char (*paths)[PATH_MAX], uint32_t disks_max, uint32_t *disks_count,
	struct failure *failure);

#endif
