/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Catch-up: one member of a cluster gives another its whole book over a stream (TCP). Both ends,
 * without sockets. The source greets with a nonce, the sink answers with a request that only a
 * member can make, and frames follow, each with a MAC and its number. What the sink has put into
 * its book stays when the stream breaks; it then asks another member. Pure; no memory but the
 * structs.
 */
#ifndef TRACKER_CATCHUP_CORE_H
#define TRACKER_CATCHUP_CORE_H

#include "tracker/cluster_core.h"

struct catchup_source {
	const uint8_t *key; /* borrowed, as what follows */
	sync_mac *mac;
	struct cluster_core *cluster;
	struct tracker_core *book;
	uint8_t nonce[SYNC_NONCE_BYTES];
	uint8_t session[SYNC_KEY_BYTES];
	uint64_t cursor; /* of tracker_core_walk */
	uint64_t records_count;
	uint32_t frames_count;
	bool ended;
	struct sync_writer writer;
};

/* The nonce must be random. key: of streams, SYNC_KEY_BYTES. */
void catchup_source_start(struct catchup_source *source, struct cluster_core *cluster,
	struct tracker_core *book, const uint8_t *key, sync_mac *mac,
	const uint8_t nonce[static SYNC_NONCE_BYTES]);
void catchup_source_greet(
	const struct catchup_source *source, uint8_t bytes[static SYNC_GREETING_BYTES]);
/* False: not a member, or one that means who was here before us; hang up. */
MUST_USE bool catchup_source_accept(
	struct catchup_source *source, const uint8_t bytes[static SYNC_REQUEST_BYTES]);
/* The next frame, into SYNC_FRAME_BYTES_MAX bytes; 0 when the last one has been given. */
size_t catchup_source_frame(struct catchup_source *source, uint64_t now_ms, uint8_t *bytes);

struct catchup_sink {
	const uint8_t *key; /* borrowed, as what follows */
	sync_mac *mac;
	struct cluster_core *cluster;
	uint64_t source_boot;
	uint8_t nonce[SYNC_NONCE_BYTES];
	uint8_t session[SYNC_KEY_BYTES];
	uint64_t records_count;
	uint32_t frames_count;
	struct sync_state includes;
};

void catchup_sink_start(struct catchup_sink *sink, struct cluster_core *cluster,
	uint64_t source_boot, const uint8_t *key, sync_mac *mac,
	const uint8_t nonce[static SYNC_NONCE_BYTES]);
/* Answers the greeting. False: not one. */
MUST_USE bool catchup_sink_request(struct catchup_sink *sink,
	const uint8_t greeting[static SYNC_GREETING_BYTES],
	uint8_t request[static SYNC_REQUEST_BYTES]);
enum catchup_result { CATCHUP_MORE, CATCHUP_DONE, CATCHUP_WRONG };
/* A whole frame (sync_frame_length). On DONE, sink->includes is for cluster_core_caught_up. */
MUST_USE enum catchup_result catchup_sink_frame(
	struct catchup_sink *sink, uint64_t now_ms, const uint8_t *bytes, size_t bytes_count);

#endif
