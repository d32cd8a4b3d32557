/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: batches of records as they leave this member, as they come, and as they are asked for
 * and sent again. Every member keeps the newest batches of every stream, so that what one member
 * alone got from another before that died reaches all.
 */
#include "tracker/cluster_private.h"

#include <stdlib.h>

#define MENTION_MS	 60000
#define STREAM_FORGET_MS 120000

/* Places for streams. */

struct stream *stream_find(struct cluster_core *core, uint64_t boot_id)
{
	for (uint32_t i = 0; i < STREAMS_MAX; i++)
		if (core->streams[i].boot_id == boot_id)
			return &core->streams[i];
	return NULL;
}

static void stream_start(
	struct cluster_core *core, uint64_t now_ms, struct stream *stream, uint64_t boot_id)
{
	struct held *held = stream->held;
	uint8_t *items = stream->items;

	*stream = (struct stream){.boot_id = boot_id,
		.kept_from = 1,
		.active_ms = now_ms,
		.spoken_ms = now_ms,
		.held = held,
		.items = items};
	memset(held, 0, core->settings.ring_batches * sizeof(*held));
}

static bool boot_is_members(const struct cluster_core *core, uint64_t boot_id)
{
	for (uint32_t i = 0; i < ARRAY_COUNT(core->members); i++)
		if (core->members[i].used && core->members[i].boot_id == boot_id)
			return true;
	return false;
}

/* A stream that nothing comes from any more, and that nobody speaks of: who forgot what others go
 * on speaking of would learn it again, by taking everything. */
bool stream_over(const struct cluster_core *core, uint64_t now_ms, const struct stream *stream)
{
	return !boot_is_members(core, stream->boot_id) &&
	       now_ms - stream->spoken_ms > STREAM_FORGET_MS;
}

struct stream *stream_find_or_add(struct cluster_core *core, uint64_t now_ms, uint64_t boot_id)
{
	struct stream *stream = stream_find(core, boot_id);
	struct stream *place = NULL;

	if (stream != NULL)
		return stream;
	for (uint32_t i = 1; i < STREAMS_MAX; i++) {
		stream = &core->streams[i];
		if (stream->boot_id == 0 || stream_over(core, now_ms, stream)) {
			place = stream;
			break;
		}
		if (!boot_is_members(core, stream->boot_id) &&
			(place == NULL || stream->active_ms < place->active_ms))
			place = stream;
	}
	if (place != NULL)
		stream_start(core, now_ms, place, boot_id);
	return place;
}

/* What is held. */

static struct held *held_at(
	const struct cluster_core *core, const struct stream *stream, uint64_t sequence)
{
	return &stream->held[sequence % core->settings.ring_batches];
}

bool stream_holds(const struct cluster_core *core, const struct stream *stream, uint64_t sequence)
{
	return held_at(core, stream, sequence)->sequence == sequence;
}

static uint8_t *items_at(
	const struct cluster_core *core, const struct stream *stream, uint64_t sequence)
{
	return stream->items +
	       sequence % core->settings.ring_batches * (size_t)SYNC_ITEMS_BYTES_MAX;
}

/* Older ones make place; one that is too old has none. */
static void hold(struct cluster_core *core, struct stream *stream, uint64_t sequence,
	uint64_t base_ms, const uint8_t *items, size_t items_bytes)
{
	struct held *held = held_at(core, stream, sequence);

	if (held->sequence > sequence)
		return;
	*held = (struct held){sequence, base_ms, (uint32_t)items_bytes};
	memcpy(items_at(core, stream, sequence), items, items_bytes);
	stream->top = u64_max(stream->top, sequence);
}

/* From here on, up to `have`, all are held. Of our own stream, one place is being written. */
static uint64_t oldest_held(const struct cluster_core *core, const struct stream *stream)
{
	uint64_t first = stream->top + 2 > core->settings.ring_batches
				 ? stream->top + 2 - core->settings.ring_batches
				 : 1;

	return u64_max(first, stream->kept_from);
}

static bool has(const struct cluster_core *core, const struct stream *stream, uint64_t sequence)
{
	return sequence <= stream->have || stream_holds(core, stream, sequence);
}

