/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control messages in rooms that are too large for queues of them (world.express): they take the
 * latency of their connection and nothing else. What is under way to a node lies in one ring, ready
 * to be handed to it at one go: a hall's time goes into fetching the memory of thousands of nodes,
 * so a message touches as little of it as possible.
 */
#ifndef SIM_EXPRESS_H
#define SIM_EXPRESS_H

#include "wire/peer_wire.h"

#define SIM_PARCEL_BYTES 40 /* longer ones are in a sim_message */

struct sim_world;
struct sim_node;
struct sim_connection;
struct sim_message;

struct sim_parcel {
	uint64_t arrives_ns;
	struct sim_connection *connection;
	struct sim_message *message; /* NULL: all of it is here */
	uint32_t end;		     /* the receiver's */
	bool patient;		     /* waits for company: world.patience_ns */
	uint8_t extended_id;
	uint8_t bytes_count;
	uint16_t id;
	uint32_t index;
	uint32_t begin;
	uint32_t length;
	uint8_t bytes[SIM_PARCEL_BYTES];
};

/* By arrival; a ring of a power of two. */
struct sim_inbox {
	struct sim_parcel *parcels;
	uint32_t parcels_max;
	uint32_t first;
	uint32_t count;
	uint64_t wake_ns; /* when the node is to look; UINT64_MAX: it is not */
};

/* A message with at most SIM_PARCEL_BYTES of payload, to the other end. */
void sim_express_send(struct sim_connection *connection, uint32_t end,
	const struct peer_message *message, uint64_t wire_bytes);
/* Any other; takes it over. */
void sim_express_send_long(
	struct sim_connection *connection, uint32_t end, struct sim_message *message);
void sim_inbox_destroy(struct sim_inbox *inbox);

#endif
