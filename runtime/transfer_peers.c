/* SPDX-License-Identifier: Apache-2.0 */
/* A transfer's connections: effects to them, and what they say to the engine. */
#include "runtime/clock.h"
#include "runtime/transfer.h"
#include "runtime/transfer_dht.h"

static void peer_input(struct connection *connection, enum swarm_input_kind kind,
	const struct peer_message *message)
{
	transfer_input(connection->owner, &(struct swarm_input){.kind = kind,
						  .peer = connection->peer,
						  .generation = connection->generation,
						  .message = message});
}

static void on_connected(struct connection *connection)
{
	peer_input(connection, SWARM_IN_CONNECTED, NULL);
}

/* It is closed, and its memory goes soon: nothing will be written to it. */
static void forget_dirty(struct transfer *transfer, struct connection *connection)
{
	struct connection **at = &transfer->dirty;

	if (!connection->dirty)
		return;
	while (*at != connection)
		at = &(*at)->next_dirty;
	*at = connection->next_dirty;
	connection->dirty = false;
}

static void on_failed(struct connection *connection, const char *reason)
{
	struct transfer *transfer = connection->owner;

	(void)reason;
	forget_dirty(transfer, connection);
	transfer_frames_forget(transfer, connection);
	if (transfer->peers[connection->peer] == connection)
		transfer->peers[connection->peer] = NULL;
	peer_input(
		connection, connection->up ? SWARM_IN_DISCONNECTED : SWARM_IN_CONNECT_FAILED, NULL);
}

static void mark_dirty(struct transfer *transfer, struct connection *connection)
{
	if (connection->dirty)
		return;
	connection->dirty = true;
	connection->next_dirty = transfer->dirty;
	transfer->dirty = connection;
}

static void on_handshake(struct connection *connection, const struct peer_handshake *handshake)
{
	struct transfer *transfer = connection->owner;
	uint32_t peer = connection->peer;

	if (memcmp(handshake->infohash, transfer->metainfo->infohash, SHA1_BYTES) != 0) {
		connection_fail(connection, "answered for another image");
		return;
	}
	transfer_input(transfer, &(struct swarm_input){.kind = SWARM_IN_HANDSHAKE,
					 .peer = connection->peer,
					 .generation = connection->generation,
					 .handshake = handshake});
	/* Ours and what we have are queued by now, or it was sent away. */
	if (transfer->peers[peer] == connection) {
		transfer_dht_greet(transfer, connection, handshake);
		mark_dirty(transfer, connection);
		transfer_settle(transfer);
	}
}

static void on_message(struct connection *connection, const struct peer_message *message)
{
	if (message->id == PEER_PORT)
		transfer_dht_port(connection->owner, connection, message->index);
	peer_input(connection, SWARM_IN_MESSAGE, message);
}

static bool on_place(
	struct connection *connection, const struct peer_message *piece, struct block_place *place)
{
	struct transfer *transfer = connection->owner;
	struct swarm_placement placement;

	switch (swarm_place_block(
		transfer->swarm, connection->peer, connection->generation, piece, &placement)) {
	case SWARM_PLACE_BUFFER:
		place->bytes = transfer_buffer(transfer, placement.buffer) + placement.offset_bytes;
		place->unit_bytes = placement.block_bytes;
		place->wanted = placement.wanted;
		if (piece->id == PEER_FRAME)
			transfer_frame_place(connection, place);
		else
			transfer_frames_overtaken(transfer, piece);
		return true;
	case SWARM_PLACE_DISCARD:
		transfer_frame_drop(connection);
		return true;
	case SWARM_PLACE_VIOLATION:
		break;
	}
	return false;
}

static void on_coming(struct connection *connection, uint32_t bytes_count)
{
	transfer_input(connection->owner, &(struct swarm_input){.kind = SWARM_IN_BLOCK_COMING,
						  .peer = connection->peer,
						  .generation = connection->generation,
						  .bytes_count = bytes_count});
}

static void on_block(
	struct connection *connection, const struct peer_message *piece, bool discarded)
{
	if (piece->id == PEER_FRAME && !discarded)
		transfer_frame_received(connection, piece);
	else
		peer_input(
			connection, discarded ? SWARM_IN_BLOCK_DISCARDED : SWARM_IN_BLOCK, piece);
}

static void on_block_done(
	struct connection *connection, const struct peer_message *piece, enum output_result result)
{
	transfer_frames_sent(connection->owner);
	transfer_input(connection->owner,
		&(struct swarm_input){
			.kind = result == OUTPUT_UNREADABLE ? SWARM_IN_BLOCK_UNREADABLE
							    : SWARM_IN_BLOCK_SENT,
			.peer = connection->peer,
			.generation = connection->generation,
			.message = piece,
			.ok = result == OUTPUT_SENT,
		});
}

