/* SPDX-License-Identifier: Apache-2.0 */
/* Frames on their way out, and what both ways share. Frames on their way in: transfer_frames_in.c.
 */
#include "runtime/transfer_frames_private.h"

#include "runtime/clock.h"
#include "runtime/link_rate.h"
#include "runtime/memory.h"

#define FRAME_BLOCK_BYTES_MIN 4096
#define ENCODERS	      2 /* of a session's threads that have nothing else to do */
#define IN_WORK_MAX	      (2 * ENCODERS)
#define QUEUED_MAX	      2 /* blocks that a connection has queued, and more are compressed */
#define RUN_BYTES	      MIB

/* A block that waits to be compressed, or is being compressed. */
struct frame_send {
	struct work work;
	struct frame_send *next;
	struct transfer *transfer;
	struct connection *connection; /* NULL: it is gone */
	struct peer_message message;
	const uint8_t *source; /* in a piece buffer; NULL: read from the device */
	struct frame *frame;   /* where it goes, once in work */
	enum frame_job job;
	int level;
	bool in_work;
	bool cancelled;
	bool doubtful;
	bool unreadable;
	bool proven;	      /* the digest of the piece says that its bytes are right */
	uint32_t frame_bytes; /* 0: not smaller */
	uint64_t took_ns;
};

/* ---- jobs ---- */

bool frame_job_begin(struct transfer_frames *frames, enum frame_job *job)
{
	bool begun;

	pthread_mutex_lock(&frames->mutex);
	begun = *job == FRAME_JOB_QUEUED;
	if (begun)
		*job = FRAME_JOB_RUNNING;
	pthread_mutex_unlock(&frames->mutex);
	return begun;
}

void frame_job_end(struct transfer_frames *frames, enum frame_job *job)
{
	pthread_mutex_lock(&frames->mutex);
	*job = FRAME_JOB_ENDED;
	pthread_cond_broadcast(&frames->ended);
	pthread_mutex_unlock(&frames->mutex);
}

void frame_job_abandon(struct transfer_frames *frames, enum frame_job *job)
{
	pthread_mutex_lock(&frames->mutex);
	if (*job == FRAME_JOB_QUEUED)
		*job = FRAME_JOB_ENDED;
	while (*job == FRAME_JOB_RUNNING)
		pthread_cond_wait(&frames->ended, &frames->mutex);
	pthread_mutex_unlock(&frames->mutex);
}

/* No more compress at a time than there is memory for. Waits as long as one block takes. */
static void encoder_take(struct transfer_frames *frames)
{
	pthread_mutex_lock(&frames->mutex);
	while (frames->encoding_count == frames->encoders_max)
		pthread_cond_wait(&frames->ended, &frames->mutex);
	frames->encoding_count++;
	pthread_mutex_unlock(&frames->mutex);
}

static void encoder_put(struct transfer_frames *frames)
{
	pthread_mutex_lock(&frames->mutex);
	frames->encoding_count--;
	pthread_cond_broadcast(&frames->ended);
	pthread_mutex_unlock(&frames->mutex);
}

static uint32_t encoders(const struct transfer_frames *frames)
{
	return (uint32_t)u64_min(frames->encoders_max, ENCODERS);
}

/* ---- the queue ---- */

static uint32_t runs_per_piece(const struct transfer *transfer)
{
	return (uint32_t)u64_div_up(transfer->metainfo->piece_bytes, RUN_BYTES);
}

static uint32_t run_of(const struct transfer *transfer, const struct peer_message *block)
{
	return block->index * runs_per_piece(transfer) + (uint32_t)(block->begin / RUN_BYTES);
}

static void enqueue(struct transfer_frames *frames, struct frame_send *send)
{
	*frames->sends_last = send;
	frames->sends_last = &send->next;
	if (send->connection->encodes_count++ == 0)
		frames->waiting_count++;
}

static void connection_leaves(struct transfer_frames *frames, struct frame_send *send)
{
	if (--send->connection->encodes_count == 0)
		frames->waiting_count--;
	send->connection = NULL;
}

