/* SPDX-License-Identifier: Apache-2.0 */
/* What trackers of a cluster send each other: every payload there and back, every length, wrong
 * MACs, and rows of records with places and families mixed. */
#include "runtime/crypto.h"
#include "wire/tracker_sync.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const uint8_t key[SYNC_KEY_BYTES] = "a key of tests";
static const uint8_t other_key[SYNC_KEY_BYTES] = "another key of tests";

static void datagrams(void **state)
{
	(void)state;
	uint8_t bytes[SYNC_DATAGRAM_BYTES_MAX];
	struct sync_header header = {.type = SYNC_RECORDS,
		.from_boot = UINT64_MAX,
		.to_boot = 2,
		.sequence = UINT64_C(3) << 33,
		.clock_ms = 4};
	struct sync_header got;

	memset(bytes + SYNC_HEADER_BYTES, 'x', 100);
	size_t length = sync_seal(bytes, 100, &header, key, crypto_hmac_sha256);

	assert_int_equal(length, 40 + 100 + 16);
	assert_memory_equal(bytes, "sbTC\x01\x06\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 16);
	assert_true(sync_open(&got, bytes, length, key, crypto_hmac_sha256));
	assert_int_equal(got.type, SYNC_RECORDS);
	assert_true(got.from_boot == UINT64_MAX && got.to_boot == 2 &&
		    got.sequence == header.sequence && got.clock_ms == 4);
	assert_false(sync_open(&got, bytes, length, other_key, crypto_hmac_sha256));
	for (size_t cut = 0; cut < length; cut++) {
		uint8_t *copy = malloc(cut == 0 ? 1 : cut);

		assert_non_null(copy);
		memcpy(copy, bytes, cut);
		assert_false(sync_open(&got, copy, cut, key, crypto_hmac_sha256));
		free(copy);
		bytes[cut] ^= 0x10;
		assert_false(sync_open(&got, bytes, length, key, crypto_hmac_sha256));
		bytes[cut] ^= 0x10;
	}
	assert_int_equal(sync_seal(bytes, SYNC_PAYLOAD_BYTES_MAX, &header, key, crypto_hmac_sha256),
		SYNC_DATAGRAM_BYTES_MAX);
	/* Rightly made, and of no boot. */
	header.from_boot = 0;
	length = sync_seal(bytes, 0, &header, key, crypto_hmac_sha256);
	assert_false(sync_open(&got, bytes, length, key, crypto_hmac_sha256));
}

static void payloads(void **state)
{
	(void)state;
	uint8_t bytes[SYNC_PAYLOAD_BYTES_MAX];
	struct sync_state said = {.peers_count = 7, .streams_count = SYNC_STREAMS_MAX};
	struct sync_state said_got;
	struct sync_want want = {.count = SYNC_STREAMS_MAX};
	struct sync_want want_got;
	struct sync_proof proof = {.nonce = "0123456789abcde", .sent_to_all = 9};
	struct sync_proof proof_got;

	for (uint32_t i = 0; i < SYNC_STREAMS_MAX; i++) {
		said.streams[i] = (struct sync_stream_state){i + 1, 2, i, i + 9};
		want.wants[i].boot = i + 1;
		want.wants[i].first = 5;
		want.wants[i].mask = UINT64_MAX - i;
	}
	size_t length = sync_state_write(&said, bytes);
	assert_true(length <= sizeof(bytes));
	for (size_t cut = 0; cut <= length + 32; cut++)
		assert_int_equal(sync_state_parse(&said_got, bytes, cut), cut == length);
	assert_true(sync_state_parse(&said_got, bytes, length));
	assert_int_equal(said_got.peers_count, 7);
	assert_true(said_got.streams[15].boot == 16 && said_got.streams[15].have == 15 &&
		    said_got.streams[15].top == 24);
	be64_write(bytes + 8 + 16, UINT64_MAX);
	assert_false(sync_state_parse(&said_got, bytes, length));
	length = sync_want_write(&want, bytes);
	for (size_t cut = 0; cut <= length + 24; cut++)
		assert_int_equal(sync_want_parse(&want_got, bytes, cut), cut == length);
	assert_true(sync_want_parse(&want_got, bytes, length));
	assert_true(want_got.wants[15].mask == UINT64_MAX - 15);
	be64_write(bytes + 4 + 8, 0);
	assert_false(sync_want_parse(&want_got, bytes, length));
	assert_int_equal(sync_proof_write(&proof, bytes), SYNC_GREETED_BYTES);
	assert_false(sync_proof_parse(&proof_got, bytes, SYNC_GREETED_BYTES - 1));
	assert_true(sync_proof_parse(&proof_got, bytes, SYNC_GREETED_BYTES));
	assert_true(proof_got.sent_to_all == 9);
}

static void a_record(struct sync_record *record, uint32_t number)
{
	uint8_t ip[4] = {10, 1, (uint8_t)(number >> 8), (uint8_t)number};

	memset(record, 0, sizeof(*record));
	memset(record->infohash, (int)(number / 64), SHA1_BYTES);
	peer_address_from4(&record->address, ip, (uint16_t)(1 + number));
	if (number % 3 == 0)
		record->address.ip[0] = 0xfd;
	record->age_ms = number * 70;
	record->seeder = number % 2 == 0;
	record->paused = number % 5 == 0;
	record->stopped = number % 7 == 0;
	if (number % 4 != 0)
		snprintf(record->site, sizeof(record->site), "site%u", number % 3);
	if (number % 6 != 0)
		snprintf(record->rack, sizeof(record->rack), "rack%u", number % 10);
}

static void rows_of_records(void **state)
{
	(void)state;
	static uint8_t bytes[SYNC_FRAME_PAYLOAD_BYTES];
	static struct sync_writer writer;
	static struct sync_reader reader;
	struct sync_record record;
	struct sync_record got;
	uint32_t count = 0;

	sync_writer_start(&writer, bytes, sizeof(bytes));
	for (a_record(&record, count); sync_writer_put(&writer, &record);
		a_record(&record, ++count))
		assert_true(writer.used <= sizeof(bytes));
	assert_true(count > 1000);
	assert_int_equal(writer.records_count, count);
	sync_reader_start(&reader, bytes, writer.used);
	for (uint32_t i = 0; i < count; i++) {
		a_record(&record, i);
		assert_true(sync_reader_next(&reader, &got));
		assert_memory_equal(got.infohash, record.infohash, SHA1_BYTES);
		assert_true(peer_address_equal(&got.address, &record.address));
		assert_int_equal(got.age_ms, record.age_ms);
		assert_true(got.seeder == record.seeder && got.paused == record.paused &&
			    got.stopped == record.stopped);
		assert_string_equal(got.site, record.site);
		assert_string_equal(got.rack, record.rack);
	}
	assert_false(sync_reader_next(&reader, &got));
	assert_false(reader.broken);
	/* Cut anywhere, it is whole up to there, or broken there. */
	for (size_t cut = 0; cut < 2000; cut++) {
		uint8_t *copy = malloc(cut == 0 ? 1 : cut);
		uint32_t read = 0;

		assert_non_null(copy);
		memcpy(copy, bytes, cut);
		sync_reader_start(&reader, copy, cut);
		while (sync_reader_next(&reader, &got))
			read++;
		assert_true(read <= count);
		free(copy);
	}
}

static void an_ipv4_record_takes_11_bytes(void **state)
{
	(void)state;
	uint8_t bytes[SYNC_ITEMS_BYTES_MAX];
	static struct sync_writer writer;
	struct sync_record record;
	uint32_t count = 0;

	a_record(&record, 1);
	sync_writer_start(&writer, bytes, sizeof(bytes));
	while (sync_writer_put(&writer, &record))
		count++;
	assert_true(count >= 116);
	/* The largest there is fits where nothing is yet. */
	memset(record.site, 's', PEER_PLACE_MAX);
	memset(record.rack, 'r', PEER_PLACE_MAX);
	record.address.ip[0] = 0xfd;
	record.age_ms = UINT32_MAX;
	sync_writer_start(&writer, bytes, SYNC_RECORD_BYTES_MAX);
	assert_true(sync_writer_put(&writer, &record));
	assert_int_equal(writer.used, SYNC_RECORD_BYTES_MAX);
}

static void wrong_items(void **state)
{
	(void)state;
	static struct sync_reader reader;
	struct sync_record got;
	static const struct {
		const char *bytes;
		size_t count;
	} wrong[] = {
		{"\x12", 1},					     /* no such item */
		{"\x01\0\0\0\0\0\x01\x0a\0\0\x01", 11},		     /* no swarm */
		{"\x10short", 6},				     /* a swarm cut off */
		{"\x11\0\0", 3},				     /* a place without a name */
		{"\x11\x01\0 ", 4},				     /* with a space in it */
		{"\x11\x21\0abcdefghijklmnopqrstuvwxyz0123456", 36}, /* too long */
		{"\x11\x01\x05x", 4},				     /* cut off */
		{"\x10"
		 "01234567890123456789\x01\x01\0\0\0\0\x01\x0a\0\0\x01",
			32}, /* no such place */
		{"\x10"
		 "01234567890123456789\x01\0\0\0\0\0\0\x0a\0\0\x01",
			32}, /* port 0 */
		{"\x10"
		 "01234567890123456789\x08\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x01",
			44}, /* IPv4 as IPv6 */
	};

	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
		sync_reader_start(&reader, (const uint8_t *)wrong[i].bytes, wrong[i].count);
		assert_false(sync_reader_next(&reader, &got));
		assert_true(reader.broken);
		assert_false(sync_reader_next(&reader, &got));
	}
}

