/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the trackers of a cluster send each other (docs/tracker-cluster.md): datagrams, and the
 * frames of a catch-up stream. Numbers are big-endian. Everything ends with the first 16 bytes of
 * an HMAC-SHA256 under the cluster's key; the function comes in as an argument. A parser's result
 * is only looked at when it returned true; nothing here is kept between calls but what the caller
 * owns.
 */
#ifndef WIRE_TRACKER_SYNC_H
#define WIRE_TRACKER_SYNC_H

#include "lib/digest.h"
#include "wire/peer_address.h"
#include "wire/peer_wire.h"

#define SYNC_DATAGRAM_BYTES_MAX 1400
#define SYNC_HEADER_BYTES	40
#define SYNC_MAC_BYTES		16
#define SYNC_PAYLOAD_BYTES_MAX	(SYNC_DATAGRAM_BYTES_MAX - SYNC_HEADER_BYTES - SYNC_MAC_BYTES)
#define SYNC_KEY_BYTES		32
#define SYNC_NONCE_BYTES	16
#define SYNC_STREAMS_MAX	24
#define SYNC_AGE_MS_MAX		UINT32_C(0xffffff) /* 4 h 39 min; what is older is as old */

/* HMAC-SHA256 (RFC 2104), as crypto_hmac_sha256. */
typedef void sync_mac(uint8_t mac[static SHA256_BYTES], const void *key, size_t key_bytes,
	const void *bytes, size_t bytes_count);

enum sync_type {
	SYNC_HELLO = 1, /* SYNC_GREETED_BYTES of zeros: challenge me */
	SYNC_CHALLENGE, /* a nonce, then zeros up to SYNC_GREETED_BYTES */
	SYNC_PROOF,	/* struct sync_proof */
	SYNC_STATE,	/* struct sync_state */
	SYNC_WANT,	/* struct sync_want */
	SYNC_RECORDS,	/* struct sync_batch, then items */
};

/* What answers a stranger is no longer than what the stranger sent. */
#define SYNC_GREETED_BYTES 24

struct sync_header {
	enum sync_type type;
	uint64_t from_boot; /* chosen at random when the sender started; never 0 */
	uint64_t to_boot;   /* 0: to all */
	uint64_t sequence;  /* of what the sender sent to this boot, or to all; counts from 1 */
	uint64_t clock_ms;  /* the sender's, when this was sent; from any beginning */
};

/* A datagram is made in place: its payload is written behind the first SYNC_HEADER_BYTES of `bytes`
 * (SYNC_DATAGRAM_BYTES_MAX of them), then this puts the header before and the MAC behind it.
 * payload_bytes <= SYNC_PAYLOAD_BYTES_MAX. Returns the length of the datagram. */
size_t sync_seal(uint8_t *bytes, size_t payload_bytes, const struct sync_header *header,
	const uint8_t key[static SYNC_KEY_BYTES], sync_mac *mac);
/* False unless the MAC is right and the header one of ours. The payload is
 * bytes[SYNC_HEADER_BYTES .. bytes_count - SYNC_MAC_BYTES). */
MUST_USE bool sync_open(struct sync_header *header, const uint8_t *bytes, size_t bytes_count,
	const uint8_t key[static SYNC_KEY_BYTES], sync_mac *mac);

struct sync_proof {
	uint8_t nonce[SYNC_NONCE_BYTES]; /* of the challenge */
	uint64_t sent_to_all;		 /* the last sequence so far */
};
#define SYNC_PROOF_BYTES SYNC_GREETED_BYTES
size_t sync_proof_write(const struct sync_proof *proof, uint8_t *payload);
MUST_USE bool sync_proof_parse(
	struct sync_proof *proof, const uint8_t *payload, size_t payload_bytes);

/* A stream is all batches of one boot of one member, numbered from 1. */
struct sync_stream_state {
	uint64_t boot;
	uint64_t oldest; /* from here to `have` the sender can send them again; > have: none */
	uint64_t have;	 /* the sender has all up to here */
	uint64_t top;	 /* and some up to here; at least `have` */
};

struct sync_state {
	uint32_t peers_count; /* in the sender's book */
	uint32_t streams_count;
	struct sync_stream_state streams[SYNC_STREAMS_MAX];
};
size_t sync_state_write(const struct sync_state *state, uint8_t *payload);
MUST_USE bool sync_state_parse(
	struct sync_state *state, const uint8_t *payload, size_t payload_bytes);

/* Batches to be sent again: bit i of the mask is sequence first + i. */
struct sync_want {
	uint32_t count;
	struct {
		uint64_t boot;
		uint64_t first; /* at least 1 */
		uint64_t mask;
	} wants[SYNC_STREAMS_MAX];
};
size_t sync_want_write(const struct sync_want *want, uint8_t *payload);
MUST_USE bool sync_want_parse(struct sync_want *want, const uint8_t *payload, size_t payload_bytes);

/* The head of SYNC_RECORDS; SYNC_BATCH_BYTES of it, then items. */
struct sync_batch {
	uint64_t boot; /* of the stream; not the sender's when it is passed on */
	uint64_t sequence;
	uint32_t age_ms; /* added to the age of every record in it */
};
#define SYNC_BATCH_BYTES     20
#define SYNC_ITEMS_BYTES_MAX (SYNC_PAYLOAD_BYTES_MAX - SYNC_BATCH_BYTES)
void sync_batch_write(const struct sync_batch *batch, uint8_t payload[static SYNC_BATCH_BYTES]);
MUST_USE bool sync_batch_parse(
	struct sync_batch *batch, const uint8_t *payload, size_t payload_bytes);

