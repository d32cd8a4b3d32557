/* SPDX-License-Identifier: Apache-2.0 */
/* The swarm's part of the server: its tracker, its origins, and which trackers nodes are told of.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "server/server.h"
#include "server/tracked.h"
#include "tracker/status.h"

/* Of the images, and of those that are just being replaced. */
#define TRACKER_SWARMS_MAX (2 * STORE_IMAGES_MAX)
#define NAMED_PEERS_MAX	   4 /* in a plan, beside the origin */

_Static_assert(1 + NAMED_PEERS_MAX <= PLAN_PEERS_MAX, "a plan has room for them");

/* Both are one tracker, so they stand in one tier: who cannot use the one uses the other. */
static void own_trackers(struct server *server, const char *address)
{
	server->trackers_count = 2;
	snprintf(server->trackers[0].url, sizeof(server->trackers[0].url), "%s/announce",
		server->url);
	snprintf(server->trackers[1].url, sizeof(server->trackers[1].url), "udp://%s:%u", address,
		server->settings.tracker_port);
}

static bool is_among(const struct server *server, const struct tracker_url *own)
{
	size_t own_bytes = strlen(own->url);

	for (uint32_t i = 0; i < server->trackers_count; i++) {
		const struct tracker_url *url = &server->trackers[i];

		/* Behind a UDP tracker's port there may be a path. */
		if (url->tier == 0 && strncmp(url->url, own->url, own_bytes) == 0 &&
			(url->url[own_bytes] == '\0' || url->url[own_bytes] == '/'))
			return true;
	}
	return false;
}

/* The site table's, or the one in here. */
static void choose_trackers(struct server *server, const char *address)
{
	const struct site_table *sites = server->settings.sites;

	own_trackers(server, address);
	if (sites == NULL)
		return;
	struct tracker_url own[2] = {server->trackers[0], server->trackers[1]};

	server->trackers_count =
		site_table_trackers(sites, server->settings.site, server->trackers);
	if (!is_among(server, &own[0]) && !is_among(server, &own[1]))
		server_notice(server,
			"the tracker in this server (%s, %s) is not among those of site %s: "
			"machines are not told of it",
			own[0].url, own[1].url, server->settings.site);
}

static bool listen_udp(struct server *server, struct failure *failure)
{
	struct sockaddr_storage udp = {0};
	struct sockaddr_in *address = (struct sockaddr_in *)(void *)&udp;

	address->sin_family = AF_INET;
	address->sin_addr = server->settings.address;
	address->sin_port = htons(server->settings.tracker_port);
	return tracker_listen_udp(server->tracker, &udp, failure);
}

/* Its own tracker prefers what is near: the origin's place is ours, machines' are in their plans.
 */
static void place(struct server *server, const uint8_t ip[static 16], const char *rack)
{
	if (!tracker_place_address(server->tracker, ip, server->settings.site, rack))
		log_debug("the tracker has no room for the name of one more rack");
}

static bool place_all(struct server *server, struct failure *failure)
{
	struct peer_address own = {0};
	uint8_t ip[4];

	memcpy(ip, &server->settings.address.s_addr, sizeof(ip));
	peer_address_from4(&own, ip, 0);
	place(server, own.ip, server->settings.rack);
	return server->settings.sites == NULL ||
	       site_table_place(server->settings.sites, server->tracker, failure);
}

static bool asker_address(struct peer_address *address, struct evhttp_request *request)
{
	char *ip = NULL;
	ev_uint16_t port;

	*address = (struct peer_address){0};
	evhttp_connection_get_peer(evhttp_request_get_connection(request), &ip, &port);
	return ip != NULL && peer_address_ip_read(address, ip, strlen(ip));
}

void server_place_node(
	struct server *server, struct evhttp_request *request, const struct node *node)
{
	struct peer_address address;

	if (asker_address(&address, request))
		place(server, address.ip, node->rack);
}

void server_name_peers(struct server *server, struct evhttp_request *request, struct plan *plan)
{
	struct peer_address named[NAMED_PEERS_MAX + 1]; /* the origin may be among them */
	struct peer_address address;
	uint32_t count;

	if (!asker_address(&address, request))
		return;
	count = tracker_name_peers(
		server->tracker, plan->infohash, address.ip, named, ARRAY_COUNT(named));
	for (uint32_t i = 0; i < count && plan->peers_count < 1 + NAMED_PEERS_MAX; i++)
		if (!peer_address_equal(&named[i], &plan->peers[0]))
			plan->peers[plan->peers_count++] = named[i];
}

static void on_origin_trouble(void *context, const char *text)
{
	server_notice(context, "%s", text);
}

bool server_start_swarm(struct server *server, struct failure *failure)
{
	/* With a table of sites, machines of others may fall back to this tracker. */
	struct tracker_settings tracker_settings = {.swarms_max = TRACKER_SWARMS_MAX,
		.allow_only = server->settings.sites == NULL,
		.replicated = server->settings.clustered};
	char text[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &server->settings.address, text, sizeof(text));
	choose_trackers(server, text);
	server->tracker = tracker_create(server->base, &tracker_settings, failure);
	if (server->tracker == NULL || !listen_udp(server, failure) || !place_all(server, failure))
		return false;
	if (server->settings.clustered &&
		!tracker_join_cluster(server->tracker, &server->settings.cluster, failure))
		return false;
	server->status = status_create(server->base, server->tracker, failure);
	if (server->status == NULL)
		return false;
	server->tracked = tracked_create(&server->store, server->tracker, failure);
	if (server->tracked == NULL)
		return false;
	struct origins_settings origins_settings = {.base = server->base,
		.rates = {.up_bytes_per_s = server->settings.origin_bytes_per_s,
			.ramp_s = server->settings.ramp_s},
		.store = &server->store,
		.address = server->settings.address,
		.port = server->settings.peer_port,
		.trackers = server->trackers,
		.trackers_count = server->trackers_count,
		.rack = server->settings.rack,
		.site = server->settings.site,
		.off = server->settings.off,
		.dht_nodes = server->settings.dht_nodes,
		.dht_nodes_count = server->settings.dht_nodes_count,
		.on_trouble = on_origin_trouble,
		.context = server};

	server->origins = origins_create(&origins_settings, failure);
	return server->origins != NULL;
}
