/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP trackers: raw queries as clients really send them, bodies in every form, and rubbish. */
#include "tests/unit/canonical.h"
#include "wire/http_tracker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct announce announce;
static const char *reason;

static bool parse_bytes(const char *query, size_t query_bytes)
{
	char *copy = malloc(query_bytes == 0 ? 1 : query_bytes);

	assert_non_null(copy);
	memcpy(copy, query, query_bytes);
	bool good = http_announce_parse(&announce, copy, query_bytes, &reason);
	free(copy);
	assert_int_equal(good, reason[0] == '\0');
	return good;
}

static bool parse(const char *query)
{
	return parse_bytes(query, strlen(query));
}

#define HASH	"info_hash=%00%01%02%FE%ffabcdefghijklmno"
#define PEER_ID "peer_id=-TR3000-abcdefghijkl"
#define BASE	HASH "&" PEER_ID "&port=6881"

static void reads_real_queries(void **state)
{
	(void)state;
	/* As transmission, libtorrent and aria2 write them. */
	assert_true(parse(BASE "&uploaded=1&downloaded=2&left=0&numwant=80&key=3e3f0a12"
			       "&compact=1&supportcrypto=1&event=started&ipv6=2001%3Adb8%3A%3A1"));
	assert_memory_equal(announce.infohash,
		"\0\1\2\xfe\xff"
		"abcdefghijklmno",
		20);
	assert_memory_equal(announce.peer_id, "-TR3000-abcdefghijkl", 20);
	assert_int_equal(announce.port, 6881);
	assert_int_equal(announce.uploaded_bytes, 1);
	assert_int_equal(announce.downloaded_bytes, 2);
	assert_int_equal(announce.left_bytes, 0);
	assert_int_equal(announce.numwant, 80);
	assert_int_equal(announce.key, 0x3e3f0a12);
	assert_int_equal(announce.event, ANNOUNCE_STARTED);
	assert_true(announce.compact && !announce.no_peer_id);
	assert_true(parse("left=18446744073709551615&port=1&no_peer_id=1&compact=0&" PEER_ID
			  "&corrupt=0&redundant=0&" HASH "&event=stopped&key=dnGE3y3O"));
	assert_true(announce.left_bytes == UINT64_MAX);
	assert_int_equal(announce.event, ANNOUNCE_STOPPED);
	assert_int_not_equal(announce.key, 0);
	assert_true(!announce.compact && announce.no_peer_id);
}

static void defaults_when_not_given(void **state)
{
	(void)state;
	assert_true(parse(BASE));
	assert_true(announce.left_bytes == UINT64_MAX);
	assert_int_equal(announce.numwant, ANNOUNCE_NUMWANT_DEFAULT);
	assert_int_equal(announce.event, ANNOUNCE_NONE);
	assert_true(announce.compact);
	assert_true(parse(BASE "&numwant=-1&event=&key=&compact=&event=completed"));
	assert_int_equal(announce.numwant, ANNOUNCE_NUMWANT_DEFAULT);
	assert_int_equal(announce.event, ANNOUNCE_NONE); /* the first one counts */
	assert_false(announce.paused);
	assert_true(parse(BASE "&event=paused&&&=&=x&x&numwant=99999999999999999999999"));
	assert_int_equal(announce.event, ANNOUNCE_NONE);
	assert_true(announce.paused);
	assert_int_equal(announce.numwant, ANNOUNCE_NUMWANT_DEFAULT);
	assert_true(parse(BASE "&event=completed&port=2"));
	assert_int_equal(announce.event, ANNOUNCE_COMPLETED);
	assert_int_equal(announce.port, 6881);
}

