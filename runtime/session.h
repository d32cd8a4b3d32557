/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver of swarm/ on a real machine: one libevent loop, non-blocking sockets, I/O and hash
 * threads. A session listens on one port and carries any number of transfers (one image each).
 * All functions are called on the loop's thread; callbacks come on it.
 */
#ifndef RUNTIME_SESSION_H
#define RUNTIME_SESSION_H

#include <event2/event.h>
#include <sys/socket.h>

#include "runtime/block_device.h"
#include "runtime/crypto.h"
#include "runtime/frame_choice.h"
#include "swarm/swarm.h"
#include "wire/metainfo.h"

struct session;
struct transfer;

struct session_settings {
	struct event_base *base;	/* borrowed */
	struct sockaddr_storage listen; /* port 0: any */
	socklen_t listen_bytes;
	uint32_t hash_threads; /* 0: one per core, at most 4 */
	uint32_t disk_threads; /* 0: 4 */
	uint64_t memory_bytes; /* of the process (runtime/budget.h); 0: the default */
	uint32_t lsd_hops;     /* how far local discovery reaches; 0: the segment */
};

MUST_USE struct session *session_create(
	const struct session_settings *settings, struct failure *failure);
uint16_t session_port(const struct session *session);
/* Stops what still runs without announcing; waits for its threads. */
struct session *session_destroy(struct session *session);

enum transfer_event_kind {
	TRANSFER_ASSESSED,	/* the target has been read: present_bytes is final */
	TRANSFER_COMPLETE,	/* every byte is durable */
	TRANSFER_READBACK_DONE, /* the whole medium was read back and matches */
	TRANSFER_FAILED,	/* failure: it cannot go on (disk); serving goes on if it can */
	TRANSFER_PEER_BANNED,	/* text names the peer and why */
	TRANSFER_STOPPED,	/* after transfer_stop: announced and closed; may be destroyed */
};

struct transfer_event {
	enum transfer_event_kind kind;
	const struct failure *failure;
	const char *text;
};

/* Limits with the headers of packets; 0: none. They are reached after ramp_s. */
struct transfer_rates {
	uint64_t up_bytes_per_s;
	uint64_t down_bytes_per_s;
	uint64_t ramp_s;
};

struct transfer_settings {
	const struct metainfo *metainfo; /* borrowed for the life of the transfer */
	struct block_device *device;	 /* borrowed likewise: top of the stack */
	bool seed;			 /* the device holds the image already; believe it */
	bool origin;
	const struct tracker_url *trackers; /* copied; NULL: the metainfo's own */
	uint32_t trackers_count;
	const struct peer_address *peers; /* copied */
	uint32_t peers_count;
	struct transfer_rates rates;
	uint64_t memory_bytes;	     /* of the process (runtime/budget.h); 0: the default */
	uint64_t memory_taken_bytes; /* of it, what the caller has used already */
	enum frames_mode frames;     /* compressed blocks */
	/* Other ways to find peers than trackers and `peers`. Private images use none. */
	bool pex;	  /* peers tell each other (BEP 11) */
	bool lsd;	  /* local service discovery (BEP 14) */
	const char *rack; /* copied; NULL or "": in none (peer_place_valid) */
	const char *site;
	bool relay; /* imports for its site (swarm.h) */
	/* Peers are looked up in the DHT too (docs/dht.md). The session's node is in the site of
	 * the first transfer that wants one. */
	bool dht;
	const struct peer_address *dht_nodes; /* copied; to begin with, beside `peers` */
	uint32_t dht_nodes_count;
	uint64_t seed_of_choices; /* 0: random */
	void (*on_event)(void *context, const struct transfer_event *event);
	void *context;
};

/* Starts at once: assesses the target (unless seed), announces, fetches, serves. */
MUST_USE struct transfer *transfer_start(
	struct session *session, const struct transfer_settings *settings, struct failure *failure);

struct transfer_status {
	struct swarm_status swarm;
	uint64_t assessed_bytes;
	bool assessed;
	uint64_t readback_bytes;
	uint64_t readback_bad_pieces;
	uint64_t rate_received_bytes_per_s; /* over the last seconds */
	uint64_t rate_sent_bytes_per_s;
	uint64_t eta_s;			    /* UINT64_MAX: unknown */
	char tracker_text[128];		    /* last tracker trouble, "" when none */
	char tracker_url[METAINFO_URL_MAX]; /* the tracker that answered last, "" when none */
	uint32_t dht_nodes_count;	    /* that have answered lately */
};

void transfer_status(const struct transfer *transfer, struct transfer_status *status);

/* After COMPLETE: reads the medium past the caches, hashes again; a bad piece is fetched and
 * written once more, read again, and a second mismatch is TRANSFER_FAILED with DISK_MEDIUM. */
void transfer_readback(struct transfer *transfer);

/* Announces `stopped` (for at most 2 s), closes its connections, then TRANSFER_STOPPED. */
void transfer_stop(struct transfer *transfer);
struct transfer *transfer_destroy(struct transfer *transfer);

#endif
