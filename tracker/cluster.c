/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster's member on the loop: datagrams in and out, time, and what is said of it in the log. */
#include "tracker/cluster_sockets_private.h"

#include "lib/log.h"
#include "runtime/clock.h"
#include "runtime/crypto.h"
#include "runtime/socket.h"
#include "tracker/tracker_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DATAGRAMS_PER_WAKE 256
#define UNHEARD_LOG_MS	   5000	 /* after the start */
#define FORGED_LOG_MS	   60000 /* between two lines */

uint64_t cluster_now_ms(void)
{
	return clock_now_ns() / NS_PER_MS;
}

static void send_datagram(
	void *context, const struct peer_address *to, const uint8_t *bytes, size_t bytes_count)
{
	struct cluster *cluster = context;
	struct sockaddr_storage address = cluster->group;
	socklen_t address_bytes = cluster->group_bytes;

	if (to != NULL)
		address_bytes = cluster_sockaddr(cluster, &address, to);
	/* What is not sent is lost, as on the way; members that are down make errors, too. */
	if (sendto(cluster->fd, bytes, bytes_count, MSG_DONTWAIT | MSG_NOSIGNAL,
		    (struct sockaddr *)&address, address_bytes) < 0)
		log_debug("cluster: a datagram was not sent: %s", strerror(errno));
}

static void readable(evutil_socket_t fd, short events, void *context)
{
	struct cluster *cluster = context;
	uint8_t bytes[SYNC_DATAGRAM_BYTES_MAX + 1];

	(void)events;
	for (int i = 0; i < DATAGRAMS_PER_WAKE; i++) {
		struct sockaddr_storage from;
		socklen_t from_bytes = sizeof(from);
		struct peer_address address;
		ssize_t got = recvfrom(fd, bytes, sizeof(bytes), MSG_DONTWAIT,
			(struct sockaddr *)&from, &from_bytes);

		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		/* ICMP errors of earlier datagrams come up here once: read on. */
		if (got >= 0 &&
			socket_address_from_sockaddr(&address, (const struct sockaddr *)&from))
			cluster_core_receive(
				cluster->core, cluster_now_ms(), &address, bytes, (size_t)got);
	}
}

static void log_members(struct cluster *cluster, uint64_t now_ms)
{
	struct peer_address address;
	char text[SOCKET_TEXT_MAX];
	bool live;

	while (cluster_core_news(cluster->core, now_ms, &address, &live)) {
		log_event(live ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
			live ? "member-here" : "member-silent",
			&(struct log_field){"member", socket_address_text(text, &address)}, 1);
	}
}

/* Once: who is not there from the beginning never falls silent. */
static void log_unheard(struct cluster *cluster, uint64_t now_ms)
{
	struct cluster_member members[CLUSTER_MEMBERS_MAX];
	char text[SOCKET_TEXT_MAX];

	if (cluster->unheard_due_ms == 0 || now_ms < cluster->unheard_due_ms)
		return;
	cluster->unheard_due_ms = 0;
	uint32_t count = cluster_core_members(cluster->core, now_ms, members);
	for (uint32_t i = 0; i < count; i++)
		if (!members[i].met)
			log_event(LOG_LEVEL_WARNING, "member-unheard",
				(const struct log_field[]){
					{"member", socket_address_text(text, &members[i].address)},
					{"reason", "it does not run, is cut off, or has another "
						   "key or list of members"}},
				2);
}

/* Whoever sends them may send many. */
static void log_forged(struct cluster *cluster, uint64_t now_ms)
{
	struct cluster_statistics statistics;
	char text[SOCKET_TEXT_MAX];
	char number[24];

	cluster_core_statistics(cluster->core, &statistics);
	if (statistics.forged == cluster->forged_logged || now_ms < cluster->forged_due_ms)
		return;
	snprintf(number, sizeof(number), "%llu",
		(unsigned long long)(statistics.forged - cluster->forged_logged));
	log_event(LOG_LEVEL_WARNING, "forged",
		(const struct log_field[]){{"datagrams", number},
			{"last-from", socket_address_text(text, &statistics.forged_from)},
			{"reason", "not made with our --cluster-key"}},
		3);
	cluster->forged_logged = statistics.forged;
	cluster->forged_due_ms = now_ms + FORGED_LOG_MS;
}

static void tick(evutil_socket_t fd, short events, void *context)
{
	struct cluster *cluster = context;
	struct peer_address address;
	uint64_t boot_id;

	(void)fd;
	(void)events;
	/* What came while we did not run is heard before anybody is thought silent. */
	readable(cluster->fd, EV_READ, cluster);
	if (cluster->group_fd >= 0)
		readable(cluster->group_fd, EV_READ, cluster);
	uint64_t now_ms = cluster_now_ms();
	cluster_core_tick(cluster->core, now_ms);
	log_members(cluster, now_ms);
	log_unheard(cluster, now_ms);
	log_forged(cluster, now_ms);
	cluster_catchup_tick(cluster, now_ms);
	if (cluster_core_wants_catch_up(cluster->core, now_ms, &address, &boot_id))
		cluster_catchup_begin(cluster, &address, boot_id);
}

