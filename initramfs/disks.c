/* SPDX-License-Identifier: Apache-2.0 */
/* Reading /sys/block. */
#include "initramfs/disks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/cleanup.h"

#define SECTOR_BYTES_MAX 65536

void disk_text_clean(char *text, size_t capacity, const uint8_t *raw, size_t raw_bytes)
{
	size_t used = 0;
	bool blank = false;

	for (size_t i = 0; i < raw_bytes && raw[i] != '\0'; i++) {
		uint8_t byte = raw[i];

		if (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r') {
			blank = used > 0;
			continue;
		}
		if (blank && used + 1 < capacity)
			text[used++] = ' ';
		blank = false;
		if (used + 1 < capacity)
			text[used++] = byte > 0x20 && byte < 0x7f ? (char)byte : '?';
	}
	text[used] = '\0';
}

void disk_serial_of_vpd80(char *serial, size_t capacity, const uint8_t *page, size_t page_bytes)
{
	serial[0] = '\0';
	if (page_bytes < 4 || page[1] != 0x80)
		return;
	size_t length = be16_read(page + 2);

	if (length <= page_bytes - 4)
		disk_text_clean(serial, capacity, page + 4, length);
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* Is it `start` and then a digit: "usb1", "ata3"? */
static bool is_numbered(const char *text, size_t length, const char *start)
{
	size_t start_length = strlen(start);

	return length > start_length && strncmp(text, start, start_length) == 0 &&
	       text[start_length] >= '0' && text[start_length] <= '9';
}

const char *disk_bus_of_path(const char *device_path)
{
	/* The first row that fits any part wins: a USB bridge speaks SCSI, and is USB all the same.
	 */
	static const char *const buses[][2] = {{"usb", "usb"}, {"ata", "ata"}, {"nvme", "nvme"},
		{"mmc", "mmc"}, {"host", "scsi"}, {"virtio", "virtio"}, {"vbd-", "xen"}};

	for (size_t i = 0; i < ARRAY_COUNT(buses); i++) {
		const char *part = device_path;

		while (*part != '\0') {
			size_t length = strcspn(part, "/");

			if (is_numbered(part, length, buses[i][0]))
				return buses[i][1];
			part += length;
			part += *part == '/';
		}
	}
	if (strstr(device_path, "/nvme-subsys") != NULL)
		return "nvme";
	return "";
}

void disk_judge(struct report_disk *disk, const struct disk_traits *traits)
{
	const char *why_not = "";

	if (traits->stacked)
		why_not = "not a disk of its own";
	else if (traits->optical_or_floppy)
		why_not = "optical or floppy";
	else if (traits->boot_partition)
		why_not = "boot partition";
	else if (strcmp(disk->bus, "usb") == 0)
		why_not = "usb";
	else if (disk->bus[0] == '\0')
		why_not = "unknown bus";
	else if (traits->removable)
		why_not = "removable";
	else if (traits->read_only)
		why_not = "read-only";
	else if (disk->size_bytes == 0)
		why_not = "no size";
	else if (disk->sector_bytes < 512 || disk->sector_bytes > SECTOR_BYTES_MAX)
		why_not = "no sector size";
	disk->eligible = why_not[0] == '\0';
	snprintf(disk->why_not, sizeof(disk->why_not), "%s", why_not);
}

/* One attribute, at most capacity bytes of it; 0 when it is not there. */
static size_t attribute_read(
	const char *disk_directory, const char *attribute, uint8_t *bytes, size_t capacity)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", disk_directory, attribute) >=
		sizeof(path))
		return 0;
	SCOPED(fd) int descriptor = open(path, O_RDONLY | O_CLOEXEC);

	if (descriptor < 0)
		return 0;
	ssize_t got = read(descriptor, bytes, capacity);

	return got > 0 ? (size_t)got : 0;
}

static bool attribute_text(
	const char *disk_directory, const char *attribute, char *text, size_t capacity)
{
	uint8_t raw[512];
	size_t raw_bytes = attribute_read(disk_directory, attribute, raw, sizeof(raw));

	disk_text_clean(text, capacity, raw, raw_bytes);
	return text[0] != '\0';
}

static uint64_t attribute_number(const char *disk_directory, const char *attribute)
{
	char text[32];
	char *end;

	if (!attribute_text(disk_directory, attribute, text, sizeof(text)))
		return 0;
	errno = 0;
	unsigned long long number = strtoull(text, &end, 10);

	return errno != 0 || *end != '\0' || text[0] == '-' ? 0 : number;
}

