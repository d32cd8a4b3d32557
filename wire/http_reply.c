/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of announce and scrape replies. */
#include "wire/bencode.h"
#include "wire/http_tracker.h"

static void write_compact(struct ben_writer *writer, const struct announce_reply *reply)
{
	uint8_t peers4[ANNOUNCE_PEERS_MAX * PEER_COMPACT4_BYTES] = {0};
	uint8_t peers6[ANNOUNCE_PEERS_MAX * PEER_COMPACT6_BYTES] = {0};
	size_t used4 = 0;
	size_t used6 = 0;

	for (uint32_t i = 0; i < reply->peers_count; i++) {
		if (peer_address_is4(&reply->peers[i])) {
			peer_address_to_compact4(&reply->peers[i], peers4 + used4);
			used4 += PEER_COMPACT4_BYTES;
		} else {
			peer_address_to_compact6(&reply->peers[i], peers6 + used6);
			used6 += PEER_COMPACT6_BYTES;
		}
	}
	ben_put_bytes(writer, "peers", peers4, used4);
	if (used6 > 0)
		ben_put_bytes(writer, "peers6", peers6, used6);
}

static void write_dictionaries(
	struct ben_writer *writer, const struct announce_reply *reply, bool no_peer_id)
{
	ben_write_text(writer, "peers");
	ben_write_list(writer);
	for (uint32_t i = 0; i < reply->peers_count; i++) {
		char ip[PEER_IP_TEXT_MAX];

		peer_address_ip_write(ip, &reply->peers[i]);
		ben_write_dict(writer);
		ben_put_text(writer, "ip", ip);
		if (!no_peer_id && !bytes_all_zero(reply->peer_ids[i], sizeof(reply->peer_ids[i])))
			ben_put_bytes(
				writer, "peer id", reply->peer_ids[i], sizeof(reply->peer_ids[i]));
		ben_put_unsigned(writer, "port", reply->peers[i].port);
		ben_write_end(writer);
	}
	ben_write_end(writer);
}

/* Four bytes or sixteen, in network order. */
static void write_external(struct ben_writer *writer, const struct announce_reply *reply)
{
	struct peer_address address = {.port = 0};

	if (bytes_all_zero(reply->external_ip, sizeof(reply->external_ip)))
		return;
	memcpy(address.ip, reply->external_ip, sizeof(address.ip));
	if (peer_address_is4(&address))
		ben_put_bytes(writer, "external ip", address.ip + 12, 4);
	else
		ben_put_bytes(writer, "external ip", address.ip, sizeof(address.ip));
}

size_t http_announce_reply_write(const struct announce_reply *reply, bool compact, bool no_peer_id,
	uint8_t *body, size_t capacity)
{
	struct ben_writer writer;

	if (reply->peers_count > ANNOUNCE_PEERS_MAX)
		return 0;
	ben_writer_init(&writer, body, capacity);
	ben_write_dict(&writer);
	if (reply->failure[0] != '\0') {
		ben_put_text(&writer, "failure reason", reply->failure);
	} else {
		ben_put_unsigned(&writer, "complete", reply->seeders_count);
		write_external(&writer, reply);
		ben_put_unsigned(&writer, "incomplete", reply->leechers_count);
		ben_put_unsigned(&writer, "interval", reply->interval_s);
		ben_put_unsigned(&writer, "min interval", reply->min_interval_s);
		if (compact)
			write_compact(&writer, reply);
		else
			write_dictionaries(&writer, reply, no_peer_id);
	}
	if (reply->warning[0] != '\0')
		ben_put_text(&writer, "warning message", reply->warning);
	ben_write_end(&writer);
	return writer.overflow ? 0 : writer.used;
}

static uint32_t get_u32(const struct ben *dict, const char *key)
{
	uint64_t number;

	return ben_get_unsigned(dict, key, &number) ? (uint32_t)u64_min(number, UINT32_MAX) : 0;
}

static void get_printable(const struct ben *dict, const char *key, char *text)
{
	const uint8_t *bytes;
	size_t bytes_count;

	if (ben_get_string(dict, key, &bytes, &bytes_count))
		printable_copy(text, TRACKER_TEXT_MAX, bytes, bytes_count);
}

/* What is neither four bytes nor sixteen is not said. */
static void read_external(struct announce_reply *reply, const struct ben *dict)
{
	struct peer_address address;
	uint8_t ip4[4];

	if (ben_get_bytes(dict, "external ip", ip4, sizeof(ip4))) {
		peer_address_from4(&address, ip4, 0);
		memcpy(reply->external_ip, address.ip, sizeof(address.ip));
	} else if (ben_get_bytes(dict, "external ip", address.ip, sizeof(address.ip))) {
		memcpy(reply->external_ip, address.ip, sizeof(address.ip));
	}
}

/* The slot for the next peer; a peer that nobody can connect to leaves it free. */
static struct peer_address *next_slot(struct announce_reply *reply)
{
	return reply->peers_count < ANNOUNCE_PEERS_MAX ? &reply->peers[reply->peers_count] : NULL;
}

