/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams between the trackers of a cluster: header, MAC, and all payloads but records. */
#include "wire/tracker_sync.h"

#define DATAGRAM_MAGIC UINT32_C(0x73625443) /* "sbTC" */
#define SYNC_VERSION   1
#define STATE_BYTES    8
#define STREAM_BYTES   32
#define ENTRY_BYTES    24
#define WANT_BYTES     4

/* In a time that does not depend on where they differ. */
static bool macs_equal(const uint8_t *a, const uint8_t *b)
{
	unsigned different = 0;

	for (size_t i = 0; i < SYNC_MAC_BYTES; i++)
		different |= a[i] ^ b[i];
	return different == 0;
}

static void mac_put(uint8_t *bytes, size_t bytes_count, const uint8_t *key, sync_mac *mac)
{
	uint8_t whole[SHA256_BYTES];

	mac(whole, key, SYNC_KEY_BYTES, bytes, bytes_count);
	memcpy(bytes + bytes_count, whole, SYNC_MAC_BYTES);
}

static bool mac_right(const uint8_t *bytes, size_t bytes_count, const uint8_t *key, sync_mac *mac)
{
	uint8_t whole[SHA256_BYTES];

	mac(whole, key, SYNC_KEY_BYTES, bytes, bytes_count - SYNC_MAC_BYTES);
	return macs_equal(whole, bytes + bytes_count - SYNC_MAC_BYTES);
}

size_t sync_seal(uint8_t *bytes, size_t payload_bytes, const struct sync_header *header,
	const uint8_t key[static SYNC_KEY_BYTES], sync_mac *mac)
{
	be32_write(bytes, DATAGRAM_MAGIC);
	bytes[4] = SYNC_VERSION;
	bytes[5] = (uint8_t)header->type;
	be16_write(bytes + 6, 0);
	be64_write(bytes + 8, header->from_boot);
	be64_write(bytes + 16, header->to_boot);
	be64_write(bytes + 24, header->sequence);
	be64_write(bytes + 32, header->clock_ms);
	mac_put(bytes, SYNC_HEADER_BYTES + payload_bytes, key, mac);
	return SYNC_HEADER_BYTES + payload_bytes + SYNC_MAC_BYTES;
}

bool sync_open(struct sync_header *header, const uint8_t *bytes, size_t bytes_count,
	const uint8_t key[static SYNC_KEY_BYTES], sync_mac *mac)
{
	if (bytes_count < SYNC_HEADER_BYTES + SYNC_MAC_BYTES ||
		bytes_count > SYNC_DATAGRAM_BYTES_MAX || be32_read(bytes) != DATAGRAM_MAGIC ||
		bytes[4] != SYNC_VERSION || bytes[5] < SYNC_HELLO || bytes[5] > SYNC_RECORDS ||
		be16_read(bytes + 6) != 0 || !mac_right(bytes, bytes_count, key, mac))
		return false;
	header->type = (enum sync_type)bytes[5];
	header->from_boot = be64_read(bytes + 8);
	header->to_boot = be64_read(bytes + 16);
	header->sequence = be64_read(bytes + 24);
	header->clock_ms = be64_read(bytes + 32);
	return header->from_boot != 0;
}

size_t sync_proof_write(const struct sync_proof *proof, uint8_t *payload)
{
	memcpy(payload, proof->nonce, SYNC_NONCE_BYTES);
	be64_write(payload + SYNC_NONCE_BYTES, proof->sent_to_all);
	return SYNC_PROOF_BYTES;
}

bool sync_proof_parse(struct sync_proof *proof, const uint8_t *payload, size_t payload_bytes)
{
	if (payload_bytes != SYNC_PROOF_BYTES)
		return false;
	memcpy(proof->nonce, payload, SYNC_NONCE_BYTES);
	proof->sent_to_all = be64_read(payload + SYNC_NONCE_BYTES);
	return true;
}

size_t sync_state_write(const struct sync_state *state, uint8_t *payload)
{
	be32_write(payload, state->peers_count);
	be32_write(payload + 4, state->streams_count);
	for (uint32_t i = 0; i < state->streams_count; i++) {
		uint8_t *stream = payload + STATE_BYTES + i * (size_t)STREAM_BYTES;

		be64_write(stream, state->streams[i].boot);
		be64_write(stream + 8, state->streams[i].oldest);
		be64_write(stream + 16, state->streams[i].have);
		be64_write(stream + 24, state->streams[i].top);
	}
	return STATE_BYTES + state->streams_count * (size_t)STREAM_BYTES;
}