static void identity_read(const char *disk_directory, struct report_disk *disk)
{
	uint8_t page[512];
	size_t page_bytes = attribute_read(disk_directory, "device/vpd_pg80", page, sizeof(page));

	disk_serial_of_vpd80(disk->serial, sizeof(disk->serial), page, page_bytes);
	/* virtio has it beside the disk, NVMe and MMC beside the device. */
	if (disk->serial[0] == '\0' &&
		!attribute_text(disk_directory, "serial", disk->serial, sizeof(disk->serial)))
		attribute_text(disk_directory, "device/serial", disk->serial, sizeof(disk->serial));
	if (!attribute_text(disk_directory, "wwid", disk->wwn, sizeof(disk->wwn)) &&
		!attribute_text(disk_directory, "device/wwid", disk->wwn, sizeof(disk->wwn)))
		attribute_text(disk_directory, "device/cid", disk->wwn, sizeof(disk->wwn));
	if (!attribute_text(disk_directory, "device/model", disk->model, sizeof(disk->model)))
		attribute_text(disk_directory, "device/name", disk->model, sizeof(disk->model));
}

static bool is_boot_partition(const char *name)
{
	return starts_with(name, "mmcblk") &&
	       (strstr(name, "boot") != NULL || strstr(name, "rpmb") != NULL ||
		       strstr(name, "gp") != NULL);
}

/* False when the entry is not to be listed at all: hidden paths of a multipath NVMe namespace,
 * which cannot be opened. */
static bool disk_read(const char *sys, const char *name, struct report_disk *disk)
{
	char directory[PATH_MAX];
	char real[PATH_MAX];
	struct disk_traits traits = {0};

	memset(disk, 0, sizeof(*disk));
	if ((size_t)snprintf(disk->name, sizeof(disk->name), "%s", name) >= sizeof(disk->name) ||
		(size_t)snprintf(directory, sizeof(directory), "%s/block/%s", sys, name) >=
			sizeof(directory) ||
		attribute_number(directory, "hidden") != 0)
		return false;
	if (realpath(directory, real) == NULL)
		return false;
	uint64_t size_sectors = attribute_number(directory, "size");

	disk->size_bytes = size_sectors > UINT64_MAX / 512 ? 0 : size_sectors * 512;
	disk->sector_bytes = (uint32_t)u64_min(
		attribute_number(directory, "queue/logical_block_size"), UINT32_MAX);
	disk->physical_sector_bytes = (uint32_t)u64_min(
		attribute_number(directory, "queue/physical_block_size"), UINT32_MAX);
	snprintf(disk->bus, sizeof(disk->bus), "%s", disk_bus_of_path(real));
	identity_read(directory, disk);
	traits.read_only = attribute_number(directory, "ro") != 0;
	traits.removable = attribute_number(directory, "removable") != 0;
	traits.stacked = strstr(real, "/virtual/block/") != NULL;
	traits.boot_partition = is_boot_partition(name);
	traits.optical_or_floppy =
		is_numbered(name, strlen(name), "sr") || is_numbered(name, strlen(name), "fd");
	disk_judge(disk, &traits);
	return true;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strverscmp((*a)->d_name, (*b)->d_name);
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* A worthless device (an unused loop, an empty ram disk) need not be told to anybody. */
static bool worth_listing(const struct report_disk *disk)
{
	return disk->size_bytes > 0 || strcmp(disk->why_not, "not a disk of its own") != 0;
}

bool disks_scan(const char *sys, struct report_disk *disks, uint32_t disks_max,
	uint32_t *disks_count, struct failure *failure)
{
	char path[PATH_MAX];
	struct dirent **entries = NULL;
	bool all = true;

	*disks_count = 0;
	if ((size_t)snprintf(path, sizeof(path), "%s/block", sys) >= sizeof(path))
		return failure_set(failure, ERROR_LIMIT, "the path %s is too long", sys);
	int entries_count = scandir(path, &entries, not_hidden, by_name);

	if (entries_count < 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot list %s", path);
	for (int i = 0; i < entries_count; i++) {
		struct report_disk disk;

		if (disk_read(sys, entries[i]->d_name, &disk) && worth_listing(&disk)) {
			if (*disks_count < disks_max)
				disks[(*disks_count)++] = disk;
			else
				all = false;
		}
		free(entries[i]);
	}
	free(entries);
	if (!all)
		return failure_set(failure, ERROR_LIMIT,
			"this machine has more than %u block devices", disks_max);
	return true;
}