static bool read_compact(struct announce_reply *reply, const struct ben *value, size_t peer_bytes)
{
	const uint8_t *bytes;
	size_t bytes_count;

	if (!ben_string(value, &bytes, &bytes_count) || bytes_count % peer_bytes != 0)
		return false;
	for (size_t at = 0; at < bytes_count; at += peer_bytes) {
		struct peer_address *peer = next_slot(reply);

		if (peer == NULL)
			break;
		if (peer_bytes == PEER_COMPACT4_BYTES)
			peer_address_from_compact4(peer, bytes + at);
		else
			peer_address_from_compact6(peer, bytes + at);
		reply->peers_count += peer->port != 0;
	}
	return true;
}

static void read_dictionaries(struct announce_reply *reply, const struct ben *list)
{
	struct ben dict;
	const uint8_t *position = NULL;

	while (ben_list_next(list, &position, &dict)) {
		struct peer_address *peer = next_slot(reply);
		const uint8_t *ip;
		size_t ip_bytes;
		uint32_t port = get_u32(&dict, "port");

		if (peer == NULL)
			break;
		/* A host's name instead of an address is legal, and of no use here. */
		if (port == 0 || port > UINT16_MAX ||
			!ben_get_string(&dict, "ip", &ip, &ip_bytes) ||
			!peer_address_ip_read(peer, (const char *)ip, ip_bytes))
			continue;
		peer->port = (uint16_t)port;
		if (!ben_get_bytes(&dict, "peer id", reply->peer_ids[reply->peers_count],
			    sizeof(reply->peer_ids[0])))
			memset(reply->peer_ids[reply->peers_count], 0, sizeof(reply->peer_ids[0]));
		reply->peers_count++;
	}
}

bool http_announce_reply_parse(struct announce_reply *reply, const uint8_t *body, size_t body_bytes)
{
	struct ben dict;
	struct ben value;
	uint64_t interval_s;

	memset(reply, 0, sizeof(*reply));
	if (!ben_parse(&dict, body, body_bytes, NULL) || dict.type != BEN_DICT)
		return false;
	get_printable(&dict, "warning message", reply->warning);
	if (ben_get(&dict, "failure reason", &value)) {
		get_printable(&dict, "failure reason", reply->failure);
		if (reply->failure[0] == '\0')
			memcpy(reply->failure, "no reason given", sizeof("no reason given"));
		return true;
	}
	if (!ben_get_unsigned(&dict, "interval", &interval_s))
		return false;
	reply->interval_s = (uint32_t)u64_min(interval_s, UINT32_MAX);
	reply->min_interval_s = get_u32(&dict, "min interval");
	reply->seeders_count = get_u32(&dict, "complete");
	reply->leechers_count = get_u32(&dict, "incomplete");
	read_external(reply, &dict);
	if (ben_get(&dict, "peers", &value)) {
		if (value.type == BEN_LIST)
			read_dictionaries(reply, &value);
		else if (!read_compact(reply, &value, PEER_COMPACT4_BYTES))
			return false;
	}
	return !ben_get(&dict, "peers6", &value) ||
	       read_compact(reply, &value, PEER_COMPACT6_BYTES);
}

size_t http_scrape_reply_write(
	const struct scrape_entry *entries, size_t entries_count, uint8_t *body, size_t capacity)
{
	struct ben_writer writer;

	ben_writer_init(&writer, body, capacity);
	ben_write_dict(&writer);
	ben_write_text(&writer, "files");
	ben_write_dict(&writer);
	for (size_t i = 0; i < entries_count; i++) {
		ben_write_bytes(&writer, entries[i].infohash, SHA1_BYTES);
		ben_write_dict(&writer);
		ben_put_unsigned(&writer, "complete", entries[i].seeders_count);
		ben_put_unsigned(&writer, "downloaded", entries[i].completed_count);
		ben_put_unsigned(&writer, "incomplete", entries[i].leechers_count);
		ben_write_end(&writer);
	}
	ben_write_end(&writer);
	ben_write_end(&writer);
	return writer.overflow ? 0 : writer.used;
}

bool http_scrape_reply_parse(struct scrape_entry *entries, size_t entries_max,
	size_t *entries_count, const uint8_t *body, size_t body_bytes)
{
	struct ben dict;
	struct ben files;
	struct ben key;
	struct ben file;
	const uint8_t *position = NULL;

	*entries_count = 0;
	if (!ben_parse(&dict, body, body_bytes, NULL) || !ben_get(&dict, "files", &files) ||
		files.type != BEN_DICT)
		return false;
	while (*entries_count < entries_max && ben_dict_next(&files, &position, &key, &file)) {
		struct scrape_entry *entry = &entries[*entries_count];
		const uint8_t *hash;
		size_t hash_bytes;

		if (!ben_string(&key, &hash, &hash_bytes) || hash_bytes != SHA1_BYTES)
			return false;
		memcpy(entry->infohash, hash, SHA1_BYTES);
		entry->seeders_count = get_u32(&file, "complete");
		entry->completed_count = get_u32(&file, "downloaded");
		entry->leechers_count = get_u32(&file, "incomplete");
		(*entries_count)++;
	}
	return true;
}
