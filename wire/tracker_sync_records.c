/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of peers as the trackers of a cluster tell each other: a row of items. A swarm or a place
 * is written once before the records that refer to it; a record is then 11 bytes (IPv4) or 23.
 */
#include "wire/tracker_sync.h"

#define ITEM_SWARM 0x10 /* infohash: of the records after it */
#define ITEM_PLACE 0x11 /* two lengths, site, rack: gets the next number, from 1 on */
/* Anything less is a record: these bits, then place (0: none), age, port, address. */
#define RECORD_SEEDER  0x01
#define RECORD_PAUSED  0x02
#define RECORD_STOPPED 0x04
#define RECORD_IPV6    0x08

#define PLACE_HEAD_BYTES  3
#define RECORD_HEAD_BYTES 7

void sync_writer_start(struct sync_writer *writer, uint8_t *bytes, size_t capacity)
{
	writer->bytes = bytes;
	writer->capacity = capacity;
	writer->used = 0;
	writer->records_count = 0;
	writer->places_count = 0;
	writer->in_swarm = false;
	memset(writer->slots, 0, sizeof(writer->slots));
}

static uint32_t place_slot(const char *site, const char *rack)
{
	uint32_t hash = UINT32_C(2166136261); /* FNV-1a; a collision costs bytes, not sense */

	for (; *site != '\0'; site++)
		hash = (hash ^ (uint8_t)*site) * UINT32_C(16777619);
	hash *= UINT32_C(16777619);
	for (; *rack != '\0'; rack++)
		hash = (hash ^ (uint8_t)*rack) * UINT32_C(16777619);
	return (hash ^ hash >> 16) % SYNC_PLACE_SLOTS;
}

static bool place_is(const uint8_t *item, const char *site, size_t site_bytes, const char *rack,
	size_t rack_bytes)
{
	return item[1] == site_bytes && item[2] == rack_bytes &&
	       memcmp(item + PLACE_HEAD_BYTES, site, site_bytes) == 0 &&
	       memcmp(item + PLACE_HEAD_BYTES + site_bytes, rack, rack_bytes) == 0;
}

static void swarm_put(struct sync_writer *writer, const uint8_t *infohash)
{
	writer->bytes[writer->used] = ITEM_SWARM;
	memcpy(writer->bytes + writer->used + 1, infohash, SHA1_BYTES);
	memcpy(writer->infohash, infohash, SHA1_BYTES);
	writer->in_swarm = true;
	writer->used += 1 + SHA1_BYTES;
}

static uint8_t place_put(struct sync_writer *writer, uint32_t slot, const char *site,
	size_t site_bytes, const char *rack, size_t rack_bytes)
{
	uint8_t *item = writer->bytes + writer->used;
	uint8_t number = (uint8_t)++writer->places_count;

	item[0] = ITEM_PLACE;
	item[1] = (uint8_t)site_bytes;
	item[2] = (uint8_t)rack_bytes;
	memcpy(item + PLACE_HEAD_BYTES, site, site_bytes);
	memcpy(item + PLACE_HEAD_BYTES + site_bytes, rack, rack_bytes);
	writer->places[number] = (uint32_t)writer->used;
	writer->slots[slot] = number;
	writer->used += PLACE_HEAD_BYTES + site_bytes + rack_bytes;
	return number;
}

bool sync_writer_put(struct sync_writer *writer, const struct sync_record *record)
{
	size_t site_bytes = strlen(record->site);
	size_t rack_bytes = strlen(record->rack);
	bool new_swarm =
		!writer->in_swarm || memcmp(writer->infohash, record->infohash, SHA1_BYTES) != 0;
	bool ipv6 = !peer_address_is4(&record->address);
	size_t ip_bytes = ipv6 ? 16 : 4;
	uint32_t slot = 0;
	uint8_t place = 0;
	bool new_place = false;

	if (site_bytes + rack_bytes > 0) {
		slot = place_slot(record->site, record->rack);
		place = writer->slots[slot];
		new_place =
			place == 0 || !place_is(writer->bytes + writer->places[place], record->site,
					      site_bytes, record->rack, rack_bytes);
	}
	size_t needed = RECORD_HEAD_BYTES + ip_bytes + (new_swarm ? 1 + SHA1_BYTES : 0) +
			(new_place ? PLACE_HEAD_BYTES + site_bytes + rack_bytes : 0);
	if (needed > writer->capacity - writer->used ||
		(new_place && writer->places_count == SYNC_PLACES_MAX))
		return false;
	if (new_swarm)
		swarm_put(writer, record->infohash);
	if (new_place)
		place = place_put(writer, slot, record->site, site_bytes, record->rack, rack_bytes);
	uint8_t *item = writer->bytes + writer->used;
	item[0] = (uint8_t)((record->seeder ? RECORD_SEEDER : 0) |
			    (record->paused ? RECORD_PAUSED : 0) |
			    (record->stopped ? RECORD_STOPPED : 0) | (ipv6 ? RECORD_IPV6 : 0));
	item[1] = place;
	uint32_t age_ms = (uint32_t)u64_min(record->age_ms, SYNC_AGE_MS_MAX);
	item[2] = (uint8_t)(age_ms >> 16);
	be16_write(item + 3, (uint16_t)age_ms);
	be16_write(item + 5, record->address.port);
	memcpy(item + RECORD_HEAD_BYTES, record->address.ip + 16 - ip_bytes, ip_bytes);
	writer->used += RECORD_HEAD_BYTES + ip_bytes;
	writer->records_count++;
	return true;
}

