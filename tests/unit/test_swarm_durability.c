/* SPDX-License-Identifier: Apache-2.0 */
/* What counts as durable, what a failure takes back, and when the device may be changed at all. */
#include "tests/support/pair.h"

#define PIECES	    8
#define PIECE_BYTES ((uint32_t)(32 * KIB))

static struct rig rig;
static uint64_t zero_words[1];
static struct bitset zeroes;
static uint8_t hashes[PIECES * 4];

static struct swarm_settings fresh_settings(void)
{
	bitset_init(&zeroes, zero_words, PIECES);
	for (uint32_t piece = 0; piece < PIECES; piece++)
		be32_write(hashes + 4 * (size_t)piece, piece + 1);
	struct swarm_settings settings = rig_settings(PIECES, PIECE_BYTES);

	settings.zero_pieces = &zeroes;
	settings.piece_hashes = hashes;
	settings.piece_hash_bytes = 4;
	settings.limits.buffers_count = PIECES;
	return settings;
}

static int end(void **state)
{
	(void)state;
	rig.swarm = swarm_destroy(rig.swarm);
	return 0;
}

static void answer(const struct swarm_effect *effect, bool ok)
{
	enum swarm_input_kind kind = effect->kind == SWARM_EFFECT_HASH	  ? SWARM_IN_HASHED
				     : effect->kind == SWARM_EFFECT_FLUSH ? SWARM_IN_FLUSHED
									  : SWARM_IN_WRITTEN;

	rig_feed(&rig, &(struct swarm_input){.kind = kind,
			       .piece = effect->piece,
			       .buffer = effect->buffer,
			       .flush_id = effect->flush_id,
			       .ok = ok});
}

/* Answers the nth effect of that kind. */
static void answer_nth(enum swarm_effect_kind kind, uint32_t nth, bool ok)
{
	for (uint32_t i = 0; i < rig.log_count; i++) {
		struct swarm_effect effect = rig.log[i];

		if (effect.kind == kind && nth-- == 0) {
			answer(&effect, ok);
			return;
		}
	}
	fail_msg("no such effect");
}

/* Fetches everything; the test answers WRITE and FLUSH itself, digests are right. */
static void fetch_holding_the_disk(const struct swarm_settings *settings)
{
	rig_create(&rig, settings);
	rig_begin(&rig);
	rig.hold_disk = true;
	struct guest seed = guest_seed(&rig, 2);

	guest_answer_all(&rig, seed);
	for (uint32_t i = 0, end = rig.log_count; i < end; i++) {
		struct swarm_effect effect = rig.log[i];

		if (effect.kind == SWARM_EFFECT_HASH)
			answer(&effect, true);
	}
}

static void complete_comes_after_the_flush_that_covers_everything(void **state)
{
	struct swarm_settings settings = fresh_settings();

	(void)state;
	fetch_holding_the_disk(&settings);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_WRITE), PIECES);
	for (uint32_t i = 0; i < PIECES - 1; i++)
		answer_nth(SWARM_EFFECT_WRITE, i, true);
	rig_pass(&rig, 2 * NS_PER_S); /* a flush for what is written so far */
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_FLUSH), 1);
	answer_nth(SWARM_EFFECT_WRITE, PIECES - 1, true);
	answer_nth(SWARM_EFFECT_FLUSH, 0, true);
	/* The last piece was written after that flush was issued. */
	assert_int_equal(rig.completes_count, 0);
	assert_int_equal(swarm_piece_state(rig.swarm, rig_find(&rig, SWARM_EFFECT_WRITE)->piece),
		SWARM_PIECE_DURABLE);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_FLUSH), 2);
	answer_nth(SWARM_EFFECT_FLUSH, 1, true);
	assert_int_equal(rig.completes_count, 1);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_PIECE_DURABLE), PIECES);
}

static void have_is_said_when_written_not_before(void **state)
{
	struct swarm_settings settings = fresh_settings();

	(void)state;
	fetch_holding_the_disk(&settings);
	struct guest other = guest_come(&rig, 7, true);

	assert_int_equal(rig_said_count(&rig, other.peer, PEER_HAVE), 0);
	answer_nth(SWARM_EFFECT_WRITE, 0, true);
	assert_int_equal(rig_said_count(&rig, other.peer, PEER_HAVE), 1);
}

