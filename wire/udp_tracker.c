/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams of UDP trackers (BEP 15). */
#include "wire/udp_tracker.h"

#define REQUEST_HEAD_BYTES     16 /* connection id, action, transaction id */
#define ANNOUNCE_REQUEST_BYTES 98
#define REPLY_HEAD_BYTES       8 /* action, transaction id */
#define CONNECT_REPLY_BYTES    16
#define ANNOUNCE_REPLY_BYTES   20 /* then the peers */
#define SCRAPE_ENTRY_BYTES     12
#define EVENT_PAUSED	       4 /* BEP 21 by way of libtorrent; BEP 15 ends at 3 */

/* BEP 41; all others have a length, too, and are passed over. */
enum { OPTION_END, OPTION_NOTHING, OPTION_URL_DATA };
_Static_assert(HTTP_PLACE_BYTES_MAX <= UINT8_MAX, "a place is one option");

/* BEP 41: what follows an announce. URLData may come in parts, which are one text. */
static bool read_options(
	struct announce *announce, const uint8_t *bytes, size_t bytes_count, const char **reason)
{
	char target[UDP_TRACKER_REQUEST_BYTES_MAX];
	size_t target_bytes = 0;

	target[0] = '\0';
	for (size_t at = 0; at < bytes_count && bytes[at] != OPTION_END;) {
		if (bytes[at] == OPTION_NOTHING) {
			at++;
			continue;
		}
		if (at + 2 > bytes_count || bytes[at + 1] > bytes_count - at - 2) {
			*reason = "an option (BEP 41) is cut short";
			return false;
		}
		if (bytes[at] == OPTION_URL_DATA) {
			memcpy(target + target_bytes, bytes + at + 2, bytes[at + 1]);
			target_bytes += bytes[at + 1];
		}
		at += 2 + (size_t)bytes[at + 1];
	}
	return http_place_parse(announce, target, target_bytes, reason);
}

static bool read_announce(
	struct announce *announce, const uint8_t *bytes, size_t bytes_count, const char **reason)
{
	if (bytes_count < ANNOUNCE_REQUEST_BYTES) {
		*reason = "an announce is 98 bytes";
		return false;
	}
	memset(announce, 0, sizeof(*announce));
	memcpy(announce->infohash, bytes + 16, SHA1_BYTES);
	memcpy(announce->peer_id, bytes + 36, sizeof(announce->peer_id));
	announce->downloaded_bytes = be64_read(bytes + 56);
	announce->left_bytes = be64_read(bytes + 64);
	announce->uploaded_bytes = be64_read(bytes + 72);
	uint32_t event = be32_read(bytes + 80);

	announce->event = event <= ANNOUNCE_STOPPED ? (enum announce_event)event : ANNOUNCE_NONE;
	announce->paused = event == EVENT_PAUSED;
	announce->key = be32_read(bytes + 88);
	announce->numwant = be32_read(bytes + 92); /* -1 is ANNOUNCE_NUMWANT_DEFAULT */
	announce->port = be16_read(bytes + 96);
	announce->compact = true;
	return bytes_count == ANNOUNCE_REQUEST_BYTES ||
	       read_options(announce, bytes + ANNOUNCE_REQUEST_BYTES,
		       bytes_count - ANNOUNCE_REQUEST_BYTES, reason);
}

static bool read_hashes(struct udp_tracker_request *request, const uint8_t *bytes, size_t count,
	const char **reason)
{
	size_t hashes_bytes = count - REQUEST_HEAD_BYTES;
	size_t hashes_count = hashes_bytes / SHA1_BYTES;

	if (hashes_count == 0 || hashes_count > UDP_SCRAPE_HASHES_MAX ||
		hashes_bytes % SHA1_BYTES != 0) {
		*reason = "a scrape has 1 to 74 infohashes of 20 bytes";
		return false;
	}
	memcpy(request->hashes, bytes + REQUEST_HEAD_BYTES, hashes_bytes);
	request->hashes_count = (uint32_t)hashes_count;
	return true;
}

bool udp_tracker_request_parse(struct udp_tracker_request *request, const uint8_t *bytes,
	size_t bytes_count, const char **reason)
{
	*reason = "";
	request->hashes_count = 0;
	if (bytes_count < REQUEST_HEAD_BYTES || bytes_count > UDP_TRACKER_REQUEST_BYTES_MAX)
		return false;
	request->connection_id = be64_read(bytes);
	request->transaction_id = be32_read(bytes + 12);
	switch (be32_read(bytes + 8)) {
	case UDP_TRACKER_CONNECT:
		request->action = UDP_TRACKER_CONNECT;
		return request->connection_id == UDP_TRACKER_PROTOCOL_ID;
	case UDP_TRACKER_ANNOUNCE:
		request->action = UDP_TRACKER_ANNOUNCE;
		return read_announce(&request->announce, bytes, bytes_count, reason);
	case UDP_TRACKER_SCRAPE:
		request->action = UDP_TRACKER_SCRAPE;
		return read_hashes(request, bytes, bytes_count, reason);
	default:
		*reason = "there is no such action";
		return false;
	}
}

