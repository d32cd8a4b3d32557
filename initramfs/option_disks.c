/* SPDX-License-Identifier: Apache-2.0 */
/* Disks from options instead of from sysfs. */
#include "initramfs/option_disks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "initramfs/disks.h"
#include "lib/cleanup.h"

static bool text_set(char *text, size_t capacity, const char *value, struct failure *failure)
{
	if ((size_t)snprintf(text, capacity, "%s", value) >= capacity)
		return failure_set(failure, ERROR_USAGE, "too long: %.100s", value);
	return true;
}

static bool key_take(const char *key, const char *value, struct report_disk *disk,
	struct disk_traits *traits, struct failure *failure)
{
	char *end;

	if (strcmp(key, "removable") == 0 && value == NULL) {
		traits->removable = true;
		return true;
	}
	if (strcmp(key, "ro") == 0 && value == NULL) {
		traits->read_only = true;
		return true;
	}
	if (value == NULL)
		return failure_set(failure, ERROR_USAGE, "a disk has no property %.100s", key);
	if (strcmp(key, "serial") == 0)
		return text_set(disk->serial, sizeof(disk->serial), value, failure);
	if (strcmp(key, "wwn") == 0)
		return text_set(disk->wwn, sizeof(disk->wwn), value, failure);
	if (strcmp(key, "model") == 0)
		return text_set(disk->model, sizeof(disk->model), value, failure);
	if (strcmp(key, "bus") == 0)
		return text_set(disk->bus, sizeof(disk->bus), value, failure);
	if (strcmp(key, "sector") != 0)
		return failure_set(failure, ERROR_USAGE, "a disk has no property %.100s", key);
	unsigned long sector = strtoul(value, &end, 10);

	if (*end != '\0' || sector < 512 || sector > 65536)
		return failure_set(failure, ERROR_USAGE, "no sector size: %.100s", value);
	disk->sector_bytes = disk->physical_sector_bytes = (uint32_t)sector;
	return true;
}

static bool size_read(const char *path, struct report_disk *disk, struct failure *failure)
{
	SCOPED(fd) int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat about;
	int sector = 512;

	if (descriptor < 0 || fstat(descriptor, &about) != 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot open the disk %s", path);
	disk->size_bytes = (uint64_t)about.st_size;
	if (S_ISBLK(about.st_mode) && (ioctl(descriptor, BLKGETSIZE64, &disk->size_bytes) != 0 ||
					      ioctl(descriptor, BLKSSZGET, &sector) != 0))
		return failure_errno(failure, ERROR_DISK_READ, "cannot ask %s for its size", path);
	if (disk->sector_bytes == 0)
		disk->sector_bytes = disk->physical_sector_bytes = (uint32_t)sector;
	return true;
}

/* `named` is NAME[,key=value...]. */
static bool disk_describe(
	const char *path, const char *named, struct report_disk *disk, struct failure *failure)
{
	struct disk_traits traits = {0};
	char copy[PATH_MAX];
	char *rest = copy;

	memset(disk, 0, sizeof(*disk));
	if ((size_t)snprintf(copy, sizeof(copy), "%s", named) >= sizeof(copy))
		return failure_set(failure, ERROR_USAGE, "too long: %.100s", named);
	const char *name = strsep(&rest, ",");

	snprintf(disk->name, sizeof(disk->name), "%.31s", name);
	snprintf(disk->serial, sizeof(disk->serial), "%.127s", name);
	snprintf(disk->bus, sizeof(disk->bus), "scsi");
	for (char *key; (key = strsep(&rest, ",")) != NULL;) {
		char *value = strchr(key, '=');

		if (value != NULL)
			*value++ = '\0';
		if (!key_take(key, value, disk, &traits, failure))
			return false;
	}
	if (!size_read(path, disk, failure))
		return false;
	disk_judge(disk, &traits);
	return true;
}

bool option_disk_parse(const char *specification, struct report_disk *disk,
	char path[static PATH_MAX], struct failure *failure)
{
	const char *slash = strrchr(specification, '/');
	const char *name = slash != NULL ? slash + 1 : specification;
	size_t path_length = (size_t)(name - specification) + strcspn(name, ",");

	if (path_length >= PATH_MAX)
		return failure_set(failure, ERROR_USAGE, "too long: %.100s", specification);
	memcpy(path, specification, path_length);
	path[path_length] = '\0';
	return disk_describe(path, name, disk, failure);
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Adds a disk unless its file is not there (yet): disks come and go. */
static bool disk_add(const char *path, const struct report_disk *disk, bool described,
	struct report_disk *disks, char (*paths)[PATH_MAX], uint32_t disks_max,
	uint32_t *disks_count, struct failure *failure)
{
	if (!described)
		return failure->error == ERROR_NOT_FOUND;
	if (*disks_count == disks_max)
		return failure_set(failure, ERROR_LIMIT, "more than %u disks", disks_max);
	disks[*disks_count] = *disk;
	memcpy(paths[*disks_count], path, strlen(path) + 1);
	(*disks_count)++;
	return true;
}

bool option_disks_scan(const struct option_disks *options, struct report_disk *disks,
	char (*paths)[PATH_MAX], uint32_t disks_max, uint32_t *disks_count, struct failure *failure)
{
	struct report_disk disk;
	char path[PATH_MAX];
	bool good = true;

	*disks_count = 0;
	for (uint32_t i = 0; good && i < options->specifications_count; i++) {
		bool described =
			option_disk_parse(options->specifications[i], &disk, path, failure);

		good = disk_add(
			path, &disk, described, disks, paths, disks_max, disks_count, failure);
	}
	if (!good || options->directory == NULL)
		return good;
	struct dirent **entries = NULL;
	int count = scandir(options->directory, &entries, not_hidden, alphasort);

	if (count < 0)
		return failure_errno(failure, ERROR_SYSTEM, "cannot list %s", options->directory);
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;

		if (good && (size_t)snprintf(path, sizeof(path), "%s/%s", options->directory,
				    name) >= sizeof(path))
			good = failure_set(failure, ERROR_LIMIT, "%s is too long", name);
		good = good && disk_add(path, &disk, disk_describe(path, name, &disk, failure),
				       disks, paths, disks_max, disks_count, failure);
		free(entries[i]);
	}
	free(entries);
	return good;
}
