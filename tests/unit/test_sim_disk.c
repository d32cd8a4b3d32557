/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated disk keeps, loses and tears what it should: the checkers rest on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sim/disk.h"

#define PIECES 8

struct fixture {
	struct sim_world *world;
	struct sim_disk disk;
};

static void begin(struct fixture *fixture, uint64_t seed, bool holdback, bool no_flush)
{
	struct sim_disk_traits traits;

	fixture->world = sim_world_create(seed, 1);
	sim_image_make(fixture->world, PIECES * MIB, MIB, 0, 0);
	sim_disk_traits_default(&traits);
	traits.holdback = holdback;
	traits.flush_does_nothing = no_flush;
	sim_disk_create(&fixture->disk, fixture->world, &traits);
}

static void end(struct fixture *fixture)
{
	sim_disk_destroy(&fixture->disk);
	fixture->world = sim_world_destroy(fixture->world);
}

static struct sim_write *issue(struct fixture *fixture, uint32_t piece)
{
	const struct sim_image *image = &fixture->world->image;
	uint64_t due_ns;
	bool ok;
	struct sim_write *write = sim_disk_write(&fixture->disk, piece,
		image->marks + piece * image->granules_per_piece, &due_ns, &ok);

	assert_true(ok);
	assert_true(due_ns > 0);
	return write;
}

static void write_piece(struct fixture *fixture, uint32_t piece)
{
	sim_disk_write_done(issue(fixture, piece));
}

static void flush(struct fixture *fixture)
{
	uint64_t through;
	uint64_t due_ns;
	bool ok;

	sim_disk_flush(&fixture->disk, &through, &due_ns, &ok);
	sim_disk_flush_done(&fixture->disk, through, ok);
}

static void flushed_writes_survive_a_power_cut(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, 1, false, false);
	write_piece(&fixture, 3);
	assert_true(sim_disk_piece_readable(&fixture.disk, 3));
	assert_false(sim_disk_piece_durable(&fixture.disk, 3, true));
	flush(&fixture);
	assert_true(sim_disk_piece_durable(&fixture.disk, 3, true));
	sim_disk_power_cut(&fixture.disk);
	assert_true(sim_disk_piece_readable(&fixture.disk, 3));
	assert_false(sim_disk_piece_readable(&fixture.disk, 4));
	end(&fixture);
}

static void a_flush_covers_only_what_was_answered_before_it(void **state)
{
	struct fixture fixture;
	uint64_t through;
	uint64_t due_ns;
	bool ok;

	(void)state;
	begin(&fixture, 1, false, false);
	write_piece(&fixture, 1);
	struct sim_write *late = issue(&fixture, 2);

	sim_disk_flush(&fixture.disk, &through, &due_ns, &ok);
	sim_disk_write_done(late);
	sim_disk_flush_done(&fixture.disk, through, ok);
	assert_true(sim_disk_piece_durable(&fixture.disk, 1, true));
	assert_false(sim_disk_piece_durable(&fixture.disk, 2, true));
	end(&fixture);
}

/* Over many seeds every fate of an unflushed write is seen: kept, lost, torn inside a granule. */
static void unflushed_writes_are_kept_lost_or_torn(void **state)
{
	uint32_t kept = 0;
	uint32_t lost = 0;
	uint32_t torn = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 60; seed++) {
		struct fixture fixture;
		uint32_t zeros = 0;
		uint32_t wrong = 0;

		begin(&fixture, seed, false, false);
		write_piece(&fixture, 5);
		sim_disk_power_cut(&fixture.disk);
		for (uint32_t i = 0; i < fixture.world->image.granules_per_piece; i++) {
			uint32_t mark = sim_disk_read_granule(
				&fixture.disk, 5 * fixture.world->image.granules_per_piece + i);

			zeros += mark == SIM_CONTENT_ZERO;
			wrong += (mark & SIM_CONTENT_WRONG_BIT) != 0;
		}
		kept += sim_disk_piece_readable(&fixture.disk, 5);
		lost += zeros == fixture.world->image.granules_per_piece;
		torn += wrong > 0;
		end(&fixture);
	}
	assert_in_range(kept, 5, 40);
	assert_in_range(lost, 5, 40);
	assert_in_range(torn, 5, 40);
	assert_int_equal(kept + lost + torn, 60);
}

