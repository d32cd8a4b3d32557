/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of a catch-up. */
#include "tracker/catchup_core.h"

void catchup_source_start(struct catchup_source *source, struct cluster_core *cluster,
	struct tracker_core *book, const uint8_t *key, sync_mac *mac,
	const uint8_t nonce[static SYNC_NONCE_BYTES])
{
	*source = (struct catchup_source){.key = key, .mac = mac, .cluster = cluster, .book = book};
	memcpy(source->nonce, nonce, sizeof(source->nonce));
}

void catchup_source_greet(
	const struct catchup_source *source, uint8_t bytes[static SYNC_GREETING_BYTES])
{
	sync_greeting_write(bytes, source->nonce);
}

bool catchup_source_accept(
	struct catchup_source *source, const uint8_t bytes[static SYNC_REQUEST_BYTES])
{
	uint8_t nonce[SYNC_NONCE_BYTES];
	uint64_t boot_id;

	if (!sync_request_parse(nonce, &boot_id, bytes, source->nonce, source->key, source->mac) ||
		boot_id != cluster_core_boot_id(source->cluster))
		return false;
	sync_session_key(source->session, source->nonce, nonce, source->key, source->mac);
	return true;
}

static size_t seal(struct catchup_source *source, uint64_t now_ms, enum sync_frame_type type,
	uint8_t *bytes, size_t payload_bytes)
{
	struct sync_frame frame = {type, source->frames_count++, now_ms};

	return sync_frame_seal(bytes, payload_bytes, &frame, source->session, source->mac);
}

/* As many records as there is room for. One that does not fit is met again by the next frame, and
 * is then as old as it is by then. */
static void records_put(struct catchup_source *source, uint64_t now_ms, struct sync_writer *writer)
{
	struct tracker_record record;
	struct sync_record wire;
	uint64_t cursor = source->cursor;

	while (tracker_core_walk(source->book, now_ms, &cursor, &record)) {
		cluster_record_to_wire(&wire, &record);
		if (!sync_writer_put(writer, &wire))
			return;
		source->cursor = cursor;
	}
	source->cursor = cursor;
}

size_t catchup_source_frame(struct catchup_source *source, uint64_t now_ms, uint8_t *bytes)
{
	struct sync_writer *writer = &source->writer;
	struct sync_state state;

	/* First how far we are: what comes later than that is in our batches. */
	if (source->frames_count == 0) {
		cluster_core_state(source->cluster, now_ms, &state);
		state.peers_count = tracker_core_peers_most(source->book);
		return seal(source, now_ms, SYNC_FRAME_BEGIN, bytes,
			sync_state_write(&state, bytes + SYNC_FRAME_HEADER_BYTES));
	}
	if (source->ended)
		return 0;
	sync_writer_start(writer, bytes + SYNC_FRAME_HEADER_BYTES, SYNC_FRAME_PAYLOAD_BYTES);
	records_put(source, now_ms, writer);
	source->records_count += writer->records_count;
	if (writer->records_count > 0)
		return seal(source, now_ms, SYNC_FRAME_RECORDS, bytes, writer->used);
	source->ended = true;
	return seal(source, now_ms, SYNC_FRAME_END, bytes, 0);
}

void catchup_sink_start(struct catchup_sink *sink, struct cluster_core *cluster,
	uint64_t source_boot, const uint8_t *key, sync_mac *mac,
	const uint8_t nonce[static SYNC_NONCE_BYTES])
{
	*sink = (struct catchup_sink){
		.key = key, .mac = mac, .cluster = cluster, .source_boot = source_boot};
	memcpy(sink->nonce, nonce, sizeof(sink->nonce));
}

bool catchup_sink_request(struct catchup_sink *sink,
	const uint8_t greeting[static SYNC_GREETING_BYTES],
	uint8_t request[static SYNC_REQUEST_BYTES])
{
	uint8_t source_nonce[SYNC_NONCE_BYTES];

	if (!sync_greeting_parse(source_nonce, greeting))
		return false;
	sync_request_write(
		request, source_nonce, sink->nonce, sink->source_boot, sink->key, sink->mac);
	sync_session_key(sink->session, source_nonce, sink->nonce, sink->key, sink->mac);
	return true;
}

static bool apply(struct catchup_sink *sink, uint64_t now_ms, uint64_t clock_ms,
	const uint8_t *items, size_t items_bytes)
{
	struct sync_reader reader;
	struct sync_record record;
	uint32_t older_ms =
		cluster_core_delay_ms(sink->cluster, now_ms, sink->source_boot, clock_ms);

	sync_reader_start(&reader, items, items_bytes);
	while (sync_reader_next(&reader, &record)) {
		cluster_core_apply(sink->cluster, now_ms, &record, older_ms);
		sink->records_count++;
	}
	return !reader.broken;
}

enum catchup_result catchup_sink_frame(
	struct catchup_sink *sink, uint64_t now_ms, const uint8_t *bytes, size_t bytes_count)
{
	struct sync_frame frame;
	const uint8_t *payload = bytes + SYNC_FRAME_HEADER_BYTES;

	if (!sync_frame_open(&frame, bytes, bytes_count, sink->session, sink->mac) ||
		frame.number != sink->frames_count ||
		(frame.number == 0) != (frame.type == SYNC_FRAME_BEGIN))
		return CATCHUP_WRONG;
	sink->frames_count++;
	size_t payload_bytes = bytes_count - SYNC_FRAME_HEADER_BYTES - SYNC_MAC_BYTES;
	switch (frame.type) {
	case SYNC_FRAME_BEGIN:
		if (!sync_state_parse(&sink->includes, payload, payload_bytes))
			return CATCHUP_WRONG;
		cluster_core_catching_up(sink->cluster, &sink->includes);
		return CATCHUP_MORE;
	case SYNC_FRAME_RECORDS:
		return apply(sink, now_ms, frame.clock_ms, payload, payload_bytes) ? CATCHUP_MORE
										   : CATCHUP_WRONG;
	case SYNC_FRAME_END:
		return CATCHUP_DONE;
	}
	return CATCHUP_WRONG;
}