bool udp_tracker_announce_peek(
	const uint8_t *bytes, size_t bytes_count, const uint8_t **infohash, uint16_t *port)
{
	if (bytes_count < ANNOUNCE_REQUEST_BYTES || be32_read(bytes + 8) != UDP_TRACKER_ANNOUNCE)
		return false;
	*infohash = bytes + 16;
	*port = be16_read(bytes + 96);
	return true;
}

static void write_announce(const struct announce *announce, uint8_t *bytes)
{
	memcpy(bytes + 16, announce->infohash, SHA1_BYTES);
	memcpy(bytes + 36, announce->peer_id, sizeof(announce->peer_id));
	be64_write(bytes + 56, announce->downloaded_bytes);
	be64_write(bytes + 64, announce->left_bytes);
	be64_write(bytes + 72, announce->uploaded_bytes);
	be32_write(bytes + 80, announce->paused && announce->event == ANNOUNCE_NONE
				       ? EVENT_PAUSED
				       : announce->event);
	be32_write(bytes + 84, 0); /* our address: the one the datagram comes from */
	be32_write(bytes + 88, announce->key);
	be32_write(bytes + 92, announce->numwant);
	be16_write(bytes + 96, announce->port);
}

size_t udp_tracker_request_write(
	const struct udp_tracker_request *request, uint8_t *bytes, size_t capacity)
{
	char place[HTTP_PLACE_BYTES_MAX + 1] = "";
	size_t place_bytes = 0;
	size_t hashes_bytes = (size_t)request->hashes_count * SHA1_BYTES;
	size_t whole = REQUEST_HEAD_BYTES;

	if (request->action == UDP_TRACKER_ANNOUNCE) {
		place_bytes = http_place_write(&request->announce, place, sizeof(place));
		whole = ANNOUNCE_REQUEST_BYTES + (place_bytes > 0 ? 2 + place_bytes : 0);
	} else if (request->action == UDP_TRACKER_SCRAPE) {
		whole += hashes_bytes;
	} else if (request->action != UDP_TRACKER_CONNECT) {
		return 0;
	}
	if (whole > capacity || (request->action == UDP_TRACKER_SCRAPE &&
					(request->hashes_count == 0 ||
						request->hashes_count > UDP_SCRAPE_HASHES_MAX)))
		return 0;
	be64_write(bytes, request->action == UDP_TRACKER_CONNECT ? UDP_TRACKER_PROTOCOL_ID
								 : request->connection_id);
	be32_write(bytes + 8, request->action);
	be32_write(bytes + 12, request->transaction_id);
	if (request->action == UDP_TRACKER_ANNOUNCE)
		write_announce(&request->announce, bytes);
	if (place_bytes > 0) {
		bytes[ANNOUNCE_REQUEST_BYTES] = OPTION_URL_DATA;
		bytes[ANNOUNCE_REQUEST_BYTES + 1] = (uint8_t)place_bytes;
		memcpy(bytes + ANNOUNCE_REQUEST_BYTES + 2, place, place_bytes);
	}
	if (request->action == UDP_TRACKER_SCRAPE)
		memcpy(bytes + REQUEST_HEAD_BYTES, request->hashes, hashes_bytes);
	return whole;
}

static bool read_announce_reply(
	struct announce_reply *reply, const uint8_t *bytes, size_t bytes_count, bool ipv6)
{
	size_t peer_bytes = ipv6 ? PEER_COMPACT6_BYTES : PEER_COMPACT4_BYTES;

	if (bytes_count < ANNOUNCE_REPLY_BYTES ||
		(bytes_count - ANNOUNCE_REPLY_BYTES) % peer_bytes != 0)
		return false;
	reply->interval_s = be32_read(bytes + 8);
	reply->leechers_count = be32_read(bytes + 12);
	reply->seeders_count = be32_read(bytes + 16);
	for (size_t at = ANNOUNCE_REPLY_BYTES;
		at < bytes_count && reply->peers_count < ANNOUNCE_PEERS_MAX; at += peer_bytes) {
		struct peer_address *peer = &reply->peers[reply->peers_count];

		if (ipv6)
			peer_address_from_compact6(peer, bytes + at);
		else
			peer_address_from_compact4(peer, bytes + at);
		reply->peers_count += peer->port != 0;
	}
	return true;
}

static bool read_scrape_reply(
	struct udp_tracker_reply *reply, const uint8_t *bytes, size_t bytes_count)
{
	size_t entries_bytes = bytes_count - REPLY_HEAD_BYTES;

