/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer wire protocol: BEP 3 messages, BEP 6 fast extension, BEP 10 extension protocol.
 *
 *   handshake  <19><"BitTorrent protocol"><8 reserved><20 infohash><20 peer id>
 *   message    <be32 length><id><payload>; length 0 is a keep-alive
 *
 * A PIECE message's payload is never handed around as bytes here: the parser reports its 9-byte
 * head, and the driver receives the block itself straight into its place. Likewise for a FRAME: an
 * EXTENDED message of ours that carries a block compressed (docs/peer-wire.md).
 */
#ifndef WIRE_PEER_WIRE_H
#define WIRE_PEER_WIRE_H

#include "lib/bytes.h"
#include "wire/bencode.h"

#define PEER_HANDSHAKE_BYTES	  68
#define PEER_ID_BYTES		  20
#define PEER_BLOCK_BYTES	  (16 * KIB) /* what foreign clients request and answer */
#define PEER_REQUEST_BYTES_MAX	  (1 * MIB)  /* largest request between our own nodes */
#define PEER_MESSAGE_HEAD_BYTES	  5	     /* length and id */
#define PEER_PIECE_HEAD_BYTES	  13	     /* length, id, index, begin */
#define PEER_FRAME_HEAD_BYTES	  18 /* length, id, sub-id, index, begin, length of the block */
#define PEER_BLOCK_HEAD_BYTES_MAX PEER_FRAME_HEAD_BYTES
#define PEER_EXTENDED_BYTES_MAX	  (16 * KIB)
#define PEER_PLACE_MAX		  32 /* characters of the name of a rack or a site */

enum peer_message_id {
	PEER_CHOKE = 0,
	PEER_UNCHOKE = 1,
	PEER_INTERESTED = 2,
	PEER_NOT_INTERESTED = 3,
	PEER_HAVE = 4,
	PEER_BITFIELD = 5,
	PEER_REQUEST = 6,
	PEER_PIECE = 7,
	PEER_CANCEL = 8,
	PEER_PORT = 9,
	PEER_SUGGEST = 13,
	PEER_HAVE_ALL = 14,
	PEER_HAVE_NONE = 15,
	PEER_REJECT = 16,
	PEER_ALLOWED_FAST = 17,
	PEER_EXTENDED = 20,
	PEER_KEEP_ALIVE = 256, /* not an id on the wire */
	PEER_FRAME = 257,      /* likewise: EXTENDED with the sub-id of a frame */
};

struct peer_handshake {
	uint8_t reserved[8];
	uint8_t infohash[20];
	uint8_t peer_id[PEER_ID_BYTES];
};

MUST_USE bool peer_handshake_parse(
	struct peer_handshake *handshake, const uint8_t bytes[static PEER_HANDSHAKE_BYTES]);
void peer_handshake_write(
	uint8_t bytes[static PEER_HANDSHAKE_BYTES], const struct peer_handshake *handshake);

#define PEER_RESERVED_EXTENDED(reserved) (((reserved)[5] & 0x10) != 0)
#define PEER_RESERVED_FAST(reserved)	 (((reserved)[7] & 0x04) != 0)
#define PEER_RESERVED_DHT(reserved)	 (((reserved)[7] & 0x01) != 0) /* BEP 5: takes PORT */
void peer_reserved_set_ours(uint8_t reserved[static 8]);	       /* extended and fast */
void peer_reserved_set_dht(uint8_t reserved[static 8]);

/* One message. index/begin/length as the id gives them (HAVE, SUGGEST, ALLOWED_FAST: index only;
 * PIECE: length is the block's; FRAME: likewise, and frame_bytes is how many carry it, fewer than
 * length; PORT: index is the port). extended_id: of EXTENDED and FRAME. bytes: BITFIELD's or
 * EXTENDED's payload after its sub-id, borrowed until the call that received it returns. */
struct peer_message {
	enum peer_message_id id;
	uint32_t index;
	uint32_t begin;
	uint32_t length;
	uint32_t frame_bytes;
	uint8_t extended_id;
	const uint8_t *bytes;
	size_t bytes_count;
};

