/* SPDX-License-Identifier: Apache-2.0 */
/* One number of bytes becomes limits whose memory, counted, is within it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "runtime/budget.h"
#include "runtime/frame_choice.h"
#include "runtime/frame_codec.h"

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

/* What the engine takes with these limits. */
static uint64_t engine_bytes(const struct metainfo *metainfo, const struct swarm_limits *limits)
{
	uint64_t bytes = 0;
	struct swarm_allocator allocator = {count_allocate, count_release, &bytes};
	struct swarm_settings settings = {.length_bytes = metainfo->length_bytes,
		.piece_bytes = metainfo->piece_bytes,
		.pieces_count = metainfo->pieces_count,
		.limits = *limits};
	struct swarm *swarm = swarm_create(&settings, &allocator);

	assert_non_null(swarm);
	swarm_destroy(swarm);
	return bytes;
}

static struct metainfo image(uint64_t length_bytes, uint32_t piece_bytes)
{
	static const uint8_t hashes[1];

	return (struct metainfo){.length_bytes = length_bytes,
		.piece_bytes = piece_bytes,
		.pieces_count = (uint32_t)u64_div_up(length_bytes, piece_bytes),
		.pieces_sha256 = hashes};
}

static struct swarm_limits plan(
	struct budget *budget, uint64_t memory_bytes, const struct metainfo *metainfo)
{
	struct swarm_limits limits;

	swarm_limits_default(&limits);
	budget_plan(budget, memory_bytes, 0, metainfo, false, &limits);
	return limits;
}

static void what_is_planned_fits(void **state)
{
	static const uint64_t memories[] = {8 * MIB, 16 * MIB, 64 * MIB, GIB};
	static const struct {
		uint64_t length_bytes;
		uint32_t piece_bytes;
	} images[] = {{8 * MIB, 32 * KIB}, {2 * GIB, MIB}, {50 * GIB, 4 * MIB}};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(memories); i++)
		for (size_t j = 0; j < ARRAY_COUNT(images); j++) {
			struct metainfo metainfo =
				image(images[j].length_bytes, images[j].piece_bytes);
			struct budget budget;
			struct swarm_limits limits = plan(&budget, memories[i], &metainfo);
			uint64_t bytes = engine_bytes(&metainfo, &limits) +
					 limits.buffers_count * budget.buffer_stride_bytes;

			assert_true(limits.buffers_count >= 2);
			if (limits.buffers_count > 2)
				assert_true(bytes <= memories[i]);
			assert_true(bytes <= budget.planned_bytes);
			/* Nothing is left lying about, unless the image needs no more. */
			assert_true(limits.buffers_count == metainfo.pieces_count ||
				    budget.planned_bytes + 2 * budget.buffer_stride_bytes >
					    memories[i]);
		}
}

static void little_memory_means_fewer_peers_and_shorter_queues(void **state)
{
	struct metainfo metainfo = image(8 * MIB, 32 * KIB);
	struct budget budget;
	struct swarm_limits little = plan(&budget, 8 * MIB, &metainfo);
	struct swarm_limits much = plan(&budget, 0, &metainfo);
	struct swarm_limits usual;

	(void)state;
	swarm_limits_default(&usual);
	assert_int_equal(much.peers_max, usual.peers_max);
	assert_int_equal(much.requests_per_peer_max, usual.requests_per_peer_max);
	assert_true(little.requests_per_peer_max < much.requests_per_peer_max);
	assert_true(little.peers_max >= little.peers_wanted);
	assert_true(little.buffers_count >= 64);
}

static uint8_t block[MIB];
static uint8_t frame[MIB];

/* What is planned for frames is what zstd takes, at any level that is chosen. */
static void frames_and_their_codec_fit(void **state)
{
	static const uint32_t pieces[] = {32 * KIB, 256 * KIB, MIB, 4 * MIB};
	static const uint64_t memories[] = {0, 8 * MIB, 32 * MIB, GIB};

	(void)state;
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)(i % 251 * (i >> 12));
	for (size_t i = 0; i < ARRAY_COUNT(pieces) * ARRAY_COUNT(memories) * 2; i++) {
		uint64_t memory_bytes = memories[i / 2 % ARRAY_COUNT(memories)];
		uint32_t piece_bytes = pieces[i / 2 / ARRAY_COUNT(memories)];
		uint32_t block_bytes = (uint32_t)u64_min(piece_bytes, MIB);
		bool origin = i % 2 == 0;
		int level = frame_level_hardest(origin);
		struct frames_budget budget;
		bool enough = budget_frames(&budget, memory_bytes, piece_bytes, origin, level);
		struct frame_codec *codec = frame_codec_create();

		for (int try = level; try > 0; try--)
			for (uint32_t bytes = 4096; bytes <= block_bytes; bytes *= 2)
				assert_true(frame_encode(codec, try, frame, sizeof(frame), block,
						    bytes) > 0);
		uint64_t encoder_bytes = frame_codec_bytes(codec);

		assert_true(encoder_bytes > 0 && budget.encoders_count >= 1);
		assert_true(budget.codec_bytes >=
			    budget.encoders_count * (encoder_bytes + block_bytes));
		assert_true(budget.store_bytes >= 2ull * block_bytes);
		if (memory_bytes == 0)
			memory_bytes = BUDGET_BYTES_DEFAULT;
		if (enough)
			assert_true(budget.store_bytes + budget.codec_bytes <=
				    memory_bytes / (origin ? 2 : 5));
		frame_codec_destroy(codec);
	}
	struct frames_budget usual;

	assert_true(budget_frames(&usual, 0, MIB, false, frame_level_hardest(false)));
	assert_true(budget_frames(&usual, 0, MIB, true, frame_level_hardest(true)));
	assert_false(budget_frames(&usual, 8 * MIB, MIB, false, frame_level_hardest(false)));
}

static void two_pieces_are_taken_in_any_case(void **state)
{
	struct metainfo metainfo = image(50 * GIB, 16 * MIB);
	struct budget budget;
	struct swarm_limits limits = plan(&budget, MIB, &metainfo);

	(void)state;
	assert_int_equal(limits.buffers_count, 2);
	assert_true(budget.planned_bytes >= 32 * MIB);
	assert_true(budget.planned_bytes > budget.wanted_bytes);
}

static void two_tebibytes_fit_into_64_mebibytes(void **state)
{
	struct metainfo metainfo = image(2 * TIB, 8 * MIB);
	struct budget budget;
	struct swarm_limits limits = plan(&budget, 64 * MIB, &metainfo);

	(void)state;
	assert_int_equal(metainfo.pieces_count, 262144);
	assert_true(budget.planned_bytes <= 64 * MIB);
	assert_true(limits.buffers_count >= 3);
	assert_true(limits.peers_max >= limits.peers_wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_planned_fits),
		cmocka_unit_test(little_memory_means_fewer_peers_and_shorter_queues),
		cmocka_unit_test(frames_and_their_codec_fit),
		cmocka_unit_test(two_pieces_are_taken_in_any_case),
		cmocka_unit_test(two_tebibytes_fit_into_64_mebibytes),
	};

	return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
