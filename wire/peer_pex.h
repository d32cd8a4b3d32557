/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peer exchange (BEP 11): the payload of the extension message `ut_pex`, a bencoded dictionary.
 *
 *   added    6 bytes each: IPv4 address, port        added.f    1 byte of flags for each
 *   added6   18 bytes each: IPv6 address, port       added6.f   likewise
 *   dropped  6 bytes each                            dropped6   18 bytes each
 *
 * All are optional; other keys are ignored. We write the flags of every list that we write, because
 * some clients ignore a list without them.
 */
#ifndef WIRE_PEER_PEX_H
#define WIRE_PEER_PEX_H

#include "lib/bytes.h"
#include "wire/peer_address.h"

#define PEX_PEERS_MAX 50   /* added, and dropped, in one message (BEP 11) */
#define PEX_BYTES_MAX 2048 /* always enough for a message that we write */

enum {
	PEX_FLAG_ENCRYPTION = 0x01, /* prefers it */
	PEX_FLAG_SEED = 0x02,	    /* has everything, or takes nothing */
	PEX_FLAG_UTP = 0x04,
	PEX_FLAG_HOLEPUNCH = 0x08,
	PEX_FLAG_REACHABLE = 0x10, /* somebody has connected to it there */
};

struct peer_pex_peer {
	struct peer_address address;
	uint8_t flags; /* 0 when none were given */
};

struct peer_pex {
	struct peer_pex_peer added[PEX_PEERS_MAX];
	uint32_t added_count;
	struct peer_address dropped[PEX_PEERS_MAX];
	uint32_t dropped_count;
};

/* False when it is no dictionary. A list that is not one of whole addresses counts as absent, as do
 * flags of another number than their list. Of more than PEX_PEERS_MAX in a message the first count,
 * IPv4 before IPv6: a first message may name more, and none has to be believed. An IPv4 address in
 * an IPv6 list (::ffff:a.b.c.d) is one. */
MUST_USE bool peer_pex_parse(struct peer_pex *pex, const uint8_t *bytes, size_t bytes_count);

/* Returns the bytes written, 0 when capacity is too small or a count above its limit. */
size_t peer_pex_write(const struct peer_pex *pex, uint8_t *bytes, size_t capacity);

#endif
