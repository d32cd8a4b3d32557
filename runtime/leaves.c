/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaf layers on a real machine: made for peers from what the device holds, and compared with what
 * lies on the device where a piece belongs. Both read a piece and hash it on a disk thread. Layers
 * that were made are kept for a while, since after an update a whole room asks for the same ones.
 */
#include "runtime/memory.h"
#include "runtime/transfer.h"
#include "wire/merkle.h"
#include "wire/peer_leaves.h"

#define MAKING_MAX	 2
#define RUN_BYTES_MAX	 (256 * KIB)
#define CACHE_BYTES_MAX	 (256 * KIB)
#define CACHE_SHARE	 64 /* of the memory that there is */
#define CACHE_LAYERS_MAX 128

_Static_assert(PEER_LEAF_BYTES == MERKLE_LEAF_BYTES && PEER_LEAF_HASH_BYTES == SHA256_BYTES,
	"a leaf is BEP 52's");

/* A peer's request; the payload of its answer comes to be in it. */
struct layer_job {
	struct work work;
	struct transfer *transfer;
	struct layer_job *next;
	uint32_t peer;
	uint32_t generation;
	uint32_t piece;
	uint8_t *payload;
	bool ok;
};

struct compare_job {
	struct work work;
	struct transfer *transfer;
	uint32_t piece;
	uint32_t buffer;
	uint8_t *hashes; /* the layer that a peer sent */
	uint64_t *words;
	struct bitset equal;
	bool in_hand; /* the buffer holds what is to be compared */
	bool ok;
};

struct kept_layer {
	uint32_t piece;
	uint8_t *payload; /* NULL: none */
	uint64_t used;
};

struct leaves {
	struct layer_job *waiting; /* as many as the engine takes */
	struct layer_job **waiting_last;
	uint32_t making_count;
	struct kept_layer kept[CACHE_LAYERS_MAX];
	uint32_t kept_max;
	uint32_t run_bytes; /* read at a time: whole leaves */
	uint64_t uses_count;
	uint8_t zero_leaf[SHA256_BYTES]; /* of 16 KiB of zeros */
};

/* ---- reading leaves ---- */

struct leaf_reader {
	struct transfer *transfer;
	uint32_t piece;
	uint8_t *bytes;	    /* of the piece, or of a run of it */
	uint32_t run_bytes; /* at a time */
	bool whole;	    /* runs go to their place in bytes */
	bool in_hand;	    /* they are there already */
};

/* Hashes the piece's leaves as they lie on the device, to hashes; calls nothing else. A run that
 * cannot be read ends it. Returns how many leaves were read. */
static uint32_t read_leaves(const struct leaf_reader *reader, uint8_t (*hashes)[SHA256_BYTES])
{
	const struct transfer *transfer = reader->transfer;
	uint64_t start = (uint64_t)reader->piece * transfer->metainfo->piece_bytes;
	uint32_t length = metainfo_piece_length(transfer->metainfo, reader->piece);
	uint32_t leaves_count = 0;
	struct failure failure;

	for (uint32_t at = 0; at < length; at += reader->run_bytes) {
		uint32_t bytes_count = (uint32_t)u64_min(reader->run_bytes, length - at);
		uint8_t *bytes = reader->bytes + (reader->whole ? at : 0);

		if (atomic_load_explicit(&transfer->cancelled, memory_order_relaxed))
			break;
		if (!reader->in_hand && !block_device_read(transfer->device, bytes, start + at,
						bytes_count, &failure)) {
			log_warning("reading a piece's leaves: %s", failure.text);
			break;
		}
		leaves_count += (uint32_t)merkle_leaves(
			&crypto_digest_ops, hashes + leaves_count, bytes, bytes_count);
	}
	return leaves_count;
}

static uint32_t leaves_of(const struct transfer *transfer, uint32_t piece)
{
	return (uint32_t)peer_leaves_count(metainfo_piece_length(transfer->metainfo, piece));
}

/* ---- making them for peers ---- */

static void start_waiting(struct transfer *transfer);

static void run_make(struct work *work)
{
	struct layer_job *job = (struct layer_job *)work;
	struct transfer *transfer = job->transfer;
	uint8_t(*hashes)[SHA256_BYTES] =
		(uint8_t(*)[SHA256_BYTES])(job->payload + PEER_LEAVES_HEAD_BYTES);
	struct leaf_reader reader = {.transfer = transfer,
		.piece = job->piece,
		.bytes = memory_allocate(transfer->leaves->run_bytes, 1),
		.run_bytes = transfer->leaves->run_bytes};
	uint32_t leaves_count = leaves_of(transfer, job->piece);

	peer_leaves_write_head(job->payload, PEER_LEAVES_LAYER, job->piece);
	/* What does not prove itself would make a liar of us. */
	job->ok = read_leaves(&reader, hashes) == leaves_count &&
		  hash_leaves_match(transfer->metainfo, job->piece,
			  (const uint8_t(*)[SHA256_BYTES])hashes, leaves_count);
	free(reader.bytes);
}

