/* SPDX-License-Identifier: Apache-2.0 */
/* Frames on their way in: memory to receive them into, and decoding. */
#include "runtime/memory.h"
#include "runtime/transfer_frames_private.h"

struct frame_decoding {
	struct work work;
	struct transfer *transfer;
	struct connection *connection; /* NULL: it is gone */
	struct peer_message message;
	struct frame *frame;
	struct block_place target;
	enum frame_job job;
	bool whole;
	bool ok;
};

/* Whether all of the block goes where the target says. */
static bool whole(const struct block_place *target, uint32_t length)
{
	uint64_t units = u64_div_up(length, target->unit_bytes);

	return units <= 64 && target->wanted == UINT64_MAX >> (64 - units);
}

/* The other parts of the block have come from elsewhere, or are about to. */
static bool decode_parts(struct frame_codec *codec, const struct block_place *target,
	uint32_t length, const struct frame *frame)
{
	SCOPED(free) uint8_t *block = memory_allocate(1, length);

	if (!frame_decode(codec, block, length, frame->bytes, frame->bytes_count))
		return false;
	for (uint32_t unit = 0; unit < 64 && (uint64_t)unit * target->unit_bytes < length; unit++) {
		uint32_t from = unit * target->unit_bytes;

		if ((target->wanted >> unit & 1) != 0)
			memcpy(target->bytes + from, block + from,
				u64_min(target->unit_bytes, length - from));
	}
	return true;
}

static void run_decode(struct work *work)
{
	struct frame_decoding *decoding = (struct frame_decoding *)work;
	struct transfer_frames *frames = decoding->transfer->frames;

	if (!frame_job_begin(frames, &decoding->job))
		return;
	decoding->whole = whole(&decoding->target, decoding->message.length);
	if (decoding->whole)
		decoding->ok = frame_decode(frames->codec, decoding->target.bytes,
			decoding->message.length, decoding->frame->bytes,
			decoding->frame->bytes_count);
	if (!decoding->whole) {
		pthread_mutex_lock(&frames->parts);
		decoding->ok = decode_parts(frames->codec, &decoding->target,
			decoding->message.length, decoding->frame);
		pthread_mutex_unlock(&frames->parts);
	}
	frame_job_end(frames, &decoding->job);
}

static void decode_done(struct work *work)
{
	struct frame_decoding *decoding = (struct frame_decoding *)work;
	struct transfer *transfer = decoding->transfer;
	struct connection *connection = decoding->connection;
	struct peer_message message = decoding->message;
	bool ok = decoding->ok;

	transfer->hash_jobs_count--;
	if (connection != NULL && ok && decoding->whole)
		frame_keep(decoding->frame, false);
	frame_release(decoding->frame);
	free(decoding);
	if (connection == NULL)
		return;
	connection->decoding = NULL;
	transfer_input(
		transfer, &(struct swarm_input){.kind = ok ? SWARM_IN_BLOCK : SWARM_IN_BLOCK_BAD,
				  .peer = connection->peer,
				  .generation = connection->generation,
				  .message = &message});
	connection_resume(connection);
}

void transfer_frame_received(struct connection *connection, const struct peer_message *message)
{
	struct transfer *transfer = connection->owner;
	struct frame_decoding *decoding = memory_allocate(1, sizeof(*decoding));

	decoding->work =
		(struct work){.run = run_decode, .done = decode_done, .urgency = WORK_URGENT};
	decoding->transfer = transfer;
	decoding->connection = connection;
	decoding->message = *message;
	decoding->frame = connection->frame;
	decoding->target = connection->frame_target;
	connection->frame = NULL;
	connection->decoding = decoding;
	connection_pause(connection);
	transfer->hash_jobs_count++;
	workers_submit(transfer->session->hashes, &decoding->work);
}

/* ---- memory ---- */

bool transfer_frame_room(struct connection *connection, const struct peer_message *message)
{
	struct transfer *transfer = connection->owner;

	if (transfer->frames->choice.mode == FRAMES_OFF)
		return true; /* the engine will not have it */
	/* There is room for twice the largest that we ask for. */
	if (!frame_fits(transfer->frames->store, message->frame_bytes)) {
		transfer_input(transfer, &(struct swarm_input){.kind = SWARM_IN_BLOCK_BAD,
						 .peer = connection->peer,
						 .generation = connection->generation,
						 .message = message});
		return false;
	}
	connection->frame = frame_reserve(transfer->frames->store, message->index, message->begin,
		message->length, message->frame_bytes, false);
	if (connection->frame != NULL)
		return true;
	connection->roomless = true;
	transfer->frames->roomless_count++;
	connection_pause(connection);
	return false;
}

void transfer_frames_resume(struct transfer *transfer)
{
	for (uint32_t i = 0; i < transfer->limits.peers_max && transfer->frames->roomless_count > 0;
		i++) {
		struct connection *connection = transfer->peers[i];

		if (connection == NULL || !connection->roomless)
			continue;
		connection->roomless = false;
		transfer->frames->roomless_count--;
		connection_resume(connection); /* still none for this one: perhaps for another */
	}
}

void transfer_frame_place(struct connection *connection, struct block_place *place)
{
	struct transfer *transfer = connection->owner;
	const struct frame *frame = connection->frame;

	frame_overtaken(transfer->frames->store, frame->piece, frame->begin, frame->length);
	connection->frame_target = *place;
	*place = (struct block_place){
		.bytes = frame->bytes, .unit_bytes = frame->bytes_count, .wanted = 1};
}

void transfer_frame_drop(struct connection *connection)
{
	if (connection->frame != NULL)
		frame_release(connection->frame);
	connection->frame = NULL;
}

void transfer_frames_forget_incoming(struct transfer *transfer, struct connection *connection)
{
	if (connection->roomless)
		transfer->frames->roomless_count--;
	connection->roomless = false;
	transfer_frame_drop(connection);
	if (connection->decoding == NULL)
		return;
	/* The engine may give the buffer to something else now. */
	frame_job_abandon(transfer->frames, &connection->decoding->job);
	connection->decoding->connection = NULL;
	connection->decoding = NULL;
}

/* ---- what the engine's news mean for frames that are kept ---- */

void transfer_frames_overtaken(struct transfer *transfer, const struct peer_message *piece)
{
	frame_overtaken(transfer->frames->store, piece->index, piece->begin, piece->length);
}

void transfer_frames_replaced(struct transfer *transfer, uint32_t piece)
{
	frame_overtaken(transfer->frames->store, piece, 0, transfer->metainfo->piece_bytes);
}

void transfer_frames_hashed(struct transfer *transfer, uint32_t piece, bool ok)
{
	frame_settle(transfer->frames->store, piece, ok);
}