	if (entries_bytes % SCRAPE_ENTRY_BYTES != 0 ||
		entries_bytes / SCRAPE_ENTRY_BYTES > UDP_SCRAPE_HASHES_MAX)
		return false;
	reply->entries_count = (uint32_t)(entries_bytes / SCRAPE_ENTRY_BYTES);
	for (uint32_t i = 0; i < reply->entries_count; i++) {
		const uint8_t *entry = bytes + REPLY_HEAD_BYTES + i * SCRAPE_ENTRY_BYTES;

		reply->entries[i].seeders_count = be32_read(entry);
		reply->entries[i].completed_count = be32_read(entry + 4);
		reply->entries[i].leechers_count = be32_read(entry + 8);
	}
	return true;
}

bool udp_tracker_reply_parse(
	struct udp_tracker_reply *reply, const uint8_t *bytes, size_t bytes_count, bool ipv6)
{
	memset(reply, 0, sizeof(*reply));
	if (bytes_count < REPLY_HEAD_BYTES)
		return false;
	reply->transaction_id = be32_read(bytes + 4);
	switch (be32_read(bytes)) {
	case UDP_TRACKER_CONNECT:
		reply->action = UDP_TRACKER_CONNECT;
		if (bytes_count < CONNECT_REPLY_BYTES)
			return false;
		reply->connection_id = be64_read(bytes + 8);
		return true;
	case UDP_TRACKER_ANNOUNCE:
		reply->action = UDP_TRACKER_ANNOUNCE;
		return read_announce_reply(&reply->announce, bytes, bytes_count, ipv6);
	case UDP_TRACKER_SCRAPE:
		reply->action = UDP_TRACKER_SCRAPE;
		return read_scrape_reply(reply, bytes, bytes_count);
	case UDP_TRACKER_ERROR:
		reply->action = UDP_TRACKER_ERROR;
		printable_copy(reply->announce.failure, sizeof(reply->announce.failure),
			bytes + REPLY_HEAD_BYTES, bytes_count - REPLY_HEAD_BYTES);
		return true;
	default:
		return false;
	}
}

static void write_peers(const struct announce_reply *reply, bool ipv6, uint8_t *bytes)
{
	if (ipv6) {
		for (uint32_t i = 0; i < reply->peers_count; i++, bytes += PEER_COMPACT6_BYTES)
			peer_address_to_compact6(&reply->peers[i], bytes);
		return;
	}
	for (uint32_t i = 0; i < reply->peers_count; i++, bytes += PEER_COMPACT4_BYTES)
		peer_address_to_compact4(&reply->peers[i], bytes);
}

static size_t reply_bytes(const struct udp_tracker_reply *reply, bool ipv6)
{
	switch (reply->action) {
	case UDP_TRACKER_CONNECT:
		return CONNECT_REPLY_BYTES;
	case UDP_TRACKER_ANNOUNCE:
		return ANNOUNCE_REPLY_BYTES +
		       (size_t)reply->announce.peers_count *
			       (ipv6 ? PEER_COMPACT6_BYTES : PEER_COMPACT4_BYTES);
	case UDP_TRACKER_SCRAPE:
		return REPLY_HEAD_BYTES + (size_t)reply->entries_count * SCRAPE_ENTRY_BYTES;
	case UDP_TRACKER_ERROR:
		return REPLY_HEAD_BYTES + strlen(reply->announce.failure);
	}
	return SIZE_MAX;
}

size_t udp_tracker_reply_write(
	const struct udp_tracker_reply *reply, bool ipv6, uint8_t *bytes, size_t capacity)
{
	if (reply->announce.peers_count > ANNOUNCE_PEERS_MAX ||
		reply->entries_count > UDP_SCRAPE_HASHES_MAX)
		return 0;
	size_t whole = reply_bytes(reply, ipv6);

	if (whole > capacity)
		return 0;
	be32_write(bytes, reply->action);
	be32_write(bytes + 4, reply->transaction_id);
	switch (reply->action) {
	case UDP_TRACKER_CONNECT:
		be64_write(bytes + 8, reply->connection_id);
		break;
	case UDP_TRACKER_ANNOUNCE:
		be32_write(bytes + 8, reply->announce.interval_s);
		be32_write(bytes + 12, reply->announce.leechers_count);
		be32_write(bytes + 16, reply->announce.seeders_count);
		write_peers(&reply->announce, ipv6, bytes + ANNOUNCE_REPLY_BYTES);
		break;
	case UDP_TRACKER_SCRAPE:
		for (uint32_t i = 0; i < reply->entries_count; i++) {
			uint8_t *entry = bytes + REPLY_HEAD_BYTES + i * SCRAPE_ENTRY_BYTES;

			be32_write(entry, reply->entries[i].seeders_count);
			be32_write(entry + 4, reply->entries[i].completed_count);
			be32_write(entry + 8, reply->entries[i].leechers_count);
		}
		break;
	case UDP_TRACKER_ERROR:
		memcpy(bytes + REPLY_HEAD_BYTES, reply->announce.failure, whole - REPLY_HEAD_BYTES);
		break;
	}
	return whole;
}