void sync_reader_start(struct sync_reader *reader, const uint8_t *bytes, size_t bytes_count)
{
	reader->bytes = bytes;
	reader->bytes_count = bytes_count;
	reader->at = 0;
	reader->infohash = NULL;
	reader->places_count = 0;
	reader->broken = false;
}

static bool broken(struct sync_reader *reader)
{
	reader->broken = true;
	return false;
}

/* A name of a place, or none: what wire/peer_wire.h allows of them. */
static bool name_valid(const uint8_t *name, size_t name_bytes)
{
	return name_bytes == 0 || peer_place_valid(name, name_bytes);
}

static bool read_place(struct sync_reader *reader)
{
	const uint8_t *item = reader->bytes + reader->at;
	size_t left = reader->bytes_count - reader->at;

	if (left < PLACE_HEAD_BYTES || reader->places_count == SYNC_PLACES_MAX ||
		left - PLACE_HEAD_BYTES < (size_t)item[1] + item[2] ||
		(size_t)item[1] + item[2] == 0 || !name_valid(item + PLACE_HEAD_BYTES, item[1]) ||
		!name_valid(item + PLACE_HEAD_BYTES + item[1], item[2]))
		return broken(reader);
	reader->places[++reader->places_count] = (uint32_t)reader->at;
	reader->at += PLACE_HEAD_BYTES + (size_t)item[1] + item[2];
	return true;
}

static bool read_swarm(struct sync_reader *reader)
{
	if (reader->bytes_count - reader->at < 1 + SHA1_BYTES)
		return broken(reader);
	reader->infohash = reader->bytes + reader->at + 1;
	reader->at += 1 + SHA1_BYTES;
	return true;
}

static void place_copy(const struct sync_reader *reader, uint8_t number, struct sync_record *record)
{
	size_t site_bytes = 0;
	size_t rack_bytes = 0;

	if (number != 0) {
		const uint8_t *item = reader->bytes + reader->places[number];

		site_bytes = item[1];
		rack_bytes = item[2];
		memcpy(record->site, item + PLACE_HEAD_BYTES, site_bytes);
		memcpy(record->rack, item + PLACE_HEAD_BYTES + site_bytes, rack_bytes);
	}
	record->site[site_bytes] = '\0';
	record->rack[rack_bytes] = '\0';
}

static bool read_record(struct sync_reader *reader, struct sync_record *record)
{
	const uint8_t *item = reader->bytes + reader->at;
	size_t left = reader->bytes_count - reader->at;
	bool ipv6 = (item[0] & RECORD_IPV6) != 0;
	size_t ip_bytes = ipv6 ? 16 : 4;

	if (left < RECORD_HEAD_BYTES + ip_bytes || reader->infohash == NULL ||
		item[1] > reader->places_count || be16_read(item + 5) == 0)
		return broken(reader);
	memcpy(record->infohash, reader->infohash, SHA1_BYTES);
	record->seeder = (item[0] & RECORD_SEEDER) != 0;
	record->paused = (item[0] & RECORD_PAUSED) != 0;
	record->stopped = (item[0] & RECORD_STOPPED) != 0;
	record->age_ms = (uint32_t)item[2] << 16 | be16_read(item + 3);
	if (ipv6) {
		record->address.port = be16_read(item + 5);
		memcpy(record->address.ip, item + RECORD_HEAD_BYTES, 16);
		if (peer_address_is4(&record->address))
			return broken(reader);
	} else {
		peer_address_from4(&record->address, item + RECORD_HEAD_BYTES, be16_read(item + 5));
	}
	place_copy(reader, item[1], record);
	reader->at += RECORD_HEAD_BYTES + ip_bytes;
	return true;
}

bool sync_reader_next(struct sync_reader *reader, struct sync_record *record)
{
	while (!reader->broken && reader->at < reader->bytes_count) {
		uint8_t tag = reader->bytes[reader->at];

		if (tag < ITEM_SWARM)
			return read_record(reader, record);
		if (tag == ITEM_SWARM ? !read_swarm(reader)
				      : tag != ITEM_PLACE || !read_place(reader))
			return broken(reader);
	}
	return false;
}
