/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a query or a reply of an HTTP tracker, or as an address; first byte chooses. */
#include "tests/fuzz/check.h"
#include "wire/http_tracker.h"

static struct announce_reply reply;
static struct announce_reply reply_again;
static uint8_t body[64 * 1024];

static void check_announce(const char *query, size_t query_bytes)
{
	struct announce announce = {0};
	struct announce again = {0};
	const char *reason;
	char copy[1024];

	if (!http_announce_parse(&announce, query, query_bytes, &reason)) {
		CHECK(reason[0] != '\0');
		return;
	}
	size_t written = http_announce_write(&announce, copy, sizeof(copy));

	CHECK(written > 0 && http_announce_parse(&again, copy, written, &reason));
	CHECK(memcmp(announce.infohash, again.infohash, SHA1_BYTES) == 0);
	CHECK(memcmp(announce.peer_id, again.peer_id, 20) == 0);
	CHECK(announce.left_bytes == again.left_bytes && announce.port == again.port);
	CHECK(announce.uploaded_bytes == again.uploaded_bytes);
	CHECK(announce.event == again.event && announce.numwant == again.numwant);
	CHECK(announce.key == again.key && announce.compact == again.compact);
	CHECK(announce.paused == again.paused);
	CHECK(strcmp(announce.site, again.site) == 0 && strcmp(announce.rack, again.rack) == 0);
}

static void check_scrape(const char *query, size_t query_bytes)
{
	uint8_t hashes[SCRAPE_HASHES_MAX][SHA1_BYTES];
	uint8_t again[SCRAPE_HASHES_MAX][SHA1_BYTES];
	uint32_t count;
	uint32_t again_count;
	const char *reason;
	static char copy[SCRAPE_HASHES_MAX * 80];

	if (!http_scrape_parse(hashes, &count, query, query_bytes, &reason) || count == 0)
		return;
	size_t written =
		http_scrape_write((const uint8_t(*)[SHA1_BYTES])hashes, count, copy, sizeof(copy));

	CHECK(written > 0 && http_scrape_parse(again, &again_count, copy, written, &reason));
	CHECK(count == again_count && memcmp(hashes, again, count * SHA1_BYTES) == 0);
}

static void check_reply(const uint8_t *data, size_t size)
{
	if (!http_announce_reply_parse(&reply, data, size))
		return;
	CHECK(reply.peers_count <= ANNOUNCE_PEERS_MAX);
	for (int form = 0; form < 2; form++) {
		size_t written =
			http_announce_reply_write(&reply, form == 0, false, body, sizeof(body));

		CHECK(written > 0 && http_announce_reply_parse(&reply_again, body, written));
		CHECK(strcmp(reply.failure, reply_again.failure) == 0);
		if (reply.failure[0] != '\0')
			continue;
		CHECK(reply.interval_s == reply_again.interval_s);
		CHECK(memcmp(reply.external_ip, reply_again.external_ip, 16) == 0);
		CHECK(reply.peers_count == reply_again.peers_count);
		if (form == 1)
			CHECK(memcmp(reply.peers, reply_again.peers,
				      reply.peers_count * sizeof(reply.peers[0])) == 0);
	}
}

static void check_scrape_reply(const uint8_t *data, size_t size)
{
	static struct scrape_entry entries[16];
	static struct scrape_entry again[16];
	size_t count;
	size_t again_count;

	if (!http_scrape_reply_parse(entries, ARRAY_COUNT(entries), &count, data, size))
		return;
	size_t written = http_scrape_reply_write(entries, count, body, sizeof(body));

	CHECK(written > 0);
	CHECK(http_scrape_reply_parse(again, ARRAY_COUNT(again), &again_count, body, written));
	CHECK(count == again_count && memcmp(entries, again, count * sizeof(entries[0])) == 0);
}

static void check_address(const char *text, size_t text_bytes)
{
	struct peer_address address = {.port = 1};
	struct peer_address again = {.port = 1};
	char copy[PEER_IP_TEXT_MAX];

	if (!peer_address_ip_read(&address, text, text_bytes))
		return;
	peer_address_ip_write(copy, &address);
	CHECK(peer_address_ip_read(&again, copy, strlen(copy)));
	CHECK(peer_address_equal(&address, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	const uint8_t *rest = data + 1;

	size--;
	switch (data[0]) {
	case 'a':
		check_announce((const char *)rest, size);
		break;
	case 's':
		check_scrape((const char *)rest, size);
		break;
	case 'A':
		check_reply(rest, size);
		break;
	case 'S':
		check_scrape_reply(rest, size);
		break;
	case 'i':
		check_address((const char *)rest, size);
		break;
	default:
		break;
	}
	return 0;
}
