/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what a tracker's cluster sends: the first byte says which payload, a row of records,
 * a whole datagram or a frame (under a MAC that everybody can make). What parses is written and
 * must parse to the same.
 */
#include "tests/fuzz/check.h"
#include "wire/tracker_sync.h"

static const uint8_t key[SYNC_KEY_BYTES];
static uint8_t copy[SYNC_FRAME_BYTES_MAX];

/* Depends on all bytes, and on the key a little. */
static void plain_mac(uint8_t mac[static SHA256_BYTES], const void *key_bytes_at, size_t key_bytes,
	const void *bytes, size_t bytes_count)
{
	const uint8_t *at = bytes;
	uint32_t hash = UINT32_C(2166136261) + (uint32_t)key_bytes + *(const uint8_t *)key_bytes_at;

	for (size_t i = 0; i < bytes_count; i++)
		hash = (hash ^ at[i]) * UINT32_C(16777619);
	for (size_t i = 0; i < SHA256_BYTES; i++)
		mac[i] = (uint8_t)(hash >> i % 4 * 8);
}

static void check_state(const uint8_t *data, size_t size)
{
	struct sync_state state;

	if (!sync_state_parse(&state, data, size))
		return;
	CHECK(sync_state_write(&state, copy) == size);
	CHECK(memcmp(copy, data, size) == 0);
}

static void check_want(const uint8_t *data, size_t size)
{
	struct sync_want want;

	if (!sync_want_parse(&want, data, size))
		return;
	CHECK(sync_want_write(&want, copy) == size);
	CHECK(memcmp(copy, data, size) == 0);
}

static bool records_equal(const struct sync_record *a, const struct sync_record *b)
{
	return memcmp(a->infohash, b->infohash, SHA1_BYTES) == 0 &&
	       peer_address_equal(&a->address, &b->address) && a->age_ms == b->age_ms &&
	       a->seeder == b->seeder && a->paused == b->paused && a->stopped == b->stopped &&
	       strcmp(a->site, b->site) == 0 && strcmp(a->rack, b->rack) == 0;
}

static void check_records(const uint8_t *data, size_t size)
{
	static struct sync_reader reader;
	static struct sync_reader again;
	static struct sync_writer writer;
	struct sync_record record;
	struct sync_record got;
	uint32_t count = 0;

	sync_reader_start(&reader, data, size);
	sync_writer_start(&writer, copy, sizeof(copy));
	while (sync_reader_next(&reader, &record)) {
		CHECK(record.address.port != 0);
		CHECK(strlen(record.site) <= PEER_PLACE_MAX);
		CHECK(strlen(record.rack) <= PEER_PLACE_MAX);
		if (!sync_writer_put(&writer, &record))
			break;
		count++;
	}
	CHECK(writer.used <= writer.capacity && writer.records_count == count);
	sync_reader_start(&again, copy, writer.used);
	sync_reader_start(&reader, data, size);
	for (uint32_t i = 0; i < count; i++) {
		CHECK(sync_reader_next(&again, &got));
		CHECK(sync_reader_next(&reader, &record));
		CHECK(records_equal(&got, &record));
	}
	CHECK(!sync_reader_next(&again, &got) && !again.broken);
}

static void check_datagram(const uint8_t *data, size_t size)
{
	struct sync_header header;
	struct sync_header again;
	uint8_t datagram[SYNC_DATAGRAM_BYTES_MAX];

	if (sync_open(&header, data, size, key, plain_mac)) {
		CHECK(size <= SYNC_DATAGRAM_BYTES_MAX);
		memcpy(datagram, data, size);
		CHECK(sync_seal(datagram, size - SYNC_HEADER_BYTES - SYNC_MAC_BYTES, &header, key,
			      plain_mac) == size);
		CHECK(memcmp(datagram, data, size) == 0);
	}
	/* Any bytes under our own header. */
	if (size > SYNC_PAYLOAD_BYTES_MAX || size == 0)
		return;
	header = (struct sync_header){
		.type = (enum sync_type)(1 + data[0] % SYNC_RECORDS), .from_boot = 1};
	memcpy(datagram + SYNC_HEADER_BYTES, data, size);
	size_t whole = sync_seal(datagram, size, &header, key, plain_mac);

	CHECK(sync_open(&again, datagram, whole, key, plain_mac));
	CHECK(again.type == header.type);
	datagram[whole - 1] ^= 1;
	CHECK(!sync_open(&again, datagram, whole, key, plain_mac));
}

static void check_stream(const uint8_t *data, size_t size)
{
	struct sync_frame frame;
	uint8_t nonce[SYNC_NONCE_BYTES];
	uint64_t boot;

	if (sync_frame_open(&frame, data, size, key, plain_mac)) {
		memcpy(copy, data, size);
		CHECK(sync_frame_seal(copy, size - SYNC_FRAME_HEADER_BYTES - SYNC_MAC_BYTES, &frame,
			      key, plain_mac) == size);
		CHECK(memcmp(copy, data, size) == 0);
	}
	if (size >= 4)
		CHECK(sync_frame_length(data) <= SYNC_FRAME_BYTES_MAX);
	if (size >= SYNC_GREETING_BYTES && sync_greeting_parse(nonce, data)) {
		sync_greeting_write(copy, nonce);
		CHECK(memcmp(copy, data, SYNC_GREETING_BYTES) == 0);
	}
	if (size >= SYNC_REQUEST_BYTES &&
		sync_request_parse(nonce, &boot, data, key, key, plain_mac)) {
		sync_request_write(copy, key, nonce, boot, key, plain_mac);
		CHECK(memcmp(copy, data, SYNC_REQUEST_BYTES) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sync_proof proof;
	struct sync_batch batch;

	if (size == 0)
		return 0;
	switch (data[0] % 6) {
	case 0:
		check_state(data + 1, size - 1);
		break;
	case 1:
		check_want(data + 1, size - 1);
		break;
	case 2:
		check_records(data + 1, size - 1);
		break;
	case 3:
		check_datagram(data + 1, size - 1);
		break;
	case 4:
		check_stream(data + 1, size - 1);
		break;
	default:
		if (sync_proof_parse(&proof, data + 1, size - 1))
			CHECK(sync_proof_write(&proof, copy) == size - 1 &&
				memcmp(copy, data + 1, size - 1) == 0);
		if (sync_batch_parse(&batch, data + 1, size - 1)) {
			sync_batch_write(&batch, copy);
			CHECK(memcmp(copy, data + 1, SYNC_BATCH_BYTES) == 0);
		}
		break;
	}
	return 0;
}
