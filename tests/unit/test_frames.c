/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: there and back, what is refused, what is kept in memory, and when it is worth while. */
#include "runtime/frame_choice.h"
#include "runtime/frame_codec.h"
#include "runtime/frame_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <zstd.h>

#include "lib/rng.h"

#define BLOCK_BYTES ((uint32_t)(256 * KIB))

static uint8_t block[BLOCK_BYTES];
static uint8_t decoded[BLOCK_BYTES + 64];
static uint8_t bytes[BLOCK_BYTES + 4096];

static void fill_text(void)
{
	for (size_t i = 0; i < BLOCK_BYTES; i++)
		block[i] = (uint8_t)((size_t) "swarm boot\n"[i % 11] + (i >> 12) % 7);
}

static void fill_random(void)
{
	struct rng rng;

	rng_seed(&rng, 1);
	for (size_t i = 0; i < BLOCK_BYTES; i++)
		block[i] = (uint8_t)rng_next(&rng);
}

/* ---- the codec ---- */

static void there_and_back(void **state)
{
	struct frame_codec *codec = frame_codec_create();
	static const uint32_t sizes[] = {4096, 4097, 100000, BLOCK_BYTES};

	(void)state;
	fill_text();
	for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
		uint32_t count =
			frame_encode(codec, 3, bytes, frame_bytes_worth(sizes[i]), block, sizes[i]);

		assert_true(count > 0 && count < sizes[i] / 2);
		memset(decoded, 0xa5, sizeof(decoded));
		assert_true(frame_decode(codec, decoded, sizes[i], bytes, count));
		assert_memory_equal(decoded, block, sizes[i]);
		assert_int_equal(decoded[sizes[i]], 0xa5);
	}
	frame_codec_destroy(codec);
	assert_null(frame_codec_destroy(NULL));
}

static void random_bytes_are_not_worth_it(void **state)
{
	struct frame_codec *codec = frame_codec_create();

	(void)state;
	fill_random();
	assert_false(frame_promising(codec, block, BLOCK_BYTES));
	assert_int_equal(
		frame_encode(codec, 3, bytes, frame_bytes_worth(BLOCK_BYTES), block, BLOCK_BYTES),
		0);
	fill_text();
	assert_true(frame_promising(codec, block, BLOCK_BYTES));
	frame_codec_destroy(codec);
}

/* Whatever is wrong with it: refused, and nothing behind the block is touched. */
static void refuse(struct frame_codec *codec, uint32_t block_bytes, uint32_t count)
{
	uint8_t *exact = malloc(count == 0 ? 1 : count);

	assert_non_null(exact);
	memcpy(exact, bytes, count);
	memset(decoded, 0xa5, sizeof(decoded));
	assert_false(frame_decode(codec, decoded, block_bytes, exact, count));
	for (size_t i = block_bytes; i < sizeof(decoded); i++)
		assert_int_equal(decoded[i], 0xa5);
	free(exact);
}

static void bad_frames_are_refused(void **state)
{
	struct frame_codec *codec = frame_codec_create();
	ZSTD_CCtx *context = ZSTD_createCCtx();
	ZSTD_inBuffer in = {block, 65536, 0};
	ZSTD_outBuffer out = {bytes, sizeof(bytes), 0};
	uint32_t count;

	(void)state;
	fill_text();
	count = frame_encode(codec, 3, bytes, 65535, block, 65536);
	for (uint32_t cut = 0; cut < count; cut += 1 + cut / 16)
		refuse(codec, 65536, cut);
	refuse(codec, 65535, count); /* another size than it declares */
	refuse(codec, 65537, count);
	bytes[count] = 0;
	refuse(codec, 65536, count + 1); /* a tail */
	memcpy(bytes + count, bytes, count);
	refuse(codec, 131072, 2 * count); /* two of them */
	refuse(codec, 65536, 2 * count);
	/* Zeros without end in a few bytes, and one that does not say how large it is. */
	memset(block, 0, sizeof(block));
	count = frame_encode(codec, 3, bytes, 65535, block, BLOCK_BYTES);
	refuse(codec, 65536, count);
	ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
	assert_int_equal(ZSTD_compressStream2(context, &out, &in, ZSTD_e_end), 0);
	refuse(codec, 65536, (uint32_t)out.pos);
	/* A skippable frame holds nothing. */
	memcpy(bytes, "\x50\x2a\x4d\x18\4\0\0\0abcd", 12);
	refuse(codec, 65536, 12);
	ZSTD_freeCCtx(context);
	frame_codec_destroy(codec);
}

