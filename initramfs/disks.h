/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disks of this machine as sysfs describes them, and which of them may be overwritten at all.
 * Names are for people; serial and WWN are what a disk is known by. Texts are printable ASCII,
 * without blanks at the ends, and with runs of blanks made one.
 */
#ifndef INITRAMFS_DISKS_H
#define INITRAMFS_DISKS_H

#include "wire/report.h"

/* What else decides about a disk. */
struct disk_traits {
	bool read_only;
	bool removable;
	bool boot_partition; /* eMMC's boot and RPMB areas */
	bool stacked;	     /* md, dm, loop, ram, zram, nbd, ...: not hardware of its own */
	bool optical_or_floppy;
};

/* Fills eligible and why_not from bus, size and traits. */
void disk_judge(struct report_disk *disk, const struct disk_traits *traits);

/* Where a disk hangs, from the path of its device in /sys/devices: "usb", "virtio", "nvme", "ata",
 * "scsi", "mmc", "xen", or "" when it is none of these. */
const char *disk_bus_of_path(const char *device_path);

/* Every block device under SYS/block (SYS is "/sys"), sorted by name. False when there are more
 * than disks_max, or SYS/block cannot be read; disks_count is what was stored. */
MUST_USE bool disks_scan(const char *sys, struct report_disk *disks, uint32_t disks_max,
	uint32_t *disks_count, struct failure *failure);

/* Text from a device into `text`: cleaned as above and cut at capacity. */
void disk_text_clean(char *text, size_t capacity, const uint8_t *raw, size_t raw_bytes);

/* The serial number in a SCSI VPD page 0x80 (SPC-4 7.8.18); "" when it is malformed. */
void disk_serial_of_vpd80(char *serial, size_t capacity, const uint8_t *page, size_t page_bytes);

#endif
