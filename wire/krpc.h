/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KRPC: the datagrams of the DHT (BEP 5), with IPv6 (BEP 32), read-only nodes (BEP 43) and the
 * address that a reply says the asker has (BEP 42).
 *
 *   query  d 1:a d 2:id 20:.. arguments.. e 1:q METHOD 2:ro i1e 1:t TRANSACTION 1:y 1:q e
 *   reply  d 2:ip ADDRESS 1:r d 2:id 20:.. values.. e 1:t TRANSACTION 1:y 1:r e
 *   error  d 1:e l CODE TEXT e 1:t TRANSACTION 1:y 1:e e
 *
 * One struct holds any of them; nothing in it points into the datagram. Lists longer than ours are
 * cut, nodes and peers with port 0 are left out, unknown keys are ignored.
 */
#ifndef WIRE_KRPC_H
#define WIRE_KRPC_H

#include "wire/peer_address.h"

#define KRPC_ID_BYTES	       20
#define KRPC_BYTES_MAX	       1024 /* of what we write: no fragments */
#define KRPC_TRANSACTION_MAX   32
#define KRPC_TOKEN_MAX	       40
#define KRPC_NODES_MAX	       8 /* of each family */
#define KRPC_VALUES_MAX	       64
#define KRPC_ERROR_TEXT_MAX    32
#define KRPC_NODE4_BYTES       (KRPC_ID_BYTES + PEER_COMPACT4_BYTES)
#define KRPC_NODE6_BYTES       (KRPC_ID_BYTES + PEER_COMPACT6_BYTES)
#define KRPC_ERROR_PROTOCOL    203
#define KRPC_ERROR_METHOD      204
#define KRPC_VALUE4_WIRE_BYTES 8  /* of one peer in a reply: "6:" and six bytes */
#define KRPC_VALUE6_WIRE_BYTES 21 /* "18:" and eighteen */

enum krpc_kind { KRPC_QUERY, KRPC_REPLY, KRPC_ERROR };

enum krpc_method {
	KRPC_PING,
	KRPC_FIND_NODE,
	KRPC_GET_PEERS,
	KRPC_ANNOUNCE_PEER,
	KRPC_METHODS, /* one that we do not know */
};

struct krpc_contact {
	uint8_t id[KRPC_ID_BYTES];
	struct peer_address address;
};

struct krpc_message {
	enum krpc_kind kind;
	uint8_t transaction[KRPC_TRANSACTION_MAX];
	size_t transaction_bytes;  /* 1 to KRPC_TRANSACTION_MAX */
	uint8_t id[KRPC_ID_BYTES]; /* of the sender; not of an error */
	uint8_t token[KRPC_TOKEN_MAX];
	size_t token_bytes; /* 0: none, or one that is too long for us */

	/* Queries. */
	enum krpc_method method;
	bool read_only;		       /* must not be remembered as a node */
	uint8_t target[KRPC_ID_BYTES]; /* of find_node; the infohash of the two others */
	bool want4;		       /* nodes of which families are wanted; neither: of the */
	bool want6;		       /* datagram's own */
	uint16_t port;		       /* announce_peer */
	bool implied_port;	       /* it is the datagram's instead */

	/* Replies. */
	struct krpc_contact nodes4[KRPC_NODES_MAX];
	uint32_t nodes4_count;
	struct krpc_contact nodes6[KRPC_NODES_MAX];
	uint32_t nodes6_count;
	bool has_nodes; /* write nodes even when there are none */
	struct peer_address values[KRPC_VALUES_MAX];
	uint32_t values_count;
	bool has_address; /* "ip" */
	struct peer_address address;

	/* Errors. */
	uint32_t error;
	char error_text[KRPC_ERROR_TEXT_MAX];
};

enum krpc_parse {
	KRPC_GOOD,
	KRPC_NONSENSE,	   /* no KRPC, or nothing that could be answered: drop it */
	KRPC_WRONG,	   /* a query whose arguments are wrong: answer 203 to its transaction */
	KRPC_UNKNOWN_QUERY /* a query of an unknown method: answer 204 */
};

MUST_USE enum krpc_parse krpc_parse(
	struct krpc_message *message, const uint8_t *bytes, size_t bytes_count);

/* Returns the bytes written; 0 when capacity is too small or the message cannot be written. */
size_t krpc_write(const struct krpc_message *message, uint8_t *bytes, size_t capacity);

#endif