static void damaged_frames_stay_within_the_block(void **state)
{
	struct frame_codec *codec = frame_codec_create();
	struct rng rng;
	uint32_t decoded_count = 0;
	uint32_t count;

	(void)state;
	fill_text();
	rng_seed(&rng, 2);
	count = frame_encode(codec, 3, bytes, 65535, block, 65536);
	for (uint32_t i = 0; i < 2000; i++) {
		uint32_t at = (uint32_t)rng_below(&rng, count);
		uint8_t flip = (uint8_t)(1 + rng_below(&rng, 255));

		bytes[at] ^= flip;
		decoded[65536] = 0xa5;
		/* It may even be right: a byte that nobody reads. */
		if (frame_decode(codec, decoded, 65536, bytes, count))
			decoded_count++;
		assert_int_equal(decoded[65536], 0xa5);
		bytes[at] ^= flip;
	}
	assert_in_range(decoded_count, 0, 1999);
	frame_codec_destroy(codec);
}

/* ---- the store ---- */

static unsigned roomy_count;

static void roomy(void *context)
{
	(void)context;
	roomy_count++;
}

static void keep(struct frame_store *store, uint32_t piece, uint32_t begin, bool proven)
{
	struct frame *frame = frame_reserve(store, piece, begin, 100, 50, false);

	assert_non_null(frame);
	frame_keep(frame, proven);
	frame_release(frame);
}

static bool has(struct frame_store *store, uint32_t piece, uint32_t begin)
{
	struct frame *frame = frame_find(store, piece, begin, 100);

	if (frame != NULL)
		frame_release(frame);
	return frame != NULL;
}

static void what_was_unused_longest_makes_way(void **state)
{
	struct frame_store *store = frame_store_create(200, roomy, NULL);

	(void)state;
	for (uint32_t piece = 0; piece < 4; piece++)
		keep(store, piece, 0, true);
	assert_true(has(store, 0, 0)); /* used again */
	assert_false(has(store, 0, 1));
	assert_null(frame_find(store, 0, 0, 99));
	keep(store, 4, 0, true);
	assert_true(has(store, 0, 0));
	assert_false(has(store, 1, 0));
	assert_int_equal(frame_store_bytes(store), 200);
	frame_store_destroy(store);
}

static void users_hold_it_and_sending_leaves_room_to_receive(void **state)
{
	struct frame_store *store = frame_store_create(200, roomy, NULL);
	struct frame *sent = frame_reserve(store, 1, 0, 100, 90, true);

	(void)state;
	roomy_count = 0;
	assert_non_null(sent);
	assert_null(frame_reserve(store, 2, 0, 100, 20, true));
	frame_shrink(sent, 80);
	assert_int_equal(roomy_count, 1);
	struct frame *more = frame_reserve(store, 2, 0, 100, 20, true);
	struct frame *received = frame_reserve(store, 3, 0, 100, 100, false);

	assert_non_null(more);
	assert_non_null(received);
	assert_null(frame_reserve(store, 4, 0, 100, 1, false));
	frame_release(more);
	assert_int_equal(roomy_count, 2);
	frame_keep(sent, true);
	struct frame *again = frame_find(store, 1, 0, 100);

	assert_ptr_equal(again, sent);
	frame_release(sent);
	assert_null(frame_reserve(store, 4, 0, 100, 80, false));
	frame_release(again);
	assert_int_equal(frame_store_bytes(store), 180);
	struct frame *last = frame_reserve(store, 4, 0, 100, 80, false);

	assert_non_null(last); /* in its place */
	assert_null(frame_reserve(store, 5, 0, 100, 201, false));
	frame_release(last);
	frame_release(received);
	assert_int_equal(frame_store_bytes(store), 0);
	frame_store_destroy(store);
}

