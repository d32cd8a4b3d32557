/* SPDX-License-Identifier: Apache-2.0 */
/* UDP tracker datagrams: each kind there and back, every length, wrong actions. */
#include "wire/udp_tracker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct udp_tracker_request request;
static struct udp_tracker_request request_got;
static struct udp_tracker_reply reply;
static struct udp_tracker_reply reply_got;
static uint8_t bytes[UDP_TRACKER_REPLY_BYTES_MAX + 64];

static const char *reason;

static bool parse_request(const uint8_t *from, size_t count)
{
	uint8_t *copy = malloc(count == 0 ? 1 : count);

	assert_non_null(copy);
	memcpy(copy, from, count);
	bool good = udp_tracker_request_parse(&request_got, copy, count, &reason);
	free(copy);
	return good;
}

static bool parse_reply(const uint8_t *from, size_t count, bool ipv6)
{
	uint8_t *copy = malloc(count == 0 ? 1 : count);

	assert_non_null(copy);
	memcpy(copy, from, count);
	bool good = udp_tracker_reply_parse(&reply_got, copy, count, ipv6);
	free(copy);
	return good;
}

static void connect_requests(void **state)
{
	(void)state;
	memset(&request, 0, sizeof(request));
	request.transaction_id = 0xfffefdfc;
	assert_int_equal(udp_tracker_request_write(&request, bytes, sizeof(bytes)), 16);
	assert_memory_equal(bytes, "\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0\xff\xfe\xfd\xfc", 16);
	for (size_t cut = 0; cut < 16; cut++) {
		assert_false(parse_request(bytes, cut));
		assert_int_equal(udp_tracker_request_write(&request, bytes, cut), 0);
	}
	assert_true(parse_request(bytes, 16));
	assert_int_equal(request_got.transaction_id, 0xfffefdfc);
	assert_true(parse_request(bytes, 20)); /* room for extensions */
	bytes[7] ^= 1;
	assert_false(parse_request(bytes, 16));
}

static void announce_requests(void **state)
{
	(void)state;
	memset(&request, 0, sizeof(request));
	request.action = UDP_TRACKER_ANNOUNCE;
	request.connection_id = UINT64_MAX - 1;
	request.transaction_id = 1;
	memset(request.announce.infohash, 0, SHA1_BYTES);
	memset(request.announce.peer_id, 0xff, 20);
	request.announce.downloaded_bytes = UINT64_MAX;
	request.announce.left_bytes = UINT64_MAX - 1;
	request.announce.uploaded_bytes = UINT64_MAX - 2;
	request.announce.key = UINT32_MAX - 3;
	request.announce.numwant = ANNOUNCE_NUMWANT_DEFAULT;
	request.announce.port = UINT16_MAX;
	for (int event = ANNOUNCE_NONE; event <= ANNOUNCE_STOPPED; event++) {
		request.announce.event = (enum announce_event)event;
		assert_int_equal(udp_tracker_request_write(&request, bytes, sizeof(bytes)), 98);
		assert_true(parse_request(bytes, 98));
		assert_true(request_got.connection_id == request.connection_id);
		assert_memory_equal(request_got.announce.infohash, request.announce.infohash, 20);
		assert_memory_equal(request_got.announce.peer_id, request.announce.peer_id, 20);
		assert_true(request_got.announce.downloaded_bytes == UINT64_MAX &&
			    request_got.announce.left_bytes == UINT64_MAX - 1 &&
			    request_got.announce.uploaded_bytes == UINT64_MAX - 2);
		assert_int_equal(request_got.announce.event, event);
		assert_int_equal(request_got.announce.key, UINT32_MAX - 3);
		assert_int_equal(request_got.announce.numwant, ANNOUNCE_NUMWANT_DEFAULT);
		assert_int_equal(request_got.announce.port, UINT16_MAX);
	}
	for (size_t cut = 0; cut < 98; cut++) {
		assert_false(parse_request(bytes, cut));
		assert_int_equal(udp_tracker_request_write(&request, bytes, cut), 0);
	}
	request.announce.event = ANNOUNCE_NONE;
	request.announce.paused = true;
	assert_int_equal(udp_tracker_request_write(&request, bytes, sizeof(bytes)), 98);
	assert_int_equal(be32_read(bytes + 80), 4);
	assert_true(parse_request(bytes, 98));
	assert_int_equal(request_got.announce.event, ANNOUNCE_NONE);
	assert_true(request_got.announce.paused);
	be32_write(bytes + 80, 5);
	assert_true(parse_request(bytes, 98));
	assert_int_equal(request_got.announce.event, ANNOUNCE_NONE);
	assert_false(request_got.announce.paused);
	be32_write(bytes + 8, UDP_TRACKER_ERROR);
	assert_false(parse_request(bytes, 98));
	be32_write(bytes + 8, UINT32_MAX);
	assert_false(parse_request(bytes, 98));
	be32_write(bytes + 8, UDP_TRACKER_ANNOUNCE);
	assert_false(parse_request(bytes, UDP_TRACKER_REQUEST_BYTES_MAX + 1));
}

