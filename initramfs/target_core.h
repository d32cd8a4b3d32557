/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which disk may be overwritten: a rule and the disks that were seen give exactly one disk or a
 * refusal, and the disks must have stayed the same for a while before either is believed. Pure;
 * time is an argument.
 */
#ifndef INITRAMFS_TARGET_CORE_H
#define INITRAMFS_TARGET_CORE_H

#include "wire/report.h"

/* What is asked of the target: the plan's rule, and what the image itself needs. */
struct target_need {
	const struct target_rule *rule;
	uint64_t image_bytes;
	uint32_t image_sector_bytes; /* 0: the image does not say */
};

/* True with the index of the one disk that may be overwritten; else DISK_NONE, DISK_AMBIGUOUS,
 * DISK_TOO_SMALL or DISK_SECTOR_SIZE. Disks that are not eligible never match. Several paths with
 * one WWN (and serial, size and sector size) are one disk: the first of them. */
MUST_USE bool target_choose(const struct target_need *need, const struct report_disk *disks,
	uint32_t disks_count, uint32_t *chosen, struct failure *failure);

#define TARGET_PROBING_NS_MAX  (60 * NS_PER_S)	/* wait at most this long for probing to go idle */
#define TARGET_CHANGING_NS_MAX (300 * NS_PER_S) /* and this long for the disks to stop changing */

/* A disk behind a slow controller, or one that spins up after the others, comes late: while nothing
 * matches, that many settle times are waited (60 s). */
#define TARGET_ABSENT_SETTLES 6

struct target_watch {
	uint64_t settle_ns;
	uint64_t started_ns;
	uint64_t changed_ns; /* when the disks last changed */
	uint64_t fingerprint;
	bool seen; /* fingerprint is valid */
};

enum target_verdict {
	TARGET_WAIT,	/* not stable for long enough yet */
	TARGET_SETTLED, /* stable: choose now */
	TARGET_RESTLESS /* the disks never came to rest: refuse */
};

void target_watch_start(struct target_watch *watch, uint64_t now_ns, uint64_t settle_ns);

/* To be called with every scan. `probing`: drivers or the kernel are still finding devices. */
enum target_verdict target_watch_disks(struct target_watch *watch, uint64_t now_ns,
	const struct report_disk *disks, uint32_t disks_count, bool probing);

/* May a disk that is not there still come? */
bool target_watch_hopes(const struct target_watch *watch, uint64_t now_ns);

/* How long the disks have been the same. */
uint64_t target_watch_stable_ns(const struct target_watch *watch, uint64_t now_ns);

#endif
