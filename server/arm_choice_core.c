/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing the one disk that an arm pins. */
#include "server/arm_choice_core.h"

static bool same(const char *a, const char *b)
{
	return a[0] != '\0' && strcmp(a, b) == 0;
}

static bool wanted(const struct arm_wish *wish, const struct report_disk *disk)
{
	if (wish->disk[0] != '\0')
		return same(wish->disk, disk->serial) || same(wish->disk, disk->wwn);
	return disk->eligible;
}

/* Two ways to one medium, as the node sees it too: a WWN is one disk's. */
static bool same_medium(const struct report_disk *a, const struct report_disk *b)
{
	return a->eligible && b->eligible && same(a->wwn, b->wwn) &&
	       strcmp(a->serial, b->serial) == 0 && a->size_bytes == b->size_bytes &&
	       a->sector_bytes == b->sector_bytes;
}

/* Fits the pins that must hold on any disk. */
static bool check(
	const struct target_rule *target, const struct arm_wish *wish, struct failure *failure)
{
	if (target->serial[0] == '\0' && target->wwn[0] == '\0')
		return failure_text(failure, ERROR_DISK_NONE,
			"the disk has neither serial nor WWN: nothing pins it for certain");
	if (target->size_bytes < wish->image_bytes)
		return failure_text(
			failure, ERROR_DISK_TOO_SMALL, "the disk is smaller than the image");
	if (wish->image_sector_bytes != 0 && target->sector_bytes != wish->image_sector_bytes)
		return failure_text(failure, ERROR_DISK_SECTOR_SIZE,
			"the disk's logical sector size is not the image's");
	return true;
}

bool arm_choose(struct target_rule *target, const struct arm_wish *wish,
	const struct report_disk *disks, uint32_t disks_count, struct failure *failure)
{
	const struct report_disk *found = NULL;

	for (uint32_t i = 0; i < disks_count; i++) {
		if (!wanted(wish, &disks[i]) || (found != NULL && same_medium(found, &disks[i])))
			continue;
		if (found != NULL)
			return failure_text(failure, ERROR_DISK_AMBIGUOUS,
				wish->disk[0] != '\0'
					? "more than one disk has that serial or WWN"
					: "it has more than one disk: say which with --disk");
		found = &disks[i];
	}
	if (found == NULL)
		return failure_text(failure, ERROR_DISK_NONE,
			wish->disk[0] != '\0' ? "no disk of it has that serial or WWN"
					      : "it has no disk that may be overwritten");
	if (!found->eligible)
		return failure_text(failure, ERROR_DISK_NONE,
			"that disk may not be overwritten (USB, removable, read-only or the like)");
	if (wish->size_bytes != 0 && wish->size_bytes != found->size_bytes)
		return failure_text(failure, ERROR_DISK_NONE, "that disk has another --size");
	if (wish->sector_bytes != 0 && wish->sector_bytes != found->sector_bytes)
		return failure_text(
			failure, ERROR_DISK_SECTOR_SIZE, "that disk has another --sector-size");
	memset(target, 0, sizeof(*target));
	memcpy(target->serial, found->serial, sizeof(target->serial));
	memcpy(target->wwn, found->wwn, sizeof(target->wwn));
	target->size_bytes = found->size_bytes;
	target->sector_bytes = found->sector_bytes;
	if (!check(target, wish, failure))
		return false;
	/* A twin would make the node refuse: say it now. */
	for (uint32_t i = 0; i < disks_count; i++)
		if (&disks[i] != found && disks[i].eligible && !same_medium(found, &disks[i]) &&
			disks[i].size_bytes == found->size_bytes &&
			strcmp(disks[i].serial, found->serial) == 0 &&
			strcmp(disks[i].wwn, found->wwn) == 0)
			return failure_text(failure, ERROR_DISK_AMBIGUOUS,
				"two disks of it cannot be told apart");
	return true;
}

bool arm_pin(struct target_rule *target, const struct arm_wish *wish, struct failure *failure)
{
	static const char *const wwn_prefixes[] = {"0x", "naa.", "eui.", "nvme.", "t10."};
	size_t length = strlen(wish->disk);
	char *place = target->serial;

	if (length == 0 || wish->size_bytes == 0)
		return failure_text(failure, ERROR_DISK_NONE,
			"its disks are not known: boot it once with `up --discover`, or give "
			"--disk and "
			"--size");
	if (length >= sizeof(target->serial))
		return failure_text(failure, ERROR_USAGE, "--disk is too long");
	memset(target, 0, sizeof(*target));
	for (size_t i = 0; i < ARRAY_COUNT(wwn_prefixes); i++)
		if (strncmp(wish->disk, wwn_prefixes[i], strlen(wwn_prefixes[i])) == 0)
			place = target->wwn;
	memcpy(place, wish->disk, length + 1);
	target->size_bytes = wish->size_bytes;
	target->sector_bytes = wish->sector_bytes != 0	       ? wish->sector_bytes
			       : wish->image_sector_bytes != 0 ? wish->image_sector_bytes
							       : 512;
	return check(target, wish, failure);
}
