/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tracker's part in a cluster, on the loop: sockets around cluster_core.h and catchup_core.h.
 * One UDP socket for datagrams, another for the multicast group, a TCP listener for catch-ups on
 * the same address and port as the first.
 */
#ifndef TRACKER_CLUSTER_H
#define TRACKER_CLUSTER_H

#include <sys/socket.h>

#include "tracker/catchup_core.h"
#include "tracker/tracker.h"

struct cluster;

struct tracker_cluster_settings {
	/* All members' addresses; whether ours is among them does not matter. */
	struct sockaddr_storage members[CLUSTER_MEMBERS_MAX];
	size_t members_count;
	struct sockaddr_storage listen; /* AF_UNSPEC: the member's address that is this machine's */
	struct sockaddr_storage group;	/* multicast; AF_UNSPEC: none */
	const char *interface;		/* of the group; NULL: as routed */
	uint32_t ttl;			/* of what goes to the group */
	const char *key_path;
};

/* Reads the key file and makes two keys of it, of datagrams and of streams. Refuses a file that
 * others may read, that is not ours or root's, or that holds too little. */
#define CLUSTER_KEY_BYTES_MIN 32
#define CLUSTER_KEY_BYTES_MAX 4096
MUST_USE bool cluster_key_load(const char *path, uint8_t datagrams[static SYNC_KEY_BYTES],
	uint8_t streams[static SYNC_KEY_BYTES], struct failure *failure);

/* Joins at once; at most one cluster, of a tracker that was created with `replicated`. The tracker
 * leaves when it is destroyed: it tells the others what is not told yet. */
MUST_USE bool tracker_join_cluster(struct tracker *tracker,
	const struct tracker_cluster_settings *settings, struct failure *failure);

/* False, and none, outside of a cluster. */
MUST_USE bool tracker_cluster_statistics(
	const struct tracker *tracker, struct cluster_statistics *statistics);
uint32_t tracker_cluster_members(
	const struct tracker *tracker, struct cluster_member members[static CLUSTER_MEMBERS_MAX]);

/* The whole book that is coming from another member just now. False: none is. */
struct cluster_catch_up {
	struct peer_address from;
	uint64_t records_count; /* that came already */
	uint64_t running_ms;
};
MUST_USE bool tracker_cluster_catch_up(
	const struct tracker *tracker, struct cluster_catch_up *catch_up);

/* For tracker_private.h: accepts NULL, returns NULL. */
struct cluster *cluster_destroy(struct cluster *cluster);

#endif