static void a_failed_flush_takes_back_all_that_is_not_durable(void **state)
{
	struct swarm_settings settings = fresh_settings();

	(void)state;
	settings.limits.buffers_count = 2; /* so that nothing stays in memory */
	rig_create(&rig, &settings);
	rig_begin(&rig);
	struct guest seed = guest_seed(&rig, 2);

	guest_answer_all(&rig, seed);
	assert_int_equal(rig.completes_count, 1);
	/* Everything durable stays so when a later flush fails. */
	struct swarm_status status;

	rig_feed(&rig, &(struct swarm_input){.kind = SWARM_IN_PIECE_BAD, .piece = 3});
	swarm_status(rig.swarm, &status);
	assert_false(status.complete);
	assert_int_equal(status.pieces_durable_count, PIECES - 1);
	rig_clear(&rig);
	rig.hold_disk = true;
	seed = guest_seed(&rig, 2);
	guest_answer_all(&rig, seed);
	answer_nth(SWARM_EFFECT_HASH, 0, true);
	answer_nth(SWARM_EFFECT_WRITE, 0, true);
	answer_nth(SWARM_EFFECT_FLUSH, 0, false);
	assert_int_equal(rig.completes_count, 1);
	assert_true(swarm_piece_state(rig.swarm, 3) < SWARM_PIECE_WRITTEN);
	swarm_status(rig.swarm, &status);
	assert_int_equal(status.pieces_durable_count, PIECES - 1);
	/* It is written again from memory and flushed again. */
	rig.hold_disk = false;
	rig_pass(&rig, 5 * NS_PER_S);
	assert_int_equal(rig.completes_count, 2);
}

static void three_failures_in_a_row_are_a_failed_disk(void **state)
{
	struct swarm_settings settings = fresh_settings();
	struct swarm_status status;

	(void)state;
	fetch_holding_the_disk(&settings);
	for (uint32_t failures = 0; failures < 3; failures++) {
		assert_int_equal(rig_count(&rig, SWARM_EFFECT_DISK_FAILED), 0);
		struct swarm_effect writes[RIG_PIECES_MAX];
		uint32_t count = 0;

		for (uint32_t i = 0; i < rig.log_count; i++)
			if (rig.log[i].kind == SWARM_EFFECT_WRITE)
				writes[count++] = rig.log[i];
		rig_clear(&rig);
		/* All that is under way fails: that is one failure, not eight. */
		for (uint32_t i = 0; i < count; i++)
			answer(&writes[i], false);
		if (failures < 2)
			rig_pass(&rig, 2 * NS_PER_S);
	}
	swarm_status(rig.swarm, &status);
	assert_true(status.disk_failed);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_DISK_FAILED), 1);
	rig_clear(&rig);
	rig_pass(&rig, 60 * NS_PER_S);
	(void)guest_seed(&rig, 3);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_WRITE), 0);
	for (uint32_t peer = 0; peer < 4; peer++)
		assert_null(rig_said(&rig, peer, PEER_REQUEST, 0));
	assert_int_equal(rig.completes_count, 0);
}

/* The first two are written as they come; the others wait, and then lie in order. */
static void writes_that_waited_go_one_way_over_the_disk(void **state)
{
	struct swarm_settings settings = fresh_settings();
	uint32_t descents = 0;
	uint32_t count = 0;
	uint32_t before = 0;

	(void)state;
	settings.limits.undurable_bytes_max = 2 * PIECE_BYTES;
	settings.limits.flush_bytes = PIECE_BYTES;
	fetch_holding_the_disk(&settings);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_WRITE), 2);
	for (uint32_t i = 0; i < PIECES; i++) {
		answer_nth(SWARM_EFFECT_WRITE, i, true);
		answer_nth(SWARM_EFFECT_FLUSH, i, true);
	}
	assert_int_equal(rig.completes_count, 1);
	for (uint32_t i = 0; i < rig.log_count; i++) {
		if (rig.log[i].kind != SWARM_EFFECT_WRITE)
			continue;
		if (count++ >= 2)
			descents += rig.log[i].piece < before;
		before = rig.log[i].piece;
	}
	assert_int_equal(count, PIECES);
	assert_true(descents <= 1);
}

static void undurable_bytes_are_bounded(void **state)
{
	struct swarm_settings settings = fresh_settings();

	(void)state;
	settings.limits.undurable_bytes_max = 3 * PIECE_BYTES;
	settings.limits.flush_bytes = 64 * MIB;
	settings.limits.flush_interval_ns = 3600 * NS_PER_S;
	fetch_holding_the_disk(&settings);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_WRITE), 3);
	answer_nth(SWARM_EFFECT_WRITE, 0, true);
	/* Written is not durable: no room yet, but a flush is on its way at once. */
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_WRITE), 3);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_FLUSH), 1);
	answer_nth(SWARM_EFFECT_FLUSH, 0, true);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_WRITE), 4);
}