static void places_are_names(void **state)
{
	(void)state;
	assert_true(parse(BASE));
	assert_string_equal(announce.site, "");
	assert_string_equal(announce.rack, "");
	assert_true(parse(BASE "&sb_site=hall%2d1&sb_rack=r&sb_rack=again"));
	assert_string_equal(announce.site, "hall-1");
	assert_string_equal(announce.rack, "r");
	assert_true(parse(BASE "&sb_site=&sb_rack="));
	assert_string_equal(announce.site, "");
	assert_true(parse(BASE "&sb_site=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	assert_int_equal(strlen(announce.site), PEER_PLACE_MAX);
	assert_false(parse(BASE "&sb_site=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	assert_string_equal(reason, "sb_site is not the name of a place");
	assert_false(parse(BASE "&sb_rack=a%20b"));
	assert_string_equal(reason, "sb_rack is not the name of a place");
	assert_false(parse(BASE "&sb_rack=%00"));
	assert_false(parse(BASE "&sb_rack=%ff"));
	assert_false(parse(BASE "&sb_rack=%4"));
}

/* The whole infohash of NULs, escaped and raw: nothing may be cut at them. */
static void nuls_do_not_end_anything(void **state)
{
	static const char escaped[] = "info_hash=%00%00%00%00%00%00%00%00%00%00"
				      "%00%00%00%00%00%00%00%00%00%00&" PEER_ID "&port=1";
	static const char raw[] =
		"info_hash=\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0&" PEER_ID "&port=1&left=7";

	(void)state;
	assert_true(parse(escaped));
	assert_true(bytes_all_zero(announce.infohash, 20));
	assert_true(parse_bytes(raw, sizeof(raw) - 1));
	assert_true(bytes_all_zero(announce.infohash, 20));
	assert_int_equal(announce.left_bytes, 7);
	assert_true(parse("info_hash=%26%3D%25%2b+aaaaaaaaaaaaaaa&" PEER_ID "&port=1"));
	assert_memory_equal(announce.infohash, "&=%++aaaaaaaaaaaaaaa", 20);
}

static void refuses_with_a_reason(void **state)
{
	static const char *const bad[] = {"", "&", "info_hash", "info_hash=", HASH,
		HASH "&" PEER_ID, PEER_ID "&port=1", HASH "&port=1",
		HASH "a&" PEER_ID "&port=1",			     /* 21 bytes */
		"info_hash=aaaaaaaaaaaaaaaaaaa&" PEER_ID "&port=1",  /* 19 */
		"info_hash=aaaaaaaaaaaaaaaaaaa%&" PEER_ID "&port=1", /* escapes cut short */
		"info_hash=aaaaaaaaaaaaaaaaaaa%0&" PEER_ID "&port=1",
		"info_hash=aaaaaaaaaaaaaaaaaaa%0g&" PEER_ID "&port=1",
		"info_hash=aaaaaaaaaaaaaaaaaaa%zz&" PEER_ID "&port=1",
		"INFO_HASH=aaaaaaaaaaaaaaaaaaaa&" PEER_ID "&port=1", HASH "&peer_id=short&port=1",
		HASH "&" PEER_ID "&port=", HASH "&" PEER_ID "&port=65536",
		HASH "&" PEER_ID "&port=-1", HASH "&" PEER_ID "&port=0x1",
		HASH "&" PEER_ID "&port=1 ", BASE "&left=", BASE "&left=-1",
		BASE "&left=18446744073709551616", BASE "&left=1.5", BASE "&uploaded=x",
		BASE "&downloaded=99999999999999999999999999", "info_hash=%", "info_hash=%4"};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		if (parse(bad[i]))
			fail_msg("accepted: %s", bad[i]);
	assert_false(parse(HASH));
	assert_string_equal(reason, "peer_id is missing");
	assert_false(parse(PEER_ID));
	assert_string_equal(reason, "info_hash is missing");
	assert_false(parse(HASH "&" PEER_ID));
	assert_string_equal(reason, "port is missing");
	static const char whole[] = BASE;

	for (size_t cut = 0; cut < sizeof(whole) - 5; cut++)
		assert_false(parse_bytes(whole, cut));
}

static void announce_round_trip(void **state)
{
	struct announce ours = {.uploaded_bytes = UINT64_MAX,
		.downloaded_bytes = UINT64_MAX - 1,
		.left_bytes = UINT64_MAX - 2,
		.port = UINT16_MAX,
		.numwant = 0,
		.key = 0xfedcba98,
		.compact = false,
		.no_peer_id = true};
	char query[1024];

	(void)state;
	for (int round = 0; round < 16; round++) {
		for (size_t i = 0; i < 20; i++) {
			ours.infohash[i] = (uint8_t)(round * 16 + (int)i);
			ours.peer_id[i] = (uint8_t)(255 - ours.infohash[i]);
		}
		ours.event = (enum announce_event)(round % 4);
		ours.compact = round % 3 == 0;
		ours.no_peer_id = round % 5 == 0;
		ours.paused = round % 8 == 4;
		memset(ours.site, '&', (size_t)round * 2);
		memset(ours.rack, 'r', (size_t)round);
		ours.numwant = round == 9 ? ANNOUNCE_NUMWANT_DEFAULT : (uint32_t)round;
		size_t length = http_announce_write(&ours, query, sizeof(query));

		assert_true(length > 0 && strlen(query) == length);
		assert_true(parse(query));
		assert_memory_equal(announce.infohash, ours.infohash, 20);
		assert_memory_equal(announce.peer_id, ours.peer_id, 20);
		assert_true(announce.uploaded_bytes == ours.uploaded_bytes &&
			    announce.downloaded_bytes == ours.downloaded_bytes &&
			    announce.left_bytes == ours.left_bytes);
		assert_int_equal(announce.port, ours.port);
		assert_int_equal(announce.event, ours.event);
		assert_int_equal(announce.paused, ours.paused);
		assert_string_equal(announce.site, ours.site);
		assert_string_equal(announce.rack, ours.rack);
		assert_int_equal(announce.key, ours.key);
		assert_int_equal(announce.numwant, ours.numwant);
		assert_int_equal(announce.compact, ours.compact);
		assert_int_equal(announce.no_peer_id, ours.no_peer_id);
		for (size_t capacity = 0; capacity <= length; capacity++) {
			char *exact = malloc(capacity == 0 ? 1 : capacity);

			assert_non_null(exact);
			assert_int_equal(http_announce_write(&ours, exact, capacity), 0);
			free(exact);
		}
	}
}

static void scrape_queries(void **state)
{
	uint8_t hashes[SCRAPE_HASHES_MAX][SHA1_BYTES];
	uint8_t sent[SCRAPE_HASHES_MAX][SHA1_BYTES];
	char query[SCRAPE_HASHES_MAX * 72 + 80];
	uint32_t count;

	(void)state;
	for (size_t i = 0; i < SCRAPE_HASHES_MAX; i++)
		memset(sent[i], (int)i, SHA1_BYTES);
	size_t length = http_scrape_write(
		(const uint8_t(*)[SHA1_BYTES])sent, SCRAPE_HASHES_MAX, query, sizeof(query));

	assert_true(length > 0);
	assert_true(http_scrape_parse(hashes, &count, query, length, &reason));
	assert_int_equal(count, SCRAPE_HASHES_MAX);
	assert_memory_equal(hashes, sent, sizeof(sent));
	strcat(query, "&" HASH);
	assert_false(http_scrape_parse(hashes, &count, query, strlen(query), &reason));
	assert_true(reason[0] != '\0');
	assert_true(http_scrape_parse(hashes, &count, "", 0, &reason));
	assert_int_equal(count, 0);
	assert_true(http_scrape_parse(hashes, &count, "x=y&" HASH, strlen("x=y&" HASH), &reason));
	assert_int_equal(count, 1);
	assert_false(http_scrape_parse(hashes, &count, "info_hash=a", 11, &reason));
	assert_int_equal(http_scrape_write((const uint8_t(*)[SHA1_BYTES])sent, 1, query, 20), 0);
}

static struct announce_reply ours;
static struct announce_reply theirs;
static uint8_t body[64 * 1024];

static void make_reply(void)
{
	memset(&ours, 0, sizeof(ours));
	memset(ours.warning, 'w', sizeof(ours.warning) - 1);
	ours.interval_s = UINT32_MAX;
	ours.min_interval_s = UINT32_MAX - 1;
	ours.seeders_count = UINT32_MAX - 2;
	ours.leechers_count = UINT32_MAX - 3;
	ours.peers_count = ANNOUNCE_PEERS_MAX;
	for (uint32_t i = 0; i < ANNOUNCE_PEERS_MAX; i++) {
		uint8_t ip4[4] = {10, 0, 0, (uint8_t)i};

		/* The IPv6 ones come last, as they do in a compact reply. */
		peer_address_from4(&ours.peers[i], ip4, (uint16_t)(UINT16_MAX - i));
		if (i >= ANNOUNCE_PEERS_MAX / 2)
			memset(ours.peers[i].ip, (int)i, 16);
		memset(ours.peer_ids[i], (int)i, 20);
	}
}

static void assert_same_peers(bool with_ids)
{
	assert_int_equal(theirs.peers_count, ours.peers_count);
	for (uint32_t i = 0; i < ours.peers_count; i++) {
		assert_true(peer_address_equal(&theirs.peers[i], &ours.peers[i]));
		if (with_ids)
			assert_memory_equal(theirs.peer_ids[i], ours.peer_ids[i], 20);
	}
}

static void announce_replies_round_trip(void **state)
{
	(void)state;
	for (int form = 0; form < 4; form++) {
		bool compact = form & 1;
		bool no_peer_id = form & 2;

		make_reply();
		memset(ours.external_ip, form, sizeof(ours.external_ip));
		if (form == 2)
			memcpy(ours.external_ip, ours.peers[0].ip, sizeof(ours.external_ip));
		size_t length =
			http_announce_reply_write(&ours, compact, no_peer_id, body, sizeof(body));

		assert_true(length > 0 && bytes_are_canonical(body, length));
		assert_true(http_announce_reply_parse(&theirs, body, length));
		assert_int_equal(theirs.interval_s, ours.interval_s);
		assert_int_equal(theirs.min_interval_s, ours.min_interval_s);
		assert_int_equal(theirs.seeders_count, ours.seeders_count);
		assert_int_equal(theirs.leechers_count, ours.leechers_count);
		assert_memory_equal(theirs.external_ip, ours.external_ip, 16);
		assert_string_equal(theirs.warning, ours.warning);
		assert_string_equal(theirs.failure, "");
		assert_same_peers(!compact && !no_peer_id);
		for (size_t cut = 0; cut < length; cut += cut < 300 ? 1 : 97) {
			uint8_t *copy = malloc(cut == 0 ? 1 : cut);

			assert_non_null(copy);
			memcpy(copy, body, cut);
			assert_false(http_announce_reply_parse(&theirs, copy, cut));
			assert_int_equal(
				http_announce_reply_write(&ours, compact, no_peer_id, copy, cut),
				0);
			free(copy);
		}
	}
	ours.peers_count++;
	assert_int_equal(http_announce_reply_write(&ours, true, true, body, sizeof(body)), 0);
	memset(&ours, 0, sizeof(ours));
	memset(ours.failure, 'f', sizeof(ours.failure) - 1);
	size_t length = http_announce_reply_write(&ours, true, true, body, sizeof(body));

	assert_true(http_announce_reply_parse(&theirs, body, length));
	assert_string_equal(theirs.failure, ours.failure);
}

static bool parse_reply(const char *text)
{
	return http_announce_reply_parse(&theirs, (const uint8_t *)text, strlen(text));
}

static void foreign_announce_replies(void **state)
{
	(void)state;
	assert_true(parse_reply("d8:intervali1800ee"));
	assert_int_equal(theirs.peers_count, 0);
	assert_true(parse_reply("d14:failure reason0:e"));
	assert_true(theirs.failure[0] != '\0');
	assert_true(parse_reply("d14:failure reason4:a\nbce"));
	assert_string_equal(theirs.failure, "a?bc");
	assert_true(parse_reply("d8:intervali99999999999ee"));
	assert_int_equal(theirs.interval_s, UINT32_MAX);
	/* Host names, port 0, strange ports and entries that are no dictionaries are left out. */
	assert_true(parse_reply("d8:intervali1e5:peersl"
				"d2:ip8:10.0.0.14:porti0ee"
				"d2:ip8:10.0.0.24:porti65536ee"
				"d2:ip8:host.tld4:porti1ee"
				"i3e"
				"d2:ip8:10.0.0.34:port1:1e"
				"d4:porti7ee"
				"d2:ip8:10.0.0.47:peer id3:abc4:porti7ee"
				"d2:ip11:2001:db8::17:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti8ee"
				"ee"));
	assert_int_equal(theirs.peers_count, 2);
	assert_memory_equal(theirs.peers[0].ip + 10, "\xff\xff\x0a\0\0\4", 6);
	assert_true(bytes_all_zero(theirs.peer_ids[0], 20));
	assert_memory_equal(theirs.peers[1].ip, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	assert_memory_equal(theirs.peer_ids[1], "aaaaaaaaaaaaaaaaaaaa", 20);
	static const char *const bad[] = {"", "le", "de", "i1e", "d8:interval1:1e",
		"d8:intervali-1ee", "d8:intervali1e5:peers5:aaaaae", "d8:intervali1e5:peersi1ee",
		"d8:intervali1e6:peers617:aaaaaaaaaaaaaaaaae", "d8:intervali1e6:peers6lee"};

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		if (parse_reply(bad[i]))
			fail_msg("accepted: %s", bad[i]);
}

static void surplus_peers_are_dropped(void **state)
{
	struct ben_writer writer;
	static uint8_t many[6 * (ANNOUNCE_PEERS_MAX + 50)];

	(void)state;
	memset(many, 1, sizeof(many));
	ben_writer_init(&writer, body, sizeof(body));
	ben_write_dict(&writer);
	ben_put_unsigned(&writer, "interval", 1);
	ben_put_bytes(&writer, "peers", many, sizeof(many));
	ben_put_bytes(&writer, "peers6", many, 36);
	ben_write_end(&writer);
	assert_true(http_announce_reply_parse(&theirs, body, writer.used));
	assert_int_equal(theirs.peers_count, ANNOUNCE_PEERS_MAX);
}

static void scrape_replies(void **state)
{
	struct scrape_entry sent[3] = {{.infohash = "a", .seeders_count = UINT32_MAX},
		{.infohash = "b", .completed_count = UINT32_MAX - 1},
		{.infohash = "c", .leechers_count = UINT32_MAX - 2}};
	struct scrape_entry got[3];
	size_t count;
	size_t length = http_scrape_reply_write(sent, 3, body, sizeof(body));

	(void)state;
	assert_true(length > 0 && bytes_are_canonical(body, length));
	assert_true(http_scrape_reply_parse(got, 3, &count, body, length));
	assert_int_equal(count, 3);
	assert_memory_equal(got, sent, sizeof(sent));
	assert_true(http_scrape_reply_parse(got, 2, &count, body, length));
	assert_int_equal(count, 2);
	for (size_t cut = 0; cut < length; cut++) {
		uint8_t *copy = malloc(cut == 0 ? 1 : cut);

		assert_non_null(copy);
		memcpy(copy, body, cut);
		assert_false(http_scrape_reply_parse(got, 3, &count, copy, cut));
		assert_int_equal(http_scrape_reply_write(sent, 3, copy, cut), 0);
		free(copy);
	}
	static const char *const bad[] = {
		"de", "d5:filesle", "d5:filesi1ee", "d5:filesd3:abcdeee", "le"};

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		assert_false(http_scrape_reply_parse(
			got, 3, &count, (const uint8_t *)bad[i], strlen(bad[i])));
	assert_true(http_scrape_reply_parse(got, 3, &count, (const uint8_t *)"d5:filesdee", 11));
	assert_int_equal(count, 0);
}

static void addresses_as_text(void **state)
{
	/* What is read, and how it is written again; NULL: refused. */
	static const char *const texts[][2] = {{"10.0.0.1", "10.0.0.1"},
		{"255.255.255.255", "255.255.255.255"}, {"0.0.0.0", "0.0.0.0"}, {"::", "::"},
		{"::1", "::1"}, {"1::", "1::"}, {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
		{"FD00:0:0:1::ABCD", "fd00:0:0:1::abcd"}, {"1:0:0:2:0:0:0:3", "1:0:0:2::3"},
		{"1:0:2:0:3:0:4:0", "1:0:2:0:3:0:4:0"}, {"0:0:1:0:0:1:0:0", "::1:0:0:1:0:0"},
		{"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"}, {"::ffff:1.2.3.4", "1.2.3.4"},
		{"64:ff9b::1.2.3.4", "64:ff9b::102:304"},
		{"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
		{"", NULL}, {"1.2.3", NULL}, {"1.2.3.4.5", NULL}, {"1.2.3.256", NULL},
		{"1.2.3.", NULL}, {".1.2.3", NULL}, {"1..2.3", NULL}, {"1.2.3.4 ", NULL},
		{"1.2.3.0004", NULL}, {"a.b.c.d", NULL}, {":", NULL}, {":::", NULL}, {":1", NULL},
		{"1:", NULL}, {"1:2", NULL}, {"1:2:3:4:5:6:7", NULL}, {"1:2:3:4:5:6:7:8:9", NULL},
		{"1::2::3", NULL}, {"12345::", NULL}, {"g::", NULL}, {"::1%eth0", NULL},
		{"1:2:3:4:5:6:7::8:9", NULL}, {"1:2:3:4:5:6:7:8::", NULL},
		{"1:2:3:4:5:6:7:1.2.3.4", NULL}, {"::1.2.3.4:1", NULL}, {"[::1]", NULL},
		{"::1:", NULL}, {"1:2:3:4:5:6:7:", NULL}, {"::1.2.3", NULL}};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		size_t length = strlen(texts[i][0]);
		char *copy = malloc(length == 0 ? 1 : length);
		struct peer_address address = {.port = 7};
		char text[PEER_IP_TEXT_MAX];

		assert_non_null(copy);
		memcpy(copy, texts[i][0], length);
		bool good = peer_address_ip_read(&address, copy, length);
		free(copy);
		if (good != (texts[i][1] != NULL))
			fail_msg("%s", texts[i][0]);
		if (!good)
			continue;
		peer_address_ip_write(text, &address);
		assert_string_equal(text, texts[i][1]);
		assert_int_equal(address.port, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_real_queries),
		cmocka_unit_test(defaults_when_not_given),
		cmocka_unit_test(places_are_names),
		cmocka_unit_test(nuls_do_not_end_anything),
		cmocka_unit_test(refuses_with_a_reason),
		cmocka_unit_test(announce_round_trip),
		cmocka_unit_test(scrape_queries),
		cmocka_unit_test(announce_replies_round_trip),
		cmocka_unit_test(foreign_announce_replies),
		cmocka_unit_test(surplus_peers_are_dropped),
		cmocka_unit_test(scrape_replies),
		cmocka_unit_test(addresses_as_text),
	};

	return cmocka_run_group_tests_name("http_tracker", tests, NULL, NULL);
}