/* Out of the queue; its connection, if there still is one. */
static struct connection *dequeue(struct transfer_frames *frames, struct frame_send *send)
{
	struct frame_send **at = &frames->sends_first;
	struct connection *connection = send->connection;

	while (*at != send)
		at = &(*at)->next;
	*at = send->next;
	if (frames->sends_last == &send->next)
		frames->sends_last = at;
	if (connection != NULL)
		connection_leaves(frames, send);
	return connection;
}

static void tell(struct transfer *transfer, const struct connection *connection,
	enum swarm_input_kind kind, const struct peer_message *message)
{
	transfer_input(transfer, &(struct swarm_input){.kind = kind,
					 .peer = connection->peer,
					 .generation = connection->generation,
					 .message = message});
}

static void send_frame(
	struct connection *connection, const struct peer_message *block, struct frame *frame)
{
	struct peer_message message = *block;

	message.id = PEER_FRAME;
	message.frame_bytes = frame->bytes_count;
	connection_send_frame(connection, &message, frame);
}

/* ---- compressing ---- */

/* What a piece buffer holds has been hashed. What the device returns has not: where that is all of
 * a piece it is hashed now, which costs little beside compressing it. */
static void prove(struct frame_send *send, const uint8_t *block)
{
	struct transfer *transfer = send->transfer;
	uint32_t piece = send->message.index;

	send->proven = send->source != NULL;
	if (send->proven ||
		send->message.length != metainfo_piece_length(transfer->metainfo, piece))
		return;
	struct piece_hasher *hasher = hasher_pool_take(transfer->hashers);

	piece_hasher_begin(hasher, piece);
	piece_hasher_update(hasher, block, send->message.length);
	send->proven = piece_hasher_matches(hasher);
	hasher_pool_put(transfer->hashers, hasher);
	if (send->proven)
		return;
	log_warning("reading for a peer: %s does not return piece %u as it is in the image",
		transfer->device->name, piece);
	send->unreadable = true;
}

static void encode(struct frame_send *send)
{
	struct transfer_frames *frames = send->transfer->frames;
	const struct peer_message *message = &send->message;
	uint64_t offset =
		(uint64_t)message->index * send->transfer->metainfo->piece_bytes + message->begin;
	const uint8_t *block = send->source;
	SCOPED(free) uint8_t *read = NULL;
	struct failure failure;

	if (block == NULL) {
		block = read = memory_allocate(1, message->length);
		if (!block_device_read(
			    send->transfer->device, read, offset, message->length, &failure)) {
			log_warning("reading for a peer: %s", failure.text);
			send->unreadable = true;
			return;
		}
	}
	if (!send->doubtful || frame_promising(frames->codec, block, message->length))
		send->frame_bytes = frame_encode(frames->codec, send->level, send->frame->bytes,
			send->frame->bytes_count, block, message->length);
	if (send->frame_bytes > 0)
		prove(send, block);
}

static void run_encode(struct work *work)
{
	struct frame_send *send = (struct frame_send *)work;
	struct transfer_frames *frames = send->transfer->frames;

	if (!frame_job_begin(frames, &send->job))
		return;
	encoder_take(frames);
	uint64_t begin_ns = clock_now_ns();

	encode(send);
	send->took_ns = clock_now_ns() - begin_ns;
	encoder_put(frames);
	frame_job_end(frames, &send->job);
}

static void deliver(
	struct transfer *transfer, struct frame_send *send, struct connection *connection)
{
	struct transfer_frames *frames = transfer->frames;

	frame_choice_learn(&frames->choice, send->level, run_of(transfer, &send->message),
		send->message.length, send->took_ns, send->frame_bytes > 0);
	if (send->frame_bytes > 0) {
		frame_shrink(send->frame, send->frame_bytes);
		if (send->proven)
			frame_keep(send->frame, true);
		send_frame(connection, &send->message, send->frame);
		send->frame = NULL;
	} else {
		connection_send_block(connection, &send->message, send->source);
	}
	connection_flush_later(connection);
}