static void answer(struct transfer *transfer, const struct layer_job *job)
{
	struct peer_message layer = {.id = PEER_EXTENDED,
		.bytes = job->payload,
		.bytes_count = peer_leaves_layer_bytes(
			metainfo_piece_length(transfer->metainfo, job->piece))};

	transfer_input(transfer, &(struct swarm_input){.kind = SWARM_IN_LEAVES,
					 .peer = job->peer,
					 .generation = job->generation,
					 .piece = job->piece,
					 .message = &layer,
					 .ok = job->ok});
}

/* Takes the payload over. */
static void keep(struct leaves *leaves, uint32_t piece, uint8_t *payload)
{
	struct kept_layer *oldest = &leaves->kept[0];

	for (uint32_t i = 1; i < leaves->kept_max; i++)
		if (leaves->kept[i].used < oldest->used)
			oldest = &leaves->kept[i];
	free(oldest->payload);
	*oldest = (struct kept_layer){
		.piece = piece, .payload = payload, .used = ++leaves->uses_count};
}

static void make_done(struct work *work)
{
	struct layer_job *job = (struct layer_job *)work;
	struct transfer *transfer = job->transfer;
	struct leaves *leaves = transfer->leaves;

	transfer->disk_jobs_count--;
	leaves->making_count--;
	answer(transfer, job);
	if (job->ok)
		keep(leaves, job->piece, job->payload);
	else
		free(job->payload);
	free(job);
	start_waiting(transfer);
}

/* True when it need not be made. */
static bool answer_from_kept(struct transfer *transfer, struct layer_job *job)
{
	struct leaves *leaves = transfer->leaves;

	for (uint32_t i = 0; i < leaves->kept_max; i++) {
		struct kept_layer *kept = &leaves->kept[i];

		if (kept->payload == NULL || kept->piece != job->piece)
			continue;
		kept->used = ++leaves->uses_count;
		job->payload = kept->payload;
		job->ok = true;
		answer(transfer, job);
		return true;
	}
	return false;
}

static void start_waiting(struct transfer *transfer)
{
	struct leaves *leaves = transfer->leaves;
	struct layer_job *job;

	while (!transfer->closing && leaves->making_count < MAKING_MAX &&
		(job = leaves->waiting) != NULL) {
		leaves->waiting = job->next;
		if (leaves->waiting == NULL)
			leaves->waiting_last = &leaves->waiting;
		if (answer_from_kept(transfer, job)) {
			free(job);
			continue;
		}
		job->payload = memory_allocate(1, peer_leaves_layer_bytes(metainfo_piece_length(
							  transfer->metainfo, job->piece)));
		job->work =
			(struct work){.run = run_make, .done = make_done, .urgency = WORK_NORMAL};
		leaves->making_count++;
		transfer->disk_jobs_count++;
		workers_submit(transfer->session->disks, &job->work);
	}
}

static void make(struct transfer *transfer, const struct swarm_effect *effect)
{
	struct leaves *leaves = transfer->leaves;
	struct layer_job *job = memory_allocate(1, sizeof(*job));

	*job = (struct layer_job){.transfer = transfer,
		.peer = effect->peer,
		.generation = effect->generation,
		.piece = effect->piece};
	*leaves->waiting_last = job;
	leaves->waiting_last = &job->next;
	/* An effect must not feed an input: what is kept is answered when the loop comes round. */
	event_active(transfer->leaves_event, EV_TIMEOUT, 0);
}

static void on_waiting(evutil_socket_t descriptor, short what, void *context)
{
	(void)descriptor;
	(void)what;
	start_waiting(context);
}

/* ---- comparing ---- */

/* Leaves of zeros need no disk and no peer. */
static bool fill_zero_leaf(const struct compare_job *job, uint32_t leaf, const uint8_t *hash)
{
	struct transfer *transfer = job->transfer;
	uint64_t from = (uint64_t)leaf * PEER_LEAF_BYTES;

	if (from + PEER_LEAF_BYTES > metainfo_piece_length(transfer->metainfo, job->piece) ||
		memcmp(hash, transfer->leaves->zero_leaf, SHA256_BYTES) != 0)
		return false;
	memset(transfer_buffer(transfer, job->buffer) + from, 0, PEER_LEAF_BYTES);
	return true;
}