/* What is wrong is said as soon as there is a head to answer to. */
static void wrong_requests_have_a_reason(void **state)
{
	(void)state;
	memset(bytes, 0, sizeof(bytes));
	be32_write(bytes + 12, 77);
	for (uint32_t action = UDP_TRACKER_ANNOUNCE; action < 9; action++) {
		be32_write(bytes + 8, action);
		assert_false(parse_request(bytes, 15));
		assert_string_equal(reason, "");
		assert_false(parse_request(bytes, 16));
		assert_true(reason[0] != '\0');
		assert_int_equal(request_got.transaction_id, 77);
	}
	be32_write(bytes + 8, UDP_TRACKER_CONNECT);
	assert_false(parse_request(bytes, 16));
	assert_string_equal(reason, "");
}

static bool parse_options(const char *options, size_t options_bytes)
{
	memset(bytes, 0, 98);
	be32_write(bytes + 8, UDP_TRACKER_ANNOUNCE);
	memcpy(bytes + 98, options, options_bytes);
	bool good = parse_request(bytes, 98 + options_bytes);

	assert_int_equal(good, reason[0] == '\0');
	return good;
}
#define OPTIONS(text) parse_options(text, sizeof(text) - 1)

static void announce_options(void **state)
{
	(void)state;
	assert_true(OPTIONS("\2\x1b/announce?x=1&sb_site=hall1"));
	assert_string_equal(request_got.announce.site, "hall1");
	assert_string_equal(request_got.announce.rack, "");
	/* In parts, with others between, nothing after the end. */
	assert_true(OPTIONS("\1\2\x0f?sb_rack=r7&sb_\x42\3abc\1\2\6site=b\0\2"));
	assert_string_equal(request_got.announce.site, "b");
	assert_string_equal(request_got.announce.rack, "r7");
	assert_true(OPTIONS("\2\x0c?sb_site=%41"));
	assert_false(OPTIONS("\2\x0d?sb_site=%41"));
	assert_true(OPTIONS("\2\x09/announce"));
	assert_true(OPTIONS("\2\0"));
	assert_true(OPTIONS("\0"));
	assert_string_equal(request_got.announce.site, "");
	/* Cut short, and names that are none. */
	assert_false(OPTIONS("\2"));
	assert_false(OPTIONS("\7"));
	assert_false(OPTIONS("\2\1"));
	assert_false(OPTIONS("\xff\xff"));
	assert_false(OPTIONS("\2\x0d?sb_site=a%20"));
	assert_false(OPTIONS("\2\x0b?sb_site=%4"));
	assert_false(OPTIONS("\2\x2a?sb_site=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	/* As many options as fit. */
	memset(bytes, 0, 98);
	be32_write(bytes + 8, UDP_TRACKER_ANNOUNCE);
	for (size_t at = 98; at < UDP_TRACKER_REQUEST_BYTES_MAX; at += 2 + 193) {
		bytes[at] = 2;
		bytes[at + 1] = 193;
		memset(bytes + at + 2, 'a', 193);
	}
	assert_true(parse_request(bytes, UDP_TRACKER_REQUEST_BYTES_MAX));
}

static void places_round_trip(void **state)
{
	static const char *const places[][2] = {
		{"", ""}, {"hall1", ""}, {"", "r1"}, {"a&b=c?", "%2F+"}};

	(void)state;
	memset(&request, 0, sizeof(request));
	request.action = UDP_TRACKER_ANNOUNCE;
	for (size_t i = 0; i <= ARRAY_COUNT(places); i++) {
		if (i < ARRAY_COUNT(places)) {
			strcpy(request.announce.site, places[i][0]);
			strcpy(request.announce.rack, places[i][1]);
		} else { /* as long as it gets */
			memset(request.announce.site, '%', PEER_PLACE_MAX);
			memset(request.announce.rack, '&', PEER_PLACE_MAX);
		}
		size_t length = udp_tracker_request_write(&request, bytes, sizeof(bytes));

		assert_int_equal(length == 98, i == 0);
		assert_true(parse_request(bytes, length));
		assert_string_equal(request_got.announce.site, request.announce.site);
		assert_string_equal(request_got.announce.rack, request.announce.rack);
		for (size_t cut = 99; cut < length; cut++)
			assert_false(parse_request(bytes, cut));
		assert_int_equal(udp_tracker_request_write(&request, bytes, length - 1), 0);
	}
}

static void scrape_requests(void **state)
{
	(void)state;
	memset(&request, 0, sizeof(request));
	request.action = UDP_TRACKER_SCRAPE;
	for (size_t i = 0; i < UDP_SCRAPE_HASHES_MAX; i++)
		memset(request.hashes[i], (int)i, SHA1_BYTES);
	request.hashes_count = UDP_SCRAPE_HASHES_MAX;
	size_t length = udp_tracker_request_write(&request, bytes, sizeof(bytes));

	assert_int_equal(length, 16 + 20 * UDP_SCRAPE_HASHES_MAX);
	for (size_t cut = 0; cut <= length + 20; cut++) {
		bool whole = cut > 16 && cut <= length && (cut - 16) % 20 == 0;

		assert_int_equal(parse_request(bytes, cut), whole);
		if (whole)
			assert_int_equal(request_got.hashes_count, (cut - 16) / 20);
	}
	assert_true(parse_request(bytes, length));
	assert_memory_equal(request_got.hashes, request.hashes, sizeof(request.hashes));
	request.hashes_count = 0;
	assert_int_equal(udp_tracker_request_write(&request, bytes, sizeof(bytes)), 0);
	request.hashes_count = UDP_SCRAPE_HASHES_MAX + 1;
	assert_int_equal(udp_tracker_request_write(&request, bytes, sizeof(bytes)), 0);
	request.action = UDP_TRACKER_ERROR;
	assert_int_equal(udp_tracker_request_write(&request, bytes, sizeof(bytes)), 0);
}

static void announce_replies(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		size_t peer_bytes = ipv6 ? 18 : 6;

		memset(&reply, 0, sizeof(reply));
		reply.action = UDP_TRACKER_ANNOUNCE;
		reply.transaction_id = UINT32_MAX;
		reply.announce.interval_s = UINT32_MAX - 1;
		reply.announce.seeders_count = UINT32_MAX - 2;
		reply.announce.leechers_count = UINT32_MAX - 3;
		reply.announce.peers_count = ANNOUNCE_PEERS_MAX;
		for (uint32_t i = 0; i < ANNOUNCE_PEERS_MAX; i++) {
			uint8_t ip4[4] = {1, 2, 3, (uint8_t)i};

			peer_address_from4(
				&reply.announce.peers[i], ip4, (uint16_t)(UINT16_MAX - i));
			if (ipv6)
				memset(reply.announce.peers[i].ip, (int)i, 16);
		}
		size_t length = udp_tracker_reply_write(&reply, ipv6, bytes, sizeof(bytes));

		assert_int_equal(length, 20 + ANNOUNCE_PEERS_MAX * peer_bytes);
		assert_true(length <= UDP_TRACKER_REPLY_BYTES_MAX);
		assert_true(parse_reply(bytes, length, ipv6));
		assert_int_equal(reply_got.transaction_id, UINT32_MAX);
		assert_int_equal(reply_got.announce.interval_s, UINT32_MAX - 1);
		assert_int_equal(reply_got.announce.seeders_count, UINT32_MAX - 2);
		assert_int_equal(reply_got.announce.leechers_count, UINT32_MAX - 3);
		assert_int_equal(reply_got.announce.peers_count, ANNOUNCE_PEERS_MAX);
		for (uint32_t i = 0; i < ANNOUNCE_PEERS_MAX; i++)
			assert_true(peer_address_equal(
				&reply_got.announce.peers[i], &reply.announce.peers[i]));
		for (size_t cut = 0; cut < length; cut++)
			assert_int_equal(parse_reply(bytes, cut, ipv6),
				cut >= 20 && (cut - 20) % peer_bytes == 0);
		assert_int_equal(udp_tracker_reply_write(&reply, ipv6, bytes, length - 1), 0);
		/* One more peer than there is room for is dropped. */
		memset(bytes + length, 1, peer_bytes);
		assert_true(parse_reply(bytes, length + peer_bytes, ipv6));
		assert_int_equal(reply_got.announce.peers_count, ANNOUNCE_PEERS_MAX);
		/* Port 0 is no peer. */
		be16_write(bytes + 20 + peer_bytes - 2, 0);
		assert_true(parse_reply(bytes, 20 + 2 * peer_bytes, ipv6));
		assert_int_equal(reply_got.announce.peers_count, 1);
	}
	reply.announce.peers_count++;
	assert_int_equal(udp_tracker_reply_write(&reply, true, bytes, sizeof(bytes)), 0);
}

static void other_replies(void **state)
{
	(void)state;
	memset(&reply, 0, sizeof(reply));
	reply.action = UDP_TRACKER_CONNECT;
	reply.connection_id = UINT64_MAX;
	assert_int_equal(udp_tracker_reply_write(&reply, false, bytes, sizeof(bytes)), 16);
	assert_true(parse_reply(bytes, 16, false));
	assert_true(reply_got.connection_id == UINT64_MAX);
	for (size_t cut = 0; cut < 16; cut++)
		assert_false(parse_reply(bytes, cut, false));
	reply.action = UDP_TRACKER_SCRAPE;
	reply.entries_count = UDP_SCRAPE_HASHES_MAX;
	for (uint32_t i = 0; i < reply.entries_count; i++)
		reply.entries[i] = (struct scrape_entry){
			.seeders_count = UINT32_MAX - i, .completed_count = i, .leechers_count = 7};
	size_t length = udp_tracker_reply_write(&reply, false, bytes, sizeof(bytes));

	assert_int_equal(length, 8 + 12 * UDP_SCRAPE_HASHES_MAX);
	for (size_t cut = 0; cut <= length + 12; cut++)
		assert_int_equal(parse_reply(bytes, cut, false),
			cut >= 8 && cut <= length && (cut - 8) % 12 == 0);
	assert_true(parse_reply(bytes, length, false));
	assert_int_equal(reply_got.entries_count, UDP_SCRAPE_HASHES_MAX);
	assert_memory_equal(reply_got.entries, reply.entries, sizeof(reply.entries));
	reply.entries_count++;
	assert_int_equal(udp_tracker_reply_write(&reply, false, bytes, sizeof(bytes)), 0);
	reply.entries_count = 0;
	reply.action = UDP_TRACKER_ERROR;
	memset(reply.announce.failure, 'f', TRACKER_TEXT_MAX - 1);
	length = udp_tracker_reply_write(&reply, false, bytes, sizeof(bytes));
	assert_true(parse_reply(bytes, length, false));
	assert_string_equal(reply_got.announce.failure, reply.announce.failure);
	memset(bytes + 8, '\n', 1000); /* longer than there is room for, and not printable */
	assert_true(parse_reply(bytes, 1008, false));
	assert_int_equal(strlen(reply_got.announce.failure), TRACKER_TEXT_MAX - 1);
	assert_true(reply_got.announce.failure[0] == '?');
	assert_true(parse_reply(bytes, 8, false));
	be32_write(bytes, 4);
	assert_false(parse_reply(bytes, 16, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connect_requests),
		cmocka_unit_test(announce_requests),
		cmocka_unit_test(wrong_requests_have_a_reason),
		cmocka_unit_test(announce_options),
		cmocka_unit_test(places_round_trip),
		cmocka_unit_test(scrape_requests),
		cmocka_unit_test(announce_replies),
		cmocka_unit_test(other_replies),
	};

	return cmocka_run_group_tests_name("udp_tracker", tests, NULL, NULL);
}
