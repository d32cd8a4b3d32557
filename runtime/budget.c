/* SPDX-License-Identifier: Apache-2.0 */
/* What is planned is measured, not computed: an engine is made for trial and its memory counted. */
#include "runtime/budget.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/units.h"
#include "runtime/frame_codec.h"
#include "runtime/memory.h"

#define SLACK_SHARE	   20 /* of the memory: what allocators keep beyond it, as measured */
#define CONNECTION_BYTES   (8 * KIB)
#define JOB_BYTES	   64
#define ALIGN_BYTES	   4096
#define UPLOADS_BYTES_MIN  (256 * KIB)
#define UPLOADS_BYTES_MAX  (8 * MIB)
#define CHECKS_COUNT	   2
#define CHECK_BYTES_MIN	   (64 * KIB)
#define CHECK_BYTES_MAX	   MIB
#define BUFFERS_MIN	   2
#define BUFFERS_MAX	   65536
#define ENGINE_SHARE	   16 /* of the memory, for peers and rings beyond the least */
#define TRIAL_BUFFERS_MORE 100
#define ENCODERS_MAX	   4
#define DECODERS_MAX	   4 /* threads that hash */
#define FRAMES_MIN	   2

struct engine_cost {
	uint64_t bytes; /* with BUFFERS_MIN buffers */
	uint64_t bytes_per_buffer;
};

/* ---- the engine's memory ---- */

static void *count_allocate(void *context, size_t bytes)
{
	*(uint64_t *)context += bytes;
	return calloc(1, bytes);
}

static void count_release(void *context, void *memory)
{
	(void)context;
	free(memory);
}

static uint64_t engine_bytes(const struct metainfo *metainfo, bool origin,
	const struct swarm_limits *limits, uint32_t buffers_count)
{
	uint64_t bytes = 0;
	struct swarm_allocator allocator = {count_allocate, count_release, &bytes};
	struct swarm_settings settings = {
		.length_bytes = metainfo->length_bytes,
		.piece_bytes = metainfo->piece_bytes,
		.pieces_count = metainfo->pieces_count,
		.origin = origin,
		.limits = *limits,
	};

	settings.limits.buffers_count = buffers_count;
	struct swarm *swarm = swarm_create(&settings, &allocator);

	if (swarm == NULL)
		memory_exhausted(bytes);
	swarm_destroy(swarm);
	return bytes;
}

static struct engine_cost engine_cost(
	const struct metainfo *metainfo, bool origin, const struct swarm_limits *limits)
{
	uint64_t few = engine_bytes(metainfo, origin, limits, BUFFERS_MIN);
	uint64_t many = engine_bytes(metainfo, origin, limits, BUFFERS_MIN + TRIAL_BUFFERS_MORE);

	return (struct engine_cost){few, u64_div_up(many - few, TRIAL_BUFFERS_MORE)};
}

/* ---- the plan ---- */

/* From what a machine with room has to the least with which a swarm still works well. */
static const struct level {
	uint32_t peers, requests, incoming, addresses;
} levels[] = {
	{64, 256, 512, 1024},
	{64, 128, 256, 1024},
	{48, 64, 128, 512},
	{40, 32, 64, 512},
};

static void apply_level(struct swarm_limits *limits, const struct level *level)
{
	limits->peers_max = (uint32_t)u64_min(limits->peers_max, level->peers);
	limits->requests_per_peer_max =
		(uint32_t)u64_min(limits->requests_per_peer_max, level->requests);
	limits->incoming_requests_max =
		(uint32_t)u64_min(limits->incoming_requests_max, level->incoming);
	limits->addresses_max = (uint32_t)u64_min(limits->addresses_max, level->addresses);
}

/* The highest level whose cost above the lowest is within the engine's share. */
static uint64_t choose_level(const struct budget *budget, const struct metainfo *metainfo,
	bool origin, struct swarm_limits *limits, uint64_t *bytes_per_buffer)
{
	struct swarm_limits least = *limits;
	uint64_t share_bytes = budget->wanted_bytes / ENGINE_SHARE;

	apply_level(&least, &levels[ARRAY_COUNT(levels) - 1]);
	struct engine_cost least_cost = engine_cost(metainfo, origin, &least);

	for (size_t i = 0; i < ARRAY_COUNT(levels); i++) {
		struct swarm_limits tried = *limits;

		apply_level(&tried, &levels[i]);
		struct engine_cost cost = engine_cost(metainfo, origin, &tried);

		if (cost.bytes > least_cost.bytes + share_bytes && i + 1 < ARRAY_COUNT(levels))
			continue;
		*limits = tried;
		*bytes_per_buffer = cost.bytes_per_buffer;
		return cost.bytes;
	}
	return 0;
}

static uint32_t check_bytes(uint64_t memory_bytes)
{
	uint32_t bytes = CHECK_BYTES_MIN;

	while (bytes < CHECK_BYTES_MAX && bytes * 2 <= memory_bytes / 64)
		bytes *= 2;
	return bytes;
}