static void catch_up_streams(void **state)
{
	(void)state;
	uint8_t greeting[SYNC_GREETING_BYTES];
	uint8_t request[SYNC_REQUEST_BYTES];
	uint8_t nonce[SYNC_NONCE_BYTES] = "a nonce";
	uint8_t joiner[SYNC_NONCE_BYTES] = "the joiner's";
	uint8_t got[SYNC_NONCE_BYTES];
	uint8_t sessions[2][SYNC_KEY_BYTES];
	static uint8_t bytes[SYNC_FRAME_BYTES_MAX];
	struct sync_frame frame = {SYNC_FRAME_RECORDS, 3, 1000};
	struct sync_frame frame_got;
	uint64_t boot;

	sync_greeting_write(greeting, nonce);
	assert_true(sync_greeting_parse(got, greeting));
	assert_memory_equal(got, nonce, sizeof(got));
	sync_request_write(request, nonce, joiner, 5, key, crypto_hmac_sha256);
	for (size_t i = 0; i < sizeof(request); i++) {
		request[i] ^= 1;
		assert_false(
			sync_request_parse(got, &boot, request, nonce, key, crypto_hmac_sha256));
		request[i] ^= 1;
	}
	assert_false(sync_request_parse(got, &boot, request, joiner, key, crypto_hmac_sha256));
	assert_false(sync_request_parse(got, &boot, request, nonce, other_key, crypto_hmac_sha256));
	assert_true(sync_request_parse(got, &boot, request, nonce, key, crypto_hmac_sha256));
	assert_true(boot == 5);
	sync_session_key(sessions[0], nonce, joiner, key, crypto_hmac_sha256);
	sync_session_key(sessions[1], joiner, nonce, key, crypto_hmac_sha256);
	assert_memory_not_equal(sessions[0], sessions[1], SYNC_KEY_BYTES);
	size_t length = sync_frame_seal(
		bytes, SYNC_FRAME_PAYLOAD_BYTES, &frame, sessions[0], crypto_hmac_sha256);
	assert_int_equal(length, SYNC_FRAME_BYTES_MAX);
	length = sync_frame_seal(bytes, 50, &frame, sessions[0], crypto_hmac_sha256);
	assert_int_equal(sync_frame_length(bytes), length);
	assert_true(sync_frame_open(&frame_got, bytes, length, sessions[0], crypto_hmac_sha256));
	assert_true(frame_got.number == 3 && frame_got.clock_ms == 1000);
	assert_false(sync_frame_open(&frame_got, bytes, length, sessions[1], crypto_hmac_sha256));
	assert_false(
		sync_frame_open(&frame_got, bytes, length - 1, sessions[0], crypto_hmac_sha256));
	be32_write(bytes, SYNC_FRAME_BYTES_MAX + 1);
	assert_int_equal(sync_frame_length(bytes), 0);
	be32_write(bytes, 35);
	assert_int_equal(sync_frame_length(bytes), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagrams),
		cmocka_unit_test(payloads),
		cmocka_unit_test(rows_of_records),
		cmocka_unit_test(an_ipv4_record_takes_11_bytes),
		cmocka_unit_test(wrong_items),
		cmocka_unit_test(catch_up_streams),
	};

	return cmocka_run_group_tests_name("tracker_sync", tests, NULL, NULL);
}