/* Items: records of peers, the swarms and places they refer to standing before them. */
struct sync_record {
	uint8_t infohash[SHA1_BYTES];
	struct peer_address address;
	uint32_t age_ms; /* since it announced that */
	bool seeder, paused, stopped;
	char site[PEER_PLACE_MAX + 1]; /* "": not known */
	char rack[PEER_PLACE_MAX + 1];
};

#define SYNC_PLACES_MAX	      255
#define SYNC_PLACE_SLOTS      256
#define SYNC_RECORD_BYTES_MAX (1 + SHA1_BYTES + 3 + 2 * PEER_PLACE_MAX + 7 + 16)

struct sync_writer {
	uint8_t *bytes; /* the caller's */
	size_t capacity;
	size_t used;
	uint32_t records_count;
	uint32_t places_count;
	bool in_swarm;
	uint8_t infohash[SHA1_BYTES];
	uint8_t slots[SYNC_PLACE_SLOTS];      /* by hash of the names: a place's number, or 0 */
	uint32_t places[SYNC_PLACES_MAX + 1]; /* where the place of that number is defined */
};
void sync_writer_start(struct sync_writer *writer, uint8_t *bytes, size_t capacity);
/* False, and nothing written, when there is no room. An empty writer with a capacity of
 * SYNC_RECORD_BYTES_MAX always has. */
MUST_USE bool sync_writer_put(struct sync_writer *writer, const struct sync_record *record);

struct sync_reader {
	const uint8_t *bytes; /* borrowed */
	size_t bytes_count;
	size_t at;
	const uint8_t *infohash; /* in bytes; NULL: no swarm yet */
	uint32_t places_count;
	uint32_t places[SYNC_PLACES_MAX + 1];
	bool broken;
};
void sync_reader_start(struct sync_reader *reader, const uint8_t *bytes, size_t bytes_count);
/* False at the end, or where the items are broken: reader->broken says which. */
MUST_USE bool sync_reader_next(struct sync_reader *reader, struct sync_record *record);

/* The catch-up stream over TCP. The one that serves begins with a greeting, the one that joins
 * answers with a request, and frames follow under a key that both nonces make. */
#define SYNC_GREETING_BYTES	 24
#define SYNC_REQUEST_BYTES	 48
#define SYNC_FRAME_HEADER_BYTES	 20
#define SYNC_FRAME_BYTES_MAX	 32768
#define SYNC_FRAME_PAYLOAD_BYTES (SYNC_FRAME_BYTES_MAX - SYNC_FRAME_HEADER_BYTES - SYNC_MAC_BYTES)

enum sync_frame_type {
	SYNC_FRAME_BEGIN = 1, /* struct sync_state: what everything after it includes */
	SYNC_FRAME_RECORDS,   /* items */
	SYNC_FRAME_END,	      /* no payload */
};

struct sync_frame {
	enum sync_frame_type type;
	uint32_t number; /* counts from 0 */
	uint64_t clock_ms;
};

void sync_greeting_write(
	uint8_t bytes[static SYNC_GREETING_BYTES], const uint8_t nonce[static SYNC_NONCE_BYTES]);
MUST_USE bool sync_greeting_parse(
	uint8_t nonce[static SYNC_NONCE_BYTES], const uint8_t bytes[static SYNC_GREETING_BYTES]);
/* boot: of the one that is asked. */
void sync_request_write(uint8_t bytes[static SYNC_REQUEST_BYTES],
	const uint8_t source_nonce[static SYNC_NONCE_BYTES],
	const uint8_t nonce[static SYNC_NONCE_BYTES], uint64_t boot,
	const uint8_t key[static SYNC_KEY_BYTES], sync_mac *mac);
/* False unless the MAC is right for the nonce of our greeting. */
MUST_USE bool sync_request_parse(uint8_t nonce[static SYNC_NONCE_BYTES], uint64_t *boot,
	const uint8_t bytes[static SYNC_REQUEST_BYTES],
	const uint8_t source_nonce[static SYNC_NONCE_BYTES],
	const uint8_t key[static SYNC_KEY_BYTES], sync_mac *mac);
void sync_session_key(uint8_t session[static SYNC_KEY_BYTES],
	const uint8_t source_nonce[static SYNC_NONCE_BYTES],
	const uint8_t nonce[static SYNC_NONCE_BYTES], const uint8_t key[static SYNC_KEY_BYTES],
	sync_mac *mac);

/* As datagrams are: the payload lies behind the first SYNC_FRAME_HEADER_BYTES. */
size_t sync_frame_seal(uint8_t *bytes, size_t payload_bytes, const struct sync_frame *frame,
	const uint8_t session[static SYNC_KEY_BYTES], sync_mac *mac);
/* The length of a whole frame from its first 4 bytes; 0 when it is not allowed. */
size_t sync_frame_length(const uint8_t bytes[static 4]);
MUST_USE bool sync_frame_open(struct sync_frame *frame, const uint8_t *bytes, size_t bytes_count,
	const uint8_t session[static SYNC_KEY_BYTES], sync_mac *mac);

#endif
