/* SPDX-License-Identifier: Apache-2.0 */
/* A transfer's use of the DHT: when to look up, what to do with what comes (dht/finder.h). */
#ifndef RUNTIME_TRANSFER_DHT_H
#define RUNTIME_TRANSFER_DHT_H

#include "runtime/connection.h"
#include "runtime/session.h"

struct transfer_dht;

/* Of memory, in the session. */
uint64_t transfer_dht_bytes(const struct transfer_settings *settings);

/* Without a DHT in the settings, and where no socket is to be had, transfer->dht stays NULL, which
 * all of these accept. */
void transfer_dht_open(struct transfer *transfer, const struct transfer_settings *settings);
void transfer_dht_close(struct transfer *transfer);

/* Our handshake says that we have a DHT node; BEP 5. */
void transfer_dht_reserved(const struct transfer *transfer, uint8_t reserved[static 8]);
/* The peer's handshake came: if it has a node, it is told of ours. */
void transfer_dht_greet(struct transfer *transfer, struct connection *connection,
	const struct peer_handshake *handshake);
/* Its PORT message. */
void transfer_dht_port(
	struct transfer *transfer, const struct connection *connection, uint32_t port);

void transfer_dht_status(const struct transfer *transfer, struct transfer_status *status);

#endif
