/* SPDX-License-Identifier: Apache-2.0 */
/* Passes over the book, and who waits for which. */
#include "tracker/census.h"

#include "runtime/crypto.h"
#include "tracker/tracker_private.h"

#include <stdlib.h>

#define SLICE_RECORDS 20000
#define TABLE_SLOTS   (2 * CENSUS_ROWS_MAX) /* a power of two */
#define FREE_SLOT     UINT32_MAX

struct waiter {
	void (*done)(void *context, const struct census_result *result);
	void *context;
	bool counted; /* by the pass that runs */
};

struct census {
	struct tracker *tracker;
	struct event *slice;
	bool running;
	uint64_t cursor;
	uint64_t lost;
	uint64_t hash_key;
	size_t rows_count;
	size_t waiters_count;
	struct waiter waiters[CENSUS_WAITERS_MAX];
	struct census_row rows[CENSUS_ROWS_MAX];
	uint32_t table[TABLE_SLOTS]; /* row numbers, open addressing */
};

/* Keyed, as peers choose infohashes and names. */
static uint32_t slot_of(const struct census *census, const struct tracker_record *record)
{
	uint8_t bytes[SHA1_BYTES + 2 * (PEER_PLACE_MAX + 1) + 2] = {0};
	uint64_t hash = census->hash_key;

	memcpy(bytes, record->infohash, SHA1_BYTES);
	memcpy(bytes + SHA1_BYTES, record->site, strlen(record->site));
	memcpy(bytes + SHA1_BYTES + PEER_PLACE_MAX + 1, record->rack, strlen(record->rack));
	for (size_t at = 0; at + 8 <= sizeof(bytes); at += 8) {
		hash = (hash ^ be64_read(bytes + at)) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	return (uint32_t)(hash >> 32) & (TABLE_SLOTS - 1);
}

/* NULL when there is no row left. */
static struct census_row *row_of(struct census *census, const struct tracker_record *record)
{
	uint32_t slot = slot_of(census, record);

	/* The table has twice as many slots as there are rows: one is free. */
	for (; census->table[slot] != FREE_SLOT; slot = (slot + 1) & (TABLE_SLOTS - 1)) {
		struct census_row *row = &census->rows[census->table[slot]];

		if (memcmp(row->infohash, record->infohash, SHA1_BYTES) == 0 &&
			strcmp(row->site, record->site) == 0 &&
			strcmp(row->rack, record->rack) == 0)
			return row;
	}
	if (census->rows_count == CENSUS_ROWS_MAX)
		return NULL;
	struct census_row *row = &census->rows[census->rows_count];

	*row = (struct census_row){0};
	memcpy(row->infohash, record->infohash, SHA1_BYTES);
	memcpy(row->site, record->site, sizeof(row->site));
	memcpy(row->rack, record->rack, sizeof(row->rack));
	census->table[slot] = (uint32_t)census->rows_count++;
	return row;
}

static void count(struct census *census, const struct tracker_record *record)
{
	if (record->stopped)
		return;
	struct census_row *row = row_of(census, record);
	if (row == NULL) {
		census->lost++;
		return;
	}
	row->seeders_count += record->seeder;
	row->leechers_count += !record->seeder;
	row->paused_count += !record->seeder && record->paused;
}

static int compare(const void *a, const void *b)
{
	const struct census_row *left = a;
	const struct census_row *right = b;
	int order = memcmp(left->infohash, right->infohash, SHA1_BYTES);

	if (order == 0)
		order = strcmp(left->site, right->site);
	return order != 0 ? order : strcmp(left->rack, right->rack);
}

static void begin(struct census *census)
{
	census->cursor = 0;
	census->lost = 0;
	census->rows_count = 0;
	memset(census->table, 0xff, sizeof(census->table));
}

/* False when the pass is complete. */
static bool slice(struct census *census, size_t records_max)
{
	struct tracker_record record;
	uint64_t now_ms = tracker_now_us() / 1000;

	for (size_t i = 0; i < records_max; i++) {
		if (!tracker_core_walk(census->tracker->core, now_ms, &census->cursor, &record))
			return false;
		count(census, &record);
	}
	return true;
}

static struct census_result result_of(struct census *census)
{
	qsort(census->rows, census->rows_count, sizeof(census->rows[0]), compare);
	return (struct census_result){
		.rows = census->rows, .rows_count = census->rows_count, .lost = census->lost};
}

static void start(struct census *census)
{
	begin(census);
	census->running = true;
	for (size_t i = 0; i < census->waiters_count; i++)
		census->waiters[i].counted = true;
	event_active(census->slice, EV_TIMEOUT, 0);
}

static void on_slice(evutil_socket_t fd, short events, void *context)
{
	struct census *census = context;
	struct timeval now = {0};
	struct waiter waiters[CENSUS_WAITERS_MAX];
	size_t done_count = 0;
	size_t kept = 0;

	(void)fd;
	(void)events;
	if (slice(census, SLICE_RECORDS)) {
		/* By way of the timers, so that sockets have their turn between slices. */
		if (event_add(census->slice, &now) != 0)
			event_active(census->slice, EV_TIMEOUT, 0);
		return;
	}
	struct census_result result = result_of(census);

	census->running = false;
	for (size_t i = 0; i < census->waiters_count; i++) {
		if (census->waiters[i].counted)
			waiters[done_count++] = census->waiters[i];
		else
			census->waiters[kept++] = census->waiters[i];
	}
	census->waiters_count = kept;
	for (size_t i = 0; i < done_count; i++)
		waiters[i].done(waiters[i].context, &result);
	if (census->waiters_count > 0 && !census->running)
		start(census);
}

struct census *census_create(
	struct event_base *base, struct tracker *tracker, struct failure *failure)
{
	struct census *census = malloc(sizeof(*census));

	if (census != NULL) {
		memset(census, 0, offsetof(struct census, rows));
		census->tracker = tracker;
		crypto_random(&census->hash_key, sizeof(census->hash_key));
		census->slice = event_new(base, -1, 0, on_slice, census);
	}
	if (census == NULL || census->slice == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory to count peers by site");
		return census_destroy(census);
	}
	return census;
}

struct census *census_destroy(struct census *census)
{
	if (census == NULL)
		return NULL;
	if (census->slice != NULL)
		event_free(census->slice);
	free(census);
	return NULL;
}

bool census_request(struct census *census,
	void (*done)(void *context, const struct census_result *result), void *context)
{
	if (census->waiters_count == CENSUS_WAITERS_MAX)
		return false;
	census->waiters[census->waiters_count++] =
		(struct waiter){.done = done, .context = context};
	if (!census->running)
		start(census);
	return true;
}

void census_cancel(struct census *census, const void *context)
{
	size_t kept = 0;

	for (size_t i = 0; i < census->waiters_count; i++)
		if (census->waiters[i].context != context)
			census->waiters[kept++] = census->waiters[i];
	census->waiters_count = kept;
}

void census_now(struct census *census,
	void (*done)(void *context, const struct census_result *result), void *context)
{
	begin(census);
	while (slice(census, SLICE_RECORDS))
		continue;
	struct census_result result = result_of(census);

	done(context, &result);
}
