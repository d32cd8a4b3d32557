/* SPDX-License-Identifier: Apache-2.0 */
/* What cluster.c (datagrams), cluster_sockets.c (how they are made) and cluster_catchup.c share. */
#ifndef TRACKER_CLUSTER_SOCKETS_PRIVATE_H
#define TRACKER_CLUSTER_SOCKETS_PRIVATE_H

#include "tracker/cluster.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sys/socket.h>

/* A member that takes everything from us. */
struct catchup_giving {
	struct cluster *cluster;
	struct bufferevent *connection; /* NULL: free */
	struct catchup_source source;
	uint64_t began_ms;
	bool of_member; /* it is at a member's IP address, whoever it is */
	bool accepted;	/* it has the key */
};

/* The one that we take everything from. */
struct catchup_taking {
	struct bufferevent *connection; /* NULL: none */
	struct event *limit;		/* of the whole */
	struct catchup_sink sink;
	bool greeted;
	uint64_t began_ms;
	struct peer_address address;
};

struct cluster {
	struct event_base *base;
	struct tracker_core *book;
	struct cluster_core *core; /* its memory, too */
	uint8_t streams_key[SYNC_KEY_BYTES];
	int fd;
	int group_fd; /* -1: none */
	struct event *readable;
	struct event *group_readable;
	struct event *tick;
	bool ipv6; /* the sockets are */
	struct sockaddr_storage group;
	socklen_t group_bytes;
	struct evconnlistener *listener;
	struct catchup_giving giving[CLUSTER_MEMBERS_MAX];
	struct catchup_taking taking;
	uint64_t refused; /* catch-ups, to those without the key or of another boot */
	uint64_t refused_log_due_ms;
	uint64_t deaf_log_due_ms;	     /* no connection can be accepted */
	uint8_t frame[SYNC_FRAME_BYTES_MAX]; /* the one that is being made or looked at */
	uint64_t unheard_due_ms;	     /* when those that were never heard are; 0: done */
	uint64_t forged_logged;
	uint64_t forged_due_ms; /* not logged again before */
};

uint64_t cluster_now_ms(void);
/* Of the family of our sockets. */
socklen_t cluster_sockaddr(const struct cluster *cluster, struct sockaddr_storage *to,
	const struct peer_address *address);

/* Makes fd, group_fd and the listener's descriptor; -1 in what was not made. Fills core->members
 * with the others: settings->members without ourselves. */
MUST_USE bool cluster_sockets_open(struct cluster *cluster,
	const struct tracker_cluster_settings *settings, struct cluster_core_settings *core,
	int *listen_fd, struct failure *failure);

MUST_USE bool cluster_catchup_open(struct cluster *cluster, int listen_fd, struct failure *failure);
/* Ends who has not shown the key in time; listens again after it was out of descriptors. */
void cluster_catchup_tick(struct cluster *cluster, uint64_t now_ms);
void cluster_catchup_close(struct cluster *cluster);
void cluster_catchup_begin(
	struct cluster *cluster, const struct peer_address *address, uint64_t boot_id);

#endif