/* Only what the digest of its piece has proven is ever sent on. */
static void pending_frames_wait_for_the_digest(void **state)
{
	struct frame_store *store = frame_store_create(1000, roomy, NULL);

	(void)state;
	keep(store, 1, 0, false);
	keep(store, 1, 100, false);
	keep(store, 1025, 0, false); /* in the same bucket */
	assert_false(has(store, 1, 0));
	frame_overtaken(store, 1, 150, 10);
	frame_settle(store, 1, true);
	assert_true(has(store, 1, 0));
	assert_false(has(store, 1, 100));
	assert_false(has(store, 1025, 0));
	frame_settle(store, 1025, false);
	frame_settle(store, 1025, true);
	assert_false(has(store, 1025, 0));
	frame_overtaken(store, 1, 0, 100); /* what is proven stays */
	assert_true(has(store, 1, 0));
	assert_int_equal(frame_store_bytes(store), 50);
	frame_store_destroy(store);
}

/* ---- the choice ---- */

static void the_faster_the_link_the_less_is_compressed(void **state)
{
	struct frame_choice choice;

	(void)state;
	frame_choice_open(&choice, FRAMES_AUTO, true, 2, 8);
	assert_int_equal(frame_choice_level(&choice, 0, 0, 1), 3); /* nothing is known yet */
	assert_int_equal(frame_choice_level(&choice, 0, 12 * MIB, 1), 6);
	assert_int_equal(frame_choice_level(&choice, 0, 12 * MIB, 8), 3);
	assert_int_equal(frame_choice_level(&choice, 0, 120 * MIB, 1), 3);
	assert_int_equal(frame_choice_level(&choice, 0, 180 * MIB, 1), 1);
	assert_int_equal(frame_choice_level(&choice, 0, 500 * MIB, 1), 1);
	assert_int_equal(frame_choice_level(&choice, 0, 700 * MIB, 1), 0);
	for (int i = 0; i < 100; i++) /* a slow machine: 50 MiB/s */
		frame_choice_learn(&choice, 1, 0, MIB, NS_PER_S / 50, true);
	assert_int_equal(frame_choice_level(&choice, 0, 300 * MIB, 1), 0);
	choice.mode = FRAMES_ALWAYS;
	assert_int_equal(frame_choice_level(&choice, 0, 700 * MIB, 1), 6);
	choice.mode = FRAMES_OFF;
	assert_int_equal(frame_choice_level(&choice, 0, MIB, 1), 0);
	frame_choice_close(&choice);
	frame_choice_open(&choice, FRAMES_AUTO, false, 2, 8);
	assert_int_equal(frame_choice_level(&choice, 0, MIB, 1), 3);
	frame_choice_close(&choice);
}

static void what_did_not_shrink_is_not_tried_again(void **state)
{
	struct frame_choice choice;
	uint32_t tried_count = 0;

	(void)state;
	frame_choice_open(&choice, FRAMES_ALWAYS, false, 2, 1000);
	frame_choice_learn(&choice, 3, 5, MIB, NS_PER_MS, false);
	assert_true(frame_choice_doubts(&choice));
	assert_int_equal(frame_choice_level(&choice, 5, 0, 1), 0);
	assert_int_not_equal(frame_choice_level(&choice, 6, 0, 1), 0);
	for (uint32_t run = 100; run < 900; run++)
		if (frame_choice_level(&choice, run, 0, 1) != 0) {
			tried_count++;
			frame_choice_learn(&choice, 3, run, MIB, NS_PER_MS, false);
		}
	assert_in_range(tried_count, 90, 110);
	while (frame_choice_level(&choice, 6, 0, 1) == 0)
		;
	frame_choice_learn(&choice, 3, 6, MIB, NS_PER_MS, true);
	assert_int_not_equal(frame_choice_level(&choice, 7, 0, 1), 0);
	assert_int_not_equal(frame_choice_level(&choice, 8, 0, 1), 0);
	assert_false(frame_choice_doubts(&choice));
	frame_choice_close(&choice);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(random_bytes_are_not_worth_it),
		cmocka_unit_test(bad_frames_are_refused),
		cmocka_unit_test(damaged_frames_stay_within_the_block),
		cmocka_unit_test(what_was_unused_longest_makes_way),
		cmocka_unit_test(users_hold_it_and_sending_leaves_room_to_receive),
		cmocka_unit_test(pending_frames_wait_for_the_digest),
		cmocka_unit_test(the_faster_the_link_the_less_is_compressed),
		cmocka_unit_test(what_did_not_shrink_is_not_tried_again),
	};

	return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}