static void encode_done(struct work *work)
{
	struct frame_send *send = (struct frame_send *)work;
	struct transfer *transfer = send->transfer;
	struct connection *connection = dequeue(transfer->frames, send);

	transfer->frames->in_work_count--;
	*(send->source != NULL ? &transfer->hash_jobs_count : &transfer->disk_jobs_count) -= 1;
	if (connection != NULL && !send->cancelled && !send->unreadable)
		deliver(transfer, send, connection);
	if (send->frame != NULL)
		frame_release(send->frame);
	if (connection != NULL && send->cancelled)
		tell(transfer, connection, SWARM_IN_BLOCK_SENT, &send->message);
	else if (connection != NULL && send->unreadable)
		tell(transfer, connection, SWARM_IN_BLOCK_UNREADABLE, &send->message);
	free(send);
	transfer_frames_wake(transfer);
}

/* Blocks in piece buffers only burn; the others are read first, where reading is done. */
static void submit(struct transfer *transfer, struct frame_send *send)
{
	struct session *session = transfer->session;
	bool held = send->source != NULL;

	send->work = (struct work){.run = run_encode,
		.done = encode_done,
		.urgency = held ? WORK_NORMAL : WORK_BACKGROUND};
	send->in_work = true;
	send->doubtful = frame_choice_doubts(&transfer->frames->choice);
	if (transfer->frames->in_work_count < encoders(transfer->frames))
		send->level = frame_choice_hardest(&transfer->frames->choice);
	transfer->frames->in_work_count++;
	*(held ? &transfer->hash_jobs_count : &transfer->disk_jobs_count) += 1;
	workers_submit(held ? session->hashes : session->disks, &send->work);
}

/* Gives work to the workers: the oldest blocks whose connections will need them soon. */
static void pump(struct transfer *transfer)
{
	struct transfer_frames *frames = transfer->frames;

	for (struct frame_send *send = frames->sends_first;
		send != NULL && frames->in_work_count < IN_WORK_MAX; send = send->next) {
		const struct peer_message *block = &send->message;

		if (send->in_work || send->cancelled ||
			send->connection->output.blocks_count >= QUEUED_MAX)
			continue;
		send->frame = frame_reserve(frames->store, block->index, block->begin,
			block->length, frame_bytes_worth(block->length), true);
		if (send->frame == NULL)
			return;
		submit(transfer, send);
	}
}

static struct frame_send *cancelled_waiting(const struct transfer_frames *frames)
{
	struct frame_send *send = frames->sends_first;

	while (send != NULL && (!send->cancelled || send->in_work))
		send = send->next;
	return send;
}

static void on_wake(evutil_socket_t descriptor, short what, void *context)
{
	struct transfer *transfer = context;
	struct frame_send *send;

	(void)descriptor;
	(void)what;
	while ((send = cancelled_waiting(transfer->frames)) != NULL) {
		struct connection *connection = dequeue(transfer->frames, send);
		struct peer_message message = send->message;

		free(send);
		tell(transfer, connection, SWARM_IN_BLOCK_SENT, &message);
	}
	transfer_frames_resume(transfer);
	pump(transfer);
}

void transfer_frames_wake(struct transfer *transfer)
{
	if (!transfer->closing)
		event_active(transfer->frames->wake_event, EV_TIMEOUT, 0);
}

static void on_roomy(void *context)
{
	transfer_frames_wake(context);
}

/* ---- for the transfer ---- */

bool transfer_frames_send(
	struct transfer *transfer, struct connection *connection, const struct swarm_effect *effect)
{
	struct transfer_frames *frames = transfer->frames;
	const struct peer_message *block = &effect->message;
	struct frame *frame;
	struct frame_send *send;
	int level;