static bool core_create(
	struct cluster *cluster, struct cluster_core_settings *core, struct failure *failure)
{
	do
		crypto_random(&core->boot_id, sizeof(core->boot_id));
	while (core->boot_id == 0);
	crypto_random(core->secret, sizeof(core->secret));
	core->mac = crypto_hmac_sha256;
	core->send = send_datagram;
	core->context = cluster;
	core->group = cluster->group_fd >= 0;
	size_t bytes = cluster_core_bytes(core);
	void *memory = bytes > 0 ? malloc(bytes) : NULL;
	if (memory != NULL)
		cluster->core = cluster_core_create(core, cluster->book, memory, bytes);
	if (cluster->core == NULL) {
		free(memory);
		return failure_set(failure, ERROR_MEMORY, "no memory for the cluster");
	}
	return true;
}

static bool watch(struct cluster *cluster, struct failure *failure)
{
	struct timeval period = clock_timeval(CLUSTER_TICK_MS * NS_PER_MS);

	cluster->readable =
		event_new(cluster->base, cluster->fd, EV_READ | EV_PERSIST, readable, cluster);
	cluster->tick = event_new(cluster->base, -1, EV_PERSIST, tick, cluster);
	if (cluster->group_fd >= 0)
		cluster->group_readable = event_new(
			cluster->base, cluster->group_fd, EV_READ | EV_PERSIST, readable, cluster);
	if (cluster->readable == NULL || event_add(cluster->readable, NULL) != 0 ||
		cluster->tick == NULL || event_add(cluster->tick, &period) != 0 ||
		(cluster->group_fd >= 0 && (cluster->group_readable == NULL ||
						   event_add(cluster->group_readable, NULL) != 0)))
		return failure_set(failure, ERROR_MEMORY, "cannot watch the cluster's sockets");
	return true;
}

static struct cluster *cluster_create(struct tracker *tracker,
	const struct tracker_cluster_settings *settings, struct failure *failure)
{
	struct cluster *cluster = calloc(1, sizeof(*cluster));
	struct cluster_core_settings core = {.book_peers_max = tracker->peers_max};
	int listen_fd = -1;

	if (cluster == NULL) {
		failure_set(failure, ERROR_MEMORY, "no memory for the cluster");
		return NULL;
	}
	cluster->base = tracker->base;
	cluster->book = tracker->core;
	cluster->fd = -1;
	cluster->group_fd = -1;
	cluster->unheard_due_ms = cluster_now_ms() + UNHEARD_LOG_MS;
	bool made = cluster_key_load(settings->key_path, core.key, cluster->streams_key, failure) &&
		    cluster_sockets_open(cluster, settings, &core, &listen_fd, failure) &&
		    core_create(cluster, &core, failure) && watch(cluster, failure);
	explicit_bzero(core.key, sizeof(core.key));
	/* From here on the descriptor is the listener's. */
	if (made && cluster_catchup_open(cluster, listen_fd, failure))
		return cluster;
	if (!made && listen_fd >= 0)
		close(listen_fd);
	return cluster_destroy(cluster);
}

static void log_end(const struct cluster *cluster)
{
	struct cluster_statistics s;

	cluster_core_statistics(cluster->core, &s);
	log_info("cluster: left; records %llu in, %llu out; batches lost %llu, repaired %llu; "
		 "datagrams forged %llu, replayed %llu, of strangers %llu, malformed %llu; "
		 "catch-ups %llu, failed %llu",
		(unsigned long long)s.records_received, (unsigned long long)s.records_sent,
		(unsigned long long)s.lost, (unsigned long long)s.repaired,
		(unsigned long long)s.forged, (unsigned long long)s.replayed,
		(unsigned long long)s.strange, (unsigned long long)s.malformed,
		(unsigned long long)s.catch_ups, (unsigned long long)s.catch_ups_failed);
}

struct cluster *cluster_destroy(struct cluster *cluster)
{
	if (cluster == NULL)
		return NULL;
	cluster_catchup_close(cluster);
	if (cluster->core != NULL && cluster->tick != NULL) {
		cluster_core_tick(cluster->core, cluster_now_ms());
		log_end(cluster);
	}
	if (cluster->readable != NULL)
		event_free(cluster->readable);
	if (cluster->group_readable != NULL)
		event_free(cluster->group_readable);
	if (cluster->tick != NULL)
		event_free(cluster->tick);
	if (cluster->fd >= 0)
		close(cluster->fd);
	if (cluster->group_fd >= 0)
		close(cluster->group_fd);
	free(cluster->core);
	explicit_bzero(cluster->streams_key, sizeof(cluster->streams_key));
	free(cluster);
	return NULL;
}

bool tracker_join_cluster(struct tracker *tracker, const struct tracker_cluster_settings *settings,
	struct failure *failure)
{
	tracker->cluster = cluster_create(tracker, settings, failure);
	return tracker->cluster != NULL;
}

bool tracker_cluster_statistics(
	const struct tracker *tracker, struct cluster_statistics *statistics)
{
	if (tracker->cluster == NULL)
		return false;
	cluster_core_statistics(tracker->cluster->core, statistics);
	return true;
}

uint32_t tracker_cluster_members(
	const struct tracker *tracker, struct cluster_member members[static CLUSTER_MEMBERS_MAX])
{
	return tracker->cluster == NULL
		       ? 0
		       : cluster_core_members(tracker->cluster->core, cluster_now_ms(), members);
}