uint64_t budget_uploads_bytes(uint64_t memory_bytes)
{
	if (memory_bytes == 0)
		memory_bytes = BUDGET_BYTES_DEFAULT;
	return u64_max(UPLOADS_BYTES_MIN, u64_min(memory_bytes / 16, UPLOADS_BYTES_MAX));
}

/* An encoder's block may have to be read first; parts of a block are decoded by one at a time. */
static uint64_t codec_bytes(uint64_t encoder_bytes, uint64_t block_bytes, uint32_t encoders_count)
{
	return encoders_count * (encoder_bytes + block_bytes) +
	       DECODERS_MAX * frame_decoder_bytes() + block_bytes;
}

bool budget_frames(struct frames_budget *frames, uint64_t memory_bytes, uint32_t piece_bytes,
	bool seed, int level)
{
	uint32_t block_bytes = (uint32_t)u64_min(piece_bytes, PEER_REQUEST_BYTES_MAX);
	uint64_t encoder_bytes = frame_encoder_bytes(level, block_bytes);
	uint32_t count = ENCODERS_MAX;

	if (memory_bytes == 0)
		memory_bytes = BUDGET_BYTES_DEFAULT;
	uint64_t bytes = memory_bytes / (seed ? 2 : 5);

	while (count > 1 && codec_bytes(encoder_bytes, block_bytes, count) > bytes / 2)
		count--;
	frames->encoders_count = count;
	frames->codec_bytes = codec_bytes(encoder_bytes, block_bytes, count);
	frames->store_bytes = FRAMES_MIN * (uint64_t)block_bytes;
	if (bytes < frames->codec_bytes + frames->store_bytes)
		return false;
	frames->store_bytes = bytes - frames->codec_bytes;
	return true;
}

void budget_plan(struct budget *budget, uint64_t memory_bytes, uint64_t taken_bytes,
	const struct metainfo *metainfo, bool origin, struct swarm_limits *limits)
{
	uint64_t bytes_per_buffer = 0;
	char wanted[UNITS_TEXT_MAX];
	char planned[UNITS_TEXT_MAX];

	if (memory_bytes == 0)
		memory_bytes = BUDGET_BYTES_DEFAULT;
	budget->wanted_bytes = memory_bytes;
	budget->check_bytes = check_bytes(memory_bytes);
	budget->buffer_stride_bytes = u64_div_up(metainfo->piece_bytes, ALIGN_BYTES) * ALIGN_BYTES;
	uint64_t fixed_bytes =
		taken_bytes + BUDGET_PROCESS_BYTES + memory_bytes / SLACK_SHARE +
		budget_uploads_bytes(memory_bytes) + CHECKS_COUNT * budget->check_bytes +
		(uint64_t)metainfo->pieces_count *
			(metainfo->pieces_sha256 != NULL ? SHA256_BYTES : SHA1_BYTES) +
		choose_level(budget, metainfo, origin, limits, &bytes_per_buffer) +
		limits->peers_max * CONNECTION_BYTES;
	uint64_t each_bytes = budget->buffer_stride_bytes + bytes_per_buffer + JOB_BYTES;
	uint64_t count = memory_bytes > fixed_bytes ? (memory_bytes - fixed_bytes) / each_bytes : 0;

	count = u64_min(count, u64_min(metainfo->pieces_count, BUFFERS_MAX));
	limits->buffers_count = (uint32_t)u64_max(count, BUFFERS_MIN);
	budget->planned_bytes = fixed_bytes + limits->buffers_count * each_bytes;
	if (budget->planned_bytes > memory_bytes)
		log_warning("%s of memory are not enough for two pieces: about %s will be used",
			size_format(wanted, memory_bytes),
			size_format(planned, budget->planned_bytes));
}

uint8_t *budget_shrink_metainfo(struct metainfo *metainfo, uint8_t *bytes)
{
	size_t kept_bytes = metainfo_keep_hashes(metainfo, bytes);
	uint8_t *kept = memory_resize(bytes, u64_max(kept_bytes, 1));

	if (metainfo->pieces_sha256 != NULL)
		metainfo->pieces_sha256 = kept;
	else
		metainfo->pieces_sha1 = kept;
	return kept;
}

uint64_t budget_resident_bytes(void)
{
	SCOPED(file) FILE *file = fopen("/proc/self/statm", "re");
	uint64_t pages = 0;
	long page_bytes = sysconf(_SC_PAGESIZE);

	if (file == NULL || fscanf(file, "%*u %" SCNu64, &pages) != 1 || page_bytes <= 0)
		return 0;
	return pages * (uint64_t)page_bytes;
}

void budget_tune_heap(void)
{
	/* mallopt fails for unknown parameters only; then the heap is merely larger. */
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	(void)mallopt(M_TRIM_THRESHOLD, 128 * 1024);
}