static void advance(const struct cluster_core *core, uint64_t now_ms, struct stream *stream)
{
	uint64_t before = stream->have;

	while (stream_holds(core, stream, stream->have + 1))
		stream->have++;
	stream->known = u64_max(stream->known, stream->have);
	if (stream->have != before) {
		stream->gap_ms = now_ms;
		stream->attempts = 0;
	}
}

/* Out. */

void stream_send(struct cluster_core *core, uint64_t now_ms, struct member *member,
	const struct stream *stream, uint64_t sequence)
{
	uint8_t *payload = core->datagram + SYNC_HEADER_BYTES;
	const struct held *held = held_at(core, stream, sequence);
	struct sync_batch batch = {stream->boot_id, sequence,
		(uint32_t)u64_min(now_ms - held->base_ms, SYNC_AGE_MS_MAX)};

	sync_batch_write(&batch, payload);
	memcpy(payload + SYNC_BATCH_BYTES, items_at(core, stream, sequence), held->items_bytes);
	if (member == NULL)
		members_send(core, now_ms, SYNC_RECORDS, SYNC_BATCH_BYTES + held->items_bytes);
	else
		member_send(
			core, now_ms, member, SYNC_RECORDS, SYNC_BATCH_BYTES + held->items_bytes);
}

static void flush(struct cluster_core *core, uint64_t now_ms)
{
	struct stream *own = &core->streams[0];
	struct sync_writer *writer = &core->writer;

	if (writer->records_count > 0) {
		/* Written straight into the ring: the oldest one's place. */
		own->have++;
		*held_at(core, own, own->have) =
			(struct held){own->have, now_ms, (uint32_t)writer->used};
		own->known = own->top = own->have;
		core->statistics.records_sent += writer->records_count;
		stream_send(core, now_ms, NULL, own, own->have);
	}
	sync_writer_start(writer, items_at(core, own, own->have + 1), SYNC_ITEMS_BYTES_MAX);
	held_at(core, own, own->have + 1)->sequence = 0;
}

void cluster_record_to_wire(struct sync_record *wire, const struct tracker_record *record)
{
	memcpy(wire->infohash, record->infohash, sizeof(wire->infohash));
	wire->address = record->address;
	wire->age_ms = record->age_ms;
	wire->seeder = record->seeder;
	wire->paused = record->paused;
	wire->stopped = record->stopped;
	memcpy(wire->site, record->site, sizeof(wire->site));
	memcpy(wire->rack, record->rack, sizeof(wire->rack));
}

void streams_drain(struct cluster_core *core, uint64_t now_ms)
{
	struct stream *own = &core->streams[0];
	struct tracker_record record;
	struct sync_record wire;
	uint64_t lost = tracker_core_changes_lost(core->book);

	while (tracker_core_next_change(core->book, now_ms, &record)) {
		cluster_record_to_wire(&wire, &record);
		if (sync_writer_put(&core->writer, &wire))
			continue;
		flush(core, now_ms);
		if (!sync_writer_put(&core->writer, &wire))
			abort(); /* an empty batch has room for any record */
	}
	flush(core, now_ms);
	if (lost == core->changes_lost)
		return;
	/* What was not sent is in the book alone: a gap that no ring can fill makes the others ask
	 * for that. */
	core->statistics.changes_lost += lost - core->changes_lost;
	core->changes_lost = lost;
	own->have += core->settings.ring_batches + 1;
	own->known = own->top = own->have;
	own->kept_from = own->have + 1;
	flush(core, now_ms);
}

void cluster_core_state(const struct cluster_core *core, uint64_t now_ms, struct sync_state *state)
{
	state->peers_count = tracker_core_peers_count(core->book);
	state->streams_count = 0;
	for (uint32_t i = 0; i < STREAMS_MAX; i++) {
		const struct stream *stream = &core->streams[i];

		/* What nobody speaks of, everybody forgets. */
		if (stream->boot_id == 0 || (i != 0 && stream->known == 0) ||
			(i != 0 && now_ms - stream->active_ms > MENTION_MS &&
				!boot_is_members(core, stream->boot_id)))
			continue;
		state->streams[state->streams_count++] =
			(struct sync_stream_state){.boot = stream->boot_id,
				.oldest = oldest_held(core, stream),
				.have = stream->have,
				.top = u64_max(stream->have, stream->top)};
	}
}