bool sync_state_parse(struct sync_state *state, const uint8_t *payload, size_t payload_bytes)
{
	if (payload_bytes < STATE_BYTES)
		return false;
	state->peers_count = be32_read(payload);
	state->streams_count = be32_read(payload + 4);
	if (state->streams_count > SYNC_STREAMS_MAX ||
		payload_bytes != STATE_BYTES + state->streams_count * (size_t)STREAM_BYTES)
		return false;
	for (uint32_t i = 0; i < state->streams_count; i++) {
		const uint8_t *stream = payload + STATE_BYTES + i * (size_t)STREAM_BYTES;

		state->streams[i].boot = be64_read(stream);
		state->streams[i].oldest = be64_read(stream + 8);
		state->streams[i].have = be64_read(stream + 16);
		state->streams[i].top = be64_read(stream + 24);
		/* Room above for counting on. */
		if (state->streams[i].boot == 0 || state->streams[i].oldest == 0 ||
			state->streams[i].top > UINT64_MAX / 2 ||
			state->streams[i].have > state->streams[i].top)
			return false;
	}
	return true;
}

size_t sync_want_write(const struct sync_want *want, uint8_t *payload)
{
	be32_write(payload, want->count);
	for (uint32_t i = 0; i < want->count; i++) {
		uint8_t *entry = payload + WANT_BYTES + i * (size_t)ENTRY_BYTES;

		be64_write(entry, want->wants[i].boot);
		be64_write(entry + 8, want->wants[i].first);
		be64_write(entry + 16, want->wants[i].mask);
	}
	return WANT_BYTES + want->count * (size_t)ENTRY_BYTES;
}

bool sync_want_parse(struct sync_want *want, const uint8_t *payload, size_t payload_bytes)
{
	if (payload_bytes < WANT_BYTES)
		return false;
	want->count = be32_read(payload);
	if (want->count > SYNC_STREAMS_MAX ||
		payload_bytes != WANT_BYTES + want->count * (size_t)ENTRY_BYTES)
		return false;
	for (uint32_t i = 0; i < want->count; i++) {
		const uint8_t *entry = payload + WANT_BYTES + i * (size_t)ENTRY_BYTES;

		want->wants[i].boot = be64_read(entry);
		want->wants[i].first = be64_read(entry + 8);
		want->wants[i].mask = be64_read(entry + 16);
		if (want->wants[i].boot == 0 || want->wants[i].first == 0 ||
			want->wants[i].first > UINT64_MAX / 2)
			return false;
	}
	return true;
}

void sync_batch_write(const struct sync_batch *batch, uint8_t payload[static SYNC_BATCH_BYTES])
{
	be64_write(payload, batch->boot);
	be64_write(payload + 8, batch->sequence);
	be32_write(payload + 16, batch->age_ms);
}

bool sync_batch_parse(struct sync_batch *batch, const uint8_t *payload, size_t payload_bytes)
{
	if (payload_bytes <= SYNC_BATCH_BYTES)
		return false;
	batch->boot = be64_read(payload);
	batch->sequence = be64_read(payload + 8);
	batch->age_ms = be32_read(payload + 16);
	return batch->boot != 0 && batch->sequence != 0 && batch->sequence <= UINT64_MAX / 2;
}

/* Catch-up. */

#define GREETING_MAGIC UINT32_C(0x73625453) /* "sbTS" */
#define REQUEST_MAGIC  UINT32_C(0x73625452) /* "sbTR" */
/* What the joiner's MAC and the key of the session are made of: a label and both nonces. */
#define AGREED_BYTES (8 + 2 * SYNC_NONCE_BYTES + 8)

static void agreed_write(uint8_t *bytes, const char label[static 8], const uint8_t *source_nonce,
	const uint8_t *nonce, uint64_t boot)
{
	memcpy(bytes, label, 8);
	memcpy(bytes + 8, source_nonce, SYNC_NONCE_BYTES);
	memcpy(bytes + 8 + SYNC_NONCE_BYTES, nonce, SYNC_NONCE_BYTES);
	be64_write(bytes + 8 + 2 * SYNC_NONCE_BYTES, boot);
}

void sync_greeting_write(
	uint8_t bytes[static SYNC_GREETING_BYTES], const uint8_t nonce[static SYNC_NONCE_BYTES])
{
	be32_write(bytes, GREETING_MAGIC);
	be32_write(bytes + 4, SYNC_VERSION);
	memcpy(bytes + 8, nonce, SYNC_NONCE_BYTES);
}

