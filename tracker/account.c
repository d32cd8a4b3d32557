/* SPDX-License-Identifier: Apache-2.0 */
/* What the tracker counts of what it does, and the lines it logs of what it refuses. */
#include "tracker/tracker_private.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "lib/log.h"

/* Of refusals for one cause, one in so long is logged, with how many were not. */
#define REFUSAL_LOG_INTERVAL_S 10

const char *tracker_refusal_label(enum tracker_refusal cause)
{
	static const char *const labels[] = {
#define X(name, label, meaning) label,
#include "tracker/refusals.def"
#undef X
	};

	return labels[cause];
}

static void log_refusal(enum tracker_refusal cause, const char *reason, const uint8_t *ip,
	const uint8_t *infohash, uint64_t unlogged)
{
	struct log_field fields[5] = {{"cause", tracker_refusal_label(cause)}};
	struct peer_address address = {0};
	size_t count = 1;
	char text[INET6_ADDRSTRLEN] = "";
	char hex[2 * SHA1_BYTES + 1];
	char others[24];

	memcpy(address.ip, ip, sizeof(address.ip));
	bool ipv4 = peer_address_is4(&address);
	inet_ntop(ipv4 ? AF_INET : AF_INET6, address.ip + (ipv4 ? 12 : 0), text, sizeof(text));
	fields[count++] = (struct log_field){"from", text};
	if (infohash != NULL) {
		hex_write(hex, infohash, SHA1_BYTES);
		fields[count++] = (struct log_field){"infohash", hex};
	}
	fields[count++] = (struct log_field){"reason", reason};
	if (unlogged > 0) {
		snprintf(others, sizeof(others), "%llu", (unsigned long long)unlogged);
		fields[count++] = (struct log_field){"others", others};
	}
	log_event(LOG_LEVEL_INFO, "refused", fields, count);
}

void tracker_refused(struct tracker *tracker, enum tracker_refusal cause, const char *reason,
	const uint8_t ip[static 16], const uint8_t *infohash)
{
	struct tracker_refusal_log *log = &tracker->refusal_logs[cause];
	uint64_t now_s = tracker_now_us() / 1000000;

	tracker->statistics.refusals[cause]++;
	if (log->logged && now_s - log->logged_s < REFUSAL_LOG_INTERVAL_S) {
		log->unlogged++;
		return;
	}
	log_refusal(cause, reason, ip, infohash, log->unlogged);
	*log = (struct tracker_refusal_log){.logged = true, .logged_s = now_s};
}

/* The core says why in words for the client. */
static enum tracker_refusal cause_of(struct tracker *tracker, const struct announce *announce,
	const struct announce_reply *reply, uint64_t now_ms)
{
	struct scrape_entry entry;

	if (strcmp(reply->failure, TRACKER_REFUSED_SHARE_TEXT) == 0)
		return TRACKER_REFUSED_SHARE;
	if (!tracker_core_scrape(tracker->core, now_ms, announce->infohash, &entry))
		return TRACKER_REFUSED_NOT_SERVED;
	return tracker_core_peers_count(tracker->core) >= tracker->peers_max
		       ? TRACKER_REFUSED_PEERS_FULL
		       : TRACKER_REFUSED_SWARMS_FULL;
}

void tracker_count_announce(struct tracker *tracker, const struct announce *announce,
	const struct announce_reply *reply, const uint8_t ip[static 16], uint64_t *announces)
{
	struct tracker_statistics *statistics = &tracker->statistics;

	if (reply->failure[0] != '\0') {
		tracker_refused(tracker,
			cause_of(tracker, announce, reply, tracker_now_us() / 1000), reply->failure,
			ip, announce->infohash);
		return;
	}
	(*announces)++;
	statistics->events[announce->event]++;
	statistics->paused += announce->paused;
}

void tracker_statistics(const struct tracker *tracker, struct tracker_statistics *statistics)
{
	*statistics = tracker->statistics;
	statistics->swarms_count = tracker_core_swarms_count(tracker->core);
	statistics->peers_count = tracker_core_peers_count(tracker->core);
	statistics->swarms_max = tracker->swarms_max;
	statistics->peers_max = tracker->peers_max;
	statistics->interval_s = tracker_core_interval_s(tracker->core);
	statistics->uptime_s = tracker_now_us() / 1000000 - tracker->created_s;
	statistics->connections_count = tracker_http_connections(tracker->http);
	statistics->datagrams_lost = tracker_udp_lost(tracker);
}