/* In. */

void cluster_core_apply(struct cluster_core *core, uint64_t now_ms,
	const struct sync_record *record, uint64_t older_ms)
{
	struct tracker_record applied = {.address = record->address,
		.age_ms = (uint32_t)u64_min(record->age_ms + older_ms, SYNC_AGE_MS_MAX),
		.seeder = record->seeder,
		.paused = record->paused,
		.stopped = record->stopped};

	memcpy(applied.infohash, record->infohash, sizeof(applied.infohash));
	memcpy(applied.site, record->site, sizeof(applied.site));
	memcpy(applied.rack, record->rack, sizeof(applied.rack));
	tracker_core_record(core->book, now_ms, &applied);
}

static bool items_apply(struct cluster_core *core, uint64_t now_ms, const uint8_t *items,
	size_t items_bytes, uint64_t older_ms)
{
	struct sync_reader reader;
	struct sync_record record;

	sync_reader_start(&reader, items, items_bytes);
	while (sync_reader_next(&reader, &record)) {
		cluster_core_apply(core, now_ms, &record, older_ms);
		core->statistics.records_received++;
	}
	return !reader.broken;
}

void streams_batch(struct cluster_core *core, uint64_t now_ms, const struct member *from,
	const struct sync_header *header, const uint8_t *payload, size_t payload_bytes)
{
	struct sync_batch batch;
	const uint8_t *items = payload + SYNC_BATCH_BYTES;

	if (!sync_batch_parse(&batch, payload, payload_bytes)) {
		core->statistics.malformed++;
		return;
	}
	if (batch.boot == core->settings.boot_id)
		return;
	struct stream *stream = stream_find_or_add(core, now_ms, batch.boot);
	if (stream == NULL || has(core, stream, batch.sequence))
		return;
	uint64_t older_ms = (uint64_t)batch.age_ms +
			    cluster_core_delay_ms(core, now_ms, from->boot_id, header->clock_ms);
	size_t items_bytes = payload_bytes - SYNC_BATCH_BYTES;
	if (!items_apply(core, now_ms, items, items_bytes, older_ms))
		core->statistics.malformed++;
	if (stream->known <= stream->have)
		stream->gap_ms = now_ms;
	stream->known = u64_max(stream->known, batch.sequence);
	stream->active_ms = stream->spoken_ms = now_ms;
	core->statistics.repaired += batch.sequence <= stream->asked_to && header->to_boot != 0;
	hold(core, stream, batch.sequence, now_ms - u64_min(older_ms, now_ms), items, items_bytes);
	advance(core, now_ms, stream);
}

void streams_state(struct cluster_core *core, uint64_t now_ms, struct member *member,
	const uint8_t *payload, size_t payload_bytes)
{
	struct sync_state state;

	if (!sync_state_parse(&state, payload, payload_bytes)) {
		core->statistics.malformed++;
		return;
	}
	member->said = state;
	member->has_said = true;
	for (uint32_t i = 0; i < state.streams_count; i++) {
		if (state.streams[i].boot == core->settings.boot_id || state.streams[i].top == 0)
			continue;
		struct stream *stream = stream_find_or_add(core, now_ms, state.streams[i].boot);
		if (stream == NULL)
			continue;
		stream->spoken_ms = now_ms;
		if (state.streams[i].top <= stream->known)
			continue;
		if (stream->known <= stream->have)
			stream->gap_ms = now_ms;
		stream->known = state.streams[i].top;
	}
}

/* What a catch-up brings. */

void streams_includes(struct cluster_core *core, uint64_t now_ms, const struct sync_state *includes)
{
	for (uint32_t i = 0; i < includes->streams_count; i++) {
		if (includes->streams[i].boot == core->settings.boot_id ||
			includes->streams[i].top == 0)
			continue;
		struct stream *stream = stream_find_or_add(core, now_ms, includes->streams[i].boot);
		if (stream == NULL || includes->streams[i].have <= stream->have)
			continue;
		stream->have = includes->streams[i].have;
		stream->kept_from = stream->have + 1;
		stream->gap_ms = now_ms;
		stream->attempts = 0;
		advance(core, now_ms, stream);
	}
}
