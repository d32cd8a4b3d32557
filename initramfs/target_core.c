/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing the one disk that may be overwritten, and waiting until the choice is stable. */
#include "initramfs/target_core.h"

/* A failure's text, put together without stdio. */
struct text {
	struct failure *failure;
	size_t used;
};

static void text_put(struct text *text, const char *more)
{
	if (text->failure == NULL)
		return;
	size_t room = sizeof(text->failure->text) - 1 - text->used;
	size_t length = u64_min(strlen(more), room);

	memcpy(text->failure->text + text->used, more, length);
	text->used += length;
	text->failure->text[text->used] = '\0';
}

static void text_put_number(struct text *text, uint64_t number)
{
	char digits[21];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	text_put(text, digits + at);
}

static struct text refusal(struct failure *failure, enum error error)
{
	struct text text = {failure, 0};

	if (failure != NULL) {
		failure->error = error;
		failure->text[0] = '\0';
	}
	return text;
}

/* Two entries that are two ways to the same medium. */
static bool same_medium(const struct report_disk *a, const struct report_disk *b)
{
	return a->wwn[0] != '\0' && strcmp(a->wwn, b->wwn) == 0 &&
	       strcmp(a->serial, b->serial) == 0 && a->size_bytes == b->size_bytes &&
	       a->sector_bytes == b->sector_bytes;
}

static bool is_later_path(const struct report_disk *disks, uint32_t index)
{
	for (uint32_t i = 0; i < index; i++)
		if (disks[i].eligible && same_medium(&disks[i], &disks[index]))
			return true;
	return false;
}

static bool identity_matches(const struct target_rule *rule, const struct report_disk *disk)
{
	return (rule->serial[0] == '\0' || strcmp(rule->serial, disk->serial) == 0) &&
	       (rule->wwn[0] == '\0' || strcmp(rule->wwn, disk->wwn) == 0);
}

static bool shape_matches(const struct target_rule *rule, const struct report_disk *disk)
{
	return (rule->size_bytes == 0 || rule->size_bytes == disk->size_bytes) &&
	       (rule->sector_bytes == 0 || rule->sector_bytes == disk->sector_bytes);
}

static void text_put_rule(struct text *text, const struct target_rule *rule)
{
	if (rule->serial[0] != '\0') {
		text_put(text, " serial ");
		text_put(text, rule->serial);
	}
	if (rule->wwn[0] != '\0') {
		text_put(text, " WWN ");
		text_put(text, rule->wwn);
	}
	if (rule->size_bytes != 0) {
		text_put(text, " size ");
		text_put_number(text, rule->size_bytes);
	}
	if (rule->sector_bytes != 0) {
		text_put(text, " sector ");
		text_put_number(text, rule->sector_bytes);
	}
}

static bool refuse_sector(const struct report_disk *disk, uint32_t wanted, struct failure *failure)
{
	struct text text = refusal(failure, ERROR_DISK_SECTOR_SIZE);

	text_put(&text, disk->name);
	text_put(&text, " has sectors of ");
	text_put_number(&text, disk->sector_bytes);
	text_put(&text, " bytes, not ");
	text_put_number(&text, wanted);
	return false;
}

static bool refuse_size(const struct report_disk *disk, uint64_t wanted, struct failure *failure)
{
	struct text text = refusal(failure, ERROR_DISK_TOO_SMALL);

	text_put(&text, disk->name);
	text_put(&text, " has ");
	text_put_number(&text, disk->size_bytes);
	text_put(&text, " bytes, needed are ");
	text_put_number(&text, wanted);
	return false;
}

/* No disk fits the whole rule: `near` has its serial and WWN, when there is one. */
static bool refuse_none(const struct target_need *need, const struct report_disk *near,
	uint32_t disks_count, struct failure *failure)
{
	const struct target_rule *rule = need->rule;
	bool pinned = rule->serial[0] != '\0' || rule->wwn[0] != '\0';

	if (near != NULL && pinned && rule->sector_bytes != 0 &&
		near->sector_bytes != rule->sector_bytes)
		return refuse_sector(near, rule->sector_bytes, failure);
	if (near != NULL && pinned && near->size_bytes < rule->size_bytes)
		return refuse_size(near, rule->size_bytes, failure);
	struct text text = refusal(failure, ERROR_DISK_NONE);

	text_put(&text, "none of ");
	text_put_number(&text, disks_count);
	text_put(&text, " disks may be overwritten and matches");
	text_put_rule(&text, rule);
	return false;
}

