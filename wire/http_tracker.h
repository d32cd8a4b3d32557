/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP announce and scrape (BEP 3, 7, 21, 23, 24, 48): queries parsed from their raw bytes (an
 * infohash may contain %00), reply bodies written and read.
 *
 * Our own nodes say where they stand: `sb_site` and `sb_rack`, names as peer_place_valid wants them
 * (docs/tracker-protocol.md).
 */
#ifndef WIRE_HTTP_TRACKER_H
#define WIRE_HTTP_TRACKER_H

#include "lib/digest.h"
#include "wire/peer_address.h"
#include "wire/peer_wire.h"

enum announce_event { ANNOUNCE_NONE, ANNOUNCE_COMPLETED, ANNOUNCE_STARTED, ANNOUNCE_STOPPED };

#define ANNOUNCE_NUMWANT_DEFAULT UINT32_MAX
#define SCRAPE_HASHES_MAX	 64
#define TRACKER_TEXT_MAX	 128
#define ANNOUNCE_PEERS_MAX	 200

/* One announce, whatever transport it came by. */
struct announce {
	uint8_t infohash[SHA1_BYTES];
	uint8_t peer_id[20];
	uint64_t uploaded_bytes;
	uint64_t downloaded_bytes;
	uint64_t left_bytes; /* UINT64_MAX: not given */
	enum announce_event event;
	uint16_t port;	  /* 0: cannot be connected to; never hand it out */
	uint32_t numwant; /* ANNOUNCE_NUMWANT_DEFAULT: not given */
	uint32_t key;
	bool compact;		       /* HTTP only */
	bool no_peer_id;	       /* HTTP only */
	bool paused;		       /* BEP 21: a partial seed; event is ANNOUNCE_NONE then */
	char site[PEER_PLACE_MAX + 1]; /* "": not known */
	char rack[PEER_PLACE_MAX + 1];
};

/* query: everything after '?', without NUL at its end. Keys in any order, the first of equal ones
 * counts, unknown ones are ignored. The address is the connection's: `ip`, `ipv4` and `ipv6` are
 * ignored, because nothing proves them and whoever is named would be called by a whole swarm.
 * Compact unless compact=0. On false, reason (a static string) says what is wrong. */
MUST_USE bool http_announce_parse(
	struct announce *announce, const char *query, size_t query_bytes, const char **reason);

/* "info_hash=...&peer_id=...": returns length, 0 when capacity is too small. NUL-terminated. */
size_t http_announce_write(const struct announce *announce, char *query, size_t capacity);

/* The place alone, as `?sb_site=...&sb_rack=...` for BEP 41, at most HTTP_PLACE_BYTES_MAX; returns
 * 0 and writes "" when neither is known. Reading takes a whole request target, "/announce?...", and
 * passes over all other keys; reason as above. */
#define HTTP_PLACE_BYTES_MAX (18 + 2 * 3 * PEER_PLACE_MAX)
size_t http_place_write(const struct announce *announce, char *query, size_t capacity);
MUST_USE bool http_place_parse(
	struct announce *announce, const char *target, size_t target_bytes, const char **reason);

/* hashes_count 0: scrape of everything was asked for. */
MUST_USE bool http_scrape_parse(uint8_t (*hashes)[SHA1_BYTES], uint32_t *hashes_count,
	const char *query, size_t query_bytes, const char **reason);
size_t http_scrape_write(
	const uint8_t (*hashes)[SHA1_BYTES], uint32_t hashes_count, char *query, size_t capacity);

struct announce_reply {
	char failure[TRACKER_TEXT_MAX]; /* "" when the announce succeeded */
	char warning[TRACKER_TEXT_MAX];
	uint32_t interval_s;
	uint32_t min_interval_s;
	uint32_t seeders_count;
	uint32_t leechers_count;
	uint8_t external_ip[16]; /* BEP 24: the asker's address as seen; zeros: not said */
	struct peer_address peers[ANNOUNCE_PEERS_MAX];
	uint8_t peer_ids[ANNOUNCE_PEERS_MAX][20]; /* dictionary form; zeros: not known, left out */
	uint32_t peers_count;
};

size_t http_announce_reply_write(const struct announce_reply *reply, bool compact, bool no_peer_id,
	uint8_t *body, size_t capacity);
/* Reads compact and dictionary forms, peers and peers6; surplus peers, host names and port 0 are
 * dropped. Texts are printable ASCII. False: not a reply (then nothing in it counts). */
MUST_USE bool http_announce_reply_parse(
	struct announce_reply *reply, const uint8_t *body, size_t body_bytes);

struct scrape_entry {
	uint8_t infohash[SHA1_BYTES];
	uint32_t seeders_count;	  /* complete */
	uint32_t completed_count; /* downloaded */
	uint32_t leechers_count;  /* incomplete */
};

/* In the order given; BEP 3 wants infohashes in ascending order. */
size_t http_scrape_reply_write(
	const struct scrape_entry *entries, size_t entries_count, uint8_t *body, size_t capacity);
MUST_USE bool http_scrape_reply_parse(struct scrape_entry *entries, size_t entries_max,
	size_t *entries_count, const uint8_t *body, size_t body_bytes);

#endif
