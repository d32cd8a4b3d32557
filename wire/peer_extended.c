/* SPDX-License-Identifier: Apache-2.0 */
/* The BEP 10 extended handshake. Foreign clients put all sorts of things here: a key with a value
 * that makes no sense counts as absent. */
#include "wire/peer_wire.h"

static uint32_t get_u32(const struct ben *dict, const char *key)
{
	uint64_t number;

	return ben_get_unsigned(dict, key, &number) ? (uint32_t)u64_min(number, UINT32_MAX) : 0;
}

static uint8_t get_extension_id(const struct ben *extensions, const char *name)
{
	uint32_t id = get_u32(extensions, name);

	return id <= UINT8_MAX ? (uint8_t)id : 0;
}

bool peer_place_valid(const uint8_t *name, size_t bytes_count)
{
	for (size_t i = 0; i < bytes_count; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return bytes_count > 0 && bytes_count <= PEER_PLACE_MAX;
}

static void get_place(
	const struct ben *dict, const char *key, char place[static PEER_PLACE_MAX + 1])
{
	const uint8_t *name;
	size_t bytes_count;

	if (!ben_get_string(dict, key, &name, &bytes_count) || !peer_place_valid(name, bytes_count))
		return;
	memcpy(place, name, bytes_count);
	place[bytes_count] = '\0';
}

bool peer_extended_handshake_parse(
	struct peer_extended_handshake *handshake, const uint8_t *bytes, size_t bytes_count)
{
	struct ben dict;
	struct ben extensions;
	size_t used_bytes;
	const uint8_t *client;
	size_t client_bytes;

	*handshake = (struct peer_extended_handshake){0};
	if (!ben_parse(&dict, bytes, bytes_count, &used_bytes) || dict.type != BEN_DICT)
		return false;
	if (ben_get(&dict, "m", &extensions)) {
		handshake->id_donthave = get_extension_id(&extensions, "lt_donthave");
		handshake->id_leaves = get_extension_id(&extensions, "sb_leaves");
		handshake->id_pex = get_extension_id(&extensions, "ut_pex");
		handshake->id_haves = get_extension_id(&extensions, "sb_haves");
		handshake->id_frame = get_extension_id(&extensions, "sb_frame");
		handshake->id_roster = get_extension_id(&extensions, "sb_roster");
	}
	uint32_t port = get_u32(&dict, "p");

	handshake->listen_port = port <= UINT16_MAX ? (uint16_t)port : 0;
	handshake->requests_max = get_u32(&dict, "reqq");
	handshake->request_bytes_max = get_u32(&dict, "sb_request");
	handshake->origin = get_u32(&dict, "sb_origin") != 0;
	get_place(&dict, "sb_rack", handshake->rack);
	get_place(&dict, "sb_site", handshake->site);
	handshake->upload_only = get_u32(&dict, "upload_only") != 0;
	if (ben_get_string(&dict, "v", &client, &client_bytes))
		printable_copy(handshake->client, sizeof(handshake->client), client, client_bytes);
	return true;
}

static void put_nonzero(struct ben_writer *writer, const char *key, uint32_t number)
{
	if (number != 0)
		ben_put_unsigned(writer, key, number);
}

size_t peer_extended_handshake_write(
	const struct peer_extended_handshake *handshake, uint8_t *bytes, size_t capacity)
{
	struct ben_writer writer;

	ben_writer_init(&writer, bytes, capacity);
	ben_write_dict(&writer);
	ben_write_text(&writer, "m");
	ben_write_dict(&writer);
	put_nonzero(&writer, "lt_donthave", handshake->id_donthave);
	put_nonzero(&writer, "sb_frame", handshake->id_frame);
	put_nonzero(&writer, "sb_haves", handshake->id_haves);
	put_nonzero(&writer, "sb_leaves", handshake->id_leaves);
	put_nonzero(&writer, "sb_roster", handshake->id_roster);
	put_nonzero(&writer, "ut_pex", handshake->id_pex);
	ben_write_end(&writer);
	put_nonzero(&writer, "p", handshake->listen_port);
	put_nonzero(&writer, "reqq", handshake->requests_max);
	put_nonzero(&writer, "sb_origin", handshake->origin);
	if (handshake->rack[0] != '\0')
		ben_put_text(&writer, "sb_rack", handshake->rack);
	put_nonzero(&writer, "sb_request", handshake->request_bytes_max);
	if (handshake->site[0] != '\0')
		ben_put_text(&writer, "sb_site", handshake->site);
	put_nonzero(&writer, "upload_only", handshake->upload_only);
	if (handshake->client[0] != '\0')
		ben_put_text(&writer, "v", handshake->client);
	ben_write_end(&writer);
	return writer.overflow ? 0 : writer.used;
}

uint32_t peer_haves_parse(uint32_t pieces[static PEER_HAVES_MAX], const uint8_t *bytes,
	size_t bytes_count, uint32_t pieces_count)
{
	uint32_t count = (uint32_t)(bytes_count / sizeof(uint32_t));

	if (bytes_count % sizeof(uint32_t) != 0 || bytes_count / sizeof(uint32_t) > PEER_HAVES_MAX)
		return 0;
	for (uint32_t i = 0; i < count; i++) {
		pieces[i] = be32_read(bytes + i * sizeof(uint32_t));
		if (pieces[i] >= pieces_count)
			return 0;
	}
	return count;
}

size_t peer_haves_write(const uint32_t *pieces, uint32_t count, uint8_t *bytes, size_t capacity)
{
	if (capacity / sizeof(uint32_t) < count)
		return 0;
	for (uint32_t i = 0; i < count; i++)
		be32_write(bytes + i * sizeof(uint32_t), pieces[i]);
	return count * sizeof(uint32_t);
}
