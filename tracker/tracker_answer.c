/* SPDX-License-Identifier: Apache-2.0 */
/* What announces and scrapes are answered over HTTP, however the request came. */
#include "tracker/tracker_private.h"

#include <stdlib.h>

/* A scrape of everything costs as many announces as this many of its entries do. */
#define ENTRIES_PER_UNIT 64

uint64_t tracker_look(const struct tracker *tracker, const uint8_t ip[static 16])
{
	return tracker->limits.entries == NULL ? 0 : limits_look(&tracker->limits, ip);
}

bool tracker_admits(struct tracker *tracker, uint64_t now_us, const uint8_t ip[static 16],
	uint64_t address, uint32_t units)
{
	if (tracker->limits.entries == NULL ||
		limits_take(&tracker->limits, now_us, address, units))
		return true;
	tracker_refused(tracker, TRACKER_REFUSED_LIMITED, "too many requests", ip, NULL);
	return false;
}

static uint8_t *body_of(struct tracker *tracker)
{
	return tracker->body + TRACKER_HEAD_BYTES_MAX;
}

static size_t refuse(struct tracker *tracker, const char *reason)
{
	struct announce_reply *reply = &tracker->reply;

	memset(reply, 0, offsetof(struct announce_reply, peers));
	reply->peers_count = 0;
	memcpy(reply->failure, reason, u64_min(strlen(reason), sizeof(reply->failure) - 1));
	return http_announce_reply_write(
		reply, true, true, body_of(tracker), tracker->body_bytes_max);
}

static size_t refuse_malformed(
	struct tracker *tracker, const char *reason, const uint8_t ip[static 16])
{
	tracker_refused(tracker, TRACKER_REFUSED_MALFORMED, reason, ip, NULL);
	return refuse(tracker, reason);
}

static size_t answer_announce(struct tracker *tracker, const char *query, size_t query_bytes,
	uint64_t now_us, const uint8_t ip[static 16])
{
	struct announce announce;
	struct announce_reply *reply = &tracker->reply;
	const char *reason;

	if (!http_announce_parse(&announce, query, query_bytes, &reason))
		return refuse_malformed(tracker, reason, ip);
	if (!tracker_admits(tracker, now_us, ip, tracker_look(tracker, ip), 1))
		return refuse(tracker, "too many announces from your address");
	tracker_core_announce(tracker->core, now_us / 1000, &announce, ip, reply);
	tracker_count_announce(tracker, &announce, reply, ip, &tracker->statistics.announces_http);
	memcpy(reply->external_ip, ip, sizeof(reply->external_ip));
	return http_announce_reply_write(reply, announce.compact, announce.no_peer_id,
		body_of(tracker), tracker->body_bytes_max);
}

static int compare_entries(const void *a, const void *b)
{
	return memcmp(((const struct scrape_entry *)a)->infohash,
		((const struct scrape_entry *)b)->infohash, SHA1_BYTES);
}

/* In ascending order, each once: a dictionary. */
static size_t sort_entries(struct scrape_entry *entries, size_t count)
{
	size_t kept = 0;

	qsort(entries, count, sizeof(*entries), compare_entries);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || compare_entries(&entries[kept - 1], &entries[i]) != 0)
			entries[kept++] = entries[i];
	return kept;
}

static size_t answer_scrape(struct tracker *tracker, const char *query, size_t query_bytes,
	uint64_t now_us, const uint8_t ip[static 16])
{
	uint8_t hashes[SCRAPE_HASHES_MAX][SHA1_BYTES];
	uint32_t hashes_count = 0;
	const char *reason;
	size_t count = 0;
	uint32_t units = 1;

	if (!http_scrape_parse(hashes, &hashes_count, query, query_bytes, &reason))
		return refuse_malformed(tracker, reason, ip);
	if (hashes_count == 0)
		units += tracker_core_swarms_count(tracker->core) / ENTRIES_PER_UNIT;
	if (!tracker_admits(tracker, now_us, ip, tracker_look(tracker, ip), units))
		return refuse(tracker, "too many scrapes from your address");
	if (hashes_count == 0)
		count = tracker_core_scrape_all(
			tracker->core, now_us / 1000, tracker->entries, tracker->entries_max);
	for (uint32_t i = 0; i < hashes_count; i++)
		count += tracker_core_scrape(
			tracker->core, now_us / 1000, hashes[i], &tracker->entries[count]);
	tracker->statistics.scrapes_http++;
	count = sort_entries(tracker->entries, count);
	return http_scrape_reply_write(
		tracker->entries, count, body_of(tracker), tracker->body_bytes_max);
}

static bool path_is(const char *path, size_t path_bytes, const char *text)
{
	return path_bytes == strlen(text) && memcmp(path, text, path_bytes) == 0;
}

size_t tracker_http_body(struct tracker *tracker, const char *path, size_t path_bytes,
	const char *query, size_t query_bytes, const uint8_t ip[static 16])
{
	if (path_is(path, path_bytes, "/announce"))
		return answer_announce(tracker, query, query_bytes, tracker_now_us(), ip);
	if (path_is(path, path_bytes, "/scrape"))
		return answer_scrape(tracker, query, query_bytes, tracker_now_us(), ip);
	return 0;
}
