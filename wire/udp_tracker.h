/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UDP tracker protocol (BEP 15): connect, announce, scrape, error; requests and replies as structs.
 * IPv4 datagrams carry 6-byte peers, IPv6 datagrams 18-byte ones. Event 4 of an announce is BEP
 * 21's `paused`, as libtorrent sends it. Behind an announce may be options (BEP 41): our own nodes
 * put
 * "?sb_site=...&sb_rack=..." there (http_place_write).
 */
#ifndef WIRE_UDP_TRACKER_H
#define WIRE_UDP_TRACKER_H

#include "wire/http_tracker.h"

#define UDP_TRACKER_PROTOCOL_ID	      UINT64_C(0x41727101980)
#define UDP_TRACKER_REQUEST_BYTES_MAX 2048
#define UDP_TRACKER_REPLY_BYTES_MAX   (20 + ANNOUNCE_PEERS_MAX * PEER_COMPACT6_BYTES)
#define UDP_SCRAPE_HASHES_MAX	      74

enum udp_tracker_action {
	UDP_TRACKER_CONNECT,
	UDP_TRACKER_ANNOUNCE,
	UDP_TRACKER_SCRAPE,
	UDP_TRACKER_ERROR
};

struct udp_tracker_request {
	uint64_t connection_id;
	enum udp_tracker_action action;
	uint32_t transaction_id;
	struct announce announce; /* ANNOUNCE; the IP field is ignored, see http_announce_parse */
	uint8_t hashes[UDP_SCRAPE_HASHES_MAX][SHA1_BYTES]; /* SCRAPE */
	uint32_t hashes_count;
};

/* On false, reason says what is wrong (a static string), and connection and transaction id are set,
 * so that an answer can be sent; "": what came is no request at all and deserves none. */
MUST_USE bool udp_tracker_request_parse(struct udp_tracker_request *request, const uint8_t *bytes,
	size_t bytes_count, const char **reason);
/* Whether it looks like an announce, and of whom; the address is the datagram's. For who wants to
 * prepare: nothing is checked. infohash points into the bytes. */
MUST_USE bool udp_tracker_announce_peek(
	const uint8_t *bytes, size_t bytes_count, const uint8_t **infohash, uint16_t *port);
size_t udp_tracker_request_write(
	const struct udp_tracker_request *request, uint8_t *bytes, size_t capacity);

struct udp_tracker_reply {
	enum udp_tracker_action action;
	uint32_t transaction_id;
	uint64_t connection_id;		/* CONNECT */
	struct announce_reply announce; /* ANNOUNCE; ERROR text in announce.failure */
	struct scrape_entry entries[UDP_SCRAPE_HASHES_MAX];
	uint32_t entries_count;
};

MUST_USE bool udp_tracker_reply_parse(
	struct udp_tracker_reply *reply, const uint8_t *bytes, size_t bytes_count, bool ipv6);
size_t udp_tracker_reply_write(
	const struct udp_tracker_reply *reply, bool ipv6, uint8_t *bytes, size_t capacity);

#endif
