/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compressed blocks of a transfer. What comes is received into memory of its own and decoded by a
 * worker straight into the piece's buffer; meanwhile its connection reads nothing more. What goes
 * is a frame that is kept, or is compressed by a worker first; a block that cannot be had smaller,
 * or not fast enough, goes as it is.
 */
#ifndef RUNTIME_TRANSFER_FRAMES_H
#define RUNTIME_TRANSFER_FRAMES_H

#include "runtime/frame_choice.h"
#include "runtime/frame_store.h"
#include "runtime/session.h"

struct block_place;
struct connection;
struct transfer_frames;

void transfer_frames_open(struct transfer *transfer, const struct transfer_settings *settings);
/* Of the memory for piece buffers, what it needs. */
uint64_t transfer_frames_bytes(const struct transfer *transfer);
bool transfer_frames_on(const struct transfer *transfer);
/* Nobody may be connected, and no work may be under way. */
void transfer_frames_close(struct transfer *transfer);

/* ---- receiving ---- */

/* Memory for the frame whose head has come. False: the connection waits for some, or was closed
 * since no frame that we ask for is so large. */
MUST_USE bool transfer_frame_room(
	struct connection *connection, const struct peer_message *message);
/* The engine wants what it holds at *place; that becomes where to receive it. */
void transfer_frame_place(struct connection *connection, struct block_place *place);
/* The engine does not want it. */
void transfer_frame_drop(struct connection *connection);
/* It is here: to be decoded. The engine is told when it is. */
void transfer_frame_received(struct connection *connection, const struct peer_message *message);
/* A block came as it is. */
void transfer_frames_overtaken(struct transfer *transfer, const struct peer_message *piece);
/* The buffer of the piece is filled from the device, not by what was received. */
void transfer_frames_replaced(struct transfer *transfer, uint32_t piece);
void transfer_frames_hashed(struct transfer *transfer, uint32_t piece, bool ok);

/* ---- sending ---- */

/* False: send the block as it is. */
MUST_USE bool transfer_frames_send(struct transfer *transfer, struct connection *connection,
	const struct swarm_effect *effect);
/* False: it is not one that waits here. */
MUST_USE bool transfer_frames_cancel(struct transfer *transfer, struct connection *connection,
	const struct peer_message *message);
/* The connection has sent something: there may be room for more. */
void transfer_frames_sent(struct transfer *transfer);

/* The connection is going: nothing of it is touched any more. */
void transfer_frames_forget(struct transfer *transfer, struct connection *connection);

#endif
