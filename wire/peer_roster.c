/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of a roster: see peer_roster.h. */
#include "wire/peer_roster.h"

#define IMPORTING_BYTES 6

bool peer_roster_parse(struct peer_roster *roster, const uint8_t *bytes, size_t bytes_count)
{
	*roster = (struct peer_roster){0};
	if (bytes_count == 0)
		return false;
	if (bytes[0] == ROSTER_IMPORTING) {
		if (bytes_count < IMPORTING_BYTES)
			return false;
		roster->kind = ROSTER_IMPORTING;
		roster->level = bytes[1];
		roster->piece = be32_read(bytes + 2);
	} else if (bytes[0] == ROSTER_MEMBERS) {
		size_t count = (bytes_count - 1) / PEER_COMPACT6_BYTES;

		if ((bytes_count - 1) % PEER_COMPACT6_BYTES != 0 || count > ROSTER_MEMBERS_MAX)
			return false;
		roster->kind = ROSTER_MEMBERS;
		roster->members_count = (uint32_t)count;
		for (uint32_t i = 0; i < roster->members_count; i++)
			peer_address_from_compact6(
				&roster->members[i], bytes + 1 + i * PEER_COMPACT6_BYTES);
	}
	return true;
}

size_t peer_roster_write(const struct peer_roster *roster, uint8_t *bytes, size_t capacity)
{
	size_t bytes_count = IMPORTING_BYTES;

	if (roster->kind == ROSTER_MEMBERS)
		bytes_count = 1 + (size_t)roster->members_count * PEER_COMPACT6_BYTES;
	else if (roster->kind != ROSTER_IMPORTING)
		return 0;
	if (roster->members_count > ROSTER_MEMBERS_MAX || capacity < bytes_count)
		return 0;
	bytes[0] = (uint8_t)roster->kind;
	if (roster->kind == ROSTER_IMPORTING) {
		bytes[1] = roster->level;
		be32_write(bytes + 2, roster->piece);
		return bytes_count;
	}
	for (uint32_t i = 0; i < roster->members_count; i++)
		peer_address_to_compact6(&roster->members[i], bytes + 1 + i * PEER_COMPACT6_BYTES);
	return bytes_count;
}
