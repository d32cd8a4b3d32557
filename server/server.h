/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server of one site: HTTP for machines, the control socket for the operator's commands,
 * tracker, origin seeder, dnsmasq, state. One event loop; everything hangs off struct server.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>

#include "images/store.h"
#include "pxe/dnsmasq.h"
#include "pxe/dnsmasq_config.h"
#include "server/nodes.h"
#include "server/origin.h"
#include "tracker/cluster.h"
#include "tracker/site_table.h"
#include "tracker/tracker.h"

#define SERVER_URL_MAX 64
#define CONTROL_SOCKET "control.sock"
#define NOTICES_MAX    8
#define NODE_URI_MAX   2048

enum dhcp_mode { DHCP_AUTO, DHCP_FULL, DHCP_PROXY, DHCP_OFF };

#define SERVER_DHT_NODES_MAX 16

struct server_settings {
	const char *state;
	const char *interface;
	struct in_addr address; /* of that interface */
	struct in_addr netmask;
	uint16_t http_port;
	uint16_t tracker_port; /* UDP */
	uint16_t peer_port;
	bool discover;
	enum dhcp_mode dhcp; /* decided: not DHCP_AUTO */
	struct dhcp_range range;
	struct in_addr router;
	const char *options; /* more of the agent's kernel command line; "" for none */
	uint64_t seed_deadline_s;
	const char *rack; /* the origin's, "": in none */
	const char *site; /* of all nodes, "": no name */
	/* Of trackers that the embedded one joins; not looked at without `clustered`. */
	struct tracker_cluster_settings cluster;
	bool clustered;
	struct site_table *sites;    /* NULL: none. The site is in it; its maker frees it */
	uint64_t memory_bytes;	     /* of a node's agent; 0: its default */
	uint64_t node_bytes_per_s;   /* what a node sends, and receives, at most; 0: no limit */
	uint64_t origin_bytes_per_s; /* what the origin sends of an image at most; 0: no limit */
	uint64_t ramp_s;	     /* until these are reached */
	struct discovery_off off;    /* for nodes and origin */
	struct peer_address dht_nodes[SERVER_DHT_NODES_MAX]; /* the origin's to begin with */
	uint32_t dht_nodes_count;
};

/* Something the operator should see, newest last. */
struct notice {
	uint64_t at_ms;
	char text[512];
};

/* May the complete nodes of one image leave? */
struct wave_answer {
	uint8_t infohash[SHA1_BYTES];
	uint64_t until_ms;
	bool over;
};

struct server {
	struct server_settings settings;
	char url[SERVER_URL_MAX]; /* http://ADDR:PORT */
	struct event_base *base;
	struct evhttp *http;
	struct evhttp *control;
	struct event *tick;
	struct event *signals[3];
	struct image_store store;
	struct site_key *key;
	struct database *database;
	struct nodes *nodes;
	struct tracker *tracker;
	struct tracked
		*tracked;      /* what the tracker keeps a place for; without sites, serves alone */
	struct status *status; /* the tracker's numbers */
	struct tracker_url trackers[METAINFO_TRACKERS_MAX]; /* that nodes are told of */
	uint32_t trackers_count;
	struct origins *origins;
	struct durable *durable;
	struct dnsmasq *dnsmasq;
	char dnsmasq_text[512]; /* "" while it runs or is not wanted */
	int lock_fd;
	char kernel_path[STORE_PATH_MAX];
	char initramfs_path[STORE_PATH_MAX];
	char local_efi_path[STORE_PATH_MAX];
	uint64_t start_unix_ms; /* of the clock that server_now_ms continues */
	uint64_t start_monotonic_ms;
	uint64_t last_arm;
	bool interrupted;
	struct wave_answer wave;
	struct report report; /* scratch: it is large */
	struct notice notices[NOTICES_MAX];
	uint32_t notices_count;
	void (*on_tick)(struct server *server, void *context); /* once a second; may be NULL */
	void *context;
};

/* Opens the state and everything that listens. Nothing is left behind on failure. */
MUST_USE struct server *server_create(
	const struct server_settings *settings, struct failure *failure);
/* DHCP and TFTP, once everything else is there. */
MUST_USE bool server_start_dnsmasq(struct server *server, struct failure *failure);
/* Such a signal came while something else was done. */
MUST_USE bool server_interrupted(struct server *server);
/* Until SIGINT, SIGTERM or SIGHUP. */
MUST_USE bool server_run(struct server *server, struct failure *failure);
struct server *server_destroy(struct server *server);

/* Milliseconds since 1970 that never jump back or forth while the server runs. */
uint64_t server_now_ms(const struct server *server);

/* To the screen or the log, and kept for status. */
void server_notice(struct server *server, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same, about a node; goes to its history too. */
void server_node_event(struct server *server, const struct node *node, const char *kind,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The node that asks gets its plan: its tracker knows where it stands from now on. */
void server_place_node(
	struct server *server, struct evhttp_request *request, const struct node *node);

/* Adds to a plan that names the origin a few who are in the image's swarm already: should the
 * server end now, the node begins with them, in the DHT too. It stands where it was placed. */
void server_name_peers(struct server *server, struct evhttp_request *request, struct plan *plan);

/* Tracker and origins (server_swarm.c); what it made goes with the server. */
MUST_USE bool server_start_swarm(struct server *server, struct failure *failure);

/* Starts and stops origins by what the nodes need. */
void server_sync_origins(struct server *server);

/* Tests make the server end here: SWARMBOOT_TEST_EXIT_AT=point. */
void server_test_exit(const char *point);

#endif