static bool refuse_ambiguous(const struct report_disk *disks, const uint32_t *matches,
	uint32_t matches_count, const struct target_rule *rule, struct failure *failure)
{
	struct text text = refusal(failure, ERROR_DISK_AMBIGUOUS);

	text_put_number(&text, matches_count);
	text_put(&text, " disks match");
	text_put_rule(&text, rule);
	text_put(&text, ":");
	for (uint32_t i = 0; i < matches_count; i++) {
		text_put(&text, " ");
		text_put(&text, disks[matches[i]].name);
	}
	return false;
}

bool target_choose(const struct target_need *need, const struct report_disk *disks,
	uint32_t disks_count, uint32_t *chosen, struct failure *failure)
{
	uint32_t matches[REPORT_DISKS_MAX];
	uint32_t matches_count = 0;
	const struct report_disk *near = NULL;

	if (disks_count > REPORT_DISKS_MAX) {
		struct text text = refusal(failure, ERROR_DISK_AMBIGUOUS);

		text_put(&text, "more disks than can be told apart");
		return false;
	}
	for (uint32_t i = 0; i < disks_count; i++) {
		if (!disks[i].eligible || !identity_matches(need->rule, &disks[i]) ||
			is_later_path(disks, i))
			continue;
		if (shape_matches(need->rule, &disks[i]))
			matches[matches_count++] = i;
		else if (near == NULL)
			near = &disks[i];
	}
	if (matches_count == 0)
		return refuse_none(need, near, disks_count, failure);
	if (matches_count > 1)
		return refuse_ambiguous(disks, matches, matches_count, need->rule, failure);
	const struct report_disk *disk = &disks[matches[0]];

	if (need->image_sector_bytes != 0 && need->image_sector_bytes != disk->sector_bytes)
		return refuse_sector(disk, need->image_sector_bytes, failure);
	if (need->image_bytes > disk->size_bytes)
		return refuse_size(disk, need->image_bytes, failure);
	*chosen = matches[0];
	return true;
}

/* FNV-1a, 64 bits. */
static uint64_t fingerprint_bytes(uint64_t hash, const void *bytes, size_t bytes_count)
{
	const uint8_t *byte = bytes;

	for (size_t i = 0; i < bytes_count; i++)
		hash = (hash ^ byte[i]) * 0x100000001b3;
	return hash;
}

static uint64_t fingerprint_text(uint64_t hash, const char *text)
{
	return fingerprint_bytes(hash, text, strlen(text) + 1);
}

static uint64_t fingerprint_disks(const struct report_disk *disks, uint32_t disks_count)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (uint32_t i = 0; i < disks_count; i++) {
		hash = fingerprint_text(hash, disks[i].name);
		hash = fingerprint_text(hash, disks[i].serial);
		hash = fingerprint_text(hash, disks[i].wwn);
		hash = fingerprint_text(hash, disks[i].why_not);
		hash = fingerprint_bytes(hash, &disks[i].size_bytes, sizeof(uint64_t));
		hash = fingerprint_bytes(hash, &disks[i].sector_bytes, sizeof(uint32_t));
	}
	return hash;
}

void target_watch_start(struct target_watch *watch, uint64_t now_ns, uint64_t settle_ns)
{
	*watch = (struct target_watch){
		.settle_ns = settle_ns, .started_ns = now_ns, .changed_ns = now_ns};
}

uint64_t target_watch_stable_ns(const struct target_watch *watch, uint64_t now_ns)
{
	return watch->seen ? now_ns - watch->changed_ns : 0;
}

bool target_watch_hopes(const struct target_watch *watch, uint64_t now_ns)
{
	return now_ns - watch->started_ns < TARGET_ABSENT_SETTLES * watch->settle_ns;
}

enum target_verdict target_watch_disks(struct target_watch *watch, uint64_t now_ns,
	const struct report_disk *disks, uint32_t disks_count, bool probing)
{
	uint64_t fingerprint = fingerprint_disks(disks, disks_count);
	uint64_t waited_ns = now_ns - watch->started_ns;

	if (!watch->seen || fingerprint != watch->fingerprint ||
		(probing && waited_ns < TARGET_PROBING_NS_MAX)) {
		watch->seen = true;
		watch->fingerprint = fingerprint;
		watch->changed_ns = now_ns;
	}
	if (now_ns - watch->changed_ns >= watch->settle_ns)
		return TARGET_SETTLED;
	return waited_ns >= TARGET_CHANGING_NS_MAX ? TARGET_RESTLESS : TARGET_WAIT;
}
