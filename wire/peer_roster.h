/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What nodes of one rack or one site tell each other: the extension message `sb_roster`.
 *
 *   importing  <1><u8 level: 0 rack, 1 site><be32 piece>
 *   members    <2><18 bytes each: an address and a port, as in "peers6">
 *
 * Kinds that are not known, and bytes behind a known one that has its length, are for later
 * versions to use: such a message is no error and says nothing.
 */
#ifndef WIRE_PEER_ROSTER_H
#define WIRE_PEER_ROSTER_H

#include "lib/bytes.h"
#include "wire/peer_address.h"

#define ROSTER_MEMBERS_MAX 64 /* in one message */
#define ROSTER_BYTES_MAX   (1 + ROSTER_MEMBERS_MAX * PEER_COMPACT6_BYTES)

enum roster_kind { ROSTER_OTHER = 0, ROSTER_IMPORTING = 1, ROSTER_MEMBERS = 2 };

struct peer_roster {
	enum roster_kind kind;
	uint8_t level;
	uint32_t piece;
	uint32_t members_count;
	struct peer_address members[ROSTER_MEMBERS_MAX];
};

/* False when it breaks its format. */
MUST_USE bool peer_roster_parse(
	struct peer_roster *roster, const uint8_t *bytes, size_t bytes_count);
/* Returns the bytes written; 0 when capacity is too small, the kind is none of the two, or there
 * are too many members. */
size_t peer_roster_write(const struct peer_roster *roster, uint8_t *bytes, size_t capacity);

#endif