bool sync_greeting_parse(
	uint8_t nonce[static SYNC_NONCE_BYTES], const uint8_t bytes[static SYNC_GREETING_BYTES])
{
	memcpy(nonce, bytes + 8, SYNC_NONCE_BYTES);
	return be32_read(bytes) == GREETING_MAGIC && be32_read(bytes + 4) == SYNC_VERSION;
}

static void request_mac(uint8_t *whole, const uint8_t *source_nonce, const uint8_t *nonce,
	uint64_t boot, const uint8_t *key, sync_mac *mac)
{
	uint8_t agreed[AGREED_BYTES];

	agreed_write(agreed, "request ", source_nonce, nonce, boot);
	mac(whole, key, SYNC_KEY_BYTES, agreed, sizeof(agreed));
}

void sync_request_write(uint8_t bytes[static SYNC_REQUEST_BYTES],
	const uint8_t source_nonce[static SYNC_NONCE_BYTES],
	const uint8_t nonce[static SYNC_NONCE_BYTES], uint64_t boot,
	const uint8_t key[static SYNC_KEY_BYTES], sync_mac *mac)
{
	uint8_t whole[SHA256_BYTES];

	be32_write(bytes, REQUEST_MAGIC);
	be32_write(bytes + 4, SYNC_VERSION);
	memcpy(bytes + 8, nonce, SYNC_NONCE_BYTES);
	be64_write(bytes + 24, boot);
	request_mac(whole, source_nonce, nonce, boot, key, mac);
	memcpy(bytes + 32, whole, SYNC_MAC_BYTES);
}

bool sync_request_parse(uint8_t nonce[static SYNC_NONCE_BYTES], uint64_t *boot,
	const uint8_t bytes[static SYNC_REQUEST_BYTES],
	const uint8_t source_nonce[static SYNC_NONCE_BYTES],
	const uint8_t key[static SYNC_KEY_BYTES], sync_mac *mac)
{
	uint8_t whole[SHA256_BYTES];

	memcpy(nonce, bytes + 8, SYNC_NONCE_BYTES);
	*boot = be64_read(bytes + 24);
	request_mac(whole, source_nonce, nonce, *boot, key, mac);
	return be32_read(bytes) == REQUEST_MAGIC && be32_read(bytes + 4) == SYNC_VERSION &&
	       *boot != 0 && macs_equal(whole, bytes + 32);
}

void sync_session_key(uint8_t session[static SYNC_KEY_BYTES],
	const uint8_t source_nonce[static SYNC_NONCE_BYTES],
	const uint8_t nonce[static SYNC_NONCE_BYTES], const uint8_t key[static SYNC_KEY_BYTES],
	sync_mac *mac)
{
	uint8_t agreed[AGREED_BYTES];

	agreed_write(agreed, "session ", source_nonce, nonce, 0);
	mac(session, key, SYNC_KEY_BYTES, agreed, sizeof(agreed));
}

size_t sync_frame_seal(uint8_t *bytes, size_t payload_bytes, const struct sync_frame *frame,
	const uint8_t session[static SYNC_KEY_BYTES], sync_mac *mac)
{
	size_t whole = SYNC_FRAME_HEADER_BYTES + payload_bytes + SYNC_MAC_BYTES;

	be32_write(bytes, (uint32_t)whole);
	be32_write(bytes + 4, frame->number);
	be32_write(bytes + 8, (uint32_t)frame->type);
	be64_write(bytes + 12, frame->clock_ms);
	mac_put(bytes, whole - SYNC_MAC_BYTES, session, mac);
	return whole;
}

size_t sync_frame_length(const uint8_t bytes[static 4])
{
	uint32_t whole = be32_read(bytes);

	return whole < SYNC_FRAME_HEADER_BYTES + SYNC_MAC_BYTES || whole > SYNC_FRAME_BYTES_MAX
		       ? 0
		       : whole;
}

bool sync_frame_open(struct sync_frame *frame, const uint8_t *bytes, size_t bytes_count,
	const uint8_t session[static SYNC_KEY_BYTES], sync_mac *mac)
{
	if (bytes_count < SYNC_FRAME_HEADER_BYTES + SYNC_MAC_BYTES ||
		sync_frame_length(bytes) != bytes_count ||
		be32_read(bytes + 8) < SYNC_FRAME_BEGIN || be32_read(bytes + 8) > SYNC_FRAME_END ||
		!mac_right(bytes, bytes_count, session, mac))
		return false;
	frame->number = be32_read(bytes + 4);
	frame->type = (enum sync_frame_type)be32_read(bytes + 8);
	frame->clock_ms = be64_read(bytes + 12);
	return true;
}