static void nothing_is_written_before_a_first_piece_is_verified(void **state)
{
	struct swarm_settings settings = fresh_settings();

	(void)state;
	for (uint32_t piece = 0; piece < PIECES / 2; piece++)
		bitset_set(&zeroes, piece);
	rig_create(&rig, &settings);
	rig_begin(&rig);
	rig_pass(&rig, 10 * NS_PER_S);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_WRITE_ZEROES), 0);
	struct guest seed = guest_seed(&rig, 2);

	assert_int_equal(rig_count(&rig, SWARM_EFFECT_WRITE_ZEROES), 0);
	guest_answer_all(&rig, seed);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_WRITE_ZEROES), PIECES / 2);
	assert_int_equal(rig.completes_count, 1);
	for (uint32_t nth = 0; rig_said(&rig, seed.peer, PEER_REQUEST, nth) != NULL; nth++)
		assert_true(rig_said(&rig, seed.peer, PEER_REQUEST, nth)->index >= PIECES / 2);
}

static void an_image_of_zeros_needs_nobody(void **state)
{
	struct swarm_settings settings = fresh_settings();

	(void)state;
	bitset_set_all(&zeroes);
	rig_create(&rig, &settings);
	rig_begin(&rig);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_WRITE_ZEROES), PIECES);
	assert_int_equal(rig.completes_count, 1);
}

static void equal_pieces_are_fetched_once_and_written_each(void **state)
{
	struct swarm_settings settings = fresh_settings();
	struct swarm_status status;

	(void)state;
	for (uint32_t piece = 2; piece < 6; piece++)
		be32_write(hashes + 4 * (size_t)piece, 99);
	rig_create(&rig, &settings);
	rig_begin(&rig);
	struct guest seed = guest_seed(&rig, 2);

	guest_answer_all(&rig, seed);
	assert_int_equal(rig.completes_count, 1);
	for (uint32_t piece = 0; piece < PIECES; piece++)
		assert_int_equal(rig.writes_count[piece], 1);
	swarm_status(rig.swarm, &status);
	assert_int_equal(status.duplicate_bytes, 3 * PIECE_BYTES);
	assert_int_equal(status.received_bytes, (PIECES - 3) * PIECE_BYTES);
	assert_int_equal(status.wasted_bytes, 0);
}

static void what_the_device_holds_is_not_fetched_but_flushed(void **state)
{
	struct swarm_settings settings = fresh_settings();

	(void)state;
	rig_create(&rig, &settings);
	rig.hold_disk = true;
	rig_input(&rig, SWARM_IN_START);
	for (uint32_t piece = 0; piece < PIECES; piece++)
		rig_feed(&rig,
			&(struct swarm_input){.kind = SWARM_IN_PIECE_PRESENT, .piece = piece});
	rig_input(&rig, SWARM_IN_ASSESS_DONE);
	rig_pass(&rig, 2 * NS_PER_S);
	assert_int_equal(rig_count(&rig, SWARM_EFFECT_WRITE), 0);
	assert_int_equal(rig.completes_count, 0);
	answer_nth(SWARM_EFFECT_FLUSH, 0, true);
	assert_int_equal(rig.completes_count, 1);
}

static void unassessed_pieces_are_not_requested(void **state)
{
	struct swarm_settings settings = fresh_settings();

	(void)state;
	rig_create(&rig, &settings);
	rig_input(&rig, SWARM_IN_START);
	struct guest seed = guest_seed(&rig, 2);

	assert_int_equal(rig_said_count(&rig, seed.peer, PEER_REQUEST), 0);
	rig_feed(&rig, &(struct swarm_input){.kind = SWARM_IN_PIECE_ABSENT, .piece = 5});
	assert_int_equal(
		rig_said_count(&rig, seed.peer, PEER_REQUEST), PIECE_BYTES / PEER_BLOCK_BYTES);
	assert_int_equal(rig_said(&rig, seed.peer, PEER_REQUEST, 0)->index, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			complete_comes_after_the_flush_that_covers_everything, end),
		cmocka_unit_test_teardown(have_is_said_when_written_not_before, end),
		cmocka_unit_test_teardown(a_failed_flush_takes_back_all_that_is_not_durable, end),
		cmocka_unit_test_teardown(three_failures_in_a_row_are_a_failed_disk, end),
		cmocka_unit_test_teardown(writes_that_waited_go_one_way_over_the_disk, end),
		cmocka_unit_test_teardown(undurable_bytes_are_bounded, end),
		cmocka_unit_test_teardown(nothing_is_written_before_a_first_piece_is_verified, end),
		cmocka_unit_test_teardown(an_image_of_zeros_needs_nobody, end),
		cmocka_unit_test_teardown(equal_pieces_are_fetched_once_and_written_each, end),
		cmocka_unit_test_teardown(what_the_device_holds_is_not_fetched_but_flushed, end),
		cmocka_unit_test_teardown(unassessed_pieces_are_not_requested, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
