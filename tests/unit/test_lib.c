/* SPDX-License-Identifier: Apache-2.0 */
/* The leaves: bits, heap, random numbers, units, hex, errors, log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "lib/bitset.h"
#include "lib/failure.h"
#include "lib/heap.h"
#include "lib/log.h"
#include "lib/rng.h"
#include "lib/units.h"

static void bitset_finds_set_and_clear_bits_at_every_size(void **state)
{
	(void)state;
	uint64_t words[BITSET_WORDS(200)];
	struct bitset set;

	for (uint32_t bits = 1; bits <= 200; bits++) {
		bitset_init(&set, words, bits);
		assert_int_equal(bitset_next_set(&set, 0), BITSET_NONE);
		assert_int_equal(bitset_next_clear(&set, bits - 1), bits - 1);
		bitset_set(&set, bits - 1);
		assert_int_equal(bitset_next_set(&set, 0), bits - 1);
		bitset_set_all(&set);
		assert_int_equal(bitset_count(&set), bits);
		assert_int_equal(bitset_next_clear(&set, 0), BITSET_NONE);
		bitset_clear(&set, bits / 2);
		assert_int_equal(bitset_next_clear(&set, 0), bits / 2);
	}
}

static void bitfields_with_spare_bits_or_wrong_length_are_refused(void **state)
{
	(void)state;
	uint64_t words[1];
	struct bitset set;
	const uint8_t good[] = {0x80, 0x40};
	const uint8_t spare[] = {0x80, 0x20};
	uint8_t out[2];

	bitset_init(&set, words, 10);
	assert_true(bitset_from_bitfield(&set, good, 2));
	assert_true(bitset_has(&set, 0) && bitset_has(&set, 9));
	assert_int_equal(bitset_count(&set), 2);
	bitset_to_bitfield(&set, out);
	assert_memory_equal(out, good, 2);
	assert_false(bitset_from_bitfield(&set, spare, 2));
	assert_false(bitset_from_bitfield(&set, good, 1));
	assert_int_equal(bitset_count(&set), 0);
}

static void heap_gives_equal_keys_in_the_order_they_came(void **state)
{
	(void)state;
	struct heap_item items[500];
	struct heap_item item;
	struct heap heap;
	struct rng rng;
	uint64_t last_key = 0;
	uint64_t last_value = 0;

	rng_seed(&rng, 1);
	heap_init(&heap, items, ARRAY_COUNT(items));
	for (uint64_t i = 0; i < ARRAY_COUNT(items); i++)
		assert_true(heap_push(&heap, rng_below(&rng, 20), i));
	assert_false(heap_push(&heap, 0, 0));
	for (size_t i = 0; i < ARRAY_COUNT(items); i++) {
		assert_true(heap_pop(&heap, &item));
		assert_true(i == 0 || item.key > last_key ||
			    (item.key == last_key && item.value > last_value));
		last_key = item.key;
		last_value = item.value;
	}
	assert_false(heap_pop(&heap, &item));
	assert_null(heap_top(&heap));
}

static void rng_replays_and_stays_in_bounds(void **state)
{
	(void)state;
	struct rng a;
	struct rng b;
	unsigned counts[7] = {0};

	rng_seed(&a, 42);
	rng_seed(&b, 42);
	for (int i = 0; i < 7000; i++) {
		uint64_t value = rng_below(&a, 7);

		assert_int_equal(value, rng_below(&b, 7));
		counts[value]++;
	}
	for (size_t i = 0; i < ARRAY_COUNT(counts); i++)
		assert_in_range(counts[i], 850, 1150);
	assert_int_equal(rng_below(&a, 0), 0);
}

static void sizes_are_read_and_written(void **state)
{
	(void)state;
	uint64_t bytes;
	char text[UNITS_TEXT_MAX];
	static const char *const wrong[] = {"", "x", "1X", "1Mb", "-1", "1.5",
		"99999999999999999999", "20000000TiB", "1 MiB x"};

	assert_true(size_parse("64KiB", &bytes));
	assert_int_equal(bytes, 64 * KIB);
	assert_true(size_parse("1.5GiB", &bytes));
	assert_int_equal(bytes, 3 * GIB / 2);
	assert_true(size_parse("512", &bytes));
	assert_int_equal(bytes, 512);
	assert_true(size_parse("2 T", &bytes));
	assert_int_equal(bytes, 2 * TIB);
	assert_true(size_parse("50GB", &bytes));
	assert_int_equal(bytes, 50000000000);
	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++)
		if (size_parse(wrong[i], &bytes))
			fail_msg("accepted \"%s\"", wrong[i]);
	assert_string_equal(size_format(text, 3 * GIB / 2), "1.5 GiB");
	assert_string_equal(size_format(text, 940), "940 B");
	assert_string_equal(size_format(text, 200 * MIB), "200 MiB");
}

static void rates_and_delays_are_read(void **state)
{
	(void)state;
	uint64_t value;
	static const char *const wrong_rates[] = {"", "1", "1000", "1G", "Gbit", "0Gbit", "1Gbit/m",
		"1Gbit/s/s", "1gbit", "-1Mbit", "99999999999999Gbit", "0.001Kbit",
		"1                                     Gbit"};
	static const char *const wrong_delays[] = {"", "1", "ms", "1 year", "-1ms", "99999999999h"};

	assert_true(rate_parse("1Gbit", &value) && value == 125000000);
	assert_true(rate_parse("2.5Gbit/s", &value) && value == 312500000);
	assert_true(rate_parse("50 Mbit", &value) && value == 6250000);
	assert_true(rate_parse("150MB/s", &value) && value == 150000000);
	assert_true(rate_parse("400MiB/s", &value) && value == 400 * MIB);
	for (size_t i = 0; i < ARRAY_COUNT(wrong_rates); i++)
		if (rate_parse(wrong_rates[i], &value))
			fail_msg("accepted \"%s\"", wrong_rates[i]);
	assert_true(delay_parse("100us", &value) && value == 100 * NS_PER_US);
	assert_true(delay_parse("1.5s", &value) && value == 1500 * NS_PER_MS);
	assert_true(delay_parse("0", &value) && value == 0);
	assert_true(delay_parse("2m", &value) && value == 120 * NS_PER_S);
	for (size_t i = 0; i < ARRAY_COUNT(wrong_delays); i++)
		if (delay_parse(wrong_delays[i], &value))
			fail_msg("accepted \"%s\"", wrong_delays[i]);
}

static void durations_are_read_and_written(void **state)
{
	(void)state;
	uint64_t seconds;
	char text[UNITS_TEXT_MAX];

	assert_true(duration_parse("90", &seconds) && seconds == 90);
	assert_true(duration_parse("10m", &seconds) && seconds == 600);
	assert_true(duration_parse("24h", &seconds) && seconds == 86400);
	assert_false(duration_parse("1w", &seconds));
	assert_false(duration_parse("m", &seconds));
	assert_false(duration_parse("1ms", &seconds));
	assert_string_equal(duration_format(text, 200), "3 min 20 s");
	assert_string_equal(duration_format(text, 7500), "2 h 5 min");
}

static void hex_round_trips_and_refuses_other_text(void **state)
{
	(void)state;
	const uint8_t bytes[] = {0x00, 0xff, 0x1a};
	uint8_t back[3];
	char hex[7];

	hex_write(hex, bytes, 3);
	assert_string_equal(hex, "00ff1a");
	assert_true(hex_read(back, 3, "00FF1a"));
	assert_memory_equal(back, bytes, 3);
	assert_false(hex_read(back, 3, "00ff1"));
	assert_false(hex_read(back, 3, "00ff1a0"));
	assert_false(hex_read(back, 3, "00fg1a"));
}

static void printable_copies_are_cut_and_cleaned(void **state)
{
	char text[5];

	(void)state;
	printable_copy(text, sizeof(text), "a\0\x1b\xff~ ", 6);
	assert_string_equal(text, "a???");
	printable_copy(text, sizeof(text), " ~\x7f", 3);
	assert_string_equal(text, " ~?");
	printable_copy(text, sizeof(text), "", 0);
	assert_string_equal(text, "");
	printable_copy(text, 1, "abc", 3);
	assert_string_equal(text, "");
}

static void a_fixed_failure_text_is_cut_at_its_end(void **state)
{
	struct failure failure;
	char text[sizeof(failure.text) + 10];

	(void)state;
	assert_false(failure_text(NULL, ERROR_FORMAT, "nobody listens"));
	assert_false(failure_text(&failure, ERROR_FORMAT, "short"));
	assert_int_equal(failure.error, ERROR_FORMAT);
	assert_string_equal(failure.text, "short");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_false(failure_text(&failure, ERROR_LIMIT, text));
	assert_int_equal(strlen(failure.text), sizeof(failure.text) - 1);
}

static void zero_test_sees_every_byte(void **state)
{
	(void)state;
	uint8_t bytes[100] = {0};

	assert_true(bytes_all_zero(bytes, 0));
	assert_true(bytes_all_zero(bytes, 100));
	for (size_t i = 0; i < 100; i++) {
		bytes[i] = 1;
		assert_false(bytes_all_zero(bytes, 100));
		bytes[i] = 0;
	}
}

static void errors_have_names_that_lead_back(void **state)
{
	(void)state;
	struct failure failure;

	for (unsigned i = 0; i < ERRORS_COUNT; i++) {
		const char *name = error_name((enum error)i);

		assert_int_equal(error_from_name(name, strlen(name)), i);
	}
	assert_int_equal(error_from_name("bogus", 5), ERRORS_COUNT);
	errno = ENOSPC;
	assert_false(failure_errno(&failure, ERROR_SYSTEM, "writing %s", "x"));
	assert_int_equal(failure.error, ERROR_NO_SPACE);
	assert_string_equal(failure.text, "writing x: No space left on device");
}

static void log_tail_keeps_the_newest_whole_lines(void **state)
{
	(void)state;
	static char tail[LOG_TAIL_BYTES + 1];

	log_set_descriptor(-1);
	for (int i = 0; i < 2000; i++)
		log_info("line %d", i);
	size_t length = log_tail(tail, sizeof(tail));

	assert_true(length > LOG_TAIL_BYTES / 2);
	assert_int_equal(tail[0], '[');
	assert_non_null(strstr(tail, "line 1999\n"));
	assert_true(log_tail(tail, 100) < 100);
	assert_non_null(strstr(tail, "line 1999\n"));
	log_set_descriptor(2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bitset_finds_set_and_clear_bits_at_every_size),
		cmocka_unit_test(bitfields_with_spare_bits_or_wrong_length_are_refused),
		cmocka_unit_test(heap_gives_equal_keys_in_the_order_they_came),
		cmocka_unit_test(rng_replays_and_stays_in_bounds),
		cmocka_unit_test(sizes_are_read_and_written),
		cmocka_unit_test(rates_and_delays_are_read),
		cmocka_unit_test(durations_are_read_and_written),
		cmocka_unit_test(hex_round_trips_and_refuses_other_text),
		cmocka_unit_test(zero_test_sees_every_byte),
		cmocka_unit_test(printable_copies_are_cut_and_cleaned),
		cmocka_unit_test(a_fixed_failure_text_is_cut_at_its_end),
		cmocka_unit_test(errors_have_names_that_lead_back),
		cmocka_unit_test(log_tail_keeps_the_newest_whole_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