static void run_compare(struct work *work)
{
	struct compare_job *job = (struct compare_job *)work;
	struct transfer *transfer = job->transfer;
	uint32_t leaves_count = leaves_of(transfer, job->piece);
	struct leaf_reader reader = {.transfer = transfer,
		.piece = job->piece,
		.bytes = transfer_buffer(transfer, job->buffer),
		.run_bytes = MIB,
		.whole = true,
		.in_hand = job->in_hand};

	job->ok = hash_leaves_match(transfer->metainfo, job->piece,
		(const uint8_t(*)[SHA256_BYTES])job->hashes, leaves_count);
	if (!job->ok)
		return;

	uint8_t(*here)[SHA256_BYTES] = memory_allocate(leaves_count, SHA256_BYTES);
	uint32_t read_count = read_leaves(&reader, here);

	for (uint32_t leaf = 0; leaf < leaves_count; leaf++) {
		const uint8_t *hash = job->hashes + (size_t)leaf * SHA256_BYTES;

		if ((leaf < read_count && memcmp(here[leaf], hash, SHA256_BYTES) == 0) ||
			(!job->in_hand && fill_zero_leaf(job, leaf, hash)))
			bitset_set(&job->equal, leaf);
	}
	free(here);
}

static void compare_done(struct work *work)
{
	struct compare_job *job = (struct compare_job *)work;
	struct transfer *transfer = job->transfer;

	transfer->disk_jobs_count--;
	transfer_input(transfer, &(struct swarm_input){.kind = SWARM_IN_COMPARED,
					 .piece = job->piece,
					 .buffer = job->buffer,
					 .equal = &job->equal,
					 .ok = job->ok});
	free(job->hashes);
	free(job->words);
	free(job);
}

static void compare(struct transfer *transfer, const struct swarm_effect *effect)
{
	struct compare_job *job = memory_allocate(1, sizeof(*job));
	uint32_t leaves_count = leaves_of(transfer, effect->piece);

	*job = (struct compare_job){
		.work = {.run = run_compare, .done = compare_done, .urgency = WORK_NORMAL},
		.transfer = transfer,
		.piece = effect->piece,
		.buffer = effect->buffer,
		.in_hand = effect->in_hand};
	job->hashes = memory_allocate(leaves_count, SHA256_BYTES);
	memcpy(job->hashes, effect->message.bytes, (size_t)leaves_count * SHA256_BYTES);
	job->words = memory_allocate(BITSET_WORDS(leaves_count), sizeof(*job->words));
	bitset_init(&job->equal, job->words, leaves_count);
	transfer->disk_jobs_count++;
	workers_submit(transfer->session->disks, &job->work);
}

/* ---- for the transfer ---- */

void leaves_apply(struct transfer *transfer, const struct swarm_effect *effect)
{
	if (effect->kind == SWARM_EFFECT_LEAVES) {
		make(transfer, effect);
		return;
	}
	transfer_frames_replaced(transfer, effect->piece);
	compare(transfer, effect);
}

void leaves_open(struct transfer *transfer)
{
	uint64_t layer_bytes = peer_leaves_layer_bytes(transfer->metainfo->piece_bytes);
	struct leaves *leaves = memory_allocate(1, sizeof(*leaves));
	uint8_t *zeros = memory_allocate(1, PEER_LEAF_BYTES);
	uint64_t cache_bytes =
		u64_min(CACHE_BYTES_MAX, transfer->budget.planned_bytes / CACHE_SHARE);
	uint64_t run_leaves =
		u64_min(RUN_BYTES_MAX, transfer->budget.check_bytes) / PEER_LEAF_BYTES;

	crypto_digest_ops.sha256(leaves->zero_leaf, zeros, PEER_LEAF_BYTES);
	free(zeros);
	leaves->waiting_last = &leaves->waiting;
	leaves->kept_max =
		(uint32_t)u64_min(CACHE_LAYERS_MAX, u64_max(cache_bytes / layer_bytes, MAKING_MAX));
	leaves->run_bytes = (uint32_t)(u64_max(run_leaves, 1) * PEER_LEAF_BYTES);
	transfer->leaves = leaves;
	transfer->leaves_event = evtimer_new(transfer->session->base, on_waiting, transfer);
	if (transfer->leaves_event == NULL)
		memory_exhausted(0);
}

/* What is under way has ended. */
void leaves_close(struct transfer *transfer)
{
	struct leaves *leaves = transfer->leaves;
	struct layer_job *job;

	while ((job = leaves->waiting) != NULL) {
		leaves->waiting = job->next;
		free(job);
	}
	for (uint32_t i = 0; i < leaves->kept_max; i++)
		free(leaves->kept[i].payload);
	event_free(transfer->leaves_event);
	free(leaves);
}
