/* SPDX-License-Identifier: Apache-2.0 */
/* Which disk of a node an arm pins: exactly one, or none at all. Pure. */
#ifndef SERVER_ARM_CHOICE_CORE_H
#define SERVER_ARM_CHOICE_CORE_H

#include "wire/report.h"

struct arm_wish {
	const char *disk;      /* serial or WWN; "": the only eligible one */
	uint64_t size_bytes;   /* of the disk; 0: as the inventory says */
	uint32_t sector_bytes; /* 0: the image's */
	uint64_t image_bytes;
	uint32_t image_sector_bytes; /* 0: unknown, anything fits */
};

/* From the node's inventory. Refuses with DISK_NONE, DISK_AMBIGUOUS, DISK_TOO_SMALL or
 * DISK_SECTOR_SIZE. */
MUST_USE bool arm_choose(struct target_rule *target, const struct arm_wish *wish,
	const struct report_disk *disks, uint32_t disks_count, struct failure *failure);

/* Without an inventory: only what the operator pinned completely. A disk that begins with "0x",
 * "naa.", "eui.", "nvme." or "t10." is a WWN, anything else a serial. */
MUST_USE bool arm_pin(
	struct target_rule *target, const struct arm_wish *wish, struct failure *failure);

#endif