static const struct connection_ops peer_ops = {
	.connected = on_connected,
	.handshake = on_handshake,
	.message = on_message,
	.room = transfer_frame_room,
	.place = on_place,
	.coming = on_coming,
	.block = on_block,
	.block_done = on_block_done,
	.failed = on_failed,
};

static void dial(struct transfer *transfer, const struct swarm_effect *effect)
{
	struct connection *connection = connection_dial(&transfer->session->connections,
		&effect->address, &transfer->connection_limits, &peer_ops, transfer);

	if (connection == NULL) {
		transfer->failed_dials[transfer->failed_dials_count++] =
			(struct failed_dial){effect->peer, effect->generation};
		return;
	}
	connection->peer = effect->peer;
	connection->generation = effect->generation;
	transfer->peers[effect->peer] = connection;
}

static void hang_up(struct transfer *transfer, const struct swarm_effect *effect)
{
	struct connection *connection = transfer->peers[effect->peer];

	for (uint32_t i = 0; i < transfer->failed_dials_count; i++)
		if (transfer->failed_dials[i].peer == effect->peer)
			transfer->failed_dials[i] =
				transfer->failed_dials[--transfer->failed_dials_count];
	if (connection == NULL || connection->generation != effect->generation)
		return;
	transfer->peers[effect->peer] = NULL;
	forget_dirty(transfer, connection);
	transfer_frames_forget(transfer, connection);
	connection_close(connection);
}

static void send_handshake(struct transfer *transfer, struct connection *connection)
{
	struct peer_handshake handshake = {0};

	peer_reserved_set_ours(handshake.reserved);
	transfer_dht_reserved(transfer, handshake.reserved);
	memcpy(handshake.infohash, transfer->metainfo->infohash, SHA1_BYTES);
	memcpy(handshake.peer_id, transfer->peer_id, PEER_ID_BYTES);
	connection_send_handshake(connection, &handshake);
}

void transfer_apply_peer(struct transfer *transfer, const struct swarm_effect *effect)
{
	struct connection *connection = transfer->peers[effect->peer];

	if (effect->kind == SWARM_EFFECT_CONNECT) {
		dial(transfer, effect);
		return;
	}
	if (effect->kind == SWARM_EFFECT_DISCONNECT) {
		hang_up(transfer, effect);
		return;
	}
	if (connection == NULL || connection->generation != effect->generation)
		return;
	switch (effect->kind) {
	case SWARM_EFFECT_SEND_HANDSHAKE:
		send_handshake(transfer, connection);
		break;
	case SWARM_EFFECT_SEND:
		connection_send(connection, &effect->message);
		break;
	case SWARM_EFFECT_SEND_BLOCK:
		if (transfer_frames_send(transfer, connection, effect))
			break;
		connection_send_block(connection, &effect->message,
			effect->buffer == SWARM_BUFFER_NONE
				? NULL
				: transfer_buffer(transfer, effect->buffer) +
					  effect->message.begin);
		break;
	case SWARM_EFFECT_CANCEL_SEND:
		if (!transfer_frames_cancel(transfer, connection, &effect->message))
			connection_cancel_block(connection, &effect->message);
		break;
	default:
		break;
	}
	mark_dirty(transfer, connection);
}

void transfer_flush_dirty(struct transfer *transfer)
{
	struct connection *connection = transfer->dirty;

	transfer->dirty = connection->next_dirty;
	connection->dirty = false;
	connection_flush(connection);
}

/* An accepted connection whose handshake names our image. */
void transfer_take_connection(struct transfer *transfer, struct connection *connection,
	const struct peer_handshake *handshake)
{
	uint32_t peer = SWARM_PEER_NONE;
	uint32_t generation = 0;

	swarm_handle(transfer->swarm, clock_now_ns(),
		&(struct swarm_input){.kind = SWARM_IN_ACCEPTED,
			.address = connection->address,
			.accepted_peer = &peer,
			.accepted_generation = &generation});
	if (peer == SWARM_PEER_NONE) {
		connection_close(connection);
		transfer_drain(transfer);
		transfer_settle(transfer);
		return;
	}
	connection_adopt(connection, &transfer->connection_limits, &peer_ops, transfer);
	connection->peer = peer;
	connection->generation = generation;
	transfer->peers[peer] = connection;
	transfer_drain(transfer);
	on_handshake(connection, handshake);
}

void transfer_close_peers(struct transfer *transfer)
{
	for (uint32_t i = 0; i < transfer->limits.peers_max; i++) {
		if (transfer->peers[i] == NULL)
			continue;
		transfer_frames_forget(transfer, transfer->peers[i]);
		connection_close(transfer->peers[i]);
		transfer->peers[i] = NULL;
	}
	transfer->dirty = NULL;
}
