/* SPDX-License-Identifier: Apache-2.0 */
/* What of a device lies in the page cache, and where; and what the layers above it say of that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/block_device_fixture.h"

/* By a system call, as it is meant. */
static void assert_lies_there(const uint8_t *where, const uint8_t *expected, size_t bytes)
{
	uint8_t found[4096];
	int ends[2];

	assert_true(bytes <= sizeof(found));
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], where, bytes), bytes);
	assert_int_equal(read(ends[0], found, bytes), bytes);
	assert_memory_equal(found, expected, bytes);
	close(ends[0]);
	close(ends[1]);
}

static void what_lies_in_the_page_cache_is_found_there(void **state)
{
	(void)state;
	uint8_t *in = random_bytes(3 * MIB, 1);
	uint8_t *out = random_bytes(3 * MIB, 2);
	struct block_device *device = open_file(DISK_BYTES);
	const uint8_t *where;

	assert_true(block_device_write(device, in, 0, 3 * MIB, &failure));
	assert_true(block_device_flush(device, &failure));
	assert_int_equal(
		block_device_at_hand(device, DISK_BYTES - MIB, MIB, MIB, &where), 0); /* a hole */
	assert_true(block_device_read(device, out, 0, 3 * MIB, &failure));
	assert_int_equal(block_device_at_hand(device, MIB + 5, MIB - 5, MIB, &where), MIB - 5);
	assert_lies_there(where, in + MIB + 5, 4096);
	assert_int_equal(block_device_at_hand(device, DISK_BYTES, 1, MIB, &where), 0);
	assert_int_equal(truncate(path, MIB + 8192), 0);
	assert_int_equal(block_device_at_hand(device, MIB, MIB, MIB, &where), 8192);
	block_device_close(device);
	free(in);
	free(out);
}

static void what_a_layer_changes_is_not_taken_from_below(void **state)
{
	(void)state;
	uint8_t *in = random_bytes(IMAGE_BYTES, 1);
	uint8_t *out = random_bytes(IMAGE_BYTES, 2);
	struct block_device *device =
		block_device_holdback_open(open_file(DISK_BYTES), IMAGE_BYTES, &failure);
	const uint8_t *where;

	assert_non_null(device);
	assert_true(block_device_write(device, in, 0, IMAGE_BYTES, &failure));
	assert_true(block_device_read(device, out, 0, IMAGE_BYTES, &failure));
	assert_int_equal(block_device_at_hand(device, 2 * MIB, 4096, MIB, &where), 4096);
	assert_lies_there(where, in + 2 * MIB, 4096);
	assert_int_equal(block_device_at_hand(device, 0, 4096, MIB, &where), 0);
	assert_int_equal(block_device_at_hand(device, MIB - 4096, 8192, MIB, &where), 0);
	assert_int_equal(block_device_at_hand(device, IMAGE_BYTES - 4096, 4096, MIB, &where), 0);
	assert_true(holdback_commit(device, &failure));
	assert_true(block_device_read(device, out, 0, 4096, &failure));
	assert_int_equal(block_device_at_hand(device, 0, 4096, MIB, &where), 4096);
	assert_lies_there(where, in, 4096);
	device = block_device_faults_open(device, "read-error-at=0", &failure);
	assert_non_null(device);
	assert_int_equal(block_device_at_hand(device, 0, 4096, MIB, &where), 0);
	block_device_close(device);
	free(in);
	free(out);
}

static uint64_t resident_file_bytes(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	unsigned long long kib = 0;
	char line[128];

	assert_non_null(status);
	while (kib == 0 && fgets(line, sizeof(line), status) != NULL)
		(void)sscanf(line, "RssFile: %llu", &kib);
	fclose(status);
	return kib * KIB;
}

/* By how much this process grows when all of the device is sent from the page cache. */
static uint64_t growth(uint64_t touched_bytes_max)
{
	uint8_t *bytes = random_bytes(DISK_BYTES, 1);
	struct block_device *device = open_file(DISK_BYTES);
	int copy = memfd_create("copy", MFD_CLOEXEC);
	const uint8_t *where;

	assert_true(copy >= 0);
	assert_true(block_device_write(device, bytes, 0, DISK_BYTES, &failure));
	assert_true(block_device_read(device, bytes, 0, DISK_BYTES, &failure));
	uint64_t before_bytes = resident_file_bytes();

	for (uint64_t at = 0; at < DISK_BYTES; at += 256 * KIB) {
		assert_int_equal(
			block_device_at_hand(device, at, 256 * KIB, touched_bytes_max, &where),
			256 * KIB);
		assert_int_equal(pwrite(copy, where, 256 * KIB, 0), 256 * KIB);
	}
	uint64_t grown_bytes = resident_file_bytes() - before_bytes;

	block_device_close(device);
	close(copy);
	free(bytes);
	return grown_bytes;
}

static void what_is_sent_from_there_stays_in_memory_within_its_limit(void **state)
{
	(void)state;
	assert_in_range(growth(MIB), 0, 2 * MIB);
	assert_in_range(growth(DISK_BYTES), DISK_BYTES / 2, 2 * DISK_BYTES); /* it would be seen */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_file, remove_file)
	const struct CMUnitTest tests[] = {
		TEST(what_lies_in_the_page_cache_is_found_there),
		TEST(what_a_layer_changes_is_not_taken_from_below),
		TEST(what_is_sent_from_there_stays_in_memory_within_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
