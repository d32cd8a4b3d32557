/* SPDX-License-Identifier: Apache-2.0 */
/* The tracker's numbers as JSON: totals, and swarms by site and rack. */
#include "tracker/metrics.h"

#include "wire/http_tracker.h"

/* Takes over `value`; NULL values show up as a member that is missing, and fail the whole. */
static bool put(json_t *object, const char *name, json_t *value)
{
	return json_object_set_new(object, name, value) == 0;
}

static bool put_number(json_t *object, const char *name, uint64_t value)
{
	return put(object, name, json_integer((json_int_t)value));
}

static json_t *by_transport(uint64_t http, uint64_t udp)
{
	json_t *json = json_object();

	if (put_number(json, "http", http) && put_number(json, "udp", udp))
		return json;
	json_decref(json);
	return NULL;
}

static json_t *events(const struct tracker_statistics *statistics)
{
	json_t *json = json_object();

	if (put_number(json, "none", statistics->events[ANNOUNCE_NONE]) &&
		put_number(json, "started", statistics->events[ANNOUNCE_STARTED]) &&
		put_number(json, "completed", statistics->events[ANNOUNCE_COMPLETED]) &&
		put_number(json, "stopped", statistics->events[ANNOUNCE_STOPPED]) &&
		put_number(json, "paused", statistics->paused))
		return json;
	json_decref(json);
	return NULL;
}

static json_t *refusals(const struct tracker_statistics *statistics)
{
	json_t *json = json_object();

	for (int cause = 0; cause < TRACKER_REFUSALS; cause++)
		if (!put_number(json, tracker_refusal_label((enum tracker_refusal)cause),
			    statistics->refusals[cause])) {
			json_decref(json);
			return NULL;
		}
	return json;
}

static json_t *totals(const struct tracker_statistics *statistics)
{
	json_t *json = json_object();

	if (put_number(json, "uptime_s", statistics->uptime_s) &&
		put_number(json, "interval_s", statistics->interval_s) &&
		put_number(json, "peers", statistics->peers_count) &&
		put_number(json, "peers_max", statistics->peers_max) &&
		put_number(json, "swarms", statistics->swarms_count) &&
		put_number(json, "swarms_max", statistics->swarms_max) &&
		put(json, "announces",
			by_transport(statistics->announces_http, statistics->announces_udp)) &&
		put(json, "events", events(statistics)) &&
		put(json, "scrapes",
			by_transport(statistics->scrapes_http, statistics->scrapes_udp)) &&
		put(json, "refusals", refusals(statistics)) &&
		put_number(json, "udp_connects", statistics->connects_udp) &&
		put_number(json, "udp_datagrams_lost", statistics->datagrams_lost) &&
		put_number(json, "udp_replies_lost", statistics->replies_lost) &&
		put_number(json, "http_connections", statistics->connections_count) &&
		put_number(json, "http_connections_refused", statistics->connections_refused) &&
		put_number(json, "http_connections_late", statistics->connections_late))
		return json;
	json_decref(json);
	return NULL;
}

static bool put_counts(json_t *json, uint64_t seeders, uint64_t leechers, uint64_t paused)
{
	return put_number(json, "seeders", seeders) && put_number(json, "leechers", leechers) &&
	       put_number(json, "paused", paused);
}

/* Racks of one site: rows from *at on, which moves behind them. */
static json_t *site_json(const struct census_row *rows, size_t rows_count, size_t *at)
{
	const struct census_row *first = &rows[*at];
	uint64_t seeders = 0;
	uint64_t leechers = 0;
	uint64_t paused = 0;
	json_t *json = json_object();
	json_t *racks = json_array();
	bool fine = put(json, "site", json_string(first->site));

	for (; *at < rows_count && strcmp(rows[*at].site, first->site) == 0; ++*at) {
		const struct census_row *row = &rows[*at];
		json_t *rack = json_object();

		seeders += row->seeders_count;
		leechers += row->leechers_count;
		paused += row->paused_count;
		fine = fine && put(rack, "rack", json_string(row->rack)) &&
		       put_counts(rack, row->seeders_count, row->leechers_count, row->paused_count);
		/* Taken over in any case. */
		fine = json_array_append_new(racks, rack) == 0 && fine;
	}
	fine = fine && put_counts(json, seeders, leechers, paused);
	fine = put(json, "racks", racks) && fine;
	if (fine)
		return json;
	json_decref(json);
	return NULL;
}

static json_t *swarm_json(
	const struct scrape_entry *swarm, const struct census_row *rows, size_t rows_count)
{
	char hex[2 * SHA1_BYTES + 1];
	uint64_t paused = 0;
	json_t *json = json_object();
	json_t *sites = json_array();
	bool fine = true;

	for (size_t i = 0; i < rows_count; i++)
		paused += rows[i].paused_count;
	for (size_t at = 0; fine && at < rows_count;)
		fine = json_array_append_new(sites, site_json(rows, rows_count, &at)) == 0;
	hex_write(hex, swarm->infohash, SHA1_BYTES);
	fine = fine && put(json, "infohash", json_string(hex)) &&
	       put_counts(json, swarm->seeders_count, swarm->leechers_count, paused) &&
	       put_number(json, "completed", swarm->completed_count);
	fine = put(json, "sites", sites) && fine;
	if (fine)
		return json;
	json_decref(json);
	return NULL;
}

/* Rows of this swarm: the first, and how many. Both lists ascend. */
static size_t rows_of(const struct census_result *census, const uint8_t *infohash, size_t *first)
{
	size_t end;

	while (*first < census->rows_count &&
		memcmp(census->rows[*first].infohash, infohash, SHA1_BYTES) < 0)
		++*first;
	for (end = *first; end < census->rows_count &&
			   memcmp(census->rows[end].infohash, infohash, SHA1_BYTES) == 0;)
		end++;
	return end - *first;
}

json_t *view_json(const struct tracker *tracker, const struct tracker_statistics *statistics,
	const struct census_result *census, const struct scrape_entry *swarms, size_t swarms_count,
	const uint8_t *infohash)
{
	json_t *json = json_object();
	json_t *list = json_array();
	size_t first = 0;
	size_t omitted = 0;
	bool fine = true;

	for (size_t i = 0; fine && i < swarms_count; i++) {
		size_t rows_count = rows_of(census, swarms[i].infohash, &first);

		if (infohash != NULL && memcmp(swarms[i].infohash, infohash, SHA1_BYTES) != 0)
			continue;
		if (json_array_size(list) == VIEW_SWARMS_MAX)
			omitted++;
		else
			fine = json_array_append_new(list,
				       swarm_json(&swarms[i], census->rows + first, rows_count)) ==
			       0;
	}
	fine = put(json, "swarms", list) && fine;
	fine = fine && put(json, "tracker", totals(statistics)) &&
	       put(json, "cluster", view_cluster_json(tracker)) &&
	       put_number(json, "swarms_omitted", omitted) &&
	       put_number(json, "peers_omitted", census->lost);
	if (fine)
		return json;
	json_decref(json);
	return NULL;
}
