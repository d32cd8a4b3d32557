/* SPDX-License-Identifier: Apache-2.0 */
/* Peer exchange messages: see peer_pex.h. */
#include "wire/peer_pex.h"

#include "wire/bencode.h"

/* One list of addresses; one that is absent, or not of whole addresses, is empty. */
struct contacts {
	const uint8_t *bytes;
	size_t count;
	size_t each_bytes;
};

static struct contacts contacts_get(const struct ben *dict, const char *key, size_t each_bytes)
{
	struct contacts contacts = {.each_bytes = each_bytes};
	size_t bytes_count = 0;

	if (ben_get_string(dict, key, &contacts.bytes, &bytes_count) &&
		bytes_count % each_bytes == 0)
		contacts.count = bytes_count / each_bytes;
	return contacts;
}

static void contact_read(const struct contacts *contacts, size_t at, struct peer_address *address)
{
	const uint8_t *bytes = contacts->bytes + at * contacts->each_bytes;

	if (contacts->each_bytes == PEER_COMPACT4_BYTES)
		peer_address_from_compact4(address, bytes);
	else
		peer_address_from_compact6(address, bytes);
}

static void take_added(struct peer_pex *pex, const struct ben *dict, const char *key,
	const char *flags_key, size_t each_bytes)
{
	struct contacts contacts = contacts_get(dict, key, each_bytes);
	const uint8_t *flags;
	size_t flags_count;
	bool flagged = ben_get_string(dict, flags_key, &flags, &flags_count) &&
		       flags_count == contacts.count;

	for (size_t i = 0; i < contacts.count && pex->added_count < PEX_PEERS_MAX; i++) {
		struct peer_pex_peer *peer = &pex->added[pex->added_count++];

		contact_read(&contacts, i, &peer->address);
		peer->flags = flagged ? flags[i] : 0;
	}
}

static void take_dropped(
	struct peer_pex *pex, const struct ben *dict, const char *key, size_t each_bytes)
{
	struct contacts contacts = contacts_get(dict, key, each_bytes);

	for (size_t i = 0; i < contacts.count && pex->dropped_count < PEX_PEERS_MAX; i++)
		contact_read(&contacts, i, &pex->dropped[pex->dropped_count++]);
}

bool peer_pex_parse(struct peer_pex *pex, const uint8_t *bytes, size_t bytes_count)
{
	struct ben dict;
	size_t used_bytes;

	*pex = (struct peer_pex){0};
	if (!ben_parse(&dict, bytes, bytes_count, &used_bytes) || dict.type != BEN_DICT)
		return false;
	take_added(pex, &dict, "added", "added.f", PEER_COMPACT4_BYTES);
	take_added(pex, &dict, "added6", "added6.f", PEER_COMPACT6_BYTES);
	take_dropped(pex, &dict, "dropped", PEER_COMPACT4_BYTES);
	take_dropped(pex, &dict, "dropped6", PEER_COMPACT6_BYTES);
	return true;
}

/* ---- writing ---- */

static size_t contact_write(const struct peer_address *address, uint8_t *bytes)
{
	if (peer_address_is4(address)) {
		peer_address_to_compact4(address, bytes);
		return PEER_COMPACT4_BYTES;
	}
	peer_address_to_compact6(address, bytes);
	return PEER_COMPACT6_BYTES;
}

static void put_added(struct ben_writer *writer, const struct peer_pex *pex, bool is4)
{
	uint8_t list[PEX_PEERS_MAX * PEER_COMPACT6_BYTES];
	uint8_t flags[PEX_PEERS_MAX];
	size_t list_bytes = 0;
	size_t count = 0;

	for (uint32_t i = 0; i < pex->added_count; i++) {
		if (peer_address_is4(&pex->added[i].address) != is4)
			continue;
		list_bytes += contact_write(&pex->added[i].address, list + list_bytes);
		flags[count++] = pex->added[i].flags;
	}
	/* An empty `added` says that this is a message, if nothing else does. */
	if (count == 0 && !is4)
		return;
	ben_put_bytes(writer, is4 ? "added" : "added6", list, list_bytes);
	ben_put_bytes(writer, is4 ? "added.f" : "added6.f", flags, count);
}

static void put_dropped(struct ben_writer *writer, const struct peer_pex *pex, bool is4)
{
	uint8_t list[PEX_PEERS_MAX * PEER_COMPACT6_BYTES];
	size_t list_bytes = 0;

	for (uint32_t i = 0; i < pex->dropped_count; i++)
		if (peer_address_is4(&pex->dropped[i]) == is4)
			list_bytes += contact_write(&pex->dropped[i], list + list_bytes);
	if (list_bytes > 0)
		ben_put_bytes(writer, is4 ? "dropped" : "dropped6", list, list_bytes);
}

size_t peer_pex_write(const struct peer_pex *pex, uint8_t *bytes, size_t capacity)
{
	struct ben_writer writer;

	if (pex->added_count > PEX_PEERS_MAX || pex->dropped_count > PEX_PEERS_MAX)
		return 0;
	ben_writer_init(&writer, bytes, capacity);
	ben_write_dict(&writer);
	put_added(&writer, pex, true);
	put_added(&writer, pex, false);
	put_dropped(&writer, pex, true);
	put_dropped(&writer, pex, false);
	ben_write_end(&writer);
	return writer.overflow ? 0 : writer.used;
}