static void held_back_ranges_are_lost_until_the_commit(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, 1, true, false);
	for (uint32_t piece = 0; piece < PIECES; piece++)
		write_piece(&fixture, piece);
	flush(&fixture);
	assert_true(sim_disk_piece_durable(&fixture.disk, 0, true));
	assert_false(sim_disk_piece_durable(&fixture.disk, 0, false));
	assert_false(sim_disk_piece_durable(&fixture.disk, PIECES - 1, false));
	assert_true(sim_disk_piece_durable(&fixture.disk, 1, false));
	assert_false(sim_disk_head_boots(&fixture.disk));
	sim_disk_power_cut(&fixture.disk);
	assert_false(sim_disk_piece_readable(&fixture.disk, 0));
	write_piece(&fixture, 0);
	write_piece(&fixture, PIECES - 1);
	sim_disk_commit(&fixture.disk, false);
	sim_disk_commit_done(&fixture.disk, false);
	assert_false(sim_disk_head_boots(&fixture.disk));
	sim_disk_commit(&fixture.disk, true);
	sim_disk_commit_done(&fixture.disk, true);
	assert_true(sim_disk_head_boots(&fixture.disk));
	sim_disk_power_cut(&fixture.disk);
	for (uint32_t piece = 0; piece < PIECES; piece++)
		assert_true(sim_disk_piece_readable(&fixture.disk, piece));
	end(&fixture);
}

static void the_old_head_is_wiped_before_the_first_write(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, 1, true, false);
	sim_disk_fill_image(&fixture.disk);
	assert_true(sim_disk_head_boots(&fixture.disk));
	write_piece(&fixture, 4);
	assert_false(sim_disk_head_boots(&fixture.disk));
	/* Assessed before the wipe and kept in memory. */
	assert_true(sim_disk_piece_readable(&fixture.disk, 0));
	end(&fixture);
}

static void a_flush_that_does_nothing_keeps_nothing(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, 1, false, true);
	write_piece(&fixture, 2);
	flush(&fixture);
	assert_true(sim_disk_piece_readable(&fixture.disk, 2));
	assert_false(sim_disk_piece_durable(&fixture.disk, 2, true));
	end(&fixture);
}

/* After a failed flush a later good one does not bring back what was dropped. */
static void a_failed_flush_may_drop_what_it_was_given(void **state)
{
	uint32_t dropped = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 30; seed++) {
		struct fixture fixture;

		begin(&fixture, seed, false, false);
		fixture.disk.traits.flush_fail_from = 1;
		fixture.disk.traits.flush_fail_count = 1;
		write_piece(&fixture, 2);
		flush(&fixture);
		flush(&fixture);
		assert_true(sim_disk_piece_readable(&fixture.disk, 2));
		dropped += !sim_disk_piece_durable(&fixture.disk, 2, true);
		end(&fixture);
	}
	assert_in_range(dropped, 5, 29);
}

static void operations_cost_time(void **state)
{
	struct fixture fixture;
	uint64_t first_ns;
	uint64_t second_ns;
	bool ok;

	(void)state;
	begin(&fixture, 1, false, false);
	sim_disk_read(&fixture.disk, MIB, MIB, &first_ns, &ok);
	assert_int_equal(first_ns, fixture.disk.traits.seek_ns +
					   MIB * NS_PER_S / fixture.disk.traits.read_bytes_per_s);
	/* The next bytes: no seek, but after the first. */
	sim_disk_read(&fixture.disk, 2 * MIB, MIB, &second_ns, &ok);
	assert_int_equal(
		second_ns, first_ns + MIB * NS_PER_S / fixture.disk.traits.read_bytes_per_s);
	end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flushed_writes_survive_a_power_cut),
		cmocka_unit_test(a_flush_covers_only_what_was_answered_before_it),
		cmocka_unit_test(unflushed_writes_are_kept_lost_or_torn),
		cmocka_unit_test(held_back_ranges_are_lost_until_the_commit),
		cmocka_unit_test(the_old_head_is_wiped_before_the_first_write),
		cmocka_unit_test(a_flush_that_does_nothing_keeps_nothing),
		cmocka_unit_test(a_failed_flush_may_drop_what_it_was_given),
		cmocka_unit_test(operations_cost_time),
	};

	return cmocka_run_group_tests_name("sim_disk", tests, NULL, NULL);
}
