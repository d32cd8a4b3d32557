/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan: what the server tells one node to do, bencoded and signed (docs/node-protocol.md).
 *
 * On the wire an envelope: d 4:plan <n>:<encoded plan> 10:signatures l d 3:key .. 9:signature .. e
 * e The signature covers the encoded plan's bytes. A plan names the node and echoes the nonce that
 * the agent chose, so that neither another node's plan nor an old one is obeyed.
 */
#ifndef WIRE_PLAN_H
#define WIRE_PLAN_H

#include "wire/metainfo.h"
#include "wire/peer_address.h"
#include "wire/peer_wire.h"

#define PLAN_VERSION	 1
#define PLAN_NONCE_BYTES 16
#define PLAN_BYTES_MAX	 (64 * KIB)
#define NODE_ID_MAX	 64
#define DISK_TEXT_MAX	 128
#define PLAN_PEERS_MAX	 16

enum plan_action {
	PLAN_INVENTORY, /* report the disks, write nothing, boot locally */
	PLAN_IMAGE,	/* image the target disk */
	PLAN_FINISHING, /* finishing was recorded: if the disk's head and tail hash to
			   head_tail_sha256, write nothing, report finished, boot locally; else go
			   on as PLAN_IMAGE */
	PLAN_LOCAL,	/* nothing to do: boot the local disk */
	PLAN_RESCUE,	/* a shell */
};

enum plan_end { PLAN_END_REBOOT, PLAN_END_POWEROFF, PLAN_END_STAY };

/* What the target disk must be. Empty texts and zeros match anything, but arm always pins serial or
 * WWN, size and sector size. */
struct target_rule {
	char serial[DISK_TEXT_MAX];
	char wwn[DISK_TEXT_MAX];
	uint64_t size_bytes;
	uint32_t sector_bytes;
};

/* Ways to find peers, beside trackers, that are not to be used (docs/discovery.md). */
struct discovery_off {
	bool dht;
	bool lsd;
	bool pex;
};

struct plan {
	enum plan_action action;
	char node[NODE_ID_MAX];		 /* the server's id of the node: its first MAC, aa:bb:.. */
	uint8_t nonce[PLAN_NONCE_BYTES]; /* echoed from the request */
	uint64_t arm;			 /* number of the arm; 0 when there is none */
	uint8_t infohash[SHA1_BYTES];
	char image[METAINFO_NAME_MAX];
	char metainfo_path[METAINFO_URL_MAX]; /* path on the server that gave the plan */
	struct target_rule target;
	struct tracker_url trackers[METAINFO_TRACKERS_MAX];
	uint32_t trackers_count;
	struct peer_address peers[PLAN_PEERS_MAX]; /* to try at once: the origin, then others */
	uint32_t peers_count;
	uint64_t down_bytes_per_s;     /* what the agent receives at most; 0: no limit */
	uint64_t up_bytes_per_s;       /* and sends */
	uint64_t ramp_s;	       /* reached after so long */
	char rack[PEER_PLACE_MAX + 1]; /* the node's, "": in none (docs/racks.md) */
	char site[PEER_PLACE_MAX + 1];
	struct discovery_off off;
	uint64_t memory_bytes;	     /* of the agent; 0: its default */
	uint64_t seed_deadline_s;    /* leave after this even when not released */
	uint64_t report_interval_ms; /* default 1000 */
	enum plan_end end;
	uint8_t head_tail_sha256[SHA256_BYTES]; /* PLAN_FINISHING */
};

/* Every key is written, whatever the action, and every key is wanted on reading: what an action
 * needs beyond that is for its user to check. 0 when capacity is too small or a count above its
 * limit. */
size_t plan_write(const struct plan *plan, uint8_t *bytes, size_t capacity);
MUST_USE bool plan_parse(
	struct plan *plan, const uint8_t *bytes, size_t bytes_count, struct failure *failure);

/* Envelope of anything signed: the payload is borrowed from the envelope's bytes. */
struct envelope {
	const uint8_t *payload;
	size_t payload_bytes;
	struct signature signatures[SIGNATURES_MAX];
	uint32_t signatures_count;
};

size_t envelope_write(const struct envelope *envelope, uint8_t *bytes, size_t capacity);
MUST_USE bool envelope_parse(struct envelope *envelope, const uint8_t *bytes, size_t bytes_count);

#endif
