/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the file of infohashes, and telling a tracker what has changed in it. */
#include "tracker/allow_list.h"

#include "lib/cleanup.h"
#include "tracker/tracker.h"

#define INFOHASH_HEX_BYTES (2 * SHA1_BYTES)
#define LINE_BYTES_MAX	   256

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, SHA1_BYTES);
}

bool allow_list_make(struct allow_list *list, size_t count_max)
{
	*list = (struct allow_list){0};
	list->infohashes = malloc((count_max + 1) * sizeof(*list->infohashes));
	return list->infohashes != NULL;
}

void allow_list_sort(struct allow_list *list)
{
	size_t kept = 0;

	qsort(list->infohashes, list->count, SHA1_BYTES, compare);
	for (size_t i = 0; i < list->count; i++)
		if (kept == 0 || compare(list->infohashes[kept - 1], list->infohashes[i]) != 0)
			memmove(list->infohashes[kept++], list->infohashes[i], SHA1_BYTES);
	list->count = kept;
}

static bool read_line(struct allow_list *list, char *line, const char *path, size_t number,
	struct failure *failure)
{
	if (strchr(line, '\n') == NULL && strlen(line) == LINE_BYTES_MAX - 1)
		return failure_set(failure, ERROR_FORMAT, "%s, line %zu: longer than %d characters",
			path, number, LINE_BYTES_MAX - 2);
	line += strspn(line, " \t");
	line[strcspn(line, " \t\r\n#")] = '\0';
	if (line[0] == '\0')
		return true;
	if (list->count == ALLOW_LIST_MAX)
		return failure_set(failure, ERROR_LIMIT, "%s has more than %d infohashes", path,
			ALLOW_LIST_MAX);
	if (!hex_read(list->infohashes[list->count], SHA1_BYTES, line))
		return failure_set(failure, ERROR_FORMAT,
			"%s, line %zu: not an infohash of %d hex digits", path, number,
			INFOHASH_HEX_BYTES);
	list->count++;
	return true;
}

bool allow_list_read(struct allow_list *list, const char *path, struct failure *failure)
{
	SCOPED(file) FILE *file = fopen(path, "re");
	char line[LINE_BYTES_MAX];
	bool fine = true;

	*list = (struct allow_list){0};
	if (file == NULL)
		return failure_errno(failure, ERROR_SYSTEM, "cannot read %s", path);
	if (!allow_list_make(list, ALLOW_LIST_MAX))
		return failure_set(failure, ERROR_MEMORY, "no memory to read %s", path);
	for (size_t number = 1; fine && fgets(line, sizeof(line), file) != NULL; number++)
		fine = read_line(list, line, path, number, failure);
	if (fine && ferror(file))
		fine = failure_errno(failure, ERROR_SYSTEM, "cannot read %s", path);
	if (fine)
		allow_list_sort(list);
	else
		allow_list_release(list);
	return fine;
}

void allow_list_release(struct allow_list *list)
{
	free(list->infohashes);
	*list = (struct allow_list){0};
}

static bool contains(const struct allow_list *list, const uint8_t *infohash)
{
	return list->count > 0 &&
	       bsearch(infohash, list->infohashes, list->count, SHA1_BYTES, compare) != NULL;
}

bool allow_list_apply(struct tracker *tracker, const struct allow_list *before,
	const struct allow_list *now, size_t *added, size_t *removed)
{
	bool room = true;

	*added = 0;
	*removed = 0;
	/* What goes makes place for what comes. */
	for (size_t i = 0; i < before->count; i++)
		if (!contains(now, before->infohashes[i])) {
			tracker_disallow(tracker, before->infohashes[i]);
			++*removed;
		}
	for (size_t i = 0; i < now->count; i++)
		if (!contains(before, now->infohashes[i])) {
			if (tracker_allow(tracker, now->infohashes[i]))
				++*added;
			else
				room = false;
		}
	return room;
}
