/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus's text format: each family with its help and type, then its series. */
#include "tracker/metrics_private.h"

#include <event2/buffer.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>

#include "runtime/budget.h"

#define PREFIX	       METRICS_PREFIX
#define LABEL_TEXT_MAX (2 * PEER_PLACE_MAX + 1)

void metrics_add(struct metrics *metrics, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (evbuffer_add_vprintf(metrics->out, format, arguments) < 0)
		metrics->failed = true;
	va_end(arguments);
}

void metrics_family(struct metrics *metrics, const char *name, const char *type, const char *help)
{
	metrics_add(metrics, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_single(struct metrics *metrics, const char *name, const char *type, const char *help,
	uint64_t value)
{
	metrics_family(metrics, name, type, help);
	metrics_add(metrics, "%s %llu\n", name, (unsigned long long)value);
}

/* Names of places are printable and hold no line ends. */
static const char *label(char text[static LABEL_TEXT_MAX], const char *name)
{
	size_t used = 0;

	for (; *name != '\0' && used + 2 < LABEL_TEXT_MAX; name++) {
		if (*name == '"' || *name == '\\')
			text[used++] = '\\';
		text[used++] = *name;
	}
	text[used] = '\0';
	return text;
}

static void write_announces(struct metrics *metrics, const struct tracker_statistics *statistics)
{
	static const char *const events[] = {[ANNOUNCE_NONE] = "none",
		[ANNOUNCE_COMPLETED] = "completed",
		[ANNOUNCE_STARTED] = "started",
		[ANNOUNCE_STOPPED] = "stopped"};

	metrics_family(
		metrics, PREFIX "announces_total", "counter", "Announces answered with peers.");
	metrics_add(metrics, PREFIX "announces_total{transport=\"http\"} %llu\n",
		(unsigned long long)statistics->announces_http);
	metrics_add(metrics, PREFIX "announces_total{transport=\"udp\"} %llu\n",
		(unsigned long long)statistics->announces_udp);
	metrics_family(metrics, PREFIX "announce_events_total", "counter", "The same, by event.");
	for (size_t i = 0; i < ARRAY_COUNT(events); i++)
		metrics_add(metrics, PREFIX "announce_events_total{event=\"%s\"} %llu\n", events[i],
			(unsigned long long)statistics->events[i]);
	metrics_single(metrics, PREFIX "announces_paused_total", "counter",
		"Of the announces, those of partial seeds.", statistics->paused);
	metrics_family(metrics, PREFIX "scrapes_total", "counter", "Scrapes answered.");
	metrics_add(metrics, PREFIX "scrapes_total{transport=\"http\"} %llu\n",
		(unsigned long long)statistics->scrapes_http);
	metrics_add(metrics, PREFIX "scrapes_total{transport=\"udp\"} %llu\n",
		(unsigned long long)statistics->scrapes_udp);
}

static void write_transport(struct metrics *metrics, const struct tracker_statistics *statistics)
{
	metrics_family(metrics, PREFIX "refusals_total", "counter", "Requests refused, by cause.");
	for (int cause = 0; cause < TRACKER_REFUSALS; cause++)
		metrics_add(metrics, PREFIX "refusals_total{cause=\"%s\"} %llu\n",
			tracker_refusal_label((enum tracker_refusal)cause),
			(unsigned long long)statistics->refusals[cause]);
	metrics_single(metrics, PREFIX "udp_connects_total", "counter",
		"UDP connection ids handed out.", statistics->connects_udp);
	metrics_single(metrics, PREFIX "udp_datagrams_lost_total", "counter",
		"Datagrams that came faster than they were read.", statistics->datagrams_lost);
	metrics_single(metrics, PREFIX "udp_replies_lost_total", "counter",
		"Replies that the network did not take.", statistics->replies_lost);
	metrics_single(metrics, PREFIX "http_connections", "gauge", "HTTP connections open.",
		statistics->connections_count);
	metrics_single(metrics, PREFIX "http_connections_refused_total", "counter",
		"HTTP connections of addresses that had too many.",
		statistics->connections_refused);
	metrics_single(metrics, PREFIX "http_connections_late_total", "counter",
		"HTTP connections ended because they took too long or made place for others.",
		statistics->connections_late);
}

static void write_totals(struct metrics *metrics, const struct tracker_statistics *statistics)
{
	metrics_single(
		metrics, PREFIX "peers", "gauge", "Peers remembered.", statistics->peers_count);
	metrics_single(metrics, PREFIX "peers_max", "gauge", "Peers that there is room for.",
		statistics->peers_max);
	metrics_single(
		metrics, PREFIX "swarms", "gauge", "Swarms remembered.", statistics->swarms_count);
	metrics_single(metrics, PREFIX "swarms_max", "gauge", "Swarms that there is room for.",
		statistics->swarms_max);
	metrics_single(metrics, PREFIX "interval_seconds", "gauge",
		"Announce interval that peers are told.", statistics->interval_s);
	metrics_single(metrics, PREFIX "uptime_seconds", "gauge", "Since the tracker started.",
		statistics->uptime_s);
}

/* Sums of rows for each place, one (site, rack) at a time: rows are ordered by swarm, and there are
 * few places, so looking for each among those before it is quick enough. */
struct place {
	const struct census_row *name;
	uint64_t seeders_count;
	uint64_t leechers_count;
	uint64_t swarms_count;
};

#define PLACES_MAX 1024

static struct place *place_of(struct place *places, size_t *count, const struct census_row *row)
{
	for (size_t i = 0; i < *count; i++)
		if (strcmp(places[i].name->site, row->site) == 0 &&
			strcmp(places[i].name->rack, row->rack) == 0)
			return &places[i];
	if (*count == PLACES_MAX)
		return NULL;
	places[*count] = (struct place){.name = row};
	return &places[(*count)++];
}

static void write_place(struct metrics *metrics, const char *name, const struct place *place,
	const char *role, uint64_t value)
{
	char site[LABEL_TEXT_MAX];
	char rack[LABEL_TEXT_MAX];

	metrics_add(metrics, "%s{site=\"%s\",rack=\"%s\"%s%s%s} %llu\n", name,
		label(site, place->name->site), label(rack, place->name->rack),
		role != NULL ? ",role=\"" : "", role != NULL ? role : "", role != NULL ? "\"" : "",
		(unsigned long long)value);
}

static void write_places(struct metrics *metrics, const struct census_result *census)
{
	struct place places[PLACES_MAX];
	size_t count = 0;
	uint64_t lost = census->lost;

	for (size_t i = 0; i < census->rows_count; i++) {
		const struct census_row *row = &census->rows[i];
		struct place *place = place_of(places, &count, row);

		if (place == NULL) {
			lost += row->seeders_count + row->leechers_count;
			continue;
		}
		place->seeders_count += row->seeders_count;
		place->leechers_count += row->leechers_count;
		place->swarms_count++;
	}
	metrics_family(metrics, PREFIX "place_peers", "gauge", "Peers by site, rack and role.");
	for (size_t i = 0; i < count; i++) {
		write_place(metrics, PREFIX "place_peers", &places[i], "seeder",
			places[i].seeders_count);
		write_place(metrics, PREFIX "place_peers", &places[i], "leecher",
			places[i].leechers_count);
	}
	metrics_family(
		metrics, PREFIX "place_swarms", "gauge", "Swarms with a peer in a site and rack.");
	for (size_t i = 0; i < count; i++)
		write_place(
			metrics, PREFIX "place_swarms", &places[i], NULL, places[i].swarms_count);
	metrics_single(metrics, PREFIX "place_peers_omitted", "gauge",
		"Peers left out of the series by site, as there are too many places.", lost);
}

static void write_swarms(struct metrics *metrics, const struct census_result *census)
{
	char hex[2 * SHA1_BYTES + 1];
	size_t swarms = 0;

	metrics_family(metrics, PREFIX "swarm_peers", "gauge", "Peers by infohash and role.");
	for (size_t i = 0; i < census->rows_count;) {
		const struct census_row *first = &census->rows[i];
		uint64_t seeders = 0;
		uint64_t leechers = 0;

		for (; i < census->rows_count &&
			memcmp(census->rows[i].infohash, first->infohash, SHA1_BYTES) == 0;
			i++) {
			seeders += census->rows[i].seeders_count;
			leechers += census->rows[i].leechers_count;
		}
		if (swarms++ >= METRICS_SWARMS_MAX)
			continue;
		hex_write(hex, first->infohash, SHA1_BYTES);
		metrics_add(metrics,
			PREFIX "swarm_peers{infohash=\"%s\",role=\"seeder\"} %llu\n" PREFIX
			       "swarm_peers{infohash=\"%s\",role=\"leecher\"} %llu\n",
			hex, (unsigned long long)seeders, hex, (unsigned long long)leechers);
	}
	metrics_single(metrics, PREFIX "swarms_omitted", "gauge",
		"Swarms with peers that are left out of the series by infohash.",
		swarms > METRICS_SWARMS_MAX ? swarms - METRICS_SWARMS_MAX : 0);
}

/* Names as Prometheus's own libraries use them. */
static void write_process(struct metrics *metrics)
{
	struct rusage usage;
	uint64_t resident_bytes = budget_resident_bytes();

	if (resident_bytes > 0)
		metrics_single(metrics, "process_resident_memory_bytes", "gauge",
			"Resident memory.", resident_bytes);
	if (getrusage(RUSAGE_SELF, &usage) != 0)
		return;
	metrics_family(metrics, "process_cpu_seconds_total", "counter", "User and system time.");
	long microseconds = usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
	metrics_add(metrics, "process_cpu_seconds_total %lld.%06ld\n",
		(long long)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + microseconds / 1000000,
		microseconds % 1000000);
}

bool metrics_write(struct evbuffer *out, const struct tracker *tracker,
	const struct tracker_statistics *statistics, const struct census_result *census)
{
	struct metrics metrics = {.out = out};

	write_announces(&metrics, statistics);
	write_transport(&metrics, statistics);
	write_totals(&metrics, statistics);
	write_places(&metrics, census);
	write_swarms(&metrics, census);
	metrics_write_cluster(&metrics, tracker);
	write_process(&metrics);
	return !metrics.failed;
}