	if (frames->choice.mode == FRAMES_OFF || block->extended_id == 0 ||
		block->length < FRAME_BLOCK_BYTES_MIN)
		return false;
	frame = frame_find(frames->store, block->index, block->begin, block->length);
	if (frame != NULL) {
		send_frame(connection, block, frame);
		return true;
	}
	level = frame_choice_level(&frames->choice, run_of(transfer, block),
		link_rate_bytes_per_s(connection->descriptor),
		frames->waiting_count + (connection->encodes_count == 0));
	if (level == 0)
		return false;
	send = memory_allocate(1, sizeof(*send));
	send->transfer = transfer;
	send->connection = connection;
	send->message = *block;
	send->level = level;
	if (effect->buffer != SWARM_BUFFER_NONE)
		send->source = transfer_buffer(transfer, effect->buffer) + block->begin;
	enqueue(frames, send);
	pump(transfer);
	return true;
}

bool transfer_frames_cancel(struct transfer *transfer, struct connection *connection,
	const struct peer_message *message)
{
	for (struct frame_send *send = transfer->frames->sends_first; send != NULL;
		send = send->next) {
		if (send->connection != connection || send->cancelled ||
			send->message.index != message->index ||
			send->message.begin != message->begin ||
			send->message.length != message->length)
			continue;
		send->cancelled = true;
		transfer_frames_wake(transfer);
		return true;
	}
	return false;
}

void transfer_frames_sent(struct transfer *transfer)
{
	if (transfer->frames->sends_first != NULL)
		transfer_frames_wake(transfer);
}

void transfer_frames_forget(struct transfer *transfer, struct connection *connection)
{
	struct transfer_frames *frames = transfer->frames;
	struct frame_send *next;

	for (struct frame_send *send = frames->sends_first; send != NULL; send = next) {
		next = send->next;
		if (send->connection != connection)
			continue;
		if (!send->in_work) {
			(void)dequeue(frames, send);
			free(send);
			continue;
		}
		/* The engine may give the buffer to something else now. */
		if (send->source != NULL)
			frame_job_abandon(frames, &send->job);
		connection_leaves(frames, send);
	}
	transfer_frames_forget_incoming(transfer, connection);
}

uint64_t transfer_frames_bytes(const struct transfer *transfer)
{
	return transfer->frames->taken_bytes;
}

bool transfer_frames_on(const struct transfer *transfer)
{
	return transfer->frames->choice.mode != FRAMES_OFF;
}

void transfer_frames_open(struct transfer *transfer, const struct transfer_settings *settings)
{
	struct transfer_frames *frames = memory_allocate(1, sizeof(*frames));
	enum frames_mode mode = settings->frames;
	struct frames_budget budget;

	if (!budget_frames(&budget, settings->memory_bytes, transfer->metainfo->piece_bytes,
		    settings->seed, frame_level_hardest(settings->origin)) &&
		mode == FRAMES_AUTO)
		mode = FRAMES_OFF;
	transfer->frames = frames;
	frames->taken_bytes =
		settings->seed || mode == FRAMES_OFF ? 0 : budget.store_bytes + budget.codec_bytes;
	frames->encoders_max = budget.encoders_count;
	frames->sends_last = &frames->sends_first;
	pthread_mutex_init(&frames->mutex, NULL);
	pthread_cond_init(&frames->ended, NULL);
	pthread_mutex_init(&frames->parts, NULL);
	frames->store = frame_store_create(budget.store_bytes, on_roomy, transfer);
	frames->codec = frame_codec_create();
	frame_choice_open(&frames->choice, mode, settings->origin, encoders(frames),
		transfer->metainfo->pieces_count * runs_per_piece(transfer));
	frames->wake_event = evtimer_new(transfer->session->base, on_wake, transfer);
	if (frames->wake_event == NULL)
		memory_exhausted(0);
}

void transfer_frames_close(struct transfer *transfer)
{
	struct transfer_frames *frames = transfer->frames;

	event_free(frames->wake_event);
	frame_choice_close(&frames->choice);
	frames->codec = frame_codec_destroy(frames->codec);
	frames->store = frame_store_destroy(frames->store);
	pthread_mutex_destroy(&frames->parts);
	pthread_cond_destroy(&frames->ended);
	pthread_mutex_destroy(&frames->mutex);
	free(frames);
	transfer->frames = NULL;
}