/* How many bytes follow the head of a PIECE or FRAME. */
static inline uint32_t peer_block_wire_bytes(const struct peer_message *block)
{
	return block->id == PEER_FRAME ? block->frame_bytes : block->length;
}

enum peer_parse {
	PEER_PARSE_MORE,    /* not enough bytes yet; *needed_bytes says how many are, at least */
	PEER_PARSE_MESSAGE, /* a whole message, *used_bytes long (PIECE, FRAME: its head) */
	PEER_PARSE_BAD,	    /* protocol violation: close */
	PEER_PARSE_UNKNOWN, /* an unknown id of acceptable length, whole: skip *used_bytes */
};

/* message_bytes_max bounds `length` for everything but PIECE and FRAME (a bitfield of the torrent's
 * size, say); block_bytes_max bounds their block. */
enum peer_parse peer_message_parse(struct peer_message *message, const uint8_t *bytes,
	size_t bytes_count, uint32_t message_bytes_max, uint32_t block_bytes_max,
	size_t *used_bytes, size_t *needed_bytes);

/* Encodes any message (for PIECE and FRAME only its head). Returns bytes written, 0 when capacity
 * is too small. */
size_t peer_message_write(const struct peer_message *message, uint8_t *bytes, size_t capacity);

/* BEP 10 handshake (extended id 0; docs/peer-wire.md). Ids are 0 when the peer does not offer the
 * extension. Numbers are as the peer sent them, cut to the type: the engine applies its limits. */
struct peer_extended_handshake {
	uint16_t listen_port;	       /* "p", 0: absent */
	uint32_t requests_max;	       /* "reqq", 0: absent */
	uint32_t request_bytes_max;    /* "sb_request": largest request it accepts; 0: 16 KiB */
	bool upload_only;	       /* BEP 21 */
	bool origin;		       /* "sb_origin": this is the site's origin */
	uint8_t id_donthave;	       /* BEP 54 "lt_donthave" */
	uint8_t id_pex;		       /* BEP 11 "ut_pex" */
	uint8_t id_haves;	       /* "sb_haves": it takes several HAVEs as one */
	uint8_t id_frame;	       /* "sb_frame": it decodes frames */
	uint8_t id_leaves;	       /* "sb_leaves": it knows leaf layers */
	uint8_t id_roster;	       /* "sb_roster" */
	char rack[PEER_PLACE_MAX + 1]; /* "sb_rack", "": in none */
	char site[PEER_PLACE_MAX + 1]; /* "sb_site", "": in none */
	char client[64];	       /* "v", cut and made printable */
};

/* The ids by which others send us extension messages. */
enum {
	PEER_EXTENSION_DONTHAVE = 1,
	PEER_EXTENSION_PEX = 2,
	PEER_EXTENSION_HAVES = 3,
	PEER_EXTENSION_FRAME = 4,
	PEER_EXTENSION_LEAVES = 5,
	PEER_EXTENSION_ROSTER = 6,
};

/* Payload of sb_haves: the numbers of 1 to PEER_HAVES_MAX pieces, be32 each, in any order. Parsing
 * returns how many there are, 0 when it is none or one of them does not exist. */
#define PEER_HAVES_MAX 64
MUST_USE uint32_t peer_haves_parse(uint32_t pieces[static PEER_HAVES_MAX], const uint8_t *bytes,
	size_t bytes_count, uint32_t pieces_count);
/* Returns bytes written, 0 when capacity is too small. */
size_t peer_haves_write(const uint32_t *pieces, uint32_t count, uint8_t *bytes, size_t capacity);

/* The name of a rack or a site: 1 to PEER_PLACE_MAX printable characters, no space. */
MUST_USE bool peer_place_valid(const uint8_t *name, size_t bytes_count);

MUST_USE bool peer_extended_handshake_parse(
	struct peer_extended_handshake *handshake, const uint8_t *bytes, size_t bytes_count);
/* Writes only the dictionary. Returns 0 when capacity is too small. */
size_t peer_extended_handshake_write(
	const struct peer_extended_handshake *handshake, uint8_t *bytes, size_t capacity);

#endif
