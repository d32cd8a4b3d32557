/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP announce and scrape (BEP 3, 7, 23, 48): queries parsed from their raw bytes (an infohash may
 * contain %00), reply bodies written and read.
 */
#ifndef WIRE_HTTP_TRACKER_H
#define WIRE_HTTP_TRACKER_H

#include "lib/digest.h"
#include "wire/peer_address.h"

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
	bool compact;	 /* HTTP only */
	bool no_peer_id; /* HTTP only */
};

/* query: everything after '?', without NUL at its end. Keys in any order, the first of equal ones
 * counts, unknown ones are ignored. The address is the connection's: `ip` is ignored. Compact
 * unless compact=0. On false, reason (a static string) says what is wrong. */
MUST_USE bool http_announce_parse(
	struct announce *announce, const char *query, size_t query_bytes, const char **reason);

/* "info_hash=...&peer_id=...": returns length, 0 when capacity is too small. NUL-terminated. */
size_t http_announce_write(const struct announce *announce, char *query, size_t capacity);

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
	struct peer_address peers[ANNOUNCE_PEERS_MAX];
	uint8_t peer_ids[ANNOUNCE_PEERS_MAX][20]; /* for non-compact replies */
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
